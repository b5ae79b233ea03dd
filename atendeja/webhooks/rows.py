"""Webhooks and their deliveries as they lie in the database, and when what failed is tried again."""

import datetime as dt
from typing import Literal
from uuid import UUID

from msgspec import Raw, Struct

from atendeja import tenants, vault
from atendeja.db import Nothing, Tx, query
from atendeja.feed import reading
from atendeja.feed.reading import Head
from atendeja.ids import uuid7
from atendeja.runtime import Runtime
from atendeja.tenants import Tenant

DELAYS_S = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failure until the next try, with up to a tenth more by chance: three days in all, and then it is dead."""
FAILS_FOR = dt.timedelta(days=5)
"""A webhook that has done nothing but fail for so long is disabled."""
LISTENS_FOR = dt.timedelta(hours=1)


class Row(Struct, frozen=True):
    id: UUID
    url: str
    description: str
    types: list[str]
    secret: bytes
    old_secret: bytes | None
    old_secret_until: dt.datetime | None
    place: int
    failing_since: dt.datetime | None
    disabled_at: dt.datetime | None
    disabled_why: str | None
    created_at: dt.datetime


class Counts(Struct, frozen=True):
    webhooks: int
    enabled: int


class DeliveryRow(Struct, frozen=True):
    id: UUID
    event_id: UUID
    type: str
    state: Literal["waiting", "delivered", "dead"]
    tries: int
    due_at: dt.datetime | None
    attempts: bytes
    created_at: dt.datetime


class Claimed(Struct, frozen=True):
    """A delivery to be posted now. `data` is None when it is no longer in the feed."""

    id: UUID
    event_id: UUID
    type: str
    tries: int
    at: dt.datetime
    data: bytes | None


class Waiting(Struct):
    n: int


class Due(Struct, frozen=True):
    tenant_id: int
    webhook_id: UUID


class Done(Struct, frozen=True):
    """What came of a try, as it is written."""

    id: UUID
    state: str
    due_at: dt.datetime | None
    attempt: Raw


ADD = query("webhooks.add", Nothing)
EVERYONE = query("webhooks.everyone", Row)
ONE = query("webhooks.one", Row)
LOCK = query("webhooks.lock", Row)
COUNT = query("webhooks.count", Counts)
CHANGE = query("webhooks.change", Nothing)
ROTATE = query("webhooks.rotate", Nothing)
DROP = query("webhooks.drop", Nothing)
DUE = query("webhooks.due", Due)
WAITING = query("webhooks.waiting", Waiting)
TAKE = query("webhooks.take", Waiting)
CLAIM = query("webhooks.claim", Claimed)
RECORD = query("webhooks.record", Nothing)
HEALTH = query("webhooks.health", Nothing)
ADD_TEST = query("webhooks.add_test", Nothing)
DELIVERY = query("webhooks.delivery", DeliveryRow)
DELIVERIES = query("webhooks.deliveries", DeliveryRow)
DELIVERIES_IN = query("webhooks.deliveries_in", DeliveryRow)
REPLAY = query("webhooks.replay", Nothing)
REPLAY_DEAD = query("webhooks.replay_dead", Nothing)
FORGET = query("webhooks.forget", Nothing)


def next_try(tries: int, now: dt.datetime, luck: float) -> dt.datetime | None:
    """When to try again after so many tries, all failed; None when it is over. `luck` is from 0 to 1."""
    if tries > len(DELAYS_S):
        return None
    return now + dt.timedelta(seconds=DELAYS_S[tries - 1] * (1 + luck / 10))


async def change(tx: Tx, row: Row) -> None:
    """Write what may be changed of it. The feed's head and the webhook are locked by the caller, in this order."""
    await tx.run(
        CHANGE, id=row.id, url=row.url, description=row.description, types=row.types, place=row.place,
        failing_since=row.failing_since, disabled_at=row.disabled_at, disabled_why=row.disabled_why,
    )  # fmt: skip


async def begin(tx: Tx, now: dt.datetime) -> Head:
    """Where a webhook begins that is enabled now. Locks the feed's head."""
    await reading.listen(tx, now, now + LISTENS_FOR)
    head = await reading.number(tx)
    assert head is not None
    return head


async def settle(tx: Tx, rt: Runtime) -> None:
    """Webhooks have been enabled or disabled: what happens is kept as long as there is one. The feed's head is locked."""
    counts = await tx.one(COUNT)
    await reading.hold(tx, held=counts is not None and counts.enabled > 0)
    tx.after_commit(rt.feed.say_audience)


def secret_place(tenant_id: int, webhook_id: UUID) -> bytes:
    return vault.place(tenant_id, "webhook", "secret", webhook_id)


def seal(tenant: Tenant, rt: Runtime, webhook_id: UUID, secret: bytes) -> bytes:
    key = tenants.data_key(tenant, rt.config.secret_keys)
    return vault.seal(key, secret, secret_place(tenant.id, webhook_id), rt.nonce())


def secrets(tenant: Tenant, keys: list[bytes], row: Row, now: dt.datetime) -> list[bytes]:
    """With what to sign: while a secret is being changed, with the one of before too."""
    old_holds = row.old_secret is not None and row.old_secret_until is not None and now < row.old_secret_until
    sealed = [row.secret, *([row.old_secret] if row.old_secret is not None and old_holds else [])]
    key, where = tenants.data_key(tenant, keys), secret_place(tenant.id, row.id)
    return [vault.unseal([key], secret, where) for secret in sealed]


def first_id(at: dt.datetime) -> UUID:
    """No id that was made at this time or later is lower."""
    return uuid7(int(at.timestamp() * 1000), 0)
