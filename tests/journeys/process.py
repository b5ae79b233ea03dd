"""Real processes for tests: `atendeja serve` and the simulator, each in a process group of its own, ended by its pid only."""

import asyncio
import atexit
import contextlib
import itertools
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from atendeja import app
from tests import world

READY_S = 30
ROOT = Path(__file__).parents[2]
KEPT = 50
_numbers = itertools.count(1)
_kept: deque[socket.socket] = deque()


@dataclass
class Child:
    """A process that we started. `output` is where it writes, standard output and error alike."""

    process: Process
    url: str
    output: Path

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def stop(self, timeout_s: float = 30) -> int:
        """SIGTERM, and the exit status."""
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), timeout_s)

    async def kill(self) -> None:
        """SIGKILL, at once."""
        if self.alive:
            self.process.kill()
        await self.process.wait()

    def lines(self) -> list[dict[str, object]]:
        """What it logged so far, a value each line; a line that is no JSON is under `text`."""
        return [_line(text) for text in self.output.read_text(encoding="utf-8", errors="replace").splitlines()]


def _line(text: str) -> dict[str, object]:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {"text": text}
    return value if isinstance(value, dict) else {"text": text}


def free_port() -> int:
    """A port of this machine that nobody listens on. We keep it bound, so that no other test is given it meanwhile, in this process
    or in another; on Linux a server that reuses addresses listens there all the same."""
    probe = socket.socket()
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    if sys.platform != "linux":
        probe.close()
        return port
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _kept.append(probe)
    atexit.register(probe.close)
    if len(_kept) > KEPT:
        _kept.popleft().close()
    return port


async def start(arguments: list[str], environ: Mapping[str, str], output: Path, url: str) -> Child:
    """Start Python with these arguments; it sees of our environment what it needs to run, and `environ`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH") if name in os.environ}
    with output.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=output.parent,
            env={**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **environ},
            start_new_session=True,
        )
    return Child(process, url, output)


@contextlib.asynccontextmanager
async def serving(
    database_url: str,
    admin_url: str,
    state_dir: Path,
    log_dir: Path,
    *,
    role: str = "all",
    ready: bool = True,
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[Child]:
    """`atendeja serve` on a free port, ready when given out; killed at the end if it has not been stopped."""
    port = free_port()
    environ = {**world.environ(database_url, admin_url, state_dir), "PORT": str(port), **(more or {})}
    arguments = ["-c", "from atendeja.cli import main; main()", "serve", "--role", role]
    child = await start(arguments, environ, log_dir / f"serve-{os.getpid()}-{next(_numbers)}.log", f"http://127.0.0.1:{port}")
    try:
        if ready:
            await wait_ready(child, f"{child.url}/health/ready")
        yield child
    finally:
        await child.kill()


@contextlib.asynccontextmanager
async def simulating(log_dir: Path, *, webhook: str | None = None, witness: Path | None = None) -> AsyncIterator[Child]:
    """`python -m atendeja.simulator` on a free port; its webhooks are signed with the secret of our settings."""
    port = free_port()
    arguments = ["-m", "atendeja.simulator", "--port", str(port)]
    arguments += ["--webhook", webhook] if webhook else []
    arguments += ["--log", str(witness)] if witness else []
    output = log_dir / f"simulator-{os.getpid()}-{next(_numbers)}.log"
    child = await start(arguments, {"WA_APP_SECRET": world.APP_SECRET}, output, f"http://127.0.0.1:{port}")
    try:
        await wait_ready(child, f"{child.url}/_sim/log?after=0")
        yield child
    finally:
        await child.kill()


def customers_client() -> aiohttp.ClientSession:
    """A client for our own door that lets go of an idle connection well before the door does: a POST that crosses that end
    fails, and aiohttp does not repeat it."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=app.KEEP_ALIVE_S / 4))


async def wait_ready(child: Child, url: str) -> None:
    """Until this address answers 200. Fails with what the process said when it ends or takes too long."""
    async with aiohttp.ClientSession() as session:
        deadline = asyncio.get_running_loop().time() + READY_S
        while asyncio.get_running_loop().time() < deadline:
            assert child.alive, f"it ended with {child.process.returncode}: {child.output.read_text()[-2000:]}"
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)
    raise AssertionError(f"{url} is not ready: {child.output.read_text()[-2000:]}")
