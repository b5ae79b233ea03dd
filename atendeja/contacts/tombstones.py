"""What stays of somebody who was forgotten: that he said no, under a keyed hash of each name he was known by.

The key is derived from the tenant's own, so that nobody else can try numbers against the hashes. Whoever makes a contact, or learns
another name of one, asks here (`recall`): what was refused is refused still.
"""

import datetime as dt
import hmac
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from atendeja import consent, tenants, vault
from atendeja.contacts.meeting import Meeting
from atendeja.contacts.people import Contact, keys
from atendeja.db import Nothing, Tx, query
from atendeja.feed.shapes import Data
from atendeja.tenants import Tenant


class Tombstone(Struct, frozen=True):
    hash: bytes
    refused: list[str]
    erased_at: dt.datetime


BURIED = query("contacts.buried", Tenant)
TOMBSTONES = query("contacts.tombstones", Tombstone)
BURY = query("contacts.bury", Nothing)


class Seal:
    """Hashes the names of one tenant's people."""

    def __init__(self, tenant: Tenant, secrets: list[bytes]) -> None:
        self._key = vault.derive(tenants.data_key(tenant, secrets), "tombstones")

    def hashes(self, contact: Contact) -> list[bytes]:
        """One for each name that he is known by."""
        return [hmac.digest(self._key, name.encode(), "sha256") for name in keys(contact)]


async def bury(tx: Tx, hashes: Sequence[bytes], refused: Iterable[str], now: dt.datetime) -> None:
    """Who had these names is forgotten, but for what he refused."""
    await tx.run(BURY, hashes=sorted(hashes), refused=sorted(refused), now=now)


async def recall(tx: Tx, secrets: list[bytes], meeting: Meeting, now: dt.datetime, new_id: Callable[[], UUID]) -> list[Data]:
    """Of those who are new, or known by a new name, whoever was forgotten and had refused something refuses it still. Returns what
    whoever listens is to be told of the meeting: this, and what came of its merges."""
    made = {contact.id for contact in meeting.made}
    news = [m.described for m in meeting.matches.values() if m.contact.id in made or keys(m.described) != keys(m.contact)]
    if not news or (tenant := await tx.one(BURIED)) is None:
        return list(meeting.told)
    seal = Seal(tenant, secrets)
    whose = {hashed: contact.id for contact in news for hashed in seal.hashes(contact)}
    found = await tx.all(TOMBSTONES, hashes=sorted(whose))
    refusals = {(whose[stone.hash], purpose): stone.erased_at for stone in found for purpose in stone.refused}
    entries = [
        consent.Entry(new_id(), contact_id, purpose, "out", "tombstone", {"erased_at": erased_at}, None, 0, now)
        for (contact_id, purpose), erased_at in refusals.items()
    ]
    await consent.put(tx, entries)
    return [*meeting.told, *consent.tell(entries)]
