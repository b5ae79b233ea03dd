"""Media: the files a tenant sends. The bytes are `blobs`' business; here is what they are, and by which id Meta knows them.

A message names a file by our id, because Meta's is good for one number and for 30 days: a file is uploaded once for each number
that sends it, and again when that id has grown old. The bytes are kept before the row is written: what a death in between leaves
are bytes that nobody refers to, never a row without them. The same bytes under the same type and name are one file, with one id.
"""

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated
from uuid import UUID

from asyncpg import ForeignKeyViolationError
from msgspec import Meta, Struct

from atendeja import audit
from atendeja.blobs import Blobs, Readable
from atendeja.db import Database, LostRace, Nothing, Tx, query
from atendeja.endpoint import AGENTS, LAST, MEMBERS, ById, Call, Endpoint, File, Instant, Listing, Page, not_found
from atendeja.endpoint.reading import Stream
from atendeja.errors import Refused, Unavailable
from atendeja.runtime import Runtime
from atendeja.wa import limits
from atendeja.wa import media as rules

UPLOAD_LASTS = dt.timedelta(seconds=limits.MEDIA_ID_UPLOADED_S) - dt.timedelta(days=1)
"""A day less than Meta says, so that none grows old between our look and its send."""


class Stored(Struct, frozen=True):
    """A file that is kept. `filename` is what people see of a document."""

    id: UUID
    sha256: str
    mime: str
    size: int
    filename: str | None
    created_at: dt.datetime


class Known(Struct, frozen=True):
    media_id: UUID
    meta_id: str


class Needed(Struct, frozen=True):
    """A message that has not gone, and has the file in it."""

    id: UUID


class KeptFile(Struct, frozen=True):
    """A file that can be sent, by its id."""

    id: UUID
    type: Annotated[str, Meta(examples=["application/pdf"])]
    size: Annotated[int, Meta(description="In bytes.")]
    filename: Annotated[str | None, Meta(description="Under which people see a document.", examples=["orcamento.pdf"])]
    sha256: str
    sent_as: Annotated[list[str], Meta(description="As what it can be sent.", examples=[["document"]])]
    created_at: Instant


class NewFile(Struct, frozen=True, forbid_unknown_fields=True):
    filename: Annotated[str, Meta(min_length=1, max_length=limits.FILENAME, examples=["orcamento.pdf"])] | None = None


INSERT = query("media.insert", Stored)
SAME = query("media.same", Stored)
BY_IDS = query("media.by_ids", Stored)
HOLD = query("media.hold", Nothing)
NEWEST = query("media.newest", Stored)
UPLOADS = query("media.uploads", Known)
RECORD_UPLOAD = query("media.record_upload", Nothing)
FORGET_UPLOADS = query("media.forget_uploads", Nothing)
HOLD_BYTES = query("media.hold_bytes", Nothing)
PAGE = query("media.page", Stored)
OLD = query("media.old", Stored)
DROP = query("media.drop", Nothing)
NEEDED = query("media.needed", Needed)
SAME_BYTES = query("media.same_bytes", Stored)


def problems(mime: str, filename: str | None) -> list[str]:
    """What is wrong with a file that is to be kept, before it is read: its type, or its name."""
    found = []
    if mime not in rules.TYPES:
        found.append(f"{mime} cannot be sent on WhatsApp; what can: {', '.join(rules.TYPES)}")
    if filename is not None and not (filename.isprintable() and 1 <= len(filename) <= limits.FILENAME):
        found.append(f"the name must have 1 to {limits.FILENAME} characters that can be shown")
    return found


async def add(
    db: Database,
    blobs: Blobs,
    tenant_id: int,
    source: Readable,
    *,
    mime: str,
    filename: str | None,
    media_id: UUID,
    now: dt.datetime,
) -> Stored:
    """Keep a file, and say as what: with another id than `media_id` when it was there already.

    Raises Refused for a type that cannot be sent, a bad name, an empty file or one that is too large for its type; Unavailable when
    the disk or the database is away.
    """
    if wrong := problems(mime, filename):
        raise Refused("file_invalid", "; ".join(wrong))
    blob = await blobs.keep(tenant_id, source, rules.most_bytes(mime))
    return await _record(db, blobs, tenant_id, Stored(media_id, blob.sha256, mime, blob.size, filename, now))


