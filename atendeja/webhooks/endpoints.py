"""Webhooks over the API: made, changed, tried out, looked after."""

import datetime as dt
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from atendeja import audit, outside, tenants
from atendeja.db import Tx
from atendeja.endpoint import FIRST, HEADS, LAST, ById, Call, Endpoint, Instant, Listing, Page, not_found, once
from atendeja.errors import Refused
from atendeja.feed import reading
from atendeja.feed.shapes import TYPES, Tried
from atendeja.runtime import Runtime
from atendeja.tenants import Tenant
from atendeja.webhooks import rows, signing
from atendeja.webhooks.rows import DeliveryRow, Row
from atendeja.webhooks.sending import Attempt

T = TypeVar("T")

MOST = 20
"""Webhooks of a business."""
MOST_REPLAYED = 10_000

Type = Literal["message.received", "message.status", "conversation.changed", "contact.consent", "flow.published", "notice"]
Url = Annotated[
    str,
    Meta(min_length=1, max_length=outside.MOST_URL_CHARS, description="https, port 443 or 8443.", examples=["https://erp.example.com/hook"]),
]  # fmt: skip
Types = Annotated[
    list[Type], Meta(max_length=len(TYPES), description="What it is told of; none: everything.", examples=[["message.received"]])
]
Description = Annotated[str, Meta(max_length=200, examples=["ERP da loja"])]
Overlap = Annotated[int, Meta(ge=0, le=7 * 86_400, description="Seconds during which the old secret signs too.", examples=[86_400])]


class Webhook(Struct, frozen=True):
    """A webhook without its secret."""

    id: UUID
    url: str
    description: str
    types: list[str]
    state: Literal["enabled", "disabled"]
    disabled_at: Instant | None
    disabled_why: Annotated[
        Literal["person", "gone", "failing"] | None, Meta(description="By a person; it answered 410; it failed for 5 days.")
    ]
    failing_since: Annotated[Instant | None, Meta(description="It has done nothing but fail since.")]
    old_secret_until: Annotated[Instant | None, Meta(description="Until then the secret of before signs too.")]
    created_at: Instant


class NewWebhook(Struct, frozen=True, forbid_unknown_fields=True):
    url: Url
    types: Types = []
    description: Description = ""


class MadeWebhook(Struct, frozen=True):
    webhook: Webhook
    secret: Annotated[str, Meta(description="Verifies the signatures. It is shown this once.", examples=["whsec_…"])]


class WebhookChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays. One that is enabled again is told what happens from then on."""

    url: Url | UnsetType = UNSET
    types: Types | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    overlap_s: Overlap = 86_400


class WebhookDelivery(Struct, frozen=True):
    """One event on its way to one webhook."""

    id: UUID
    event_id: Annotated[UUID, Meta(description="The `webhook-id` of every try.")]
    type: str
    state: Literal["waiting", "delivered", "dead"]
    tries: int
    due_at: Annotated[Instant | None, Meta(description="When it is tried next.")]
    attempts: Annotated[list[Attempt], Meta(description="The last 20, with the beginning of what was answered.")]
    created_at: Instant


class Deliveries(Listing, frozen=True):
    """Which part of the deliveries."""

    state: Literal["waiting", "delivered", "dead"] | None = None


class Replay(Struct, frozen=True, forbid_unknown_fields=True):
    """One of the two."""

    delivery_id: Annotated[UUID | None, Meta(description="This one, whatever became of it.")] = None
    since: Annotated[Instant | None, Meta(description="All that are dead since then, 10,000 at most.")] = None


class Replayed(Struct, frozen=True):
    deliveries: int


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def show(row: Row, now: dt.datetime) -> Webhook:
    until = row.old_secret_until if row.old_secret_until is not None and now < row.old_secret_until else None
    why: Literal["person", "gone", "failing"] | None = row.disabled_why  # type: ignore[assignment]  # as the table checks
    state: Literal["enabled", "disabled"] = "enabled" if row.disabled_at is None else "disabled"
    return Webhook(
        row.id, row.url, row.description, row.types, state, row.disabled_at, why, row.failing_since, until, row.created_at
    )


def show_delivery(row: DeliveryRow) -> WebhookDelivery:
    tries = msgspec.json.decode(row.attempts, type=list[Attempt])
    return WebhookDelivery(row.id, row.event_id, row.type, row.state, row.tries, row.due_at, tries, row.created_at)


async def list_webhooks(rt: Runtime, call: Call[Listing]) -> Page[Webhook]:
    after = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(rows.EVERYONE, after=after.id if after else FIRST, most=call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda row: ById(row.id))
    return Page([show(row, rt.now()) for row in items], following)


async def show_webhook(rt: Runtime, call: Call[Struct]) -> Webhook:
    async with rt.db.tenant(call.tenant_id) as tx:
        row = await tx.one(rows.ONE, id=call.ids["id"])
    if row is None:
        raise not_found()
    return show(row, rt.now())


async def list_deliveries(rt: Runtime, call: Call[Deliveries]) -> Page[WebhookDelivery]:
    """The newest first."""
    after, state, id_ = call.after(call.body, ById), call.body.state, call.ids["id"]
    place = {"webhook_id": id_, "before": after.id if after else LAST, "most": call.body.limit + 1}
    async with rt.db.tenant(call.tenant_id) as tx:
        if await tx.one(rows.ONE, id=id_) is None:
            raise not_found()
        found = await (tx.all(rows.DELIVERIES, **place) if state is None else tx.all(rows.DELIVERIES_IN, state=state, **place))
    items, following = call.cut(call.body, found, lambda row: ById(row.id))
    return Page([show_delivery(row) for row in items], following)


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_url(rt: Runtime, url: str) -> None:
    """Raises Refused for what can never be called."""
    if (why := outside.problem(url, rt.config.outside_trusted)) is not None:
        raise Refused("webhook_refused", f"this url cannot be a webhook's: {why}")


async def _tenant(rt: Runtime, call: Call[T]) -> Tenant:
    async with rt.db.session() as session:
        (tenant,) = await session.all(tenants.BY_IDS, ids=[call.tenant_id])
    return tenant


async def make_webhook(rt: Runtime, call: Call[NewWebhook]) -> MadeWebhook:
    """A new webhook, told what happens from 5 s on. Raises Refused for an address that cannot be one, and for one too many."""
    new, now, webhook_id, secret = call.body, rt.now(), rt.new_id(), rt.secret()
    check_url(rt, new.url)
    sealed = rows.seal(await _tenant(rt, call), rt, webhook_id, secret)

    async def work(tx: Tx) -> MadeWebhook:
        head = await rows.begin(tx, now)
        counts = await tx.one(rows.COUNT)
        if counts is not None and counts.webhooks >= MOST:
            raise Refused("too_many_webhooks", f"a business has {MOST} webhooks at most")
        await tx.run(
            rows.ADD, id=webhook_id, url=new.url, description=new.description, types=sorted(set(new.types)), secret=sealed,
            place=head.last, now=now,
        )  # fmt: skip
        await rows.settle(tx, rt)
        made = await _get(tx, webhook_id)
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "webhook_made", webhook_id, after=_tell(made))
        return MadeWebhook(show(made, now), signing.show_secret(secret))

    return await once(rt, call, work)


async def change_webhook(rt: Runtime, call: Call[WebhookChange]) -> Webhook:
    """Change what is given. Raises Refused for an address that cannot be one, Problem for a stale tag."""
    now, change = rt.now(), call.body
    if change.url is not UNSET:
        check_url(rt, change.url)

    async def work(tx: Tx) -> Webhook:
        head = await rows.begin(tx, now)
        row = await _get(tx, call.ids["id"])
        call.check_tag(show(row, now))
        changed = _changed(row, change, head.last, now)
        if changed != row:
            await rows.change(tx, changed)
            await rows.settle(tx, rt)
            told = _tell(row), _tell(changed)
            await audit.add(tx, rt.new_id(), now, audit.actor(call), "webhook_changed", row.id, before=told[0], after=told[1])
        return show(changed, now)

    return await rt.db.transact(call.tenant_id, work)


def _changed(row: Row, change: WebhookChange, last: int, now: dt.datetime) -> Row:
    """The webhook as it is to be. One that is enabled begins at the end of the feed, and with a clean record."""
    changed = replace(
        row,
        url=row.url if change.url is UNSET else change.url,
        types=row.types if change.types is UNSET else sorted(set(change.types)),
        description=row.description if change.description is UNSET else change.description,
    )
    if change.enabled is True and row.disabled_at is not None:
        return replace(changed, disabled_at=None, disabled_why=None, failing_since=None, place=last)
    if change.enabled is False and row.disabled_at is None:
        return replace(changed, disabled_at=now, disabled_why="person")
    return changed


async def drop_webhook(rt: Runtime, call: Call[Struct]) -> None:
    """Forget a webhook and its deliveries."""
    now = rt.now()

    async def work(tx: Tx) -> None:
        await reading.number(tx)  # the feed's head is locked before a webhook
        row = await _get(tx, call.ids["id"])
        await tx.run(rows.DROP, id=row.id)
        await rows.settle(tx, rt)
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "webhook_dropped", row.id, before=_tell(row))

    await rt.db.transact(call.tenant_id, work)


async def rotate_secret(rt: Runtime, call: Call[Rotation]) -> MadeWebhook:
    """Another secret; the one of before signs too for a while."""
    now, secret, id_ = rt.now(), rt.secret(), call.ids["id"]
    sealed, overlap = rows.seal(await _tenant(rt, call), rt, id_, secret), dt.timedelta(seconds=call.body.overlap_s)

    async def work(tx: Tx) -> MadeWebhook:
        row = await _get(tx, id_)
        old = (row.secret, now + overlap) if overlap else (None, None)
        await tx.run(rows.ROTATE, id=id_, secret=sealed, old_secret=old[0], old_secret_until=old[1])
        after = {"old_secret_until": old[1]}
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "webhook_secret_rotated", id_, after=after)
        return MadeWebhook(show(await _get(tx, id_), now), signing.show_secret(secret))

    return await once(rt, call, work)


async def test_webhook(rt: Runtime, call: Call[Struct]) -> WebhookDelivery:
    """Have it told a `webhook.test`. Raises Refused for one that is disabled."""
    delivery_id, event_id = rt.new_id(), rt.new_id()

    async def work(tx: Tx) -> WebhookDelivery:
        row = await _get_enabled(tx, call.ids["id"])
        data = Raw(msgspec.json.encode(Tried(row.id)))
        await tx.run(
            rows.ADD_TEST, webhook_id=row.id, id=delivery_id, event_id=event_id, type=TYPES[Tried], data=data, now=rt.now()
        )
        tx.after_commit(rt.feed.wake)
        found = await tx.one(rows.DELIVERY, webhook_id=row.id, id=delivery_id)
        assert found is not None
        return show_delivery(found)

    return await once(rt, call, work)


async def replay(rt: Runtime, call: Call[Replay]) -> Replayed:
    """Have one, or all that are dead since a time, told again from the beginning of their tries."""
    given, now = call.body, rt.now()
    if (given.delivery_id is None) == (given.since is None):
        raise Refused("replay_what", "give either delivery_id or since")

    async def work(tx: Tx) -> Replayed:
        row = await _get_enabled(tx, call.ids["id"])
        if given.delivery_id is not None:
            n = await tx.run(rows.REPLAY, webhook_id=row.id, id=given.delivery_id, now=now)
            if not n:
                raise not_found()
        else:
            since = max(given.since or now, rt.now() - dt.timedelta(days=30))
            n = await tx.run(rows.REPLAY_DEAD, webhook_id=row.id, since=rows.first_id(since), now=now, most=MOST_REPLAYED)
        tx.after_commit(rt.feed.wake)
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "webhook_replayed", row.id, after={"deliveries": n})
        return Replayed(n)

    return await once(rt, call, work)


async def _get(tx: Tx, webhook_id: UUID) -> Row:
    """The webhook, locked."""
    row = await tx.one(rows.LOCK, id=webhook_id)
    if row is None:
        raise not_found()
    return row


async def _get_enabled(tx: Tx, webhook_id: UUID) -> Row:
    row = await _get(tx, webhook_id)
    if row.disabled_at is not None:
        raise Refused("webhook_disabled", "this webhook is disabled", hint="enable it first")
    return row


def _tell(row: Row) -> dict[str, object]:
    """For the audit log: an address may hold a secret in its query."""
    return {"url": row.url.partition("?")[0], "types": row.types, "enabled": row.disabled_at is None}


_READ, _WRITE = "webhooks:read", "webhooks:write"

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/webhooks", "list_webhooks", list_webhooks, who=HEADS, scope=_READ, takes=Listing, gives=Page[Webhook],
             says="Who is told what happens."),
    Endpoint("POST", "/v1/webhooks", "make_webhook", make_webhook, who=HEADS, scope=_WRITE, takes=NewWebhook, gives=MadeWebhook,
             status=201, once=True, refuses={"webhook_refused": 422, "too_many_webhooks": 409},
             says="Have an address told what happens from 5 s on, signed as Standard Webhooks say. Its secret is shown this once."),
    Endpoint("GET", "/v1/webhooks/{id}", "show_webhook", show_webhook, who=HEADS, scope=_READ, gives=Webhook, is_tagged=True,
             says="One of those who are told."),
    Endpoint("PATCH", "/v1/webhooks/{id}", "change_webhook", change_webhook, who=HEADS, scope=_WRITE, takes=WebhookChange,
             gives=Webhook, is_tagged=True, refuses={"webhook_refused": 422}, says="Change it, disable it or enable it again."),
    Endpoint("DELETE", "/v1/webhooks/{id}", "drop_webhook", drop_webhook, who=HEADS, scope=_WRITE,
             says="Forget it, and what was to be told."),
    Endpoint("POST", "/v1/webhooks/{id}/secret", "rotate_webhook_secret", rotate_secret, who=HEADS, scope=_WRITE, takes=Rotation,
             gives=MadeWebhook, once=True, says="Another secret, shown this once; the old one signs beside it for a while."),
    Endpoint("POST", "/v1/webhooks/{id}/test", "test_webhook", test_webhook, who=HEADS, scope=_WRITE, gives=WebhookDelivery,
             status=201, once=True, refuses={"webhook_disabled": 409},
             says="Have it told a `webhook.test`; the delivery shows how it went."),
    Endpoint("GET", "/v1/webhooks/{id}/deliveries", "list_webhook_deliveries", list_deliveries, who=HEADS, scope=_READ,
             takes=Deliveries, gives=Page[WebhookDelivery], says="What it was told in 7 days, the newest first, with attempts."),
    Endpoint("POST", "/v1/webhooks/{id}/replay", "replay_webhook", replay, who=HEADS, scope=_WRITE, takes=Replay, gives=Replayed,
             once=True, refuses={"webhook_disabled": 409, "replay_what": 422},
             says="Tell it again: one delivery, or all that are dead since a time."),
]  # fmt: skip
