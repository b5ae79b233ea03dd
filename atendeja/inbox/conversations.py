"""Conversations: whose turn it is, and what people do about that. Everything under the contact's lock, as all that changes one."""

import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import structlog
from msgspec import Meta, Struct

from atendeja import audit, contacts
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import AGENTS, LAST, MEMBERS, Call, Endpoint, Instant, Listing, Page, not_found
from atendeja.feed.shapes import Changed, ConversationChange
from atendeja.inbox import timeline
from atendeja.inbox.timeline import FAR, TIMELINES, Said, TimelinePart
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

LAST_SAID = 20

B = TypeVar("B", bound=Struct)
State = Literal["open", "closed"]
Owner = Literal["bot", "human"]


class Talk(Struct, frozen=True):
    id: UUID
    contact_id: UUID
    contact_name: str | None
    contact_phone: str | None
    number_id: UUID
    state: State
    owner: Owner
    queue: str | None
    human_at: dt.datetime | None
    window_until: dt.datetime | None
    created_at: dt.datetime
    listed_at: dt.datetime


class WholeTalk(Talk, frozen=True):
    entry_at: dt.datetime | None
    free_until: dt.datetime | None


class Conversation(Struct, frozen=True):
    """One person on one of our numbers."""

    id: UUID
    contact_id: UUID
    contact_name: str | None
    contact_phone: Annotated[str | None, Meta(description="Digits with the country's. None where WhatsApp shows none.")]
    number_id: UUID
    state: Annotated[State, Meta(description="The customer's next message opens a closed one.")]
    owner: Annotated[
        Owner, Meta(description="Who answers. From a person it goes back to the bot after 12 hours without a word of his.")
    ]
    queue: Annotated[str | None, Meta(description="Whose it is among people.")]
    human_at: Annotated[Instant | None, Meta(description="When a person got it, or last wrote.")]
    window_until: Annotated[Instant | None, Meta(description="Until then anything may be written; after it only a template.")]
    created_at: Instant


class WholeConversation(Struct, frozen=True):
    conversation: Conversation
    entry_at: Annotated[Instant | None, Meta(description="When the customer last came by an ad.")]
    free_until: Annotated[Instant | None, Meta(description="Until then WhatsApp charges nothing.")]
    last: Annotated[list[Said], Meta(description="What was said last, the newest first. See `timeline`.")]


