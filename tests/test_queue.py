"""Wake-ups and jobs: bells, resident loops, halving, supervision; then Procrastinate on the real database."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from importlib import resources
from time import monotonic

import asyncpg
import procrastinate
import pytest
import uvloop

from atendeja import db, failpoints, queue
from atendeja.db import Tx
from atendeja.errors import Unavailable
from atendeja.queue import Bell, Quiet
from atendeja.runtime import Runtime

# ── when a write carries a job ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_write_after_quiet_carries_a_job_and_no_other() -> None:
    """None per message, at any rate."""
    quiet = Quiet()
    assert [quiet.ends(at) for at in (5.0, 5.5, 6.0, 6.99, 8.0, 8.0)] == [True, False, False, False, True, False]
    assert sum(quiet.ends(20 + n / 2000) for n in range(20_000)) == 1


# ── bells and resident loops ───────────────────────────────────────────────────────────────────────────────────────────────


class Stage:
    """A resident loop whose looks are counted; `block` holds each until it is set."""

    def __init__(self, sweep_s: float = 60) -> None:
        self.bell, self.stopping, self.looks = Bell(), asyncio.Event(), 0
        self.more, self.block = 0, asyncio.Event()
        self.block.set()
        self.task = asyncio.create_task(queue.resident(self.bell, self.work, self.stopping, sweep_s=sweep_s))

    async def work(self) -> bool:
        self.looks += 1
        await self.block.wait()
        self.more -= 1
        return self.more >= 0

    async def end(self) -> None:
        self.stopping.set()
        self.bell.ring()
        await asyncio.wait_for(self.task, 1)


async def test_a_loop_looks_at_its_start_and_sleeps_when_there_is_nothing() -> None:
    stage = Stage()
    await asyncio.sleep(0.03)
    assert stage.looks == 1
    stage.bell.ring()
    await asyncio.sleep(0.03)
    assert stage.looks == 2
    await stage.end()


async def test_a_loop_goes_on_while_there_is_more() -> None:
    stage = Stage()
    stage.more = 3
    await asyncio.sleep(0.03)
    assert stage.looks == 4
    await stage.end()


async def test_a_ring_during_the_work_is_a_look_after_it() -> None:
    """The look that was under way may have begun before the ringing commit: it does not count."""
    stage = Stage()
    stage.block.clear()
    await asyncio.sleep(0.01)
    stage.bell.ring()
    stage.bell.ring()
    stage.block.set()
    await asyncio.sleep(0.03)
    assert stage.looks == 2
    await stage.end()


async def test_the_sweep_looks_without_a_ring() -> None:
    """F20."""
    stage = Stage(sweep_s=0.02)
    await asyncio.sleep(0.1)
    assert stage.looks >= 3
    await stage.end()


async def test_without_the_sweep_only_a_ring_wakes() -> None:
    failpoints.configure({"ATENDEJA_FAILPOINTS": "sweep=skip"})
    try:
        stage = Stage(sweep_s=0.01)
        await asyncio.sleep(0.06)
        assert stage.looks == 1
        stage.bell.ring()
        await asyncio.sleep(0.03)
        assert stage.looks == 2
        await stage.end()
    finally:
        failpoints.configure({})


async def test_of_two_appointments_the_earlier_is_kept() -> None:
    bell = Bell()
    for delays in ((0.02, 5.0), (5.0, 0.02)):
        bell.clear()
        for delay in delays:
            bell.ring_in(delay)
        assert await bell.wait(0.2), delays
    bell.clear()
    bell.ring_in(0.02)
    assert await bell.wait(0.2), "a new appointment after one that has rung"
    bell.clear()
    assert not await bell.wait(0.05), "it rings once"
    bell.ring_in(-1.0)
    assert await bell.wait(0.05), "what is past is now"


def test_an_appointment_for_now_is_kept_and_leaves_room_for_the_next_on_the_loop_that_serve_has() -> None:
    """uvloop rounds to milliseconds: what is due within half of one has no time of its own there."""

    async def appointments() -> int:
        bell, kept = Bell(), 0
        for delay_s in (0.0, 0.0001, 0.0004, 0.0006, 0.002, 0.0, 0.0052):
            bell.ring_in(delay_s)
            bell.ring_in(delay_s + 1)  # later than the one there is
            kept += await bell.wait(0.5)
            bell.clear()
        return kept

    assert uvloop.run(appointments()) == asyncio.run(appointments()) == 7


class Far:
    """A bell, and how often it was told to others."""

    def __init__(self) -> None:
        self.told = 0
        self.bell = Bell(self._tell)

    def _tell(self) -> None:
        self.told += 1


async def test_what_is_here_is_told_to_nobody() -> None:
    far = Far()
    far.bell.ring()
    assert far.bell.clear()
    assert far.told == 0


async def test_a_ring_whose_lease_was_refused_is_passed_on_and_the_next_ones_at_once() -> None:
    """Once however often it rang; a sweep that is refused has nothing to tell."""
    far = Far()
    for _ in range(3):
        far.bell.ring()
    assert far.bell.clear()
    far.bell.elsewhere()
    assert far.told == 1
    far.bell.clear()
    far.bell.elsewhere()
    assert far.told == 1, "a sweep found the same"
    far.bell.ring()
    assert far.told == 2 and not far.bell.clear(), "no look for what is known to be elsewhere"


async def test_a_ring_during_the_refused_look_is_passed_on_too() -> None:
    far = Far()
    far.bell.clear()
    far.bell.ring()
    far.bell.elsewhere()
    assert far.told == 1


async def test_elsewhere_is_believed_for_a_while_only() -> None:
    far = Far()
    far.bell.elsewhere(0.02)
    far.bell.ring()
    await asyncio.sleep(0.03)
    far.bell.ring()
    assert far.told == 1 and far.bell.clear()
    far.bell.elsewhere(60)
    far.bell.perhaps_here()
    far.bell.ring()
    assert far.told == 2 and far.bell.clear()


async def test_what_was_heard_is_never_passed_on() -> None:
    """Or two processes without the lease would tell each other for ever."""
    far = Far()
    far.bell.hear()
    assert far.bell.clear()
    far.bell.elsewhere()
    far.bell.hear()
    assert far.told == 0 and not far.bell.clear()


# ── halving and supervision ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad", [set(), {0}, {7}, {3, 4}, {0, 2, 5}, set(range(8))])
async def test_halving_finds_exactly_the_items_that_fail_alone(bad: set[int]) -> None:
    """F21: every healthy item is done, each bad one is named with its error."""
    done: set[int] = set()

    async def work(some: Sequence[int]) -> None:
        if broken := bad & set(some):
            raise ValueError(min(broken))
        done.update(some)

    failed = await queue.halve(range(8), work)
    assert {item for item, _ in failed} == bad
    assert all(isinstance(error, ValueError) and error.args == (item,) for item, error in failed)
    assert done == set(range(8)) - bad


async def test_a_database_that_is_away_is_nobodys_fault() -> None:
    calls = 0

    async def work(_some: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await queue.halve(range(8), work)
    assert calls == 1


async def test_cancelling_the_caller_cancels_the_work() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    task = asyncio.create_task(queue.outcome(work()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(cancelled.wait(), 1)


async def test_the_caller_ends_after_the_work_that_it_cancelled() -> None:
    put_away = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.02)
            put_away.set()

    task = asyncio.create_task(queue.outcome(work()))
    await asyncio.sleep(0.01)
    assert await queue.end([task], 1)
    assert put_away.is_set()


@pytest.mark.parametrize(("cancels", "within"), [(0, True), (1, True), (9, False)])
async def test_what_puts_a_cancel_off_is_cancelled_again_and_then_left(cancels: int, within: bool) -> None:
    """As a driver does that rolls back first, on a database that does not answer."""

    async def work() -> None:
        for _ in range(cancels + 1):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(queue.outcome(work()))
    await asyncio.sleep(0.01)
    try:
        assert await queue.end([task], 1.5) is within
    finally:
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)


@pytest.mark.parametrize("error", [None, ValueError("a bug"), Unavailable("away")])
async def test_a_loop_that_ends_is_started_again(error: Exception | None) -> None:
    """F27: returning "normally" is an end too."""
    runs, ended, stopping = 0, list[str](), asyncio.Event()

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            if error is not None:
                raise error
            return
        await stopping.wait()

    task = asyncio.create_task(queue.supervise("loop", run, stopping, ended.append))
    async with asyncio.timeout(3):
        while runs < 3:
            await asyncio.sleep(0.01)
    stopping.set()
    await asyncio.wait_for(task, 1)
    assert ended == ["loop", "loop"]


async def test_an_order_to_stop_does_not_wait_for_the_next_start() -> None:
    stopping = asyncio.Event()

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.02, stopping.set)

    await asyncio.wait_for(queue.supervise("loop", run, stopping, lambda _: None), 0.15)


class Loop:
    """A loop that comes round every 10 ms until it is to hang; `ends` says how often it had to be started again."""

    def __init__(self, stall_s: float = 0.4) -> None:
        self.runs, self.ends, self.hangs, self.came, self.stopping = 0, list[str](), False, monotonic(), asyncio.Event()
        watched = queue.supervise("loop", self.run, self.stopping, self.ends.append, lambda: monotonic() - self.came, stall_s)
        self.task = asyncio.create_task(watched)

    async def run(self) -> None:
        self.runs += 1
        while not self.stopping.is_set():
            while self.hangs:
                await asyncio.sleep(60)
            self.came = monotonic()
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.stopping.set()
        await asyncio.wait_for(self.task, 5)


async def test_a_loop_that_stalls_is_cancelled_and_started_again() -> None:
    """F27: it neither returns nor raises; while it comes round nobody touches it."""
    loop = Loop()
    await asyncio.sleep(1.0)
    assert (loop.runs, loop.ends) == (1, [])
    loop.hangs = True
    async with asyncio.timeout(10):
        while loop.runs < 2:
            await asyncio.sleep(0.01)
    assert loop.ends == ["loop"]
    loop.hangs = False
    async with asyncio.timeout(10):
        while monotonic() - loop.came > 0.1 or loop.runs < 3:
            await asyncio.sleep(0.01)
    await loop.end()


async def test_no_loop_is_to_blame_when_all_of_the_process_stood_still() -> None:
    """F26: a second and a half without a beat of anybody."""
    loop = Loop()
    await asyncio.sleep(0.1)
    time.sleep(1.5)
    await asyncio.sleep(0.5)
    assert (loop.runs, loop.ends) == (1, [])
    await loop.end()


async def test_each_cancel_of_a_watched_loop_is_passed_on_and_its_end_waited_for() -> None:
    """Procrastinate answers the first by waiting for its database."""
    cancels, ended = 0, asyncio.Event()

    async def stubborn() -> None:
        nonlocal cancels
        while cancels < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancels += 1
        ended.set()

    task = asyncio.create_task(queue.watch(stubborn(), lambda: 0.0, 60))
    await asyncio.sleep(0.01)
    assert await queue.end([task], 5)
    assert (cancels, ended.is_set(), task.cancelled()) == (2, True, True)


async def test_what_a_watched_loop_ends_with_is_the_end_of_the_watch() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await queue.watch(fail(), lambda: 0.0, 60)
    assert await queue.outcome(queue.watch(asyncio.sleep(0), lambda: 0.0, 60)) is None


# ── Procrastinate on the real database ─────────────────────────────────────────────────────────────────────────────────────


class Jobs:
    """Procrastinate as the worker builds it, with a job `wake` that notes the stage it was given."""

    def __init__(self, rt: Runtime, admin: asyncpg.Connection) -> None:
        self._rt, self.admin, self.rang, self.beats = rt, admin, list[str](), 0

        async def wake(stage: str) -> None:
            self.rang.append(stage)

        async def look(timestamp: int) -> None: ...

        self.app = queue.build_app(rt.config.database_url.reveal(), {"wake": wake}, {"look": ("0 0 1 1 *", look)}, self.beat)

    def beat(self) -> None:
        self.beats += 1

    async def waiting(self) -> int:
        return int(
            await self.admin.fetchval("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo' AND task_name = 'wake'")
        )

    async def rescue(self) -> int:
        async with self._rt.db.session() as session:
            return await queue.rescue_stalled(self.app, session, self._rt.now())

    async def run(self) -> None:
        """Do what waits."""
        await self.app.run_worker_async(wait=False, install_signal_handlers=False, delete_jobs="successful", listen_notify=False)


@pytest.fixture
async def jobs(rt: Runtime) -> AsyncIterator[Jobs]:
    admin = await asyncpg.connect(rt.config.admin_url.reveal())
    made = Jobs(rt, admin)
    async with made.app.open_async():
        yield made
    await admin.close()


async def test_a_job_exists_exactly_when_its_transaction_committed(rt: Runtime, jobs: Jobs) -> None:
    with pytest.raises(ZeroDivisionError):
        async with rt.db.system() as tx:
            await queue.defer_wake(tx, "digest")
            assert await jobs.waiting() == 0
            raise ZeroDivisionError
    assert await jobs.waiting() == 0
    async with rt.db.tenant(1) as tx:
        await queue.defer_wake(tx, "turn")
        assert await jobs.waiting() == 0
    assert await jobs.waiting() == 1
    await jobs.run()
    assert jobs.rang == ["turn"]
    assert await jobs.waiting() == 0


async def test_procrastinate_works_as_the_application_role(jobs: Jobs) -> None:
    row = await jobs.app.connector.execute_query_one_async("SELECT current_user AS who, current_setting('is_superuser') AS super")
    assert row == {"who": "atendeja_app", "super": "off"}


@pytest.mark.parametrize("worker_row", ["stale", "gone"])
async def test_the_job_of_a_dead_worker_runs_again(worker_row: str, rt: Runtime, jobs: Jobs) -> None:
    """F20: a kill -9 leaves the job `doing`; its worker's row is old, or another worker has removed it already."""

    async def work(tx: Tx) -> None:
        await queue.defer_wake(tx, "send")

    await rt.db.transact(None, work)
    worker = await jobs.app.job_manager.register_worker()
    assert await jobs.app.job_manager.fetch_job(queues=None, worker_id=worker) is not None
    await jobs.run()
    assert jobs.rang == []
    assert await jobs.rescue() == 0, "its worker may still be alive"
    await jobs.admin.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 s' WHERE id = $1", worker)
    if worker_row == "gone":
        await jobs.app.job_manager.prune_stalled_workers(30)
    assert await jobs.rescue() == 1
    await jobs.run()
    assert jobs.rang == ["send"]
    assert await jobs.rescue() == 0


