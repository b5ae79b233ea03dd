"""Whoever was being answered when a process died runs alone: who lives is forgotten, who kills is put aside."""

import asyncio
import datetime as dt
from uuid import UUID, uuid4

import asyncpg
import pytest

from atendeja import contacts
from atendeja.errors import Unavailable
from atendeja.leases import Identity
from atendeja.running import Suspect
from atendeja.runtime import Runtime
from atendeja.turn import poison
from atendeja.turn.take import Turns
from tests.turn.shop import ECHO, Row, Shop

ANA, BIA, CAI = "5511900000001", "5511900000002", "5511900000003"
TIMED = ECHO.replace("wait: {reply: [text]}", "wait: {reply: [text], timeout: 30m}").replace(
    "route: [", "route: [{timeout: true, to: a}, "
)

CUT_THOSE_WHO_WAIT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def leave(shop: Shop, *senders: str, holder: UUID | None = None, seen_s: float = 7.0, stage: str = "turn") -> None:
    """A process that was last seen so long ago was busy with these."""
    ids = [(await shop.contact(sender))["id"] for sender in senders]
    await shop.admin.execute(
        "INSERT INTO running VALUES (gen_random_uuid(), $1, $2, $3, $4, now() - make_interval(secs => $5))",
        stage, holder or uuid4(), [shop.a] * len(ids), ids, seen_s,
    )  # fmt: skip


def restart(shop: Shop) -> None:
    """The process dies, whatever it was doing, and starts again in its directory."""
    shop.rt.who = Identity(shop.rt.who.holder, uuid4(), shop.rt.who.descriptor)
    shop.turns = Turns(shop.rt)


async def die_alone(shop: Shop, sender: str) -> str:
    """Begin to run this suspect alone, as far as a turn that kills the process lets us, and start again."""
    await shop.turns.suspects.begin()
    outcome = await shop.turns.suspects._accuse(Suspect(shop.a, (await shop.contact(sender))["id"]))
    restart(shop)
    return outcome


async def names(shop: Shop) -> list[Row]:
    return await shop.rows("SELECT boot, stage, holder, tenant_ids, ids FROM running ORDER BY stage")


async def events(shop: Shop) -> list[tuple[str, int]]:
    return [(row["state"], row["tries"]) for row in await shop.rows("SELECT state, tries FROM event ORDER BY arrival, position")]


async def test_a_batch_names_its_contacts_and_rest_names_nobody(shop: Shop) -> None:
    """F21: kept until the second look that finds nothing, so that it costs nothing between two batches."""
    await shop.publish()
    for sender in (ANA, BIA):
        await shop.says("oi", sender)
    ids = {(await shop.contact(sender))["id"] for sender in (ANA, BIA)}
    await shop.turns.work()
    await shop.turns.work()
    (row,) = await names(shop)
    assert (row["boot"], row["stage"], row["holder"]) == (shop.rt.who.boot, "turn", shop.rt.who.holder)
    assert (row["tenant_ids"], set(row["ids"])) == ([shop.a] * 2, ids)
    await shop.turns.work()
    assert await names(shop) == []


async def test_nothing_is_decided_before_its_names_are_committed(shop: Shop) -> None:
    """F21: whatever a turn may do to the process, it is known by then whose it was."""
    await shop.publish()
    await shop.says("oi")
    await shop.turns.suspects.begin()
    blocker = await asyncpg.connect(shop.rt.config.admin_url.reveal())
    await blocker.execute("BEGIN; LOCK TABLE running IN EXCLUSIVE MODE")
    turning = asyncio.create_task(shop.turns.work())
    async with asyncio.timeout(20):
        while not await shop.rows("SELECT pid FROM pg_locks WHERE relation = 'running'::regclass AND NOT granted"):
            await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    assert not turning.done() and await shop.replies() == []
    await blocker.execute("ROLLBACK")
    await blocker.close()
    await asyncio.wait_for(turning, 10)
    assert await shop.replies() == ["Oi!"]


