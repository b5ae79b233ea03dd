"""What a business keeps for so many days, and no longer (`PATCH /v1/settings`; null: for ever): once a day, and by
`atendeja retention`.

messages_kept_days   what was sent loses its text, its fallback and WhatsApp's words on its failure
events_kept_days     what came loses what was said; the steps of flows go, and what a flow that is over had remembered
media_kept_days      files go, and their bytes

N days are N times 24 hours since the row was written (of a flow: since it ended). Ids begin with their time, so what is older
lies before one id. Rows stay, with their times, states and prices, because they are counted, and with the ids by which WhatsApp
reports on them and repeats itself: a late `read` finds its message, a late repetition is known. Untouched is what is unfinished
(a message that is queued, on its way or in doubt; an event that nobody has answered; a file that such a message needs) and what a
live flow session is at; it goes when that is over. What failed for good counts as finished, and cannot be tried again afterwards.
The contact, his consents with their evidence, raw deliveries and what was told to streams and webhooks have times of their own.

A chunk is a transaction: contacts are locked first, then messages, and what may go is asked again under these locks. How far it
came is written nowhere: after a death it begins anew, and passes by what is empty already. A process remembers (`Marks`) up to
which id there is nothing left, so that each day after its first costs what has become too old since.
"""

import datetime as dt
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal
from uuid import UUID

import structlog
from msgspec import Struct

from atendeja import contacts, media, queue, tenants
from atendeja.blobs import Blobs
from atendeja.db import Database, Nothing, Query, Tx, query
from atendeja.errors import Refused
from atendeja.ids import uuid7
from atendeja.privacy.erasure import LOCK_MESSAGES
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

CHUNK = 100
"""Their contacts are locked for some 20 ms."""
FILES_CHUNK = 20
PAUSE_S = 0.02
"""After a chunk that was emptied, for the others."""

Kept = Literal["messages_kept_days", "events_kept_days", "media_kept_days"]
Marks = dict[tuple[int, str], UUID]
"""Of a tenant's table: up to where nothing is left to lose."""


class Old(Struct, frozen=True):
    """A row that is too old: whether it has something to lose, and may lose it now."""

    id: UUID
    contact_id: UUID | None
    is_full: bool
    is_due: bool


class Erased(Struct, frozen=True):
    erased: int


class Span(Struct, frozen=True):
    """Rows between two ids, of before an instant."""

    after: UUID
    before: UUID
    until: dt.datetime


class Part(Struct, frozen=True):
    """What came of a chunk of a table."""

    table: str
    until: dt.datetime
    """What is older is too old."""
    emptied: int
    """Or to be emptied, where nothing is written."""
    last: UUID | None
    """None: this was all."""
    kept: UUID | None
    """The first that has something to lose, and may not yet."""


@dataclass(frozen=True)
class Table:
    """Rows that lose something. `look` gives the next ones, in order; `empty` takes it from those that are locked."""

    name: str
    days: Kept
    look: Callable[[Tx, Span], Awaitable[list[Old]]]
    empty: Callable[[Tx, Sequence[UUID], dt.datetime], Awaitable[None]]


OLD_MESSAGES = query("privacy.old_messages", Old)
OLD_EVENTS = query("privacy.old_events", Old)
OLD_STEPS = query("privacy.old_steps", Old)
OLD_SESSIONS = query("privacy.old_sessions", Old)
EMPTY_MESSAGES = query("privacy.empty_messages", Nothing)
EMPTY_ATTEMPTS = query("privacy.empty_attempts", Nothing)
EMPTY_EVENTS = query("privacy.empty_events", Nothing)
EMPTY_SESSIONS = query("privacy.empty_sessions", Nothing)
ERASE_STEPS = query("privacy.erase_steps", Erased)


async def _look(tx: Tx, span: Span, *, statement: Query[Old]) -> list[Old]:
    return await tx.all(statement, after=span.after, before=span.before, most=CHUNK)


async def _look_at_sessions(tx: Tx, span: Span) -> list[Old]:
    return await tx.all(OLD_SESSIONS, after=span.after, before=span.before, ended_before=span.until, most=CHUNK)


async def _empty_messages(tx: Tx, ids: Sequence[UUID], now: dt.datetime) -> None:
    await tx.run(EMPTY_MESSAGES, ids=list(ids), now=now)
    await tx.run(EMPTY_ATTEMPTS, message_ids=list(ids))


async def _empty_events(tx: Tx, ids: Sequence[UUID], now: dt.datetime) -> None:
    await tx.run(EMPTY_EVENTS, ids=list(ids), now=now)


async def _erase_steps(tx: Tx, ids: Sequence[UUID], _now: dt.datetime) -> None:
    await tx.all(ERASE_STEPS, ids=list(ids))


async def _empty_sessions(tx: Tx, ids: Sequence[UUID], _now: dt.datetime) -> None:
    await tx.run(EMPTY_SESSIONS, ids=list(ids))


