"""What to answer, pure: a situation in, a decision out. The engine that the preview and the golden tests run decides here too.

Each unhandled event of a conversation becomes an input, in the order of arrival; a session whose time is up gets a `timeout`
when nothing else came. One turn may hold several inputs: it is one number, one set of writes, one commit.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from atendeja.flow import engine, words
from atendeja.flow import session as flow
from atendeja.flow.engine import Program
from atendeja.outbound import Ready
from atendeja.wa import messages

HUMAN_FOR = dt.timedelta(hours=12)
"""A conversation goes back to the bot this long after the handoff or the last word of a person."""


class Unhandled(Struct, frozen=True):
    """An event that waits for an answer."""

    id: UUID
    key: str
    arrival: int
    position: int
    content: msgspec.Raw
    received_at: dt.datetime


class Closing(Struct, frozen=True):
    """How an event ended: handled by a turn, or ignored for a reason."""

    id: UUID
    turn_no: int | None
    reason: str | None = None


class Talk(Struct, frozen=True):
    """A conversation as it stands, with its live session and what waits in it."""

    id: UUID
    contact_id: UUID
    number_id: UUID
    state: str
    owner: str
    queue: str | None
    human_at: dt.datetime | None
    turn_no: int
    seq: int
    session: flow.Session | None
    program: Program | None
    """The version the live session is pinned to."""
    book: Sequence[Program]
    """What may open here, in the order in which it is asked."""
    events: Sequence[Unhandled]
    ready: Ready | None = None
    """Its first reply may be claimed at once: nothing unfinished stands before it."""


class Situation(Struct, frozen=True):
    """A contact at the moment of a turn: who it is, and each of its conversations."""

    contact_id: UUID
    facts: flow.Facts
    talks: Sequence[Talk]


class Trace(Struct, frozen=True):
    session_id: UUID
    row: flow.TraceRow


class Decision(Struct):
    """What one conversation's turn does. `turn_no` is None when it does nothing but close events."""

    talk: Talk
    turn_no: int | None = None
    sessions: dict[str, flow.Session] = field(default_factory=dict)
    """Every session that was opened or went on, as it is now."""
    says: list[flow.Say] = field(default_factory=list)
    consents: list[tuple[flow.Consent, Unhandled | None, str]] = field(default_factory=list)
    """(what, the event it came with, the flow version that asked)."""
    closings: list[Closing] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    """(kind, detail)."""
    state: str = "open"
    owner: str = "bot"
    queue: str | None = None
    human_at: dt.datetime | None = None
    seq: int = 0
    due_at: dt.datetime | None = None


class Verdict(Struct):
    """The decisions of a contact's conversations, and what they leave of the contact: tags (None: as they were), next due."""

    contact_id: UUID
    decisions: list[Decision]
    tags: list[str] | None
    due_at: dt.datetime | None


def decide(situation: Situation, now: dt.datetime, new_id: Callable[[], UUID]) -> Verdict:
    """Answer all that waits of this contact. `new_id` names the sessions that open."""
    facts, decisions = situation.facts, []
    for talk in situation.talks:
        decision, facts = _converse(talk, facts, now, new_id)
        decisions.append(decision)
    due = [d.due_at for d in decisions if d.due_at is not None]
    changed = facts.tags != situation.facts.tags
    return Verdict(situation.contact_id, decisions, facts.tags if changed else None, min(due, default=None))


def _converse(talk: Talk, facts: flow.Facts, now: dt.datetime, new_id: Callable[[], UUID]) -> tuple[Decision, flow.Facts]:
    decision = Decision(talk, state=talk.state, owner=talk.owner, queue=talk.queue, human_at=talk.human_at, seq=talk.seq)
    if talk.owner == "human" and talk.human_at is not None and talk.events and now - talk.human_at >= HUMAN_FOR:
        decision.owner, decision.queue, decision.human_at = "bot", None, None
    session, program = talk.session, talk.program
    for event, given in _inputs(talk, decision.owner, now):
        asked = replace(facts, owner=decision.owner)
        answer = engine.answer(talk.book, session, program, given, asked, now, str(new_id()))
        if answer.outcome == "handled":
            session, program = _carry(decision, answer, talk, program)
            facts = _note(decision, answer, event, facts, now)
        if event is not None:
            decision.closings.append(_closing(decision, answer.outcome, event))
    decision.due_at = session.due_at if session is not None and session.live and decision.owner == "bot" else None
    return decision, facts