async def test_that_names_cannot_be_written_is_nobodys_fault(shop: Shop) -> None:
    await shop.publish()
    await shop.says("oi")
    await shop.turns.suspects.begin()
    await shop.admin.execute("REVOKE INSERT ON running FROM atendeja_app")
    for _ in range(4):
        with pytest.raises(Unavailable, match="could not be written down"):
            await shop.turns.work()
    assert (await events(shop), await shop.replies()) == ([("unhandled", 0)], [])
    await shop.admin.execute("GRANT INSERT ON running TO atendeja_app")
    await shop.turn()
    assert await shop.replies() == ["Oi!"]


@pytest.mark.parametrize("ours", [True, False], ids=["a former run of ours", "not seen for 7 s"])
async def test_who_finds_a_dead_process_runs_its_suspects_alone(ours: bool, shop: Shop) -> None:
    """F21: each is counted before, answered once, and then nothing is left of the suspicion."""
    await shop.publish()
    for sender in (ANA, BIA, CAI):
        await shop.says("oi", sender)
    await leave(shop, ANA, BIA, holder=shop.rt.who.holder if ours else None, seen_s=0 if ours else 7)
    await shop.turn()
    assert [await shop.replies(sender) for sender in (ANA, BIA, CAI)] == [["Oi!"]] * 3
    assert await events(shop) == [("handled", 1), ("handled", 1), ("handled", 0)]
    turns = await shop.rows("SELECT count(*) AS n FROM message GROUP BY xmin::text")
    assert [row["n"] for row in turns] == [1, 1, 1], "nobody shared a transaction with a suspect"
    await shop.turn()
    await shop.turn()
    assert await names(shop) == []


async def test_those_of_a_living_process_are_his(shop: Shop) -> None:
    """F25: neither suspects nor taken by a look; but who writes again is answered by whoever reads it."""
    await shop.publish()
    await shop.says("oi", ANA)
    await leave(shop, ANA, seen_s=1)
    shop.rt.bells.due.clear()
    await shop.turn()
    assert await shop.replies(ANA) == []
    await shop.asks("oi", ANA)
    assert len(await shop.replies(ANA)) == 2
    assert await events(shop) == [("handled", 0)] * 2
    assert shop.rt.who.boot not in {row["boot"] for row in await names(shop) if row["stage"] == "alone"}


async def test_a_suspect_of_another_is_not_taken_along(shop: Shop) -> None:
    """F21, F25: also when he writes again meanwhile, and is a hint."""
    await shop.publish()
    await shop.says("oi", ANA)
    await leave(shop, ANA, seen_s=1, stage="alone")
    await shop.turn()
    assert await shop.replies(ANA) == []
    assert not await shop.turns.take(shop.a, [(await shop.contact(ANA))["id"]])


async def test_many_suspects_hold_nobody_up(shop: Shop) -> None:
    """They are the longest waiting: a look sees beyond them."""
    await shop.publish()
    senders = [f"55119000001{n:02}" for n in range(poison.ALONE_AT_ONCE * 2)]
    for sender in senders:
        await shop.says("oi", sender)
    shop.later(seconds=1)
    await shop.says("oi", ANA)
    await leave(shop, *senders)
    shop.rt.bells.due.clear()
    assert await shop.turns.work()
    assert await shop.replies(ANA) == ["Oi!"]
    assert await shop.rows("SELECT count(*) AS n FROM message") == [{"n": 1 + poison.ALONE_AT_ONCE}]
    await shop.turn()
    assert await shop.rows("SELECT count(*) AS n FROM message") == [{"n": 1 + len(senders)}]


async def test_after_three_deaths_alone_the_oldest_event_is_dead_and_the_conversation_goes_on(shop: Shop) -> None:
    """F21: found in a batch once, then alone three times; in the end nothing but its oldest event and its session are lost."""
    await shop.publish()
    assert await shop.asks("oi", ANA) == ["Oi!"]
    for sender in (ANA, BIA):
        await shop.says("oi", sender)
    await shop.says("oi", ANA)
    restart(shop)
    await leave(shop, ANA, holder=shop.rt.who.holder)
    for n in (1, 2, 3):
        assert await die_alone(shop, ANA) == "counted"
        assert (await events(shop))[1] == ("unhandled", n)
    await shop.turn()
    assert await events(shop) == [("handled", 0), ("dead", 3), ("handled", 0), ("handled", 1)]
    assert (await shop.events())[1] == ("dead", poison.KILLED)
    assert shop.notices("event_dead") == 1
    assert (await shop.rows("SELECT state FROM flow_session ORDER BY started_at, id"))[0] == {"state": "failed"}
    assert await shop.replies(ANA) == ["Oi!"] * 2
    assert await shop.replies(BIA) == ["Oi!"]


