"""All that was said to and by a person, over all conversations, the newest first.

What came lies in the order of its arrival, what went in that of time: a page takes the head of each, whichever is later, and its
cursor holds a place in both. So no index of a person's things is needed, which every message would have to write.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

from atendeja.contacts.endpoints import find
from atendeja.db import query
from atendeja.endpoint import LAST, MEMBERS, Call, Endpoint, Instant, Listing, Page
from atendeja.runtime import Runtime

END = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


class Went(Struct, frozen=True):
    id: UUID
    at: dt.datetime
    conversation_id: UUID
    number_id: UUID
    kind: str
    state: str
    reason: str | None
    content: bytes


class Came(Went, frozen=True):
    arrival: int
    position: int


class Said(Struct, frozen=True):
    """What came (an event), or what went out or is to go (a message)."""

    id: UUID
    at: Annotated[Instant, Meta(description="When it reached us, or was written here.")]
    direction: Literal["in", "out"]
    conversation_id: UUID
    number_id: UUID
    kind: Annotated[
        str, Meta(description="in: what it is. out: who wrote it (turn, agent, api, campaign, echo).", examples=["text"])
    ]
    state: Annotated[str, Meta(examples=["handled"])]
    reason: str | None
    content: Annotated[Raw, Meta(examples=[{"content": {"type": "text", "body": "oi"}}])]


class Place(Struct, frozen=True):
    """Before which a page begins, in both orders."""

    arrival: int = 2**63 - 1
    position: int = 0
    at: dt.datetime = END
    id: UUID = LAST


CAME = query("contacts.came", Came)
WENT = query("contacts.went", Went)


async def show_timeline(rt: Runtime, call: Call[Listing]) -> Page[Said]:
    place, most = call.after(call.body, Place) or Place(), call.body.limit
    async with rt.db.tenant(call.tenant_id) as tx:
        contact = await find(tx, call.ids["id"])
        came = await tx.all(CAME, id=contact.id, arrival=place.arrival, position=place.position, most=most + 1)
        went = await tx.all(WENT, id=contact.id, at=place.at, before_id=place.id, most=most + 1)
    rows = weave(came, went)
    cursor = call.cursors.write(call.place, _behind(place, rows[:most])) if len(rows) > most else None
    return Page([_show(row) for row in rows[:most]], cursor)


def weave(came: Sequence[Came], went: Sequence[Went]) -> list[Went]:
    """Both in one, each in its own order: the later head first."""
    woven: list[Went] = []
    i = j = 0
    while i < len(came) or j < len(went):
        if j == len(went) or (i < len(came) and came[i].at > went[j].at):
            woven.append(came[i])
            i += 1
        else:
            woven.append(went[j])
            j += 1
    return woven


def _behind(place: Place, rows: Sequence[Went]) -> Place:
    came = next((row for row in reversed(rows) if isinstance(row, Came)), None)
    went = next((row for row in reversed(rows) if not isinstance(row, Came)), None)
    arrival, position = (came.arrival, came.position) if came else (place.arrival, place.position)
    return Place(arrival, position, *((went.at, went.id) if went else (place.at, place.id)))


def _show(row: Went) -> Said:
    direction: Literal["in", "out"] = "in" if isinstance(row, Came) else "out"
    return Said(
        row.id, row.at, direction, row.conversation_id, row.number_id, row.kind, row.state, row.reason, Raw(row.content)
    )  # fmt: skip


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/contacts/{id}/timeline", "show_contact_timeline", show_timeline, who=MEMBERS, scope="contacts:read",
             takes=Listing, gives=Page[Said], says="All that somebody said and was told, on every number, the newest first."),
]  # fmt: skip
