"""The guard: a database that has lost commits is noticed, and nobody sends from it until a person says so.

Problem: restored from a backup, wound back to a point in time, or promoted from a replica that lagged, a database has messages
`queued` that went out long ago, and events unanswered whose replies are read already. Nothing in it can tell; sending on would
send them all again. Choice: `guard.mark` is a counter that each process that sends raises every 2 s. The highest that was seen
stays outside the database, in memory and in STATE_DIR/guard. Where it is higher than what is found, the hold is written into the
guard's row, and the statements that claim messages read that row: so it binds every process, from its commit on, and a claim of a
process that knows of a higher mark finds nothing even before. It is looked for at the start, on each new connection (a standby may
have taken over), and at each raise. `atendeja resume-sending` ends it.

Marks are kept by the database's id, which its first migration draws. A new database in an old directory (`dev --fresh`, a new
installation) is another one and owes nobody anything; a restored backup and a promoted replica are the same one. So is a copy of
production for a trial, and served from the same directory it is held: its queue is production's.

Refused: the server's own identifier, timeline and WAL position (a dump that was loaded elsewhere has others, and a promotion that
lost nothing must go on by itself); a mark raised in each claim (one row that all senders of all processes would wait for).
Not seen: a loss that lies between two marks (2 s), and any loss when STATE_DIR is lost or wound back as well.
"""

import asyncio
import datetime as dt
import errno
import fcntl
import os
import zlib
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import structlog
from msgspec import Meta, Struct

from atendeja import failpoints
from atendeja.db import Nothing, Session, query

log = structlog.get_logger(__name__)

EVERY_S = 2.0
PLACE_BYTES = 16 * 1024
"""Room for the marks of some 300 databases."""
ABOVE = 1_000_000
"""How far above the highest mark seen a release puts it: a process that was away may have seen more, and must not hold again."""

Marks = dict[UUID, Annotated[int, Meta(ge=0, lt=2**62)]]
"""Database → the highest mark seen of it."""


_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the latter


class Row(Struct, frozen=True):
    """The guard's row as it is."""

    database: UUID
    mark: int
    held_at: dt.datetime | None
    held_reason: str | None
    held_mark: int | None
    held_arrival: int | None
    seen_mark: int | None


class Hold(Struct, frozen=True):
    """Sending is held. What arrived (`delivery.seq`, `event.arrival`) up to `arrival` was there when it began."""

    at: dt.datetime
    reason: str
    mark: int
    """The mark that was found in the database."""
    seen: int
    """The highest that a process had seen of it before."""
    arrival: int

    def __str__(self) -> str:
        """What an operator reads."""
        return (
            f"sending is held since {self.at:%Y-%m-%d %H:%M:%S} UTC: the database has lost commits (its mark was {self.mark}, "
            f"{self.seen} had been seen), so what it has queued may have gone out already; `atendeja resume-sending` goes on"
        )


UNREADABLE = (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError)

HOLD = query("guard.hold", Nothing)
RAISE = query("guard.raise_mark", Row)
LOOK = query("guard.look", Row)
RELEASE = query("guard.release", Nothing)


