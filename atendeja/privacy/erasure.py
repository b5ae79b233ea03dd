"""Forgetting a person: a job in stages, each of small transactions that may be repeated, so that it goes on after any death.

arrived    what WhatsApp has told before the wish is read first: else an old message would make him anew
identity   he is nobody we know any more: names off, hashes of them kept with what he refused, what waits for him withdrawn, his
           archives gone. From this commit on whoever writes under his number is somebody new
settled    what is on its way to him comes to an end, so that nothing is written back later
rows       events, messages and attempts are emptied; steps, flow sessions and consents go
deliveries raw deliveries that name him go, whatever else they hold
reports    on messages that are none of ours go where they went to him
answers    answers of this API that are kept for a repetition and show him go
told       what streams and webhooks were told of him goes, and what came of it

Locks in the order of the house: his contacts first, then messages sorted. Each stage's place is kept in the job, in the transaction
of what it did; at the end only counts stay, as the receipt.
"""

import asyncio
import base64
import datetime as dt
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from atendeja import audit, consent, contacts, jobs, phone, queue, tenants
from atendeja.audit import Actor
from atendeja.blobs import Blobs
from atendeja.config import Config
from atendeja.contacts import Contact, Seal
from atendeja.db import LostRace, Nothing, Tx, query
from atendeja.endpoint import forget_about
from atendeja.errors import Refused
from atendeja.feed import reading
from atendeja.jobs import Row, Slice
from atendeja.privacy import export
from atendeja.privacy.subject import Id, Place, load
from atendeja.runtime import Runtime

KIND = "erasure"
CHUNK = 200
DELIVERIES_CHUNK = 500
DELIVERIES_BYTES = 8 * 1024 * 1024
TOLD_CHUNK = 2000
LOOK_S = 1.0
MOST_LOOKS = 5
"""At others who have to come to an end: then this makes room."""
SETTLES_S = 900.0
"""What is on its way longer than that is not waited for: sending is held, perhaps for days."""
STONES = "erased"
"""The file in MEDIA_DIR, which all processes share, and again in STATE_DIR, which is kept when MEDIA_DIR is restored too: a line an
erasure, hashes as they are in the database."""


class Mark(Struct, frozen=True):
    place: int


class There(Struct, frozen=True):
    there_are: bool


class Day(Struct, frozen=True):
    day: dt.date | None


class Holding(Struct, frozen=True):
    last: int | None
    seqs: list[int]


class Orphan(Struct, frozen=True):
    number_id: UUID
    wamid: str
    participant: str


class Records(Struct, frozen=True):
    steps: int
    consents: int


class Erased(Struct, frozen=True):
    erased: int


class Page(Struct, frozen=True):
    """Some of the feed: to where, and the places of what was deleted."""

    last: int | None
    ns: list[int]


class Stone(Struct, frozen=True):
    """A line of the file: of a business, the hashes of one person's names."""

    tenant: str
    hashes: list[str]
    refused: list[str]
    erased_at: dt.datetime


MARK = query("privacy.mark", Mark)
UNDIGESTED = query("privacy.undigested", There)
FORGET_CONTACTS = query("privacy.forget_contacts", Nothing)
FORGET_TERMS = query("privacy.forget_terms", Nothing)
WITHDRAW = query("privacy.withdraw", Nothing)
UNSETTLED = query("privacy.unsettled", There)
FORGET_EVENTS = query("privacy.forget_events", Nothing)
LOCK_MESSAGES = query("ledger.lock_messages", Id)
FORGET_MESSAGES = query("privacy.forget_messages", Nothing)
FORGET_ATTEMPTS = query("privacy.forget_attempts", Nothing)
FORGET_RECORDS = query("privacy.forget_records", Records)
FORGET_SESSIONS = query("privacy.forget_sessions", Nothing)
ORPHANS = query("privacy.orphans", Orphan)
FORGET_ORPHANS = query("privacy.forget_orphans", Nothing)
FIRST_DAY = query("privacy.first_day", Day)
HOLDING = query("privacy.holding", Holding)
FORGET_NEW = query("privacy.forget_new", Nothing)
FORGET_TOLD = query("privacy.forget_told", Page)
FORGET_TELLING = query("privacy.forget_telling", Nothing)
FORGET_DELIVERIES = query("privacy.forget_deliveries", Erased)


