"""The door to the internet, on a real `serve`: strangers who send too much or too slowly, kills around the commit, a database that
loses an answer or stops. Nothing is lost, nothing doubled, no 200 without its row, and whoever behaves is answered meanwhile."""

import asyncio
import contextlib
import gzip
import resource
import statistics
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import aiohttp
import pytest

from atendeja.connections import DEADLINE_S
from tests import server, world
from tests.chaos.proxy import Proxy
from tests.journeys import process, tables
from tests.journeys.house import ECHO, House, running
from tests.journeys.town import Town, town

MIB = 1024 * 1024
ANSWER = "Recebido."
ANA = "5511900000001"
SEEMS_SIGNED = b"X-Hub-Signature-256: sha256=" + b"0" * 64 + b"\r\n"
IDLE = 5000
BOUND_S = 5.0
"""For a healthy webhook among all that; it takes some milliseconds on a machine that has nothing else to do."""


@pytest.fixture
async def house(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> AsyncIterator[House]:
    """A process that must not end, with little room for webhooks that wait."""
    more = {"MIGRATE": "off", "INBOX_MAX_BYTES": str(8 * MIB)}
    async with running(cluster, database, tmp_path, log_dir, **more) as house:
        yield house
        assert house.child.alive


@contextlib.asynccontextmanager
async def little_memory(child: process.Child, most_bytes: int) -> AsyncIterator[None]:
    """The most that the process ever has in memory grows by less than this inside (needs Linux)."""
    folder = Path(f"/proc/{child.process.pid}")
    (folder / "clear_refs").write_text("5")  # forget the peak
    before = _status_bytes(folder, "VmRSS")
    yield
    peak = _status_bytes(folder, "VmHWM")
    assert peak - before < most_bytes, f"from {before:,} to {peak:,}"


def _status_bytes(folder: Path, name: str) -> int:
    line = next(line for line in (folder / "status").read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


# ── too much ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def pour(house: House, head: bytes, piece: bytes, size: int) -> bytes:
    """A POST to the webhook with this head; then so many bytes of body, in such pieces, while they are taken. What came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(house.child.url).port)
    heard = asyncio.ensure_future(reader.read(65536))
    with contextlib.suppress(ConnectionError):
        writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
        for _ in range(0, size, len(piece)):
            writer.write(piece)
            await writer.drain()
            if heard.done():
                break
    try:
        return await asyncio.wait_for(heard, 60)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_whoever_sends_too_much_is_cut_off_and_costs_no_memory(house: House) -> None:
    """F11, S12: 1 GB in chunks, 1 GB announced, and 40 times just less than the limit at once."""
    chunk = b"%x\r\n%s\r\n" % (MIB, b"x" * MIB)
    chunked = SEEMS_SIGNED + b"Transfer-Encoding: chunked\r\n"
    announced = SEEMS_SIGNED + b"Content-Length: %d\r\n"
    async with little_memory(house.child, 64 * MIB):
        refused = []
        for head, piece in ((chunked, chunk), (announced % 1024**3, b"x" * MIB), (announced % (4 * MIB + 1), b"x" * MIB)):
            began = monotonic()
            refused.append((await pour(house, head, piece, 1024**3))[9:12])
            assert monotonic() - began < 30
        assert set(refused) - {b""} == {b"413"}, "a reset may overtake the answer"
        many = [pour(house, announced % (4 * MIB), b"x" * MIB, 4 * MIB - MIB) for _ in range(40)]
        posts = [asyncio.ensure_future(post) for post in many]
        assert await house.post(world.text("wamid.usual", "oi")) == 200
        answers = await asyncio.gather(*posts)
    assert {answer[9:12] for answer in answers} - {b""} == {b"503", b"408"}, (
        "a reset may overtake the answer to who is still sending"
    )
    assert await house.count("delivery") == 1


async def test_a_length_that_is_not_true_stores_nothing(house: House) -> None:
    """F11: more announced than comes, less than comes (the rest is no request), two lengths, a length beside chunks."""
    body = world.text("wamid.lies", "oi")
    signed = b"".join(f"{name}: {value}\r\n".encode() for name, value in world.sign(body).items())
    for lie, answers in (
        (b"Content-Length: %d\r\n" % (len(body) + 1), [b"408"]),
        (b"Content-Length: %d\r\n" % (len(body) - 1), [b"401", b"400"]),
        (b"Content-Length: %d\r\nContent-Length: 1\r\n" % len(body), [b"400"]),
        (b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(body), [b"400"]),
        (b"Content-Length: -1\r\n", [b"400"]),
        (b"Content-Length: 1_0\r\n", [b"400"]),
        (b"Content-Length: " + b"9" * 30 + b"\r\n", [b"400"]),
        (b"Content-Length:\r\n", [b"400"]),
    ):
        heard = await pour(house, signed + lie, body, len(body))
        assert heard[9:12] in answers, (lie, heard)
    assert await house.count("delivery") == 0
    assert await house.post(body) == 200


async def test_a_compressed_body_is_kept_as_it_came(house: House) -> None:
    """F11, S12: a small one that would be 1 GB, signed as it travels."""
    bomb = gzip.compress(b" " * (64 * MIB)) * 16
    async with little_memory(house.child, 32 * MIB):
        headers = {**world.sign(bomb), "Content-Encoding": "gzip"}
        async with house.http.post(house.webhook, data=bomb, headers=headers) as response:
            assert response.status == 200
        await house.quiet()
    assert await house.admin.fetchval("SELECT state FROM delivery WHERE body = $1", bomb) == "quarantined"


async def test_unsigned_bodies_are_refused_before_they_come(house: House) -> None:
    """F8: the client sends a head and waits."""
    for signature in (b"", b"X-Hub-Signature-256: sha256=0\r\n", SEEMS_SIGNED * 2):
        heard = await pour(house, signature + b"Content-Length: 1000\r\nExpect: 100-continue\r\n", b"x", 0)
        assert heard.startswith(b"HTTP/1.1 401") and b"connection: close" in heard.lower()


# ── too slowly ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def many_files() -> Iterator[int]:
    """As many open files as this process may have: for the strangers, who live in it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def silent(port: int) -> asyncio.Task[float]:
    """A connection that never sends a byte; the task says how long it lasted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = monotonic()

    async def wait() -> float:
        with contextlib.suppress(ConnectionError):
            assert await reader.read(1) == b""
        writer.close()
        return monotonic() - began

    return asyncio.ensure_future(wait())


async def arrive(port: int, n: int) -> list[float]:
    """So many silent connections, 250 at a time; how long each lasted."""
    waits: list[asyncio.Task[float]] = []
    for _ in range(0, n, 250):
        waits += await asyncio.gather(*(silent(port) for _ in range(250)))
    return await asyncio.gather(*waits)


async def dripping(port: int, begins: bytes) -> float:
    """A connection that sends this and then a byte a second: how long it was endured."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = monotonic()
    heard = asyncio.ensure_future(reader.read(100))
    with contextlib.suppress(ConnectionError):
        writer.write(begins)
        while not (await asyncio.wait({heard}, timeout=1))[0]:
            writer.write(b"x")
    lasted = monotonic() - began
    with contextlib.suppress(ConnectionError):
        assert (await heard)[9:12] in (b"408", b"503"), "too slow, or first to go when there were too many"
    writer.close()
    return lasted


async def test_the_slow_and_the_silent_are_ended_and_others_are_answered_meanwhile(house: House, many_files: int) -> None:
    """F12, S13: 50 slow heads, 50 slow bodies, 5,000 that say nothing, which is more than there is room for."""
    idle = min(IDLE, many_files - 500)
    assert idle >= 1000, "raise the limit of open files"
    port = urlsplit(house.child.url).port
    assert port is not None
    head = b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + SEEMS_SIGNED
    slow = [asyncio.ensure_future(dripping(port, head + rest)) for rest in (b"X: ", b"Content-Length: 900\r\n\r\n") * 50]
    strangers = asyncio.ensure_future(arrive(port, idle))
    took: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as fresh:
        while not (strangers.done() and all(task.done() for task in slow)):
            body = world.text(f"wamid.healthy-{len(took)}", "oi")
            began = monotonic()
            async with fresh.post(house.webhook, data=body, headers=world.sign(body)) as response:
                assert response.status == 200
            took.append(monotonic() - began)
            await asyncio.sleep(0.02)
    lasted = [*(task.result() for task in slow), *strangers.result()]
    assert max(lasted) < DEADLINE_S + 15, "the deadline, and what this machine needs for 5,000 strangers"
    assert len(took) > 20 and max(took) < BOUND_S, (statistics.median(took), max(took))
    assert await house.count("delivery") == len(took)
    assert any(line.get("event") == "connections_ended" for line in house.child.lines())


async def test_after_a_pause_of_ours_nobody_is_ended_whose_bytes_are_here(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F12, F26: the loop stands still for longer than the deadline; who has connected before and asked meanwhile is answered."""
    points = {"ATENDEJA_FAILPOINTS": f"ingest.before_commit=sleep:{DEADLINE_S + 1}@1"}
    async with running(cluster, database, tmp_path, log_dir, MIGRATE="off", **points) as house:
        port = urlsplit(house.child.url).port
        asking = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await asyncio.sleep(0.5)
        first = asyncio.ensure_future(house.post(world.text("wamid.pause", "oi")))
        await asyncio.sleep(0.5)
        for _, writer in asking:
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        heads = [await reader.readuntil(b"\r\n") for reader, _ in asking]
        assert heads == [b"HTTP/1.1 200 OK\r\n"] * 20
        assert await first in (200, 503)
        for _, writer in asking:
            writer.close()


# ── killed ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.asynccontextmanager
async def shop(cluster: server.Server, name: str, state_dir: Path, log_dir: Path, dsn: str | None = None) -> AsyncIterator[Town]:
    """A town that answers each message once; webhooks are posted here and not by the simulator, who must not mind."""
    async with town(cluster, name, state_dir, log_dir, ECHO, dsn) as made:
        await made.sim("settings", {"window": False})
        yield made


async def post(made: Town, body: bytes) -> int:
    async with made.http.post(f"{made.url}/webhook", data=body, headers=world.sign(body)) as response:
        return response.status


async def came_to_one(made: Town, deliveries: int) -> None:
    """However often it was delivered: one event, one reply."""
    await made.hears(ANA, ANSWER, timeout_s=20)
    await tables.quiet(made.admin)
    assert [reply for reply, _ in await made.replies(ANA)] == [ANSWER]
    assert await made.admin.fetchval("SELECT count(*) FROM event") == 1
    assert await made.admin.fetchval("SELECT count(*) FROM delivery WHERE position('wamid.once'::bytea IN body) > 0") == deliveries
    assert len([line for line in await made.posts() if line.get("to") == ANA]) <= 1


@pytest.mark.parametrize(("point", "stored"), [("ingest.before_commit", 0), ("ingest.after_commit", 1)])
async def test_killed_around_the_commit_the_repetition_takes_effect_once(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path, point: str, stored: int
) -> None:
    """F13: nothing was kept, and it was not answered. F14: it was kept, and the repetition is a second delivery of one event."""
    body = world.text("wamid.once", "oi", sender=ANA)
    async with shop(cluster, database, tmp_path, log_dir) as made:
        child = await made.serve(FAILPOINTS=f"{point}=kill@1")
        with pytest.raises(aiohttp.ClientError):
            await post(made, body)
        assert await child.process.wait() == -9
        assert made.fired.read_text().startswith(f"{point} kill 1 ")
        assert await made.admin.fetchval("SELECT count(*) FROM delivery") == stored
        await made.serve()
        assert await post(made, body) == 200
        await came_to_one(made, stored + 1)


# ── a database that does not answer ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("direction", "stored"), [("up", 0), ("down", 1)], ids=["before it", "its answer"])
async def test_a_connection_lost_during_the_commit_is_503_and_the_repetition_takes_effect_once(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path, direction: str, stored: int
) -> None:
    """F15: what is lost is the word COMMIT, on its way there or back. Only the webhook is up then: it is that of a delivery."""
    body = world.text("wamid.once", "oi", sender=ANA)
    async with Proxy(cluster.dsn(database)) as proxy, shop(cluster, database, tmp_path, log_dir, proxy.url) as made:
        web = await made.serve("web")
        getattr(proxy, direction).lose = b"COMMIT"
        assert await post(made, body) == 503
        assert proxy.cuts == 1
        assert await made.admin.fetchval("SELECT count(*) FROM delivery") == stored
        assert await post(made, body) == 200
        await made.serve("worker")
        await came_to_one(made, stored + 1)
        assert web.alive


async def test_a_database_that_stands_still_is_503_in_time_and_all_goes_on_when_it_moves(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F16, F52: with room for 3. Who is one too many is told at once, who waits within 10 s, nobody 200; then all is as before."""
    async with Proxy(cluster.dsn(database)) as proxy, shop(cluster, database, tmp_path, log_dir, proxy.url) as made:
        child = await made.serve(INBOX_MAX_REQUESTS="3")
        assert await post(made, world.text("wamid.once", "oi", sender=ANA)) == 200
        await came_to_one(made, 1)
        proxy.hole()

        async def timed(n: int) -> tuple[int, float]:
            began = monotonic()
            return await post(made, world.text(f"wamid.frozen-{n}", "oi")), monotonic() - began

        posts = [asyncio.ensure_future(timed(n)) for n in range(20)]
        done = await asyncio.gather(*posts)
        assert {status for status, _ in done} == {503}
        took = sorted(seconds for _, seconds in done)
        assert took[10] < 3, "most were told at once"
        assert 7 < took[-1] < 10 + 2, "and those who waited were told in time (2 s are this machine's)"
        proxy.heal()
        async with asyncio.timeout(20):
            while await post(made, world.text("wamid.thawed", "oi")) != 200:
                await asyncio.sleep(0.1)
        statuses = [(await timed(100 + n))[0] for n in range(5)]
        assert statuses == [200] * 5
        assert await made.admin.fetchval("SELECT count(*) FROM delivery") >= 1 + 1 + 5
        assert child.alive
