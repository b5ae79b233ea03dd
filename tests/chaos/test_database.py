"""A database that goes away, is slow, full or silent: 503 meanwhile, and nothing acknowledged is lost or answered twice."""

import asyncio
import contextlib
import time
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import asyncpg
import pytest

from atendeja.dev.postgres import SUPERUSER
from atendeja.inbound import intake
from tests import server
from tests.chaos import postgres
from tests.chaos.patrons import shop
from tests.chaos.proxy import Proxy
from tests.journeys.town import Town

pytestmark = pytest.mark.database

OUTAGE_S = 60
"""How long the database is away."""
HEAL_S = 10
"""What may pass from its return until the path works again: 5 s, and as much again for a machine that does much else."""
ANSWER_S = 16
"""Within which a webhook is answered whatever the database does: 8 s, twice."""


async def readiness(made: Town) -> tuple[int, str]:
    """What /health/ready says, within 5 s."""
    async with asyncio.timeout(5), made.http.get(f"{made.url}/health/ready") as response:
        return response.status, await response.text()


async def test_a_restart_and_an_outage(tmp_path: Path, log_dir: Path) -> None:
    """F50: killed backends, then nobody there for 60 s: 503, no exit, healed within 10 s, everybody answered once."""
    async with postgres.own() as own, shop(own, tmp_path, log_dir) as (made, crowd):
        child = await crowd.serve()
        async with crowd.writing(per_s=8):
            await asyncio.sleep(1)
            await asyncio.to_thread(own.restart, "immediate")
            assert await crowd.first_after(monotonic()) < HEAL_S
            await asyncio.sleep(1)
            await asyncio.to_thread(own.stop, "immediate")
            gone = monotonic()
            await asyncio.sleep(OUTAGE_S)
            await asyncio.to_thread(own.start)
            back, returned = monotonic(), time.time()
            assert await crowd.first_after(back) < HEAL_S
            assert crowd.statuses(gone, back - 1).keys() == {503}
            await asyncio.sleep(1)
        assert child.alive
        await crowd.answered_once()
        assert min(post["at"] for post in await made.posts() if post["at"] > returned) - returned < HEAL_S
        assert await child.stop() == 0


