"""Telling webhooks what happened: the deliveries that are due are claimed, posted, and what came of them is written.

A claim is a date: who took a delivery has it for 30 s, and whoever comes after may take it again, so that a death loses nothing
and repeats the delivery under the same id. Each webhook is served by itself and each business has a bound, so that none waits for
another; those that fail share places of their own and have one POST each on the wire. While a webhook fails, no more than so many
deliveries are made for it: the rest stays in the feed. A business that is suspended tells nothing until it goes on.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import msgspec
import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace

from atendeja import outside, queue, tenants
from atendeja.db import Tx, records
from atendeja.endpoint import Instant
from atendeja.errors import Refused, Unavailable
from atendeja.feed import reading
from atendeja.feed.reading import Entry
from atendeja.feed.shapes import Noticed
from atendeja.notify import notice
from atendeja.outside import Answer
from atendeja.runtime import Runtime
from atendeja.tenants import Tenant
from atendeja.webhooks import rows, signing
from atendeja.webhooks.rows import Claimed, Done, Due, Row

log = structlog.get_logger(__name__)

CLAIMED_FOR = dt.timedelta(seconds=30)
AT_ONCE, AT_ONCE_FAILING = 8, 1
"""POSTs of one webhook on the wire."""
PLACES, FAILING_PLACES, OF_A_TENANT = 192, 64, 16
"""POSTs of this process on the wire: of all, of those that fail, of one business."""
MOST_WAITING = 1000
"""Deliveries that a webhook which fails may have; what comes later waits in the feed."""
PAGE = 100
"""Of the feed, looked at in one transaction."""
LOOK_EVERY_S = 0.1
GONE = 410


class Attempt(Struct, frozen=True):
    """One try, as it is kept and shown."""

    at: Instant
    status: int | None
    error: str | None
    ms: int
    answer: str | None


class Batch(Struct, frozen=True):
    """What is to be posted to a webhook now."""

    row: Row
    claimed: Sequence[Claimed]
    until: dt.datetime
    """When others may take them."""
    more: bool
    """There is more in the feed to be looked at, perhaps nothing that it wants."""


class Courier:
    """The resident loop's work: finds webhooks that have something to be told, and serves each in a task of its own."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._serving: dict[UUID, asyncio.Task[None]] = {}
        self._places, self._failing_places = asyncio.Semaphore(PLACES), asyncio.Semaphore(FAILING_PLACES)
        self._of_tenant: dict[int, asyncio.Semaphore] = {}
        self._looked_at = float("-inf")

    async def work(self) -> bool:
        """One look. Never says that there is more: who is served goes on by himself."""
        rt = self._rt
        if (early_s := self._looked_at + LOOK_EVERY_S - rt.monotonic()) > 0:
            await queue.pause(rt.stopping, early_s)
        self._looked_at = rt.monotonic()
        async with rt.db.session() as session:
            due = await session.all(rows.DUE, at=rt.now())
        for webhook in due:
            if webhook.webhook_id not in self._serving and not rt.stopping.is_set():
                self._begin(webhook)
        return False

    def _begin(self, webhook: Due) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(webhook), name="webhook")
        self._serving[webhook.webhook_id] = task
        task.add_done_callback(lambda _: self._serving.pop(webhook.webhook_id, None))

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Whom it serves now."""
        return list(self._serving.values())

    async def drain(self) -> None:
        """After the order to stop: until what is on the wire is written."""
        while self._serving:
            await asyncio.wait(self.tasks)

    async def _serve(self, webhook: Due) -> None:
        """Until nothing of it is due. Whatever fails is found again by the next look."""
        error = await queue.outcome(self._serve_all(webhook))
        if error is not None and not isinstance(error, Unavailable):
            log.error("webhook_not_served", webhook_id=str(webhook.webhook_id), exc_info=error)
            await queue.pause(self._rt.stopping, queue.SWEEP_S)

    async def _serve_all(self, webhook: Due) -> None:
        async with self._rt.db.session() as session:
            (tenant,) = await session.all(tenants.BY_IDS, ids=[webhook.tenant_id])
        while not self._rt.stopping.is_set():
            batch = await self._rt.db.transact(tenant.id, lambda tx: self._claim(tx, webhook.webhook_id))
            if batch is None or not (batch.claimed or batch.more):
                return
            answers = await self._post_all(tenant, batch)
            ended = [(c, answer) for c, answer in zip(batch.claimed, answers, strict=True) if answer is not None]
            if ended:
                await self._record(tenant, batch.row, ended)

    async def _claim(self, tx: Tx, webhook_id: UUID) -> Batch | None:
        """What is new becomes deliveries, and some that are due are ours for a while. None for one that is to be told nothing."""
        now = self._rt.now()
        await reading.number(tx)
        row = await tx.one(rows.LOCK, id=webhook_id)
        if row is None or row.disabled_at is not None:
            return None
        most = AT_ONCE if row.failing_since is None else AT_ONCE_FAILING
        room = PAGE
        if row.failing_since is not None:
            waiting = await tx.one(rows.WAITING, webhook_id=webhook_id, most=MOST_WAITING)
            room = max(0, MOST_WAITING - (waiting.n if waiting else 0))
        ids = [self._rt.new_id() for _ in range(min(room, PAGE))]
        seen = 0
        if ids:
            looked = await tx.one(
                rows.TAKE, webhook_id=webhook_id, place=row.place, types=row.types, most=len(ids), ids=ids, now=now
            )
            seen = looked.n if looked is not None else 0
        until = now + CLAIMED_FOR
        claimed = await tx.all(rows.CLAIM, webhook_id=webhook_id, now=now, until=until, most=most)
        return Batch(row, sorted(claimed, key=lambda c: c.id), until, more=seen == PAGE)

    # ── the wire ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _post_all(self, tenant: Tenant, batch: Batch) -> Sequence[Answer | None]:
        try:
            secrets = rows.secrets(tenant, self._rt.config.secret_keys, batch.row, self._rt.now())
        except Refused as error:  # another SECRET_KEY: nothing can be signed until it is back
            log.warning("webhook_secret_sealed", webhook_id=str(batch.row.id), error=str(error))
            return [Answer(None, "its secret cannot be opened", b"", 0.0)] * len(batch.claimed)
        return await asyncio.gather(*(self._post(tenant.id, batch, secrets, claimed) for claimed in batch.claimed))

    async def _post(self, tenant_id: int, batch: Batch, secrets: Sequence[bytes], claimed: Claimed) -> Answer | None:
        """What came of it; None when its turn came so late that others may have taken it."""
        if claimed.data is None:
            return Answer(None, "it is no longer kept", b"", 0.0)
        body = reading.show(Entry(0, claimed.event_id, claimed.type, claimed.at, claimed.data))
        places = self._places if batch.row.failing_since is None else self._failing_places
        async with self._of_tenant.setdefault(tenant_id, asyncio.Semaphore(OF_A_TENANT)), places:
            now = self._rt.now()
            if now + dt.timedelta(seconds=outside.TOTAL_S) > batch.until:
                return None
            answer = await self._rt.outside.post(
                batch.row.url, body, signing.head(secrets, claimed.event_id, now, body), asker=tenant_id
            )
        self._rt.meter.count("webhook_posts", label="delivered" if _is_good(answer) else "failed")
        return answer

    # ── what came of it ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _record(self, tenant: Tenant, row: Row, ended: Sequence[tuple[Claimed, Answer]]) -> None:
        now, rt = self._rt.now(), self._rt
        done = [self._done(claimed, answer, now) for claimed, answer in ended]
        why = _why_disabled(row, [answer for _, answer in ended], now)

        async def work(tx: Tx) -> bool:
            if why is not None:
                await reading.number(tx)  # the feed's head is locked before a webhook
            current = await tx.one(rows.LOCK, id=row.id)
            if current is None:
                return False
            await tx.run(rows.RECORD, webhook_id=row.id, done=records(done))
            failing_since = None if any(_is_good(answer) for _, answer in ended) else current.failing_since or now
            if failing_since != current.failing_since:
                await tx.run(rows.HEALTH, id=row.id, failing_since=failing_since)
            if why is None or current.disabled_at is not None or current.url != row.url:
                return False
            await rows.change(tx, replace(current, failing_since=failing_since, disabled_at=now, disabled_why=why))
            await rows.settle(tx, rt)
            await rt.feed.tell(tx, [Noticed("webhook_disabled", str(row.id), why)])
            return True

        if await rt.db.transact(tenant.id, work):
            notice(rt.meter, "webhook_disabled", tenant_id=tenant.id, webhook_id=str(row.id), why=why)
        for claimed, answer in ended:
            log.info(
                "webhook_posted", tenant_id=tenant.id, webhook_id=str(row.id), delivery_id=str(claimed.id), status=answer.status,
                error=answer.error, tries=claimed.tries + 1, ms=round(answer.seconds * 1000),
            )  # fmt: skip

    def _done(self, claimed: Claimed, answer: Answer, now: dt.datetime) -> Done:
        good = _is_good(answer)
        again = None if good or claimed.data is None else rows.next_try(claimed.tries + 1, now, self._rt.dice.random())
        shown = None if good else _readable(answer.body)
        attempt = Attempt(now, answer.status, answer.error, round(answer.seconds * 1000), shown)
        state = "delivered" if good else "dead" if again is None else "waiting"
        return Done(claimed.id, state, again, Raw(msgspec.json.encode(attempt)))


def _is_good(answer: Answer) -> bool:
    return answer.status is not None and 200 <= answer.status < 300


def _why_disabled(row: Row, answers: Sequence[Answer], now: dt.datetime) -> str | None:
    """Whether, after these, it is to be told no more: it says that it is gone, or has failed for days."""
    if any(answer.status == GONE for answer in answers):
        return "gone"
    good = any(_is_good(answer) for answer in answers)
    failed_long = row.failing_since is not None and row.failing_since <= now - rows.FAILS_FOR
    return "failing" if failed_long and not good else None


def _readable(body: bytes) -> str | None:
    """The beginning of an answer as a text that can be kept."""
    text = body[: outside.SHOWN_BYTES].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text or None


async def forget(rt: Runtime, kept: dt.timedelta, most: int = 5000) -> None:
    """Forget the deliveries of before, of every tenant."""
    before = rt.now() - kept
    async with rt.db.session() as session:
        everyone = await session.all(tenants.EVERYONE)

    async def of_tenant(tenant_id: int) -> None:
        async with rt.db.tenant(tenant_id) as tx:
            found = await tx.all(rows.EVERYONE, after=UUID(int=0), most=1000)
        for row in found:

            async def work(tx: Tx, row: Row = row) -> int:
                return await tx.run(rows.FORGET, webhook_id=row.id, before=rows.first_id(before), most=most)

            while await rt.db.transact(tenant_id, work) == most:
                pass

    with suppress(Unavailable):
        await queue.each([tenant.id for tenant in everyone], of_tenant)
