"""What we must not do although we could: I11 (write to somebody who said no) and I12 (write faster than agreed)."""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID

from atendeja.flow import words
from tests.chaos.facts import Attempt, Facts, Message, OptOut

TAKEOVER_S = 10.0
"""How long the transaction that says that a person has stepped in may take: what is claimed meanwhile cannot know of it."""
PAIR_BURST = 10
PAIR_EVERY_S = 6.0
FENCE_S = 2.0
"""A claim may be posted this much later than it was made, so that the log's bursts look denser by as much."""


def silent_after_a_no(facts: Facts) -> Iterator[str]:
    """I11: every opt-out that we heard is written down; from then on no marketing is claimed for that person; from the moment a
    person takes a conversation over none of the bot's earlier replies; and what was withdrawn was not accepted.

    A service reply after an opt-out is no fault: who opts out and then asks something is answered as usual.
    """
    declared = {word.place for word in facts.opt_outs if word.state == "out"}
    for event in facts.events:
        if event.place not in declared and event.contact_id is not None and words.reserved(event.said or "") == "opt_out":
            yield f"event {event.id} ({event.key}, {event.received_at}) opts out, and there is no consent of its place"
    words_of: dict[UUID, list[OptOut]] = defaultdict(list)
    for word in facts.opt_outs:
        words_of[facts.who(word.contact_id)].append(word)
    taken = {conversation.id: conversation.taken_at for conversation in facts.conversations}
    for message_id, posts in facts.acceptances.items():
        message = facts.message_of.get(message_id)
        if message is None:
            continue
        if message.state == "withdrawn":
            line = posts[0].line
            yield f"message {message.id} is withdrawn ({message.reason}), and was accepted: line {line.seq} at {posts[0].at}"
        for post in posts:
            assert post.attempt is not None
            if why := _refusal(message, post.attempt, words_of[facts.who(message.contact_id)], taken.get(message.conversation_id)):
                yield f"message {message.id} ({message.source}, {message.category}), line {post.line.seq} at {post.at}: {why}"


def _refusal(message: Message, attempt: Attempt, said: list[OptOut], taken_at: dt.datetime | None) -> str | None:
    """Why this attempt should never have been claimed."""
    claimed_at = attempt.claimed_at
    if message.category == "marketing" or message.source == "campaign":
        outs = [word for word in said if word.state == "out" and word.effective_at < claimed_at]
        last = outs[-1].place if outs else None
        if last is not None and not any(word.state == "in" and word.place > last for word in said):
            return f"claimed at {claimed_at}, opted out by {outs[-1].effective_at}"
    overtaken = message.source == "turn" and taken_at is not None and message.created_at <= taken_at
    if overtaken and taken_at is not None and (claimed_at - taken_at).total_seconds() > TAKEOVER_S:
        return f"claimed at {claimed_at}, taken over by a person at {taken_at}"
    return None


def in_pace(facts: Facts) -> Iterator[str]:
    """I12: no aligned second of the log holds more than the number's rate; one person gets a burst of ten, then one every 6 s."""
    rates = {number.phone_number_id: number.rate for number in facts.numbers}
    seconds = Counter((post.line.phone_number_id, math.floor(post.line.at)) for post in facts.posts)
    for (number, second), n in sorted(seconds.items()):
        if n > rates.get(number, n):
            yield f"number {number} sent {n} messages in second {second}, its rate is {rates[number]}"
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for post in facts.posts:
        times[post.line.phone_number_id, post.line.to].append(post.line.at)
    for (number, to), instants in times.items():
        level, before = float(PAIR_BURST), -math.inf
        for at in sorted(instants):
            level, before = min(float(PAIR_BURST), level + (at - before) / PAIR_EVERY_S) - 1, at
            if level < -FENCE_S / PAIR_EVERY_S:
                yield f"number {number} wrote to {to} too often by {dt.datetime.fromtimestamp(at, dt.UTC)}: {-level:.1f} too many"
                break
