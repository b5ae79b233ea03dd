"""Poison: contacts whose turns fail or kill the process, found without harm to anybody else.

An exception is found by halving the batch in memory; what fails alone counts a try. A turn that kills the process leaves the names
of its batch behind (`running`): these suspects run alone, one after the other, each counted before it runs, because nothing can be
counted after it. After three such tries the oldest event is `dead` with a notice and the flow session has failed, so that the
conversation goes on. Who was killed by chance is answered in his first run alone, and with that his count is forgotten.

Between suspects ordinary batches go on, without them; those that have been run alone before come last. Refused: halving across
deaths (each half costs a restart), and counting a whole batch (healthy people would be counted).
"""

import asyncio
import datetime as dt
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Literal
from uuid import UUID

import asyncpg
import structlog
from msgspec import Struct

from atendeja import contacts, ledger, queue, running
from atendeja.db import DATA_FAULTS, Nothing, Tx, query
from atendeja.errors import Unavailable
from atendeja.leases import TTL_S
from atendeja.notify import notice
from atendeja.running import Suspect
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

ALONE_AT_ONCE = 10
"""Suspects run between two ordinary batches."""
FOR_EVER_S = 1e9
KILLED = "turns of it alone did not come to an end: the process died"


class Accused(Struct, frozen=True):
    id: UUID
    tries: int


class Tries(Struct, frozen=True):
    tries: int


ACCUSED = query("turn.accused", Accused)
COUNT_TIME_OUTS = query("turn.count_time_outs", Tries)
FAIL_SESSIONS = query("turn.fail_sessions", Nothing)
LEAVE = query("turn.leave", Nothing)


