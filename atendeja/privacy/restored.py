"""After a restore: a backup still knows people who were forgotten since. The files beside the database tell who, by their hashes.

`atendeja resume-sending` calls this, which has to be run after every restore before anything is sent: what they had refused stands
again in the same transaction, and each is forgotten anew by a job.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from atendeja import consent, contacts, jobs
from atendeja.audit import COMMAND
from atendeja.config import Config
from atendeja.contacts import Contact, Seal
from atendeja.db import Database, Tx, query
from atendeja.endpoint import FIRST
from atendeja.privacy import erasure
from atendeja.privacy.erasure import Stone
from atendeja.tenants import Tenant

CHUNK = 1000

EVERYBODY = query("contacts.everybody", Contact)


class Known(Struct, frozen=True):
    """Somebody who was forgotten and is there again."""

    contact: Contact
    stone: Stone


async def read(config: Config) -> list[Stone]:
    """The lines of the files, each once; those of a write that was cut short left out."""
    lines = [line for path in erasure.stone_files(config) for line in await asyncio.to_thread(_lines, path)]
    return [msgspec.json.decode(line, type=Stone) for line in dict.fromkeys(lines)]


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


async def forget_again(
    db: Database, tenant: Tenant, secrets: list[bytes], stones: Sequence[Stone], now: dt.datetime, new_id: Callable[[], UUID]
) -> int:
    """Have those of this business forgotten who are there again; how many they are. May be repeated."""
    mine = [stone for stone in stones if stone.tenant == tenant.slug]
    by_hash = {bytes.fromhex(hashed): stone for stone in mine for hashed in stone.hashes}
    if not by_hash:
        return 0

    async def bury(tx: Tx) -> None:
        for stone in mine:
            await contacts.bury(tx, [bytes.fromhex(hashed) for hashed in stone.hashes], stone.refused, stone.erased_at)

    await db.transact(tenant.id, bury)
    seal, found, after = Seal(tenant, secrets), 0, FIRST
    while True:
        async with db.tenant(tenant.id) as tx:
            some = await tx.all(EVERYBODY, after=after, most=CHUNK)
        for contact in some:
            stone = next((by_hash[hashed] for hashed in seal.hashes(contact) if hashed in by_hash), None)
            if stone is not None and contact.created_at < stone.erased_at:
                await _forget(db, tenant, Known(contact, stone), now, new_id)
                found += 1
        if len(some) < CHUNK:
            return found
        after = some[-1].id


async def _forget(db: Database, tenant: Tenant, known: Known, now: dt.datetime, new_id: Callable[[], UUID]) -> None:
    contact_id, said_at = known.contact.id, known.stone.erased_at

    async def work(tx: Tx) -> None:
        await tx.all(contacts.LOCK, ids=[contact_id])
        refusals = [
            consent.Entry(new_id(), contact_id, purpose, "out", "tombstone", {"erased_at": said_at}, None, 0, now)
            for purpose in known.stone.refused
        ]
        await consent.put(tx, refusals)
        await jobs.put(tx, erasure.KIND, contact_id, COMMAND, new_id(), now, may_stop=False)

    await db.transact(tenant.id, work)
