"""Leases: who alone may do a thing (digest a lane, send for a number), for a few seconds at a time.

Judged by the database's clock only. The holder is the installation directory's id, kept under a file lock: a process that
starts again in the same directory takes its own leases back at once, because the lock proves that the former one is gone.
A process relies on a lease no longer than it lasts from when it asked, by a clock that runs while the process is stopped: one
that was frozen or cut off from the database knows that its time is up before it asks anybody.
"""

import contextlib
import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from atendeja.db import Nothing, Session, query

TTL_S = 6.0
DIGEST_TTL_S = 3.0
"""Shorter: while nobody digests, nobody is answered."""
RENEW_EVERY_S = 1.0


class Term(Struct):
    term: int


class Name(Struct):
    name: str


TAKE = query("leases.take", Term)
RENEW = query("leases.renew", Name)
RELEASE = query("leases.release", Nothing)
GIVE_BACK = query("leases.give_back", Nothing)
FORGET_DOORS = query("leases.forget_doors", Nothing)


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


class Leases:
    """The leases of this process. Instants are of the monotonic clock, read before the database was asked."""

    def __init__(self, who: Identity) -> None:
        self._who = who
        self._until: dict[str, float] = {}

    def hold(self, name: str, instant: float) -> bool:
        """Whether the lease may be relied upon at this instant."""
        return instant < self._until.get(name, float("-inf"))

    async def take(self, session: Session, name: str, instant: float) -> int | None:
        """Its term when the lease is ours now, whether it was before or not: another term means that somebody else had it since."""
        taken = await session.one(TAKE, name=name, holder=self._who.holder, boot=self._who.boot, ttl_s=ttl_s(name))
        if taken is None:
            self._until.pop(name, None)
            return None
        self._until[name] = instant + ttl_s(name)
        return taken.term

    async def renew(self, session: Session, instant: float) -> None:
        """Renew all that is ours. What somebody else has taken is ours no longer; what is taken, forgotten or given back meanwhile
        stays so."""
        asked = sorted(self._until)
        rows = await session.all(RENEW, boot=self._who.boot, names=asked, ttls=[ttl_s(name) for name in asked])
        held = {row.name for row in rows}
        for name in self._until.keys() & set(asked):
            if name in held:
                self._until[name] = max(self._until[name], instant + ttl_s(name))
            else:
                del self._until[name]

    def forget(self, name: str) -> None:
        """Renew it no more."""
        self._until.pop(name, None)

    async def give_back(self, session: Session, name: str) -> None:
        """Give this one back, so that another process may go on at once. Whatever else is being taken meanwhile stays ours."""
        self.forget(name)
        await session.run(GIVE_BACK, boot=self._who.boot, name=name)

    async def release(self, session: Session, kept: Collection[str] = ()) -> None:
        """Give all but these back, so that another process goes on at once."""
        self._until = {name: until for name, until in self._until.items() if name in kept}
        await session.run(RELEASE, boot=self._who.boot, kept=sorted(kept))


def door_name(who: Identity) -> str:
    """What a process holds while it takes webhooks: nobody else wants it, but it tells that statuses can reach us."""
    return f"door:{who.holder}"


def ttl_s(name: str) -> float:
    """How long a lease lasts unless it is renewed."""
    return DIGEST_TTL_S if name.startswith("digest:") else TTL_S
