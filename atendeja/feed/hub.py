"""The streams of a process: one reader for each tenant that has some, however many there are.

A reader keeps the latest entries; a stream is a place in the feed, and takes from there, or from the table when it is further back.
So nothing is queued for a client that does not take it, and a stream that rests costs neither a connection nor a turn.
"""

import asyncio
import contextlib
import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog
from msgspec import Struct

from atendeja import queue
from atendeja.db import Database, Tx, query
from atendeja.errors import Unavailable
from atendeja.feed import reading
from atendeja.feed.reading import Entry, Head

log = structlog.get_logger(__name__)

MOST_OF_TENANT, MOST_STREAMS = 500, 1000
SWEEP_S = 2.0
KEEP_FOR = dt.timedelta(hours=1)
"""So long after the last stream what happens is still kept for whoever comes back."""
RENEW_EVERY_S = 300.0
MOST_KEPT, MOST_KEPT_BYTES = 256, 256 * 1024
"""Of a tenant, in memory."""
PAGE = 100
READ_AT_ONCE = 3
"""Connections that all streams of a process may hold together."""


class Standing(Struct, frozen=True):
    tenant_id: int
    last: int
    waiting: bool


HEADS = query("feed.heads", Standing)


class Clock(Protocol):
    """What a hub needs to know of its process."""

    db: Database

    def now(self) -> dt.datetime: ...


class Full(Exception):
    """There are as many streams as may be: of this tenant, or (`everywhere`) of this process."""

    def __init__(self, *, everywhere: bool) -> None:
        super().__init__("too many streams")
        self.everywhere = everywhere


class Channel:
    """What has just happened to a tenant, and who in this process wants to know."""

    def __init__(self, tenant_id: int, head: Head) -> None:
        self.tenant_id, self.last, self.floor = tenant_id, head.last, head.floor
        self.streams: set[Stream] = set()
        self._kept: deque[Entry] = deque()
        self._bytes = 0
        self._from = head.last
        """Behind this place all is kept."""

    def advance(self, entries: Iterable[Entry], last: int, floor: int) -> None:
        """These come next; nothing else to `last`."""
        for entry in entries:
            self._kept.append(entry)
            self._bytes += len(entry.data)
        while self._kept and (len(self._kept) > MOST_KEPT or self._bytes > MOST_KEPT_BYTES):
            gone = self._kept.popleft()
            self._bytes -= len(gone.data)
            self._from = gone.n
        self.last, self.floor = last, floor
        for stream in self.streams:
            stream.wake()

    def behind(self, place: int) -> list[Entry] | None:
        """The next page behind a place; None when it is no longer in memory."""
        if place < self._from:
            return None
        return [entry for entry in self._kept if entry.n > place][:PAGE]


class Stream:
    """One client's place in the feed of its tenant."""

    def __init__(self, hub: "Hub", channel: Channel, place: int | None, types: frozenset[str]) -> None:
        """`place` is where the client has been to, None for one that begins now."""
        self._hub, self._channel, self._types = hub, channel, types
        self._wake = asyncio.Event()
        self.ended = False
        fits = place is not None and channel.floor <= place <= channel.last
        self._place = place if place is not None and fits else channel.last
        self._shown = self._place
        """To where the client knows that it has been told everything."""
        self._greeting = mark("open" if place is None or fits else "reset", self._place)

    def wake(self) -> None:
        self._wake.set()

    def end(self) -> None:
        """Have `next` return nothing any more."""
        self.ended = True
        self._wake.set()

    def close(self) -> None:
        """The client is gone."""
        self.end()
        self._hub.leave(self._channel, self)

    async def next(self, within_s: float) -> bytes:
        """What is to be told now, as server-sent events; when that is nothing for so long, a line that says that we live."""
        if self._greeting:
            greeting, self._greeting = self._greeting, b""
            return greeting
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while not self.ended:
            self._wake.clear()
            if told := await self._told():
                return told
            if self._place < self._channel.last:
                continue
            try:
                async with asyncio.timeout_at(until):
                    await self._wake.wait()
            except TimeoutError:
                return self._alive()
        return b""

    async def _told(self) -> bytes:
        channel = self._channel
        if self._place < channel.floor:
            self._place = self._shown = channel.last
            return mark("reset", self._place)
        if self._place == channel.last:
            return b""
        entries = channel.behind(self._place)
        if entries is None:
            entries = await self._hub.read(channel.tenant_id, self._place)
        self._place = entries[-1].n if entries else channel.last
        wanted = [entry for entry in entries if not self._types or entry.type in self._types]
        if wanted:
            self._shown = wanted[-1].n
        return b"".join(map(render, wanted))

    def _alive(self) -> bytes:
        if self._shown == self._place:
            return b":\n\n"
        self._shown = self._place
        return b"id: %d\n\n" % self._place


