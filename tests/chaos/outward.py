"""What must hold of what went out: I5 to I9, I14, and the order within a conversation."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from uuid import UUID

from tests.chaos.facts import Facts, Message, Post

UNFINISHED = ("queued", "sending", "in_doubt")
AT_WHATSAPP = ("accepted", "sent", "delivered", "read", "played")
NEVER_OUT = ("refused", "not_sent", "abandoned")
MOST_POSTS = 3
"""A service reply that nobody knows of is sent again twice at the most."""
DOUBT_HOLDS_S = 10.0
RANK = {
    state: rank
    for rank, states in enumerate(
        ("queued", "sending", "in_doubt", "unknown withdrawn", "accepted", "sent", "failed", "delivered", "read", "played")
    )
    for state in states.split()
}
"""How high each state stands; a message moves up only."""


def at_most_once(facts: Facts) -> Iterator[str]:
    """I5: marketing, templates and codes are accepted once at the most, whatever happened."""
    for message_id, posts in facts.acceptances.items():
        message = facts.message_of.get(message_id)
        if message is not None and message.policy == "at_most_once" and len(posts) > 1:
            yield f"message {message_id} ({message.category}, {message.state}) was accepted {len(posts)} times: {_show(posts)}"


def at_least_once(facts: Facts) -> Iterator[str]:
    """I6: a service reply is accepted again only after a doubt that lasted, at most twice, and each acceptance is on an attempt of
    its own that the ledger knows the wamid of: so it is counted."""
    for message_id, posts in facts.acceptances.items():
        message = facts.message_of.get(message_id)
        if message is None or message.policy != "at_least_once" or len(posts) == 1:
            continue
        attempts = facts.attempts_of[message_id]
        counted = [attempt for attempt in attempts if attempt.wamid is not None]
        if len(posts) > min(MOST_POSTS, len(attempts)) or len(posts) > len(counted):
            yield (
                f"message {message_id} was accepted {len(posts)} times, has {len(attempts)} attempts, {len(counted)} of them with "
                f"a wamid: {_show(posts)}"
            )
        claims = sorted(post.attempt.claimed_at for post in posts if post.attempt is not None)
        for before, after in pairwise(claims):
            if (after - before).total_seconds() < facts.doubt_s:
                yield f"message {message_id} was claimed at {before} and, before its time was up, at {after}: {_show(posts)}"


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
    most = facts.evidence.kills * facts.evidence.in_flight + facts.evidence.lost
    if len(unknown) > most:
        yield f"{len(unknown)} messages are unknown, after {facts.evidence.kills} kills at most {most} may be: {_first(unknown)}"


def only_up(facts: Facts) -> Iterator[str]:
    """I9: a message is at least what it has been. What can be seen of that at the end are its times and its attempts."""
    accepted = {
        attempt.message_id: attempt for attempt in facts.attempts if attempt.state == "accepted" or attempt.wamid is not None
    }
    for message in facts.messages:
        been = [
            (state, at)
            for state, at in (
                ("accepted", message.accepted_at),
                ("sent", message.sent_at),
                # that one attempt failed does not end a message that was sent again
                ("failed", message.failed_at if len(facts.attempts_of.get(message.id, ())) < 2 else None),
                ("delivered", message.delivered_at),
                ("read", message.read_at),
                ("played", message.played_at),
            )
            if at is not None
        ]
        if message.id in accepted:
            attempt = accepted[message.id]
            been.append(("accepted", attempt.claimed_at))
        for state, at in been:
            if RANK[message.state] < RANK[state]:
                yield f"message {message.id} is {message.state}, and was {state} (of {at})"


def one_wamid_an_attempt(facts: Facts) -> Iterator[str]:
    """I14: an attempt is posted once and has one wamid, a wamid one attempt, and the ledger has it as WhatsApp does. What never
    went out, as the ledger says, was not accepted."""
    by_attempt: dict[UUID, list[Post]] = defaultdict(list)
    by_wamid: dict[str, list[Post]] = defaultdict(list)
    for post in facts.posts:
        if post.attempt_id is not None:
            by_attempt[post.attempt_id].append(post)
        if post.line.wamid is not None:
            by_wamid[post.line.wamid].append(post)
    for attempt_id, posts in by_attempt.items():
        if len(posts) > 1:
            yield f"attempt {attempt_id} was posted {len(posts)} times: {_show(posts)}"
    for wamid, posts in by_wamid.items():
        if len(posts) > 1:
            yield f"{wamid} was given to {len(posts)} attempts: {_show(posts)}"
    for wamid, n in Counter(attempt.wamid for attempt in facts.attempts if attempt.wamid is not None).items():
        if n > 1:
            yield f"{wamid} is on {n} attempts"
    for attempt in facts.attempts:
        given = [post.line.wamid for post in by_attempt.get(attempt.id, []) if post.line.wamid is not None]
        if attempt.wamid is not None and attempt.wamid not in given:
            yield f"attempt {attempt.id} has {attempt.wamid}, and WhatsApp gave it {given}"
        if attempt.state in NEVER_OUT and given:
            yield f"attempt {attempt.id} of message {attempt.message_id} is {attempt.state}, and was accepted: {given}"


def sums(facts: Facts) -> dict[str, tuple[int, int]]:
    """State → (messages that the ledger has in it, those of them that the simulator's log has accepted), joined by the callback
    data. Echoes are left out: they went out elsewhere."""
    ledger = Counter(message.state for message in facts.messages if message.source != "echo")
    log = Counter(facts.message_of[id_].state for id_ in facts.acceptances if id_ in facts.message_of)
    return {state: (ledger[state], log[state]) for state in sorted({*ledger, *log}, key=RANK.__getitem__)}


def unlike(found: dict[str, tuple[int, int]]) -> Iterator[str]:
    """Of these sums what cannot be: whatever is said to be at WhatsApp is in its log, whatever was held back is not."""
    for state, (ledger, log) in found.items():
        if state in AT_WHATSAPP and ledger != log:
            yield f"{ledger} messages are {state}, and {log} of them were accepted"
        if state in ("queued", "withdrawn") and log:
            yield f"{log} messages are {state}, and were accepted"


def in_their_order(facts: Facts) -> Iterator[str]:
    """The service messages of a conversation are posted in the order of their `seq`. One in doubt holds the next for 10 s only:
    then order gives way to life, and that is no fault."""
    posts_of: dict[UUID, list[Post]] = defaultdict(list)
    for post in facts.posts:
        if post.attempt is not None:
            posts_of[post.attempt.message_id].append(post)
    talks: dict[UUID, list[Message]] = defaultdict(list)
    for message in facts.messages:
        if message.seq is not None and message.id in posts_of:
            talks[message.conversation_id].append(message)
    for conversation_id, messages in talks.items():
        earliest: tuple[Post, Message] | None = None
        for message in sorted(messages, key=lambda message: -(message.seq or 0)):
            posts = posts_of[message.id]
            if earliest is not None and posts[-1].at > earliest[0].at and not _in_doubt(facts, message, earliest[0]):
                overtaker = earliest[1]
                yield (
                    f"conversation {conversation_id}: message {overtaker.id} (seq {overtaker.seq}) was posted at {earliest[0].at}, "
                    f"before message {message.id} (seq {message.seq}) at {posts[-1].at}"
                )
            if earliest is None or posts[0].at < earliest[0].at:
                earliest = posts[0], message


def _in_doubt(facts: Facts, message: Message, overtaker: Post) -> bool:
    """Whether an attempt of the message may have been in doubt for its time when the other was claimed."""
    assert overtaker.attempt is not None
    since = overtaker.attempt.claimed_at - dt.timedelta(seconds=DOUBT_HOLDS_S)
    return any(a.claimed_at <= since and a.state not in ("refused", "not_sent") for a in facts.attempts_of[message.id])


def _first(ids: list[UUID]) -> str:
    return ", ".join(str(id_) for id_ in ids[:5])


def _show(posts: list[Post]) -> str:
    return ", ".join(f"line {post.line.seq} at {post.at} (attempt {post.attempt_id}, {post.line.wamid})" for post in posts[:5])
