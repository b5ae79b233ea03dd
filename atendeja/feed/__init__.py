"""The feed: what happened to a business's things, told in the transactions that change them, for streams and outgoing webhooks.

Problem: a reader that resumes from a place must never miss what commits late, and who writes must not pay where nobody reads.
Choice: transactions write `feed_new` in any order; whoever reads first moves what is visible to `feed`, with the next numbers,
under one lock of that tenant which no writer takes. So a place in the feed is one number, nothing appears before it later, what
happens to one message is told in its order, and numbers survive a dump and a change of server. Who writes asks a set in memory
whether somebody listens to the tenant, 5 s old at most (when it is older, everything is written): without a listener there is no
statement more.
Refused: the table's own sequence (a row that commits late has been passed by), reading below the oldest running transaction (a
long one anywhere on the server stops every reader, transactions that waited for each other are told in the wrong order, and the
numbers begin again on a new server), a number drawn in the transaction itself (all of a tenant's would wait for each other),
NOTIFY with the content (8,000 bytes, and gone when nobody hears it).

What happens is kept for 7 days; for a new listener from 5 s after he came, and until the last one has been gone for an hour.

shapes: what is told · writing: telling, and who listens · reading: numbering and pages · hub: the streams of a process.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

from atendeja.db import Database, Tx
from atendeja.feed.hub import Full, Hub, Stream
from atendeja.feed.shapes import Data
from atendeja.feed.writing import AUDIENCE_WORD, WORD, Audience, add

__all__ = ["AUDIENCE_WORD", "WORD", "Audience", "Feed", "Full", "Hub", "Stream", "add"]


class Process(Protocol):
    """What the feed needs to know of its process."""

    db: Database
    stopping: asyncio.Event

    def now(self) -> dt.datetime: ...
    def new_id(self) -> UUID: ...


class Feed:
    """The feed as a process has it."""

    def __init__(self, rt: Process, monotonic: Callable[[], float], say: Callable[[str], None]) -> None:
        """`say` tells a word to all processes."""
        self._rt, self._say = rt, say
        self.audience = Audience(rt.db, rt.now, monotonic)
        self.hub = Hub(rt, monotonic, self.say_audience, rt.stopping)

    def wants(self, tenant_id: int) -> bool:
        """Whether somebody listens to this tenant, as far as it is known."""
        return self.audience.has(tenant_id)

    async def tell(self, tx: Tx, data: Iterable[Data], moved: Sequence[UUID] = ()) -> None:
        """Write what this transaction has done, in one statement, and wake the readers after its COMMIT. `moved` are messages in
        another state. Ask `wants` before."""
        await add(tx, self._rt.new_id, self._rt.now(), data, moved)
        tx.after_commit(partial(self._say, f"{WORD}:{tx.tenant_id}"))

    def wake(self) -> None:
        """Wake whoever tells webhooks, wherever he is: there is something due."""
        self._say(WORD)

    def say_audience(self) -> None:
        """Somebody else listens, or does no longer: every process is to know."""
        self.audience.hear()
        self._say(AUDIENCE_WORD)

    def hear(self, what: str, tenant: str) -> None:
        """A process said so; an empty `what`: words may have been missed."""
        if what in (AUDIENCE_WORD, ""):
            self.audience.hear()
        if what in (WORD, ""):
            with contextlib.suppress(ValueError):
                self.hub.hear(int(tenant) if tenant else None)
