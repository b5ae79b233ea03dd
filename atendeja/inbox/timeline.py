"""What was said in a conversation, or to and by a person over all of them: events and messages, in one line.

Each is in an order of its own that an index has: events by arrival, messages by when they were written. The two are put together by
their times, and a page's place is how far it came in each: nothing is shown twice or left out, whatever the clocks said. So no
index of a person's things is needed, which every message would have to write.
"""

import datetime as dt
import heapq
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import attrgetter
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from atendeja import contacts
from atendeja.db import Query, Tx, query
from atendeja.endpoint import FIRST, LAST, MEMBERS, Call, Endpoint, Instant, Listing, Page
from atendeja.runtime import Runtime

FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
LONG_AGO = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
MOST_BIGINT, MOST_INT = 2**63 - 1, 2**31 - 1

Order = Literal["newest", "oldest"]


class Row(Struct, frozen=True):
    what: Literal["event", "message"]
    id: UUID
    at: dt.datetime
    conversation_id: UUID
    number_id: UUID
    arrival: int
    position: int
    kind: str
    state: str
    reason: str | None
    code: int | None
    content: bytes
    category: str | None


class Said(Struct, frozen=True):
    """Something that was said: by the customer (an event), or by us (a message)."""

    what: Literal["event", "message"]
    id: UUID
    at: Annotated[Instant, Meta(description="When it came here, or was written.")]
    conversation_id: UUID
    number_id: UUID
    kind: Annotated[str, Meta(description="Of an event what it is, of a message who had it sent.", examples=["text"])]
    category: Annotated[str | None, Meta(description="Of a message.", examples=["service"])]
    state: Annotated[str, Meta(examples=["handled"])]
    reason: Annotated[str | None, Meta(description="Why it was ignored, or withdrawn.")]
    code: Annotated[int | None, Meta(description="Meta's, of a message that failed.")]
    content: Annotated[Raw, Meta(description="As it is kept.", examples=[{"content": {"type": "text", "body": "Oi"}}])]


class TimelinePart(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    order: Annotated[Order, Meta(description="Which come first.")] = "newest"


class Place(Struct, frozen=True):
    """How far a page came: the last event, and the last message."""

    order: Order
    arrival: int
    position: int
    at: dt.datetime
    ordinal: int
    id: UUID


TIMELINES: dict[Order, Query[Row]] = {"newest": query("inbox.timeline_back", Row), "oldest": query("inbox.timeline_on", Row)}
OF_CONTACT = query("inbox.timeline_of_contact", Row)
START: dict[Order, Place] = {
    "newest": Place("newest", MOST_BIGINT, MOST_INT, FAR, MOST_INT, LAST),
    "oldest": Place("oldest", -1, -1, LONG_AGO, -MOST_INT, FIRST),
}


def merge(rows: Sequence[Row], order: Order) -> Iterable[Row]:
    """Two lines, each as it is, put together by their times: what was said in one moment, by us after the customer."""
    events, messages = ([row for row in rows if row.what == what] for what in ("event", "message"))
    lines = (events, messages) if order == "oldest" else (messages, events)
    return heapq.merge(*lines, key=attrgetter("at"), reverse=order == "newest")


def move(place: Place, row: Row) -> Place:
    """The place behind this row."""
    if row.what == "event":
        return replace(place, arrival=row.arrival, position=row.position)
    return replace(place, at=row.at, ordinal=row.position, id=row.id)


async def load(tx: Tx, statement: Query[Row], of_id: UUID, after: Place, most: int) -> list[tuple[Row, Place]]:
    """At most so many of this conversation or contact, each with the place behind it."""
    where = {"arrival": after.arrival, "position": after.position, "at": after.at, "ordinal": after.ordinal, "id": after.id}
    rows = await tx.all(statement, of_id=of_id, most=most, **where)
    found: list[tuple[Row, Place]] = []
    for row in islice(merge(rows, after.order), most):
        after = move(after, row)
        found.append((row, after))
    return found


def show(row: Row) -> Said:
    return Said(
        row.what, row.id, row.at, row.conversation_id, row.number_id, row.kind, row.category, row.state, row.reason, row.code,
        Raw(row.content),
    )  # fmt: skip


async def show_of_contact(rt: Runtime, call: Call[Listing]) -> Page[Said]:
    after = call.after(call.body, Place) or START["newest"]
    async with rt.db.tenant(call.tenant_id) as tx:
        contact = await contacts.find(tx, call.ids["id"])
        found = await load(tx, OF_CONTACT, contact.id, after, call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda line: line[1])
    return Page([show(row) for row, _ in items], following)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/contacts/{id}/timeline", "show_contact_timeline", show_of_contact, who=MEMBERS, scope="contacts:read",
             takes=Listing, gives=Page[Said], says="All that somebody said and was told, on every number, the newest first."),
]  # fmt: skip
