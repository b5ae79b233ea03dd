"""Leases: who alone may do a thing (digest a lane, send for a number), for a few seconds at a time.

Judged by the database's clock only. The holder is the installation directory's id, kept under a file lock: a process that
starts again in the same directory takes its own leases back at once, because the lock proves that the former one is gone.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from atendeja.db import Nothing, Session, query

TTL_S = 6.0
RENEW_EVERY_S = 2.0


class Term(Struct):
    term: int


class Name(Struct):
    name: str


TAKE = query("leases.take", Term)
RENEW = query("leases.renew", Name)
DROP = query("leases.drop", Nothing)


class Identity(Struct, frozen=True):
    """Who we are to the leases. `descriptor` keeps the file lock as long as the process lives."""

    holder: UUID
    boot: UUID
    descriptor: int


def identify(state_dir: Path, fresh: UUID, boot: UUID) -> Identity:
    """The id of this directory, made on first use; a second process in the same directory gets a second one.

    `fresh` is used when a new id is needed. Raises OSError when the directory cannot be written.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    slot = 0
    while True:
        descriptor = os.open(state_dir / f"instance-{slot}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            slot += 1
            continue
        written = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
        with contextlib.suppress(ValueError):
            return Identity(UUID(written), boot, descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{fresh}\n".encode(), 0)
        os.fsync(descriptor)
        return Identity(fresh, boot, descriptor)


async def take(session: Session, who: Identity, name: str) -> bool:
    """True when the lease is ours now, whether it was before or not."""
    return await session.one(TAKE, name=name, holder=who.holder, boot=who.boot, ttl_s=TTL_S) is not None


async def renew(session: Session, who: Identity, names: Iterable[str]) -> set[str]:
    """Renew these and say which are still ours."""
    held = await session.all(RENEW, boot=who.boot, names=sorted(names), ttl_s=TTL_S)
    return {row.name for row in held}


async def release(session: Session, who: Identity) -> None:
    """Give all back, so that another process goes on at once."""
    await session.run(DROP, boot=who.boot)
