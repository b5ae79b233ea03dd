"""Long work as a thing that can be looked at: who wanted it, how far it is, what came of it. One of a kind at a time in a business.

Truth is the row. Procrastinate's job is only a wake-up for it: lost, late or twice, the work goes on where its last commit left it,
at the latest a minute later. What works is given a slice of time and then makes room, so that no job runs for longer than
Procrastinate takes one for alive. A kind's work ends its own job (`finish`), in the transaction of its last change.
"""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Literal
from uuid import UUID

import structlog
from msgspec import Meta, Raw, Struct

from atendeja import audit, queue
from atendeja.audit import Actor
from atendeja.blobs import Blobs
from atendeja.db import Database, Nothing, Tx, query
from atendeja.endpoint import HEADS, LAST, ById, Call, Endpoint, File, Instant, Listing, Page, not_found
from atendeja.errors import Refused, Unavailable
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

TASK = "work_jobs"
SLICE_S = 60.0
MOST_TRIES = 5
AT_ONCE = 2
"""Jobs that this process works on, of Procrastinate's four: the others are for what is short."""
KEEPS_FILE = dt.timedelta(days=7)

State = Literal["queued", "running", "done", "failed", "cancelled"]


class Row(Struct, frozen=True):
    tenant_id: int
    id: UUID
    kind: str
    subject: UUID | None
    state: State
    may_stop: bool
    done: int
    total: int | None
    place: bytes | None
    """JSON of the kind's own: where it goes on."""
    result: bytes | None
    error: str | None
    tries: int
    account_id: UUID | None
    key_id: UUID | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    expires_at: dt.datetime | None


class Job(Struct, frozen=True):
    """Work that takes its time. Neither a user nor a key wanted it: then a command, or the clock."""

    id: UUID
    kind: Annotated[str, Meta(examples=["export"])]
    subject_id: Annotated[UUID | None, Meta(description="Whom or what it is about.")]
    state: State
    done: Annotated[int, Meta(description="Of `total`: what it counts depends on the kind.")]
    total: int | None
    result: Annotated[Raw, Meta(description="What came of it; null before.", examples=[{"rows": {"message": 12}}])]
    error: str | None
    user_id: UUID | None
    key_id: UUID | None
    created_at: Instant
    started_at: Instant | None
    ended_at: Instant | None
    file_expires_at: Annotated[Instant | None, Meta(description="Until when its file can be had, where it has one.")]


class Waiting(Struct, frozen=True):
    tenant_id: int
    kind: str


ADD = query("jobs.add", Row)
WANTED = query("jobs.wanted", Row)
BY_ID = query("jobs.by_id", Row)
NEWEST = query("jobs.newest", Row)
BEGIN = query("jobs.begin", Row)
NOTE = query("jobs.note", Nothing)
FINISH = query("jobs.finish", Nothing)
FAIL = query("jobs.fail", Nothing)
CANCEL = query("jobs.cancel", Nothing)
RETRY = query("jobs.retry", Nothing)
WAITING = query("jobs.waiting", Waiting)
EXPIRED = query("jobs.expired", Row)
LOSE_SUBJECTS = query("jobs.lose_subjects", ById)
LOSE_FILE = query("jobs.lose_file", Nothing)


class Cancelled(Exception):
    """Somebody has taken the wish back: nothing more is to be done."""


class Waits(Exception):
    """Nothing can be done until others have come to an end: it is looked at again a minute later."""