class Guard:
    """What this process knows of the marks. `hold` is not None while sending is held, as of the last `visit` or `look`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "guard"
        self._marks: Marks = {}
        self._writable = True
        self.seen = 0
        """The highest mark seen of the database that we talk to: no claim is made where there is less."""
        self.hold: Hold | None = None

    async def open(self, session: Session, now: dt.datetime) -> None:
        """Remember what was seen before this start, and hold if this is less. Before the first claim."""
        self._marks = await asyncio.to_thread(_recall, self._path)
        await self.visit(session, now)

    async def meet(self, session: Session, now: dt.datetime) -> None:
        """On a new connection: hold before anything is stored through it, should it lead to a database that has lost commits."""
        row = await session.one(LOOK)
        assert row is not None
        if row.mark < self._marks.get(row.database, 0):
            await self._hold(session, now)
            row = await session.one(LOOK) or row
        self.hold = to_hold(row)

    async def visit(self, session: Session, now: dt.datetime) -> None:
        """Compare, hold if need be, raise the mark and remember it."""
        await self._hold(session, now)
        row = await session.one(RAISE)
        assert row is not None
        self.hold = to_hold(row)
        self._marks[row.database] = max(row.mark, self._marks.get(row.database, 0))
        try:
            self._marks = await asyncio.to_thread(keep, self._path, self._marks)
            self._writable = True
        except OSError as error:
            if self._writable:
                log.warning("guard_unwritten", path=str(self._path), error=error.strerror)
            self._writable = False
        self.seen = self._marks[row.database]

    async def _hold(self, session: Session, now: dt.datetime) -> None:
        await session.run(HOLD, databases=list(self._marks), marks=list(self._marks.values()), now=now)

    async def look(self, session: Session) -> Hold | None:
        """The hold as it is now."""
        self.hold = await load_hold(session)
        return self.hold


def to_hold(row: Row) -> Hold | None:
    """None when sending is not held."""
    if row.held_at is None or row.held_reason is None or row.held_mark is None or row.held_arrival is None or row.seen_mark is None:
        return None
    return Hold(row.held_at, row.held_reason, row.held_mark, row.seen_mark, row.held_arrival)


async def load_hold(session: Session) -> Hold | None:
    row = await session.one(LOOK)
    return None if row is None else to_hold(row)


async def release(session: Session, hold: Hold) -> bool:
    """Let everybody send again. False when this hold is over already, or another has taken its place."""
    return await session.run(RELEASE, arrival=hold.arrival, above=ABOVE) > 0


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(path: Path) -> Marks:
    """The marks of a file. Raises one of UNREADABLE for what is not ours."""
    return _latest(path.read_bytes()).marks


def keep(path: Path, marks: Marks) -> Marks:
    """Write the higher of these and of what the file has, and return that. Raises OSError.

    Another process may keep its marks in the same file: one at a time reads and writes it, the other leaves it to its next visit.
    A file that cannot be read is replaced.
    """
    with path.with_name("guard.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it is being written; who writes may be stopped, and nobody must wait for that
            return marks
        try:
            kept = _latest(path.read_bytes())
        except UNREADABLE:
            kept = Place(0, {}, 0)
        merged = {database: max(kept.marks.get(database, 0), marks.get(database, 0)) for database in kept.marks | marks}
        if merged != kept.marks:
            _write(path, kept.turn + 1, merged)
        return merged


class Place(Struct, frozen=True):
    """One of the two lines of the file, which are written by turns: what a kill or a power failure leaves half written is not
    believed, and the other line is what was known before.

    They are written over in place. A file that is made anew and renamed makes the file system write its journal, and every commit
    of a database on the same disk waits for that: the slowest replies in a hundred took 86 ms instead of 22.
    """

    turn: int
    marks: Marks
    check: int


def _latest(content: bytes) -> Place:
    places = [place for at in (0, PLACE_BYTES) if (place := _decode(content[at : at + PLACE_BYTES])) is not None]
    if not places:
        raise msgspec.ValidationError("no mark in it is whole")
    return max(places, key=lambda place: place.turn)


def _decode(line: bytes) -> Place | None:
    try:
        place = msgspec.json.decode(line, type=Place)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return place if place.check == _check(place.turn, place.marks) else None


def _check(turn: int, marks: Marks) -> int:
    return zlib.crc32(msgspec.json.encode((turn, marks)))


def _write(path: Path, turn: int, marks: Marks) -> None:
    line = msgspec.json.encode(Place(turn, marks, _check(turn, marks))).ljust(PLACE_BYTES - 1) + b"\n"
    if len(line) > PLACE_BYTES:
        raise OSError(errno.EFBIG, "too many databases")
    at = turn % 2 * PLACE_BYTES
    failpoints.reach("guard.before_write")
    if turn > 1 and path.stat().st_size == 2 * PLACE_BYTES:
        with path.open("rb+", buffering=0) as file:
            file.seek(at)
            file.write(line)
            _sync(file.fileno())
        return
    new = path.with_name("guard.new")
    with new.open("wb") as file:
        file.write((b" " * (PLACE_BYTES - 1) + b"\n") * 2)
        file.seek(at)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _recall(path: Path) -> Marks:
    try:
        return read(path)
    except FileNotFoundError:
        log.info("guard_missing", path=str(path), means="what was lost before this start cannot be noticed")
    except UNREADABLE as error:
        log.warning("guard_unreadable", path=str(path), error=str(error), means="what was lost before this start cannot be noticed")
    return {}
