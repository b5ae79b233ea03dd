"""Nothing lost, nothing repeated, whatever is killed: a short run of what `scripts/chaos` does for an hour. CHAOS_KILLS makes it
shorter still: so many kills, at random moments only.

F13 F14 F18 F20 F30 F31 F45 F50, and F25 all the time: three processes share the database, one person's texts come to both doors.
"""

import os

import pytest

from tests.chaos import report, run, script
from tests.chaos.script import Options

DOUBT_S = 10.0
KILLS, POSTGRES_EVERY, POINTS = 30, 10, script.POINTS
if few := os.environ.get("CHAOS_KILLS"):
    KILLS, POSTGRES_EVERY, POINTS = int(few), 3, ()


@pytest.mark.chaos
@pytest.mark.database
async def test_nothing_is_lost_or_repeated_whatever_is_killed() -> None:
    """CHAOS_SEED repeats the choices of a run that failed."""
    seed = int(os.environ.get("CHAOS_SEED", "1"))
    options = Options(KILLS, seed, doubt_s=DOUBT_S, postgres_every=POSTGRES_EVERY, failpoints=POINTS)
    said: list[str] = []
    result, folder = await run.run(options, said.append)
    told = "\n".join([f"seed {options.seed}, everything is in {folder}", *said, report.table(result)])
    assert not result.findings, told
    assert len(result.kills) >= KILLS, told
    assert {kill.how.partition("@")[0] for kill in result.kills} >= {*POINTS}, told