class Suspects:
    """What this process is busy with, as others see it, and whom it must run alone. `take` answers contacts of a tenant."""

    def __init__(self, rt: Runtime, take: Callable[[int, Sequence[UUID]], Awaitable[int]]) -> None:
        self._rt, self._take = rt, take
        self._pending: set[Suspect] = set()
        self._counted: set[Suspect] = set()
        """Those of them whose try has been counted in this run of the process: if it does not die, one is enough."""
        self._marked = False
        self._watched_at = float("-inf")
        """When we last said that we live, on the monotonic clock."""
        self._judge_from = float("-inf")
        """From when on silence of others means that they are dead."""
        self._answered = True
        """Whether the last take-over told us whom it took over."""
        self._named_alone = False
        """The table may name people as ours to run alone."""
        self._naming = asyncio.Lock()
        """What is pending here and in the table is changed together."""

    # ── the names in the table ───────────────────────────────────────────────────────────────────────────────────────────

    async def watch(self) -> None:
        """Say that we live, and take over the suspects of those who do not. Each second, and before the first batch."""
        instant = self._rt.monotonic()
        if math.isfinite(self._watched_at) and instant - self._watched_at > TTL_S:
            self._judge_from = instant + TTL_S  # nobody could say that he lives, us included: the others have this long to say it
        async with self._naming, self._rt.db.session() as session:
            answered, self._answered, self._named_alone = self._answered, False, True
            found = await running.watch(session, self._rt.who, TTL_S if instant >= self._judge_from else FOR_EVER_S)
            if not answered:
                found = await running.recall(session, self._rt.who)
            self._answered = True
            self._pending.update(found)
        self._watched_at = instant
        if found:
            log.warning("suspects_found", contacts=len(found))
            self._rt.bells.turn.ring()

    async def begin(self) -> None:
        """Nothing may be taken before it is known whom we must run alone."""
        if not math.isfinite(self._watched_at):
            await self.watch()

    def clear_of_suspects(self, hints: Collection[tuple[int, UUID]]) -> set[tuple[int, UUID]]:
        """These without those who are to run alone."""
        return {hint for hint in hints if Suspect(*hint) not in self._pending}

    @asynccontextmanager
    async def named(self, due: Collection[tuple[int, UUID]]) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Write down these contacts while their first transaction loads. What is given must be awaited before anything is decided:
        until the names are committed. It raises Unavailable when they cannot be."""
        marking = asyncio.get_running_loop().create_task(self._mark(due), name="mark")

        async def wait() -> None:
            await asyncio.shield(marking)

        try:
            yield wait
            await wait()
        finally:
            marking.cancel()

    async def _mark(self, due: Collection[tuple[int, UUID]]) -> None:
        async def mark() -> None:
            async with self._rt.db.session() as session:
                await running.mark(session, self._rt.who, due)

        self._marked = True
        if (error := await queue.outcome(mark())) is not None:  # whatever it is, it is not the contacts' fault
            raise Unavailable(f"what is being worked on could not be written down: {error}") from error

    async def rest(self) -> None:
        """There is nothing to work on: dying now names nobody. Those who must run alone stay named."""
        if self._marked:
            async with self._rt.db.session() as session:
                await running.rest(session, self._rt.who)
            self._marked = False

    # ── running alone ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def work(self) -> bool:
        """Run some suspects alone. True when there are more, and it did not come to nothing."""
        if not self._pending and not self._named_alone:
            return False
        done = 0
        for suspect in (await self._sort_out())[:ALONE_AT_ONCE]:
            done += await self._run_alone(suspect)
        async with self._naming:
            if not self._pending:
                async with self._rt.db.session() as session:
                    await running.acquit(session, self._rt.who)
                self._named_alone = not self._answered
        return done > 0

    async def _sort_out(self) -> list[Suspect]:
        """Forget those who wait no longer; of the others those come last who have been run alone before."""
        known, tries = set(self._pending), dict[Suspect, int]()
        for tenant_id in {s.tenant_id for s in known}:
            ids = [s.id for s in known if s.tenant_id == tenant_id]

            async def look(tx: Tx, ids: Sequence[UUID] = ids) -> list[Accused]:
                return await tx.all(ACCUSED, ids=ids, now=self._rt.now())

            found = await self._rt.db.transact(tenant_id, look)
            tries |= {Suspect(tenant_id, a.id): a.tries for a in found}
        self._pending -= known - tries.keys()
        self._counted &= tries.keys()
        return sorted(tries, key=lambda s: (tries[s], s))

    async def _run_alone(self, suspect: Suspect) -> bool:
        """True when something came of it; False when somebody else has the contact."""
        if suspect not in self._counted:
            match await self._accuse(suspect):
                case "busy":
                    return False
                case "over":
                    return True
                case "counted":
                    self._counted.add(suspect)
        answered = 0

        async def take(some: Sequence[UUID]) -> None:
            nonlocal answered
            answered += await self._take(suspect.tenant_id, some)

        failed = await queue.halve([suspect.id], take)
        for _, error in failed:
            await self.count_failure(suspect.tenant_id, suspect.id, error, counted=True)
        if came := bool(failed or answered):
            self._pending.discard(suspect)
            self._counted.discard(suspect)
        return came

    async def _accuse(self, suspect: Suspect) -> Literal["counted", "over", "busy"]:
        """Commit that this contact is about to be run alone. `over` when it need not be, or was three times to no end."""
        rt = self._rt

        async def work(tx: Tx) -> tuple[Literal["counted", "over", "dead", "busy"], ledger.Tried | None]:
            if not await tx.all(contacts.LOCK_DUE, ids=[suspect.id], now=rt.now(), boot=rt.who.boot):
                return "busy", None
            tried = await ledger.begin_try(tx, suspect.id, KILLED)
            timed = [] if tried else await tx.all(COUNT_TIME_OUTS, contact_id=suspect.id, now=rt.now())
            if (tried and tried.state != "dead") or (timed and max(t.tries for t in timed) <= ledger.MAX_TRIES_ALONE):
                return "counted", tried
            if tried or timed:
                await tx.run(FAIL_SESSIONS, contact_id=suspect.id, now=rt.now())
            if tried:
                await tx.run(contacts.LOOK_AGAIN, id=suspect.id, due_at=rt.now())
            else:
                await tx.run(LEAVE, contact_id=suspect.id)
            return "dead" if tried or timed else "over", tried

        outcome, tried = await rt.db.transact(suspect.tenant_id, work)
        if outcome == "dead":
            self._tell(suspect.tenant_id, suspect.id, tried, KILLED)
            return "over"
        return outcome

    async def count_failure(self, tenant_id: int, contact_id: UUID, error: Exception, *, counted: bool = False) -> None:
        """A turn that ran this contact alone raised. `counted` when its try was counted before.

        What is the database's own fault (a missing grant, a schema that is not ours) is raised: nobody is blamed, and all wait.
        """
        if isinstance(error, asyncpg.PostgresError) and not isinstance(error, DATA_FAULTS):
            raise error
        rt, reason = self._rt, f"turn failed: {type(error).__name__}"
        log.error("turn_failed", tenant_id=tenant_id, contact_id=str(contact_id), exc_info=error)

        async def work(tx: Tx) -> ledger.Tried | None:
            await tx.all(contacts.LOCK, ids=[contact_id])
            tried = await ledger.count_try(tx, contact_id, reason, counted=counted)
            if tried is None or tried.state == "dead":
                await tx.run(FAIL_SESSIONS, contact_id=contact_id, now=rt.now())
            later = None if tried is None else rt.now() + dt.timedelta(seconds=0 if tried.state == "dead" else 1)
            await tx.run(contacts.LOOK_AGAIN, id=contact_id, due_at=later)
            return tried

        tried = await rt.db.transact(tenant_id, work)
        if tried is None or tried.state == "dead":
            self._tell(tenant_id, contact_id, tried, reason)
        rt.bells.turn.ring_in(1.0)

    def _tell(self, tenant_id: int, contact_id: UUID, tried: ledger.Tried | None, reason: str) -> None:
        if tried is None:
            notice(self._rt.meter, "flow_trouble", tenant_id=tenant_id, contact_id=str(contact_id), detail=reason)
        else:
            notice(self._rt.meter, "event_dead", tenant_id=tenant_id, event_id=str(tried.id), reason=reason)
