"""Messages as people see them: what became of each, why, and taking one back that has not gone."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

import structlog
from msgspec import Meta, Raw, Struct

from atendeja import audit
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import AGENTS, FIRST, LAST, MEMBERS, Call, Endpoint, Fault, Instant, Listing, Page, Problem, not_found
from atendeja.errors import Refused
from atendeja.ids import uuid7
from atendeja.inbox.timeline import FAR, LONG_AGO
from atendeja.runtime import Runtime
from atendeja.wa import codes

log = structlog.get_logger(__name__)

Category = Literal["service", "utility", "authentication", "marketing"]
State = Literal[
    "queued", "sending", "in_doubt", "unknown", "withdrawn", "accepted", "sent", "failed", "delivered", "read", "played"
]
Trouble = Literal["sending", "in_doubt", "unknown", "withdrawn", "failed"]
Source = Literal["turn", "agent", "api", "campaign", "echo"]


class Row(Struct, frozen=True):
    id: UUID
    conversation_id: UUID
    contact_id: UUID
    number_id: UUID
    source: Source
    source_id: UUID
    source_no: int
    ordinal: int
    category: Category
    content: bytes
    state: State
    reason: str | None
    code: int | None
    detail: str | None
    held: bool
    attempt_no: int
    not_before: dt.datetime
    created_at: dt.datetime
    accepted_at: dt.datetime | None
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    played_at: dt.datetime | None
    failed_at: dt.datetime | None
    discarded_at: dt.datetime | None
    pricing: bytes | None


class MetaCode(Struct, frozen=True):
    """What Meta said of it."""

    code: Annotated[int, Meta(examples=[131026])]
    detail: Annotated[str | None, Meta(description="In Meta's words.")]
    meaning: Annotated[str | None, Meta(examples=["undeliverable: not on WhatsApp, an old app, or terms not accepted"])]
    advice: Annotated[str, Meta(description="What to do.", examples=["nothing: this person does not get this message"])]


class Message(Struct, frozen=True):
    """Something that we sent or will send."""

    id: UUID
    conversation_id: UUID
    contact_id: UUID
    number_id: UUID
    source: Annotated[Source, Meta(description="Who had it sent. turn: the bot; echo: a person on the shop's own telephone.")]
    campaign_id: UUID | None
    category: Category
    content: Annotated[Raw, Meta(description="As it is sent.", examples=[{"type": "text", "body": "Seu carro está pronto."}])]
    state: State
    reason: Annotated[str | None, Meta(description="Why it was withdrawn, or Meta's words where there is no code.")]
    code: MetaCode | None
    held: Annotated[bool, Meta(description="WhatsApp has it, and looks at its quality first.")]
    attempts: Annotated[int, Meta(description="How often it was tried.")]
    not_before: Instant
    created_at: Instant
    accepted_at: Instant | None
    sent_at: Instant | None
    delivered_at: Instant | None
    read_at: Instant | None
    played_at: Instant | None
    failed_at: Instant | None
    pricing: Annotated[Raw, Meta(description="As WhatsApp told.", examples=[{"billable": True, "category": "utility"}])]


class MessageAttempt(Struct, frozen=True):
    """One POST of a message."""

    id: UUID
    n: int
    state: Literal["claimed", "accepted", "refused", "not_sent", "abandoned", "unknown"]
    code: int | None
    detail: str | None
    wamid: Annotated[str | None, Meta(description="WhatsApp's id of the message.")]
    claimed_at: Instant
    first_byte_at: Instant | None
    ended_at: Instant | None


class WholeMessage(Struct, frozen=True):
    message: Message
    attempts: list[MessageAttempt]
    other_id: Annotated[
        UUID | None, Meta(description="The template that went in its place, or the message in whose place it went.")
    ]


class WhichMessages(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which messages, the newest first: all, or of one of the three. Those of a campaign are in the order of its recipients."""

    conversation_id: UUID | None = None
    campaign_id: UUID | None = None
    state: Annotated[Trouble | None, Meta(description="One of those that want looking at.")] = None
    since: Annotated[Instant | None, Meta(description="Written then or later.")] = None


class After(Struct, frozen=True):
    id: UUID = LAST
    at: dt.datetime = FAR
    no: int = -1
    ordinal: int = -(2**31)


class Other(Struct, frozen=True):
    id: UUID


class Queued(Struct, frozen=True):
    id: UUID
    number_id: UUID
    state: str
    doubtful: bool


BY_IDS = query("inbox.messages", Row)
NEWEST = query("inbox.newest_messages", Row)
IN_STATE = query("inbox.messages_in_state", Row)
ON_THEIR_WAY = query("inbox.messages_on_their_way", Row)
OF_CONVERSATION = query("inbox.messages_of_conversation", Row)
OF_CAMPAIGN = query("inbox.messages_of_campaign", Row)
ATTEMPTS = query("inbox.attempts", MessageAttempt)
PAIR = query("inbox.pair", Other)
LOCK_QUEUED = query("inbox.lock_queued", Queued)
WITHDRAW = query("ledger.withdraw", Nothing)


