"""The reconciler: messages that a death or a lost answer left without an end.

`sending` whose sender's lease has ended becomes `in_doubt`; what is in doubt for T is resolved (`protocol.resolve`): a service
reply is sent again, all else becomes `unknown`, and a late status still lifts it. T runs only while our intake is healthy:
after an outage Meta's repeats are still on their way, and to resolve then would be to send again what has arrived. Statuses
that came before their message was known are joined here too.
"""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable, Coroutine
from uuid import UUID

import structlog
from msgspec import Struct
from msgspec.structs import asdict

from atendeja import ledger, outbound, queue
from atendeja.db import Nothing, Tx, query
from atendeja.errors import Unavailable
from atendeja.notify import notice
from atendeja.outbound import Heeded, protocol
from atendeja.outbound.protocol import Doubt, End
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

Work = Callable[[], Coroutine[object, object, None]]

EVERY_S = 5.0
MOST = 500
MISSED_S = 3 * EVERY_S
JOIN_EVERY_S = 30.0
"""Statuses without our callback data that came before their message was known are few; asking for them reads all that are kept."""
BEHIND_S = 5.0
"""A delivery that waits longer than this to be digested means that our intake is not healthy."""


class Unsettled(Struct, frozen=True):
    tenant_id: int
    message_id: UUID


class Backlog(Struct):
    deliveries: int
    oldest: dt.datetime | None
    doors: int
    """Processes that take webhooks."""


UNSETTLED = query("ledger.unsettled", Unsettled)
DOUBT = query("ledger.doubt", Nothing)
DOUBTS = query("ledger.doubts", Doubt)
RESOLVE = query("ledger.resolve", Nothing)
BACKLOG = query("inbound.backlog", Backlog)


class Reconciler:
    """Runs every 5 s in each worker process; two at once do no harm."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._healthy_since = rt.now()
        self._missed, self._looked_at = False, asyncio.get_running_loop().time()
        self._joined_at = float("-inf")

    async def work(self) -> None:
        """One look; what is left waits for the next. A look that was missed, because the database was away or we stood still, means
        that nobody can say how the intake was meanwhile."""
        instant = asyncio.get_running_loop().time()
        if self._missed or instant - self._looked_at > MISSED_S:
            self._healthy_since = self._rt.now()
        self._missed, self._looked_at = False, instant
        try:
            await self._look()
        except Unavailable:
            self._missed = True  # what fails for one tenant is another matter: the others' time runs on
            raise

    async def _look(self) -> None:
        now = self._rt.now()
        async with self._rt.db.session() as session:
            backlog = await session.one(BACKLOG)
            self._check_health(backlog, now)
            unsettled = await session.all(UNSETTLED, doubt_before=self._doubt_before(now), most=MOST)
        by_tenant: dict[int, list[UUID]] = {}
        for row in unsettled:
            by_tenant.setdefault(row.tenant_id, []).append(row.message_id)

        async def settle(tenant_id: int) -> None:
            await self._settle(tenant_id, sorted(by_tenant[tenant_id]), now)

        works: list[Work] = [lambda: queue.each(by_tenant, settle), self._join_orphans]
        await queue.each(works, lambda work: work())

    async def _join_orphans(self) -> None:
        if self._looked_at - self._joined_at < JOIN_EVERY_S:
            return
        self._joined_at = self._looked_at
        async with self._rt.db.session() as session:
            orphans = await ledger.find_known_orphans(session)
        await queue.each(orphans.items(), lambda found: self._join(*found, self._rt.now()))

    def _check_health(self, backlog: Backlog | None, now: dt.datetime) -> None:
        assert backlog is not None  # an aggregate always has a row
        behind = backlog.oldest is not None and now - backlog.oldest > dt.timedelta(seconds=BEHIND_S)
        if behind or not backlog.doors:
            self._healthy_since = now

    def _doubt_before(self, now: dt.datetime) -> dt.datetime:
        """Doubts older than this may be resolved: T ago, and never while T has not run whole in good health."""
        limit = dt.timedelta(seconds=self._rt.config.in_doubt_s)
        return now - limit if now - self._healthy_since >= limit else dt.datetime.min.replace(tzinfo=dt.UTC)

    async def _settle(self, tenant_id: int, ids: list[UUID], now: dt.datetime) -> None:
        before = self._doubt_before(now)

        async def work(tx: Tx) -> tuple[int, dict[Doubt, End]]:
            await tx.all(ledger.LOCK_MESSAGES, ids=ids)  # the facts in a later statement: a status may have come while we waited
            doubts = await tx.all(DOUBTS, ids=ids)
            ends = {d: end for d in doubts if (end := protocol.resolve(d, before, now)) is not None}
            if ends:
                await _write(tx, ends, now)
                if self._rt.feed.wants(tenant_id):
                    await self._rt.feed.tell(tx, (), [d.id for d in ends])
            return await tx.run(DOUBT, ids=ids, now=now), ends

        doubted, ends = await self._rt.db.transact(tenant_id, work)
        self._announce(tenant_id, doubted, ends)

    def _announce(self, tenant_id: int, doubted: int, ends: dict[Doubt, End]) -> None:
        found = Counter(ends.values())
        self._rt.meter.count("messages_doubted", doubted)
        self._rt.meter.count("messages_unknown", found["unknown"])
        self._rt.meter.count("messages_again", found["queued"])
        self._rt.meter.count("messages_withdrawn", found["newer_message"], label="newer_message")
        for number_id in {d.number_id for d, end in ends.items() if end == "queued"}:
            self._rt.bells.ring_number(number_id)
        if doubted or ends:
            log.warning("messages_unsettled", tenant_id=tenant_id, in_doubt=doubted, ends=dict(found))

    async def _join(self, tenant_id: int, keys: list[tuple[UUID, str]], now: dt.datetime) -> None:
        async def work(tx: Tx) -> tuple[int, Heeded]:
            applied = await ledger.join_orphans(tx, keys, now)
            if applied.moved and self._rt.feed.wants(tenant_id):
                await self._rt.feed.tell(tx, (), applied.moved)
            return applied.messages, await outbound.heed(tx, applied.failed, now, self._rt.new_id)

        joined, heeded = await self._rt.db.transact(tenant_id, work)
        for number_id in heeded.released:
            self._rt.bells.ring_number(number_id)
        for number_id in heeded.changed:
            self._rt.bells.change_number(number_id)
        for stop in heeded.stopped:
            notice(self._rt.meter, "template_stopped", tenant_id=tenant_id, **asdict(stop))
        log.info("statuses_joined", tenant_id=tenant_id, messages=joined)


async def _write(tx: Tx, ends: dict[Doubt, End], now: dt.datetime) -> None:
    reasons = [None if end in ("unknown", "queued") else end for end in ends.values()]
    states = ["withdrawn" if reason else end for end, reason in zip(ends.values(), reasons, strict=True)]
    await tx.run(RESOLVE, ids=[d.id for d in ends], states=states, reasons=reasons, now=now)