async def test_a_hole_in_front_of_the_database(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> None:
    """F53: the connections stay and nothing passes: each webhook is answered, the process says that it is not ready; all goes on
    when the hole is lifted, also when what was stuck in it then arrives."""
    async with (
        Proxy(cluster.dsn(database)) as proxy,
        shop(cluster, tmp_path, log_dir, dsn=proxy.url, name=database) as (made, crowd),
    ):
        child = await crowd.serve()
        async with crowd.writing():
            await asyncio.sleep(1)
            proxy.hole()
            opened = monotonic()
            assert await crowd.first_after(opened, 503) < intake.STORE_S + 3
            status, text = await readiness(made)
            assert status == 503 and "the database is away" in text
            await asyncio.sleep(max(0, opened + 10 - monotonic()))
            proxy.heal()
            assert await crowd.first_after(monotonic()) < HEAL_S
            await asyncio.sleep(1)
        assert max(answer.took_s for answer in crowd.answers) < ANSWER_S
        await crowd.answered_once(duplicates=True)
        assert child.alive


async def test_connections_that_a_firewall_has_forgotten(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F53: every open connection is dead and will never say so; new ones are well. The first found out condemns them all."""
    async with (
        Proxy(cluster.dsn(database)) as proxy,
        shop(cluster, tmp_path, log_dir, dsn=proxy.url, name=database) as (made, crowd),
    ):
        await crowd.serve()
        async with crowd.writing():
            await asyncio.sleep(1)
            proxy.strand()
            stranded, at = monotonic(), time.time()
            assert await crowd.first_after(stranded) < 2 * ANSWER_S
            async with asyncio.timeout(3 * ANSWER_S):
                while not [post for post in await made.posts() if post["at"] > at + 1]:
                    await asyncio.sleep(0.1)
        await crowd.answered_once(duplicates=True)


LATENCIES_S = {0.1: {200}, 5.0: {503}}
"""Latency in each direction → what a webhook is answered: at 200 ms a trip it works, at 10 s it cannot."""


async def test_a_slow_database(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> None:
    """F52: slow is slow, too slow is 503 in time; no more connections than the pool's, and all is well when it is quick again."""
    async with (
        Proxy(cluster.dsn(database)) as proxy,
        shop(cluster, tmp_path, log_dir, dsn=proxy.url, name=database) as (made, crowd),
    ):
        await crowd.serve()
        async with crowd.writing(10):
            for latency_s, wanted in LATENCIES_S.items():
                proxy.up.latency_s = proxy.down.latency_s = latency_s
                began = monotonic()
                assert await crowd.first_after(began, min(wanted)) < ANSWER_S
                await asyncio.sleep(1)
                assert await connections(made) <= POOLS
                assert crowd.statuses(began + 0.2).keys() <= wanted
            proxy.heal()
            assert await crowd.first_after(monotonic()) < ANSWER_S, "what is on its way comes as late as it was sent"
        assert max(answer.took_s for answer in crowd.answers) < ANSWER_S
        await crowd.answered_once(duplicates=True)


POOLS = 12 + 4 + 1
"""Our pool, that of the jobs and the connection on which they listen."""


async def connections(made: Town) -> int:
    """How many the process has; those of a proxy's dead ones among them."""
    (row,) = await made.rows(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name LIKE 'atendeja%' AND datname = current_database()"
    )
    return int(row["n"])


@pytest.mark.parametrize(("table", "status"), [("delivery", 503), ("contact", 200)])
async def test_a_locked_table(
    table: str, status: int, cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F52: a lock that is not given is waited for 5 s; behind the door webhooks go on being taken, at the door they are 503."""
    async with shop(cluster, tmp_path, log_dir, name=database) as (made, crowd):
        await crowd.serve()
        async with crowd.writing(10):
            await asyncio.sleep(0.5)
            async with postgres.locked(made.admin_dsn, table):
                began = monotonic()
                assert await crowd.first_after(began, status) < ANSWER_S
                await asyncio.sleep(max(0, began + 10 - monotonic()))  # whoever asked in the first second has heard
                assert await connections(made) <= POOLS
                assert crowd.statuses(began + 0.2).keys() == {status}
            assert await crowd.first_after(monotonic()) < HEAL_S
        assert max(answer.took_s for answer in crowd.answers) < ANSWER_S
        await crowd.answered_once()


async def test_connections_are_ended_refused_and_conflicts_are_many(tmp_path: Path, log_dir: Path) -> None:
    """F54: admin_shutdown, too_many_connections, and serialization failures: every transaction of ours is SERIALIZABLE here."""
    async with postgres.own(max_connections="25") as own, shop(own, tmp_path, log_dir) as (made, crowd):
        own.ask("ALTER ROLE atendeja SET default_transaction_isolation = 'serializable'")
        child = await crowd.serve()
        async with crowd.writing():
            for _ in range(6):
                await asyncio.sleep(0.5)
                assert await asyncio.to_thread(own.terminate_backends) > 0
            async with contextlib.AsyncExitStack() as stack:
                await asyncio.to_thread(own.terminate_backends)
                full = monotonic()
                while not crowd.statuses(since=full)[503]:  # ours are quick to come back: again, until there is no place for them
                    assert monotonic() - full < ANSWER_S
                    await take_all(made, stack)
                    await asyncio.to_thread(own.terminate_backends)
                await asyncio.sleep(1)
            assert await crowd.first_after(monotonic()) < HEAL_S
            await asyncio.sleep(1)
        await crowd.answered_once(duplicates=True)
        said = {str(line.get("error")) for line in child.lines() if line.get("event") == "transaction_repeated"}
        assert {"SerializationError 40001", "TooManyConnectionsError 53300"} <= said, said


async def take_all(made: Town, stack: contextlib.AsyncExitStack) -> int:
    """Take every connection that the server still gives to ordinary logins."""
    for n in range(100):
        try:
            taken = await asyncpg.connect(made.dsn)
        except asyncpg.TooManyConnectionsError:
            return n
        stack.push_async_callback(taken.close)
    raise AssertionError("there is no end of connections")


async def test_a_full_disk(tmp_path: Path, log_dir: Path) -> None:
    """F55: PostgreSQL cannot write its log, panics and ends: 503; with room again and the server back, all goes on."""
    with postgres.small_disk(300) as disk:
        async with postgres.own(disk, min_wal_size="32MB") as own, shop(own, tmp_path, log_dir) as (made, crowd):
            child = await crowd.serve()
            async with crowd.writing():
                await asyncio.sleep(1)
                ballast = await asyncio.to_thread(fill, disk)
                full = monotonic()
                await write_log_until_it_ends(made, own)
                assert await crowd.first_after(full, 503) < ANSWER_S
                ballast.unlink()
                await asyncio.to_thread(own.restart, "immediate")
                assert await crowd.first_after(monotonic()) < HEAL_S
            assert child.alive
            await crowd.answered_once(duplicates=True)


async def write_log_until_it_ends(made: Town, own: postgres.Own) -> None:
    """The room that the log has already is used up first; then the server panics, cannot start again for want of room, and ends."""
    with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        for _ in range(30):
            await made.admin.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 8000000))")
    async with asyncio.timeout(20):
        while not own.ended:
            await asyncio.sleep(0.05)


def fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024 * 1024))
            file.flush()
    return ballast


async def test_a_standby_is_promoted(tmp_path: Path, log_dir: Path) -> None:
    """F51: with synchronous replication no webhook is acknowledged that the standby has not. The primary dies, the standby is
    promoted: the process follows by the several hosts of its address, sends on, and nothing acknowledged is lost."""
    async with postgres.own() as own:
        twin = await asyncio.to_thread(own.backup)
        try:
            await fail_over(own, twin, tmp_path, log_dir)
        finally:
            await asyncio.to_thread(twin.clear_away)


async def fail_over(own: postgres.Own, twin: postgres.Own, tmp_path: Path, log_dir: Path) -> None:
    await asyncio.to_thread(twin.start)
    await asyncio.to_thread(own.replicate_to, postgres.STANDBY)
    several = f"127.0.0.1:{urlsplit(twin.dsn()).port},127.0.0.1:{urlsplit(own.dsn()).port}"
    dsn = own.dsn(postgres.NAME).replace(f"127.0.0.1:{urlsplit(own.dsn()).port}", several)
    async with shop(own, tmp_path, log_dir, dsn=dsn) as (made, crowd):
        child = await crowd.serve(DATABASE_ADMIN_URL=made.admin_dsn)
        async with crowd.writing():
            assert await crowd.first_after(monotonic()) < HEAL_S, "the standby is named first, and passed over"
            await asyncio.sleep(1)
            await asyncio.to_thread(twin.stop, "immediate")
            alone = monotonic()
            assert await crowd.first_after(alone, 503) < ANSWER_S
            assert 200 not in crowd.statuses(alone), "acknowledged what one server alone has"
            await asyncio.to_thread(twin.start)
            assert await crowd.first_after(monotonic()) < ANSWER_S
            await asyncio.sleep(1)
            await asyncio.to_thread(own.kill)
            await asyncio.to_thread(twin.promote)
            assert await crowd.first_after(monotonic()) < ANSWER_S
            await asyncio.sleep(1)
        made.admin_dsn = twin.dsn(postgres.NAME, SUPERUSER)
        await crowd.answered_once()
        assert child.alive
