"""The ledger: events that came, messages that go, the attempts to send them, and what WhatsApp said of each.

A state moves in the statements of `ledger.sql`, and an event's end in `turn.save`: each says from what, or holds the lock under
which it was asked. A status only lifts a message (`message_rank` in the schema; RANK here is the same line): out of order,
doubled or before we knew the message, it comes to the same end.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from atendeja import contacts
from atendeja.db import Nothing, Session, Tx, columns, query, records

RANK = {
    "queued": 0,
    "sending": 1,
    "in_doubt": 2,
    "unknown": 3,
    "withdrawn": 3,
    "accepted": 4,
    "sent": 5,
    "failed": 6,
    "delivered": 7,
    "read": 8,
    "played": 9,
}

MAX_TRIES_ALONE = 3
WINDOW_CLOSED = 131047
"""Meta's code for a free-form message after the customer's 24 hours."""


class NewEvent(Struct, frozen=True):
    """A row of `event` to be: unhandled, or ignored when it has a `reason`."""

    id: UUID
    number_id: UUID | None
    contact_id: UUID | None
    conversation_id: UUID | None
    key: str
    kind: str
    arrival: int
    position: int
    content: msgspec.Raw
    sent_at: dt.datetime
    received_at: dt.datetime
    reason: str | None


class EventId(Struct):
    id: UUID


class EventKey(Struct):
    number_id: UUID
    key: str


class Tried(Struct):
    id: UUID
    state: str


RECORD_EVENTS = query("ledger.record_events", EventId)
KNOWN = query("ledger.known", EventKey)
COUNT_TRY = query("ledger.count_try", Tried)


async def record_events(tx: Tx, events: Sequence[NewEvent], now: dt.datetime) -> set[UUID]:
    """Insert these once and return the ids of those that are new; what came before is left alone. What wants an answer opens its
    conversation and 24 hours, and makes its contact due now. The contacts are locked by the caller."""
    if not events:
        return set()
    return {row.id for row in await tx.all(RECORD_EVENTS, records=records(events), now=now)}


async def load_known(tx: Tx, keys: Sequence[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Which of these (number, key) have been recorded before, as an event or as an echo."""
    if not keys:
        return set()
    rows = await tx.all(KNOWN, number_ids=[n for n, _ in keys], keys=[k for _, k in keys])
    return {(row.number_id, row.key) for row in rows}


async def count_try(tx: Tx, contact_id: UUID, reason: str, *, counted: bool = False) -> Tried | None:
    """A turn that ran this contact alone failed: count it on the oldest event, `dead` at the third. None when nothing waits.

    `counted` when `begin_try` did, before the turn.
    """
    return await _count(tx, contact_id, reason, 0 if counted else 1, MAX_TRIES_ALONE)


async def begin_try(tx: Tx, contact_id: UUID, reason: str) -> Tried | None:
    """This contact is about to be run alone, and we may not live to say how that ended: count it on the oldest event, which is
    `dead` instead when three such tries have come to nothing. None when nothing waits."""
    return await _count(tx, contact_id, reason, 1, MAX_TRIES_ALONE + 1)


async def _count(tx: Tx, contact_id: UUID, reason: str, add: int, most: int) -> Tried | None:
    return await tx.one(COUNT_TRY, contact_id=contact_id, reason=reason, add=add, most=most, most_tries=MAX_TRIES_ALONE)


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class NewMessage(Struct, frozen=True):
    """A row of `message` to be, keyed by (source, source_id, source_no, ordinal).

    Its policy follows from its category: only a service message may be sent again when nobody knows whether it went out.
    """

    id: UUID
    number_id: UUID
    contact_id: UUID
    conversation_id: UUID
    source: Literal["turn", "agent", "api", "campaign"]
    source_id: UUID
    source_no: int
    ordinal: int
    category: Literal["service", "utility", "authentication", "marketing"]
    content: msgspec.Raw
    sha256: bytes
    seq: int | None
    attempt_id: UUID | None = None
    """Its first attempt, when its sender has taken it already."""
    fallback: msgspec.Raw | None = None
    """JSON: what goes in its place when the window is closed, see outbound.fallback."""
    not_before: dt.datetime | None = None
    """None: at once."""