async def test_who_was_run_alone_before_comes_last(shop: Shop) -> None:
    """F21: whoever is healthy is answered before the next death."""
    await shop.publish()
    for sender in (ANA, BIA, CAI):
        await shop.says("oi", sender)
    restart(shop)
    await leave(shop, ANA, BIA, CAI, holder=shop.rt.who.holder)
    ids = {(await shop.contact(sender))["id"]: sender for sender in (ANA, BIA, CAI)}
    await die_alone(shop, ids[min(ids)])
    await shop.turns.suspects.begin()
    assert [suspect.id for suspect in await shop.turns.suspects._sort_out()] == [*sorted(ids)[1:], min(ids)]


async def test_deaths_by_chance_never_end_a_healthy_event(shop: Shop) -> None:
    """F21: an answer forgets the count; many deaths, one after the other, leave no trace."""
    await shop.publish()
    for n in range(8):
        await shop.says("oi", ANA)
        restart(shop)
        await leave(shop, ANA, holder=shop.rt.who.holder)
        if n % 2:
            await die_alone(shop, ANA)
        await shop.turn()
        shop.later(minutes=1)
    assert {state for state, _ in await events(shop)} == {"handled"}
    assert len(await shop.replies(ANA)) == 8


async def test_a_database_that_goes_away_while_a_suspect_runs_counts_once(shop: Shop) -> None:
    """F50: one try a life of the process, however often it is begun."""
    await shop.publish()
    await shop.says("oi")
    await leave(shop, ANA)
    shop.rt.bells.due.clear()
    blocker = await asyncpg.connect(shop.rt.config.admin_url.reveal())
    for _ in range(4):
        await blocker.execute("BEGIN; LOCK TABLE step IN ACCESS EXCLUSIVE MODE")
        turning = asyncio.create_task(shop.turns.work())
        while not turning.done():
            await asyncio.sleep(0.05)
            await shop.admin.execute(CUT_THOSE_WHO_WAIT)
        with pytest.raises(Unavailable):
            await turning
        await blocker.execute("ROLLBACK")
    await blocker.close()
    assert await events(shop) == [("unhandled", 1)]


async def test_a_suspect_that_somebody_holds_waits_without_a_count(shop: Shop) -> None:
    """F19: the process that is thought dead may only be stopped: what it holds is not touched."""
    await shop.publish()
    await shop.says("oi")
    await leave(shop, ANA)
    async with shop.rt.db.tenant(shop.a) as tx:
        await tx.all(contacts.LOCK, ids=[(await shop.contact(ANA))["id"]])
        assert not await asyncio.wait_for(shop.turns.work(), 5)
        assert await events(shop) == [("unhandled", 0)]
    await shop.turn()
    assert await events(shop) == [("handled", 1)]


async def test_a_time_out_that_kills_fails_its_session_after_three_tries(shop: Shop) -> None:
    """F21 without an event to count on: the count is on the flow session, and an answer forgets it."""
    await shop.publish(TIMED)
    await shop.asks("oi")
    shop.later(minutes=31)
    restart(shop)
    await leave(shop, ANA, holder=shop.rt.who.holder)
    assert [await die_alone(shop, ANA) for _ in range(2)] == ["counted"] * 2
    await shop.turn()
    assert await shop.replies() == ["Oi!"] * 2
    assert await shop.row("SELECT state, tries FROM flow_session") == {"state": "waiting", "tries": 0}
    shop.later(minutes=31)
    restart(shop)
    await leave(shop, ANA, holder=shop.rt.who.holder)
    assert [await die_alone(shop, ANA) for _ in range(3)] == ["counted"] * 3
    await shop.turn()
    assert await shop.replies() == ["Oi!"] * 2
    assert await shop.row("SELECT state, due_at FROM flow_session") == {"state": "failed", "due_at": None}
    assert (await shop.contact())["due_at"] is None
    assert shop.notices("flow_trouble") == 1
    assert await shop.asks("oi") == ["Oi!"]


