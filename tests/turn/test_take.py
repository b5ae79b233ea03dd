"""Turns on real rows: one lock, facts after it, many contacts in one commit, and a contact that fails harms nobody else."""

import asyncio
import uuid

import asyncpg
import pytest
from msgspec.structs import asdict

from atendeja import contacts, failpoints, tenants
from atendeja.numbers import NewNumber
from atendeja.turn.decide import read_input
from tests import world
from tests.turn.shop import Shop

ANA, BIA, CAI = "5511900000001", "5511900000002", "5511900000003"


async def test_many_contacts_are_answered_in_one_transaction(shop: Shop) -> None:
    await shop.publish()
    for i in range(30):
        await shop.says("oi", f"55119000000{i:02}")
    await shop.turn()
    assert shop.rt.meter.counts["turns_taken", ""] == 30
    written = await shop.row("SELECT count(DISTINCT xmin::text) AS transactions, count(*) AS messages FROM message")
    assert written == {"transactions": 1, "messages": 30}


async def test_a_turn_writes_all_of_it_or_nothing(shop: Shop) -> None:
    """F18, I4: it fails after every write and before its commit; then it is taken again, whole."""
    await shop.publish()
    await shop.says("oi")
    failpoints.configure({"ATENDEJA_FAILPOINTS": "turn.before_commit=raise@1"})
    try:
        await shop.turn()
    finally:
        failpoints.configure({})
    assert await shop.rows("SELECT id FROM message UNION ALL SELECT id FROM flow_session UNION ALL SELECT id FROM step") == []
    assert await shop.events() == [("unhandled", None)]
    shop.later(seconds=2)
    await shop.turn()
    assert await shop.replies() == ["Oi!"]
    assert await shop.events() == [("handled", None)]


async def test_a_contact_that_somebody_else_holds_is_left_for_later(shop: Shop) -> None:
    """F22: nobody waits for him, and he is answered when he is free."""
    await shop.publish()
    await shop.says("oi", ANA)
    await shop.says("oi", BIA)
    held = (await shop.contact(ANA))["id"]
    async with shop.rt.db.tenant(shop.a) as tx:
        await tx.all(contacts.LOCK, ids=[held])
        await asyncio.wait_for(shop.turn(), 5)
        assert (await shop.replies(ANA), await shop.replies(BIA)) == ([], ["Oi!"])
    await shop.turn()
    assert await shop.replies(ANA) == ["Oi!"]


async def test_two_takers_at_once_answer_once(shop: Shop) -> None:
    """F22, F25: the second finds the contact locked, or no longer due."""
    await shop.publish()
    for i in range(20):
        await shop.says("oi", f"55119000000{i:02}")
    await asyncio.gather(shop.turn(), shop.turn(), shop.turn())
    counted = await shop.rows("SELECT contact_id, count(*) AS n, max(source_no) AS turns FROM message GROUP BY 1")
    assert [(row["n"], row["turns"]) for row in counted] == [(1, 1)] * 20


async def test_facts_are_those_at_the_time_of_the_lock(shop: Shop) -> None:
    """Lock, then load, in two statements: what committed after the lock's statement began is seen."""
    await shop.publish()
    await shop.says("oi")
    contact_id = (await shop.contact())["id"]
    await shop.turns.work()
    async with shop.rt.db.tenant(shop.a) as tx:
        await tx.all(contacts.LOCK, ids=[contact_id])
        await shop.admin.execute("UPDATE number SET display_number = '+5511777770000'")
        (situation,) = await shop.turns._load(tx, [contact_id])
    assert situation.facts.business_phone == "+5511777770000"


async def test_a_numbers_flow_comes_before_the_tenants_and_the_older_before_the_newer(shop: Shop) -> None:
    for key, number_id in (("um", None), ("dois", None), ("do_numero", shop.number_a)):
        await shop.publish(key=key, number_id=number_id)
    await shop.says("oi")
    await shop.turns.work()
    async with shop.rt.db.tenant(shop.a) as tx:
        (situation,) = await shop.turns._load(tx, [(await shop.contact())["id"]])
    assert [program.flow.key for program in situation.talks[0].book] == ["do_numero", "um", "dois"]


