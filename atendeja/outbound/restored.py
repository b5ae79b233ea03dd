"""What becomes of messages that may have gone out already, when sending is resumed after a hold of the guard.

Two kinds: those that were unfinished in the database as it was restored, and the replies that turns have made since to what had
come before (their first replies are in the lost part). The second kind exists only when everything of before has been answered
anew, so nothing is given up, and nobody sends, until it has.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from atendeja import feed
from atendeja.db import Database, Tx, query
from atendeja.guard import Hold
from atendeja.ledger import MessageId
from atendeja.runtime import fresh_id, utc_now
from atendeja.tenants import Tenant

MOST = 5_000
ONCE = ("at_most_once",)
ALL = ("at_least_once", "at_most_once")


class Waiting(Struct, frozen=True):
    waiting: int


class Count(Struct, frozen=True):
    """So many messages of a tenant may have gone out already."""

    policy: str
    state: str
    messages: int


class Settled(Struct, frozen=True):
    """What may have gone out already of a tenant, by state, and how much of it is given up."""

    tenant: Tenant
    found: Counter[str]
    given_up: int


UNDIGESTED = query("outbound.undigested", Waiting)
UNANSWERED = query("outbound.unanswered", Waiting)
RESTORED = query("outbound.restored", Count)
GIVE_UP = query("ledger.give_up_restored", MessageId)


async def count_unanswered(db: Database, hold: Hold, tenant_ids: Iterable[int]) -> int:
    """How many webhooks, events and contacts of before the hold have not been dealt with yet."""
    async with db.session() as session:
        undigested = await session.one(UNDIGESTED, arrival=hold.arrival)
    total = undigested.waiting if undigested else 0
    for tenant_id in tenant_ids:
        async with db.tenant(tenant_id) as tx:
            unanswered = await tx.one(UNANSWERED, arrival=hold.arrival, held_at=hold.at)
        total += unanswered.waiting if unanswered else 0
    return total


async def load_counts(tx: Tx, hold: Hold) -> list[Count]:
    """What may have gone out already, by policy and state."""
    return await tx.all(RESTORED, arrival=hold.arrival, held_at=hold.at)


async def settle(db: Database, tenant: Tenant, hold: Hold, policies: tuple[str, ...]) -> Settled:
    """Decide what may have gone out already: messages of these policies become `unknown`."""
    async with db.tenant(tenant.id) as tx:
        counts = await load_counts(tx, hold)
    found = Counter[str]()
    for count in counts:
        found[count.state] += count.messages
    return Settled(tenant, found, await give_up(db, tenant.id, hold, policies))


async def give_up(db: Database, tenant_id: int, hold: Hold, policies: tuple[str, ...] = ALL) -> int:
    """Make them `unknown`: never sent again, shown as dead letters. Returns how many. Again is harmless."""

    async def work(tx: Tx) -> int:
        lost = await tx.all(GIVE_UP, arrival=hold.arrival, held_at=hold.at, policies=list(policies), most=MOST)
        await feed.add(tx, fresh_id, utc_now(), (), [message.id for message in lost])
        return len(lost)

    total = 0
    while n := await db.transact(tenant_id, work):
        total += n
    return total