class Echo(Struct, frozen=True):
    """What a person sent from the shop's own telephone: already out, shown as ours."""

    id: UUID
    number_id: UUID
    contact_id: UUID
    conversation_id: UUID
    source_id: UUID
    wamid: str
    content: bytes
    sha256: bytes
    at: dt.datetime


class AttemptId(Struct, frozen=True):
    id: UUID


class Echoed(Struct, frozen=True):
    conversation_id: UUID
    at: dt.datetime


class Places(Struct, frozen=True):
    id: UUID
    first: int


DRAW_PLACES = query("ledger.draw_places", Places)
QUEUE_MESSAGES = query("ledger.queue_messages", AttemptId)
RECORD_ECHOES = query("ledger.record_echoes", Echoed)


async def draw_places(tx: Tx, contact_ids: Iterable[UUID], wanted: Mapping[UUID, int]) -> dict[UUID, int]:
    """So many places in the order of each of these conversations, which are theirs: the first one of each. Locks the contacts."""
    await tx.all(contacts.LOCK, ids=sorted({*contact_ids}))
    ids = sorted(wanted)
    return {row.id: row.first for row in await tx.all(DRAW_PLACES, ids=ids, ns=[wanted[id_] for id_ in ids])}


async def queue_messages(tx: Tx, messages: Sequence[NewMessage], now: dt.datetime, boot: UUID, seen: int = 0) -> set[UUID]:
    """Write these as `queued`, those with an attempt as `sending`, unless sending is held or the guard's mark is below `seen`; one
    that exists under its key already is left alone. Returns the attempts that are written."""
    if not messages:
        return set()
    return {row.id for row in await tx.all(QUEUE_MESSAGES, messages=records(messages), now=now, boot=boot, seen=seen)}


async def record_echoes(tx: Tx, echoes: Sequence[Echo]) -> list[Echoed]:
    """Write these as accepted and say, for those that are new, which conversation a person stepped into and when."""
    if not echoes:
        return []
    return await tx.all(RECORD_ECHOES, **columns(echoes))


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Report(Struct, frozen=True):
    """What WhatsApp says of one message. `attempt_id` is ours, out of the callback data; None when it had none."""

    number_id: UUID
    wamid: str
    attempt_id: UUID | None
    status: Literal["sent", "delivered", "read", "played", "failed"]
    at: dt.datetime
    code: int | None = None
    detail: str | None = None
    pricing: bytes | None = None
    """JSON, as WhatsApp gave it."""


class Lift(Struct, frozen=True):
    """All that a batch says of one message, reduced: the highest state and the first time of each."""

    message_id: UUID
    state: str = "queued"
    """The highest but `failed`; `queued` when there is nothing else."""
    failed_n: int | None = None
    """The attempt that failed; the last one, when several did."""
    code: int | None = None
    detail: str | None = None
    pricing: msgspec.Raw | None = None
    """JSON, as WhatsApp gave it."""
    accepted_at: dt.datetime | None = None
    sent_at: dt.datetime | None = None
    delivered_at: dt.datetime | None = None
    read_at: dt.datetime | None = None
    played_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None


def reduce_reports(triples: Iterable[tuple[UUID, int | None, Report]]) -> list[Lift]:
    """(message, number of the attempt, report) in any order and number → one Lift a message. An echo has no attempt."""
    lifts: dict[UUID, Lift] = {}
    for message_id, n, report in triples:
        lifts[message_id] = _raise(lifts.get(message_id, Lift(message_id)), n, report)
    return list(lifts.values())


