"""What can be seen of a run from outside: the simulator's log as it grows, what was in hand at a kill, when it went on."""

import asyncio
import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Struct

from atendeja.simulator.witness import Line

LOOK_S = 30.0
"""How long the database may be away for us."""

LEASES = "SELECT name, holder, boot FROM lease WHERE until > now() - interval '1 second'"
IN_HAND = """
    SELECT (SELECT count(*) FROM delivery WHERE state = 'stored') AS stored,
           (SELECT count(*) FROM event WHERE state = 'unhandled') AS unhandled,
           (SELECT count(*) FROM message WHERE state = 'sending') AS sending,
           (SELECT count(*) FROM message m
              JOIN attempt a ON a.tenant_id = m.tenant_id AND a.message_id = m.id AND a.n = m.attempt_no
             WHERE m.state = 'sending' AND a.boot = ANY ($1::uuid[])) AS own
"""
LEFT = """
    SELECT (SELECT count(*) FROM delivery WHERE state = 'stored') AS stored,
           (SELECT count(*) FROM event WHERE state = 'unhandled') AS unhandled,
           (SELECT count(*) FROM message WHERE state = 'queued') AS queued,
           (SELECT count(*) FROM message WHERE state = 'sending') AS sending,
           (SELECT count(*) FROM message WHERE state = 'in_doubt') AS in_doubt
"""
WENT_ON = """
    SELECT a.claimed_at, a.boot
      FROM number n
      JOIN attempt a ON a.tenant_id = n.tenant_id AND a.number_id = n.id
       AND a.claimed_at > $2 AND a.claimed_at < $2 + interval '3 minutes'
      JOIN message m ON m.tenant_id = a.tenant_id AND m.id = a.message_id
     WHERE n.id = ANY ($1::uuid[]) AND a.boot <> ALL ($3::uuid[])
       AND (m.created_at <= $2 OR EXISTS (SELECT FROM event e WHERE e.tenant_id = m.tenant_id AND e.conversation_id = m.source_id
                                             AND e.turn_no = m.source_no AND e.received_at <= $2))
     ORDER BY a.claimed_at LIMIT 1
"""
TOTALS = """
    SELECT (SELECT coalesce(sum(turn_no), 0)::bigint FROM conversation) AS turns,
           (SELECT count(*) FROM message) AS replies,
           (SELECT count(*) FROM message WHERE doubt_at IS NOT NULL AND state NOT IN ('in_doubt', 'unknown')) AS settled,
           (SELECT count(*) FROM message WHERE state = 'unknown') AS unknown,
           (SELECT count(*) FROM message m WHERE state = 'unknown' AND policy = 'at_least_once' AND 3 > (
             SELECT count(*) FROM attempt a WHERE a.tenant_id = m.tenant_id AND a.message_id = m.id
             AND a.state NOT IN ('refused', 'not_sent', 'abandoned'))) AS given_up,
           (SELECT count(*) FROM message WHERE state = 'withdrawn') AS withdrawn,
           (SELECT count(*) FROM message WHERE state = 'failed') AS failed,
           (SELECT coalesce(sum(accepted - 1), 0)::bigint FROM (SELECT count(*) AS accepted FROM attempt WHERE wamid IS NOT NULL
             GROUP BY tenant_id, message_id HAVING count(*) > 1) AS several) AS duplicates
"""


class Tail:
    """The simulator's log on the disk, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._torn = b""
        self.lines: list[Line] = []

    def read(self) -> None:
        """Take in what came since."""
        whole, newline, self._torn = (self._torn + self._file.read()).rpartition(b"\n")
        if newline:
            self.lines += [msgspec.json.decode(line, type=Line) for line in whole.splitlines()]

    def open_at(self, at: float, latency_s: float) -> int:
        """POSTs that had been read and not answered yet; an answer takes `latency_s` at the least."""
        self.read()
        found = 0
        for line in reversed(self.lines):
            if line.at < at - latency_s - 1:
                break
            found += at - latency_s < line.at <= at
        return found

    def close(self) -> None:
        self._file.close()


class Hand(Struct, frozen=True):
    """What there was to do. `own` are messages on the wire of the one that was killed."""

    stored: int
    unhandled: int
    sending: int
    own: int


class Totals(Struct, frozen=True):
    """What a run left in the database."""

    turns: int
    replies: int
    settled: int
    """Messages that were in doubt and are so no longer."""
    unknown: int
    given_up: int
    """Service replies among them that have been posted less than three times."""
    withdrawn: int
    failed: int
    duplicates: int
    """Acceptances of a message beyond its first."""


class Watch:
    """Asks the database as its superuser, on a connection made for each question: it may have been restarted since the last."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.holders: dict[UUID, UUID] = {}
        """Run of a process → directory, of all that ever held a lease when we looked."""
        self.stored = 0
        """Deliveries that waited to be digested when `follow` looked."""

    async def leases(self) -> list[asyncpg.Record]:
        """Who holds what at the moment."""
        rows = await self._ask(LEASES)
        self.holders |= {row["boot"]: row["holder"] for row in rows}
        return rows

    async def follow(self, every_s: float = 0.5) -> None:
        """Learn for ever which run of a process is of which directory, and how far behind they all are."""
        while True:
            await self.leases()
            self.stored = (await self.left()).get("stored", 0)
            await asyncio.sleep(every_s)

    async def in_hand(self, boots: Sequence[UUID]) -> Hand:
        """What there is to do, and how much of it these have on the wire."""
        (row,) = await self._ask(IN_HAND, boots)
        return Hand(**row)

    async def left(self) -> dict[str, int]:
        """What is not done yet, by kind."""
        (row,) = await self._ask(LEFT)
        return {kind: n for kind, n in row.items() if n}

    async def went_on(self, numbers: Sequence[UUID], at: float, boots: Sequence[UUID]) -> tuple[float, UUID] | None:
        """When another first claimed, for one of these numbers, a message that waited at `at` or that answers what waited."""
        rows = await self._ask(WENT_ON, numbers, dt.datetime.fromtimestamp(at, dt.UTC), boots)
        return (rows[0]["claimed_at"].timestamp(), rows[0]["boot"]) if rows else None

    async def totals(self) -> Totals:
        (row,) = await self._ask(TOTALS)
        return Totals(**row)

    async def _ask(self, sql: str, *given: object) -> list[asyncpg.Record]:
        """Raises the last error when the database is away for too long."""
        deadline = time.monotonic() + LOOK_S
        while True:
            try:
                connection = await asyncpg.connect(self._dsn, timeout=LOOK_S)
                try:
                    rows: list[asyncpg.Record] = await connection.fetch(sql, *given)
                    return rows
                finally:
                    await connection.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)


def deadlocks(log: Path) -> int:
    """How many PostgreSQL reported: in its log, for its counters do not outlive a crash."""
    return log.read_text(encoding="utf-8", errors="replace").count("ERROR:  deadlock detected")
