"""Why a thing happened: the rows that prove it, from the event that came to the message that went."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from atendeja.db import Database, Tx, query
from atendeja.endpoint import MEMBERS, Call, Endpoint, not_found
from atendeja.runtime import Runtime
from atendeja.tenants import EVERYONE
from atendeja.wa.codes import CODES, advise


class EventRow(Struct, frozen=True):
    id: UUID
    key: str
    kind: str
    state: str
    reason: str | None
    turn_no: int | None
    tries: int
    arrival: int
    position: int
    sent_at: dt.datetime
    received_at: dt.datetime
    conversation_id: UUID | None


class MessageRow(Struct, frozen=True):
    id: UUID
    source: str
    source_no: int
    ordinal: int
    category: str
    policy: str
    seq: int | None
    state: str
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
    conversation_id: UUID
    other_id: UUID | None
    """The template in its place, or in whose place it went."""


class AttemptRow(Struct, frozen=True):
    message_id: UUID
    id: UUID
    n: int
    state: str
    code: int | None
    detail: str | None
    wamid: str | None
    claimed_at: dt.datetime
    first_byte_at: dt.datetime | None
    ended_at: dt.datetime | None


class StepRow(Struct, frozen=True):
    step_no: int
    node: str
    trace: bytes


class ConversationRow(Struct, frozen=True):
    id: UUID
    state: str
    owner: str
    queue: str | None
    human_at: dt.datetime | None
    window_until: dt.datetime | None
    turn_no: int
    contact_id: UUID
    number_id: UUID
    entry_at: dt.datetime | None
    """When the customer last came by an ad."""
    free_until: dt.datetime | None


class Waits(Struct, frozen=True):
    """What stands between a queued message and its POST."""

    id: UUID
    held_at: dt.datetime | None
    suspended_for: str | None
    paused_for: str | None
    stopped_until: dt.datetime | None
    stopped_code: int | None
    marketing_until: dt.datetime | None
    marketing_code: int | None
    template_until: dt.datetime | None
    template_code: int | None
    hold: str | None
    unuploaded: bool
    """A file of it has not been uploaded by its number."""
    behind: bool


class Why(Struct, frozen=True):
    """A reason for which a message is as it is."""

    code: Annotated[str, Meta(description="What to decide by.", examples=["template_stopped"])]
    says: Annotated[str, Meta(description="In words.")]


class Explanation(Struct, frozen=True):
    message_id: UUID
    state: Annotated[str, Meta(examples=["queued"])]
    why: list[Why]
    advice: Annotated[str | None, Meta(description="What to do about Meta's code, where there is one.")]
    lines: Annotated[list[str], Meta(description="Its way, from what it answers to what WhatsApp reported: for people.")]


EVENTS = query("reporting.events", EventRow)
TURN_EVENTS = query("reporting.turn_events", EventRow)
MESSAGES = query("reporting.messages", MessageRow)
MESSAGE = query("reporting.message", MessageRow)
ATTEMPTS = query("reporting.attempts", AttemptRow)
STEPS = query("reporting.steps", StepRow)
CONVERSATION = query("reporting.conversation", ConversationRow)
WAITS = query("reporting.waits", Waits)

_NOBODY = UUID(int=0)

_STATES = {
    "sending": "it is on its way, or about to be",
    "in_doubt": "it was posted and no answer came: a status settles it, or its time runs out",
    "unknown": "it may have been delivered: no answer came, and no status; it is not sent again",
    "accepted": "WhatsApp has it, and has said no more yet",
    "sent": "WhatsApp has sent it; the customer's telephone has not confirmed it yet",
}
_WITHDRAWN = {
    "human": "a person took the conversation over after it was written",
    "newer_message": "its outcome was unknown, and the customer wrote again before it could be sent a second time",
    "opted_out": "the customer wants no marketing",
    "cancelled": "who had it sent took it back",
    "window_closed": "the customer's last message is more than 24 hours old, by our clock or by WhatsApp's (131047)",
    "stale": "it came too late to be of use",
    "operator": "a person decided so",
}


async def explain(db: Database, wanted: str, now: dt.datetime) -> list[str]:
    """Lines that tell the way of an event or a message, named by its id, its wamid or an attempt's id; empty when nobody has it."""
    try:
        id_ = UUID(wanted)
    except ValueError:
        id_ = _NOBODY
    async with db.session() as session:
        everyone = await session.all(EVERYONE)
    for tenant in everyone:
        async with db.tenant(tenant.id) as tx:
            if lines := await _explain(tx, id_, wanted, now):
                return [f"tenant {tenant.slug}", *lines]
    return []


