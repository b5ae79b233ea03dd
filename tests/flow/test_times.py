from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from atendeja.flow.times import instant, moment, next_date, pattern, shift
from atendeja.flow.types import FlowError

from .test_text import scope


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2027-03-10T10:05:00-03:00"),
        ("today", "2027-03-10T00:00:00-03:00"),
        ("today+60d", "2027-05-09T00:00:00-03:00"),
        ("today + 1d 09:00", "2027-03-11T09:00:00-03:00"),
        ("now - 90m", "2027-03-10T08:35:00-03:00"),
        ("{{ dia }}", "2027-03-12T00:00:00-03:00"),
        ("{{dia}} - 1d 09:30", "2027-03-11T09:30:00-03:00"),
        ("{{ quando }} + 1h", "2027-03-12T16:00:00-03:00"),
    ],
)
def test_moment(text: str, expected: str) -> None:
    assert moment(text, scope()).isoformat() == expected


@pytest.mark.parametrize("text", ["{{ nome }}", "{{ falta }} + 1d", "{{ n }}", "amanhã"])
def test_not_a_moment(text: str) -> None:
    with pytest.raises(FlowError):
        moment(text, scope())


def test_days_follow_the_calendar_and_hours_the_clock() -> None:
    before = datetime(2027, 3, 13, 12, tzinfo=ZoneInfo("America/New_York"))  # the night on which the clock goes forward
    assert shift(before, "1d").isoformat() == "2027-03-14T12:00:00-04:00"
    assert shift(before, "+24h").isoformat() == "2027-03-14T13:00:00-04:00"
    assert shift(before, "-1d").day == 12


def test_next_date() -> None:
    assert next_date(29, 2, date(2027, 3, 1)) == date(2028, 2, 29)
    assert next_date(31, 4, date(2027, 3, 1)) is None


def test_instant_reads_dates_in_the_business_zone() -> None:
    assert instant("2027-03-12", scope()).isoformat() == "2027-03-12T00:00:00-03:00"
    assert instant("2027-03-12T18:00:00Z", scope()).isoformat() == "2027-03-12T15:00:00-03:00"


def test_pattern_touches_no_other_letter() -> None:
    at = datetime(2027, 3, 5, 9, 7, tzinfo=UTC)
    assert pattern(at, "d de MMMM, EEEE", "pt-BR") == "5 de março, sexta-feira"
    assert pattern(at, "EEEE MMMM d yyyy", "en") == "Friday March 5 2027"
    assert pattern(at, "HHhmm dd.MM.yy", "es") == "09h07 05.03.27"
