"""The acknowledgement: a signed body is stored, then answered 200. Nothing is parsed here.

Problem: one transaction a webhook costs a disk flush each, 2,800/s on two cores. Choice: group commit. Requests join an open
batch; while one batch commits, the next fills; every request is answered by its own batch's commit. No timer: at low rates a
batch is one body. Refused: answering before the commit, and a delay to gather more.
The open batch is bounded in requests and bytes; full, or with the database away, the answer is 503 and Meta comes back. So it is
for a request that has waited STORE_S, because the sender gives up too and a queue that only grows helps nobody: what is committed
later is stored all the same, and its repetition changes nothing.
"""

import asyncio
import datetime as dt
import re
from collections.abc import Awaitable, Callable

import structlog
from msgspec import Struct

from atendeja import failpoints, queue
from atendeja.db import TRANSIENT, Nothing, Session, describe, query
from atendeja.errors import Unavailable
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

STORE = query("inbound.store", Nothing)
STATUS_DELAY_S = 0.5
"""Statuses alone may wait this long to be digested together: nobody waits for them, and a transaction for each would cost more
than the reply that they are about."""
STORE_S = 8.0
"""Longest that a request waits for its commit, and that a commit may take; more by WATCH_S at most."""
WATCH_S = 0.5
MAX_FLUSH_BODIES = 500
MAX_FLUSH_BYTES = 8 * 1024 * 1024


_ORDERED = re.compile(rb'"(?:messages|message_echoes|user_preferences|user_id_update|history|state_sync|calls)"\s*:')
"""What must be digested in the order in which it came."""

PEOPLE, STATUSES = 0, 1
"""The lanes of `delivery`."""


class Waiting(Struct):
    body: bytes
    lane: int
    since: float
    stored: asyncio.Future[None]


def lane(body: bytes) -> int:
    """Which lane a body goes to, by a look at its bytes. Lanes keep their own order: what people write stays in one.

    Wrong only costs time: each lane digests whatever is in it.
    """
    return STATUSES if b'"statuses"' in body and not _ORDERED.search(body) else PEOPLE


class Intake:
    """The open batch and the loop that commits it."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._waiting: list[Waiting] = []
        self._bytes = 0
        self._flushing: list[Waiting] = []
        self._flushing_since = 0.0
        self._flushing_on: Session | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._bell = asyncio.Event()
        self.closing = asyncio.Event()
        self._quiet = queue.Quiet()

    async def store(self, body: bytes) -> None:
        """Return once the body is committed. Raises Unavailable when it is not: nothing was kept, or nobody knows.

        Both within STORE_S and a little, whatever the database does.
        """
        config = self._rt.config
        if len(self._waiting) >= config.inbox_max_requests or self._bytes + len(body) > config.inbox_max_bytes:
            self._rt.meter.count("deliveries_refused", label="full")
            raise Unavailable("too many webhooks are waiting to be stored")
        loop = asyncio.get_running_loop()
        stored = loop.create_future()
        self._waiting.append(Waiting(body, lane(body), self._rt.monotonic(), stored))
        self._bytes += len(body)
        self._bell.set()
        if self._watch is None:
            self._watch = loop.call_later(WATCH_S, self._look)
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
            batch = self._flushing = self._take()
            started = self._flushing_since = self._rt.monotonic()
            error: Unavailable | None = Unavailable("not stored")
            try:
                error = await self._flush(batch)
            finally:
                self._flushing, self._flushing_on = [], None
                _answer(batch, error)  # whatever happens, nobody is left waiting
            self._rt.meter.observe("store_seconds", self._rt.monotonic() - started)
            if error is None:
                self._rt.meter.count("deliveries_stored", len(batch))
                self._ring({w.lane for w in batch})

    def _look(self) -> None:
        """While anybody waits: who has waited too long is told, and a commit that takes too long loses its connection, so that the
        next is tried on another."""
        overdue = self._rt.monotonic() - STORE_S
        late = [w for w in self._flushing if w.since <= overdue and not w.stored.done()]
        n = next((n for n, w in enumerate(self._waiting) if w.since > overdue), len(self._waiting))
        late, self._waiting = late + self._waiting[:n], self._waiting[n:]
        self._bytes = sum(len(w.body) for w in self._waiting) if n else self._bytes
        if late:
            self._rt.meter.count("deliveries_refused", len(late), label="late")
            log.warning("deliveries_late", deliveries=len(late))
            _answer(late, Unavailable("it could not be stored in time"))
        if self._flushing_on is not None and self._flushing_since <= overdue:
            self._flushing_on.cut()
        anybody = self._flushing or self._waiting
        self._watch = asyncio.get_running_loop().call_later(WATCH_S, self._look) if anybody else None

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
            if self._quiet.ends(self._rt.monotonic()):
                async with self._rt.db.system() as tx:
                    self._flushing_on = tx
                    await _store(tx.run, batch, now)
                    await queue.defer_wake(tx, "digest")
            else:
                async with self._rt.db.session() as session:
                    self._flushing_on = session
                    await _store(session.run, batch, now)
        except (Unavailable, *TRANSIENT) as error:
            self._rt.meter.count("deliveries_refused", sum(not w.stored.done() for w in batch), label="database")
            log.warning("deliveries_not_stored", deliveries=len(batch), error=describe(error))
            return Unavailable("the database is away")
        failpoints.reach("ingest.after_commit")
        return None


def utc_day(at: dt.datetime) -> dt.date:
    """The partition of `delivery` an instant falls in."""
    return at.astimezone(dt.UTC).date()


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