async def _explain(tx: Tx, id_: UUID, key: str, now: dt.datetime) -> list[str]:
    events = await tx.all(EVENTS, id=id_, key=key, conversation_id=None, turn_no=None)
    messages = [] if events else await tx.all(MESSAGES, id=id_, key=key, conversation_id=None, turn_no=None)
    talks = [e.conversation_id for e in events] + [m.conversation_id for m in messages]
    talk = next((id_ for id_ in talks if id_ is not None), None)
    turn_no = events[0].turn_no if events else messages[0].source_no if messages and messages[0].source == "turn" else None
    if talk is not None and turn_no is not None:
        events = await tx.all(EVENTS, id=id_, key=key, conversation_id=talk, turn_no=turn_no)
        messages = await tx.all(MESSAGES, id=id_, key=key, conversation_id=talk, turn_no=turn_no)
    lines = [_event_line(e) for e in events]
    if talk is not None:
        lines += await _turn_lines(tx, talk, turn_no)
    return lines + await _message_lines(tx, messages, await _reasons(tx, messages, now))


async def explain_message(rt: Runtime, call: Call[Struct]) -> Explanation:
    """The way of one message, and why it is as it is."""
    now = rt.now()
    async with rt.db.tenant(call.tenant_id) as tx:
        message = await tx.one(MESSAGE, id=call.ids["id"])
        if message is None:
            raise not_found()
        talk, turn_no = message.conversation_id, message.source_no if message.source == "turn" else None
        events = [] if turn_no is None else await tx.all(TURN_EVENTS, conversation_id=talk, turn_no=turn_no)
        why = await _reasons(tx, [message], now)
        lines = [*map(_event_line, events), *await _turn_lines(tx, talk, turn_no), *await _message_lines(tx, [message], why)]
    advice = None if message.code is None else advise(message.code)
    return Explanation(message.id, message.state, why.get(message.id, []), advice, lines)


async def _reasons(tx: Tx, messages: Sequence[MessageRow], now: dt.datetime) -> dict[UUID, list[Why]]:
    waits = {w.id: w for w in await tx.all(WAITS, ids=[m.id for m in messages if m.state == "queued"], now=now)}
    return {m.id: _why(m, waits.get(m.id), now) for m in messages}


async def _message_lines(tx: Tx, messages: Sequence[MessageRow], why: Mapping[UUID, list[Why]]) -> list[str]:
    attempts = await tx.all(ATTEMPTS, message_ids=[m.id for m in messages])
    lines: list[str] = []
    for message in messages:
        lines += [
            _message_line(message),
            *(f"  why: {reason.says}" for reason in why[message.id]),
            *(_attempt_line(a) for a in attempts if a.message_id == message.id),
            *_status_lines(message),
        ]
    return lines


async def _turn_lines(tx: Tx, talk: UUID, turn_no: int | None) -> list[str]:
    row = await tx.one(CONVERSATION, id=talk)
    assert row is not None
    window = "never opened" if row.window_until is None else f"open until {_at(row.window_until)}"
    owner = row.owner if row.queue is None else f"{row.owner} (queue {row.queue})"
    lines = [f"conversation {row.id} {row.state}, owner {owner}, window {window}"]
    if row.entry_at is not None:
        free = "free once it is answered within a day" if row.free_until is None else f"free until {_at(row.free_until)}"
        lines.append(f"the customer came by an ad {_at(row.entry_at)}: {free}")
    if turn_no is not None:
        lines.append(f"turn {turn_no}")
        lines += [f"  step {s.step_no} {_step(s)}" for s in await tx.all(STEPS, conversation_id=talk, turn_no=turn_no)]
    return lines


def _step(row: StepRow) -> str:
    trace = msgspec.json.decode(row.trace, type=dict[str, object])
    test, took = trace.get("test"), trace.get("took")
    return row.node + (f": {test}" if test else "") + (f" → {took}" if took else "")


def _event_line(e: EventRow) -> str:
    end = f"{e.state} ({e.reason})" if e.reason else e.state + (f" by turn {e.turn_no}" if e.turn_no is not None else "")
    return (
        f"event {e.id} {e.kind} {e.key}: sent {_at(e.sent_at)}, arrived {_at(e.received_at)} as {e.arrival}.{e.position}, {end}"
        + (f", {e.tries} tries alone" if e.tries else "")
    )


