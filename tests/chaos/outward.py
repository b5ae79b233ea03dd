"""What must hold of what went out: I5 to I9, I14, and the order within a conversation."""

from collections.abc import Iterator
from uuid import UUID

from tests.chaos.facts import Facts, Post

UNFINISHED = ("queued", "sending", "in_doubt")


def at_most_once(facts: Facts) -> Iterator[str]:
    """I5: marketing, templates and codes are accepted once at the most, whatever happened."""
    for message_id, posts in facts.acceptances.items():
        message = facts.message_of.get(message_id)
        if message is not None and message.policy == "at_most_once" and len(posts) > 1:
            yield f"message {message_id} ({message.category}, {message.state}) was accepted {len(posts)} times: {_show(posts)}"


def intent_before_effect(facts: Facts) -> Iterator[str]:
    """I7: what was accepted has its attempt, which was claimed before, for that number, and its message."""
    for post in facts.accepted:
        line, attempt = post.line, post.attempt
        if attempt is None:
            why = "no callback data of ours" if post.attempt_id is None else f"attempt {post.attempt_id} does not exist"
            yield f"line {line.seq} at {post.at} ({line.wamid} to {line.to}): {why}"
        elif attempt.message_id not in facts.message_of:
            yield f"line {line.seq}: attempt {attempt.id} is of message {attempt.message_id}, which does not exist"
        elif attempt.phone_number_id != line.phone_number_id:
            yield f"line {line.seq} to number {line.phone_number_id}: attempt {attempt.id} is of number {attempt.phone_number_id}"
        elif attempt.claimed_at > post.at:
            yield f"line {line.seq} at {post.at}: attempt {attempt.id} was claimed at {attempt.claimed_at}, after it"


def at_rest(facts: Facts) -> Iterator[str]:
    """I8: nothing is under way any more, and what nobody knows is no more than what was on the wire at the kills."""
    for message in facts.messages:
        if message.state in UNFINISHED:
            yield f"message {message.id} of {message.created_at} is {message.state}"
    if facts.stored:
        yield f"{facts.stored} deliveries are not digested"
    unknown = [message.id for message in facts.messages if message.state == "unknown"]
    most = facts.evidence.kills * facts.evidence.in_flight
    if len(unknown) > most:
        yield f"{len(unknown)} messages are unknown, after {facts.evidence.kills} kills at most {most} may be: {_first(unknown)}"


def _first(ids: list[UUID]) -> str:
    return ", ".join(str(id_) for id_ in ids[:5])


def _show(posts: list[Post]) -> str:
    return ", ".join(f"line {post.line.seq} at {post.at} (attempt {post.attempt_id}, {post.line.wamid})" for post in posts)
