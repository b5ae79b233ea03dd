"""The proxy does what it says: each toxic, by itself, on a line that answers what it is sent."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from tests.chaos.proxy import Proxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_lines: list[Line] = []


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """In front of a server that answers each byte with the same."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(65536):
                writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Proxy(f"tcp://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/place") as made:
        yield made
        while _lines:
            _lines.pop()[1].close()


async def dial(proxy: Proxy) -> Line:
    """A line through it, closed at the end of the test."""
    line = await asyncio.open_connection("127.0.0.1", proxy.port)
    _lines.append(line)
    return line


async def ask(line: Line, text: bytes = b"hello", timeout_s: float = 5) -> tuple[bytes, float]:
    """(what came back, after how long): b"" when the line ended. Raises ConnectionError for a RST, TimeoutError for silence."""
    reader, writer = line
    began = monotonic()
    writer.write(text)
    async with asyncio.timeout(timeout_s):
        answer = await reader.read(len(text))
        while answer and len(answer) < len(text) and (more := await reader.read(len(text) - len(answer))):
            answer += more
    return answer, monotonic() - began


async def test_it_forwards_and_keeps_the_rest_of_the_address(proxy: Proxy) -> None:
    assert proxy.url == f"tcp://user:secret@127.0.0.1:{proxy.port}/place"
    assert (await ask(await dial(proxy), b"x" * 300_000))[0] == b"x" * 300_000


async def test_latency_in_each_direction_with_jitter(proxy: Proxy) -> None:
    line = await dial(proxy)
    await ask(line)
    proxy.up.latency_s, proxy.down.latency_s, proxy.down.jitter_s = 0.1, 0.1, 0.05
    assert (await ask(line))[1] >= 0.15
    proxy.heal()
    assert (proxy.up.latency_s, proxy.down.jitter_s, proxy.up.timeout_s) == (0, 0, None)


async def test_bandwidth(proxy: Proxy) -> None:
    proxy.up.bytes_per_s = 10_000
    answer, took = await ask(await dial(proxy), b"x" * 3_000)
    assert len(answer) == 3_000 and took >= 0.3


async def test_slices_come_one_by_one(proxy: Proxy) -> None:
    proxy.down.slice_bytes = 2
    reader, writer = await dial(proxy)
    writer.write(b"hello")
    pieces = [await reader.read(100) for _ in range(3)]
    assert pieces == [b"he", b"ll", b"o"]


async def test_a_limit_ends_the_line(proxy: Proxy) -> None:
    proxy.down.limit_bytes = 3
    assert (await ask(await dial(proxy)))[0] == b"hel"


async def test_a_timeout_passes_nothing_and_ends_the_line(proxy: Proxy) -> None:
    proxy.down.timeout_s = 0.2
    answer, took = await ask(await dial(proxy))
    assert answer == b"" and took >= 0.2


async def test_what_comes_late_finds_the_line_closed(proxy: Proxy) -> None:
    proxy.up.late = 1.0
    line = await dial(proxy)
    assert (await ask(line))[0] == b"hello", "the first is not late"
    assert (await ask(line))[0] == b"" and proxy.cuts == 1


async def test_a_share_is_lost(proxy: Proxy) -> None:
    proxy.down.lost = 0.5
    answers = [(await ask(await dial(proxy)))[0] for _ in range(40)]
    assert answers.count(b"") == proxy.cuts and {*answers} == {b"", b"hello"}


async def test_a_slow_close(proxy: Proxy) -> None:
    """The server learns late that its client has gone, and so does the client that the server answered that."""
    proxy.up.slow_close_s = 0.3
    line = await dial(proxy)
    await ask(line)
    began = monotonic()
    line[1].write_eof()
    assert await line[0].read() == b""
    assert monotonic() - began >= 0.3


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_reset_is_a_reset(proxy: Proxy, at_once: bool) -> None:
    line = await dial(proxy)
    await ask(line)
    if at_once:
        proxy.reset()
    else:
        proxy.down.reset = True
    with pytest.raises(ConnectionResetError):
        await ask(line)
    assert (await ask(await dial(proxy)))[0] == b"hello", "a new connection is well"


async def test_a_hole_keeps_the_line_and_passes_nothing_until_it_is_lifted(proxy: Proxy) -> None:
    line = await dial(proxy)
    await ask(line)
    proxy.hole()
    for held in (line, await dial(proxy)):
        with pytest.raises(TimeoutError):
            await ask(held, timeout_s=0.2)
    proxy.heal()
    async with asyncio.timeout(5):
        assert await line[0].read(5) == b"hello"


async def test_down_refuses_and_up_again_is_the_same_port(proxy: Proxy) -> None:
    line, port = await dial(proxy), proxy.port
    await ask(line)
    await proxy.close()
    assert await line[0].read() == b""
    with pytest.raises(ConnectionRefusedError):
        await dial(proxy)
    await proxy.open()
    assert (proxy.port, (await ask(await dial(proxy)))[0]) == (port, b"hello")
