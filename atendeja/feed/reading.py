"""The feed as its readers see it: numbered in the order in which things became visible, so that a place in it is one number.

Whoever reads first numbers what is new, under the lock of the feed's head: in a statement that began after the lock was had,
everything that is visible comes before everything that is not yet.
"""

import datetime as dt
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from atendeja.db import Nothing, Tx, query

MOST_AT_ONCE = 500


class Entry(Struct, frozen=True):
    """One thing that happened, at its place."""

    n: int
    id: UUID
    type: str
    at: dt.datetime
    data: bytes


class Head(Struct, frozen=True):
    """How far a feed is. Who has read to a place before `floor`, or beyond `last`, has missed something."""

    last: int
    floor: int


class Numbered(Struct, frozen=True):
    last: int
    numbered: int


class Dropped(Struct, frozen=True):
    floor: int
    dropped: int


class Shown(Struct, frozen=True):
    id: UUID
    type: str
    timestamp: dt.datetime
    data: Raw


LISTEN = query("feed.listen", Head)
HOLD = query("feed.hold", Nothing)
LOCK = query("feed.lock", Head)
NUMBER = query("feed.number", Numbered)
READ = query("feed.read", Entry)
DROP = query("feed.drop", Dropped)
DROP_NEW = query("feed.drop_new", Nothing)

_encoder = msgspec.json.Encoder()


async def listen(tx: Tx, now: dt.datetime, until: dt.datetime) -> Head:
    """Have everything kept until then. Locks the head."""
    head = await tx.one(LISTEN, now=now, until=until)
    assert head is not None
    return head


async def hold(tx: Tx, *, held: bool) -> None:
    """Have everything kept for good, or no longer than streams want it. Locks the head, which must be there."""
    await tx.run(HOLD, held=held)


async def number(tx: Tx) -> Head | None:
    """Number what is visible; how far the feed is then. None where nobody ever listened. Locks the head."""
    head = await tx.one(LOCK)
    while head is not None:
        done = await tx.one(NUMBER, last=head.last, most=MOST_AT_ONCE)
        if done is not None:
            head = Head(done.last, head.floor)
        if done is None or done.numbered < MOST_AT_ONCE:
            break
    return head


async def read(tx: Tx, after: int, most: int) -> list[Entry]:
    """What comes next behind a place."""
    return await tx.all(READ, after=after, most=most)


async def drop(tx: Tx, before: dt.datetime, most: int) -> int:
    """Forget the oldest that is older than this, at most so many. Locks the head."""
    await tx.one(LOCK)
    done = await tx.one(DROP, before=before, most=most)
    return (0 if done is None else done.dropped) + await tx.run(DROP_NEW, before=before, most=most)


def show(entry: Entry) -> bytes:
    """An entry as JSON, as it is told (`shapes.Event`)."""
    return _encoder.encode(Shown(entry.id, entry.type, entry.at, Raw(entry.data)))
