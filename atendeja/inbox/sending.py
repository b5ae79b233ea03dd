"""Messages that people and programs have sent: to whom, whether they may go, and the one door.

Many are sent as one is: a handful of statements for all of them. Contacts are locked first, sorted, and what decides is read after
that; each message is decided by itself (`decide`, pure), so that one that may not go keeps no other from going.

Its key follows from who asks, his Idempotency-Key and the request: what was sent once is never sent again by the same request, also
when the answer to it is forgotten.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import structlog
from msgspec import Meta, Struct, field

from atendeja import audit, consent, contacts, numbers, outbound, phone
from atendeja.contacts import Person
from atendeja.db import Tx, query
from atendeja.endpoint import AGENTS, Call, Endpoint, Fault, Instant, Problem, not_found, once
from atendeja.errors import Refused
from atendeja.feed.shapes import Changed
from atendeja.inbox import messages
from atendeja.inbox.messages import Category, Message
from atendeja.numbers import Number
from atendeja.outbound import Fallback, Outgoing
from atendeja.runtime import Runtime
from atendeja.wa import rules
from atendeja.wa.content import Sendable

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 1000
MOST_BATCH_BYTES = 2 * 1024 * 1024
LATEST = dt.timedelta(days=30)
"""How far ahead a message may be written."""
PHONE_DIGITS = range(8, 16)

Source = Literal["agent", "api"]
Named = Literal["conversation", "contact", "phone"]


class To(Struct, frozen=True, forbid_unknown_fields=True):
    """To whom: exactly one of the three. Who is not known yet is made by his phone."""

    contact_id: UUID | None = None
    conversation_id: Annotated[UUID | None, Meta(examples=[None])] = None
    phone: Annotated[
        Annotated[str, Meta(max_length=40)] | None,
        Meta(description="With the country's code, written in any way.", examples=[None]),
    ] = None


class NewMessage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    to: To
    content: Annotated[Sendable, Meta(examples=[{"type": "text", "body": "Seu carro está pronto."}])]
    category: Annotated[
        Category, Meta(description="service: free-form, while the window is open. A template is sent as one of the others.")
    ] = "service"
    number_id: Annotated[UUID | None, Meta(description="From which number, where there are several.")] = None
    fallback: Annotated[Fallback | None, Meta(description="A template that goes in its place when the window is closed.")] = None
    not_before: Annotated[
        Instant | None, Meta(description="Not sent earlier; 30 days ahead at most. It has no place in the conversation's order.")
    ] = None


class NewMessages(Struct, frozen=True, forbid_unknown_fields=True):
    messages: Annotated[list[NewMessage], Meta(min_length=1, max_length=MOST_AT_ONCE)]


class Unsent(Struct, frozen=True):
    """Why a message does not go."""

    code: Annotated[str, Meta(examples=["window_closed"])]
    detail: str
    errors: Annotated[list[Fault], Meta(description="Which parts of it do not fit.")] = []


class SendResult(Struct, frozen=True):
    """What came of one of many: its message, or why there is none."""

    message_id: UUID | None = None
    conversation_id: UUID | None = None
    contact_id: UUID | None = None
    refused: Unsent | None = None


class SendResults(Struct, frozen=True):
    sent: Annotated[int, Meta(description="How many are on their way.")]
    results: Annotated[list[SendResult], Meta(description="In the order of the messages.")]


class Recipient(Struct, frozen=True):
    """Whom something names. `contact_id` has the conversation, `person_id` is who it is now."""

    what: Named
    key: str
    contact_id: UUID
    number_id: UUID | None
    conversation_id: UUID | None
    person_id: UUID


class Window(Struct, frozen=True):
    id: UUID
    window_until: dt.datetime | None
    closed: bool


class Sent(Struct, frozen=True):
    id: UUID
    ordinal: int
    conversation_id: UUID
    contact_id: UUID


RECIPIENTS = query("inbox.recipients", Recipient)
WINDOWS = query("inbox.windows", Window)
SENT_UNDER = query("inbox.sent_under", Sent)

NOBODY = Unsent("not_found", "there is no such contact, conversation or number here")


class Draft(Struct):
    """A message on its way to being one: what is known of it so far, and why it does not go, once that is known."""

    ordinal: int
    new: NewMessage
    unsent: Unsent | None = None
    recipient: Recipient | None = None
    number_id: UUID | None = None
    conversation_id: UUID | None = None

    @property
    def key(self) -> tuple[Named, str]:
        """By what it names its recipient."""
        to = self.new.to
        if to.conversation_id is not None:
            return "conversation", str(to.conversation_id)
        if to.contact_id is not None:
            return "contact", str(to.contact_id)
        return "phone", phone.canonical(phone.digits(to.phone or ""))


class Order(Struct, kw_only=True):
    """What is to be sent, by whom, under which key."""

    source: Source
    source_id: UUID
    is_repeatable: bool
    """It has an Idempotency-Key: there may be messages under it already."""
    drafts: list[Draft]
    now: dt.datetime
    sent: dict[int, Sent] = field(default_factory=dict)
    """By ordinal."""

    @property
    def going(self) -> list[Draft]:
        return [draft for draft in self.drafts if draft.unsent is None]

    @property
    def number_ids(self) -> set[UUID]:
        return {draft.number_id for draft in self.going if draft.number_id is not None}


# ── decisions: pure ──────────────────────────────────────────────────────────────────────────────────────────────────────


def check(new: NewMessage, now: dt.datetime) -> Unsent | None:
    """What is wrong with a message by itself."""
    found = [f"content.{problem}" for problem in rules.problems(new.content)]
    found += outbound.misfits(new.content, new.category, new.fallback)
    to = new.to
    if [to.contact_id, to.conversation_id, to.phone].count(None) != 2:
        found.append("to: exactly one of contact_id, conversation_id and phone is needed")
    elif to.phone is not None and len(phone.digits(to.phone)) not in PHONE_DIGITS:
        found.append("to.phone: must be a telephone number with its country's code")
    if new.not_before is not None:
        if new.not_before > now + LATEST:
            found.append(f"not_before: at most {LATEST.days} days ahead")
        if new.category == "authentication":
            found.append("not_before: a one-time code goes at once, or is of no use")
    return _unfit(found) if found else None


def _unfit(found: Sequence[str]) -> Unsent:
    faults = [Fault(f"$.{path}", reason) for path, _, reason in (problem.partition(": ") for problem in found)]
    return Unsent("invalid", "the message does not fit", faults)


def choose_number(draft: Draft, known: Mapping[UUID, Number]) -> UUID | Unsent:
    """From which number it goes: the one that is named, that of its conversation, or the only one there is."""
    own = draft.recipient.number_id if draft.recipient else None
    named = draft.new.number_id
    if named is not None and (named not in known or own not in (None, named)):
        return NOBODY if named not in known else _unfit(["number_id: the conversation is on another number"])
    if own is not None or named is not None:
        return own or named or NOBODY
    if len(known) == 1:
        return next(iter(known))
    return _unfit(["number_id: needed, this business has several numbers"]) if known else NOBODY


def decide(draft: Draft, window: Window, is_out: bool, now: dt.datetime) -> Unsent | None:
    """Whether it may go, as far as that is known now. The sender asks again when it goes."""
    new = draft.new
    if new.category == "marketing" and is_out:
        return Unsent("opted_out", "this person wants no marketing")
    goes_at = max(now, new.not_before or now)
    is_open = window.window_until is not None and window.window_until > goes_at and not window.closed
    if new.category == "service" and new.fallback is None and not is_open:
        return Unsent("window_closed", "the customer's last message is more than 24 hours old: send a template")
    return None


# ── the transaction ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def send(tx: Tx, rt: Runtime, order: Order) -> None:
    """Queue all of an order that may go. Each of its drafts says then why not, where it did not."""
    if order.is_repeatable:
        await _find_sent(tx, order)
    await _check(tx, order)
    await _find_recipients(tx, order)
    await _find_conversations(tx, rt, order)
    await _decide(tx, order)
    if going := order.going:
        if order.source == "agent":
            talks = sorted({d.conversation_id for d in going if d.conversation_id and d.new.category != "marketing"})
            taken = await tx.all(contacts.TAKE_OVER, ids=talks, ats=[order.now] * len(talks), now=order.now)
            told = [Changed(t.id, t.contact_id, t.number_id, "taken_over", "human", t.queue) for t in taken if t.was == "bot"]
            if told and rt.feed.wants(tx.tenant_id):
                await rt.feed.tell(tx, told)
        await outbound.put(tx, [_outgoing(order, draft) for draft in going], order.now, rt.new_id)
        await _find_sent(tx, order)


def _outgoing(order: Order, draft: Draft) -> Outgoing:
    new, recipient = draft.new, draft.recipient
    assert recipient is not None and draft.number_id is not None and draft.conversation_id is not None
    return Outgoing(
        draft.number_id, recipient.contact_id, draft.conversation_id, order.source, order.source_id, 0, draft.ordinal, new.content,
        category=new.category, fallback=new.fallback, not_before=new.not_before,
    )  # fmt: skip


async def _find_sent(tx: Tx, order: Order) -> None:
    """What is under the key already is no draft any more."""
    order.sent = {sent.ordinal: sent for sent in await tx.all(SENT_UNDER, source=order.source, source_id=order.source_id)}
    order.drafts = [draft for draft in order.drafts if draft.ordinal not in order.sent]


async def _check(tx: Tx, order: Order) -> None:
    for draft in order.drafts:
        draft.unsent = check(draft.new, order.now)
    stored = await outbound.load_files(tx, [(d.new.content, d.new.fallback) for d in order.going])
    for draft in order.going:
        if wrong := outbound.file_problems(draft.new.content, draft.new.fallback, stored):
            draft.unsent = _unfit([f"content.{problem}" for problem in wrong])


async def _find_recipients(tx: Tx, order: Order) -> None:
    """Whom each is to, under the lock; who is known by nothing but a phone that nobody has is made."""
    wanted: dict[Named, list[str]] = {"conversation": [], "contact": [], "phone": []}
    for draft in order.going:
        what, key = draft.key
        wanted[what].append(key)
    keys = {
        "conversation_ids": [UUID(key) for key in wanted["conversation"]],
        "contact_ids": [UUID(key) for key in wanted["contact"]],
        "phones": wanted["phone"],
    }
    before = await tx.all(RECIPIENTS, **keys)
    await tx.all(contacts.LOCK, ids=sorted({id_ for r in before for id_ in (r.contact_id, r.person_id)}))
    found = {(r.what, r.key): r for r in await tx.all(RECIPIENTS, **keys)}
    for draft in order.going:
        draft.recipient = found.get(draft.key)
        if draft.recipient is None and draft.key[0] != "phone":
            draft.unsent = NOBODY


async def _find_conversations(tx: Tx, rt: Runtime, order: Order) -> None:
    """From which number each goes, and in which conversation: made where there is none."""
    known = {number.id: number for number in await tx.all(numbers.EVERYONE)} if order.going else {}
    for draft in order.going:
        chosen = choose_number(draft, known)
        if isinstance(chosen, Unsent):
            draft.unsent = chosen
        else:
            draft.number_id = chosen
    await _make_contacts(tx, rt, order, known)
    talks: dict[tuple[UUID, UUID], UUID] = {}
    for draft in order.going:
        if (r := draft.recipient) is not None and r.conversation_id is not None and r.number_id is not None:
            talks[r.contact_id, r.number_id] = r.conversation_id
    places = [(d, (d.recipient.contact_id, d.number_id)) for d in order.going if d.recipient and d.number_id]
    if missing := sorted({contact_id for _, (contact_id, number_id) in places if (contact_id, number_id) not in talks}):
        there = await tx.all(contacts.CONVERSATIONS, contact_ids=missing)
        talks |= {(row.contact_id, row.number_id): row.id for row in there}
    talks = await contacts.ensure_conversations(tx, talks, [place for _, place in places], order.now, rt.new_id)
    for draft, place in places:
        draft.conversation_id = talks[place]


async def _make_contacts(tx: Tx, rt: Runtime, order: Order, known: Mapping[UUID, Number]) -> None:
    """Who is new: after all locks, as everywhere."""
    new = [draft for draft in order.going if draft.recipient is None and draft.number_id is not None]
    if not new:
        return
    people = [Person(known[d.number_id].portfolio_id, None, phone.digits(d.new.to.phone or "")) for d in new if d.number_id]
    meeting = await contacts.settle(tx, await contacts.meet(tx, people), order.now, rt.new_id)
    told = await contacts.recall(tx, rt.config.secret_keys, meeting, order.now, rt.new_id)
    if told and rt.feed.wants(tx.tenant_id):
        await rt.feed.tell(tx, told)
    for draft, contact_id in zip(new, meeting.ids, strict=True):
        draft.recipient = Recipient("phone", draft.key[1], contact_id, None, None, contact_id)


async def _decide(tx: Tx, order: Order) -> None:
    going = order.going
    windows = {w.id: w for w in await tx.all(WINDOWS, ids=sorted({d.conversation_id for d in going if d.conversation_id}))}
    people = sorted({d.recipient.person_id for d in going if d.recipient and d.new.category == "marketing"})
    standing = await consent.load(tx, people) if people else {}
    for draft in going:
        assert draft.recipient is not None and draft.conversation_id is not None
        is_out = standing.get((draft.recipient.person_id, consent.MARKETING)) == "out"
        draft.unsent = decide(draft, windows[draft.conversation_id], is_out, order.now)


# ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _order(rt: Runtime, call: Call[Any], news: Sequence[NewMessage], source_id: UUID) -> Order:  # Any: whatever it takes
    """Anew for each run of the transaction."""
    source: Source = "api" if call.by.key_id is not None else "agent"
    drafts = [Draft(ordinal, new) for ordinal, new in enumerate(news)]
    return Order(source=source, source_id=source_id, is_repeatable=call.request is not None, drafts=drafts, now=rt.now())


def _source_id(rt: Runtime, call: Call[Any]) -> UUID:  # Any: as above
    """The same for the same request with the same key of the same caller."""
    if call.request is None or call.by.id is None:
        return rt.new_id()
    return uuid5(call.by.id, f"{call.request.key}\n{call.request.sha256.hex()}")


async def send_message(rt: Runtime, call: Call[NewMessage]) -> Message:
    """One message, whole. Raises Refused or Problem for what does not go."""
    source_id, ring = _source_id(rt, call), set[UUID]()

    async def work(tx: Tx) -> Message:
        order = _order(rt, call, [call.body], source_id)
        await send(tx, rt, order)
        for draft in order.drafts:
            if draft.unsent is not None:
                raise _refusal(draft.unsent)
        ring.update(order.number_ids)
        (sent,) = order.sent.values()
        told = {"conversation_id": sent.conversation_id, "category": call.body.category}
        await audit.add(tx, rt.new_id(), order.now, audit.actor(call), "message_sent", sent.id, after=told)
        return await messages.load(tx, sent.id)

    message = await once(rt, call, work)
    _tell(rt, call, source_id, ring, 1)
    return message


async def send_messages(rt: Runtime, call: Call[NewMessages]) -> SendResults:
    """Up to a thousand, each by itself: what may not go says why, and keeps no other from going."""
    source_id, ring = _source_id(rt, call), set[UUID]()

    async def work(tx: Tx) -> SendResults:
        order = _order(rt, call, call.body.messages, source_id)
        await send(tx, rt, order)
        ring.update(order.number_ids)
        told = {"messages": len(order.sent)}
        await audit.add(tx, rt.new_id(), order.now, audit.actor(call), "messages_sent", source_id, after=told)
        unsent = {draft.ordinal: draft.unsent for draft in order.drafts}
        return SendResults(len(order.sent), [_result(order.sent.get(n), unsent.get(n)) for n in range(len(call.body.messages))])

    results = await once(rt, call, work)
    _tell(rt, call, source_id, ring, len(call.body.messages))
    return results


def _result(sent: Sent | None, unsent: Unsent | None) -> SendResult:
    if sent is None:
        return SendResult(refused=unsent)
    return SendResult(sent.id, sent.conversation_id, sent.contact_id)


def _refusal(unsent: Unsent) -> Problem | Refused:
    if unsent.code == "not_found":
        return not_found()
    if unsent.code == "invalid":
        return Problem(422, "invalid", "the request does not fit", faults=tuple(unsent.errors))
    return Refused(unsent.code, unsent.detail)


def _tell(rt: Runtime, call: Call[Any], source_id: UUID, number_ids: set[UUID], n: int) -> None:  # Any: as above
    for number_id in number_ids:
        rt.bells.ring_number(number_id)
    log.info("messages_taken", tenant_id=call.tenant_id, source_id=str(source_id), messages=n)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("POST", "/v1/messages", "send_message", send_message, who=AGENTS, scope="messages:send", takes=NewMessage,
             gives=Message, status=201, once=True, refuses={"not_found": 404, "window_closed": 409, "opted_out": 409},
             says="Send a message of any content. A person's takes its conversation over: the bot is silent in it."),
    Endpoint("POST", "/v1/messages/batch", "send_messages", send_messages, who=AGENTS, scope="messages:send", takes=NewMessages,
             gives=SendResults, once=True, most_bytes=MOST_BATCH_BYTES,
             says="Send up to 1,000 messages, each by itself: what may not go says why, and keeps no other from going."),
]  # fmt: skip
