"""What makes a run of kills fail by itself, and what it says at the end."""

import pytest

from tests.chaos import report
from tests.chaos.checker import Finding
from tests.chaos.report import Kill, Result
from tests.chaos.script import Options
from tests.chaos.watch import Hand, Totals

IDLE, WORKING = Hand(9, 0, 0, 0), Hand(0, 0, 2, 1)


def kill(hand: Hand = WORKING, *, posts: int = 0, how: str = "SIGKILL", seconds: float | None = None, own: bool = False) -> Kill:
    return Kill(10.0, "all-1", how, 60.0, posts, hand, seconds, own)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (kill(IDLE), False),
        (kill(IDLE, posts=1), True),
        (kill(WORKING), True),
        (kill(Hand(0, 1, 0, 0)), True),
    ],
)
def test_work_is_an_event_unhandled_a_message_on_the_wire_or_an_open_post(found: Kill, wanted: bool) -> None:
    assert found.found_work is wanted


@pytest.mark.parametrize(("working", "idle", "fails"), [(1, 1, False), (1, 2, True), (0, 1, True), (0, 0, True)])
def test_a_run_whose_kills_found_nothing_to_do_fails(working: int, idle: int, fails: bool) -> None:
    kills = [kill(WORKING, how="ring@1")] * working + [kill(IDLE, how="ring@1")] * idle
    assert [f.detail for f in report.faults(kills, [])] == [f"only {working} of {len(kills)} kills found work in flight"] * fails


def test_a_failpoint_that_never_fired_fails_the_run() -> None:
    found = report.faults([kill(posts=10)], ["ring"])
    assert [f.detail for f in found] == ["the failpoint ring was configured and never fired"]


@pytest.mark.parametrize(("busy", "idle", "fails"), [(1, 1, False), (1, 2, True), (2, 1, False)])
def test_a_run_whose_random_kills_came_in_quiet_moments_fails(busy: int, idle: int, fails: bool) -> None:
    kills = [kill(posts=10)] * busy + [kill(posts=9)] * idle + [kill(how="ring@1")] * 9
    assert [f.detail for f in report.faults(kills, [])] == [
        f"only {busy} of {busy + idle} random kills came under full load"
    ] * fails


@pytest.mark.parametrize(
    ("seconds", "own", "n", "fails"),
    [(4.9, True, 50, False), (5.1, True, 50, True), (7.9, False, 50, False), (9.0, True, 49, False)],
)
def test_recoveries_that_take_too_long_fail_a_long_run(seconds: float, own: bool, n: int, fails: bool) -> None:
    """DESIGN row 11."""
    assert len(report.slow([kill(seconds=seconds, own=own)] * n)) == fails


def test_the_table_says_what_was_found_and_how_long_it_took() -> None:
    kills = [kill(seconds=1.5, own=True), kill(seconds=6.0), kill(IDLE, how="ring@3", posts=20)]
    totals = Totals(turns=5, replies=9, settled=2, unknown=1, given_up=0, withdrawn=0, failed=0, duplicates=1)
    result = Result(Options(3, 7), kills, 1, 6, 2, totals, 10, 3, 4, 12.0, 60.0, [Finding("I5", "twice")], {"failed": (2, 1)})
    told = report.table(result).splitlines()
    assert told[0].endswith("3: 2 at random moments, 1 at failpoints")
    shown = dict(line.split("  ", 1) for line in told[:-1])
    assert {
        name: value.strip() for name, value in shown.items() if name.startswith(("found", "unknown", "recovery", "ledger"))
    } == {
        "found work": "3, the victim's own on the wire 2",
        "unknown": "1, most that may be 15",
        "ledger, of it in the log": "failed 2 1",
        "recovery, own restart": "p50 1.5 s, p99 1.5 s, of 1",
        "recovery, another": "p50 6.0 s, p99 6.0 s, of 1",
        "recovery, disturbed": "-",
    }
    assert told[-1] == "FINDING I5: twice"


def test_the_line_of_a_kill_says_whom_how_and_in_the_midst_of_what() -> None:
    told = report.line(kill(WORKING, how="send.after_post@2", posts=12), 3, 30)
    wanted = "00:00:10 kill 3/30 all-1 send.after_post@2 60 texts/s 12 open POSTs 0 stored 0 unhandled 2 sending (1 its own)"
    assert " ".join(told.split()) == f"{wanted} found work"