async def run(rt: Runtime, job: Row, part: Slice) -> None:
    """Go on with an erasure until it is done or the slice is over. Raises Refused for who is not there, Waits while others have to
    come to an end first."""
    place = msgspec.json.decode(job.place, type=Place) if job.place else await _begin(rt, job)
    looks = 0
    while place.stage != "done":
        stage = place.stage
        place = await STAGES[stage](rt, job, place, part)
        if part.is_over:
            return
        if place.stage == stage and stage in WAITING:
            looks += 1
            if looks == MOST_LOOKS:
                raise jobs.Waits
            await queue.pause(rt.stopping, LOOK_S)
    await _finish(rt, job, place)


async def _begin(rt: Runtime, job: Row) -> Place:
    async def work(tx: Tx) -> Place:
        mark = await tx.one(MARK)
        assert mark is not None
        return await _keep(tx, job, Place(stage="arrived", mark=mark.place, began_at=rt.now()))

    return await rt.db.transact(job.tenant_id, work)


async def _keep(tx: Tx, job: Row, place: Place) -> Place:
    """Write down the place in the transaction of what was done."""
    await jobs.note(tx, job, sum(place.counts.values()), None, place)
    return place


async def _arrived(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    async with rt.db.session() as session:
        waiting = await session.one(UNDIGESTED, mark=place.mark)
    waits = waiting is not None and waiting.there_are
    following = place if waits else replace(place, stage="identity")
    return await rt.db.transact(job.tenant_id, lambda tx: _keep(tx, job, following))


async def _identity(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    now, secrets = rt.now(), rt.config.secret_keys
    assert job.subject is not None
    subject_id: UUID = job.subject

    async def work(tx: Tx) -> Place:
        found = (await load(tx, subject_id)).contact_ids
        if not found:
            raise Refused("nobody", "this contact is not there")
        await tx.all(contacts.LOCK, ids=found)
        subject = await load(tx, subject_id)  # once more, under the lock
        if subject.contact_ids != found:
            raise LostRace("somebody was merged with him meanwhile")
        (tenant,) = await tx.all(tenants.BY_IDS, ids=[tx.tenant_id])
        seal = Seal(tenant, secrets)
        stones = sorted({hashed for contact in subject.family for hashed in seal.hashes(contact)})
        said = await consent.load(tx, subject.contact_ids)
        refused = sorted({purpose for (_, purpose), state in said.items() if state == "out"})
        await contacts.bury(tx, stones, refused, now)
        await tx.run(FORGET_CONTACTS, ids=subject.contact_ids, now=now)
        terms = await tx.run(FORGET_TERMS, ids=subject.contact_ids)
        withdrawn = await tx.run(WITHDRAW, conversation_ids=subject.rows["conversation"])
        lost = await tx.all(jobs.LOSE_SUBJECTS, kind=export.KIND, subjects=subject.contact_ids, now=now)
        counts = {"contact": len(subject.family), "contact_term": terms, "withdrawn": withdrawn, "archive": len(lost)}
        following = replace(
            place, stage="settled", contact_ids=subject.contact_ids, conversation_ids=subject.rows["conversation"],
            needles=needles(subject.family), stones=[stone.hex() for stone in stones], refused=refused, counts=counts,
        )  # fmt: skip
        await _drop_archives(rt, tx.tenant_id, [one.id for one in lost])
        return await _keep(tx, job, following)

    return await rt.db.transact(job.tenant_id, work)


async def _drop_archives(rt: Runtime, tenant_id: int, job_ids: Sequence[UUID]) -> None:
    blobs = Blobs(rt.config.media_path)
    for job_id in job_ids:
        await blobs.drop_archive(tenant_id, job_id)


def needles(family: Sequence[Contact]) -> list[str]:
    """The texts by which a raw delivery names these people: whole JSON texts, so that nobody else's id begins so."""
    found: dict[str, None] = {}
    for contact in family:
        numbers = {spelling for digits in (contact.phone, contact.wa_id) if digits for spelling in phone.variants(digits)}
        found |= dict.fromkeys(f'"{name}"' for name in [*sorted(numbers), *([contact.user_id] if contact.user_id else [])])
    return list(found)


async def _settled(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    """Wait for what is on its way, and withdraw what comes back into the queue."""
    is_late = rt.now() - place.began_at > dt.timedelta(seconds=SETTLES_S)

    async def work(tx: Tx) -> Place:
        withdrawn = await tx.run(WITHDRAW, conversation_ids=place.conversation_ids)
        waiting = await tx.one(UNSETTLED, conversation_ids=place.conversation_ids)
        waits = waiting is not None and waiting.there_are and not is_late
        return await _keep(tx, job, _counted(replace(place, stage="settled" if waits else "rows"), withdrawn=withdrawn))

    return await rt.db.transact(job.tenant_id, work)


def _counted(place: Place, **more: int) -> Place:
    return replace(place, counts={**place.counts, **{name: place.counts.get(name, 0) + n for name, n in more.items()}})


Forget = Callable[[Tx, Sequence[UUID], dt.datetime], Awaitable[Mapping[str, int]]]


def batched(ids: Sequence[UUID], size: int) -> list[Sequence[UUID]]:
    """In pieces of so many."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


async def _rows(rt: Runtime, job: Row, place: Place, part: Slice) -> Place:
    """Empty the rows, a chunk a transaction; those that a chunk finds empty already are touched by nobody."""
    assert job.subject is not None
    async with rt.db.tenant(job.tenant_id) as tx:
        subject = await load(tx, job.subject)
    tables = (("event", _forget_events), ("message", _forget_messages))
    chunks = [(forget, some) for table, forget in tables for some in batched(subject.rows[table], CHUNK)]
    for forget, chunk in chunks[place.after :]:
        place = await rt.db.transact(job.tenant_id, partial(_empty, job=job, place=place, forget=forget, chunk=chunk, now=rt.now()))
        if part.is_over:
            return place

    async def end(tx: Tx) -> Place:
        await tx.all(contacts.LOCK, ids=place.contact_ids)
        gone = await tx.one(FORGET_RECORDS, conversation_ids=place.conversation_ids, contact_ids=place.contact_ids)
        assert gone is not None
        sessions = await tx.run(FORGET_SESSIONS, conversation_ids=place.conversation_ids)
        counted = _counted(place, step=gone.steps, consent=gone.consents, flow_session=sessions)
        return await _keep(tx, job, replace(counted, stage="deliveries", after=0))

    return await rt.db.transact(job.tenant_id, end)


async def _empty(tx: Tx, *, job: Row, place: Place, forget: Forget, chunk: Sequence[UUID], now: dt.datetime) -> Place:
    await tx.all(contacts.LOCK, ids=place.contact_ids)
    counted = _counted(place, **await forget(tx, chunk, now))
    return await _keep(tx, job, replace(counted, after=place.after + 1))


async def _forget_events(tx: Tx, ids: Sequence[UUID], _now: dt.datetime) -> Mapping[str, int]:
    return {"event": await tx.run(FORGET_EVENTS, ids=list(ids))}


async def _forget_messages(tx: Tx, ids: Sequence[UUID], now: dt.datetime) -> Mapping[str, int]:
    await tx.all(LOCK_MESSAGES, ids=list(ids))
    messages = await tx.run(FORGET_MESSAGES, ids=list(ids), now=now)
    return {"message": messages, "attempt": await tx.run(FORGET_ATTEMPTS, message_ids=list(ids))}


async def _deliveries(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    """Look through some raw deliveries, day by day. Those that came after the wish are not looked at."""
    if place.day is None:
        async with rt.db.session() as session:
            first = await session.one(FIRST_DAY)
        place = replace(place, day=first.day if first and first.day else place.began_at.date(), after=0)
    day = place.day
    assert day is not None

    async def work(tx: Tx) -> Place:
        if day > place.began_at.date():
            return await _keep(tx, job, replace(place, stage="reports"))
        texts = [needle.encode() for needle in place.needles]
        held = await tx.one(
            HOLDING, day=day, after=place.after, mark=place.mark, needles=texts, most=DELIVERIES_CHUNK, most_bytes=DELIVERIES_BYTES
        )
        if held is None or held.last is None:
            return await _keep(tx, job, replace(place, day=day + dt.timedelta(days=1), after=0))
        gone = await tx.all(FORGET_DELIVERIES, day=day, seqs=held.seqs)
        return await _keep(tx, job, replace(_counted(place, delivery=gone[0].erased), after=held.last))

    return await rt.db.transact(job.tenant_id, work)


async def _reports(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    """Reports on messages that are none of ours: their wamids hold the number of whom they went to."""
    numbers = [needle.strip('"') for needle in place.needles]
    after: Orphan | None = Orphan(UUID(int=0), "", "")
    gone = 0
    while after is not None:
        async with rt.db.tenant(job.tenant_id) as tx:
            some = await tx.all(ORPHANS, after_number=after.number_id, after_wamid=after.wamid, most=CHUNK)
            his = [one for one in some if one.participant in numbers or names(one.wamid, numbers)]
            gone += await tx.run(FORGET_ORPHANS, number_ids=[one.number_id for one in his], wamids=[one.wamid for one in his])
        after = some[-1] if len(some) == CHUNK else None
    following = replace(_counted(place, status_orphan=gone), stage="answers")
    return await rt.db.transact(job.tenant_id, lambda tx: _keep(tx, job, following))


def names(wamid: str, numbers: Sequence[str]) -> bool:
    """Whether a wamid, which is base64 behind its point, holds one of these numbers."""
    body = wamid.partition(".")[2]
    try:
        plain = base64.b64decode(body[: len(body) // 4 * 4])
    except ValueError:
        return False
    return any(number.encode() in plain for number in numbers)


async def _answers(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    words = [*(str(contact_id) for contact_id in place.contact_ids), *(needle.strip('"') for needle in place.needles)]
    gone = await forget_about(rt, job.tenant_id, rt.config.secret_keys, words)
    following = replace(_counted(place, idempotency_key=gone), stage="told", after=0)
    return await rt.db.transact(job.tenant_id, lambda tx: _keep(tx, job, following))


async def _told(rt: Runtime, job: Row, place: Place, _part: Slice) -> Place:
    """Look through some of the feed. Nothing of him is added to it any more."""
    people = [str(contact_id) for contact_id in place.contact_ids]

    async def work(tx: Tx) -> Place:
        gone = 0
        if not place.after:
            await reading.number(tx)  # nobody numbers what is deleted here meanwhile
            gone = await tx.run(FORGET_NEW, contact_ids=people)
        page = await tx.one(FORGET_TOLD, contact_ids=people, after=place.after, most=TOLD_CHUNK)
        if page is None or page.last is None:
            return await _keep(tx, job, replace(_counted(place, feed=gone), stage="done"))
        if page.ns:
            await tx.run(FORGET_TELLING, ns=page.ns)
        return await _keep(tx, job, replace(_counted(place, feed=gone + len(page.ns)), after=page.last))

    return await rt.db.transact(job.tenant_id, work)


STAGES: dict[str, Callable[[Runtime, Row, Place, Slice], Awaitable[Place]]] = {
    "arrived": _arrived,
    "identity": _identity,
    "settled": _settled,
    "rows": _rows,
    "deliveries": _deliveries,
    "reports": _reports,
    "answers": _answers,
    "told": _told,
}
WAITING = {"arrived", "settled"}
"""Stages that end when others come to an end."""


async def _finish(rt: Runtime, job: Row, place: Place) -> None:
    """The receipt, and a line beside the database: a backup does not know that he was forgotten."""
    now = rt.now()

    result = {"erased": place.counts, "refusals_kept": len(place.refused)}

    async def work(tx: Tx) -> None:
        await jobs.finish(tx, job, result, now)
        await audit.add(tx, rt.new_id(), now, Actor(job.account_id, job.key_id), "contact_erased", job.subject, after=result)

    async with rt.db.tenant(job.tenant_id) as tx:
        (tenant,) = await tx.all(tenants.BY_IDS, ids=[tx.tenant_id])
    line = msgspec.json.encode(Stone(tenant.slug, place.stones, place.refused, now)) + b"\n"
    for path in stone_files(rt.config):
        await asyncio.to_thread(_append, path, line)
    await rt.db.transact(job.tenant_id, work)


def stone_files(config: Config) -> list[Path]:
    """Where who was forgotten is written down, the same in each as far as it is there."""
    return [config.media_path / STONES, config.state_dir / STONES]


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line)
        os.fsync(fd)
    finally:
        os.close(fd)
