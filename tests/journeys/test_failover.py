"""A standby takes over, for real, at the address of the primary: the guard tells whether anything was lost with it (F51)."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

from atendeja import migrate
from atendeja.dev import process
from atendeja.dev.postgres import SUPERUSER, Cluster
from tests import server
from tests.chaos.proxy import Proxy
from tests.journeys.test_restored import AFTER, BEFORE, BETWEEN, FLOW, NAME, NEW, holds, queued, ready, replied, until
from tests.journeys.town import Town, town


class Pair:
    """A primary and its standby; `proxy` is the address that clients know."""

    def __init__(self, primary: Cluster, standby: Cluster, proxy: Proxy, made: Town) -> None:
        self.primary, self.standby, self.proxy, self.town = primary, standby, proxy, made

    async def fail_over(self) -> None:
        """The primary dies, the standby is promoted and takes its address."""
        await self.proxy.close()
        await asyncio.to_thread(self.primary.kill)
        await asyncio.to_thread(run, self.standby, "SELECT pg_promote()")
        self.proxy.aim(self.standby.dsn(NAME))
        await self.proxy.open()
        self.town.admin_dsn = self.standby.dsn(NAME, SUPERUSER)
        await self.town.look_again()

    async def standby_has(self, sql: str, wanted: object) -> None:
        """Until the standby answers so."""
        there = await asyncpg.connect(self.standby.dsn(NAME, SUPERUSER))
        async with asyncio.timeout(30):
            while await there.fetchval(sql) != wanted:
                await asyncio.sleep(0.05)
        await there.close()


def run(cluster: Cluster, *statements: str) -> None:
    """As administrator, each a transaction of its own."""
    with psycopg.connect(cluster.dsn("postgres", SUPERUSER), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@contextmanager
def following(primary: Cluster) -> Iterator[Cluster]:
    """A standby of this server, made by pg_basebackup, that streams from it."""
    made = server.embedded(fsync=True)
    made._make_home()
    arguments = ["-D", str(made.pgdata), "-R", "-X", "stream", "-c", "fast", "-d", primary.dsn("postgres", SUPERUSER)]
    command = process.command(made._program("pg_basebackup"), arguments, made._user)
    subprocess.run(command, check=True, cwd="/", env={"PATH": os.defpath})
    (made.home / "passwords.json").write_bytes((primary.home / "passwords.json").read_bytes())
    made.start()
    try:
        yield made
    finally:
        made.destroy()


@pytest.fixture
async def pair(tmp_path: Path, log_dir: Path) -> AsyncIterator[Pair]:
    primary = server.embedded(fsync=True)
    primary.start()
    try:
        primary.create_database(NAME)
        await migrate.run(primary.dsn(NAME, SUPERUSER), login=urlsplit(primary.dsn(NAME)).username)
        with following(primary) as standby:
            async with (
                Proxy(primary.dsn(NAME)) as proxy,
                town(primary, NAME, tmp_path, log_dir, FLOW, proxy.url) as made,
            ):
                yield Pair(primary, standby, proxy, made)
    finally:
        primary.destroy()


async def write(made: Town, senders: list[str]) -> None:
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in senders))


async def back(made: Town) -> None:
    """Until the process has found the new primary."""
    async with asyncio.timeout(30):
        while (await ready(made))[0] != 200:
            await asyncio.sleep(0.1)


async def test_a_promotion_that_lost_nothing_goes_on_by_itself(pair: Pair) -> None:
    """F51, synchronous: what was committed is on the standby, so is the mark; nobody need do anything."""
    made = pair.town
    run(pair.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
    child = await made.serve()
    await write(made, BEFORE)
    await replied(made, BEFORE, 2)
    await pair.fail_over()
    await back(made)
    await write(made, NEW)
    await replied(made, NEW, 2)
    await until(made, "SELECT count(*) FROM message WHERE state IN ('queued', 'sending', 'in_doubt')", 0)
    await replied(made, BEFORE, 2)
    assert holds(child) == 0 and (await ready(made))[1] == []


async def test_a_promotion_that_lost_commits_is_held_by_the_processes_that_run(pair: Pair) -> None:
    """F51, asynchronous: what is queued on the standby has gone out, and the sender that sent it is still there."""
    made = pair.town
    web = await made.serve("web")
    await write(made, BETWEEN)
    dying = await made.serve("worker", ready=False, FAILPOINTS="send.before_claim=kill@1")
    await asyncio.wait_for(dying.process.wait(), 30)
    waiting = await made.admin.fetchval("SELECT count(*) FROM message WHERE state = 'queued'")
    assert waiting > 0
    await pair.standby_has("SELECT count(*) FROM message WHERE state = 'queued'", waiting)
    assert await web.stop() == 0
    await asyncio.to_thread(run, pair.standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
    await pair.standby_has("SELECT count(*) FROM pg_stat_wal_receiver", 0)

    child = await made.serve()
    await write(made, AFTER)
    await replied(made, BETWEEN + AFTER, 2)
    before = await made.posts()
    await pair.fail_over()
    assert await made.admin.fetchval("SELECT count(*) FROM message WHERE state = 'queued'") == waiting
    await back(made)
    await write(made, NEW)
    await queued(made, [*BETWEEN, *NEW])
    await asyncio.sleep(3)
    assert await made.posts() == before and child.alive
    assert holds(child) == 1 and "atendeja resume-sending" in (await ready(made))[1][0]
    status, said = await made.command("resume-sending")
    assert status == 0, said
    await replied(made, NEW, 2)
    await replied(made, BETWEEN + AFTER, 2)
    assert len(await made.posts()) == len(before) + 2 * len(NEW)
