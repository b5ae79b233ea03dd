"""A database that has lost commits, for real: a cluster of the test's own is copied, goes on, and is put back (F57, F51)."""

import asyncio
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from atendeja import migrate
from atendeja.dev.postgres import Cluster
from tests import server
from tests.journeys.process import Child
from tests.journeys.town import Town, town

FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
nodes:
  oi: {do: [{say: {text: "Um"}}, {say: {text: "Dois"}}, {end: {}}]}
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
BEFORE = [f"55119000001{i:02}" for i in range(5)]
BETWEEN = [f"55119000002{i:02}" for i in range(5)]
AFTER = [f"55119000003{i:02}" for i in range(5)]
NEW = [f"55119000004{i:02}" for i in range(5)]
NAME = "atendeja"


@pytest.fixture
def own() -> Iterator[Cluster]:
    """A server that keeps what it commits."""
    made = server.embedded(fsync=True)
    made.start()
    yield made
    made.destroy()


@pytest.fixture
async def place(own: Cluster, tmp_path: Path, log_dir: Path) -> AsyncIterator[Town]:
    own.create_database(NAME)
    await migrate.run(own.dsn(NAME, "postgres"), login=urlsplit(own.dsn(NAME)).username)
    async with town(own, NAME, tmp_path, log_dir, FLOW) as made:
        yield made


async def replied(made: Town, senders: list[str], each: int, timeout_s: float = 30) -> None:
    """Until the simulator has so many messages to each of these."""
    wanted = dict.fromkeys(senders, each)
    found: dict[str, int] = {}
    try:
        async with asyncio.timeout(timeout_s):
            while found != wanted:
                count = Counter(post["to"].lstrip("+") for post in await made.posts())
                found = {sender: count[sender] for sender in senders}
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"wanted {wanted}, found {found}") from None


async def until(made: Town, sql: str, wanted: object, timeout_s: float = 30) -> None:
    """Until this query gives this value."""
    found: object = None
    try:
        async with asyncio.timeout(timeout_s):
            while found != wanted:
                found = await made.admin.fetchval(sql)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"wanted {wanted}, found {found}: {sql}") from None


def copy(source: Path, target: Path) -> None:
    """A file copy of a stopped cluster, owners and all."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


async def ready(made: Town) -> tuple[int, list[str]]:
    """(status, warnings) of /health/ready."""
    async with made.http.get(f"{made.url}/health/ready") as response:
        return response.status, (await response.json())["warnings"]


def holds(child: Child) -> int:
    """How many notices of a hold it has logged."""
    return sum(line.get("kind") == "sending_held" for line in child.lines())


async def queued(made: Town, senders: list[str]) -> None:
    """Until two replies to each of these wait."""
    listed = ", ".join(f"'{sender}'" for sender in senders)
    await until(
        made,
        f"SELECT count(*) FROM message m JOIN contact c ON c.id = m.contact_id WHERE m.state = 'queued' AND c.wa_id IN ({listed})",
        2 * len(senders),
    )


async def test_a_restored_database_sends_nothing_until_a_person_says_so_and_then_nothing_twice(own: Cluster, place: Town) -> None:
    """F57. In the copy: replies that wait, and customers not answered yet. After it all of them are answered, and others."""
    made = place
    first = await made.serve()
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in BEFORE))
    await replied(made, BEFORE, 2)
    await until(made, "SELECT count(*) FROM message WHERE state = 'read'", 2 * len(BEFORE))
    assert await first.stop() == 0
    web = await made.serve("web")
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in BETWEEN[:3]))
    dying = await made.serve("worker", ready=False, FAILPOINTS="send.before_claim=kill@1")
    await asyncio.wait_for(dying.process.wait(), 30)
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in BETWEEN[3:]))
    assert await web.stop() == 0
    waiting = await made.admin.fetchval("SELECT count(*) FROM message WHERE state = 'queued'")
    stored = await made.admin.fetchval("SELECT count(*) FROM delivery WHERE state = 'stored'")
    assert waiting > 0 and stored > 0
    backup = own.home / "backup"
    await asyncio.to_thread(own.stop)
    await asyncio.to_thread(copy, own.pgdata, backup)
    await asyncio.to_thread(own.start)

    lost = await made.serve()
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in AFTER))
    await replied(made, BETWEEN + AFTER, 2)
    await lost.kill()
    await asyncio.to_thread(own.stop)
    await asyncio.to_thread(copy, backup, own.pgdata)
    await asyncio.to_thread(own.start)
    await made.look_again()
    before = await made.posts()

    held = await made.serve()
    status, warnings = await ready(made)
    assert status == 200 and len(warnings) == 1 and "atendeja resume-sending" in warnings[0]
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in [*AFTER, *NEW]))
    await queued(made, [*BETWEEN, *AFTER, *NEW])
    assert holds(held) == 1, "said once"
    await held.kill()
    again, other = await made.serve(), await made.serve("worker", STATE_DIR=str(made.state_dir / "other"))
    await asyncio.sleep(4)
    assert await made.posts() == before, "nothing has gone out"
    assert holds(again) == holds(other) == 1
    async with made.http.get(f"{made.url}/metrics") as response:
        assert "atendeja_sending_held 1.0" in await response.text()
    assert await made.rows("SELECT name FROM lease WHERE name LIKE 'send:%' AND until > now()") == []

    status, said = await made.command("resume-sending")
    assert status == 0, said
    assert f"{2 * len(BETWEEN)} queued that may have gone out already; {2 * len(BETWEEN)} became unknown" in said
    await replied(made, NEW, 2)
    await replied(made, AFTER, 4)
    await replied(made, BETWEEN, 2)
    await until(made, "SELECT count(*) FROM message WHERE state IN ('queued', 'sending', 'in_doubt')", 0)
    states = Counter(row["state"] for row in await made.rows("SELECT state FROM message"))
    assert states["unknown"] == 2 * len(BETWEEN)
    assert await ready(made) == (200, [])
    assert len(await made.posts()) == len(before) + 2 * len([*AFTER, *NEW])

    await made.writes(BETWEEN[0], "oi", wait=True)
    await replied(made, BETWEEN[:1], 4)
    status, said = await made.command("resume-sending")
    assert (status, said.splitlines()[-1]) == (0, "sending is not held: nothing to do")
    assert (await made.command("resume-sending", "--all"))[0] == 2
    assert await again.stop() == 0 and await other.stop() == 0
    assert holds(await made.serve()) == 0, "nor does the next start hold"
