"""What must hold of what came in: I1 to I4."""

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.facts import Event, Facts

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


def _ids(events: list[Event]) -> str:
    return ", ".join(str(event.id) for event in events)
