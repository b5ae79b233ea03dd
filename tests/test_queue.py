"""Wake-ups without a database: bells, resident loops, the throttle of jobs, halving, supervision."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from atendeja import failpoints, queue
from atendeja.errors import Unavailable
from atendeja.queue import JOB_EVERY_S, Bell, Throttle

# ── the throttle: every sequence of writes up to a length, each gap from short to quiet ───────────────────────────────────

GAPS = (0.0, 0.01, 0.049, 0.05, 0.0513, 0.9, 1.0)


def play(throttle: Throttle, gaps: Sequence[float]) -> tuple[list[float], list[float]]:
    """(writes, jobs): what a process does that sets one timer for the job it owes, as the intake does."""
    now, timer = 5.0, float("inf")
    writes, jobs = [], []

    def fire(until: float) -> float:
        at = timer
        if at <= until and throttle.write(at):
            jobs.append(at)
        return float("inf") if at <= until else at

    for gap in gaps:
        now += gap
        timer = fire(now)
        writes.append(now)
        if throttle.write(now):
            jobs.append(now)
        if (wait_s := throttle.settle(now)) is not None and timer == float("inf"):
            timer = now + wait_s - 0.001  # a timer may be a little early
    fire(float("inf"))
    return writes, jobs


@pytest.mark.parametrize("has_next", [False, True])
def test_every_way_of_writing_ends_in_a_wake_up(has_next: bool) -> None:
    """All 19,607 sequences of up to five writes. A process without the next role: a job at or after the last write, never two
    within 50 ms. A process with it rings its own bell, and writes a job for the first write after quiet only."""
    for gaps in itertools.chain.from_iterable(itertools.product(GAPS, repeat=n) for n in range(1, 6)):
        writes, jobs = play(Throttle(has_next=has_next), gaps)
        if has_next:
            quiet = [at for before, at in zip([float("-inf"), *writes], writes, strict=False) if at - before >= queue.QUIET_S]
            assert jobs == quiet, gaps
        else:
            assert jobs[-1] >= writes[-1], gaps
            assert jobs[-1] - writes[-1] < JOB_EVERY_S + 0.01, gaps
            assert all(b - a >= JOB_EVERY_S for a, b in itertools.pairwise(jobs)), gaps


def test_jobs_do_not_grow_with_the_rate() -> None:
    """2,000 writes in a second make at most 20 jobs and one."""
    _, jobs = play(Throttle(has_next=False), [0.0005] * 2000)
    assert len(jobs) <= 21


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


async def test_without_the_sweep_only_a_ring_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
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
        while runs < 3:  # noqa: ASYNC110  a counter has no event
            await asyncio.sleep(0.01)
    stopping.set()
    await asyncio.wait_for(task, 1)
    assert ended == ["loop", "loop"]


async def test_an_order_to_stop_does_not_wait_for_the_next_start() -> None:
    stopping = asyncio.Event()

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.02, stopping.set)

    await asyncio.wait_for(queue.supervise("loop", run, stopping, lambda _: None), 0.15)