async def test_a_job_whose_end_could_not_be_written_runs_again(rt: Runtime, jobs: Jobs) -> None:
    """F20: its worker lives, so nothing of Procrastinate's ever finds it; it has been `doing` for longer than any job takes."""

    async def work(tx: Tx) -> None:
        await queue.defer_wake(tx, "send")

    await rt.db.transact(None, work)
    await jobs.admin.execute("REVOKE DELETE ON procrastinate_jobs FROM atendeja_app")
    await jobs.run()
    await jobs.admin.execute("GRANT DELETE ON procrastinate_jobs TO atendeja_app")
    assert jobs.rang == ["send"]
    assert await jobs.admin.fetch("SELECT status::text FROM procrastinate_jobs") == [("doing",)]
    alive = await jobs.app.job_manager.register_worker()
    await jobs.admin.execute("UPDATE procrastinate_jobs SET worker_id = $1", alive)
    assert await jobs.rescue() == 0, "it may still be running"
    await jobs.admin.execute("UPDATE procrastinate_events SET at = at - make_interval(secs => $1)", queue.GHOST_S + 1)
    assert await jobs.rescue() == 1
    await jobs.run()
    assert jobs.rang == ["send", "send"]
    assert await jobs.admin.fetch("SELECT status FROM procrastinate_jobs") == []