def _inputs(talk: Talk, owner: str, now: dt.datetime) -> list[tuple[Unhandled | None, flow.Input]]:
    """What the engine is given: a time-out that came before the first event, then each event. With a person no time runs out.

    A session that is over by now ends first, even when the event arrived in time and waited for us: the engine would open
    another beside it.
    """
    session = talk.session if owner == "bot" else None
    due = session.due_at if session is not None else None
    over = session is not None and session.expires_at <= now
    first = talk.events[0].received_at if talk.events else now
    timed_out: list[tuple[Unhandled | None, flow.Input]] = (
        [(None, flow.Input("timeout"))] if due is not None and (over or due <= min(first, now)) else []
    )
    return timed_out + [(event, read_input(event)) for event in talk.events]


def _closing(decision: Decision, outcome: str, event: Unhandled) -> Closing:
    if outcome == "handled":
        decision.turn_no = decision.talk.turn_no + 1
        return Closing(event.id, decision.turn_no)
    return Closing(event.id, None, outcome)


def _carry(
    decision: Decision, answer: flow.Answer, talk: Talk, program: Program | None
) -> tuple[flow.Session | None, Program | None]:
    """Keep what the answer says of the session, and which version goes on."""
    session = answer.session
    if session is None:
        return None, None
    decision.turn_no = talk.turn_no + 1
    decision.sessions[session.id] = session
    decision.traces += [Trace(UUID(session.id), row) for row in answer.trace]
    if not session.live:
        return None, None
    if program is None or program.version_id != session.version_id:
        program = next(p for p in talk.book if p.version_id == session.version_id)
    return session, program


def _note(decision: Decision, answer: flow.Answer, event: Unhandled | None, facts: flow.Facts, now: dt.datetime) -> flow.Facts:
    """Turn the effects into what will be written; the tags count for the inputs that follow."""
    version = answer.session.version_id if answer.session else ""
    for effect in answer.effects:
        decision.turn_no = decision.talk.turn_no + 1
        match effect:
            case flow.Say():
                decision.says.append(effect)
            case flow.Tag(add=add, remove=remove):
                kept = [t for t in facts.tags if t not in remove and t not in add]
                facts = replace(facts, tags=kept + add)
            case flow.Consent():
                decision.consents.append((effect, event, version))
            case flow.Handoff(queue=queue, reason=reason):
                decision.owner, decision.queue, decision.human_at = "human", queue, now
                decision.notices.append(("handoff", queue if reason != "safety" else "safety"))
            case flow.Close():
                decision.state = "closed"
            case flow.Erasure():
                decision.notices.append(("erasure_asked", ""))
            case flow.Notice(kind=kind, detail=detail):
                decision.notices.append(("runaway" if kind == "runaway" else "flow_trouble", detail))
    return replace(facts, recent_out=facts.recent_out + sum(isinstance(e, flow.Say) for e in answer.effects))


class _Kept(Struct):
    content: messages.Inbound
    referral: dict[str, object] | None = None


_kept = msgspec.json.Decoder(_Kept)


def read_input(event: Unhandled) -> flow.Input:
    """The event as the flow language knows it. A template's button that says an opt-out word is that word."""
    kept = _kept.decode(event.content)
    given = _read_content(kept.content, str(event.id))
    if kept.referral is not None:
        given = replace(given, data={**(given.data or {}), "referral": kept.referral})
    return given


def _read_content(content: messages.Inbound, event_id: str) -> flow.Input:
    match content:
        case messages.Text(body=body):
            return flow.Input("text", body, event_id=event_id)
        case messages.Button(payload=payload, text=text):
            return (
                flow.Input("text", text, event_id=event_id)
                if words.reserved(text)
                else flow.Input("button", text, payload, event_id=event_id)
            )
        case messages.ButtonReply(id=id_, title=title):
            return flow.Input("button", title, id_, event_id=event_id)
        case messages.ListReply(id=id_, title=title):
            return flow.Input("list", title, id_, event_id=event_id)
        case messages.MediaReceived(kind=kind, id=id_, caption=caption):
            return flow.Input(kind, caption or "", data={"id": id_, "kind": kind}, event_id=event_id)
        case messages.Location(latitude=latitude, longitude=longitude):
            return flow.Input("location", data={"latitude": latitude, "longitude": longitude}, event_id=event_id)
        case messages.Contacts(cards=cards):
            return flow.Input("contact", data={"cards": cards}, event_id=event_id)
        case messages.FormReply(body=body, response=response):
            return flow.Input("form", body or "", data=response or {}, event_id=event_id)
        case messages.Order(text=text):
            return flow.Input("order", text or "", event_id=event_id)
        case _:
            return flow.Input("unsupported", event_id=event_id)
