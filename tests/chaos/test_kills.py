"""Nothing lost, nothing repeated, whatever is killed: a short run of what `scripts/chaos` does for an hour.

F13 F14 F18 F20 F30 F31 F45 F50, and F25 all the time: three processes share the database, one person's texts come to both doors.
"""

import os

import pytest

from tests.chaos import report, run, script
from tests.chaos.script import Options

KILLS, DOUBT_S = 30, 10.0


@pytest.mark.chaos
@pytest.mark.database
async def test_nothing_is_lost_or_repeated_whatever_is_killed() -> None:
    """CHAOS_SEED repeats the choices of a run that failed."""
    options = Options(KILLS, int(os.environ.get("CHAOS_SEED", "1")), doubt_s=DOUBT_S)
    said: list[str] = []
    result, folder = await run.run(options, said.append)
    told = "\n".join([f"seed {options.seed}, everything is in {folder}", *said, report.table(result)])
    assert not result.findings, told
    assert len(result.kills) >= KILLS, told
    assert {kill.how.partition("@")[0] for kill in result.kills} >= {*script.POINTS}, told
