"""Telling the feed, in the transactions that change things; and who listens, so that they need not where nobody does."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from atendeja.db import Database, Nothing, Tx, query, records
from atendeja.errors import Unavailable
from atendeja.feed import shapes
from atendeja.feed.shapes import Data

LOOK_EVERY_S = 4.0
BELIEVED_S = 5.0
"""Who listens is known so late at most; when it could not be asked for, everybody may."""
WORD, AUDIENCE_WORD = "feed", "audience"
"""What processes tell each other: there is something new for this tenant; somebody else listens."""


class Told(Struct, frozen=True):
    """A row to be."""

    id: UUID
    type: str
    at: dt.datetime
    data: Data


class Listened(Struct, frozen=True):
    tenant_id: int


ADD = query("feed.add", Nothing)
AUDIENCE = query("feed.audience", Listened)


async def add(tx: Tx, new_id: Callable[[], UUID], now: dt.datetime, data: Iterable[Data], moved: Sequence[UUID] = ()) -> None:
    """Write what happened, whether somebody listens or not; `moved` are messages whose state this transaction has changed."""
    told = [Told(new_id(), shapes.TYPES[type(d)], now, d) for d in data]
    if told or moved:
        await tx.run(ADD, told=records(told), now=now, ids=[new_id() for _ in moved], message_ids=list(moved))


class Audience:
    """The tenants to whom somebody listens, of a few seconds ago at most."""

    def __init__(self, database: Database, now: Callable[[], dt.datetime], monotonic: Callable[[], float]) -> None:
        self._db, self._now, self._monotonic = database, now, monotonic
        self._tenants: frozenset[int] = frozenset()
        self._believed_until = float("-inf")
        self._changed = asyncio.Event()

    def has(self, tenant_id: int) -> bool:
        """Whether what happens to this tenant is to be told."""
        return tenant_id in self._tenants or self._monotonic() > self._believed_until

    def hear(self) -> None:
        """Somebody else listens: ask at once."""
        self._changed.set()

    async def look(self) -> None:
        """Ask who listens. Raises Unavailable."""
        asked_at = self._monotonic()
        async with self._db.session() as session:
            found = await session.all(AUDIENCE, at=self._now())
        self._tenants, self._believed_until = frozenset(row.tenant_id for row in found), asked_at + BELIEVED_S

    async def keep(self, stopping: asyncio.Event) -> None:
        """Ask again and again."""
        while not stopping.is_set():
            self._changed.clear()
            with contextlib.suppress(Unavailable):  # until it is known, everything is written
                await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._changed.wait()