async def test_a_suspect_that_waits_for_nothing_is_left_to_its_next_time_out(shop: Shop) -> None:
    await shop.publish(TIMED)
    await shop.asks("oi")
    await shop.admin.execute("UPDATE contact SET due_at = now()")
    await leave(shop, ANA)
    await shop.turns.suspects.watch()
    await shop.turn()
    assert (await shop.contact())["due_at"] - shop.now > dt.timedelta(minutes=29)
    assert await shop.replies() == ["Oi!"]
    assert await names(shop) == []


async def test_of_two_who_find_the_same_death_one_has_the_suspects(shop: Shop) -> None:
    """F25."""
    await shop.publish()
    await shop.says("oi")
    await leave(shop, ANA)
    finders = [Turns(shop.rt).suspects for _ in range(5)]
    await asyncio.gather(*(finder.watch() for finder in finders))
    assert sum(len(finder._pending) for finder in finders) == 1
    (row,) = await names(shop)
    assert (row["stage"], row["ids"]) == ("alone", [(await shop.contact())["id"]])


async def test_whom_a_lost_answer_took_over_is_recalled_and_let_go_again(shop: Shop) -> None:
    """F21, F54: the names became ours and we never heard them; and the row is given up although it could not be the first time."""
    await shop.publish()
    await shop.says("oi")
    await shop.turns.suspects.begin()
    await leave(shop, ANA, holder=shop.rt.who.holder, stage="alone")
    await shop.admin.execute("UPDATE running SET boot = $1", shop.rt.who.boot)
    shop.turns.suspects._answered = False
    await shop.turns.suspects.watch()
    await shop.admin.execute("REVOKE DELETE ON running FROM atendeja_app")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await shop.turns.work()
    assert await shop.replies() == ["Oi!"]
    await shop.admin.execute("GRANT DELETE ON running TO atendeja_app")
    await shop.turn()
    assert await names(shop) == []


async def test_whom_two_must_run_alone_is_answered_by_one_of_them(shop: Shop) -> None:
    """F21, F25: both had him in hand when they died, and both of their successors live."""
    await shop.publish()
    await shop.says("oi")
    rt = shop.rt
    other = Turns(Runtime(rt.config, rt.db, rt.cloud, Identity(uuid4(), uuid4(), -1)))
    for turns in (shop.turns, other):
        await leave(shop, ANA, holder=turns.suspects._rt.who.holder)
        await turns.suspects.begin()
    assert len(await names(shop)) == 2
    for _ in range(3):
        for turns in (shop.turns, other):
            while await turns.work():
                pass
    assert await shop.replies() == ["Oi!"]
    assert await names(shop) == []


async def test_after_an_outage_the_living_are_given_time_to_say_so(shop: Shop) -> None:
    """F21, F50: nobody could beat while the database was away; whoever is back first accuses nobody."""
    await shop.publish()
    await shop.says("oi")
    suspects = shop.turns.suspects
    await suspects.begin()
    await leave(shop, ANA)
    suspects._watched_at -= 60
    await suspects.watch()
    assert suspects._pending == set()
    suspects._judge_from -= 60
    await suspects.watch()
    assert len(suspects._pending) == 1


async def test_a_fault_of_the_schema_is_nobodys_fault(shop: Shop) -> None:
    """A grant that is missing fails everybody's turn: nothing is counted, all wait, and all are answered when it is mended."""
    await shop.publish()
    for sender in (ANA, BIA):
        await shop.says("oi", sender)
    await shop.admin.execute("REVOKE INSERT ON step FROM atendeja_app")
    for _ in range(4):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shop.turns.work()
    assert await events(shop) == [("unhandled", 0)] * 2
    await shop.admin.execute("GRANT INSERT ON step TO atendeja_app")
    await shop.turn()
    assert await events(shop) == [("handled", 0)] * 2
