"""Who keeps the server waiting: a deadline for each wait, a bound on how many wait, and nobody whose request is whole pays for it.

Real sockets, the real server; its deadline is short here.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from atendeja import app, connections
from atendeja.endpoint import STREAMS
from atendeja.endpoint.reading import Stream
from atendeja.runtime import Runtime
from tests import world
from tests.journeys import process, tables

WEBHOOK = b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: sha256=%s\r\n" % (b"0" * 64)
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
HALF = WEBHOOK + b"Content-Length: 9\r\n\r\n1234"
PATIENCE_S = 20
_writers: list[asyncio.StreamWriter] = []


@pytest.fixture
async def running(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[app.Server]:
    """A web process on this loop, whose patience is a second."""
    monkeypatch.setattr(connections, "DEADLINE_S", 1.0)
    monkeypatch.setattr(connections, "SWEEP_S", 0.05)
    rt.config = replace(rt.config, port=process.free_port())
    with contextlib.closing(app.listen("127.0.0.1", rt.config.port)) as sock:
        server = app.make_server(app.build(rt, "web"), rt.config, [rt.stop])
        task = asyncio.ensure_future(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield server
        server._stop()
        await task
    for writer in _writers:
        writer.close()
    _writers.clear()


class Client:
    """A connection of a stranger."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        _writers.append(writer)

    async def says(self, data: bytes) -> "Client":
        """Send this; it has arrived."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0.05)
        return self

    async def hears(self) -> bytes:
        """All that comes until the connection ends."""
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                while piece := await self._reader.read(65536):
                    heard += piece
        return heard

    async def hears_answer(self) -> bytes:
        """The head of one answer and its body; the connection stays."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        return head + await self._reader.readexactly(length)


async def connect(server: app.Server) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", server.config.port))


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("begins", "answer"),
    [
        (b"", b""),
        (b"P", b"HTTP/1.1 408 Request Timeout\r\n"),
        (WEBHOOK, b"HTTP/1.1 408 Request Timeout\r\n"),
        (HALF, b"HTTP/1.1 408 Request Timeout\r\n"),
        (WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n", b"HTTP/1.1 408 Request Timeout\r\n"),
    ],
    ids=["nothing", "a letter", "half a head", "half a body", "some chunks"],
)
async def test_who_does_not_go_on_is_ended_at_the_deadline(running: app.Server, begins: bytes, answer: bytes) -> None:
    """F12, S13: not before it, and with an answer when something was asked."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    client = await connect(running)
    if begins:
        await client.says(begins)
    heard = await client.hears()
    assert heard.startswith(answer) and bool(heard) == bool(answer)
    assert loop.time() - began >= connections.DEADLINE_S
    assert not running.server_state.connections and not running._crowd.waiting and not running.server_state.tasks


@pytest.mark.parametrize(
    "begins", [b"P", WEBHOOK + b"X: ", WEBHOOK + b"Content-Length: 900\r\n\r\n"], ids=["start", "head", "body"]
)
async def test_a_byte_now_and_then_does_not_lengthen_it(running: app.Server, begins: bytes) -> None:
    """F12, S13: slowloris."""
    client = await (await connect(running)).says(begins)

    async def drip() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await client.says(b"x")

    dripping = asyncio.ensure_future(drip())
    heard = await client.hears()  # within PATIENCE_S: 900 bytes would take 45 s
    dripping.cancel()
    assert heard.startswith(b"HTTP/1.1 408") or (begins == b"P" and heard.startswith(b"HTTP/1.1 400"))


async def test_a_file_may_take_long_as_long_as_it_goes_on_coming(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """S13: what streams has the deadline for each quarter of a megabyte; what drips has it once."""
    monkeypatch.setattr(connections, "DEADLINE_S", 0.5)
    monkeypatch.setattr(connections, "SWEEP_S", 0.05)

    async def store(scope: Scope, receive: Receive, send: Send) -> None:
        scope[STREAMS] = True
        size = sum([len(chunk) async for chunk in Stream(receive, {})])
        await PlainTextResponse(str(size))(scope, receive, send)

    rt.config = replace(rt.config, port=process.free_port())
    with contextlib.closing(app.listen("127.0.0.1", rt.config.port)) as sock:
        server = app.make_server(Starlette(routes=[Mount("/", store)]), rt.config, [])
        task = asyncio.ensure_future(server.serve(sockets=[sock]))
        while not server.started:
            await asyncio.sleep(0.01)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1500000\r\n\r\n"
        steady, slow = [await (await connect(server)).says(head) for _ in range(2)]
        said = asyncio.ensure_future(slow.hears())
        for _ in range(5):
            await steady.says(b"x" * 300_000)
            if not said.done():
                await slow.says(b"x" * 20_000)
            await asyncio.sleep(0.2)
        assert (await steady.hears()).endswith(b"1500000")
        assert b"408" in await said
        server._stop()
        await task


async def test_the_next_request_has_a_time_of_its_own(running: app.Server) -> None:
    """From its first byte; the wait before it is the server's keep-alive and no concern of this deadline."""
    client = await connect(running)
    assert b" 200 " in await (await client.says(LIVE)).hears_answer()
    await asyncio.sleep(0.7)
    await client.says(LIVE[:9])
    await asyncio.sleep(0.7)
    assert b" 200 " in await (await client.says(LIVE[9:])).hears_answer()
    await client.says(LIVE[:9])
    assert (await client.hears()).startswith(b"HTTP/1.1 408")


