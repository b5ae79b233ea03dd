"""Everything that changes a conversation, at once, against the same few people: 0 deadlocks (F54, DESIGN's one lock)."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from atendeja import contacts, flows, ledger
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.flow import document
from atendeja.ledger import NewMessage, Report
from atendeja.outbound import outcomes
from atendeja.outbound.outcomes import Claim, Done
from atendeja.outbound.protocol import Candidate, Settlement
from atendeja.runtime import utc_now
from atendeja.turn.take import Turns
from tests import world
from tests.inbound.conftest import Inbox, says
from tests.journeys import tables
from tests.turn.shop import ECHO, HEAD, PERSON
from tests.world import A

SECONDS = 5
PEOPLE = [f"55119{n:08}" for n in range(20)]
FLOW = document.load(f"{HEAD.format(key='prova')}nodes:{ECHO}{PERSON}", "prova")


def accepted(message: NewMessage) -> Done:
    """The Cloud API took it."""
    now = utc_now()
    candidate = Candidate(
        message.id, message.conversation_id, message.contact_id, "turn", "service", b"{}", now, 0, now, None, None, None, None
    )  # fmt: skip
    return Done(Claim(message.id, candidate), Settlement("accepted", "accepted", wamid=str(message.id)), now)


async def test_digest_turns_senders_statuses_and_people_do_not_deadlock(inbox: Inbox) -> None:
    """5 seconds: deliveries that link and merge, turns, outcomes of messages, statuses, releases, as the process does them."""
    dice, rt, tenant = random.Random(7), inbox.rt, inbox.world.a
    number_id = inbox.world.number_a
    assert isinstance(number_id, UUID)
    await inbox.receive(*(says(f"first-{n}", phone=phone) for n, phone in enumerate(PEOPLE)))
    rows = await inbox.rows("SELECT v.id, v.contact_id FROM conversation v ORDER BY v.id")
    ids = [rt.new_id() for _ in range(60)]
    made = {
        id_: NewMessage(
            id_, number_id, row["contact_id"], row["id"], "turn", row["id"], n + 1000, 0, "service", msgspec.Raw(b"{}"), b"", None,
            id_,
        )
        for n, id_ in enumerate(ids)
        for row in [rows[n % len(rows)]]
    }  # fmt: skip
    async with rt.db.tenant(tenant) as tx:
        await ledger.queue_messages(tx, list(made.values()), rt.now(), rt.who.boot)
        await flows.publish(tx, FLOW, number_id=None, author="test", now=rt.now(), new_id=rt.new_id)
    turns = Turns(rt)
    await turns.work()
    done = dict.fromkeys(("digest", "turn", "record", "status", "meet", "release"), 0)

    async def digest() -> None:
        bodies = [
            says(f"w{done['digest']}-{n}", dice.choice(["sair", "oi"]), phone=dice.choice([PEOPLE[n], None]), user_id=f"BR.{n}")
            for n in dice.sample(range(len(PEOPLE)), 12)
        ]
        await inbox.receive(*bodies)

    async def turn() -> None:
        await turns.take(tenant, sorted(row["contact_id"] for row in dice.sample(rows, 8)))

    async def record(tx: Tx) -> None:
        chosen = sorted(dice.sample(ids, 20))
        await outcomes.record(tx, [accepted(made[id_]) for id_ in dice.sample(chosen, 20)], rt.now())
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
        await contacts.release(tx, conversation_id, rt.now())

    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS

    async def keep(name: str, work: Callable[[Tx], Awaitable[None]]) -> None:
        while loop.time() < until:
            await rt.db.transact(tenant, work)
            done[name] += 1

    async def keep_on(name: str, work: Callable[[], Awaitable[None]]) -> None:
        while loop.time() < until:
            await work()
            done[name] += 1

    twice = [("record", record), ("status", status), ("meet", meet), ("release", release)] * 2
    await asyncio.gather(
        keep_on("digest", digest), keep_on("turn", turn), keep_on("turn", turn), *(keep(name, work) for name, work in twice)
    )  # fmt: skip
    assert min(done.values()) > 10, done
    async with tables.looking(rt.config.admin_url.reveal()) as admin:
        assert await admin.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