async def _record(
    db: Database, blobs: Blobs, tenant_id: int, new: Stored, tell: Callable[[Tx, Stored], Awaitable[None]] | None = None
) -> Stored:
    """Write the row of bytes that are kept, unless it is there. Whoever deletes the same bytes does so before us, or sees it."""

    async def work(tx: Tx) -> Stored:
        await tx.run(HOLD_BYTES, sha256=new.sha256)
        if not await blobs.has(tenant_id, new.sha256):
            raise Unavailable("the file was just deleted by somebody else: send it again")
        what = {"sha256": new.sha256, "mime": new.mime, "filename": new.filename}
        stored = await tx.one(INSERT, id=new.id, size=new.size, created_at=new.created_at, **what)
        if stored is None:
            stored = await tx.one(SAME, **what)
        elif tell is not None:
            await tell(tx, stored)
        assert stored is not None
        return stored

    return await db.transact(tenant_id, work)


async def load(tx: Tx, ids: Sequence[UUID]) -> list[Stored]:
    """Those of these files that the tenant has, in no order."""
    return await tx.all(BY_IDS, ids=list(ids))


async def hold(tx: Tx, ids: Sequence[UUID]) -> list[Stored]:
    """As `load`, for messages that will name them: none of these is deleted before the end of the transaction."""
    await tx.run(HOLD, ids=sorted(ids))
    return await load(tx, ids)


async def newest(tx: Tx, most: int) -> list[Stored]:
    """The newest files, the newest first."""
    return await tx.all(NEWEST, most=most)


async def uploads(tx: Tx, number_id: UUID, ids: Sequence[UUID], now: dt.datetime) -> dict[UUID, str]:
    """Our id → Meta's, of those of these files that this number has uploaded not too long ago."""
    return {known.media_id: known.meta_id for known in await tx.all(UPLOADS, number_id=number_id, ids=list(ids), now=now)}


async def record_upload(tx: Tx, media_id: UUID, number_id: UUID, meta_id: str, now: dt.datetime) -> None:
    """This number has uploaded this file, at `now`."""
    await tx.run(
        RECORD_UPLOAD,
        media_id=media_id,
        number_id=number_id,
        meta_id=meta_id,
        uploaded_at=now,
        expires_at=now + UPLOAD_LASTS,
    )


async def forget_uploads(tx: Tx, number_id: UUID, uploads: Mapping[UUID, str]) -> None:
    """Meta does not know these any more (our id → Meta's); what was uploaded since stays."""
    await tx.run(FORGET_UPLOADS, number_id=number_id, ids=list(uploads), meta_ids=list(uploads.values()))


async def load_old(tx: Tx, after: UUID, before: UUID, most: int) -> list[Stored]:
    """Files between these ids, the oldest first."""
    return await tx.all(OLD, after=after, before=before, most=most)


async def is_needed(tx: Tx, file_id: UUID) -> bool:
    """Whether a message that has not gone has it in it."""
    return await tx.one(NEEDED, id=file_id) is not None


async def discard(tx: Tx, blobs: Blobs, file_id: UUID) -> Stored | None:
    """Have a file no more, and its bytes, unless they are another one's too; what it was, none when it was not there. Raises
    Refused while a message needs it that has not gone. A death in between may leave its row without them: then it is to be
    deleted again."""
    found = await load(tx, [file_id])
    if not found:
        return None
    (stored,) = found
    await tx.run(HOLD_BYTES, sha256=stored.sha256)
    try:
        if not await tx.run(DROP, id=file_id):
            return None
    except ForeignKeyViolationError as error:
        raise LostRace("the file has just been uploaded to WhatsApp") from error
    if (message := await tx.one(NEEDED, id=file_id)) is not None:
        raise Refused("file_needed", f"message {message.id} has it in it and has not gone")
    if await tx.one(SAME_BYTES, sha256=stored.sha256) is None:
        await blobs.drop(tx.tenant_id, stored.sha256)
    return stored


# ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def show(f: Stored) -> KeptFile:
    return KeptFile(f.id, f.mime, f.size, f.filename, f.sha256, list(rules.kinds(f.mime)), f.created_at)


