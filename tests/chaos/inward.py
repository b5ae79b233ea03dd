"""What must hold of what came in: I1 to I4."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from math import inf
from uuid import UUID

from tests.chaos.facts import Event, Facts, Message

ENDED = ("handled", "ignored", "dead")


def acknowledged_once(facts: Facts) -> Iterator[str]:
    """I1: a wamid that we answered 200 is exactly one event, of the number it was sent to; and no key is two events."""
    by_key: dict[str, list[Event]] = defaultdict(list)
    for event in facts.events:
        by_key[event.key].append(event)
    for ack in {ack.wamid: ack for ack in facts.evidence.acknowledged}.values():
        found = by_key.get(ack.wamid, [])
        if len(found) != 1:
            yield f"{ack.wamid} of {ack.sender}, answered 200 at {ack.at:.3f}, is {len(found)} events {_ids(found)}"
        elif found[0].phone_number_id != ack.number:
            yield f"{ack.wamid} to {ack.number} is event {found[0].id} of {found[0].phone_number_id}"
    known = {ack.wamid for ack in facts.evidence.acknowledged}
    for key, found in by_key.items():
        if key not in known and len({event.phone_number_id for event in found}) < len(found):
            yield f"{key} is {len(found)} events {_ids(found)}"


def one_outcome(facts: Facts) -> Iterator[str]:
    """I2: an event has ended, and is in the trace of no turn but its own."""
    by_id = {str(event.id): event for event in facts.events}
    for event in facts.events:
        if event.state not in ENDED:
            yield f"event {event.id} ({event.key}, received {event.received_at}) is {event.state}"
    seen = {(step.event, step.conversation_id, step.turn_no) for step in facts.steps if step.event}
    for id_, conversation_id, turn_no in sorted(seen, key=str):
        of = by_id.get(id_)
        if of is None or of.state != "handled" or (of.conversation_id, of.turn_no) != (conversation_id, turn_no):
            own = "unknown" if of is None else f"{of.state} by turn {of.turn_no} of {of.conversation_id}"
            yield f"event {id_} is in the trace of turn {turn_no} of conversation {conversation_id}, and is {own}"


def turns_in_a_chain(facts: Facts) -> Iterator[str]:
    """I3: a conversation's turns are 1, 2, 3 … to its last, each once, and answer what came in the order in which it came.

    Who was answered 200 before the next was stored came first; of two that were on their way at once nobody can say which did.
    """
    numbers: dict[UUID, set[int]] = defaultdict(set)
    for conversation_id, turn_no in _traces(facts):
        numbers[conversation_id].add(turn_no)
    for conversation in facts.conversations:
        seen = numbers.pop(conversation.id, set())
        beyond = sorted(n for n in seen if not 1 <= n <= conversation.turn_no)
        missing = sorted(set(range(1, conversation.turn_no + 1)) - seen)
        if beyond:
            yield f"conversation {conversation.id} is at turn {conversation.turn_no}, and there are traces of turns {beyond[:5]}"
        if len(missing) > conversation.silent_turns:
            yield f"conversation {conversation.id} is at turn {conversation.turn_no}, and of turns {missing[:5]} there is no trace"
    for conversation_id, seen in numbers.items():
        yield f"there are traces of turns {sorted(seen)[:5]} of conversation {conversation_id}, which does not exist"
    for (session_id, step_no), n in Counter((step.flow_session_id, step.step_no) for step in facts.steps).items():
        if n > 1:
            yield f"step {step_no} of flow session {session_id} was taken {n} times"
    yield from _inversions(facts)


def _traces(facts: Facts) -> Iterator[tuple[UUID, int]]:
    """(conversation, turn) of every row that a turn leaves."""
    for event in facts.events:
        if event.turn_no is not None and event.conversation_id is not None:
            yield event.conversation_id, event.turn_no
    for step in facts.steps:
        yield step.conversation_id, step.turn_no
    for message in facts.messages:
        if message.source == "turn":
            yield message.conversation_id, message.source_no


def _inversions(facts: Facts) -> Iterator[str]:
    stored_by = {ack.wamid: ack.at for ack in facts.evidence.acknowledged}
    talks: dict[UUID, list[Event]] = defaultdict(list)
    for event in facts.events:
        if event.turn_no is not None and event.conversation_id is not None:
            talks[event.conversation_id].append(event)
    for events in talks.values():
        events.sort(key=_turn, reverse=True)
        earliest: tuple[float, Event] | None = None  # who was answered 200 first, of those that later turns answered
        for _, turn in groupby(events, key=_turn):
            answered = list(turn)
            if earliest is not None:
                yield from (_inverted(earliest[1], event) for event in answered if earliest[0] < event.received_at.timestamp())
            stored = [(stored_by.get(event.key, inf), event) for event in answered]
            earliest = min([earliest, *stored] if earliest else stored, key=lambda pair: pair[0])
        for first, later in pairwise(sorted(events, key=lambda event: (event.received_at, event.place))):
            if first.received_at == later.received_at and _turn(first) > _turn(later):
                yield _inverted(first, later)


def _turn(event: Event) -> int:
    return event.turn_no or 0


def _inverted(first: Event, later: Event) -> str:
    return (
        f"conversation {first.conversation_id}: {first.key} (event {first.id}, {first.received_at}) came before {later.key} "
        f"(event {later.id}, {later.received_at}), and was answered after it: turns {first.turn_no} and {later.turn_no}"
    )


def replies_with_their_turn(facts: Facts) -> Iterator[str]:
    """I4: a turn's messages are there when it was committed, all of them, and only then.

    What a turn said is in its trace; a turn that answered an event without one (SAIR where no flow runs) is not counted.
    """
    answered = {(event.conversation_id, event.turn_no): str(event.id) for event in facts.events if event.turn_no is not None}
    traced = {step.event for step in facts.steps}
    untraced = {turn for turn, event_id in answered.items() if event_id not in traced}
    said: Counter[tuple[UUID, int]] = Counter()
    for step in facts.steps:
        said[step.conversation_id, step.turn_no] += step.says
    written: dict[tuple[UUID, int], list[Message]] = defaultdict(list)
    for message in facts.messages:
        if message.source == "turn":
            written[message.conversation_id, message.source_no].append(message)
            if message.source_id != message.conversation_id:
                yield f"message {message.id} of conversation {message.conversation_id} is of a turn of {message.source_id}"
    for turn, messages in written.items():
        if turn not in said and turn not in answered:
            yield f"{_ids(messages)}: of turn {turn[1]} of conversation {turn[0]}, which was never committed"
        if sorted(message.ordinal for message in messages) != list(range(len(messages))):
            yield f"{_ids(messages)}: messages {sorted(m.ordinal for m in messages)} of turn {turn[1]} of conversation {turn[0]}"
    for turn, n in said.items():
        there = written[turn]
        if turn not in untraced and n != len(there):
            yield f"turn {turn[1]} of conversation {turn[0]} said {n} messages, and there are {len(there)}: {_ids(there)}"


def _ids(rows: Sequence[Event | Message]) -> str:
    return ", ".join(str(row.id) for row in rows)
