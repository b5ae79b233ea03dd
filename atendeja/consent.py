"""Who agreed to what, or no longer does: an append-only ledger per contact and purpose, with its evidence."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from msgspec import Struct

from atendeja.db import Nothing, Tx, columns, query
from atendeja.feed.shapes import ConsentDeclared, Data

MARKETING = "marketing"
State = Literal["in", "out"]
Source = Literal["word", "flow", "whatsapp", "admin", "merge", "tombstone"]


class Entry(Struct, frozen=True):
    """One declaration. Its place `(arrival, position)` is that of the event it came with: the newest place counts."""

    id: UUID
    contact_id: UUID
    purpose: str
    state: State
    source: Source
    evidence: dict[str, object]
    arrival: int | None
    """None for what no delivery brought (a timer): it draws its own place."""
    position: int
    at: dt.datetime


class Standing(Struct, frozen=True):
    contact_id: UUID
    purpose: str
    state: State


APPEND = query("consent.append", Nothing)
NEWEST = query("consent.newest", Standing)
CARRY = query("consent.carry", Nothing)


async def put(tx: Tx, entries: Sequence[Entry]) -> None:
    if entries:
        await tx.run(APPEND, **columns(entries))


def tell(entries: Sequence[Entry]) -> list[Data]:
    """These as whoever listens is told."""
    return [ConsentDeclared(e.contact_id, e.purpose, e.state, e.source) for e in entries]


async def carry(tx: Tx, winner_id: UUID, loser_id: UUID) -> list[Data]:
    """A merge: what one had declared counts for the other too, each word in its place. Returns what is otherwise now, as whoever
    listens is told."""
    before = await load(tx, [winner_id])
    await tx.run(CARRY, winner_id=winner_id, loser_id=loser_id)
    after = await load(tx, [winner_id])
    return [ConsentDeclared(id_, what, state, "merge") for (id_, what), state in after.items() if before.get((id_, what)) != state]


async def load(tx: Tx, contact_ids: Sequence[UUID]) -> dict[tuple[UUID, str], State]:
    """(contact, purpose) → 'in' or 'out', as last declared; what was never declared is absent."""
    return {(row.contact_id, row.purpose): row.state for row in await tx.all(NEWEST, contact_ids=list(contact_ids))}
