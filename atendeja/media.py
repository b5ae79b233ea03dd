"""Media: the files a tenant sends. The bytes are `blobs`' business; here is what they are, and by which id Meta knows them.

A message names a file by our id, because Meta's is good for one number and for 30 days: a file is uploaded once for each number
that sends it, and again when that id has grown old. The bytes are kept before the row is written: what a death in between leaves
are bytes that nobody refers to, never a row without them. The same bytes under the same type and name are one file, with one id.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from atendeja.blobs import Blobs, Readable
from atendeja.db import Database, Nothing, Tx, query
from atendeja.errors import Refused
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


INSERT = query("media.insert", Stored)
SAME = query("media.same", Stored)
BY_IDS = query("media.by_ids", Stored)
HOLD = query("media.hold", Nothing)
NEWEST = query("media.newest", Stored)
UPLOADS = query("media.uploads", Known)
RECORD_UPLOAD = query("media.record_upload", Nothing)
FORGET_UPLOADS = query("media.forget_uploads", Nothing)


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

    async def work(tx: Tx) -> Stored:
        what = {"sha256": blob.sha256, "mime": mime, "filename": filename}
        stored = await tx.one(INSERT, id=media_id, size=blob.size, created_at=now, **what)
        if stored is None:
            stored = await tx.one(SAME, **what)
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
