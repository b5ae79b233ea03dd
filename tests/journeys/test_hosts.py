"""Several `serve` processes on one database and one simulator: whatever comes through whichever door is handled once, in order."""

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from atendeja import broadcast, leases, queue
from tests import server
from tests.journeys.hosts import Hosts, hosts
from tests.journeys.process import Child


@pytest.fixture
async def made(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> AsyncIterator[Hosts]:
    async with hosts(cluster, database, tmp_path, log_dir) as running:
        yield running


def customers(n: int) -> list[str]:
    return [f"55119{i:08}" for i in range(n)]


def doors(children: list[Child], roles: tuple[str, ...]) -> list[Child]:
    return [child for child, role in zip(children, roles, strict=True) if role != "worker"]


async def boots(made: Hosts, kind: str) -> set[UUID]:
    """Who holds leases of this kind."""
    return {
        row["boot"] for row in await made.town.rows("SELECT boot FROM lease WHERE name LIKE $1 || ':%' AND until > now()", kind)
    }


async def heard(dsn: str, words: list[str]) -> asyncpg.Connection:
    connection = await asyncpg.connect(dsn)
    await connection.add_listener(broadcast.CHANNEL, lambda *given: words.append(given[3]))
    return connection


# ── wake-ups ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("roles", "points"),
    [
        (("all", "all"), ""),
        (("all", "all"), "sweep=skip"),
        (("web", "worker", "worker"), "sweep=skip"),
        (("web", "all", "worker"), "sweep=skip"),
    ],
    ids=lambda given: given if isinstance(given, str) else "+".join(given),
)
async def test_messages_through_every_door_are_handled_in_order_and_answered_once(
    roles: tuple[str, ...], points: str, made: Hosts
) -> None:
    """F22, F25: those of a contact alternate between the doors. Without the sweep every wake-up must find who can serve it."""
    children = [await made.serve(role, f"p{n}", points=points) for n, role in enumerate(roles)]
    open_doors = doors(children, roles)
    await asyncio.gather(*(made.alternate(open_doors, sender, 5, first=n) for n, sender in enumerate(customers(16))))
    await made.answered()
    for door in open_doors:
        await asyncio.sleep(queue.QUIET_S + 1)
        for pause_s in (QUIETLY_S, 0):  # the first carries a job, the second only a ring
            await made.alternate([door], LAST, 1)
            await made.answered()
            await asyncio.sleep(pause_s)
    await made.check()
    assert [await child.stop() for child in children] == [0] * len(children)


QUIETLY_S = 0.75
"""Too short for another job, and long enough for what the first left to be looked at."""


async def test_a_turn_here_and_its_sender_there(made: Hosts) -> None:
    """F19: digest and turn in one process, the number's sender in another, the door in a third, and no sweep anywhere."""
    there = await made.serve("worker", "there", points="sweep=skip")
    door = await made.serve("web", "door", points="sweep=skip")
    (ana,) = customers(1)
    await made.alternate([door], ana, 1)
    await made.answered()
    sender = await boots(made, "send")
    assert sender == await boots(made, "digest")
    here = await made.serve("worker", "here", points="sweep=skip")
    async with asyncio.timeout(20):
        while sender & await boots(made, "digest"):  # as if its renewals had come too late
            await made.town.admin.execute("UPDATE lease SET until = '-infinity' WHERE name LIKE 'digest:%'")
            await made.town.admin.execute(f"NOTIFY {broadcast.CHANNEL}, '{broadcast.EVERYTHING}'")
            await asyncio.sleep(0.1)
    await asyncio.sleep(3)  # until it knows
    for _ in range(5):
        await made.alternate([door], ana, 1)
        await made.answered()
    assert sender == await boots(made, "send") != await boots(made, "digest")
    await made.check()
    assert [await child.stop() for child in (door, here, there)] == [0, 0, 0]


async def test_one_process_alone_tells_nobody_anything(made: Hosts) -> None:
    """No statement is added where the leases and the senders are here: not one word in a hundred exchanges."""
    child = await made.serve("all", "alone")
    words: list[str] = []
    listener = await heard(made.town.admin_dsn, words)
    for _ in range(4):
        await asyncio.gather(*(made.alternate([child], sender, 1) for sender in customers(25)))
    await made.answered()
    await made.check()
    assert words == []
    assert await child.stop() == 0
    assert broadcast.EVERYTHING in words, "its leases are free"
    await listener.close()


async def test_few_words_for_many_messages(made: Hosts) -> None:
    """A burst through a door without digest is told at most every 50 ms, not a word a message."""
    await made.serve("worker", "worker")
    door = await made.serve("web", "door")
    words: list[str] = []
    listener = await heard(made.town.admin_dsn, words)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(made.alternate([door], sender, 4) for sender in customers(50)))
    took_s = loop.time() - began
    await made.answered()
    assert 1 <= words.count("digest") <= took_s / broadcast.EVERY_S + 2
    await made.check()
    await listener.close()


async def test_hundreds_of_conversations_in_bursts_over_three_processes(made: Hosts) -> None:
    """F22: each conversation is serial, whoever takes its turns."""
    children = [await made.serve("all", f"p{n}") for n in range(3)]
    gate = asyncio.Semaphore(60)

    async def burst(n: int, sender: str) -> None:
        async with gate:
            await made.alternate(children, sender, 3, first=n)

    await asyncio.gather(*(burst(n, sender) for n, sender in enumerate(customers(CONVERSATIONS))))
    await made.answered(120)
    await made.check()
    assert [await child.stop() for child in children] == [0, 0, 0]


CONVERSATIONS = 500


# ── stops, deaths, sleeps ──────────────────────────────────────────────────────────────────────────────────────────────────