async def test_what_waits_comes_in_the_order_of_arrival(shop: Shop) -> None:
    await shop.publish()
    await shop.asks("oi")
    for text in ("oi", "fim", "gente"):
        await shop.says(text)
    await shop.admin.execute("UPDATE event SET arrival = -arrival WHERE content->'content'->>'body' = 'gente'")
    async with shop.rt.db.tenant(shop.a) as tx:
        (situation,) = await shop.turns._load(tx, [(await shop.contact())["id"]])
    assert [read_input(event).text for event in situation.talks[0].events] == ["gente", "oi", "fim"]


async def test_a_contact_whose_memory_cannot_be_read_fails_alone(shop: Shop) -> None:
    """F21: found by halving; three tries alone, then `dead` with a notice; others are answered, he goes on in a new session."""
    await shop.publish()
    for sender in (ANA, BIA, CAI):
        assert await shop.asks("oi", sender) == ["Oi!"]
    await shop.admin.execute(
        "UPDATE flow_session SET memory = '{\"id\": 7}' WHERE conversation_id = $1", (await shop.talk(BIA))["id"]
    )  # fmt: skip
    for sender in (ANA, BIA, CAI):
        await shop.says("de novo", sender)
    for tries in (1, 2, 3):
        await shop.turn()
        assert len(await shop.replies(ANA)) == len(await shop.replies(CAI)) == 2
        counted = await shop.rows("SELECT tries, state FROM event WHERE tries > 0")
        assert counted == [{"tries": tries, "state": "dead" if tries == 3 else "unhandled"}]
        assert shop.notices("event_dead") == (tries == 3)
        shop.later(seconds=1.5)
    assert len(await shop.replies(BIA)) == 1
    assert await shop.asks("ainda aí?", BIA) == ["Oi!"]
    assert shop.notices("event_dead") == 1


async def test_an_event_that_cannot_be_read_is_dead_and_the_next_is_answered(shop: Shop) -> None:
    """F21: the poison is the event's own content; the one behind it waits its turn."""
    await shop.publish()
    poison = await shop.says("oi")
    await shop.says("tem alguém?")
    await shop.admin.execute("UPDATE event SET content = '[]' WHERE key = $1", poison)
    for _ in range(4):
        await shop.turn()
        shop.later(seconds=1.5)
    assert await shop.events() == [("dead", "turn failed: ValidationError"), ("handled", None)]
    assert await shop.replies() == ["Oi!"]


async def test_a_session_whose_time_out_crashes_does_not_stay_due_for_ever(shop: Shop) -> None:
    """F21 without an event to count on: the session has failed, with a notice."""
    await shop.publish()
    await shop.asks("oi")
    await shop.admin.execute("UPDATE flow_session SET memory = '{}'")
    shop.later(hours=21)
    await shop.turn()
    assert (await shop.row("SELECT state, due_at FROM flow_session")) == {"state": "failed", "due_at": None}
    assert (await shop.contact())["due_at"] is None
    assert shop.notices("flow_trouble") == 1
    assert await shop.asks("oi") == ["Oi!"]


async def test_a_database_that_is_away_counts_on_nobody(shop: Shop) -> None:
    """F50, F54: no healthy row is ever counted."""
    await shop.publish()
    await shop.says("oi")
    blocker = await asyncpg.connect(shop.rt.config.admin_url.reveal())
    await blocker.execute("BEGIN; LOCK TABLE flow_session IN ACCESS EXCLUSIVE MODE")
    taking = asyncio.create_task(shop.turn())
    await asyncio.sleep(0.2)
    await blocker.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    await asyncio.sleep(0.1)
    await blocker.execute("ROLLBACK")
    await blocker.close()
    await asyncio.wait_for(taking, 10)
    assert await shop.replies() == ["Oi!"]
    assert shop.rt.db.retries >= 1
    assert await shop.rows("SELECT tries FROM event") == [{"tries": 0}]


