"""Wake-ups and jobs: how work that is due gets looked at, at once and whatever dies.

**A job is a wake-up, not the work.** Measured on two cores (Procrastinate 3.10, PostgreSQL 18): one event loop runs 300 to
450 empty jobs a second at 1.5–2 ms of CPU each, a job for a webhook would cost more than the webhook; 100,000 waiting jobs
make each fetch 29–60 ms; a worker killed with -9 leaves its job `doing` for ever, and a finish that fails once is never
repeated. So truth is in our tables (an undigested delivery, a due contact, a queued message), found by a predicate. To be
quick, a stage rings the next one's bell in its own process after COMMIT. To be safe against a death between the two, the first
webhook after quiet writes a job `wake(digest)` in its transaction. When the work is another process's to do, a
ring is told to all (broadcast). Any job may run twice, late or never: a sweep every 2 s, and at start, looks anyway. No wake-up
is written per message.

Procrastinate carries the real jobs: periodic work today (days of the delivery table, stalled jobs, orphans), media, imports,
campaign chunks, outgoing webhooks and retention as they come. Arguments are ids only. `lock=` and `queueing_lock=` are not
used: the first waits for a poll, the second collides with retries. What it leaves behind is given back: jobs of workers that died,
and those whose end could not be written although their worker lives, which it never finds itself (`rescue_stalled`). Its loop is
watched where it asks for a job, every 5 s at least: a job that beats would be one worker's only, of however many there are.
"""

import asyncio
import contextlib
import datetime as dt
import os
import signal
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Literal, TypeVar

import procrastinate
import structlog
from msgspec import Struct
from procrastinate import BaseConnector, PsycopgConnector
from procrastinate.manager import JobManager

from atendeja import dial, failpoints
from atendeja.db import Session, Tx, query
from atendeja.errors import Unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

Stage = Literal["digest", "turn", "send"]

SWEEP_S = 2.0
QUIET_S = 1.0
ELSEWHERE_S = 1.0
"""How long it is believed that another process holds a lease that we were refused: asking locks its row."""
WAKE_PRIORITY = 10
STALL_S = 120.0
"""A loop that has not come round for so long is stuck: three tries of a transaction that all run into the database's time-outs take
less."""
LATE_S = 1.0
"""When the look at a loop itself comes later than this, all of the process stood still, and no loop is to blame."""
GHOST_S = 600
"""A job that is `doing` for longer has ended, and could not say so. None of ours takes that long."""


class Deferred(Struct):
    job_id: int


class Ghost(Struct):
    id: int


DEFER = query("queue.defer", Deferred)
GHOSTS = query("queue.ghosts", Ghost)


async def defer(tx: Tx, task: str, *, queue: str = "work", priority: int = 0, **ids: object) -> None:
    """Write a job in this transaction. Arguments are ids: Procrastinate logs them."""
    await tx.all(DEFER, queue=queue, task=task, priority=priority, args=ids)


async def defer_wake(tx: Tx, stage: Stage) -> None:
    """Write the wake-up that survives our death."""
    await defer(tx, "wake", queue="wake", priority=WAKE_PRIORITY, stage=stage)