class Load:
    """So many customers at a time who write through whichever door is open, until `end`; after some messages another takes over."""

    def __init__(self, made: Hosts, children: list[Child]) -> None:
        self.made, self.children = made, children
        self.ending = False

    async def write(self, place: int) -> None:
        for n in itertools.count():
            if self.ending:
                return
            await self.made.insist(self.children, f"5521{place:04}{n // ENOUGH:05}", place + n)
            await asyncio.sleep(PAUSE_S)

    async def flows(self, n: int) -> None:
        """Until so many more have been answered 200."""
        wanted = sum(map(len, self.made.sent.values())) + n
        async with asyncio.timeout(30):
            while sum(map(len, self.made.sent.values())) < wanted:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def loading(made: Hosts, children: list[Child]) -> AsyncIterator[Load]:
    """Customers write until the end of the block."""
    load = Load(made, children)
    tasks = [asyncio.ensure_future(load.write(place)) for place in range(WRITERS)]
    try:
        yield load
        load.ending = True
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


WRITERS, ENOUGH, PAUSE_S = 20, 6, 0.2


async def test_a_rolling_restart_under_load_loses_and_repeats_nothing(made: Hosts) -> None:
    """F24, F25: each process in turn is told to stop while messages flow, exits 0, and is started anew; the simulator answers late,
    so that POSTs are always in flight."""
    await made.town.sim("settings", {"latency_s": 0.3})
    children = [await made.serve("all", f"p{n}") for n in range(3)]
    async with loading(made, children) as load:
        for n in range(3):
            await load.flows(40)
            assert await children[n].stop() == 0
            await load.flows(40)
            children[n] = await made.serve("all", f"p{n}")
    await made.answered(60)
    await made.check()
    attempts = await made.town.rows("SELECT DISTINCT state::text FROM attempt")
    assert attempts == [{"state": "accepted"}], "nothing was given up or left in doubt"
    assert [await child.stop() for child in children] == [0, 0, 0]


async def test_a_stop_that_waits_for_a_slow_post_does_not_keep_the_others_from_answering(made: Hosts) -> None:
    """F24: the lane is handed over at the order to stop, not when the last POST in flight has been answered."""
    first = await made.serve("worker", "first")
    door = await made.serve("web", "door")
    ana, bia = customers(2)
    await made.town.sim("settings", {"latency_s": 12})
    await made.alternate([door], ana, 1)
    async with asyncio.timeout(10):
        while not await made.town.posts():
            await asyncio.sleep(0.01)
    await made.town.sim("settings", {"latency_s": 0})
    await made.serve("worker", "second", points="sweep=skip")
    stopping = asyncio.ensure_future(first.stop())
    assert await made.say(door, bia)
    await made.town.handled(bia, 1)
    assert not stopping.done(), "the other took the turn while the first was still waiting for its POST"
    assert await stopping == 0
    await made.answered()
    await made.check()


PASSES = {"send.after_claim": 3}
"""Most replies are claimed in their turn, and few at a look of the sender's."""


@pytest.mark.parametrize("point", ["digest.before_commit", "turn.before_commit", "send.after_claim", "send.after_post"])
async def test_a_worker_that_sleeps_longer_than_its_leases_changes_nothing_when_it_wakes(point: str, made: Hosts) -> None:
    """F19: SIGSTOP with work in its hands, the other goes on with all of it, SIGCONT: nothing is handled twice or out of order
    within a contact, and no message is posted twice."""
    await made.town.sim("settings", {"latency_s": 0.1})
    sleeper = await made.serve("worker", "sleeper", points=f"{point}=stop@{PASSES.get(point, 20)}")
    door = await made.serve("web", "door")
    other = await made.serve("worker", "other")
    async with loading(made, [door]) as load:
        async with asyncio.timeout(30):
            while not made.town.fired.exists():
                await asyncio.sleep(0.05)
        before = await boots(made, "digest") | await boots(made, "send")
        async with asyncio.timeout(20):
            while (await boots(made, "digest") | await boots(made, "send")) & before:
                await asyncio.sleep(0.1)
        assert await made.say(door, LAST)
        await made.town.hears(LAST, "Eco n0", timeout_s=15)
        sleeper.process.send_signal(signal.SIGCONT)
        await load.flows(40)
    await no_more_than_doubts(made)
    assert [await child.stop() for child in (door, sleeper, other)] == [0, 0, 0]


LAST = "5521999900000"


async def test_another_goes_on_when_the_process_with_every_lease_is_killed(made: Hosts) -> None:
    """DESIGN row 11, by a customer who writes after the kill: digest and sending go on, each when its lease has ended."""
    await made.town.sim("settings", {"latency_s": 0.05})
    victim = await made.serve("worker", "victim")
    door = await made.serve("web", "door")
    async with loading(made, [door]) as load:
        await load.flows(40)
        await made.serve("worker", "other")
        await load.flows(10)
        await victim.kill()
        assert await made.say(door, LAST)
        await made.town.handled(LAST, 1, timeout_s=TAKEOVER_S)
        await made.town.hears(LAST, "Eco n0", timeout_s=TAKEOVER_S)
    await no_more_than_doubts(made)


TAKEOVER_S = leases.TTL_S + queue.SWEEP_S + 10
"""A lease, a sweep, and what a busy machine takes to work off what was written meanwhile."""
MOST_IN_FLIGHT = 40


async def no_more_than_doubts(made: Hosts) -> None:
    """Every event handled once and in order; no message posted twice, a contact's in their order; few still in doubt."""
    await made.handled()
    await made.check_events()
    await made.check_posted()
    assert len(await made.town.rows("SELECT id FROM message WHERE state = 'in_doubt'")) <= MOST_IN_FLIGHT