def _raise(lift: Lift, n: int | None, report: Report) -> Lift:
    failed = report.status == "failed"
    higher = not failed and RANK[report.status] > RANK[lift.state]
    told = f"{report.status}_at"
    first = min(getattr(lift, told) or report.at, report.at)
    return replace(
        lift,
        state=report.status if higher else lift.state,
        failed_n=max(lift.failed_n or 0, n) if failed and n is not None else lift.failed_n,
        code=report.code if failed and lift.failed_at is None else lift.code,
        detail=report.detail if failed and lift.failed_at is None else lift.detail,
        pricing=lift.pricing or (msgspec.Raw(report.pricing) if report.pricing else None),
        accepted_at=min(lift.accepted_at or report.at, report.at),
        **{told: first},
    )


class AttemptKey(Struct, frozen=True):
    id: UUID
    message_id: UUID
    number_id: UUID
    n: int
    wamid: str | None


class Settled(Struct, frozen=True):
    """An attempt whose wamid we learn from a status."""

    id: UUID
    message_id: UUID
    wamid: str


class EchoKey(Struct, frozen=True):
    id: UUID
    number_id: UUID
    wamid: str


class Lifted(Struct):
    duplicates: int
    moved: list[UUID]


class MessageId(Struct, frozen=True):
    id: UUID


class Orphan(Struct, frozen=True):
    number_id: UUID
    content: bytes


class OrphanKey(Struct, frozen=True):
    tenant_id: int
    number_id: UUID
    wamid: str


ATTEMPTS_BY_CALLBACK = query("ledger.attempts_by_callback", AttemptKey)
ATTEMPTS_BY_WAMID = query("ledger.attempts_by_wamid", AttemptKey)
ECHOES_BY_WAMID = query("ledger.echoes_by_wamid", EchoKey)
LOCK_MESSAGES = query("ledger.lock_messages", MessageId)
LIFT = query("ledger.lift", Lifted)
KEEP_ORPHANS = query("ledger.keep_orphans", Nothing)
TAKE_ORPHANS = query("ledger.take_orphans", Orphan)
KNOWN_ORPHANS = query("ledger.known_orphans", OrphanKey)
DROP_ORPHANS = query("ledger.drop_orphans", Nothing)


class Applied(Struct):
    """What reports did: how many messages they were about, the numbers of those that nobody knew the fate of until now, whose
    successors may go, and those that failed: message → (number, Meta's code)."""

    messages: int = 0
    settled: set[UUID] = set()
    failed: dict[UUID, tuple[UUID, int]] = {}
    duplicates: int = 0
    """Attempts that WhatsApp turned out to have accepted although it had accepted another of their message."""
    moved: list[UUID] = []
    """Messages whose state went up."""


async def apply_reports(tx: Tx, reports: Sequence[Report], now: dt.datetime) -> Applied:
    """Lift the messages these reports are about; keep the reports of messages we do not know.

    A report with our callback data finds its attempt even before the answer of the POST was recorded.
    """
    if not reports:
        return Applied()
    found = await _find_attempts(tx, reports)
    echoes = await _find_echoes(tx, [r for r in reports if r not in found])
    triples = [(a.message_id, a.n, r) for r, a in found.items()] + [(id_, None, r) for r, id_ in echoes.items()]
    settled = {a.id: Settled(a.id, a.message_id, r.wamid) for r, a in found.items() if a.wamid is None}
    lifted = await _lift(tx, reduce_reports(triples), list(settled.values()), now) if triples else Lifted(0, [])
    await _keep_orphans(tx, [r for r in reports if r not in found and r not in echoes], now)
    released = {a.number_id for a in found.values() if a.id in settled}
    failed = {message_id: (r.number_id, r.code) for message_id, _, r in triples if r.code is not None}
    return Applied(len({message_id for message_id, *_ in triples}), released, failed, lifted.duplicates, lifted.moved)


async def _lift(tx: Tx, lifts: Sequence[Lift], settled: Sequence[Settled], now: dt.datetime) -> Lifted:
    ids = sorted(lift.message_id for lift in lifts)
    lifted = await tx.one(LIFT, ids=ids, lifts=records(lifts), settled=records(settled), now=now)
    assert lifted is not None  # an aggregate always has a row
    return lifted


