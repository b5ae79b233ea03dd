"""Events, one by one: what came of a customer, as it is kept, and what became of it. Lists of them are the timelines."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

from atendeja.db import query
from atendeja.endpoint import MEMBERS, Call, Endpoint, Instant, not_found
from atendeja.runtime import Runtime

State = Literal["unhandled", "handled", "ignored", "dead"]


class Row(Struct, frozen=True):
    id: UUID
    kind: str
    number_id: UUID | None
    contact_id: UUID | None
    conversation_id: UUID | None
    key: str
    content: bytes
    sent_at: dt.datetime
    received_at: dt.datetime
    state: State
    reason: str | None
    turn_no: int | None
    tries: int
    discarded_at: dt.datetime | None


class Reply(Struct, frozen=True):
    id: UUID


class StoredEvent(Struct, frozen=True):
    """One thing that happened: a customer's text is one."""

    id: UUID
    kind: Annotated[str, Meta(examples=["text"])]
    number_id: UUID | None
    contact_id: UUID | None
    conversation_id: UUID | None
    key: Annotated[str, Meta(description="WhatsApp's id of it, or a hash of what has none.")]
    content: Annotated[Raw, Meta(description="As it is kept.", examples=[{"content": {"type": "text", "body": "Oi"}}])]
    sent_at: Annotated[Instant, Meta(description="By WhatsApp's clock.")]
    received_at: Instant
    state: Annotated[State, Meta(description="handled: by a turn; dead: no turn could answer it.")]
    reason: Annotated[str | None, Meta(description="Why it was ignored, or is dead.")]
    turn_no: Annotated[int | None, Meta(description="Of the conversation: by which it was handled.")]
    tries: Annotated[int, Meta(description="How often it was tried alone, in vain.")]
    discarded_at: Instant | None
    replies: Annotated[list[UUID], Meta(description="Messages of that turn.")]


ONE = query("inbox.event", Row)
REPLIES = query("inbox.replies", Reply)


async def show_event(rt: Runtime, call: Call[Struct]) -> StoredEvent:
    async with rt.db.tenant(call.tenant_id) as tx:
        e = await tx.one(ONE, id=call.ids["id"])
        if e is None:
            raise not_found()
        replies = await tx.all(REPLIES, conversation_id=e.conversation_id, turn_no=e.turn_no) if e.turn_no is not None else []
    return StoredEvent(
        e.id, e.kind, e.number_id, e.contact_id, e.conversation_id, e.key, Raw(e.content), e.sent_at, e.received_at, e.state,
        e.reason, e.turn_no, e.tries, e.discarded_at, [reply.id for reply in replies],
    )  # fmt: skip


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/events/{id}", "show_event", show_event, who=MEMBERS, scope="conversations:read", gives=StoredEvent,
             says="Something that came, as it is kept, and what became of it."),
]  # fmt: skip
