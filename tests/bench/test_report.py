"""The verdicts of the speed table."""

import pytest

from tests.bench import report
from tests.bench.report import Figure

LATENCY = Figure("latency", "3", "exchanges", "ms", 100, 50)
RATE = Figure("rate", "2", "drain", "/s", 1000, 2000, less=False, digits=0)
GOAL_ONLY = Figure("hurried", "3", "exchanges, hurried", "ms", None, 100)
FOR_SCALE = Figure("scale", "1", "a bare handler", "/s", less=False)


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.995, 100), (1.0, 100)])
def test_percentile_is_a_value_that_was_measured(share: float, wanted: float) -> None:
    assert report.percentile([float(n) for n in range(100, 0, -1)], share) == wanted


def test_percentile_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no values"):
        report.percentile([], 0.5)


@pytest.mark.parametrize(
    ("rounds", "less", "wanted"),
    [
        ([30, 10, 20], True, 20),
        ([30, 10], True, 30),
        ([30, 10], False, 10),
        ([30, None, 10], True, 30),
        ([30, None, 10], False, 10),
        ([None, 10, None], True, None),
        ([None, 10, None], False, None),
    ],
)
def test_a_round_that_was_not_held_is_the_worst(rounds: list[float | None], less: bool, wanted: float | None) -> None:
    assert report.middle(rounds, less=less) == wanted


@pytest.mark.parametrize(
    ("figure", "measured", "wanted"),
    [
        (LATENCY, 50, "goal"),
        (LATENCY, 100, "ok"),
        (LATENCY, 100.1, report.MISSED),
        (LATENCY, None, report.MISSED),
        (RATE, 2000, "goal"),
        (RATE, 1000, "ok"),
        (RATE, 999, report.MISSED),
        (RATE, None, report.MISSED),
        (GOAL_ONLY, 100, "goal"),
        (GOAL_ONLY, None, "below goal"),
        (FOR_SCALE, 1, ""),
    ],
)
def test_verdict(figure: Figure, measured: float | None, wanted: str) -> None:
    assert report.verdict(figure, measured) == wanted


def test_lines_are_in_the_order_of_the_table_and_only_of_what_was_measured() -> None:
    found = report.lines({"first_reply": [1.5], "drain": [900, None, 2100]})
    assert [(line.figure.row, line.measured, line.verdict) for line in found] == [("2", 900, report.MISSED), ("9", 1.5, "ok")]


def test_table_shows_every_round_and_what_must_be_reached() -> None:
    head, drain, reply = report.table(report.lines({"first_reply": [1.5], "drain": [900, None, 2100]})).splitlines()
    assert head.split() == ["row", "what", "measured", "of", "rounds", "floor", "goal", "verdict"]
    assert drain.endswith("900 /s    900 - 2100  >= 1000  >= 2000  FLOOR MISSED")
    assert reply.endswith("1.50 s    1.50        <= 2     <= 1     ok")


def test_keys_name_one_figure_each() -> None:
    assert len({figure.key for figure in report.FIGURES}) == len(report.FIGURES)