async def _find_attempts(tx: Tx, reports: Sequence[Report]) -> dict[Report, AttemptKey]:
    ids = [r.attempt_id for r in reports if r.attempt_id is not None]
    by_id = {a.id: a for a in await tx.all(ATTEMPTS_BY_CALLBACK, ids=ids)} if ids else {}
    found = {
        r: a
        for r in reports
        if r.attempt_id is not None and (a := by_id.get(r.attempt_id)) is not None and a.number_id == r.number_id
    }
    rest = [r for r in reports if r not in found]
    if rest:
        rows = await tx.all(ATTEMPTS_BY_WAMID, number_ids=[r.number_id for r in rest], wamids=[r.wamid for r in rest])
        by_wamid = {(a.number_id, a.wamid): a for a in rows}
        found |= {r: a for r in rest if (a := by_wamid.get((r.number_id, r.wamid))) is not None}
    return found


async def _find_echoes(tx: Tx, reports: Sequence[Report]) -> dict[Report, UUID]:
    if not reports:
        return {}
    rows = await tx.all(ECHOES_BY_WAMID, number_ids=[r.number_id for r in reports], wamids=[r.wamid for r in reports])
    by_wamid = {(e.number_id, e.wamid): e.id for e in rows}
    return {r: id_ for r in reports if (id_ := by_wamid.get((r.number_id, r.wamid))) is not None}


async def _keep_orphans(tx: Tx, reports: Sequence[Report], now: dt.datetime) -> None:
    if reports:
        await tx.run(
            KEEP_ORPHANS,
            number_ids=[r.number_id for r in reports],
            wamids=[r.wamid for r in reports],
            statuses=[r.status for r in reports],
            participants=["" for _ in reports],
            ats=[r.at for r in reports],
            contents=[msgspec.json.encode(r) for r in reports],
            received_at=now,
        )


async def join_orphans(tx: Tx, keys: Sequence[tuple[UUID, str]], now: dt.datetime) -> Applied:
    """Apply the statuses that came before their message was known, now that it is.

    The messages are locked before the kept statuses are touched, as everywhere.
    """
    places = {"number_ids": [n for n, _ in keys], "wamids": [w for _, w in keys]}
    ids = {a.message_id for a in await tx.all(ATTEMPTS_BY_WAMID, **places)}
    ids |= {e.id for e in await tx.all(ECHOES_BY_WAMID, **places)}
    await tx.all(LOCK_MESSAGES, ids=sorted(ids))
    taken = await tx.all(TAKE_ORPHANS, **places)
    return await apply_reports(tx, [msgspec.json.decode(o.content, type=Report) for o in taken], now)


async def wait_for_commits(tx: Tx, claimed: Sequence[tuple[UUID, UUID]], others: Iterable[UUID] = ()) -> None:
    """Until it is certain what became of claims of these (contact, message): their COMMIT may still run, in the server or for its
    standby.

    Statements of their own, because only a later one sees what these waited for. A claim made in a turn is an INSERT that nobody
    can see; but that turn holds its contact's lock. A claim of what was queued holds the message's. `others` are messages that will
    be locked in the same transaction: all at once, sorted.
    """
    await tx.all(contacts.LOCK, ids=sorted({contact_id for contact_id, _ in claimed}))
    await tx.all(LOCK_MESSAGES, ids=sorted({message_id for _, message_id in claimed} | {*others}))


async def find_known_orphans(session: Session, most: int = 500) -> dict[int, list[tuple[UUID, str]]]:
    """tenant → (number, wamid) of kept statuses whose message we know now."""
    found: dict[int, list[tuple[UUID, str]]] = {}
    for key in await session.all(KNOWN_ORPHANS, most=most):
        found.setdefault(key.tenant_id, []).append((key.number_id, key.wamid))
    return found
