"""Digest: stored deliveries become events, in the order in which they arrived, each thing once.

One digester at a time for a lane (a lease): two measurably invert messages of one contact, so all that people write is one
lane; deliveries with nothing but statuses are another, which may take its time. It takes the oldest deliveries that wait,
parses them (pure), finds the tenant of each item, and writes each tenant's share in one transaction: contacts, conversations,
events, opt-outs, statuses, echoes, when the contact is due. The deliveries are marked last, by the look for the next batch, so a
death in between means that the batch is taken again and changes nothing: the unique key of an event is the guard.

An item that cannot be written although it was read would stop the lane; it is found by halving the batch in memory, noted on
its delivery as unrouted, and its bytes stay in the delivery.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from functools import partial

import msgspec
import structlog
from msgspec import Struct

from atendeja import failpoints, queue
from atendeja.db import DATA_FAULTS, query
from atendeja.errors import WireError
from atendeja.gathering import Gathering
from atendeja.inbound import events, intake
from atendeja.inbound.events import Arrived
from atendeja.notify import notice
from atendeja.numbers import Directory
from atendeja.runtime import Runtime
from atendeja.wa import delivery
from atendeja.wa.events import Item

log = structlog.get_logger(__name__)

MOST_DELIVERIES = 200
MOST_BYTES = 2 * 1024 * 1024
TENANTS_AT_ONCE = 4
READ_AT_ONCE = 10
"""Deliveries read before others get the loop: reading one takes 0.05 to 0.1 ms."""
GATHER_S = 0.05
"""From 40 deliveries a second on a batch is begun so long after the one before, at the soonest."""
MARK_DELAY_S = 0.5
"""When nothing comes meanwhile, what was digested is marked after this."""


class Stored(Struct, frozen=True):
    day: dt.date
    seq: int
    received_at: dt.datetime
    body: bytes


class Unrouted(Struct, frozen=True, omit_defaults=True):
    """An item that became no event, as it is noted on its delivery."""

    position: int
    reason: str
    phone_number_id: str | None = None
    waba_id: str | None = None


class Read(Struct):
    """A delivery on its way: its items, or why it could not be read at all, and what became of no tenant."""

    stored: Stored
    items: list[Item]
    quarantined: str | None
    unrouted: list[Unrouted]


NEXT = query("inbound.next", Stored)


class Digester:
    """The resident loop's work. Takes the lane's lease, which the worker renews, and digests while it lasts."""

    def __init__(self, rt: Runtime, lane: int = 0) -> None:
        self._rt, self._lane = rt, lane
        self.lease = f"digest:{lane}"
        self._directory = Directory(rt.db)
        self._bell = rt.bells.digest if lane == intake.PEOPLE else rt.bells.statuses
        self._gathering = Gathering(GATHER_S)
        self._full = False
        """Whether the last batch was: more waits already."""
        self._digested: Sequence[Read] = []
        """Written, durably, and not yet marked: the next look does both. A death in between, ours or the database's, means that
        they are read again, to no effect."""

    @property
    def pending(self) -> bool:
        """Whether something is digested and not marked yet."""
        return bool(self._digested)

    async def work(self) -> bool:
        """Digest one batch. True when it was full, so that more may wait; what comes later rings."""
        if not self._full:
            await self._rt.gather(self._gathering)
        if self._rt.stopping.is_set():
            return False
        if not self.leased and not await self._take_lease():
            self._bell.elsewhere()
            return False
        self._bell.perhaps_here()
        self._full = False
        if not (stored := await self._next()):
            return False
        self._gathering.came(len(stored), self._rt.monotonic())
        failpoints.reach("digest.claimed")
        started = self._rt.monotonic()
        self._digested = await self._digest(stored)
        self._rt.meter.count("deliveries_digested", len(stored))
        self._rt.meter.observe("digest_seconds", self._rt.monotonic() - started)
        self._full = len(stored) == MOST_DELIVERIES or sum(len(s.body) for s in stored) >= MOST_BYTES
        if not self._full:
            self._bell.ring_in(MARK_DELAY_S)
        return self._full

    @property
    def leased(self) -> bool:
        """Whether this process alone digests the lane."""
        return self._rt.leases.hold(self.lease, self._rt.monotonic())

    async def _take_lease(self) -> bool:
        instant = self._rt.monotonic()
        async with self._rt.db.session() as session:
            return await self._rt.leases.take(session, self.lease, instant) is not None

    async def _next(self) -> list[Stored]:
        """The oldest that wait; what was digested before them need not be looked at again."""
        done = self._digested
        async with self._rt.db.session() as session:
            stored = await session.all(
                NEXT,
                days=[r.stored.day for r in done],
                seqs=[r.stored.seq for r in done],
                reasons=[r.quarantined for r in done],
                unrouteds=[msgspec.json.encode(r.unrouted) if r.unrouted else None for r in done],
                at=self._rt.now(),
                lane=self._lane,
                most=MOST_DELIVERIES,
                most_bytes=MOST_BYTES,
            )
        self._digested = []
        return stored

    async def _digest(self, stored: Sequence[Stored]) -> Sequence[Read]:
        read = []
        for n, s in enumerate(stored):
            if n % READ_AT_ONCE == READ_AT_ONCE - 1:
                await asyncio.sleep(0)  # whoever waits for an answer goes first
            read.append(_read(s))
        for r in read:
            if r.quarantined is not None:
                notice(self._rt.meter, "delivery_quarantined", seq=r.stored.seq, reason=r.quarantined)
        by_tenant = await self._route(read)
        gate = asyncio.Semaphore(TENANTS_AT_ONCE)
        writes = [asyncio.ensure_future(self._write(gate, tenant_id, arrived)) for tenant_id, arrived in by_tenant.items()]
        await asyncio.gather(*writes, return_exceptions=True)  # all have ended, also when one failed, before the lane goes on
        broken = [b for write in writes for b in write.result()]
        _acquit(broken, sum(len(arrived) for arrived in by_tenant.values()))
        _note_broken(read, broken)
        for arrived, _ in broken:
            notice(self._rt.meter, "delivery_quarantined", seq=arrived.arrival, position=arrived.item.position)
        return read

    async def _route(self, read: Sequence[Read]) -> dict[int, list[Arrived]]:
        items = [(r, item) for r in read for item in r.items]
        await self._directory.learn(
            {i.phone_number_id for _, i in items if i.phone_number_id},
            {i.waba_id for _, i in items if i.waba_id and not i.phone_number_id},
        )
        by_tenant: dict[int, list[Arrived]] = {}
        for r, item in items:
            by_number = item.phone_number_id is not None
            route = self._directory.number(item.phone_number_id or "") if by_number else self._directory.waba(item.waba_id or "")
            if route is None:
                reason = "unknown_number" if by_number else "unknown_account"
                r.unrouted.append(Unrouted(item.position, reason, item.phone_number_id, item.waba_id))
                self._rt.meter.count("items_unrouted")
                continue
            by_tenant.setdefault(route.tenant_id, []).append(Arrived(item, r.stored.seq, r.stored.received_at, route))
        return by_tenant

    async def _write(self, gate: asyncio.Semaphore, tenant_id: int, arrived: list[Arrived]) -> list[tuple[Arrived, Exception]]:
        """Write one tenant's share, and say which items could not be written even alone."""

        async def write(some: Sequence[Arrived]) -> None:
            wrote = await self._rt.db.transact(tenant_id, partial(events.write, rt=self._rt, arrived=some))
            failpoints.reach("digest.after_commit")
            self._announce(tenant_id, wrote)

        async with gate:
            return await queue.halve(arrived, write)

    def _announce(self, tenant_id: int, wrote: events.Wrote) -> None:
        self._rt.meter.count("events_recorded", wrote.events)
        self._rt.meter.count("statuses_applied", wrote.statuses)
        self._rt.meter.count("duplicate_sends", wrote.duplicates)
        for number_id, n in wrote.heard.items():
            self._rt.bells.came_in(number_id, n)
        for number_id in wrote.changed:
            self._rt.bells.change_number(number_id)
        for number_id in wrote.released:
            self._rt.bells.ring_number(number_id)
        if wrote.due:
            self._rt.bells.due |= {(tenant_id, contact_id) for contact_id in wrote.due}
            self._rt.bells.turn.ring()
        for kind, ids in wrote.notices:
            notice(self._rt.meter, kind, **ids)


def _read(stored: Stored) -> Read:
    try:
        return Read(stored, delivery.parse(stored.body), None, [])
    except WireError as error:
        return Read(stored, [], error.reason, [])


def _acquit(broken: Sequence[tuple[Arrived, Exception]], items: int) -> None:
    """Raise what is not an item's own fault (a missing grant, a schema that is not ours, a whole batch that fails alike): then
    nothing is marked, the lane waits and says so. Only data may be blamed, because what is blamed is not tried again."""
    foreign = [error for _, error in broken if not isinstance(error, DATA_FAULTS)]
    if foreign or (broken and len(broken) == items > 1):
        raise (foreign or [error for _, error in broken])[0]


def _note_broken(read: Sequence[Read], broken: Sequence[tuple[Arrived, Exception]]) -> None:
    by_seq = {r.stored.seq: r for r in read}
    for arrived, error in broken:
        log.error("item_not_written", seq=arrived.arrival, position=arrived.item.position, error=type(error).__name__)
        item = arrived.item
        by_seq[arrived.arrival].unrouted.append(
            Unrouted(item.position, f"broken:{type(error).__name__}", item.phone_number_id, item.waba_id)
        )
