"""What a run says, pure: a line for each kill, what makes the run fail, and the table at the end."""

import datetime as dt
from collections.abc import Sequence

from msgspec import Struct

from tests.bench.report import percentile
from tests.chaos.checker import Finding
from tests.chaos.script import Options
from tests.chaos.watch import Hand, Totals

BUSY_TEXTS, BUSY_POSTS = 50, 10
"""A kill is meant to come while so many texts a second are answered 200 and so many POSTs are open."""
FOUND_SHARE = 0.5
"""Fewer of the kills than this finding work in flight would show nothing; nor would fewer of the random ones under full load."""
OWN_MOST_S, OTHER_MOST_S = 5.0, 8.0
ENOUGH = 50
"""The 99th percentile of fewer recoveries is the worst of them, which is this machine's affair."""


class Kill(Struct):
    """One death of a process that we caused."""

    at: float
    who: str
    how: str
    """SIGKILL, or the failpoint and its pass."""
    texts: float
    """Answered 200 per second, of late."""
    posts: int
    """Open at the simulator."""
    hand: Hand
    went_on_s: float | None = None
    """Until the first message that waited for a number of its went on; None when none waited."""
    by_itself: bool = False
    """It was its own successor that went on: the seconds count from its start, not from the kill."""
    disturbed: bool = False
    """Another worker or the database died meanwhile."""

    @property
    def found_work(self) -> bool:
        return bool(self.hand.unhandled or self.hand.sending or self.posts)

    @property
    def busy(self) -> bool:
        return self.texts >= BUSY_TEXTS and self.posts >= BUSY_POSTS


class Result(Struct):
    """All that is known at the end."""

    options: Options
    kills: list[Kill]
    restarts: int
    acknowledged: int
    refused: int
    totals: Totals
    accepted: int
    """Messages that the simulator accepted."""
    cut: int
    """POSTs, and answers, that were lost on the wire."""
    in_flight: int
    quiet_s: float
    """From the last kill until nothing was left to do."""
    seconds: float
    findings: list[Finding]
    sums: dict[str, tuple[int, int]]
    """State → (messages in the ledger, of them accepted in the simulator's log)."""


def line(kill: Kill, n: int, of: int) -> str:
    """What is said when it happens."""
    hand = kill.hand
    found = "found work" if kill.found_work else "found nothing"
    at = dt.datetime.fromtimestamp(kill.at, dt.UTC)
    return (
        f"{at:%H:%M:%S}  kill {n:>3}/{of}  {kill.who:<9} {kill.how:<24} {kill.texts:>4.0f} texts/s {kill.posts:>3} open POSTs"
        f"  {hand.stored:>3} stored {hand.unhandled:>3} unhandled {hand.sending:>3} sending ({hand.own} its own)  {found}"
    )


def faults(kills: Sequence[Kill], missing: Sequence[str]) -> list[Finding]:
    """What is wrong with the run itself: it would prove nothing. `missing` are failpoints that never fired."""
    found = [Finding("run", f"the failpoint {name} was configured and never fired") for name in missing]
    working = sum(kill.found_work for kill in kills)
    if working < FOUND_SHARE * len(kills) or not kills:
        found.append(Finding("run", f"only {working} of {len(kills)} kills found work in flight"))
    at_random = [kill for kill in kills if kill.how == "SIGKILL"]
    if (busy := sum(kill.busy for kill in at_random)) < FOUND_SHARE * len(at_random):
        found.append(Finding("run", f"only {busy} of {len(at_random)} random kills came under full load"))
    return found


def slow(kills: Sequence[Kill]) -> list[Finding]:
    """Recoveries that took too long, when there were enough of them."""
    found = []
    for who, most_s, own in (("its own restart", OWN_MOST_S, True), ("another instance", OTHER_MOST_S, False)):
        seconds = _recoveries([k for k in kills if k.by_itself == own and not k.disturbed])
        if len(seconds) >= ENOUGH and (worst := percentile(seconds, 0.99)) > most_s:
            found.append(Finding("recovery", f"after a kill {who} took {worst:.1f} s (p99), more than {most_s:g}"))
    return found


def table(result: Result) -> str:
    """The run for people to read."""
    kills, totals = result.kills, result.totals
    at_failpoints = sum(kill.how != "SIGKILL" for kill in kills)
    rows = [
        ("kills", f"{len(kills)}: {len(kills) - at_failpoints} at random moments, {at_failpoints} at failpoints"),
        ("PostgreSQL restarts", f"{result.restarts}, immediate"),
        ("found work", f"{sum(k.found_work for k in kills)}, the victim's own on the wire {sum(k.hand.own > 0 for k in kills)}"),
        ("under full load", f"{sum(k.busy for k in kills)} (at least {BUSY_TEXTS} texts/s and {BUSY_POSTS} open POSTs)"),
        ("acknowledged", f"{result.acknowledged}, after {result.refused} POSTs that were not answered 200"),
        ("turns", f"{totals.turns}"),
        ("replies", f"{totals.replies}, of them withdrawn {totals.withdrawn}, failed {totals.failed}"),
        ("accepted", f"{result.accepted} POSTs"),
        ("lost on the wire", f"{result.cut} POSTs or answers"),
        ("in doubt settled", f"{totals.settled}"),
        ("unknown", f"{totals.unknown}, most that may be {len(kills) * result.in_flight + result.cut}"),
        ("duplicates", f"{totals.duplicates}"),
        ("ledger, of it in the log", ", ".join(f"{state} {ledger} {log}" for state, (ledger, log) in result.sums.items())),
        ("recovery, own restart", _spread([k for k in kills if k.by_itself and not k.disturbed])),
        ("recovery, another", _spread([k for k in kills if not k.by_itself and not k.disturbed])),
        ("recovery, disturbed", _spread([k for k in kills if k.disturbed])),
        ("quiet after", f"{result.quiet_s:.1f} s from the last kill"),
        ("findings", f"{len(result.findings)}"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [f"{name:<{width}}  {value}" for name, value in rows] + [f"FINDING {f.invariant}: {f.detail}" for f in result.findings]
    )


def _recoveries(kills: Sequence[Kill]) -> list[float]:
    return [kill.went_on_s for kill in kills if kill.went_on_s is not None]


def _spread(kills: Sequence[Kill]) -> str:
    seconds = _recoveries(kills)
    if not seconds:
        return "-"
    return f"p50 {percentile(seconds, 0.5):.1f} s, p99 {percentile(seconds, 0.99):.1f} s, of {len(seconds)}"
