"""The order of the feed: whoever resumes from a place misses nothing and sees nothing twice, however late something commits."""

import asyncio
import datetime as dt
import random
from contextlib import AsyncExitStack

from atendeja import feed, streams
from atendeja.db import Tx
from atendeja.feed import reading
from atendeja.feed.reading import Entry, Head
from atendeja.feed.shapes import Noticed
from atendeja.runtime import Runtime
from tests import world

DAY = dt.timedelta(days=1)


async def say(tx: Tx, rt: Runtime, *subjects: str, at: dt.datetime | None = None) -> None:
    await feed.add(tx, rt.new_id, at or rt.now(), [Noticed("prova", subject, None) for subject in subjects])


async def happen(rt: Runtime, tenant_id: int, *subjects: str, at: dt.datetime | None = None) -> None:
    await rt.db.transact(tenant_id, lambda tx: say(tx, rt, *subjects, at=at))


async def listen(rt: Runtime, tenant_id: int, for_: dt.timedelta = DAY) -> Head:
    return await rt.db.transact(tenant_id, lambda tx: reading.listen(tx, rt.now(), rt.now() + for_))


async def read(rt: Runtime, tenant_id: int, after: int = 0, most: int = 10_000) -> list[tuple[int, str]]:
    """Places and subjects of what comes next."""

    async def work(tx: Tx) -> list[Entry]:
        await reading.number(tx)
        return await reading.read(tx, after, most)

    return [(entry.n, subject(entry)) for entry in await rt.db.transact(tenant_id, work)]


def subject(entry: Entry) -> str:
    return entry.data.partition(b'"subject": "')[2].partition(b'"')[0].decode()


async def test_what_commits_late_is_not_passed_by(rt: Runtime) -> None:
    """Two open transactions; the first to write is the last to commit."""
    a = (await world.found(rt.db, rt.config.secret_keys)).a
    await listen(rt, a)
    async with AsyncExitStack() as slow:
        late = await slow.enter_async_context(rt.db.tenant(a))
        await say(late, rt, "late")
        async with rt.db.tenant(a) as early:
            await say(early, rt, "early", "and this")
        seen = await read(rt, a)
        assert seen == [(1, "early"), (2, "and this")]
    assert await read(rt, a, after=seen[-1][0]) == [(3, "late")]
    assert await read(rt, a, after=3) == []
    assert await read(rt, a) == [*seen, (3, "late")], "a place is for ever"


async def test_what_is_rolled_back_never_happened_and_leaves_no_gap(rt: Runtime) -> None:
    a = (await world.found(rt.db, rt.config.secret_keys)).a
    await listen(rt, a)
    try:
        async with rt.db.tenant(a) as tx:
            await say(tx, rt, "never")
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    await happen(rt, a, "once")
    assert await read(rt, a) == [(1, "once")]


async def test_readers_at_once_see_all_of_it_in_one_order_while_many_write(rt: Runtime) -> None:
    """Eight writers, three readers, each from where it was; the writers' transactions stay open for as long as chance wants."""
    a = (await world.found(rt.db, rt.config.secret_keys)).a
    await listen(rt, a)
    dice, running = random.Random(7), 8

    async def write(who: int) -> None:
        nonlocal running
        for i in range(12):
            async with rt.db.tenant(a) as tx:
                await say(tx, rt, f"{who}/{2 * i}")
                await asyncio.sleep(dice.uniform(0, 0.01))
                await say(tx, rt, f"{who}/{2 * i + 1}")
        running -= 1

    async def follow() -> list[tuple[int, str]]:
        seen: list[tuple[int, str]] = []
        last = False
        while not last:
            last = not running
            while more := await read(rt, a, after=seen[-1][0] if seen else 0, most=5):
                seen += more
            await asyncio.sleep(dice.uniform(0, 0.005))
        return seen

    writing = [asyncio.ensure_future(write(who)) for who in range(8)]
    one, two, three = await asyncio.gather(follow(), follow(), follow())
    await asyncio.gather(*writing)
    assert one == two == three
    assert [n for n, _ in one] == list(range(1, 8 * 24 + 1))
    for who in range(8):
        assert [s for _, s in one if s.startswith(f"{who}/")] == [f"{who}/{i}" for i in range(24)], "of one writer in its order"


async def test_of_one_tenant_only(rt: Runtime) -> None:
    made = await world.found(rt.db, rt.config.secret_keys)
    for tenant_id in (made.a, made.b):
        await listen(rt, tenant_id)
        await happen(rt, tenant_id, f"of {tenant_id}")
    for tenant_id in (made.a, made.b):
        assert await read(rt, tenant_id) == [(1, f"of {tenant_id}")]


async def test_after_a_time_without_a_listener_who_was_there_before_has_missed_something(rt: Runtime) -> None:
    a = (await world.found(rt.db, rt.config.secret_keys)).a
    assert await read(rt, a) == [], "nobody ever listened: nothing is numbered"
    assert await listen(rt, a, dt.timedelta(seconds=60)) == Head(0, 0)
    await happen(rt, a, "one")
    assert await read(rt, a) == [(1, "one")]
    assert await listen(rt, a) == Head(1, 0), "somebody still listened"
    later = rt.now() + 2 * DAY
    assert await rt.db.transact(a, lambda tx: reading.listen(tx, later, later + DAY)) == Head(2, 2)
    await happen(rt, a, "two")
    assert await read(rt, a, after=2) == [(3, "two")]
    await rt.db.transact(a, lambda tx: reading.hold(tx, held=True))
    much_later = later + 9 * DAY
    assert await rt.db.transact(a, lambda tx: reading.listen(tx, much_later, much_later)) == Head(3, 2), "a webhook listened"


async def test_after_seven_days_it_is_forgotten_and_who_had_not_read_it_can_know(rt: Runtime) -> None:
    made = await world.found(rt.db, rt.config.secret_keys)
    await listen(rt, made.a)
    old, streams.CHUNK = rt.now() - 8 * DAY, 3
    try:
        await happen(rt, made.a, *"abcdefg", at=old)
        await read(rt, made.a)
        await happen(rt, made.a, "new")
        await happen(rt, made.b, *"hijk", at=old)
        await streams.drop_old(rt)
    finally:
        streams.CHUNK = 5000
    assert await read(rt, made.a) == [(8, "new")]
    assert await rt.db.transact(made.a, lambda tx: reading.number(tx)) == Head(8, 7)
    async with rt.db.tenant(made.b) as tx:
        assert await tx._connection.fetchval("SELECT count(*) FROM feed_new") == 0, "nobody had listened to"