def render(entry: Entry) -> bytes:
    """An entry as a server-sent event. JSON has no line break in it."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.n, entry.type.encode(), reading.show(entry))


def mark(event: str, place: int) -> bytes:
    """That a stream begins here: `open`, or `reset` when something may have been missed."""
    return b'retry: 2000\nid: %d\nevent: %s\ndata: {"type":"%s"}\n\n' % (place, event.encode(), event.encode())


class Hub:
    """All streams of this process. Its loop runs while there are some."""

    def __init__(self, clock: Clock, monotonic: Callable[[], float], told: Callable[[], None], stopping: asyncio.Event) -> None:
        """`told` says to all processes that somebody else listens."""
        self._clock, self._monotonic, self._told, self._stopping = clock, monotonic, told, stopping
        self._channels: dict[int, Channel] = {}
        self._streams = 0
        self._heard: set[int] = set()
        self._bell = asyncio.Event()
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        self._task: asyncio.Task[None] | None = None
        self._renewed_at = self._looked_at = float("-inf")

    # ── coming and going ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self, tenant_id: int, place: int | None, types: frozenset[str]) -> Stream:
        """A stream of a tenant's feed, from a place on. Raises Full, or what a database raises that is away."""
        self._check_room(tenant_id)
        channel = self._channels.get(tenant_id) or await self._begin(tenant_id)
        self._check_room(tenant_id)
        self._channels[tenant_id] = channel
        stream = Stream(self, channel, place, types)
        channel.streams.add(stream)
        self._streams += 1
        if self._stopping.is_set():
            stream.end()
        elif self._task is None or self._task.done():
            ends = queue.supervise("streams", self._run, self._stopping, lambda _name: None)
            self._task = asyncio.get_running_loop().create_task(ends, name="streams")
        return stream

    def _check_room(self, tenant_id: int) -> None:
        channel = self._channels.get(tenant_id)
        if channel is not None and len(channel.streams) >= MOST_OF_TENANT:
            raise Full(everywhere=False)
        if self._streams >= MOST_STREAMS:
            raise Full(everywhere=True)

    async def _begin(self, tenant_id: int) -> Channel:
        """A channel from where the feed is now; kept from now on is what happens to the tenant."""
        now = self._clock.now()

        async def work(tx: Tx) -> Head:
            await reading.listen(tx, now, now + KEEP_FOR)
            head = await reading.number(tx)
            assert head is not None
            return head

        head = await self._clock.db.transact(tenant_id, work)
        self._told()
        return self._channels.get(tenant_id) or Channel(tenant_id, head)

    def leave(self, channel: Channel, stream: Stream) -> None:
        """This one is gone."""
        if stream in channel.streams:
            channel.streams.discard(stream)
            self._streams -= 1
            if not channel.streams:
                self._channels.pop(channel.tenant_id, None)

    def end(self) -> None:
        """The order to stop: every stream ends."""
        for channel in self._channels.values():
            for stream in channel.streams:
                stream.end()
        self._bell.set()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, tenant_id: int | None) -> None:
        """There may be something new for this tenant; None: for anybody."""
        self._heard |= self._channels.keys() if tenant_id is None else self._channels.keys() & {tenant_id}
        if self._heard:
            self._bell.set()

    async def read(self, tenant_id: int, place: int) -> list[Entry]:
        """A page of what is no longer in memory."""
        async with self._reading, self._clock.db.tenant(tenant_id) as tx:
            return await reading.read(tx, place, PAGE)

    async def _run(self) -> None:
        """Read what is new where it was heard of, and every 2 s wherever there is something."""
        while not self._stopping.is_set():
            await self._rest()
            await self._look()
            await queue.each(list(self._heard), self._serve)
            await self._renew()

    async def _rest(self) -> None:
        """Until the bell rings, or it is time to look for what no bell told of."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._looked_at + SWEEP_S):
                await self._bell.wait()
        self._bell.clear()

    async def _look(self) -> None:
        """Hear of whoever has something new, every 2 s, however often the bell rings for others."""
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + SWEEP_S:
            return
        self._looked_at = now
        if not self._channels:
            return
        async with self._clock.db.session() as session:
            for standing in await session.all(HEADS, ids=sorted(self._channels)):
                channel = self._channels.get(standing.tenant_id)
                if channel is not None and (standing.waiting or standing.last != channel.last):
                    self._heard.add(standing.tenant_id)

    async def _serve(self, tenant_id: int) -> None:
        """Whom a database that is away keeps from it stays heard of, as do those who would have come next."""
        self._heard.discard(tenant_id)
        try:
            await self._advance(tenant_id)
        except Unavailable:
            self._heard.add(tenant_id)
            raise

    async def _advance(self, tenant_id: int) -> None:
        """Number what is new, and take it all."""
        channel = self._channels.get(tenant_id)
        if channel is None:
            return
        place = channel.last

        async def work(tx: Tx) -> tuple[Head | None, list[Entry]]:
            head = await reading.number(tx)
            return head, await reading.read(tx, place, reading.MOST_AT_ONCE)

        async with self._reading:
            head, entries = await self._clock.db.transact(tenant_id, work)
        if head is None:
            return
        full = len(entries) == reading.MOST_AT_ONCE
        channel.advance(entries, entries[-1].n if full else head.last, head.floor)
        if full:
            self.hear(tenant_id)

    async def _renew(self) -> None:
        if self._monotonic() - self._renewed_at < RENEW_EVERY_S:
            return
        now = self._clock.now()

        async def renew(tenant_id: int) -> None:
            await self._clock.db.transact(tenant_id, lambda tx: reading.listen(tx, now, now + KEEP_FOR))

        with contextlib.suppress(Unavailable):
            await queue.each(list(self._channels), renew)
            self._renewed_at = self._monotonic()
