"""All that is kept of a person, as one JSON file: a job, whose file is written anew whenever it was interrupted."""

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec

from atendeja import jobs
from atendeja.blobs import Blobs
from atendeja.errors import Refused
from atendeja.jobs import Row, Slice
from atendeja.privacy.subject import EXPORTED, NOT_EXPORTED, Subject, load
from atendeja.runtime import Runtime

KIND = "export"
CHUNK = 200
FORMAT = "atendeja-person/1"


async def run(rt: Runtime, job: Row, _part: Slice) -> None:
    """Write the archive. Takes no notice of its slice: a file cannot be gone on with. Raises Refused for who is not there."""
    assert job.subject is not None
    blobs, tenant_id = Blobs(rt.config.media_path), job.tenant_id
    async with rt.db.tenant(tenant_id) as tx:
        subject = await load(tx, job.subject)
    if not subject.family:
        raise Refused("nobody", "this contact is not there")
    counts = {table: len(ids) for table, ids in subject.rows.items()}
    try:
        blob = await blobs.write_archive(tenant_id, job.id, _parts(rt, tenant_id, job, subject))
        result = {"rows": counts, "size": blob.size, "sha256": blob.sha256}
        expires_at = rt.now() + jobs.KEEPS_FILE
        await rt.db.transact(tenant_id, lambda tx: jobs.finish(tx, job, result, rt.now(), expires_at))
    except jobs.Cancelled:
        await blobs.drop_archive(tenant_id, job.id)
        raise


async def _parts(rt: Runtime, tenant_id: int, job: Row, subject: Subject) -> AsyncIterator[bytes]:
    head = {"format": FORMAT, "made_at": rt.now(), "contact_id": job.subject, "left_out": NOT_EXPORTED}
    yield msgspec.json.encode(head)[:-1] + b',\n"tables":{'
    done = 0
    for n, (table, ids) in enumerate(subject.rows.items()):
        yield b"%s\n%s:[" % (b"," if n else b"", msgspec.json.encode(table))
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            rows = await _read(rt, tenant_id, table, some)
            done += len(some)
            await rt.db.transact(tenant_id, lambda tx, done=done: jobs.note(tx, job, done, subject.total, None))  # type: ignore[misc]  # a default is no part of what transact wants
            yield (b",\n" if start else b"\n") + b",\n".join(rows)
        yield b"]"
    yield b"}}\n"


async def _read(rt: Runtime, tenant_id: int, table: str, ids: list[UUID]) -> list[bytes]:
    async with rt.db.tenant(tenant_id) as tx:
        return [shown.row for shown in await tx.all(EXPORTED[table], ids=ids)]