async def test_turns_of_a_conversation_are_a_chain_without_gaps(shop: Shop) -> None:
    """I3: numbers 1, 2, 3 …; messages carry their turn's number and a place of their own; steps too."""
    await shop.publish()
    for _ in range(4):
        assert await shop.asks("oi") == ["Oi!"]
        shop.later(seconds=2)
    assert (await shop.talk())["turn_no"] == 4
    assert [r["turn_no"] for r in await shop.rows("SELECT turn_no FROM event ORDER BY arrival")] == [1, 2, 3, 4]
    assert [r["source_no"] for r in await shop.rows("SELECT DISTINCT source_no FROM message ORDER BY 1")] == [1, 2, 3, 4]
    assert [r["seq"] for r in await shop.rows("SELECT seq FROM message ORDER BY seq")] == [1, 2, 3, 4]
    assert {r["turn_no"] for r in await shop.rows("SELECT turn_no FROM step")} == {1, 2, 3, 4}


async def test_several_messages_are_answered_in_one_turn_in_their_order(shop: Shop) -> None:
    await shop.publish()
    for text in ("oi", "oi", "fim"):
        await shop.says(text)
    await shop.turn()
    assert await shop.replies() == ["Oi!", "Oi!", "Tchau!"]
    assert [r["ordinal"] for r in await shop.rows("SELECT ordinal FROM message ORDER BY seq")] == [0, 1, 2]
    assert (await shop.talk())["turn_no"] == 1
    assert [r["turn_no"] for r in await shop.rows("SELECT turn_no FROM event")] == [1, 1, 1]
    assert await shop.rows("SELECT state, ended_at IS NOT NULL AS over FROM flow_session") == [{"state": "ended", "over": True}]


async def test_no_turn_is_taken_for_a_tenant_by_the_hand_of_another(shop: Shop) -> None:
    """I13: a contact of A asked for in B's transaction is nobody."""
    await shop.publish()
    await shop.says("oi")
    await shop.turns.work()
    shop.later(seconds=1)
    await shop.says("oi")
    assert await shop.turns.take(shop.b, [(await shop.contact())["id"], uuid.uuid4()]) == 0
    assert len(await shop.replies()) == 1


@pytest.mark.parametrize("number", [world.A, world.B])
async def test_each_tenant_answers_with_its_own_flow(number: NewNumber, shop: Shop) -> None:
    await shop.publish('\n  a: {do: [{say: {text: "Loja A"}}, {end: {}}]}', tenant=shop.a)
    await shop.publish('\n  a: {do: [{say: {text: "Loja B"}}, {end: {}}]}', tenant=shop.b)
    assert await shop.asks("oi", number=number) == ["Loja A" if number is world.A else "Loja B"]


HERE = """
  a:
    do: [{say: {text: "{{business.name}}, {{now|time}}h"}}]
    wait: {reply: [text]}
    route: [{any_word: [fim], to: pessoa}]
    else: {to: a}
"""


async def test_the_next_turn_says_the_new_name_and_the_new_time(shop: Shop) -> None:
    """Nothing keeps a business in memory: the very next answer of a process that has answered before is of the new settings."""
    await shop.publish(HERE)
    (first,) = await shop.asks("oi")
    async with shop.rt.db.tenant(shop.a) as tx:
        settings = await tenants.load_settings(tx)
        changed = tenants.merge(settings, tenants.SettingsChange(name="Loja Nova", timezone="Asia/Tokyo"))
        await tx.run(tenants.SAVE_SETTINGS, **asdict(changed))
    (second,) = await shop.asks("oi")
    assert first.startswith("Loja A, ") and second.startswith("Loja Nova, ")
    assert first.rpartition(" ")[2] != second.rpartition(" ")[2]