class Slice:
    """How long a piece of work may go on, by the monotonic clock."""

    def __init__(self, rt: Runtime, seconds: float = SLICE_S) -> None:
        self._rt, self._until = rt, rt.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Also when the process is told to stop."""
        return self._rt.monotonic() >= self._until or self._rt.stopping.is_set()


Work = Callable[[Runtime, Row, Slice], Awaitable[None]]
"""Of a kind: goes on with a job until it is finished or the slice is over. Raises Refused for what can never be done, Waits."""


def show(row: Row) -> Job:
    return Job(
        row.id, row.kind, row.subject, row.state, row.done, row.total, Raw(row.result or b"null"), row.error, row.account_id,
        row.key_id, row.created_at, row.started_at, row.ended_at, row.expires_at,
    )  # fmt: skip


async def put(tx: Tx, kind: str, subject: UUID | None, by: Actor, new_id: UUID, now: dt.datetime, *, may_stop: bool) -> Row:
    """Want something done: the job, or the one that is to do the same already."""
    row = await tx.one(
        ADD, id=new_id, kind=kind, subject=subject, may_stop=may_stop, account_id=by.account_id, key_id=by.key_id, now=now
    )
    if row is None:
        row = await tx.one(WANTED, kind=kind, subject=subject)
    assert row is not None
    await wake(tx, kind)
    return row


async def wake(tx: Tx, kind: str) -> None:
    """Have somebody look whether there is something of this kind to be done, after the commit."""
    await queue.defer(tx, TASK, tenant_id=tx.tenant_id, kind=kind)


async def note(tx: Tx, job: Row, done: int, total: int | None, place: object) -> None:
    """Write down how far it is, with what was done. Raises Cancelled when nothing more is to be."""
    if not await tx.run(NOTE, id=job.id, done=done, total=total, place=place):
        raise Cancelled


async def finish(tx: Tx, job: Row, result: object, now: dt.datetime, expires_at: dt.datetime | None = None) -> None:
    """It is done, and this came of it. Raises Cancelled as `note` does."""
    if not await tx.run(FINISH, id=job.id, result=result, now=now, expires_at=expires_at):
        raise Cancelled


class Workshop:
    """What does the jobs of this process: of each business and kind one at a time, wherever."""

    def __init__(self, rt: Runtime, kinds: Mapping[str, Work], slice_s: float = SLICE_S) -> None:
        self._rt, self._kinds, self._slice_s = rt, kinds, slice_s
        self._busy: set[str] = set()
        self._turned_away = False

    async def work(self, tenant_id: int, kind: str) -> None:
        """Do what there is to do of this kind, for a while; what is left then is another job's. Nothing when somebody is at it, and
        none while others take long here."""
        lease = f"job:{tenant_id}:{kind}"
        if lease in self._busy or kind not in self._kinds:
            return
        if len(self._busy) >= AT_ONCE:
            self._turned_away = True
            return
        self._busy.add(lease)
        try:
            if await self._take(lease) and await self._work(tenant_id, kind, Slice(self._rt, self._slice_s)):
                await self._rt.db.transact(tenant_id, lambda tx: wake(tx, kind))
        finally:
            self._busy.remove(lease)
            async with self._rt.db.session() as session:
                await self._rt.leases.give_back(session, lease)
        if self._turned_away:
            self._turned_away = False
            await self.sweep()

    async def _work(self, tenant_id: int, kind: str, part: Slice) -> bool:
        """Whether there is more to do when the slice is over."""
        while more := await self._go_on(tenant_id, kind, part):
            if part.is_over:
                break
        return more

    async def _take(self, lease: str) -> bool:
        instant = self._rt.monotonic()
        async with self._rt.db.session() as session:
            return await self._rt.leases.take(session, lease, instant) is not None

    async def _go_on(self, tenant_id: int, kind: str, part: Slice) -> bool:
        """Whether there may be more to do now."""
        job = await self._rt.db.transact(tenant_id, lambda tx: tx.one(BEGIN, kind=kind, now=self._rt.now()))
        if job is None:
            return False
        words = {"tenant_id": tenant_id, "job_id": str(job.id), "kind": kind}
        if job.tries > MOST_TRIES:
            await self._fail(tenant_id, job, "it came to nothing again and again; the log says why")
            return True
        error = await queue.outcome(_run(self._kinds[kind], self._rt, job, part))
        if isinstance(error, Unavailable):
            raise error
        if isinstance(error, Waits):
            return False
        if isinstance(error, Refused):
            await self._fail(tenant_id, job, str(error))
        elif error is not None and not isinstance(error, Cancelled):
            log.error("job_broke", exc_info=error, **words)
            return False  # tried again a minute later
        log.info("job_went_on", **words)
        return True

    async def _fail(self, tenant_id: int, job: Row, why: str) -> None:
        log.warning("job_failed", tenant_id=tenant_id, job_id=str(job.id), kind=job.kind)
        await self._rt.db.transact(tenant_id, lambda tx: tx.run(FAIL, id=job.id, error=why, now=self._rt.now()))
        await Blobs(self._rt.config.media_path).drop_archive(tenant_id, job.id)

    async def sweep(self) -> None:
        """Find what is to be done, by whomever it was forgotten, and have it done."""
        async with self._rt.db.session() as session:
            waiting = await session.all(WAITING)
        for one in waiting:
            await self._rt.db.transact(one.tenant_id, lambda tx, kind=one.kind: wake(tx, kind))  # type: ignore[misc]  # a default is no part of what transact wants


async def _run(work: Work, rt: Runtime, job: Row, part: Slice) -> None:
    await work(rt, job, part)


async def drop_files(db: Database, blobs: Blobs, tenant_id: int, now: dt.datetime) -> None:
    """Files whose time is over."""
    async with db.tenant(tenant_id) as tx:
        expired = await tx.all(EXPIRED, now=now, most=1000)
    for job in expired:
        await blobs.drop_archive(tenant_id, job.id)
        await db.transact(tenant_id, lambda tx, id_=job.id: tx.run(LOSE_FILE, id=id_))  # type: ignore[misc]  # as above


# ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def list_jobs(rt: Runtime, call: Call[Listing]) -> Page[Job]:
    """The newest first."""
    before = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(NEWEST, before_id=before.id if before else LAST, most=call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda row: ById(row.id))
    return Page([show(row) for row in items], following)


async def _find(tx: Tx, job_id: UUID) -> Row:
    row = await tx.one(BY_ID, id=job_id)
    if row is None:
        raise not_found()
    return row


async def show_job(rt: Runtime, call: Call[Struct]) -> Job:
    async with rt.db.tenant(call.tenant_id) as tx:
        return show(await _find(tx, call.ids["id"]))


async def cancel_job(rt: Runtime, call: Call[Struct]) -> Job:
    """Take a wish back. Raises Refused for what is over, and for what cannot be left half done."""

    async def work(tx: Tx) -> Job:
        before = await _find(tx, call.ids["id"])
        if before.state != "cancelled":
            if not await tx.run(CANCEL, id=before.id, now=rt.now()):
                raise Refused("job_stays", "it is over, or cannot be left half done")
            await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "job_cancelled", before.id, after={"kind": before.kind})
        return show(await _find(tx, before.id))

    cancelled = await rt.db.transact(call.tenant_id, work)
    await Blobs(rt.config.media_path).drop_archive(call.tenant_id, cancelled.id)  # what a death left of it
    return cancelled


async def retry_job(rt: Runtime, call: Call[Struct]) -> Job:
    """Have a job that failed go on. Raises Refused for one that did not fail."""

    async def work(tx: Tx) -> Job:
        before = await _find(tx, call.ids["id"])
        if before.state == "failed":
            if await tx.one(WANTED, kind=before.kind, subject=before.subject) is not None:
                raise Refused("job_stays", "another job is at the same")
            await tx.run(RETRY, id=before.id)
            await wake(tx, before.kind)
            await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "job_retried", before.id, after={"kind": before.kind})
        elif before.state not in ("queued", "running"):
            raise Refused("job_stays", "it did not fail")
        return show(await _find(tx, before.id))

    return await rt.db.transact(call.tenant_id, work)


async def download_file(rt: Runtime, call: Call[Struct]) -> File:
    """The file of a job, while it is kept."""

    async def work(tx: Tx) -> Row:
        row = await _find(tx, call.ids["id"])
        if row.state != "done" or row.expires_at is None or row.expires_at <= rt.now():
            raise not_found()
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "file_downloaded", row.id, after={"kind": row.kind})
        return row

    row = await rt.db.transact(call.tenant_id, work)
    path = Blobs(rt.config.media_path).archive(call.tenant_id, row.id)
    return File(path, f"{row.kind}-{row.id}.json", "application/json")


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/jobs", "list_jobs", list_jobs, who=HEADS, scope="jobs:read", takes=Listing, gives=Page[Job],
             says="Long work, the newest first."),
    Endpoint("GET", "/v1/jobs/{id}", "show_job", show_job, who=HEADS, scope="jobs:read", gives=Job,
             says="How far it is, and what came of it."),
    Endpoint("POST", "/v1/jobs/{id}/cancel", "cancel_job", cancel_job, who=HEADS, scope="jobs:write", gives=Job,
             refuses={"job_stays": 409}, says="Take the wish back, as long as it may be left; also when it has failed."),
    Endpoint("POST", "/v1/jobs/{id}/retry", "retry_job", retry_job, who=HEADS, scope="jobs:write", gives=Job,
             refuses={"job_stays": 409}, says="Have a job that failed go on where it was."),
    Endpoint("GET", "/v1/jobs/{id}/file", "download_file", download_file, who=HEADS, scope="contacts:export", fresh=True,
             keys_too=True, gives=File, says="The file that an export made, for seven days."),
]  # fmt: skip
