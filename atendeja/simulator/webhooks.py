"""Delivering webhooks the way Meta does: signed, concurrent, in no order, at least once, until somebody answers 200.

A webhook refused is tried again at once and then ever more slowly; meanwhile it holds no connection. Disorder beyond that
(twice, late, out of order, many in one body) is drawn from a seeded source.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from atendeja.simulator.changes import Change, envelope
from atendeja.simulator.post import Connection, PostError
from atendeja.simulator.world import World
from atendeja.wa import signature

HELD_BACK_S = 0.3
"""A webhook out of order, or a second copy, comes up to this much later."""
GATHER_S = 0.02
"""How long the first update of a shared body waits for others."""

Probability = Annotated[float, Meta(ge=0, le=1)]


class Disorder(Struct, frozen=True, forbid_unknown_fields=True):
    """How untidily webhooks arrive."""

    duplicate: Probability = 0
    """Chance that a webhook is POSTed a second time."""
    reorder: Probability = 0
    """Chance that an update is held back while later ones pass."""
    batch: Annotated[int, Meta(ge=1, le=1000)] = 1
    """Updates in one body at most: those that come within 20 ms share it."""
    delay_s: Annotated[float, Meta(ge=0)] = 0
    """Every update waits this long."""
    seed: int = 0


class Counts(Struct):
    """What became of the webhooks."""

    waiting: int = 0
    """Not answered 200 yet, those between two tries among them."""
    delivered: int = 0
    refused: int = 0
    """POSTs answered otherwise."""
    unanswered: int = 0


@dataclass(eq=False)
class Parcel:
    """One POST to be: changes until it is first posted, then the same bytes every time."""

    changes: list[Change]
    epoch: int
    done: list[asyncio.Future[None]] = field(default_factory=list)
    body: bytes = b""
    tries: int = 0


Seen = Callable[[bytes, int | None], None]
"""Told of every POST: its body, and the status or None."""


class Webhooks:
    """The queue of updates and the connections that empty it."""

    def __init__(self, world: World, seen: Seen) -> None:
        self._world = world
        self._seen = seen
        self._queue: asyncio.Queue[Parcel] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._epoch = 0
        self._open: Parcel | None = None
        self.counts = Counts()
        self.arrange(Disorder())

    def arrange(self, disorder: Disorder) -> None:
        """Deliver like this from now on."""
        self.disorder = disorder
        self._random = random.Random(disorder.seed)  # noqa: S311  (chosen disorder, not a secret)

    def reset(self) -> None:
        """Forget what waits, and be tidy again."""
        self._epoch += 1
        self.counts = Counts()
        self.arrange(Disorder())

    def start(self) -> None:
        """Begin to deliver. The settings' `connections` is how many POSTs run at once."""
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._world.settings.connections)]

    async def stop(self) -> None:
        """Stop delivering; what waits is lost, as with any Meta."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, change: Change, after_s: float = 0, done: asyncio.Future[None] | None = None) -> None:
        """Deliver this change so much later; `done` is set when a webhook with it has been answered 200."""
        if self._world.settings.webhook_url is None:
            return
        wait_s = after_s + self.disorder.delay_s
        if self.disorder.reorder and self._random.random() < self.disorder.reorder:
            wait_s += self._random.uniform(0, HELD_BACK_S)
        self._enqueue(Parcel([change], self._epoch, [] if done is None else [done]), wait_s)

    def _enqueue(self, parcel: Parcel, wait_s: float) -> None:
        self.counts.waiting += len(parcel.changes)
        if wait_s > 0:
            asyncio.get_running_loop().call_later(wait_s, self._admit, parcel)
        else:
            self._admit(parcel)

    def _admit(self, parcel: Parcel) -> None:
        """Let it be posted: at once, or in a body shared with those that come shortly after."""
        if self.disorder.batch == 1 or parcel.body:
            self._queue.put_nowait(parcel)
        elif self._open is None or self._open.epoch != parcel.epoch:
            self._open = parcel
            asyncio.get_running_loop().call_later(GATHER_S, self._shut, parcel)
        else:
            self._open.changes += parcel.changes
            self._open.done += parcel.done
            if len(self._open.changes) >= self.disorder.batch:
                self._shut(self._open)

    def _shut(self, parcel: Parcel) -> None:
        if self._open is parcel:
            self._open = None
            self._queue.put_nowait(parcel)

    async def _run(self) -> None:
        connection: Connection | None = None
        try:
            while True:
                parcel = await self._queue.get()
                url = self._world.settings.webhook_url
                if parcel.epoch != self._epoch:
                    continue
                if url is None:
                    self.counts.waiting -= len(parcel.changes)
                    continue
                if connection is None or connection.url != url:
                    connection = Connection(url)
                if not parcel.body:
                    self._pack(parcel)
                await self._post(connection, parcel)
        finally:
            if connection is not None:
                connection.close()

    def _pack(self, parcel: Parcel) -> None:
        """Write the body, and perhaps order a second copy."""
        parcel.body = msgspec.json.encode(envelope(parcel.changes))
        if self.disorder.duplicate and self._random.random() < self.disorder.duplicate:
            self._enqueue(Parcel(parcel.changes, parcel.epoch, body=parcel.body), self._random.uniform(0, HELD_BACK_S))

    async def _post(self, connection: Connection, parcel: Parcel) -> None:
        settings = self._world.settings
        status: int | None
        try:
            status = await connection.post(
                parcel.body, signature.sign(settings.app_secret.encode(), parcel.body), settings.webhook_timeout_s
            )
        except PostError:
            status = None
        self._seen(parcel.body, status)
        if parcel.epoch == self._epoch:
            self._settle(parcel, status)

    def _settle(self, parcel: Parcel, status: int | None) -> None:
        self.counts.waiting -= len(parcel.changes)
        if status == 200:
            self.counts.delivered += len(parcel.changes)
            for done in parcel.done:
                if not done.done():
                    done.set_result(None)
            return
        if status is None:
            self.counts.unanswered += 1
        else:
            self.counts.refused += 1
        parcel.tries += 1
        self._enqueue(parcel, self._pause_s(parcel.tries))

    def _pause_s(self, tries: int) -> float:
        if tries == 1:
            return 0
        settings = self._world.settings
        return min(settings.retry_first_s * 2.0 ** min(tries - 2, 30), settings.retry_most_s)
