"""Dead letters: messages that failed, or of which nobody will know whether they went out, and events that no turn could answer.

They wait for a person, who has them tried again or lets them be. Nothing is deleted: a discarded letter keeps its state and is no
longer shown. What is tried again goes the usual way, through all its checks: it may be withdrawn, or fail once more. What may have
gone out before goes again only when that is said to be wanted; a bot's reply not at all when its conversation has gone on since.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from atendeja import audit, contacts
from atendeja.db import Database, Nothing, Tx, query
from atendeja.endpoint import AGENTS, FIRST, LAST, MEMBERS, Call, Endpoint, Instant, Listing, Page, once
from atendeja.runtime import Runtime
from atendeja.wa import codes

BATCH = 500
"""Letters a transaction: their locks are held for some milliseconds only."""
MOST_AT_ONCE = 100
"""By API: all in one transaction."""


class Letter(Struct, frozen=True):
    """`what` is message or event; `code` Meta's, `reason` in words where there are some."""

    id: UUID
    what: str
    state: str
    code: int | None
    reason: str | None
    conversation_id: UUID | None
    at: dt.datetime


class Picked(Struct, frozen=True):
    id: UUID
    what: str
    at: dt.datetime


class Letters(Struct, frozen=True):
    letters: int


class DeadMessage(Struct, frozen=True):
    id: UUID
    number_id: UUID
    state: str
    discarded: bool
    emptied: bool
    overtaken: bool
    gone: bool


class DeadEvent(Struct, frozen=True):
    id: UUID
    contact_id: UUID | None
    conversation_id: UUID | None
    state: str
    discarded: bool
    emptied: bool


class Moved(Struct, frozen=True):
    """A letter that is one no longer; of a message its number."""

    id: UUID
    number_id: UUID | None = None


class DeadLetter(Struct, frozen=True):
    """What failed for good, or is unknown, and nobody has looked at."""

    id: Annotated[UUID, Meta(description="Of the message, or of the event.")]
    what: Annotated[Literal["message", "event"], Meta(description="event: of a customer, which no turn could answer.")]
    state: Annotated[Literal["failed", "unknown", "dead"], Meta(description="unknown: a message that may have gone out.")]
    code: Annotated[int | None, Meta(description="Meta's.", examples=[131026])]
    reason: Annotated[str | None, Meta(description="In words, where there are some.")]
    advice: Annotated[str | None, Meta(description="What to do about the code.")]
    conversation_id: UUID | None
    at: Annotated[Instant, Meta(description="When it was written, or came.")]


class ChosenLetters(Struct, frozen=True, forbid_unknown_fields=True):
    ids: Annotated[list[UUID], Meta(min_length=1, max_length=MOST_AT_ONCE, description="As the list shows them.")]


class LettersAgain(ChosenLetters, frozen=True, forbid_unknown_fields=True):
    may_repeat: Annotated[bool, Meta(description="Also what may have gone out before: a customer may get it twice.")] = False


class LettersMoved(Struct, frozen=True):
    """What became of those that were chosen."""

    moved: Annotated[list[UUID], Meta(description="With these it is done.")]
    left: Annotated[
        list[UUID],
        Meta(description="No dead letters; or what may have gone out before, or whose conversation has gone on since."),
    ]


class Behind(Struct, frozen=True):
    at: dt.datetime
    id: UUID


NEWEST = query("dead_letters.newest", Letter)
PAGE = query("dead_letters.page", Letter)
COUNT = query("dead_letters.count", Letters)
PICK = query("dead_letters.pick", Picked)
LOCK_MESSAGES = query("ledger.lock_dead_messages", DeadMessage)
REPLAY_MESSAGES = query("ledger.replay_messages", Nothing)
DISCARD_MESSAGES = query("ledger.discard_messages", Nothing)
EVENTS = query("ledger.dead_events", DeadEvent)
REPLAY_EVENTS = query("ledger.replay_events", Nothing)
DISCARD_EVENTS = query("ledger.discard_events", Nothing)

Work = Callable[[Tx, Sequence[UUID], Sequence[UUID]], Awaitable[list[Moved]]]
"""What is done with a batch: its messages, its events."""


async def newest(tx: Tx, most: int) -> tuple[list[Letter], int]:
    """The newest of them, and how many there are in all."""
    count = await tx.one(COUNT)
    return await tx.all(NEWEST, most=most), count.letters if count else 0


async def replay(
    db: Database, tenant_id: int, ids: Sequence[UUID], now: dt.datetime, *, may_repeat: bool
) -> AsyncIterator[list[Moved]]:
    """Have these tried again, all when none are named; yields what each transaction moved. What may have gone out before only when
    it `may_repeat`: what WhatsApp then accepts a second time counts as a duplicate."""
    async for moved in _each(db, tenant_id, ids, partial(_replay, now=now, may_repeat=may_repeat)):
        yield moved


async def discard(db: Database, tenant_id: int, ids: Sequence[UUID], now: dt.datetime) -> AsyncIterator[list[Moved]]:
    """Let these be, all when none are named; yields as `replay` does."""
    async for moved in _each(db, tenant_id, ids, partial(_discard, now=now)):
        yield moved


async def _each(db: Database, tenant_id: int, ids: Sequence[UUID], work: Work) -> AsyncIterator[list[Moved]]:
    after_at, after_id = dt.datetime.min.replace(tzinfo=dt.UTC), FIRST
    while True:

        async def batch(tx: Tx, after_at: dt.datetime = after_at, after_id: UUID = after_id) -> tuple[list[Picked], list[Moved]]:
            picked = await tx.all(PICK, ids=list(ids), after_at=after_at, after_id=after_id, most=BATCH)
            messages, events = ([p.id for p in picked if p.what == what] for what in ("message", "event"))
            return picked, await work(tx, messages, events)

        picked, moved = await db.transact(tenant_id, batch)
        if not picked:
            return
        yield moved
        after_at, after_id = picked[-1].at, picked[-1].id


