"""Deliveries as operators see them: what came, what could not be read, what is nobody's, and having it read again.

A delivery mixes businesses, so it is the operator's; who looks into one is written down, for people's words are in it. To read one
again changes nothing that was read before: an event's key is there once.
"""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import asdict

from atendeja import audit
from atendeja.db import Nothing, Session, Tx, query
from atendeja.endpoint import OPERATORS, Call, Endpoint, Instant, Listing, Page, not_found
from atendeja.errors import Refused
from atendeja.inbound.digest import Unrouted
from atendeja.numbers import Directory
from atendeja.runtime import Runtime

PLACE = r"\d{4}-\d{2}-\d{2}-\d{1,18}"
EVER = dt.datetime(1970, 1, 2, tzinfo=dt.UTC), dt.datetime(9000, 1, 1, tzinfo=dt.UTC)
"""From when to when anything may have come."""
MOST_AT_ONCE = 500

State = Literal["stored", "digested", "quarantined"]


class Place(Struct, frozen=True):
    """Of a delivery: its key."""

    day: dt.date
    seq: int

    def __str__(self) -> str:
        return f"{self.day.isoformat()}-{self.seq}"


END = Place(dt.date.max, 2**63 - 1)


class Row(Struct, frozen=True):
    day: dt.date
    seq: int
    received_at: dt.datetime
    state: State
    reason: str | None
    digested_at: dt.datetime | None
    size: int
    unrouted: bytes | None


class Body(Struct, frozen=True):
    body: bytes


class Again(Struct, frozen=True):
    seq: int


class Nobodys(Struct, frozen=True):
    """Part of a delivery that became nothing."""

    position: Annotated[int, Meta(description="Which in the delivery, from 0.")]
    reason: Annotated[
        str, Meta(description="`unknown_number`, `unknown_account`, or `broken:` and why.", examples=["unknown_number"])
    ]
    phone_number_id: Annotated[str | None, Meta(description="Meta's.", examples=["100200300"])]
    waba_id: Annotated[str | None, Meta(description="Meta's.", examples=["100200300"])]
    hint: Annotated[str, Meta(description="What to do.")]


class Delivery(Struct, frozen=True):
    """A webhook as it came. `stored`: it waits to be read; `quarantined`: it could not be."""

    place: Annotated[str, Meta(description="What it is named by: its day and number.", examples=["2026-03-04-4711"])]
    received_at: Instant
    state: State
    reason: Annotated[str | None, Meta(description="Why it could not be read.")]
    digested_at: Instant | None
    size: Annotated[int, Meta(description="Of the body, in bytes.")]
    unrouted: list[Nobodys]


class WholeDelivery(Struct, frozen=True):
    delivery: Delivery
    body: Annotated[
        str, Meta(description="As it came; what is no UTF-8 is written as \\xNN.", examples=['{"object":"…","entry":[]}'])
    ]


class DeliveryListing(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    state: (
        Annotated[
            Literal["stored", "digested", "quarantined", "unrouted"],
            Meta(description="`unrouted`: read, and something in it is nobody's."),
        ]
        | None
    ) = None
    since: Annotated[Instant | None, Meta(description="Received then or later.")] = None


class NumberRetry(Struct, frozen=True, forbid_unknown_fields=True):
    phone_number_id: Annotated[
        str, Meta(pattern=r"^\d{1,32}$", description="Meta's, of a number that was added since.", examples=["100200300"])
    ]


class Retried(Struct, frozen=True):
    deliveries: Annotated[int, Meta(description="How many are read again.")]


NEWEST = {
    None: query("inbound.newest", Row),
    "stored": query("inbound.newest_stored", Row),
    "digested": query("inbound.newest_digested", Row),
    "quarantined": query("inbound.newest_quarantined", Row),
    "unrouted": query("inbound.newest_unrouted", Row),
}
ONE = query("inbound.delivery", Row)
BODY = query("inbound.body", Body)
RETRY = query("inbound.retry", Nothing)
RETRY_NUMBER = query("inbound.retry_number", Again)


async def list_deliveries(rt: Runtime, call: Call[DeliveryListing]) -> Page[Delivery]:
    """The newest first."""
    behind, since = call.after(call.body, Place) or END, min(max(call.body.since or EVER[0], EVER[0]), EVER[1])
    async with rt.db.session() as session:
        found = await session.all(NEWEST[call.body.state], day=behind.day, seq=behind.seq, since=since, most=call.body.limit + 1)
    rows, following = call.cut(call.body, found, lambda row: Place(row.day, row.seq))
    return Page([show(row) for row in rows], following)


async def show_delivery(rt: Runtime, call: Call[Struct]) -> WholeDelivery:
    """With its body; that somebody looked is written down."""
    place = _place(call)

    async def work(tx: Tx) -> WholeDelivery:
        shown = await _load(tx, place)
        body = await tx.one(BODY, day=place.day, seq=place.seq)
        assert body is not None
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "delivery_read", place)
        return WholeDelivery(shown, body.body.decode("utf-8", "backslashreplace"))

    return await rt.db.transact(call.tenant_id, work)


