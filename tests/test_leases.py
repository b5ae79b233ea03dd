"""Leases: one holder at a time by the database's clock; a process that starts again in its directory takes its own back at once."""

import asyncio
import multiprocessing as mp
import os
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from atendeja import leases
from atendeja.leases import DIGEST_TTL_S, TTL_S, Identity, Leases
from atendeja.runtime import Runtime


def who(state_dir: Path) -> Identity:
    return leases.identify(state_dir, uuid4(), uuid4())


def let_go(identity: Identity) -> None:
    """What the death of its process does to the file lock."""
    os.close(identity.descriptor)


async def take(rt: Runtime, holder: Identity | Leases, name: str = "digest:0", instant: float = 0.0) -> int | None:
    """The term, when it is theirs."""
    mine = holder if isinstance(holder, Leases) else Leases(holder)
    async with rt.db.session() as session:
        return await mine.take(session, name, instant)


async def end(rt: Runtime, name: str) -> None:
    """Let the time of a lease run out."""
    admin = await asyncpg.connect(rt.config.admin_url.reveal())
    await admin.execute("UPDATE lease SET until = now() - interval '1 ms' WHERE name = $1", name)
    await admin.close()


async def test_a_lease_has_one_holder_until_its_time_is_up(rt: Runtime, tmp_path: Path) -> None:
    one, other = who(tmp_path / "one"), who(tmp_path / "other")
    assert await take(rt, one)
    assert await take(rt, one), "taking what is ours is no change"
    assert not await take(rt, other)
    await end(rt, "digest:0")
    assert await take(rt, other)
    assert not await take(rt, one)


async def test_the_time_is_the_databases(rt: Runtime, tmp_path: Path) -> None:
    """F56: a process whose clock is an hour ahead sees the same lease."""
    rt.clock = lambda: pytest.fail("leases must not read our clock")
    assert await take(rt, who(tmp_path / "one"))
    assert not await take(rt, who(tmp_path / "other"))


async def test_ten_at_once_and_one_gets_it(rt: Runtime, tmp_path: Path) -> None:
    """F25."""
    everyone = [who(tmp_path / str(i)) for i in range(10)]
    assert len([term for term in await asyncio.gather(*(take(rt, one) for one in everyone)) if term is not None]) == 1


async def test_renewing_keeps_what_is_still_ours(rt: Runtime, tmp_path: Path) -> None:
    """F25."""
    one, other = Leases(who(tmp_path / "one")), Leases(who(tmp_path / "other"))
    for name in ("digest:0", "send:1", "send:2"):
        assert await take(rt, one, name)
    await end(rt, "send:1")
    assert await take(rt, other, "send:1")
    await end(rt, "send:2")
    async with rt.db.session() as session:
        await one.renew(session, 1.0)
    assert {name for name in ("digest:0", "send:1", "send:2") if one.hold(name, 1.0)} == {"digest:0", "send:2"}
    assert not await take(rt, other, "send:2")


async def test_a_lease_is_relied_upon_no_longer_than_it_lasts_from_the_asking(rt: Runtime, tmp_path: Path) -> None:
    """F19: whoever was stopped, or could not renew, knows it by its own clock before the database says so."""
    mine = Leases(who(tmp_path))
    for name, ttl_s in (("digest:0", DIGEST_TTL_S), ("send:1", TTL_S)):
        assert not mine.hold(name, 0.0)
        assert await take(rt, mine, name, 100.0)
        assert mine.hold(name, 100.0 + ttl_s - 0.01)
        assert not mine.hold(name, 100.0 + ttl_s)
    async with rt.db.session() as session:
        await mine.renew(session, 104.0)
    assert mine.hold("digest:0", 106.9)
    mine.forget("digest:0")
    assert not mine.hold("digest:0", 104.0)


async def test_what_changes_hands_while_the_rest_is_renewed_stays_so(rt: Runtime, tmp_path: Path) -> None:
    """F24: a renewal waits for the row; meanwhile one lease is given back, one forgotten and one taken."""
    mine = Leases(who(tmp_path))
    for name in ("digest:0", "send:1", "send:2"):
        assert await take(rt, mine, name)
    admin = await asyncpg.connect(rt.config.admin_url.reveal())
    try:
        async with rt.db.session() as renewing, rt.db.session() as other:
            async with admin.transaction():
                await admin.execute("SELECT FROM lease WHERE name = 'send:1' FOR UPDATE")
                renewal = asyncio.ensure_future(mine.renew(renewing, 1.0))
                await asyncio.sleep(0.2)
                mine.forget("send:2")
                assert await mine.take(other, "send:3", 1.0)
            await renewal
            assert {name for name in ("digest:0", "send:1", "send:2", "send:3") if mine.hold(name, 1.0)} == {
                "digest:0",
                "send:1",
                "send:3",
            }
            await mine.release(other, kept={"send:1"})
            await mine.renew(renewing, 2.0)
            assert await Leases(who(tmp_path / "other")).take(other, "digest:0", 2.0) is not None
    finally:
        await admin.close()