async def keep_file(rt: Runtime, call: Call[NewFile]) -> KeptFile:
    """Keep what the body is. The same bytes under the same type and name are the file that there was: no key is needed to send it
    twice. Raises Refused for what WhatsApp would not take, or what is not what it is called."""
    stream, filename, now = call.stream, call.body.filename, rt.now()
    mime, most = stream.mime, rules.most_bytes(stream.mime)
    if mime not in rules.TYPES:
        raise Refused("file_type", f"send one of these as its Content-Type: {', '.join(rules.TYPES)}")
    if wrong := problems(mime, filename):
        raise Refused("file_invalid", "; ".join(wrong))
    if stream.announced is not None and stream.announced > most:
        raise Refused("file_too_large", f"the file has more than {most} bytes, which is the most allowed")
    blobs = Blobs(rt.config.media_path)
    blob = await blobs.receive(call.tenant_id, _checked(stream), most)

    async def tell(tx: Tx, stored: Stored) -> None:
        told = {"type": stored.mime, "size": stored.size}
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "file_kept", stored.id, after=told)

    new = Stored(rt.new_id(), blob.sha256, mime, blob.size, filename, now)
    return show(await _record(rt.db, blobs, call.tenant_id, new, tell))


async def _checked(stream: Stream) -> AsyncIterator[bytes]:
    """The same bytes. Raises Refused, before any of them, when they do not begin as their type does."""
    head, seen = b"", False
    async for chunk in stream:
        if seen:
            yield chunk
            continue
        head += chunk
        if seen := len(head) >= rules.HEAD_BYTES:
            yield _fitting(stream.mime, head)
    if head and not seen:
        yield _fitting(stream.mime, head)


def _fitting(mime: str, head: bytes) -> bytes:
    if not rules.fits(mime, head[: rules.HEAD_BYTES]):
        raise Refused("file_type", f"this is not {mime}: its bytes say something else")
    return head


async def list_files(rt: Runtime, call: Call[Listing]) -> Page[KeptFile]:
    """The newest first."""
    after = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(PAGE, before_id=after.id if after else LAST, most=call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda f: ById(f.id))
    return Page([show(f) for f in items], following)


async def show_file(rt: Runtime, call: Call[Struct]) -> KeptFile:
    return show(await _find(rt, call))


async def give_file(rt: Runtime, call: Call[Struct]) -> File:
    stored = await _find(rt, call)
    path = Blobs(rt.config.media_path).path(call.tenant_id, stored.sha256)
    return File(path, stored.filename or f"{stored.id}{rules.suffix(stored.mime)}", stored.mime)


async def _find(rt: Runtime, call: Call[Struct]) -> Stored:
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await load(tx, [call.ids["id"]])
    if not found:
        raise not_found()
    return found[0]


async def drop_file(rt: Runtime, call: Call[Struct]) -> None:
    """Have a file no more, and its bytes. Raises Refused while a message needs it that has not gone."""
    blobs, now = Blobs(rt.config.media_path), rt.now()

    async def work(tx: Tx) -> None:
        stored = await discard(tx, blobs, call.ids["id"])
        if stored is None:
            raise not_found()
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "file_dropped", stored.id, before={"type": stored.mime})

    await rt.db.transact(call.tenant_id, work)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("POST", "/v1/media", "keep_file", keep_file, who=AGENTS, scope="media:write", takes=NewFile, gives=KeptFile,
             status=201, streams=True, refuses={"file_type": 415, "file_too_large": 413, "file_invalid": 422, "file_empty": 422},
             says="Keep a file to be sent: the body is the file itself, the Content-Type its type."),
    Endpoint("GET", "/v1/media", "list_files", list_files, who=MEMBERS, scope="media:read", takes=Listing, gives=Page[KeptFile],
             says="The files that can be sent, the newest first."),
    Endpoint("GET", "/v1/media/{id}", "show_file", show_file, who=MEMBERS, scope="media:read", gives=KeptFile,
             says="A file, without its bytes."),
    Endpoint("GET", "/v1/media/{id}/content", "give_file", give_file, who=MEMBERS, scope="media:read", gives=File,
             says="The bytes of a file, as an attachment."),
    Endpoint("DELETE", "/v1/media/{id}", "drop_file", drop_file, who=AGENTS, scope="media:write", refuses={"file_needed": 409},
             says="Have a file no more. Not while a message needs it that has not gone."),
]  # fmt: skip
