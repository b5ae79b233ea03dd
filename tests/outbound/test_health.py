"""What answers say of a number: a stop is told once, and only a probe that went after it lifts it."""

import datetime as dt
from uuid import UUID

import pytest
from msgspec.structs import replace

from atendeja.numbers import Number
from atendeja.outbound import health
from atendeja.outbound.health import PROBE_S, Health
from atendeja.outbound.outcomes import Claim, Done
from atendeja.outbound.protocol import MARKETING_STOP_S, Settlement
from tests.outbound.test_protocol import message

NOW = dt.datetime(2027, 3, 10, 13, tzinfo=dt.UTC)
HOUR = dt.timedelta(seconds=MARKETING_STOP_S)
NUMBER = Number(UUID(int=1), "1", "2", "3", "+55", b"", 80, None, None, None, None)
STOPPED = replace(NUMBER, marketing_until=NOW + HOUR, marketing_code=131048)
GOES = Settlement("accepted", "accepted", wamid="w")
STOPS_MARKETING = Settlement("refused", "queued", 131048, retry_s=3600.0, stop_marketing=True)
STOPS = Settlement("refused", "queued", 190, retry_s=60.0, stop_number=True)


class Row:
    """Takes the place of the transaction: which statements ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, statement: object, **given: object) -> int:
        self.ran.append(str(statement.name))  # type: ignore[attr-defined]  # a Query
        return 1


def claim(n: int, category: str = "marketing") -> Claim:
    return Claim(UUID(int=n), message(category=category))


async def written(of: Health, *done: tuple[Claim, Settlement]) -> tuple[list[str], list[str]]:
    """(statements, notices) of a record of these."""
    row, outcomes = Row(), [Done(made, settlement, None) for made, settlement in done]
    await of.write(row, NUMBER.id, outcomes, NOW)  # type: ignore[arg-type]  # see Row
    return row.ran, [kind for kind, _ in of.wrote(outcomes)]


def test_a_number_that_is_well_gives_marketing_all_that_is_free() -> None:
    assert (Health(NUMBER).marketing_room(7, NOW), Health(NUMBER).marketing_wait_s(NOW)) == (7, 0.0)


async def test_what_was_on_the_wire_before_the_stop_does_not_lift_it() -> None:
    """Whichever of the two is written first, and when both are written together."""
    for together in (True, False):
        of, first, second = Health(NUMBER), claim(1), claim(2)
        of.launched([first, second], NOW)
        assert not of.learn(first, STOPS_MARKETING, NOW) and not of.learn(second, GOES, NOW)
        assert of.marketing_room(7, NOW) == 0 and of.marketing_wait_s(NOW) == MARKETING_STOP_S
        if together:
            assert await written(of, (first, STOPS_MARKETING), (second, GOES)) == (
                ["numbers.stop_marketing"],
                ["marketing_stopped"],
            )
        else:
            assert await written(of, (first, STOPS_MARKETING)) == (["numbers.stop_marketing"], ["marketing_stopped"])
            assert await written(of, (second, GOES)) == ([], [])
        assert await written(of, (first, STOPS_MARKETING)) == (["numbers.stop_marketing"], []), "told once"


async def test_a_probe_goes_alone_and_lifts_it_when_it_is_accepted() -> None:
    of, probe, later = Health(STOPPED), claim(1), NOW + HOUR
    assert of.marketing_room(7, NOW) == 0 and of.marketing_room(7, later) == 1 and of.marketing_room(0, later) == 0
    of.launched([claim(9, "service"), probe], later)
    assert of.marketing_room(7, later) == 0 and of.marketing_wait_s(later) == PROBE_S
    assert of.learn(probe, GOES, later)
    assert of.marketing_room(7, later) == 7
    assert await written(of, (probe, GOES)) == (["numbers.go_on_with_marketing"], [])
    assert await written(of, (claim(2), GOES)) == ([], [])


async def test_a_probe_that_is_refused_waits_another_hour_and_is_not_told_again() -> None:
    of, probe, later = Health(STOPPED), claim(1), NOW + HOUR
    of.launched([probe], later)
    assert not of.learn(probe, STOPS_MARKETING, later)
    assert of.marketing_wait_s(later) == MARKETING_STOP_S
    assert await written(of, (probe, STOPS_MARKETING)) == (["numbers.stop_marketing"], [])


@pytest.mark.parametrize(
    "settlement", [Settlement("unknown", "in_doubt"), Settlement("abandoned", "queued"), Settlement("refused", "failed", 131026)]
)
def test_after_a_probe_that_says_nothing_the_next_one_goes(settlement: Settlement) -> None:
    of, probe, later = Health(STOPPED), claim(1), NOW + HOUR
    of.launched([probe], later)
    assert not of.learn(probe, settlement, later)
    assert of.marketing_room(7, later) == 1


def test_a_probe_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    of, later = Health(STOPPED), NOW + HOUR
    of.launched([claim(1)], later)
    assert of.marketing_room(7, later + dt.timedelta(seconds=PROBE_S)) == 1


async def test_an_acceptance_that_is_written_while_the_number_is_being_stopped_does_not_hide_the_notice() -> None:
    of, well, refused = Health(NUMBER), claim(1, "service"), claim(2, "service")
    of.learn(well, GOES, NOW)
    of.learn(refused, STOPS, NOW)
    assert await written(of, (well, GOES)) == ([], [])
    assert await written(of, (refused, STOPS)) == (["numbers.stop"], ["number_stopped"])
    assert of.stopped and of.row_stopped


async def test_a_stopped_number_goes_on_when_its_probe_is_dealt_with() -> None:
    of = Health(replace(NUMBER, stopped_until=NOW, stopped_code=190))
    assert of.row_stopped
    assert await written(of, (claim(1, "service"), Settlement("unknown", "in_doubt"))) == ([], [])
    assert await written(of, (claim(1, "service"), Settlement("refused", "failed", 131026))) == (["numbers.go_on"], [])
    assert not of.row_stopped


async def test_131048_on_a_message_of_another_kind_stops_marketing_too() -> None:
    of, reply = Health(NUMBER), claim(1, "utility")
    settlement = Settlement("refused", "failed", 131048, stop_marketing=True)
    of.learn(reply, settlement, NOW)
    assert of.marketing_room(7, NOW) == 0
    assert await written(of, (reply, settlement)) == (["numbers.stop_marketing"], ["marketing_stopped"])


def test_which_answers_may_change_a_row() -> None:
    for made, settlement, wanted in (
        (claim(1), GOES, True),
        (claim(1, "service"), GOES, False),
        (claim(1, "service"), STOPS, True),
        (claim(1, "service"), Settlement("refused", "failed", 131048, stop_marketing=True), True),
    ):
        assert health.says_something([Done(made, settlement, None)]) is wanted