async def test_the_loop_beats_each_time_it_has_asked_for_a_job(rt: Runtime, jobs: Jobs) -> None:
    """F27: with a job and without one."""

    async def work(tx: Tx) -> None:
        await queue.defer_wake(tx, "send")

    await jobs.run()
    assert jobs.beats == 1
    await rt.db.transact(None, work)
    await jobs.run()
    assert jobs.beats == 3


def test_our_copy_of_the_schema_is_that_of_the_installed_library() -> None:
    """An upgrade of Procrastinate that changes its schema needs a migration of ours."""
    copy = (db.sql_dir() / "migrations" / "0001_procrastinate.sql").read_text(encoding="utf-8")
    shipped = (resources.files(procrastinate) / "sql" / "schema.sql").read_text(encoding="utf-8")
    header = list(itertools.takewhile(lambda line: line != "-- Procrastinate Schema", copy.splitlines()))
    assert len(header) == 2 and all(line.startswith("-- ") for line in header)
    assert copy.splitlines()[2:] == shipped.splitlines()


async def test_what_fails_for_one_is_done_for_the_others_and_still_told() -> None:
    """A number whose sender cannot start, a tenant whose statuses cannot be read: the rest does not wait for it."""
    done: list[int] = []

    async def work(n: int) -> None:
        if n % 2:
            raise ValueError(n)
        done.append(n)

    with pytest.raises(ValueError, match="1"):
        await queue.each([0, 1, 2, 3, 4], work)
    assert done == [0, 2, 4]


async def test_a_database_that_is_away_is_not_asked_for_each() -> None:
    asked: list[int] = []

    async def work(n: int) -> None:
        asked.append(n)
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await queue.each([0, 1, 2], work)
    assert asked == [0]