class WhichConversations(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which conversations."""

    state: State | None = None
    owner: Owner | None = None
    queue: Annotated[str, Meta(max_length=200)] | None = None
    number_id: UUID | None = None
    contact_id: UUID | None = None


class HandOver(Struct, frozen=True, forbid_unknown_fields=True):
    queue: Annotated[str, Meta(min_length=1, max_length=200, description="Whose it is to be.", examples=["oficina"])]


class After(Struct, frozen=True):
    listed_at: dt.datetime
    id: UUID


LIST = query("inbox.conversations", Talk)
OF_QUEUE = query("inbox.queue", Talk)
OF_CONTACT = query("inbox.of_contact", Talk)
ONE = query("inbox.conversation", WholeTalk)
HAND_OVER = query("contacts.hand_over", Nothing)
CLOSE = query("contacts.close", Nothing)
END_SESSION = query("turn.end_session", Nothing)


def show(t: Talk) -> Conversation:
    return Conversation(
        t.id, t.contact_id, t.contact_name, t.contact_phone, t.number_id, t.state, t.owner, t.queue, t.human_at, t.window_until,
        t.created_at,
    )  # fmt: skip


async def list_conversations(rt: Runtime, call: Call[WhichConversations]) -> Page[Conversation]:
    """Whoever wrote last first; who never wrote, last."""
    choice, after = call.body, call.after(call.body, After) or After(FAR, LAST)
    which: dict[str, object] = {
        "states": [choice.state] if choice.state else ["open", "closed"],
        "owners": [choice.owner] if choice.owner else ["bot", "human"],
        "number_id": choice.number_id,
        "before_at": after.listed_at,
        "before_id": after.id,
        "most": choice.limit + 1,
    }
    async with rt.db.tenant(call.tenant_id) as tx:
        if choice.contact_id is not None:
            found = await tx.all(OF_CONTACT, contact_id=choice.contact_id, queue=choice.queue, **which)
        elif choice.queue is not None:
            found = await tx.all(OF_QUEUE, queue=choice.queue, **which)
        else:
            found = await tx.all(LIST, **which)
    items, following = call.cut(choice, found, lambda t: After(t.listed_at, t.id))
    return Page([show(t) for t in items], following)


async def show_conversation(rt: Runtime, call: Call[Struct]) -> WholeConversation:
    async with rt.db.tenant(call.tenant_id) as tx:
        talk = await load(tx, call.ids["id"])
        said = await timeline.load(tx, TIMELINES["newest"], talk.id, timeline.START["newest"], LAST_SAID)
    return WholeConversation(show(talk), talk.entry_at, talk.free_until, [timeline.show(row) for row, _ in said])


async def show_timeline(rt: Runtime, call: Call[TimelinePart]) -> Page[Said]:
    """Events and messages in one line. A cursor goes on in the order in which it was begun."""
    after = call.after(call.body, timeline.Place) or timeline.START[call.body.order]
    async with rt.db.tenant(call.tenant_id) as tx:
        talk = await load(tx, call.ids["id"])
        found = await timeline.load(tx, TIMELINES[after.order], talk.id, after, call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda line: line[1])
    return Page([timeline.show(row) for row, _ in items], following)


async def load(tx: Tx, conversation_id: UUID) -> WholeTalk:
    """Raises Problem when there is none."""
    talk = await tx.one(ONE, id=conversation_id)
    if talk is None:
        raise not_found()
    return talk


# ── what people do ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def take_over(rt: Runtime, call: Call[Struct]) -> Conversation:
    """Have it, the bot silent, until it is released, closed, or 12 hours pass without a word of a person."""

    async def work(tx: Tx, now: dt.datetime, talk: Talk) -> None:
        await tx.run(contacts.TAKE_OVER, ids=[talk.id], ats=[now], now=now)

    return await _change(rt, call, "taken_over", work)


async def hand_over(rt: Runtime, call: Call[HandOver]) -> Conversation:
    """Give it to the people of a queue; the bot is silent."""

    async def work(tx: Tx, now: dt.datetime, talk: Talk) -> None:
        await tx.run(HAND_OVER, id=talk.id, queue=call.body.queue, now=now)

    return await _change(rt, call, "handed_off", work)


async def release(rt: Runtime, call: Call[Struct]) -> Conversation:
    """Give it back to the bot, whose flow goes on where it was."""

    async def work(tx: Tx, now: dt.datetime, talk: Talk) -> None:
        await contacts.release(tx, talk.id, now)

    return await _change(rt, call, "released", work)


async def close(rt: Runtime, call: Call[Struct]) -> Conversation:
    """Be done with it: the flow ends, what the bot still had to say is withdrawn, and the customer's next message begins anew."""

    async def work(tx: Tx, now: dt.datetime, talk: Talk) -> None:
        await tx.run(CLOSE, id=talk.id, now=now)
        await tx.run(END_SESSION, conversation_id=talk.id, now=now)

    return await _change(rt, call, "closed", work)


async def _change(
    rt: Runtime, call: Call[B], what: ConversationChange, change: Callable[[Tx, dt.datetime, Talk], Awaitable[None]]
) -> Conversation:
    now = rt.now()

    async def work(tx: Tx) -> Talk:
        if (row := await tx.one(contacts.CONVERSATION_CONTACT, id=call.ids["id"])) is None:
            raise not_found()
        await tx.all(contacts.LOCK, ids=[row.contact_id])
        before = await load(tx, call.ids["id"])
        await change(tx, now, before)
        after = await load(tx, before.id)
        told = [{"state": t.state, "owner": t.owner, "queue": t.queue} for t in (before, after)]
        await audit.add(tx, rt.new_id(), now, audit.actor(call), f"conversation_{what}", before.id, before=told[0], after=told[1])
        if told[0] != told[1] and rt.feed.wants(tx.tenant_id):
            await rt.feed.tell(tx, [Changed(after.id, after.contact_id, after.number_id, what, after.owner, after.queue)])
        return after

    talk = await rt.db.transact(call.tenant_id, work)
    rt.bells.ring_number(talk.number_id)  # what the bot had queued is withdrawn
    rt.bells.turn.ring()
    log.info("conversation_changed", change=what, tenant_id=call.tenant_id, conversation_id=str(talk.id))
    return show(talk)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/conversations", "list_conversations", list_conversations, who=MEMBERS, scope="conversations:read",
             takes=WhichConversations, gives=Page[Conversation], says="The conversations, whoever wrote last first."),
    Endpoint("GET", "/v1/conversations/{id}", "show_conversation", show_conversation, who=MEMBERS, scope="conversations:read",
             gives=WholeConversation, says="A conversation, and what was said last in it."),
    Endpoint("GET", "/v1/conversations/{id}/timeline", "show_conversation_timeline", show_timeline, who=MEMBERS,
             scope="conversations:read", takes=TimelinePart, gives=Page[Said],
             says="What was said in it: events in the order of arrival and messages as they were written, put together by time."),
    Endpoint("POST", "/v1/conversations/{id}/take-over", "take_over_conversation", take_over, who=AGENTS,
             scope="conversations:write", gives=Conversation,
             says="Have a conversation: the bot is silent in it, and what it had queued is withdrawn."),
    Endpoint("POST", "/v1/conversations/{id}/hand-over", "hand_over_conversation", hand_over, who=AGENTS,
             scope="conversations:write", takes=HandOver, gives=Conversation,
             says="Give a conversation to the people of a queue: the bot is silent in it, and what it had queued is withdrawn."),
    Endpoint("POST", "/v1/conversations/{id}/release", "release_conversation", release, who=AGENTS, scope="conversations:write",
             gives=Conversation, says="Give a conversation back to the bot, whose flow goes on where it was."),
    Endpoint("POST", "/v1/conversations/{id}/close", "close_conversation", close, who=AGENTS, scope="conversations:write",
             gives=Conversation,
             says="Be done with a conversation: its flow ends, and the customer's next message begins anew."),
]  # fmt: skip