def _message_line(m: MessageRow) -> str:
    said = m.reason or (f"{m.code}: {m.detail}" if m.code is not None else m.detail if m.state == "failed" else None)
    why = f" ({said})" if said else ""
    place = f" in place of message {m.other_id}" if m.ordinal < 0 else f" {m.source_no}.{m.ordinal}"
    return f"message {m.id} {m.category} of {m.source}{place}, queued {_at(m.created_at)}: {m.state}{why}" + (
        ", held for quality assessment" if m.held else ""
    )


def _why(m: MessageRow, waits: Waits | None, now: dt.datetime) -> list[Why]:
    """What made it so."""
    if m.state == "withdrawn":
        return [Why(m.reason or "withdrawn", _WITHDRAWN.get(m.reason or "", m.reason or "")), *_other(m)]
    if m.state == "failed":
        code = CODES.get(m.code or 0)
        refused = [Why("refused", f"WhatsApp refused it: {code.meaning}")] if code and m.code is not None else []
        return [*(refused or [Why("not_sent", "it could not be sent: nothing of it left us")] * (m.attempt_no == 0)), *_other(m)]
    if m.state == "queued":
        return list(_waiting(m, waits, now)) or [Why("due", "it is due: its sender takes it as the pace allows")]
    return [Why(m.state, _STATES[m.state])] if m.state in _STATES else []


def _other(m: MessageRow) -> list[Why]:
    if m.other_id is None or m.ordinal < 0:
        return []
    return [Why("fallback", f"a template went in its place: message {m.other_id}")]


def _waiting(m: MessageRow, w: Waits | None, now: dt.datetime) -> Iterator[Why]:
    if w is None:
        return
    if w.held_at is not None:
        yield Why("sending_held", f"nobody sends since {_at(w.held_at)}: see `atendeja resume-sending`")
    if w.suspended_for is not None:
        yield Why("tenant_suspended", f"an operator has suspended the business: {w.suspended_for}")
    if w.paused_for is not None:
        yield Why("number_paused", f"somebody has paused the number: {w.paused_for}")
    if w.stopped_code is not None and w.stopped_until is not None:
        yield Why("number_stopped", f"the number is stopped by code {w.stopped_code}, and tried again at {_at(w.stopped_until)}")
    if m.category == "marketing" and w.marketing_code is not None and w.marketing_until is not None:
        yield Why(
            "marketing_stopped",
            f"the number's marketing is stopped by code {w.marketing_code}, and tried again at {_at(w.marketing_until)}",
        )
    if w.template_code is not None and w.template_until is not None:
        yield Why(
            "template_stopped", f"the template is stopped by code {w.template_code}, and tried again at {_at(w.template_until)}"
        )
    if w.hold is not None:
        yield Why("held", f"what had it sent is held: {w.hold}")
    if w.behind:
        yield Why("behind", "another message of the conversation goes first")
    if w.unuploaded:
        yield Why("uploading", "a file of it has to be uploaded to WhatsApp first, which its sender does")
    if m.not_before > now:
        yield Why("later", f"it is {'tried again' if m.attempt_no else 'to go'} at {_at(m.not_before)}")


def _attempt_line(a: AttemptRow) -> str:
    took = "" if a.ended_at is None else f" after {(a.ended_at - a.claimed_at).total_seconds() * 1000:.0f} ms"
    why = f" ({a.code}: {a.detail})" if a.code is not None else f" ({a.detail})" if a.detail else ""
    left = ", no byte left us" if a.state in ("not_sent", "abandoned") else ""
    return f"  attempt {a.n} {a.id} claimed {_at(a.claimed_at)}: {a.state}{took}{why}{left}" + (f", {a.wamid}" if a.wamid else "")


def _status_lines(m: MessageRow) -> list[str]:
    told = (
        ("accepted", m.accepted_at),
        ("sent", m.sent_at),
        ("delivered", m.delivered_at),
        ("read", m.read_at),
        ("played", m.played_at),
        ("failed", m.failed_at),
    )
    return [f"  {name} {_at(at)}" for name, at in told if at is not None]


def _at(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/messages/{id}/explain", "explain_message", explain_message, who=MEMBERS,
             scope="messages:read", gives=Explanation, says="Why a message is as it is: what keeps it, or what refused it."),
]  # fmt: skip