async def _replay(tx: Tx, messages: Sequence[UUID], events: Sequence[UUID], *, now: dt.datetime, may_repeat: bool) -> list[Moved]:
    dead = [e for e in await _dead_events(tx, events) if not e.emptied]
    await tx.run(REPLAY_EVENTS, ids=[e.id for e in dead], now=now)
    letters = [m for m in await _dead_messages(tx, messages) if not m.emptied and not m.overtaken]
    found = [m for m in letters if may_repeat or not _may_have_gone(m)]
    await tx.run(REPLAY_MESSAGES, ids=[m.id for m in found], now=now)
    return [*(Moved(e.id) for e in dead), *(Moved(m.id, m.number_id) for m in found)]


async def _discard(tx: Tx, messages: Sequence[UUID], events: Sequence[UUID], *, now: dt.datetime) -> list[Moved]:
    dead, found = await _dead_events(tx, events), await _dead_messages(tx, messages)
    await tx.run(DISCARD_EVENTS, ids=[e.id for e in dead], now=now)
    await tx.run(DISCARD_MESSAGES, ids=[m.id for m in found], now=now)
    return [*(Moved(e.id) for e in dead), *(Moved(m.id, m.number_id) for m in found)]


async def _dead_events(tx: Tx, ids: Sequence[UUID]) -> list[DeadEvent]:
    """Those that are dead once their contacts are locked, as everything of a contact wants it."""
    whose = {e.contact_id for e in await tx.all(EVENTS, ids=list(ids)) if e.contact_id is not None}
    await tx.all(contacts.LOCK, ids=sorted(whose))
    found = await tx.all(EVENTS, ids=list(ids))
    return [e for e in found if e.state == "dead" and e.conversation_id is not None and not e.discarded]


async def _dead_messages(tx: Tx, ids: Sequence[UUID]) -> list[DeadMessage]:
    return [m for m in await tx.all(LOCK_MESSAGES, ids=list(ids)) if m.state in ("failed", "unknown") and not m.discarded]


def _may_have_gone(m: DeadMessage) -> bool:
    return m.state == "unknown" or m.gone


# ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def show(letter: Letter) -> DeadLetter:
    listed = None if letter.code is None else codes.CODES.get(letter.code)
    reason = letter.reason or (listed.meaning if listed else None)
    advice = None if letter.code is None else codes.advise(letter.code)
    return DeadLetter(letter.id, letter.what, letter.state, letter.code, reason, advice, letter.conversation_id, letter.at)  # type: ignore[arg-type]  # words of the view


async def list_letters(rt: Runtime, call: Call[Listing]) -> Page[DeadLetter]:
    """The newest first."""
    after = call.after(call.body, Behind) or Behind(_FAR, LAST)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(PAGE, before_at=after.at, before_id=after.id, most=call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda letter: Behind(letter.at, letter.id))
    return Page([show(letter) for letter in items], following)


async def replay_letters(rt: Runtime, call: Call[LettersAgain]) -> LettersMoved:
    """Have these tried again: a message is queued, an event is answered. All checks apply to them once more."""
    work = partial(_replay, now=rt.now(), may_repeat=call.body.may_repeat)
    return await _move(rt, call, call.body.ids, work, "dead_letters_replayed", {"may_repeat": call.body.may_repeat})


async def discard_letters(rt: Runtime, call: Call[ChosenLetters]) -> LettersMoved:
    """Let these be: they keep their state, and are listed no more."""
    return await _move(rt, call, call.body.ids, partial(_discard, now=rt.now()), "dead_letters_discarded", {})


async def _move(
    rt: Runtime, call: Call[Any], ids: Sequence[UUID], work: Work, action: str, told: dict[str, object]
) -> LettersMoved:  # Any: whatever it takes
    numbers = set[UUID]()

    async def move(tx: Tx) -> LettersMoved:
        moved = await work(tx, ids, ids)  # each is looked for in both: an id is of one thing only
        numbers.update(m.number_id for m in moved if m.number_id is not None)
        done = {m.id for m in moved}
        if done:
            after = told | {"ids": sorted(done)}
            await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), action, "dead_letters", after=after)
        return LettersMoved(
            [id_ for id_ in dict.fromkeys(ids) if id_ in done], [id_ for id_ in dict.fromkeys(ids) if id_ not in done]
        )

    outcome = await once(rt, call, move)
    for number_id in numbers:
        rt.bells.ring_number(number_id)
    rt.bells.turn.ring()
    return outcome


_FAR = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/dead-letters", "list_dead_letters", list_letters, who=MEMBERS, scope="dead_letters:read", takes=Listing,
             gives=Page[DeadLetter], says="Messages that failed and events that could not be answered, the newest first."),
    Endpoint("POST", "/v1/dead-letters/replay", "replay_dead_letters", replay_letters, who=AGENTS, scope="dead_letters:write",
             takes=LettersAgain, gives=LettersMoved, once=True,
             says="Have dead letters tried again; all checks apply to them once more."),
    Endpoint("POST", "/v1/dead-letters/discard", "discard_dead_letters", discard_letters, who=AGENTS,
             scope="dead_letters:write", takes=ChosenLetters, gives=LettersMoved, once=True,
             says="Let dead letters be: they keep their state, and are listed no more."),
]  # fmt: skip
