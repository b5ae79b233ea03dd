"""Live events: the feed, told to clients as things happen; and how long it is kept, of every tenant."""

import datetime as dt
from typing import Annotated

from msgspec import Meta, Struct

from atendeja import queue, tenants
from atendeja.db import Tx
from atendeja.endpoint import MEMBERS, Call, Endpoint, Problem
from atendeja.errors import Refused
from atendeja.feed import Full, Stream, reading, shapes
from atendeja.runtime import Runtime

KEPT = dt.timedelta(days=7)
CHUNK = 5000
RETRY_AFTER_S = 30
MOST_DIGITS = 18


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """What a stream is to tell."""

    types: Annotated[
        str, Meta(max_length=500, description="Only these, separated by commas.", examples=["message.received,message.status"])
    ] = ""


def read_types(text: str) -> frozenset[str]:
    """The names in it; none at all stand for all. Raises Refused."""
    types = frozenset(text.split(",")) if text else frozenset[str]()
    if strange := sorted(types - set(shapes.NAMES)):
        raise Refused("unknown_type", f"there is no type {', '.join(map(repr, strange))}; there are {', '.join(shapes.NAMES)}")
    return types


def read_place(text: str | None) -> int | None:
    """Where a client was; None for one that begins. What nobody was given is no place that exists."""
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else -1


async def stream_events(rt: Runtime, call: Call[Wanted]) -> Stream:
    """What happens from now on, or since the event that the client had last. Raises Refused, Problem 429 or 503."""
    types = read_types(call.body.types)
    try:
        return await rt.feed.hub.open(call.tenant_id, read_place(call.last_event_id), types)
    except Full as full:
        wait = {"Retry-After": str(RETRY_AFTER_S)}
        if full.everywhere:
            raise Problem(503, "unavailable", "there are too many streams on this server", headers=wait) from full
        raise Problem(429, "too_many_streams", "this business has too many streams already", headers=wait) from full


async def drop_old(rt: Runtime) -> None:
    """Forget what happened more than 7 days ago, of every tenant."""
    before = rt.now() - KEPT
    async with rt.db.session() as session:
        everyone = await session.all(tenants.EVERYONE)

    async def drop(tenant_id: int) -> None:
        async def work(tx: Tx) -> int:
            return await reading.drop(tx, before, CHUNK)

        while await rt.db.transact(tenant_id, work) >= CHUNK:
            pass

    await queue.each([tenant.id for tenant in everyone], drop)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/events", "stream_events", stream_events, who=MEMBERS,
             scope="events:read", takes=Wanted, tells=shapes.KINDS, refuses={"unknown_type": 422, "too_many_streams": 429},
             says="What happens, as it happens: server-sent events. With `Last-Event-ID` nothing of the last 7 days is missed, "
                  "as long as somebody listened in each hour of them or a webhook is enabled; else the stream begins with an event "
                  "`reset` instead of `open`. What happens is kept from 5 s after the first listener came."),
]  # fmt: skip
