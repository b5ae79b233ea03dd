"""The acknowledgement: a signed body is stored, then answered 200. Nothing is parsed here.

Problem: one transaction a webhook costs a disk flush each, 2,800/s on two cores. Choice: group commit. Requests join an open
batch; while one batch commits, the next fills; every request is answered by its own batch's commit. No timer: at low rates a
batch is one body. Refused: answering before the commit, and a delay to gather more.
The open batch is bounded in requests and bytes; full, or with the database away, the answer is 503 and Meta comes back.
"""

import asyncio
import datetime as dt
import re
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from atendeja import failpoints, queue
from atendeja.db import TRANSIENT, Nothing, Tx, describe, query, utc_day
from atendeja.errors import Unavailable
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

STORE = query("inbound.store", Nothing)
STATUS_DELAY_S = 0.5
"""Statuses alone may wait this long to be digested together: nobody waits for them, and a transaction for each would cost more
than the reply that they are about."""
STORE_S = 8
"""A commit that takes longer is given up: whoever waits is told, and comes back."""
MAX_FLUSH_BODIES = 500
MAX_FLUSH_BYTES = 8 * 1024 * 1024


_ORDERED = re.compile(rb'"(?:messages|message_echoes|user_preferences|user_id_update|history|state_sync|calls)"\s*:')
"""What must be digested in the order in which it came."""

PEOPLE, STATUSES = 0, 1
"""The lanes of `delivery`."""


class Waiting(Struct):
    body: bytes
    lane: int
    stored: asyncio.Future[None]


def lane(body: bytes) -> int:
    """Which lane a body goes to, by a look at its bytes. Lanes keep their own order: what people write stays in one.

    Wrong only costs time: each lane digests whatever is in it.
    """
    return STATUSES if b'"statuses"' in body and not _ORDERED.search(body) else PEOPLE


class Intake:
    """The open batch and the loop that commits it. `has_next`: whether this process also digests."""

    def __init__(self, rt: Runtime, *, has_next: bool) -> None:
        self._rt = rt
        self._waiting: list[Waiting] = []
        self._bytes = 0
        self._bell = asyncio.Event()
        self.closing = asyncio.Event()
        self._throttle = queue.Throttle(has_next=has_next)
        self._owed: asyncio.TimerHandle | None = None
        self._jobs: set[asyncio.Task[None]] = set()

    async def store(self, body: bytes) -> None:
        """Return once the body is committed. Raises Unavailable when it is not: nothing was kept, or nobody knows."""
        config = self._rt.config
        if len(self._waiting) >= config.inbox_max_requests or self._bytes + len(body) > config.inbox_max_bytes:
            self._rt.meter.count("deliveries_refused", label="full")
            raise Unavailable("too many webhooks are waiting to be stored")
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(body, lane(body), stored))
        self._bytes += len(body)
        self._bell.set()
        await stored

    def close(self) -> None:
        """No more bodies will come: `run` ends when those that wait are stored. Until then requests are still answered."""
        self.closing.set()
        self._bell.set()

    async def run(self) -> None:
        """Commit batches until closed and empty. Never raises for a database that is away: those who wait are told."""
        while not self.closing.is_set() or self._waiting:
            if not self._waiting:
                self._bell.clear()
                await self._bell.wait()
                continue
            batch = self._take()
            started = self._rt.monotonic()
            error: Unavailable | None = Unavailable("not stored")
            try:
                error = await self._flush(batch)
            finally:
                _answer(batch, error)  # whatever happens, nobody is left waiting
            took_s = self._rt.monotonic() - started
            self._rt.meter.observe("store_seconds", took_s)
            if error is not None and took_s >= STORE_S:
                self._refuse_waiting(error)
            if error is None:
                self._rt.meter.count("deliveries_stored", len(batch))
                self._ring({w.lane for w in batch})
                self._settle_owed()

    def _refuse_waiting(self, error: Unavailable) -> None:
        """The database is silent: who has waited for one batch to fail should not wait for the next."""
        batch, self._waiting, self._bytes = self._waiting, [], 0
        self._rt.meter.count("deliveries_refused", len(batch), label="database")
        _answer(batch, error)

    def _ring(self, lanes: set[int]) -> None:
        """Somebody who wrote is waiting for an answer; nobody waits for a status, and together they cost a third."""
        if PEOPLE in lanes:
            self._rt.bells.digest.ring()
        if STATUSES in lanes:
            self._rt.bells.statuses.ring_in(STATUS_DELAY_S)

    def _take(self) -> list[Waiting]:
        size, n = 0, 0
        for n, waiting in enumerate(self._waiting):
            size += len(waiting.body)
            if n and (n >= MAX_FLUSH_BODIES or size > MAX_FLUSH_BYTES):
                break
        else:
            n += 1
        batch, self._waiting = self._waiting[:n], self._waiting[n:]
        self._bytes -= sum(len(w.body) for w in batch)
        return batch

    async def _flush(self, batch: list[Waiting]) -> Unavailable | None:
        """One commit. The outcome is a value, because everybody in the batch gets it."""
        now = self._rt.now()
        failpoints.reach("ingest.before_commit")
        try:
            async with asyncio.timeout(STORE_S):
                await self._write(batch, now)
        except (Unavailable, *TRANSIENT) as error:
            self._rt.meter.count("deliveries_refused", len(batch), label="database")
            log.warning("deliveries_not_stored", deliveries=len(batch), error=describe(error))
            return Unavailable("the database is away")
        failpoints.reach("ingest.after_commit")
        return None

    async def _write(self, batch: list[Waiting], now: dt.datetime) -> None:
        if self._throttle.write(self._rt.monotonic()):
            async with self._rt.db.system() as tx:
                await _store(tx.run, batch, now)
                await queue.defer_wake(tx, "digest")
        else:
            async with self._rt.db.session() as session:
                await _store(session.run, batch, now)

    def _settle_owed(self) -> None:
        """The last write before a pause must be followed by a job, when nobody here is rung."""
        wait_s = self._throttle.settle(self._rt.monotonic())
        if wait_s is not None and self._owed is None:
            self._owed = asyncio.get_running_loop().call_later(wait_s, self._write_owed)

    def _write_owed(self) -> None:
        self._owed = None
        if self._throttle.write(self._rt.monotonic()):
            task = asyncio.get_running_loop().create_task(self._defer_alone())
            self._jobs.add(task)
            task.add_done_callback(self._jobs.discard)

    async def _defer_alone(self) -> None:
        async def work(tx: Tx) -> None:
            await queue.defer_wake(tx, "digest")

        try:
            await self._rt.db.transact(None, work)
        except Unavailable as error:
            log.warning("wake_not_written", error=str(error))  # the sweep looks anyway


async def _store(run: Callable[..., Awaitable[int]], batch: list[Waiting], now: dt.datetime) -> None:
    await run(STORE, day=utc_day(now), received_at=now, lanes=[w.lane for w in batch], bodies=[w.body for w in batch])


def _answer(batch: list[Waiting], error: Unavailable | None) -> None:
    for waiting in batch:
        if waiting.stored.done():
            continue  # the client went away; what was stored is stored
        if error is None:
            waiting.stored.set_result(None)
        else:
            waiting.stored.set_exception(error)
