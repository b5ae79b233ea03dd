"""The engine: one pure function from an input to what is to be done. Production, preview and tests call the same one.

The order in which an input is read is the promise of the language: opting out and erasure first, whatever the state; then a
person who has the conversation; then the cases of the node; then `atendente`, `menu`, `voltar`; then `any`; then `else`.
No clock, no randomness, no I/O: the same arguments give the same answer.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from atendeja.wa import content as wa

from . import words
from .model import Flow
from .run import MOST_SENT, label
from .session import Answer, Consent, Effect, Erasure, Facts, Handoff, Input, Notice, Say, Session, TraceRow
from .types import duration, in_language
from .walk import Program, Walk

__all__ = ["Program", "answer", "compile"]


def compile(flow: Flow, version_id: str) -> Program:  # noqa: A001 it is the word for it
    """The program of a checked flow. Its texts and words are parsed on first use and remembered."""
    return Program(flow, version_id)


def answer(
    book: Sequence[Program],
    session: Session | None,
    program: Program | None,
    input: Input,  # noqa: A002 it is the word of the language
    facts: Facts,
    now: datetime,
    new_session_id: str,
) -> Answer:
    """What to do about one input, or about a timer (`Input("timeout")`). Never raises for anything a customer can send.

    `book` are the published programs, the number's before the tenant's; `program` is the version that the live session is
    pinned to. The session given is not changed: the answer holds its successor, which is to be written even when it is over;
    when another one opens, the one that expired is over without a trace. A live session whose program is gone goes to a person.
    """
    heard = input
    live = session if session is not None and session.live else None
    if heard.kind == "timeout":
        return _timer(live, program, heard, facts, now)
    if wish := _wish(heard, live, now):
        return _reserved(wish, book, live, program, heard, facts)
    if facts.owner == "human":
        return Answer(session, outcome="human")
    if live is not None and live.expires_at > now:
        return _resume(live, program, heard, facts, now)
    return _open(book, heard, facts, now, new_session_id)


def _wish(heard: Input, live: Session | None, now: datetime) -> words.Reserved | None:
    if heard.kind != "text":
        return None
    waits = live is not None and live.expires_at > now
    return "opt_out" if not waits and words.cancels(heard.text) else words.reserved(heard.text)


def _reserved(
    wish: words.Reserved, book: Sequence[Program], live: Session | None, program: Program | None, heard: Input, facts: Facts
) -> Answer:
    """Opting out ends the session; asking for erasure leaves it as it is. Each is confirmed once, in the flow's words or ours."""
    effects: list[Effect] = [Consent("marketing", "out") if wish == "opt_out" else Erasure()]
    if facts.recent_out < MOST_SENT:
        speaker = program or next(iter(book), None)
        effects.append(Say(wa.Text(_receipt(wish, speaker.flow if speaker else None, facts.language))))
    if live is None:
        return Answer(None, effects)
    kept = msgspec.structs.replace(live, step_no=live.step_no + 1)
    if wish == "opt_out":
        kept.state, kept.wait = "ended", None
    labels = [label(effect, index) for index, effect in enumerate(effects)]
    return Answer(kept, effects, [TraceRow(kept.step_no, kept.node, heard.event_id, wish, effects=labels)])


def _receipt(wish: words.Reserved, flow: Flow | None, language: str) -> str:
    name: words.Notice = "opted_out" if wish == "opt_out" else "erasing"
    own = flow.text(name) if flow else None
    if flow is None or own is None:
        return words.default_text(name, language or (flow.language if flow else "pt-BR"))
    return in_language(own, (language, flow.language))


def _timer(live: Session | None, program: Program | None, heard: Input, facts: Facts, now: datetime) -> Answer:
    """A timer that is not due, or of a session that is over or with a person, changes nothing."""
    if live is None or live.due_at is None or live.due_at > now or facts.owner == "human":
        return Answer(live)
    kept = _copy(live)
    if live.expires_at <= now:
        kept.state, kept.wait = "expired", None
        return Answer(kept)
    return _gone(kept) if program is None else Walk(program, kept, facts, heard, now).go(Walk.time_out)


def _resume(live: Session, program: Program | None, heard: Input, facts: Facts, now: datetime) -> Answer:
    kept = _copy(live)
    if program is None:
        return _gone(kept)
    kept.expires_at = now + duration(program.flow.defaults.expires)
    return Walk(program, kept, facts, heard, now).go(Walk.hear)


def _gone(kept: Session) -> Answer:
    kept.state, kept.wait = "failed", None
    return Answer(kept, [Notice("flow_error", f"{kept.flow}: its version is gone"), Handoff("safety", "flow_error")])


def _open(book: Iterable[Program], heard: Input, facts: Facts, now: datetime, new_session_id: str) -> Answer:
    said = words.fold(heard.text)
    program = next((each for each in book if any(start.opens(heard, said) for start in each.flow.starts)), None)
    if program is None:
        return Answer(None, outcome="no_flow")
    flow = program.flow
    expires_at = now + duration(flow.defaults.expires)
    session = Session(new_session_id, flow.key, program.version_id, flow.start, now, expires_at)
    return Walk(program, session, facts, heard, now).go(Walk.open)


def _copy(session: Session) -> Session:
    """A session that a walk may change: all it holds is replaced, never changed in place, but `vars`."""
    return msgspec.structs.replace(session, vars=dict(session.vars))