async def test_a_lease_given_back_is_not_renewed(rt: Runtime, tmp_path: Path) -> None:
    """A renewal that was on its way when the process gave its leases back must not take them again."""
    mine = Leases(who(tmp_path))
    assert await take(rt, mine)
    async with rt.db.session() as session:
        await mine.release(session)
        mine._until["digest:0"] = 9.0
        await mine.renew(session, 1.0)
    assert not mine.hold("digest:0", 1.0)
    assert await take(rt, who(tmp_path / "other"))


async def test_the_term_tells_a_change_of_hands(rt: Runtime, tmp_path: Path) -> None:
    one, other = Leases(who(tmp_path / "one")), Leases(who(tmp_path / "other"))
    first = await take(rt, one)
    assert await take(rt, one) == first
    await end(rt, "digest:0")
    assert await take(rt, one) == first, "nobody had it since"
    async with rt.db.session() as session:
        await one.release(session)
    second = await take(rt, other)
    assert first is not None and second is not None and second > first
    await end(rt, "digest:0")
    assert await take(rt, one) not in (None, first, second)


async def test_what_is_given_back_is_free_at_once(rt: Runtime, tmp_path: Path) -> None:
    """F24: a rolling restart does not wait for a lease to end."""
    one, other = who(tmp_path / "one"), who(tmp_path / "other")
    assert await take(rt, one)
    async with rt.db.session() as session:
        await Leases(one).release(session)
    assert await take(rt, other)


async def test_giving_one_back_leaves_what_is_just_being_taken(rt: Runtime, tmp_path: Path) -> None:
    """F24: the database has given it to us, and we have not heard so yet."""
    one, other = who(tmp_path / "one"), who(tmp_path / "other")
    mine = Leases(one)
    assert await take(rt, mine, "job:1")
    assert await take(rt, Leases(one), "send:1"), "by another task of this process, which knows nothing of it yet"
    async with rt.db.session() as session:
        await mine.give_back(session, "job:1")
    assert not mine.hold("job:1", 0.0)
    assert await take(rt, other, "send:1") is None
    assert await take(rt, other, "job:1")


async def test_a_restart_in_the_same_directory_takes_its_own_back_at_once(rt: Runtime, tmp_path: Path) -> None:
    before = who(tmp_path / "state")
    former = Leases(before)
    assert await take(rt, former)
    let_go(before)
    after = who(tmp_path / "state")
    assert after.holder == before.holder and after.boot != before.boot
    assert await take(rt, after)
    async with rt.db.session() as session:
        await former.renew(session, 0.0)
    assert not former.hold("digest:0", 0.0), "the former run has lost it"


async def test_a_second_process_in_the_same_directory_is_somebody_else(rt: Runtime, tmp_path: Path) -> None:
    """The file lock tells that the first still lives; a real process, because a lock is one's own twice."""
    context = mp.get_context("spawn")
    queue: mp.Queue[UUID] = context.Queue()
    done = context.Event()
    child = context.Process(target=_hold, args=(tmp_path, queue, done))
    child.start()
    held = await asyncio.to_thread(queue.get, True, 20)
    second = who(tmp_path)
    done.set()
    await asyncio.to_thread(child.join)
    assert second.holder != held
    let_go(second)
    assert who(tmp_path).holder == held, "the first free place of the directory is taken"


def _hold(state_dir: Path, queue: "mp.Queue[UUID]", done: object) -> None:
    queue.put(who(state_dir).holder)
    done.wait(20)  # type: ignore[attr-defined]  # an Event of a spawn context has no public type


@pytest.mark.parametrize("written", [b"", b"not an id\n", b"\xff" * 64, b"0192f"])
def test_an_instance_file_that_cannot_be_read_gets_a_new_id(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "instance-0").write_bytes(written)
    made = who(tmp_path)
    assert (tmp_path / "instance-0").read_text() == f"{made.holder}\n"
    let_go(made)
    assert who(tmp_path).holder == made.holder


def test_the_file_is_ours_alone(tmp_path: Path) -> None:
    who(tmp_path / "new" / "state")
    assert (tmp_path / "new" / "state" / "instance-0").stat().st_mode & 0o777 == 0o600