class Bell:
    """Wakes one resident loop of this process. A ring while the loop works is kept for its next look.

    What it is about may be another process's to do: `elsewhere` says so, and from then on a ring is passed on, by `tell`.
    """

    def __init__(self, tell: Callable[[], None] = lambda: None) -> None:
        self._event = asyncio.Event()
        self._asked = asyncio.Event()
        self._rung = False
        """Somebody in this process rang, and no look has begun since."""
        self._looking = False
        """The present look was begun because somebody in this process rang."""
        self._tell = tell
        self._elsewhere_until = float("-inf")
        self._timer: asyncio.Handle | None = None
        self._rings_at = float("-inf")
        """When it rings by itself, on the loop's clock. (Not asked of the timer: uvloop's has no `when` where that is now.)"""

    def ring(self) -> None:
        """There is something to look for."""
        if failpoints.reach("ring"):
            return
        if self.is_elsewhere:
            self._tell()
        else:
            self._rung = True
            self._asked.set()
            self._event.set()

    def hear(self) -> None:
        """Another process says that there is something to look for: only whoever it may be for looks, and nobody passes it on."""
        if not self.is_elsewhere and not failpoints.reach("ring"):
            self._asked.set()
            self._event.set()

    def elsewhere(self, for_s: float = ELSEWHERE_S) -> None:
        """Another process does what this bell is about, and will for so long. What was rung for already is passed on."""
        self._elsewhere_until = asyncio.get_running_loop().time() + for_s
        if self._rung or self._looking:
            self._rung = self._looking = False
            self._tell()

    def perhaps_here(self) -> None:
        """It may be ours to do now, unless it was given away for good."""
        if self._elsewhere_until < float("inf"):
            self._elsewhere_until = float("-inf")

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process is believed to do what this is about."""
        return self._elsewhere_until > float("-inf") and asyncio.get_running_loop().time() < self._elsewhere_until

    def nudge(self) -> None:
        """Wake the loop for what it has in its own hands; nothing new is to be looked for."""
        self._event.set()

    def ring_in(self, delay_s: float) -> None:
        """Ring later; an earlier appointment is kept."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, delay_s)
        if float("-inf") < self._rings_at <= when:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._rings_at = loop.call_at(when, self._keep_appointment), when

    def _keep_appointment(self) -> None:
        self._rings_at = float("-inf")  # a timer may be early by what its loop rounds
        self.ring()

    def clear(self) -> bool:
        """Forget what woke us until now; True when somebody rang, not only nudged."""
        asked = self._asked.is_set()
        self._looking, self._rung = self._rung, False
        self._asked.clear()
        self._event.clear()
        return asked

    async def wait(self, timeout_s: float) -> bool:
        """True when rung or nudged, False when the time is up (the sweep)."""
        return await _set_within(self._event, timeout_s)

    async def rung(self, timeout_s: float) -> bool:
        """True when rung, whoever nudges meanwhile; False when the time is up."""
        return await _set_within(self._asked, timeout_s)


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def every(seconds: float, work: Callable[[], Awaitable[None]], stopping: asyncio.Event) -> None:
    """The loop of what is done by the clock: now, and then `seconds` after each end."""
    while not stopping.is_set():
        await work()
        await pause(stopping, seconds)


async def pause(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond the order to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


async def resident(bell: Bell, work: Callable[[], Awaitable[bool]], stopping: asyncio.Event, *, sweep_s: float = SWEEP_S) -> None:
    """The loop of a stage: work until a look that began after the last ring found nothing, then sleep until a ring or the sweep."""
    while not stopping.is_set():
        bell.clear()
        if await work():
            continue
        await rest(bell, sweep_s)


async def rest(bell: Bell, sweep_s: float = SWEEP_S) -> bool:
    """Sleep until the bell wakes us (True) or it is time to sweep (False)."""
    while not await bell.wait(sweep_s):
        if not failpoints.reach("sweep"):
            return False
    return True


class Quiet:
    """When a write carries a wake-up job: the first one after a second without any. Pure, over a monotonic clock."""

    def __init__(self) -> None:
        self._last_write = float("-inf")

    def ends(self, now: float) -> bool:
        """A write is about to happen: True when its transaction must carry a job."""
        quiet = now - self._last_write >= QUIET_S
        self._last_write = now
        return quiet


Job = Callable[..., Awaitable[None]]


class _Asking(JobManager):
    """Procrastinate's door to its tables, which tells when its loop has been there to ask for a job."""

    def __init__(self, connector: BaseConnector, beat: Callable[[], None]) -> None:
        super().__init__(connector)
        self._beat = beat

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> procrastinate.jobs.Job | None:
        job = await super().fetch_job(queues, worker_id)
        self._beat()
        return job


def build_app(
    dsn: str, jobs: dict[str, Job], periodic: dict[str, tuple[str, Job]], beat: Callable[[], None] = lambda: None
) -> procrastinate.App:
    """Procrastinate on our database, as atendeja_app. `periodic` is name → (cron line, job taking a timestamp); `beat` is called
    each time its loop has asked for a job.

    At least one periodic job must exist: without one its listener dies silently. The pool waits a minute for a connection,
    so that a restart of the database is a pause.
    """
    connector = PsycopgConnector(
        conninfo=dsn,
        kwargs={**dial.LIBPQ, "options": "-c role=atendeja_app -c application_name=atendeja-jobs"},
        min_size=1,
        max_size=4,
        timeout=60,
    )
    app = procrastinate.App(connector=connector)
    app.job_manager = _Asking(connector, beat)
    for name, job in jobs.items():
        app.task(name=name, queue="wake" if name == "wake" else "work")(job)
    for name, (cron, job) in periodic.items():
        app.periodic(cron=cron)(app.task(name=name, queue="work", pass_context=False)(job))
    return app


async def rescue_stalled(app: procrastinate.App, session: Session, now: dt.datetime) -> int:
    """Give back the jobs of workers that died, and those whose end was never written. Returns how many."""
    stalled = [job.id for job in await app.job_manager.get_stalled_jobs()]
    ghosts = [ghost.id for ghost in await session.all(GHOSTS, after_s=GHOST_S)]
    rescued = {id_ for id_ in [*stalled, *ghosts] if id_ is not None}
    for id_ in sorted(rescued):
        await app.job_manager.retry_job_by_id_async(id_, retry_at=now)
    if rescued:
        log.warning("jobs_rescued", jobs=len(rescued))
    return len(rescued)


async def outcome(work: Coroutine[object, object, None]) -> Exception | None:
    """Run it, and return the exception it ended with instead of raising: the one place that catches whatever it may be.

    Without memory nothing that we could still do is to be relied upon: the process ends as by kill -9, which all is made for.
    """
    try:
        await work
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)
    except Exception as error:  # noqa: BLE001
        return error
    return None