async def retry_delivery(rt: Runtime, call: Call[Struct]) -> Delivery:
    """Have it read again. Raises Refused when it waits already, or all of it was read."""
    place = _place(call)

    async def work(tx: Tx) -> Delivery:
        before = await _load(tx, place)
        if before.state != "stored":
            if not await tx.run(RETRY, day=place.day, seq=place.seq):
                raise Refused("delivery_read", "all of this delivery was read: nothing would come of reading it again")
            await audit.add(
                tx, rt.new_id(), rt.now(), audit.actor(call), "delivery_retried", place, before={"reason": before.reason}
            )
        return await _load(tx, place)

    shown = await rt.db.transact(call.tenant_id, work)
    _ring(rt)
    return shown


async def retry_number(rt: Runtime, call: Call[NumberRetry]) -> Retried:
    """Have all of a number read again that came before anybody owned it. Raises Refused while nobody does.

    In pieces, each in a transaction; called again it goes on.
    """
    wanted, total, after = call.body.phone_number_id, 0, 0
    if not await _is_owned(rt, wanted):
        raise Refused(
            "number_unknown", f"nobody owns the number {wanted} yet", hint="add it first: `number add`, or POST /v1/numbers"
        )
    while True:

        async def work(tx: Tx, after: int = after) -> list[Again]:
            found = await tx.all(RETRY_NUMBER, phone_number_id=wanted, after=after, most=MOST_AT_ONCE)
            if found:
                told = {"deliveries": len(found)}
                await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "deliveries_retried", wanted, after=told)
            return found

        found = await rt.db.transact(call.tenant_id, work)
        total += len(found)
        if len(found) < MOST_AT_ONCE:
            break
        after = max(row.seq for row in found)
    _ring(rt)
    return Retried(total)


async def _is_owned(rt: Runtime, phone_number_id: str) -> bool:
    directory = Directory(rt.db)
    await directory.learn({phone_number_id}, set())
    return directory.number(phone_number_id) is not None


def _ring(rt: Runtime) -> None:
    """Somebody may wait for it, in either lane."""
    rt.bells.digest.ring()
    rt.bells.statuses.ring()


async def _load(session: Session, place: Place) -> Delivery:
    row = await session.one(ONE, day=place.day, seq=place.seq)
    if row is None:
        raise not_found()
    return show(row)


def _place(call: Call[Struct]) -> Place:
    day, _, seq = call.texts["place"].rpartition("-")
    try:
        return Place(dt.date.fromisoformat(day), int(seq))
    except ValueError:
        raise not_found() from None


def show(row: Row) -> Delivery:
    unrouted = [] if row.unrouted is None else msgspec.json.decode(row.unrouted, type=list[Unrouted])
    nobodys = [Nobodys(**asdict(item), hint=hint(item)) for item in unrouted]
    place = str(Place(row.day, row.seq))
    return Delivery(place, row.received_at, row.state, row.reason, row.digested_at, row.size, nobodys)


def hint(item: Unrouted) -> str:
    """What to do about it."""
    if item.reason == "unknown_number":
        return f"`number add` it (or POST /v1/numbers), then have the deliveries of {item.phone_number_id} read again"
    if item.reason == "unknown_account":
        return f"add a number of the account {item.waba_id}, then have this delivery read again"
    return "the log has the error under the delivery's number; when that is mended, have it read again"


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/deliveries", "list_deliveries", list_deliveries, who=OPERATORS, scope="deliveries:read",
             takes=DeliveryListing, gives=Page[Delivery], says="Webhooks as they came, the newest first, without their bodies."),
    Endpoint("POST", "/v1/deliveries/retry", "retry_deliveries", retry_number, who=OPERATORS, scope="deliveries:write",
             takes=NumberRetry, gives=Retried, refuses={"number_unknown": 409},
             says="Have everything read again that came for a number before anybody owned it. Nothing takes effect twice."),
    Endpoint("GET", "/v1/deliveries/{place}", "show_delivery", show_delivery, who=OPERATORS, texts={"place": PLACE},
             gives=WholeDelivery, fresh=True,
             says="A webhook with its body. People's words may be in it: who looks is written down."),
    Endpoint("POST", "/v1/deliveries/{place}/retry", "retry_delivery", retry_delivery, who=OPERATORS, scope="deliveries:write",
             texts={"place": PLACE}, gives=Delivery, refuses={"delivery_read": 409},
             says="Have a webhook read again of which something could not be. Nothing takes effect twice."),
]  # fmt: skip
