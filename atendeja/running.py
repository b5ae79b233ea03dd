"""What each worker is busy with, written down before it begins, so that a death names its suspects.

A row is there while there is work: the next batch overwrites it, rest deletes it. A process that starts again in its directory
knows that the former run is dead (the file lock of `leases.identify`); the others know it when its rows have not been seen for
`TTL_S`, by the database's clock. Whoever finds the rows first takes the suspects over, and they are his in the same statement.
"""

from collections.abc import Iterable
from uuid import UUID

from msgspec import Struct

from atendeja.db import Nothing, Session, query
from atendeja.leases import TTL_S, Identity


class Suspect(Struct, frozen=True, order=True):
    """A contact that a process was busy with when it died."""

    tenant_id: int
    id: UUID


MARK = query("running.mark", Nothing)
CLEAR = query("running.clear", Nothing)
BEAT = query("running.beat", Nothing)
TAKE_OVER = query("running.take_over", Suspect)
RECALL = query("running.recall", Suspect)


async def mark(session: Session, who: Identity, contacts: Iterable[tuple[int, UUID]]) -> None:
    """We are about to work on these (tenant, contact), and on nothing else."""
    tenant_ids, ids = zip(*contacts, strict=True)
    await session.run(MARK, boot=who.boot, holder=who.holder, tenant_ids=tenant_ids, ids=ids)


async def rest(session: Session, who: Identity) -> None:
    """We are not working: dying now is nobody's fault."""
    await session.run(CLEAR, boot=who.boot, stage="turn")


async def acquit(session: Session, who: Identity) -> None:
    """All that were to run alone have ended."""
    await session.run(CLEAR, boot=who.boot, stage="alone")


async def watch(session: Session, who: Identity, ttl_s: float = TTL_S) -> list[Suspect]:
    """Say that we live, and return the suspects of those who have not for `ttl_s`, which are ours to run alone from now on."""
    await session.run(BEAT, boot=who.boot)
    return await session.all(TAKE_OVER, boot=who.boot, holder=who.holder, ttl_s=ttl_s)


async def recall(session: Session, who: Identity) -> list[Suspect]:
    """Whom we are to run alone, should the answer to a take-over have been lost."""
    return await session.all(RECALL, boot=who.boot)
