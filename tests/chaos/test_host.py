"""The machine and the network to the Cloud API at fault: no memory, a wrong clock, a connection that is half there."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from tests import server, world
from tests.chaos.patrons import PATIENCE_S, Patrons, shop
from tests.chaos.proxy import Proxy
from tests.journeys import process
from tests.journeys.process import Child
from tests.journeys.town import Town

ANA, BIA = "5511900000001", "5511900000002"
HOUR_S = 3600
ROOM_BYTES = 24 * 1024 * 1024
"""What a process may still take when its memory is limited."""


@pytest.fixture
async def place(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> AsyncIterator[tuple[Town, Patrons]]:
    async with shop(cluster, tmp_path, log_dir, name=database) as made:
        yield made


# ── the connection to the Cloud API ────────────────────────────────────────────────────────────────────────────────────────


async def test_a_half_open_connection_to_the_cloud_api(place: tuple[Town, Patrons]) -> None:
    """F44: an answer and a request are swallowed: in doubt after 15 s, settled by their statuses, neither posted again. The
    swallowed request reaches the other side after we have given it up."""
    made, _ = place
    async with Proxy(made.simulator.url) as proxy:
        await made.serve(WA_API_BASE=proxy.url)
        await made.sim("settings", {"sent_s": 18, "delivered_s": 18.1, "read_s": 18.2})
        proxy.down.hole = True
        await made.writes(ANA, "oi")
        async with asyncio.timeout(PATIENCE_S):
            while not await made.posts():
                await asyncio.sleep(0.01)
        proxy.up.hole = True
        await made.sim("settings", {"sent_s": 0.1, "delivered_s": 0.1, "read_s": 0.2})
        await made.writes(BIA, "oi")
        for sender in (ANA, BIA):
            await made.hears(sender, "Um", state="in_doubt", timeout_s=PATIENCE_S)
        waits = await made.rows(
            "SELECT extract(epoch FROM m.doubt_at - a.claimed_at)::float AS s FROM message m JOIN attempt a ON a.message_id = m.id"
        )
        assert all(14 <= row["s"] < 25 for row in waits), waits
        proxy.heal()
        for sender in (ANA, BIA):
            await made.hears(sender, "Um", state="read", timeout_s=PATIENCE_S)
        assert [post["to"].lstrip("+") for post in await made.posts()] == [ANA, BIA]


async def test_connections_that_are_closed_as_they_are_used_again(place: tuple[Town, Patrons]) -> None:
    """F34: one request in five meets the end of the idle connection it was written to. Nobody can say that it did not arrive: it is
    in doubt, and goes again after T by our own decision; none is repeated by the client."""
    made, crowd = place
    async with Proxy(made.simulator.url) as wire:
        await crowd.serve(WA_API_BASE=wire.url)
        async with crowd.writing():
            await asyncio.sleep(1)
            wire.up.late = 0.2
            await asyncio.sleep(3)
            wire.heal()
        await crowd.answered_once()
        lost = await made.rows("SELECT count(*)::int AS n FROM attempt WHERE state = 'unknown'")
    assert lost == [{"n": wire.cuts}] and wire.cuts > 3


# ── memory ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
async def test_no_memory_is_as_a_kill(place: tuple[Town, Patrons]) -> None:
    """F28: the limit is reached under load: the process is gone at once, by its own hand or another's, and the next one goes on."""
    made, crowd = place
    child = await made.serve()
    async with crowd.writing():
        await asyncio.sleep(1)
        limit(child)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            eaters = [group.create_task(eat(crowd, made)) for _ in range(8)]
            assert await child.process.wait() in (-signal.SIGKILL, -signal.SIGABRT)
            for eater in eaters:
                eater.cancel()
        await crowd.serve()
        await asyncio.sleep(1)
    await crowd.answered_once(killed=True, duplicates=True)


async def test_a_loop_without_memory_ends_the_process(tmp_path: Path) -> None:
    """F28: what Python calls a MemoryError is no error of a batch, to be halved and gone on from."""
    code = "import asyncio\nfrom atendeja import queue\nasync def work(): raise MemoryError\nasyncio.run(queue.outcome(work()))"
    child = await process.start(["-c", code], {}, tmp_path / "output", "")
    assert await asyncio.wait_for(child.process.wait(), PATIENCE_S) == -signal.SIGKILL


def limit(child: Child) -> None:
    """It may take little more than it has."""
    pages = int(Path(f"/proc/{child.process.pid}/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + ROOM_BYTES
    resource.prlimit(child.process.pid, resource.RLIMIT_AS, (most, most))


async def eat(crowd: Patrons, made: Town) -> None:
    """Signed bodies of 3 MiB that mean nothing, one after the other."""
    body = b"[" * (3 * 1024 * 1024)
    while True:
        await crowd.post(made.http, body)
        await asyncio.sleep(0.02)


# ── the clock ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def wrong_clock(file: Path, seconds: int) -> dict[str, str]:
    """Variables of a process whose time of day is this much ahead, and is whatever `file` says from then on."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        pytest.skip("libfaketime is not installed")
    turn(file, seconds)
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def turn(file: Path, seconds: int) -> None:
    file.with_suffix(".new").write_text(f"{seconds:+d}\n")
    file.with_suffix(".new").rename(file)


async def test_the_time_of_day_steps_back(place: tuple[Town, Patrons], tmp_path: Path) -> None:
    """F56: an hour ahead at first, then an hour behind, under load: nobody waits for an hour to come again."""
    made, crowd = place
    clock = tmp_path / "clock"
    child = await crowd.serve(**wrong_clock(clock, HOUR_S))
    async with crowd.writing():
        await asyncio.sleep(2)
        turn(clock, -HOUR_S)
        await asyncio.sleep(2)
    await crowd.answered_once()
    assert ahead(child) < 60 - HOUR_S, "the clock was not wrong at all"
    (row,) = await made.rows("SELECT max(abs(extract(epoch FROM now() - received_at)))::float AS s FROM delivery")
    assert row["s"] < 10 * PATIENCE_S, "by the database's clock"


def ahead(child: Child) -> float:
    """By how much the time of its last log line is in the future."""
    stamp = next(str(line["timestamp"]) for line in reversed(child.lines()) if "timestamp" in line)
    return datetime.fromisoformat(stamp).timestamp() - time.time()


@pytest.mark.parametrize(("skew_s", "age_s", "sent"), [(HOUR_S, 84_600, True), (-HOUR_S, 88_200, False)])
async def test_the_window_is_whatsapps(skew_s: int, age_s: int, sent: bool, place: tuple[Town, Patrons], tmp_path: Path) -> None:
    """F56: 24 hours are 24 hours after the customer's own time stamp, whatever our clock says: 23.5 are open, 24.5 are closed."""
    made, crowd = place
    await crowd.serve(**wrong_clock(tmp_path / "clock", skew_s))
    body = world.text("wamid.late", "oi", sender=ANA, at=int(time.time()) - age_s)
    async with made.http.post(f"{made.url}/webhook", data=body, headers=world.sign(body)) as response:
        assert response.status == 200
    await made.hears(ANA, "Um", state="read" if sent else "withdrawn", timeout_s=PATIENCE_S)
    assert len(await made.posts()) == int(sent)
