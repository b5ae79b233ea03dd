"""The load generator, a process of its own: `python -m tests.bench.load` reads a Job and writes a Result, both JSON.

It shares two cores with what it measures: requests are built and signed beforehand, connections are bare protocols without a
task, and nothing is parsed of an answer but its status and length. Closed: every connection posts its next request when it is
answered. Open: request n goes at its own time, `n / rate` after the start, whatever became of the others.
"""

import asyncio
import gc
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Literal, cast

import msgspec
import uvloop
from msgspec import Struct

from tests.bench.bodies import Texts

WARM_S = 1.0
SETTLE_S = 10.0
SLEEP_AHEAD_S = 0.0015
"""Timers of an event loop are a millisecond wide; the rest is slept exactly."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


class Job(Struct, frozen=True):
    """What to send. `rate` is for open, `seconds` for closed: without it each request goes once."""

    kind: Literal["open", "closed"]
    port: int
    texts: Texts
    connections: int = 64
    rate: float = 0
    seconds: float | None = None


class Result(Struct):
    """What came of it. Times are seconds; instants are unix time."""

    answered: int = 0
    """200s, of a closed job with `seconds` those within them."""
    failed: int = 0
    seconds: float = 0
    ended_at: float = 0
    intended: list[float] = []
    """Open: when each request was to go."""
    lags: list[float] = []
    """Open: how much later it went."""
    acks: list[float] = []
    """Open: from when it was to go to its 200."""


class Client(asyncio.Protocol):
    """A connection that posts one request at a time and tells `answered` the status, 0 for a connection that ended."""

    def __init__(self, answered: Callable[["Client", int], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self.tag = 0
        """The number of the request on its way."""
        self.busy = False

    def post(self, request: bytes) -> None:
        assert self._transport is not None
        self.busy = True
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(_HEAD_END)
        length = _LENGTH.search(self._got, 0, end + 2) if end >= 0 else None
        if length is not None and len(self._got) >= end + len(_HEAD_END) + int(length[1]):
            status = int(self._got[9:12])
            self._got, self.busy = b"", False
            self._answered(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.busy:
            self.busy = False
            self._answered(self, 0)

    @property
    def open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()


async def connect(port: int, answered: Callable[[Client, int], None]) -> Client:
    _, client = await asyncio.get_running_loop().create_connection(lambda: Client(answered), "127.0.0.1", port)
    return client


async def run_closed(job: Job) -> Result:
    """Every connection busy all the time, for `seconds` after a second to warm up, or until each request was answered."""
    requests = job.texts.requests()
    feed: Iterator[bytes] = iter(requests) if job.seconds is None else cycle(requests)
    result, done = Result(), asyncio.Event()
    counting, running = job.seconds is None, job.connections

    def answered(client: Client, status: int) -> None:
        nonlocal running
        if done.is_set():
            return
        if status != 200:
            result.failed += 1
        elif counting:
            result.answered += 1
        request = next(feed, None) if client.open else None
        if request is None:
            running -= 1
            if not running:
                done.set()
        else:
            client.post(request)

    clients = [await connect(job.port, answered) for _ in range(job.connections)]
    _prepare()
    started = time.monotonic()
    for client in clients:
        if (request := next(feed, None)) is not None:
            client.post(request)
        else:
            running -= 1
    if job.seconds is None:
        await done.wait()
    else:
        await asyncio.sleep(WARM_S)
        counting, started = True, time.monotonic()
        await asyncio.sleep(job.seconds)
        counting = False
    result.seconds, result.ended_at = time.monotonic() - started, time.time()
    done.set()
    for client in clients:
        client.close()
    return result


class Opening:
    """An open job on its way."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._requests = job.texts.requests()
        self._idle: list[Client] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._left = len(self._requests)
        self._all = asyncio.Event()
        self.result = Result()

    async def run(self) -> None:
        """Send each at its time, then wait for the last answers."""
        self._idle = [await connect(self._job.port, self._answered) for _ in range(min(self._job.connections, 8))]
        _prepare()
        start = time.time() + 0.05
        self.result.intended = [start + n / self._job.rate for n in range(len(self._requests))]
        for n, at in enumerate(self.result.intended):
            await _sleep_until(at)
            self._post(n)
        self.result.ended_at = time.time()
        self.result.seconds = self.result.ended_at - start
        try:
            await asyncio.wait_for(self._all.wait(), SETTLE_S)
        except TimeoutError:
            self.result.failed += self._left

    def _post(self, n: int) -> None:
        while self._idle:
            if (client := self._idle.pop()).open:
                return self._send(client, n)
        task = asyncio.get_running_loop().create_task(self._connect(n))
        self._connecting.add(task)
        return task.add_done_callback(self._connecting.discard)

    async def _connect(self, n: int) -> None:
        try:
            self._send(await connect(self._job.port, self._answered), n)
        except OSError:
            self._count(0, n)

    def _send(self, client: Client, n: int) -> None:
        client.tag = n
        client.post(self._requests[n])
        self.result.lags.append(time.time() - self.result.intended[n])

    def _answered(self, client: Client, status: int) -> None:
        self._idle.append(client)
        self._count(status, client.tag)

    def _count(self, status: int, n: int) -> None:
        if status == 200:
            self.result.answered += 1
            self.result.acks.append(time.time() - self.result.intended[n])
        else:
            self.result.failed += 1
        self._left -= 1
        if not self._left:
            self._all.set()


async def run_open(job: Job) -> Result:
    """Send at the rate, however slow the answers are."""
    opening = Opening(job)
    await opening.run()
    return opening.result


async def _sleep_until(at: float) -> None:
    """To within 0.1 ms, the loop having come round at least once."""
    await asyncio.sleep(max(0.0, at - time.time() - SLEEP_AHEAD_S))
    if (left_s := at - time.time()) > 0:
        time.sleep(left_s)


def _prepare() -> None:
    """What was built beforehand stays, and nobody looks for garbage meanwhile."""
    gc.collect()
    gc.freeze()
    gc.disable()


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    result = uvloop.run(run_open(job) if job.kind == "open" else run_closed(job))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
