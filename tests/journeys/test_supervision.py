"""What a process does about its own loops, seen from outside: a blocked event loop, jobs that are lost or never end."""

import asyncio
from collections import Counter
from pathlib import Path
from time import monotonic

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from atendeja import queue
from tests import server, world
from tests.journeys import process
from tests.journeys.house import ECHO
from tests.journeys.process import Child
from tests.journeys.town import Town, town

ANA, BIA = "5511900000001", "5511900000002"
BLOCKED_S = 40


async def is_ready(made: Town, child: Child) -> bool:
    """Whether it answers 200 within half a second."""
    try:
        async with made.http.get(f"{child.url}/health/ready", timeout=aiohttp.ClientTimeout(total=0.5)) as response:
            return response.status == 200
    except TimeoutError:
        return False


async def post(made: Town, child: Child, wamid: str, sender: str) -> int:
    """A webhook to this process, as a balancer would bring it there."""
    body = world.text(wamid, "oi", sender=sender)
    async with made.http.post(f"{child.url}/webhook", data=body, headers=world.sign(body)) as response:
        return response.status


async def test_a_blocked_event_loop_is_seen_and_another_process_goes_on(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F26: no 200 from `ready`, the stack in the log, its leases with the other; afterwards it lives on and nothing was lost."""
    async with town(cluster, database, tmp_path, log_dir, ECHO) as made:
        before = await made.serve()
        for sender in (ANA, BIA):
            await made.writes(sender, "oi")
            await made.hears(sender, "Recebido.", timeout_s=20)
        assert await before.stop() == 0
        (ana,) = await made.rows("SELECT id FROM contact WHERE wa_id = $1", ANA)
        first = await made.serve(FAILPOINTS=f"turn.loaded=sleep:{BLOCKED_S}?{ana['id']}@1")
        more = {"WA_API_BASE": made.simulator.url}
        async with process.serving(made.dsn, made.admin_dsn, tmp_path / "other", log_dir, more=more) as other:
            holders = await made.rows("SELECT name, holder FROM lease WHERE name IN ('digest:0', 'digest:1') ORDER BY name")
            assert await is_ready(made, first) and await is_ready(made, other)
            assert await post(made, first, "wamid.blocks", ANA) == 200
            while await is_ready(made, first):
                await asyncio.sleep(0.05)
            blocked = monotonic()
            assert await post(made, other, "wamid.meanwhile", BIA) == 200
            while len([line for line in await made.posts() if line["to"] == f"+{BIA}"]) < 2:
                assert monotonic() - blocked < BLOCKED_S - 5, "nobody went on"
                await asyncio.sleep(0.05)
            now = await made.rows("SELECT name, holder FROM lease WHERE name IN ('digest:0', 'digest:1') ORDER BY name")
            assert len(now) == 2 and not {row["holder"] for row in now} & {row["holder"] for row in holders}
            assert not await is_ready(made, first) and await is_ready(made, other)
            async with asyncio.timeout(90):
                while not await is_ready(made, first):
                    await asyncio.sleep(0.1)
            await made.hears(ANA, "Recebido.", "Recebido.", timeout_s=30)
            await made.hears(BIA, "Recebido.", "Recebido.", timeout_s=30)
            assert Counter(line["to"] for line in await made.posts()) == {f"+{ANA}": 2, f"+{BIA}": 2}
            stacks = [str(line["stack"]) for line in first.lines() if line.get("event") == "loop_blocked"]
            assert len(stacks) == 1 and "failpoints.py" in stacks[0] and "take.py" in stacks[0]
            async with made.http.get(f"{first.url}/metrics") as response:
                families = {family.name: family for family in text_string_to_metric_families(await response.text())}
            assert families["atendeja_loop_blocked"].samples[0].value == 1
            assert await first.stop() == await other.stop() == 0


async def test_lost_and_ghost_jobs_cost_latency_only(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> None:
    """F20: jobs deleted, a `doing` of a dead worker, a finish that fails: each event is handled within 5 s all the same."""
    async with town(cluster, database, tmp_path, log_dir, ECHO) as made:
        worker, web = await made.serve("worker"), await made.serve("web")
        faults = {
            "nothing": ("SELECT", "SELECT"),
            "deleted": (LOSE_JOBS, "DROP TRIGGER lose ON procrastinate_jobs"),
            "ghost": (LEAVE_A_GHOST, "SELECT"),
            "no end": (
                "REVOKE DELETE ON procrastinate_jobs FROM atendeja_app",
                "GRANT DELETE ON procrastinate_jobs TO atendeja_app",
            ),
        }
        for n, (name, (begin, end)) in enumerate(faults.items()):
            sender = f"{ANA[:-1]}{n}"
            await asyncio.sleep(queue.QUIET_S + 0.1)  # so that a job is written
            await made.admin.execute(begin)
            began = monotonic()
            await made.writes(sender, "oi", wait=True)
            await made.handled(sender, 1, timeout_s=15)
            assert monotonic() - began < 5, name
            await made.admin.execute(end)
        assert await made.rows("SELECT id FROM procrastinate_jobs WHERE status = 'doing'") != []
        await made.admin.execute("UPDATE procrastinate_events SET at = at - make_interval(secs => $1)", float(queue.GHOST_S + 1))
        assert await worker.stop() == 0
        await made.serve("worker")  # it looks for them at its start, and then each minute
        async with asyncio.timeout(15):
            while await made.rows("SELECT id FROM procrastinate_jobs WHERE status = 'doing'"):
                await asyncio.sleep(0.05)
        assert await web.stop() == 0


LOSE_JOBS = """
    CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER lose BEFORE INSERT ON procrastinate_jobs FOR EACH ROW WHEN (new.task_name = 'wake') EXECUTE FUNCTION lose()
"""
LEAVE_A_GHOST = """
    WITH died AS (INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()) RETURNING id)
    INSERT INTO procrastinate_jobs (queue_name, task_name, status, worker_id) SELECT 'wake', 'wake', 'doing', id FROM died
"""
