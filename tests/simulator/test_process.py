"""The simulator as a process of its own: killed, stopped, refused."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from atendeja.simulator import Settings, Simulator
from tests.simulator.conftest import Api
from tests.simulator.test_graph import raw_send


@contextlib.asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A child on a free port, and its address."""
    command = ("-m", "atendeja.simulator", "--port", "0", *arguments)
    child = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    try:
        line = (await asyncio.wait_for(child.stdout.readline(), 10)).decode()
        yield child, line.split()[2]
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def test_every_answer_that_left_before_a_kill_is_in_the_log(tmp_path: Path) -> None:
    """kill -9 in the middle of 40 senders: what a client was told is on the disk, line by line whole."""
    log = tmp_path / "witness"
    answered: set[str] = set()
    async with running("--log", str(log)) as (child, url), aiohttp.ClientSession() as session:
        api = Api(url, session)
        await api.sim("settings", window=False, rate=None, pair=False)

        async def keep_sending() -> None:
            while True:
                status, answer = await api.send()
                assert status == 200
                answered.add(answer["messages"][0]["id"])

        senders = [asyncio.create_task(keep_sending()) for _ in range(40)]
        while len(answered) < 300:
            await asyncio.sleep(0.005)
        child.kill()
        done = await asyncio.gather(*senders, return_exceptions=True)
    assert all(isinstance(error, (aiohttp.ClientError, ConnectionError)) for error in done)
    lines = [msgspec.json.decode(line) for line in log.read_bytes().splitlines()]
    assert answered <= {line["wamid"] for line in lines}
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))


async def test_a_reset_is_a_reset_under_uvloop_too(tmp_path: Path) -> None:
    async with running() as (_, url), aiohttp.ClientSession() as session:
        await Api(url, session).sim("settings", window=False)
        await Api(url, session).sim("fault", do="rst_after")
        assert await raw_send(url) == (b"", True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_0(number: signal.Signals) -> None:
    """Even while a page is watching."""
    async with running() as (child, url), aiohttp.ClientSession() as session, session.get(f"{url}/simulator/stream") as response:
        await response.content.readline()
        child.send_signal(number)
        assert await asyncio.wait_for(child.wait(), 5) == 0


async def test_a_taken_port_is_one_clear_line() -> None:
    async with contextlib.AsyncExitStack() as stack:
        holder = Simulator(Settings(port=0))
        await holder.start()
        stack.push_async_callback(holder.stop)
        port = holder.url.rpartition(":")[2]
        command = ("-m", "atendeja.simulator", "--port", port)
        child = await asyncio.create_subprocess_exec(sys.executable, *command, stderr=asyncio.subprocess.PIPE)
        _, errors = await child.communicate()
        assert child.returncode == 1
        assert errors.decode().splitlines() == [f"the simulator cannot listen on 127.0.0.1:{port}: Address already in use"]
