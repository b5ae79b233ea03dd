"""Dead letters: messages that failed, or of which nobody will know whether they went out, and events that no turn could answer.

They wait for a person, who has them tried again or lets them be. Nothing is deleted: a discarded letter keeps its state and is no
longer shown. What is tried again goes the usual way, through all its checks: it may be withdrawn, or fail once more. What may have
gone out before goes again only when that is said to be wanted; a bot's reply not at all when its conversation has gone on since.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from uuid import UUID

from msgspec import Struct

from atendeja import contacts
from atendeja.db import Database, Nothing, Tx, query

BATCH = 500
"""Letters a transaction: their locks are held for some milliseconds only."""


class Letter(Struct, frozen=True):
    """`what` is message or event; `code` Meta's, `reason` in words where there are some."""

    id: UUID
    what: str
    state: str
    code: int | None
    reason: str | None
    conversation_id: UUID | None
    at: dt.datetime


class Picked(Struct, frozen=True):
    id: UUID
    what: str
    at: dt.datetime


class Letters(Struct, frozen=True):
    letters: int


class DeadMessage(Struct, frozen=True):
    id: UUID
    number_id: UUID
    state: str
    discarded: bool
    overtaken: bool
    gone: bool


class DeadEvent(Struct, frozen=True):
    id: UUID
    contact_id: UUID | None
    conversation_id: UUID | None
    state: str
    discarded: bool


class Moved(Struct, frozen=True):
    """A letter that is one no longer; of a message its number."""

    id: UUID
    number_id: UUID | None = None


NEWEST = query("dead_letters.newest", Letter)
COUNT = query("dead_letters.count", Letters)
PICK = query("dead_letters.pick", Picked)
LOCK_MESSAGES = query("ledger.lock_dead_messages", DeadMessage)
REPLAY_MESSAGES = query("ledger.replay_messages", Nothing)
DISCARD_MESSAGES = query("ledger.discard_messages", Nothing)
EVENTS = query("ledger.dead_events", DeadEvent)
REPLAY_EVENTS = query("ledger.replay_events", Nothing)
DISCARD_EVENTS = query("ledger.discard_events", Nothing)

Work = Callable[[Tx, Sequence[UUID], Sequence[UUID]], Awaitable[list[Moved]]]
"""What is done with a batch: its messages, its events."""


async def newest(tx: Tx, most: int) -> tuple[list[Letter], int]:
    """The newest of them, and how many there are in all."""
    count = await tx.one(COUNT)
    return await tx.all(NEWEST, most=most), count.letters if count else 0


async def replay(
    db: Database, tenant_id: int, ids: Sequence[UUID], now: dt.datetime, *, may_repeat: bool
) -> AsyncIterator[list[Moved]]:
    """Have these tried again, all when none are named; yields what each transaction moved. What may have gone out before only when
    it `may_repeat`: what WhatsApp then accepts a second time counts as a duplicate."""
    async for moved in _each(db, tenant_id, ids, partial(_replay, now=now, may_repeat=may_repeat)):
        yield moved


async def discard(db: Database, tenant_id: int, ids: Sequence[UUID], now: dt.datetime) -> AsyncIterator[list[Moved]]:
    """Let these be, all when none are named; yields as `replay` does."""
    async for moved in _each(db, tenant_id, ids, partial(_discard, now=now)):
        yield moved


async def _each(db: Database, tenant_id: int, ids: Sequence[UUID], work: Work) -> AsyncIterator[list[Moved]]:
    after_at, after_id = dt.datetime.min.replace(tzinfo=dt.UTC), UUID(int=0)
    while True:

        async def batch(tx: Tx, after_at: dt.datetime = after_at, after_id: UUID = after_id) -> tuple[list[Picked], list[Moved]]:
            picked = await tx.all(PICK, ids=list(ids), after_at=after_at, after_id=after_id, most=BATCH)
            messages, events = ([p.id for p in picked if p.what == what] for what in ("message", "event"))
            return picked, await work(tx, messages, events)

        picked, moved = await db.transact(tenant_id, batch)
        if not picked:
            return
        yield moved
        after_at, after_id = picked[-1].at, picked[-1].id


async def _replay(tx: Tx, messages: Sequence[UUID], events: Sequence[UUID], *, now: dt.datetime, may_repeat: bool) -> list[Moved]:
    dead = await _dead_events(tx, events)
    await tx.run(REPLAY_EVENTS, ids=[e.id for e in dead], now=now)
    found = [m for m in await _dead_messages(tx, messages) if (may_repeat or not _may_have_gone(m)) and not m.overtaken]
    await tx.run(REPLAY_MESSAGES, ids=[m.id for m in found], now=now)
    return [*(Moved(e.id) for e in dead), *(Moved(m.id, m.number_id) for m in found)]


async def _discard(tx: Tx, messages: Sequence[UUID], events: Sequence[UUID], *, now: dt.datetime) -> list[Moved]:
    dead, found = await _dead_events(tx, events), await _dead_messages(tx, messages)
    await tx.run(DISCARD_EVENTS, ids=[e.id for e in dead], now=now)
    await tx.run(DISCARD_MESSAGES, ids=[m.id for m in found], now=now)
    return [*(Moved(e.id) for e in dead), *(Moved(m.id, m.number_id) for m in found)]


async def _dead_events(tx: Tx, ids: Sequence[UUID]) -> list[DeadEvent]:
    """Those that are dead once their contacts are locked, as everything of a contact wants it."""
    whose = {e.contact_id for e in await tx.all(EVENTS, ids=list(ids)) if e.contact_id is not None}
    await tx.all(contacts.LOCK, ids=sorted(whose))
    found = await tx.all(EVENTS, ids=list(ids))
    return [e for e in found if e.state == "dead" and e.conversation_id is not None and not e.discarded]


async def _dead_messages(tx: Tx, ids: Sequence[UUID]) -> list[DeadMessage]:
    return [m for m in await tx.all(LOCK_MESSAGES, ids=list(ids)) if m.state in ("failed", "unknown") and not m.discarded]


def _may_have_gone(m: DeadMessage) -> bool:
    return m.state == "unknown" or m.gone