async def each(items: Iterable[T], work: Callable[[T], Coroutine[object, object, None]]) -> None:
    """Do it for each, whatever becomes of the others; the first error is raised at the end. A database that is away ends it."""
    first: Exception | None = None
    for item in items:
        error = await outcome(work(item))
        if isinstance(error, Unavailable):
            raise error
        first = first or error
    if first is not None:
        raise first


async def halve(batch: Sequence[T], work: Callable[[Sequence[T]], Coroutine[object, object, None]]) -> list[tuple[T, Exception]]:
    """Do the batch; when it fails by a bug, do its halves, down to the items that fail alone. Returns those with their error.

    Raises Unavailable as it comes: a database that is away is nobody's fault.
    """
    error = await outcome(work(batch))
    if error is None:
        return []
    if isinstance(error, Unavailable):
        raise error
    if len(batch) == 1:
        return [(batch[0], error)]
    middle = len(batch) // 2
    return await halve(batch[:middle], work) + await halve(batch[middle:], work)


async def end(tasks: Collection[asyncio.Task[object]], timeout_s: float) -> bool:
    """Cancel these and wait for them, at most `timeout_s`; False when some have not ended.

    They are cancelled again each second: while the database is away, Procrastinate and the drivers answer the first time by
    waiting for it (to roll back, to sign off), up to a minute.
    """
    loop = asyncio.get_running_loop()
    deadline, pending = loop.time() + timeout_s, {*tasks}
    while pending and (left_s := deadline - loop.time()) > 0:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=min(1.0, left_s))
    return not pending


class Stalled(Exception):
    """A loop that did not come round in time."""


async def watch(run: Coroutine[object, object, None], age: Callable[[], float], stall_s: float) -> None:
    """Run it; when `age()`, the seconds since it last came round, exceeds `stall_s`, it is cancelled and Stalled is raised.

    Comes to its end only after it, also when cancelled; each cancel is passed on, because the first may be answered by waiting.
    """
    loop = asyncio.get_running_loop()
    task, began = loop.create_task(run), loop.time()
    try:
        while not task.done():
            planned = loop.time() + stall_s / 4
            await asyncio.wait({task}, timeout=stall_s / 4)
            late = loop.time() > planned + LATE_S
            if not task.done() and not late and min(age(), loop.time() - began) > stall_s:
                raise Stalled
        task.result()
    finally:
        again = False
        while not task.done():
            task.cancel()
            try:
                await asyncio.wait({task}, timeout=1.0)
            except asyncio.CancelledError:
                again = True
        if again:
            raise asyncio.CancelledError


async def supervise(
    name: str,
    run: Callable[[], Coroutine[object, object, None]],
    stopping: asyncio.Event,
    on_end: Callable[[str], None],
    age: Callable[[], float] = lambda: 0.0,
    stall_s: float = STALL_S,
) -> None:
    """Keep a loop alive: one that returns, raises or stalls (see `watch`) is started again after 0.2 s, 0.4 s … at most 5 s, or 2 s
    when it is only the database that is away: what waits is to go on soon after its return."""
    wait_s = 0.2
    while not stopping.is_set():
        began = asyncio.get_running_loop().time()
        error = await outcome(watch(run(), age, stall_s))
        if stopping.is_set():
            return
        on_end(name)
        longest_s = 2.0 if isinstance(error, Unavailable) else 5.0
        wait_s = 0.2 if asyncio.get_running_loop().time() - began > 30 else min(wait_s * 2, longest_s)
        if isinstance(error, Unavailable):
            log.warning("loop_waits", loop=name, error=str(error))
        elif isinstance(error, Stalled):
            log.error("loop_stalled", loop=name, after_s=stall_s)
        else:
            log.error("loop_ended", loop=name, exc_info=error)
        await pause(stopping, wait_s)
