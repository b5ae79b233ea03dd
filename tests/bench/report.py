"""What the table says, pure: which figures there are, what they must reach, and the verdict of several rounds.

A rate that was not held (something failed, stayed unanswered or was left over, or the generator lagged) has no value: it
counts as worse than any. The figure of a run is the median of its rounds, of two in the middle the worse.
"""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

MISSED = "FLOOR MISSED"


class Figure(Struct, frozen=True):
    """A line of the table. Without a floor it cannot fail; without both it is told for scale."""

    key: str
    row: str
    what: str
    unit: str
    floor: float | None = None
    goal: float | None = None
    less: bool = True
    """Less is better."""
    digits: int = 1


FIGURES = (
    Figure("acks", "1", "durable acks, --role web, closed loop", "/s", less=False, digits=0),
    Figure("acks_hmac", "1", "a bare handler that only checks the HMAC", "/s", less=False, digits=0),
    Figure("acks_transaction", "1", "a handler with one transaction per webhook", "/s", less=False, digits=0),
    Figure("acks_to_hmac", "1", "durable acks to HMAC only", "x", 0.6, 1.0, less=False, digits=2),
    Figure("acks_to_transaction", "1", "durable acks to one transaction each", "x", 2, 3, less=False, digits=2),
    Figure("commits", "1b", "commits that 200 concurrent POSTs cost", "", 39, digits=0),
    Figure("drain", "2", "drain of a backlog: digest, turn, send", "/s", 1000, 2000, less=False, digits=0),
    Figure("p99_at_300", "3", "exchanges at 300/s, p99", "ms", 100),
    Figure("p50_at_300", "3", "exchanges at 300/s, p50", "ms"),
    Figure("p99_at_600", "3", "exchanges at 600/s, p99", "ms", None, 100),
    Figure("p50_at_10", "4", "exchanges at 10/s, p50", "ms", 12, 8),
    Figure("p99_at_10", "4", "exchanges at 10/s, p99", "ms", 40, 20),
    Figure("cpu_ms", "5", "CPU of app and Postgres per exchange at 200/s", "ms", 4, 2, digits=2),
    Figure("cpu_app_ms", "5", "of that the app", "ms", digits=2),
    Figure("ack_at_full", "6", "one number, 300 sends, 900 statuses, 100 texts a second: acks, p99", "ms", 100),
    Figure("pace_second", "7", "posts in the fullest second of the clock, to the rate (20, 80, 1,000/s)", "x", 1, digits=3),
    Figure("pace_sliding", "7", "posts in the fullest second there is, to the rate", "x", 1.02, digits=3),
    Figure("pace_used", "7", "of the rate a queue that never ends uses", "x", 0.98, less=False, digits=3),
    Figure("late_at_80", "7", "later than at an even pace, 80/s, p99", "ms", 10),
    Figure("late_at_1000", "7", "later than at an even pace, 1,000/s, p99", "ms", None, 50),
    Figure("cpu_send", "7", "CPU of app and Postgres per send at 1,000/s", "ms", 1.5, 1, digits=2),
    Figure("overtake", "7b", "a reply beside 100,000 queued marketing messages, p99", "ms", 100),
    Figure("unequal", "7c", "200 numbers that want 50/s each: the farthest from the mean", "x", 0.1, digits=3),
    Figure("shared", "7c", "what all of them send", "/s", less=False, digits=0),
    Figure("claim_to_few", "7d", "a claim beside 1,000,000 queued messages to one beside 1,000", "x", 1.2, digits=2),
    Figure("claim_ms", "7d", "that claim", "ms", digits=2),
    Figure("pss_idle", "8", "memory of the process (PSS), idle", "MiB", 100, 70),
    Figure("pss_at_300", "8", "memory of the process (PSS), at 300/s", "MiB", 160, 110),
    Figure("first_reply", "9", "start to first reply", "s", 2, 1, digits=2),
    Figure("list_p99", "A", "a page of a list, 100 requests/s beside 100 exchanges/s, 10,000,000 messages, p99", "ms", 20),
    Figure("read_p99", "A", "any other read, p99", "ms", 10),
    Figure("beside_to_alone", "A", "p99 of the exchanges beside them to alone", "x", 1.1, digits=2),
    Figure("let_in", "A2", "authentication and authorisation of a request", "ms", 0.5, digits=3),
    Figure("sends", "A3", "10,000 sends by the API in batches of 1,000", "s", 10, digits=2),
    Figure("streams", "A4", "memory of 500 open event streams (PSS)", "MiB", 50),
)
"""The table, in its order."""

HEAD = ("row", "what", "measured", "of rounds", "floor", "goal", "verdict")


class Line(Struct, frozen=True):
    """A figure with what came of it. `measured` is None when it was not held."""

    figure: Figure
    measured: float | None
    rounds: list[float | None]
    verdict: str


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of the values do not exceed. Raises ValueError without values."""
    if not values:
        raise ValueError("no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def middle(rounds: Sequence[float | None], *, less: bool) -> float | None:
    """The median, a round that was not held being the worst of all; of two in the middle the worse."""
    worst = math.inf if less else -math.inf
    ordered = sorted((worst if value is None else value for value in rounds), reverse=not less)
    found = ordered[len(ordered) // 2]
    return None if math.isinf(found) else found


def verdict(figure: Figure, measured: float | None) -> str:
    """`goal`, `ok` or FLOOR MISSED; for a figure with a goal only `goal` or `below goal`, for one with neither nothing."""
    if _reaches(figure, measured, figure.goal):
        return "goal"
    if figure.floor is not None:
        return "ok" if _reaches(figure, measured, figure.floor) else MISSED
    return "" if figure.goal is None else "below goal"


def _reaches(figure: Figure, measured: float | None, mark: float | None) -> bool:
    if measured is None or mark is None:
        return False
    return measured <= mark if figure.less else measured >= mark


def lines(rounds: Mapping[str, Sequence[float | None]]) -> list[Line]:
    """A line for each figure that was measured, in the order of the table."""
    found = []
    for figure in FIGURES:
        if values := rounds.get(figure.key):
            measured = middle(values, less=figure.less)
            found.append(Line(figure, measured, list(values), verdict(figure, measured)))
    return found


def table(found: Sequence[Line]) -> str:
    """The lines for people to read, in columns."""
    rows = [HEAD, *(_cells(line) for line in found)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _cells(line: Line) -> tuple[str, ...]:
    figure = line.figure
    sign = "<= " if figure.less else ">= "
    return (
        figure.row,
        figure.what,
        _show(figure, line.measured),
        " ".join(_number(figure, value) for value in line.rounds),
        "" if figure.floor is None else f"{sign}{figure.floor:g}",
        "" if figure.goal is None else f"{sign}{figure.goal:g}",
        line.verdict,
    )


def _show(figure: Figure, value: float | None) -> str:
    return "not held" if value is None else f"{_number(figure, value)} {figure.unit}".rstrip()


def _number(figure: Figure, value: float | None) -> str:
    return "-" if value is None else f"{value:.{figure.digits}f}"
