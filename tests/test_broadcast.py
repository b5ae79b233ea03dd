"""Words between processes: who hears them, how often they are told, and what a connection that is lost or cut costs."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest

from atendeja import broadcast
from atendeja.broadcast import EVERY_S, EVERYTHING, Throttle
from atendeja.errors import Unavailable
from atendeja.queue import Bell
from atendeja.runtime import Bells, Runtime, Tell
from tests.chaos.proxy import Proxy
from tests.journeys import tables

GAPS = (0.0, 0.01, 0.049, 0.05, 0.0513, 0.9)


def play(gaps: Sequence[float]) -> tuple[list[float], list[float]]:
    """(when a word was said, when it was told), by one who sleeps as long as he is told to, or a little less."""
    throttle, now = Throttle(), 5.0
    said, told = list[float](), list[float]()
    for gap in (*gaps, 10.0):
        until = now + gap
        while (wait_s := throttle.wait_s(now)) is not None and now + wait_s <= until:
            now += max(0.0001, wait_s - 0.001)  # a timer may be a little early
            if throttle.take(now):
                told.append(now)
        now = max(now, until)
        if len(said) < len(gaps):
            throttle.say("digest")
            said.append(now)
    return said, told


def test_every_way_of_saying_ends_in_telling() -> None:
    """All 9,330 sequences of up to five: told at or soon after the last, never two within 50 ms."""
    for gaps in itertools.chain.from_iterable(itertools.product(GAPS, repeat=n) for n in range(1, 6)):
        said, told = play(gaps)
        assert 0 <= told[-1] - said[-1] < EVERY_S + 0.01, gaps
        assert all(b - a >= EVERY_S - 1e-9 for a, b in itertools.pairwise(told)), gaps


def test_words_do_not_wait_for_each_other() -> None:
    throttle = Throttle()
    throttle.say("digest")
    assert throttle.take(5.0) == ["digest"]
    throttle.say("digest")
    throttle.say("send:1")
    assert throttle.wait_s(5.0) == 0
    assert throttle.take(5.0) == ["send:1"]
    assert throttle.wait_s(5.0) == pytest.approx(EVERY_S)
    assert throttle.take(5.001 + EVERY_S) == ["digest"]
    assert throttle.wait_s(5.001 + EVERY_S) is None


# ── on the real database ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def admin(rt: Runtime) -> AsyncIterator[asyncpg.Connection]:
    async with tables.looking(rt.config.admin_url.reveal()) as connection:
        yield connection


async def until(what: Callable[[], bool], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not what():
            await asyncio.sleep(0.01)


async def listening(rt: Runtime, heard: list[str], dsn: str = "") -> asyncio.Task[None]:
    """A listener that has looked everywhere already."""
    task = asyncio.ensure_future(rt.broadcast.listen(dsn or rt.config.listen_url.reveal(), heard.append))
    await until(lambda: heard[:1] == [EVERYTHING])
    heard.clear()
    return task


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_everybody_hears_what_is_told_and_few_words_of_many(rt: Runtime) -> None:
    """F19, F22: also a process that is not rung; 200 rings at once are two words, or a few more on a machine that is busy."""
    one, other = list[str](), list[str]()
    tasks = [await listening(rt, heard) for heard in (one, other)]
    began = time.monotonic()
    for _ in range(200):
        rt.broadcast.tell("digest")
        rt.broadcast.tell("send:0192f000-0000-7000-8000-000000000001")
        await asyncio.sleep(0)
    await rt.broadcast.told()
    most = 2 + (time.monotonic() - began) / EVERY_S
    await until(lambda: {"digest", "send:0192f000-0000-7000-8000-000000000001"} <= {*one} & {*other})
    await until(lambda: one == other)
    assert one.count("digest") <= most
    await end(*tasks)


async def test_a_word_is_no_part_of_the_transaction_in_which_it_was_said(rt: Runtime) -> None:
    """A statement of its own: it is heard while the transaction of whoever rang is still open."""
    heard: list[str] = []
    task = await listening(rt, heard)
    async with rt.db.system():
        rt.broadcast.tell("turn")
        await until(lambda: heard == ["turn"])
    await end(task)


async def test_a_listener_that_was_lost_looks_everywhere_when_it_is_back(rt: Runtime, admin: asyncpg.Connection) -> None:
    """F50: its backend is ended."""
    heard: list[str] = []
    task = await listening(rt, heard)
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'atendeja-listen'")
    with pytest.raises(Unavailable):
        await asyncio.wait_for(task, 20)
    again = asyncio.ensure_future(rt.broadcast.listen(rt.config.listen_url.reveal(), heard.append))
    await until(lambda: heard == [EVERYTHING])
    await end(again)


async def test_a_listener_that_is_cut_off_without_a_word_is_noticed(rt: Runtime) -> None:
    """F52: a black hole: the connection stands, and nothing comes any more."""
    async with Proxy(rt.config.listen_url.reveal()) as proxy:
        heard: list[str] = []
        task = await listening(rt, heard, proxy.url)
        proxy.down.hole = True
        with pytest.raises(Unavailable, match="TimeoutError at the address of DATABASE_LISTEN_URL"):
            await asyncio.wait_for(task, broadcast.PROBE_EVERY_S + broadcast.PROBE_S + 10)


async def test_a_database_that_is_away_costs_words_and_nothing_else(rt: Runtime) -> None:
    await rt.db.close()
    rt.broadcast.tell("digest")
    await rt.broadcast.told()


def telling(told: list[str]) -> Tell:
    """Notes what is told."""

    def tell(word: str, n: int = 0, /) -> None:
        told.append(f"{word}:{n}" if n else word)

    return tell


# ── what a word does to the bells ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_word_wakes_the_stage_or_the_sender_it_names() -> None:
    bells, number = Bells(), UUID(int=7)
    sender = bells.numbers[number] = Bell()
    stages = {"digest": bells.digest, "statuses": bells.statuses, "turn": bells.turn, "send": bells.send}
    for word, bell in {**stages, f"send:{number}": sender}.items():
        bells.hear(word)
        assert bell.clear(), word
    for word in ("", "send:", "send:x", f"send:{UUID(int=8)}", f"turn:{number}", "digest:0", "é" * 100):
        bells.hear(word)
    assert not any(bell.clear() for bell in (*stages.values(), sender)), "there is nothing to do, and nobody is woken"


async def test_a_number_that_another_sends_for_is_told_until_everything_may_have_changed() -> None:
    told: list[str] = []
    bells, number = Bells(telling(told)), UUID(int=7)
    bells.send_elsewhere(number)
    bells.ring_number(number)
    bells.hear(f"send:{number}")
    assert told == [f"send:{number}"] * 2
    assert not bells.send.clear(), "our own stage has nothing to look for"
    bells.hear(EVERYTHING)
    assert bells.send.clear()
    bells.ring_number(number)
    assert bells.send.clear() and len(told) == 2


async def test_a_number_that_was_changed_is_read_again_by_its_sender_and_looked_at_where_it_has_none() -> None:
    bells, here, nowhere = Bells(), UUID(int=7), UUID(int=8)
    bells.numbers[here] = Bell()
    bells.hear(f"number:{here}")
    assert bells.changed == {here} and bells.numbers[here].clear() and not bells.send.clear()
    bells.hear(f"number:{nowhere}")
    assert bells.send.clear(), "it may have been stopped"
    bells.changed.clear()
    bells.hear("number:x")
    bells.hear(EVERYTHING)
    assert bells.changed == {here}


async def test_a_process_that_only_stores_tells_every_ring() -> None:
    told: list[str] = []
    bells = Bells(telling(told))
    bells.work_elsewhere()
    bells.digest.ring()
    bells.statuses.ring_in(0)
    await asyncio.sleep(0.02)
    assert told == ["digest", "statuses"]
    bells.hear(EVERYTHING)  # its own word, when it gives its leases back at a stop
    bells.digest.ring()
    assert told == ["digest", "statuses", "digest"] and not bells.digest.clear()


async def test_what_came_in_counts_where_the_number_has_its_sender() -> None:
    """Every process hears it, the one that told it too; only the sender's keeps it."""
    told: list[str] = []
    number = UUID(int=7)
    digesting, sending, other = Bells(telling(told)), Bells(), Bells()
    digesting.came_in(number, 2)
    assert digesting.heard == {number: 2} and told == [], "as far as is known it sends itself"
    digesting.heard.clear()
    digesting.send_elsewhere(number)
    told.clear()
    sending.numbers[number] = Bell()
    digesting.came_in(number, 3)
    for bells in (digesting, sending, other):
        for word in told:
            bells.hear(word)
    assert sending.heard == {number: 3} and not digesting.heard and not other.heard
    for word in ("heard:x:1", f"heard:{number}:x", f"heard:{number}", f"heard:{number}:1:2"):
        sending.hear(word)
    assert sending.heard == {number: 4}, "what cannot be read is of another release"


async def test_sums_are_told_whole_however_seldom_a_word_may_be_said(rt: Runtime) -> None:
    """A hundred messages in a tenth of a second: few words, and all of the hundred."""
    heard: list[str] = []
    listening = asyncio.ensure_future(rt.broadcast.listen(rt.config.listen_url.reveal(), heard.append))
    async with asyncio.timeout(5):
        while not heard:
            await asyncio.sleep(0.01)
    for _ in range(100):
        rt.broadcast.tell("heard:x", 1)
        await asyncio.sleep(0.001)
    async with asyncio.timeout(5):
        while sum(int(word.rpartition(":")[2]) for word in heard[1:]) < 100:
            await asyncio.sleep(0.01)
    assert len(heard) < 20
    listening.cancel()
