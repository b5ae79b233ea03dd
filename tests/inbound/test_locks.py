"""Everything that changes a conversation, at once, against the same few people: 0 deadlocks (F54, DESIGN's one lock)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from atendeja import contacts, ledger
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.ledger import NewMessage, Report
from tests import world
from tests.inbound.conftest import Inbox, says
from tests.journeys import tables
from tests.world import A

SECONDS = 5
PEOPLE = [f"55119{n:08}" for n in range(20)]


async def test_digest_turns_senders_statuses_and_people_do_not_deadlock(inbox: Inbox) -> None:
    """5 seconds: deliveries that link and merge, turn-like locks, claims and outcomes of messages, statuses, releases."""
    dice, rt, tenant = random.Random(7), inbox.rt, inbox.world.a
    number_id = inbox.world.number_a
    assert isinstance(number_id, UUID)
    await inbox.receive(*(says(f"first-{n}", phone=phone) for n, phone in enumerate(PEOPLE)))
    rows = await inbox.rows("SELECT v.id, v.contact_id FROM conversation v ORDER BY v.id")
    ids = [rt.new_id() for _ in range(60)]
    made = [
        NewMessage(id_, number_id, row["contact_id"], row["id"], "turn", row["id"], n, 0, "service", msgspec.Raw(b"{}"), b"", None)
        for n, id_ in enumerate(ids)
        for row in [rows[n % len(rows)]]
    ]
    async with rt.db.tenant(tenant) as tx:
        await ledger.queue_messages(tx, made, rt.now(), rt.who.boot)
        for id_, message in zip(ids, made, strict=True):
            await tx._connection.execute(
                "INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, wamid, claimed_at)"
                " VALUES ($1, $2, $2, $3, $4, 1, $2, 'accepted', $5, now())", tenant, id_, number_id, message.contact_id, str(id_),
            )  # fmt: skip
    done = dict.fromkeys(("digest", "turn", "record", "status", "meet", "release"), 0)

    async def digest() -> None:
        bodies = [
            says(f"w{done['digest']}-{n}", dice.choice(["sair", "oi"]), phone=dice.choice([PEOPLE[n], None]), user_id=f"BR.{n}")
            for n in dice.sample(range(len(PEOPLE)), 12)
        ]
        await inbox.receive(*bodies)

    async def turn(tx: Tx) -> None:
        chosen = [row["contact_id"] for row in dice.sample(rows, 8)]
        locked = [row.id for row in await tx.all(contacts.LOCK_DUE, ids=chosen, now=rt.now())]
        await tx._connection.execute("UPDATE conversation SET turn_no = turn_no + 1 WHERE contact_id = ANY ($1)", locked)
        await tx._connection.execute(
            "UPDATE event SET state = 'handled', turn_no = 1 WHERE contact_id = ANY ($1) AND state = 'unhandled'", locked
        )
        await tx._connection.execute("UPDATE contact SET due_at = NULL WHERE id = ANY ($1)", locked)

    async def record(tx: Tx) -> None:
        chosen = sorted(dice.sample(ids, 20))
        await tx.all(ledger.LOCK_MESSAGES, ids=chosen)
        await tx._connection.execute("UPDATE attempt SET ended_at = now() WHERE message_id = ANY ($1)", chosen)
        await tx._connection.execute("UPDATE message SET held = NOT held WHERE id = ANY ($1)", chosen)

    async def status(tx: Tx) -> None:
        chosen = dice.sample(ids, 30)
        await ledger.apply_reports(tx, [Report(number_id, str(id_), id_, "delivered", rt.now()) for id_ in chosen], rt.now())

    async def meet(tx: Tx) -> None:
        """Another digester, whose lease was lost in the middle."""
        people = [Person(A.portfolio_id, None, phone) for phone in dice.sample(PEOPLE, 12)]
        await world.meet(tx, rt, *people)

    async def release(tx: Tx) -> None:
        conversation_id = dice.choice(rows)["id"]
        await contacts.release(tx, conversation_id)

    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS

    async def keep(name: str, work: Callable[[Tx], Awaitable[None]]) -> None:
        while loop.time() < until:
            await rt.db.transact(tenant, work)
            done[name] += 1

    async def keep_digesting() -> None:
        while loop.time() < until:
            await digest()
            done["digest"] += 1

    twice = [("turn", turn), ("record", record), ("status", status), ("meet", meet), ("release", release)] * 2
    await asyncio.gather(keep_digesting(), *(keep(name, work) for name, work in twice))
    assert min(done.values()) > 10, done
    async with tables.looking(rt.config.admin_url.reveal()) as admin:
        assert await admin.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
