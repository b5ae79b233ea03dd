"""What was said in a conversation: events and messages, in one line.

Each is in an order of its own that an index has: events by arrival, messages by when they were written. The two are put together by
their times, and a page's place is how far it came in each: nothing is shown twice or left out, whatever the clocks said.
"""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from atendeja.db import Tx, query
from atendeja.endpoint import FIRST, LAST, Instant, Listing

FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)
LONG_AGO = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
MOST_BIGINT, MOST_INT = 2**63 - 1, 2**31 - 1

Order = Literal["newest", "oldest"]


class Row(Struct, frozen=True):
    what: Literal["event", "message"]
    id: UUID
    at: dt.datetime
    arrival: int
    position: int
    kind: str
    state: str
    reason: str | None
    code: int | None
    content: bytes
    category: str | None


class ConversationLine(Struct, frozen=True):
    """Something that was said: by the customer (an event), or by us (a message)."""

    what: Literal["event", "message"]
    id: UUID
    at: Annotated[Instant, Meta(description="When it came here, or was written.")]
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


BACK = query("inbox.timeline_back", Row)
ON = query("inbox.timeline_on", Row)
START: dict[Order, Place] = {
    "newest": Place("newest", MOST_BIGINT, MOST_INT, FAR, MOST_INT, LAST),
    "oldest": Place("oldest", -1, -1, LONG_AGO, -MOST_INT, FIRST),
}


def merge(rows: list[Row], order: Order) -> list[Row]:
    """Two lines, each as it is, put together by their times."""
    events, messages = ([row for row in rows if row.what == what] for what in ("event", "message"))
    merged: list[Row] = []
    while events and messages:
        events_first = events[0].at <= messages[0].at if order == "oldest" else events[0].at > messages[0].at
        merged.append((events if events_first else messages).pop(0))
    return merged + events + messages


def move(place: Place, row: Row) -> Place:
    """The place behind this row."""
    if row.what == "event":
        return replace(place, arrival=row.arrival, position=row.position)
    return replace(place, at=row.at, ordinal=row.position, id=row.id)


async def load(tx: Tx, conversation_id: UUID, after: Place, most: int) -> list[tuple[Row, Place]]:
    """At most so many, each with the place behind it."""
    where = {"arrival": after.arrival, "position": after.position, "at": after.at, "ordinal": after.ordinal, "id": after.id}
    rows = await tx.all(BACK if after.order == "newest" else ON, conversation_id=conversation_id, most=most, **where)
    found: list[tuple[Row, Place]] = []
    for row in merge(rows, after.order)[:most]:
        after = move(after, row)
        found.append((row, after))
    return found


def show(row: Row) -> ConversationLine:
    return ConversationLine(row.what, row.id, row.at, row.kind, row.category, row.state, row.reason, row.code, Raw(row.content))
