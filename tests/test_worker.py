"""The worker's loops under supervision, on a real database that does not let them go on."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from atendeja import health, queue
from atendeja.db import Tx
from atendeja.inbound import intake
from atendeja.runtime import Runtime
from atendeja.worker import Worker
from tests import server, world


@pytest.fixture
async def admin(cluster: server.Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(cluster.dsn(database, "postgres"))
    yield connection
    await connection.close()


@pytest.fixture
async def worker(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """All of them, each given up when it has not come round for eight seconds: Procrastinate's asks for a job every five."""
    monkeypatch.setattr(queue, "STALL_S", 8.0)
    made = Worker(rt)
    made.start()
    yield made
    rt.stop()
    await made.stop()


async def until(true: Callable[[], bool], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not true():
            await asyncio.sleep(0.02)


async def test_loops_that_get_no_connection_are_started_again_and_go_on(
    rt: Runtime, worker: Worker, admin: asyncpg.Connection
) -> None:
    """F27: nothing returns, nothing raises; the supervisor sees that they do not come round."""
    await world.found(rt.db, rt.config.secret_keys)
    held = [await rt.db.pool.acquire() for _ in range(rt.db.pool.get_max_size())]
    await until(lambda: all(rt.meter.counts["loops_ended", name] for name in ("digest", "turn", "send", "renew")))
    for connection in held:
        await rt.db.pool.release(connection)
    async with rt.db.session() as session:
        body = world.text("wamid.later", "oi")
        now = rt.now()
        await session.run(intake.STORE, day=now.date(), received_at=now, lanes=[intake.PEOPLE], bodies=[body])
    async with asyncio.timeout(30):
        while await admin.fetchval("SELECT state FROM event WHERE key = 'wamid.later'") != "ignored":  # no flow is published
            await asyncio.sleep(0.05)


async def test_a_stall_of_the_loop_of_jobs_is_seen_and_ended(
    rt: Runtime, worker: Worker, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F27: its fetch hangs; readiness says so, and it is started again until it can go on."""
    monkeypatch.setattr(health, "STALE_JOBS_S", 6.5)
    began = rt.beats["jobs"]
    await until(lambda: rt.beats["jobs"] > began)
    async with admin.transaction():
        await admin.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(7)
        assert any("the jobs loop has not come round" in reason for reason in await health._reasons(rt))
        assert rt.meter.counts["loops_ended", "jobs"] == 0
        await until(lambda: rt.meter.counts["loops_ended", "jobs"] >= 1, 40)
    stalled = rt.beats["jobs"]
    await until(lambda: rt.beats["jobs"] > stalled, 40)
    assert not any("jobs" in reason for reason in await health._reasons(rt))


async def test_the_loop_of_jobs_may_return_and_is_started_again(
    rt: Runtime, worker: Worker, admin: asyncpg.Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """F27: its heartbeat fails once, and Procrastinate's worker ends as if all were well."""
    began = rt.beats["jobs"]
    await until(lambda: rt.beats["jobs"] > began)
    await admin.execute("REVOKE UPDATE ON procrastinate_workers FROM atendeja_app")
    await until(lambda: rt.meter.counts["loops_ended", "jobs"] >= 1, 60)
    await admin.execute("GRANT UPDATE ON procrastinate_workers TO atendeja_app")
    assert "loop_stalled" not in capsys.readouterr().err
    rang = asyncio.Event()
    rt.bells.send.ring = rang.set  # type: ignore[method-assign]  # to hear it

    async def work(tx: Tx) -> None:
        await queue.defer_wake(tx, "send")

    await rt.db.transact(None, work)
    await asyncio.wait_for(rang.wait(), 30)
    gc.collect()  # the task whose error Procrastinate does not ask for is logged now, and not while something is being imported