TABLES = (
    Table("message", "messages_kept_days", partial(_look, statement=OLD_MESSAGES), _empty_messages),
    Table("event", "events_kept_days", partial(_look, statement=OLD_EVENTS), _empty_events),
    Table("step", "events_kept_days", partial(_look, statement=OLD_STEPS), _erase_steps),
    Table("flow_session", "events_kept_days", _look_at_sessions, _empty_sessions),
)


async def sweep(
    db: Database, blobs: Blobs, tenant_id: int, now: Callable[[], dt.datetime], marks: Marks, *, writes: bool
) -> AsyncGenerator[Part]:
    """Go through what a tenant keeps no longer, a chunk each time: whoever asks may stop between two. Without `writes` only says
    what would be. The settings hold as they are at each chunk."""
    chunks: dict[str, Callable[[UUID, dt.datetime], Awaitable[Part | None]]] = {
        **{table.name: partial(_chunk, db, tenant_id, table, writes=writes) for table in TABLES},
        "media": partial(_files, db, blobs, tenant_id, writes=writes),
    }
    for name, chunk in chunks.items():
        after = marks.get((tenant_id, name), UUID(int=0))
        is_clean = True
        while True:
            part = await chunk(after, now())
            if part is None:
                break
            if part.last is not None:
                after = part.last
            if is_clean:
                is_clean = part.kept is None
                marks[tenant_id, name] = after if part.kept is None else UUID(int=part.kept.int - 1)
            yield part
            if part.last is None:
                break


async def _span(tx: Tx, days: Kept, after: UUID, now: dt.datetime) -> Span | None:
    """What is too old, as the tenant has it now; none: kept for ever."""
    kept: int | None = getattr(await tenants.load_settings(tx), days)
    if kept is None:
        return None
    until = now - dt.timedelta(days=kept)
    return Span(after, uuid7(max(0, int(until.timestamp() * 1000)), 0), until)


async def _chunk(db: Database, tenant_id: int, table: Table, after: UUID, now: dt.datetime, *, writes: bool) -> Part | None:
    async def work(tx: Tx) -> Part | None:
        span = await _span(tx, table.days, after, now)
        if span is None:
            return None
        found = await table.look(tx, span)
        due = {row.id for row in found if row.is_due}
        if due and writes:
            whose = {row.contact_id for row in found if row.is_due and row.contact_id is not None}
            await tx.all(contacts.LOCK, ids=sorted(whose))
            if table.name == "message":
                await tx.all(LOCK_MESSAGES, ids=sorted(due))
            due &= {row.id for row in await table.look(tx, span) if row.is_due}
            await table.empty(tx, sorted(due), now)
        kept = next((row.id for row in found if row.is_full and row.id not in due), None)
        return Part(table.name, span.until, len(due), found[-1].id if len(found) == CHUNK else None, kept)

    return await db.transact(tenant_id, work)


async def _files(db: Database, blobs: Blobs, tenant_id: int, after: UUID, now: dt.datetime, *, writes: bool) -> Part | None:
    """A transaction a file: its bytes go within."""
    async with db.tenant(tenant_id) as tx:
        span = await _span(tx, "media_kept_days", after, now)
        if span is None:
            return None
        found = await media.load_old(tx, span.after, span.before, FILES_CHUNK)
        kept = [file.id for file in found if await media.is_needed(tx, file.id)]
    dropped = 0
    for file in found:
        if file.id in kept:
            continue
        try:
            dropped += not writes or await db.transact(tenant_id, partial(_drop, blobs=blobs, file_id=file.id))
        except Refused:  # a message that needs it has just been written
            kept.append(file.id)
    return Part("media", span.until, dropped, found[-1].id if len(found) == FILES_CHUNK else None, min(kept, default=None))


async def _drop(tx: Tx, *, blobs: Blobs, file_id: UUID) -> bool:
    return await media.discard(tx, blobs, file_id) is not None


class Retention:
    """The daily work of a process."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._marks: Marks = {}

    async def work(self) -> None:
        """Of every tenant, until it is done or the process stops."""
        async with self._rt.db.session() as session:
            everyone = await session.all(tenants.EVERYONE)
        for tenant in everyone:
            await self._work_on(tenant.id)

    async def _work_on(self, tenant_id: int) -> None:
        rt, emptied = self._rt, Counter[str]()
        if rt.stopping.is_set():
            return
        async for part in sweep(rt.db, Blobs(rt.config.media_path), tenant_id, rt.now, self._marks, writes=True):
            if part.emptied:
                emptied[part.table] += part.emptied
                rt.meter.count("rows_emptied", part.emptied, label=part.table)
                await queue.pause(rt.stopping, PAUSE_S)
            if rt.stopping.is_set():
                break
        for table, rows in emptied.items():
            log.info("rows_emptied", tenant_id=tenant_id, table=table, rows=rows)