def show(m: Row) -> Message:
    return Message(
        m.id, m.conversation_id, m.contact_id, m.number_id, m.source, m.source_id if m.source == "campaign" else None, m.category,
        Raw(m.content), m.state, m.reason or (m.detail if m.code is None else None), _code(m), m.held, m.attempt_no, m.not_before,
        m.created_at, m.accepted_at, m.sent_at, m.delivered_at, m.read_at, m.played_at, m.failed_at, Raw(m.pricing or b"null"),
    )  # fmt: skip


def _code(m: Row) -> MetaCode | None:
    if m.code is None:
        return None
    listed = codes.CODES.get(m.code)
    return MetaCode(m.code, m.detail, listed.meaning if listed else None, codes.advise(m.code))


async def load(tx: Tx, id_: UUID) -> Message:
    """Raises Problem when there is none."""
    found = await tx.all(BY_IDS, ids=[id_])
    if not found:
        raise not_found()
    return show(found[0])


async def show_message(rt: Runtime, call: Call[Struct]) -> WholeMessage:
    async with rt.db.tenant(call.tenant_id) as tx:
        message = await load(tx, call.ids["id"])
        other = await tx.one(PAIR, id=message.id)
        return WholeMessage(message, await tx.all(ATTEMPTS, message_id=message.id), other.id if other else None)


async def list_messages(rt: Runtime, call: Call[WhichMessages]) -> Page[Message]:
    choice, after = call.body, call.after(call.body, After) or After()
    if [choice.conversation_id, choice.campaign_id, choice.state].count(None) < 2 or (choice.campaign_id and choice.since):
        raise _one_choice()
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await _find(tx, choice, after)
    items, following = call.cut(choice, found, lambda m: After(m.id, m.created_at, m.source_no, m.ordinal))
    return Page([show(m) for m in items], following)


async def _find(tx: Tx, choice: WhichMessages, after: After) -> list[Row]:
    most, since = choice.limit + 1, choice.since or LONG_AGO
    since_id = FIRST if choice.since is None else uuid7(max(0, int(choice.since.timestamp() * 1000)), 0)
    if choice.conversation_id is not None:
        where = {"conversation_id": choice.conversation_id, "before_at": after.at, "before_id": after.id}
        return await tx.all(OF_CONVERSATION, since=since, most=most, **where)
    if choice.campaign_id is not None:
        where = {"campaign_id": choice.campaign_id}
        return await tx.all(OF_CAMPAIGN, after_no=after.no, after_ordinal=after.ordinal, most=most, **where)
    if choice.state is not None:
        statement = ON_THEIR_WAY if choice.state in ("sending", "in_doubt") else IN_STATE
        return await tx.all(statement, state=choice.state, before_id=after.id, since_id=since_id, most=most)
    return await tx.all(NEWEST, before_id=after.id, since_id=since_id, most=most)


def _one_choice() -> Problem:
    line = "one of conversation_id, campaign_id and state at a time; since with any but campaign_id"
    return Problem(422, "invalid", "the request does not fit", faults=(Fault("$", line),))


async def withdraw(rt: Runtime, call: Call[Struct]) -> Message:
    """Take back what has not gone; what may have gone at an earlier attempt is `unknown` then. Raises Refused when it is too
    late."""
    now = rt.now()

    async def work(tx: Tx) -> tuple[Message, bool]:
        queued = await tx.one(LOCK_QUEUED, id=call.ids["id"])
        if queued is None:
            raise not_found()
        if queued.state != "queued":
            raise Refused("not_queued", f"it is {queued.state}: only what is queued can be taken back")
        await tx.run(WITHDRAW, ids=[queued.id], reasons=[None if queued.doubtful else "cancelled"])
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "message_withdrawn", queued.id)
        if rt.feed.wants(tx.tenant_id):
            await rt.feed.tell(tx, (), [queued.id])
        return await load(tx, queued.id), queued.doubtful

    message, doubtful = await rt.db.transact(call.tenant_id, work)
    rt.bells.ring_number(message.number_id)  # its successor may go
    if doubtful:
        rt.meter.count("messages_unknown")
    else:
        rt.meter.count("messages_withdrawn", label="cancelled")
    log.info("message_withdrawn", tenant_id=call.tenant_id, message_id=str(message.id))
    return message


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/messages", "list_messages", list_messages, who=MEMBERS, scope="messages:read", takes=WhichMessages,
             gives=Page[Message], says="Messages of ours, the newest first."),
    Endpoint("GET", "/v1/messages/{id}", "show_message", show_message, who=MEMBERS, scope="messages:read", gives=WholeMessage,
             says="A message, and each attempt to send it."),
    Endpoint("POST", "/v1/messages/{id}/withdraw", "withdraw_message", withdraw, who=AGENTS, scope="messages:send", gives=Message,
             refuses={"not_queued": 409}, says="Take back a message that has not gone."),
]  # fmt: skip