async def test_two_requests_at_once_are_both_answered_and_the_half_third_is_not(running: app.Server) -> None:
    client = await (await connect(running)).says(LIVE + LIVE + LIVE[:9])
    heard = await client.hears()
    assert (heard.count(b"HTTP/1.1 200"), heard.count(b"HTTP/1.1 ")) == (2, 2)


async def test_who_does_not_take_the_answers_is_ended(running: app.Server) -> None:
    """Nothing else would end him: each of his requests is whole, and its answer waits for room on the wire."""
    running.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least, for whom it accepts
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", running.config.port))

    async def ask() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await loop.sock_sendall(sock, LIVE * 200)

    asking = asyncio.ensure_future(ask())
    async with asyncio.timeout(PATIENCE_S):
        while not any(connection.flow.write_paused for connection in running._crowd.waiting):
            await asyncio.sleep(0.01)
        while running.server_state.connections:
            await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    sock.close()


async def test_a_request_that_is_whole_is_waited_for_beyond_the_deadline(running: app.Server, rt: Runtime) -> None:
    """The database takes longer than the deadline."""
    body = world.text("wamid.slow", "oi")
    client = await connect(running)
    async with tables.looking(rt.config.admin_url.reveal()) as admin:
        async with locked(admin):
            await client.says(signed(body))
            await asyncio.sleep(connections.DEADLINE_S + 0.5)
        assert b" 200 " in await client.hears_answer()


# ── how many ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_too_many_ends_who_has_kept_us_waiting_longest(
    running: app.Server, rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F12: silent or half-sent, the oldest first; never a request that is whole, and the new one is served."""
    monkeypatch.setattr(connections, "DEADLINE_S", 60)
    running._crowd.most = 4
    async with tables.looking(rt.config.admin_url.reveal()) as admin:
        async with locked(admin):
            whole = await (await connect(running)).says(signed(world.text("wamid.whole", "oi")))
            half_body = await (await connect(running)).says(HALF)
            half_head = await (await connect(running)).says(WEBHOOK)
            silent = await connect(running)
            for expected in (half_body, half_head):
                new = await (await connect(running)).says(LIVE)
                assert b" 200 " in await new.hears_answer()
                assert (await expected.hears()).startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n")
            assert b" 200 " in await (await (await connect(running)).says(LIVE)).hears_answer()
            assert await silent.hears() == b""
        assert b" 200 " in await whole.hears_answer()


async def test_more_silent_ones_than_there_is_room_for_leave_the_others_served(running: app.Server) -> None:
    """F12: 200 for 20 places; a healthy client on connections of its own is answered each time."""
    running._crowd.most = 20
    for _ in range(20):
        await asyncio.gather(*(connect(running) for _ in range(10)))
        client = await (await connect(running)).says(LIVE)
        assert b" 200 " in await client.hears_answer()
    await asyncio.sleep(0.1)
    assert len(running.server_state.connections) <= 20


@pytest.mark.parametrize(("limit", "most"), [((400, 400), 100), ((100, 100), 16), ((256, 600), 300)])
def test_the_bound_leaves_files_for_everything_else(limit: tuple[int, int], most: int) -> None:
    """In a process of its own, whose hard limit cannot be raised again: the soft one is, and what is left is told."""
    script = (
        "import resource as r; from atendeja.connections import room; "
        f"r.setrlimit(r.RLIMIT_NOFILE, {limit}); print(room(), r.getrlimit(r.RLIMIT_NOFILE))"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    ).stdout.splitlines()
    assert said[-1] == f"{most} ({limit[1]}, {limit[1]})"
    assert any("few_open_files" in line for line in said)


# ── how much ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_head_is_bounded(running: app.Server) -> None:
    """F11: many headers, one long one, a long address."""
    for begins in (WEBHOOK + b"X: y\r\n" * 20_000, WEBHOOK + b"X: " + b"y" * 100_000, b"GET /" + b"y" * 100_000):
        client = await (await connect(running)).says(begins)
        assert (await client.hears()).startswith(b"HTTP/1.1 431")


async def test_trailers_are_not_kept(running: app.Server) -> None:
    """F11: nothing else would bound them, since they are not part of the body."""
    client = await (await connect(running)).says(WEBHOOK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")
    for _ in range(5):
        await client.says(b"X: y\r\n" * 1000)
    (connection,) = running._crowd.waiting
    assert connection._stage == "body" and len(connection.headers) == 0
    assert (await client.hears()).startswith(b"HTTP/1.1 408")


def signed(body: bytes) -> bytes:
    """The bytes of a whole webhook."""
    head = "".join(f"{name}: {value}\r\n" for name, value in world.sign(body).items())
    return f"POST /webhook HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@contextlib.asynccontextmanager
async def locked(admin: asyncpg.Connection) -> AsyncIterator[None]:
    """Nothing can be stored inside."""
    async with admin.transaction():
        await admin.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
        yield
