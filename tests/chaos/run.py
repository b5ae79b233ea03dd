"""A run: everything is started, customers write, processes are killed and the database is restarted, and what is left is judged."""

import asyncio
import shutil
import tempfile
import time
from pathlib import Path

import msgspec

from atendeja.dev.postgres import Cluster
from tests import server
from tests.chaos import checker, outward, report, scene, watch
from tests.chaos.checker import Evidence
from tests.chaos.havoc import Havoc
from tests.chaos.report import Result
from tests.chaos.scene import Say, Scene
from tests.chaos.script import Options

START_S = 90.0
AFTER_T_S = 60.0
"""T and this after the last kill all must be quiet."""


async def run(options: Options, say: Say) -> tuple[Result, Path | None]:
    """A run on a PostgreSQL of its own that syncs to a disk; with the folder of all that was written when something was found.

    Raises what went wrong with the run itself, and names the folder. Cancelled it leaves nothing behind.
    """
    folder = Path(tempfile.mkdtemp(prefix="atendeja-chaos-"))
    folder.chmod(0o755)
    cluster, kept = Cluster(folder / "postgres", bin_dir=server.bin_dir()), True
    try:
        async with scene.setting(options, folder, cluster, say) as made:
            result = await _play(made)
        kept = bool(result.findings)
    except asyncio.CancelledError:
        kept = False
        raise
    except Exception as error:
        error.add_note(f"what was written is in {folder}")
        raise
    finally:
        if kept:
            cluster.stop()
        else:
            cluster.destroy()
            shutil.rmtree(folder, ignore_errors=True)
    return result, folder if kept else None


async def _play(made: Scene) -> Result:
    """Kill, wait for quiet, stop, judge."""
    began, havoc = time.monotonic(), Havoc(made)
    made.crew.start(havoc.mourn)
    await made.crew.ready(START_S)
    async with scene.crowded(made):
        await havoc.wreak()
        quiet_s = await _calm(made, havoc.kills[-1].at if havoc.kills else time.time())
    for fault in await made.crew.stop():
        made.find("stop", fault)
    await havoc.measure()
    made.tail.read()
    sums = await _judge(made, havoc)
    return Result(
        made.options, havoc.kills, len(havoc.restarts), len(made.crowd.acknowledged), made.crowd.refused,
        await made.watch.totals(), sum(line.wamid is not None for line in made.tail.lines), made.wire.cuts,
        havoc.in_flight, quiet_s, time.monotonic() - began, made.findings, sums,
    )  # fmt: skip


async def _calm(made: Scene, since: float) -> float:
    """Customers go home and the wire is well; then nothing may be left to do. How many seconds after the last kill that was so."""
    made.wire.heal()  # what is lost later is in doubt for T from then
    made.crowd.leave()
    made.campaign.over = True
    left = await made.left()
    while left and time.time() - since < made.options.doubt_s + AFTER_T_S:
        await asyncio.sleep(0.2)
        made.check()
        left = await made.left()
    if left:
        told = ", ".join(f"{n} {kind}" for kind, n in left.items())
        made.find("I8", f"{time.time() - since:.0f} s after the last kill there are left: {told}")
    return time.time() - since


async def _judge(made: Scene, havoc: Havoc) -> dict[str, tuple[int, int]]:
    """The run itself, PostgreSQL's log, and every promise; the sums per state."""
    made.findings += report.faults(havoc.kills, havoc.missing) + report.slow(havoc.kills)
    if n := (await made.watch.totals()).given_up:
        made.find("I6", f"{n} service replies are unknown, although they could have been sent again")
    if n := watch.deadlocks(made.cluster.log_file):
        made.find("deadlocks", f"PostgreSQL reports {n}")
    evidence = Evidence(made.tail.lines, list(made.crowd.acknowledged.values()), len(havoc.kills), havoc.in_flight, made.wire.cuts)
    (made.folder / "evidence.json").write_bytes(msgspec.json.encode(evidence))
    made.findings += await checker.check(made.dsn, evidence, doubt_s=made.options.doubt_s)
    sums = await checker.sums(made.dsn, evidence)
    for fault in outward.unlike(sums):
        made.find("sums", fault)
    return sums
