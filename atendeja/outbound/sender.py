"""The sender of a number: one in all processes, by lease. Claims what is due, posts each claim once, records what came of it.

One transaction a cycle does both halves: it records the outcomes that have come in since the last and claims the next
messages, among them the successors those outcomes released. So at a high rate a transaction carries many messages, all the
more as outcomes that nobody waits for are gathered then, and at a low one a message costs two. Claims are made with a free
place in the pace in hand, so nothing waits between commit and POST.
"""

import asyncio
import datetime as dt
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from atendeja import failpoints, ledger, media, numbers, queue
from atendeja.cloud import Outcome
from atendeja.db import DATA_FAULTS, Nothing, Tx, query
from atendeja.errors import Refused
from atendeja.gathering import Gathering
from atendeja.notify import notice
from atendeja.numbers import Number
from atendeja.outbound import claiming, health, outcomes, protocol
from atendeja.outbound.claiming import CLAIMABLE
from atendeja.outbound.fallback import fall_back
from atendeja.outbound.limits import MOST_A_CLAIM, RECENT, Limits, Recent
from atendeja.outbound.outcomes import Claim, Done
from atendeja.outbound.post import post
from atendeja.outbound.protocol import Candidate, Settlement
from atendeja.outbound.uploading import Uploading
from atendeja.queue import Bell
from atendeja.runtime import Runtime
from atendeja.tenants import Tenant
from atendeja.wa.codes import CODES

log = structlog.get_logger(__name__)

REREAD_S = 60.0
"""A number's row is read so often at least: the word that it has been changed may be lost."""
SLOW_CODES = sorted(code for code, row in CODES.items() if row.kind == "S")
GATHER_S = 0.1
"""From 20 a second on outcomes wait so long for others before they are recorded: a kill meanwhile leaves as many more in doubt."""

RECENT_ATTEMPTS = query("outbound.recent", Recent)
DOUBT_NUMBER = query("ledger.doubt_number", Nothing)


def lease_name(number_id: UUID) -> str:
    return f"send:{number_id}"


class Sender:
    """Sends for one number until it may no longer: the lease is lost, the process stops, sending is held, or an answer stopped the
    number.

    It ends when all that it had in flight is recorded; outcomes stay here until they are, whatever the database does.
    """

    def __init__(
        self, rt: Runtime, tenant: Tenant, number: Number, token: str, bell: Bell, term: int, turns: asyncio.Semaphore
    ) -> None:
        self._rt, self._tenant, self._tenant_id, self._bell = rt, tenant, tenant.id, bell
        self._number, self._token = number, token
        self.term = term
        """Of the lease under which it sends."""
        self._turns = turns
        """Held by a sender while it is in a transaction."""
        self._limits = Limits(number)
        self._uploading = Uploading(rt, tenant.id, number, self._limits.files, bell)
        self._flights: set[asyncio.Task[None]] = set()
        self._done: list[Done] = []
        self._unclear: list[Claim] = []
        """Claims that are not flying yet, and those of transactions that failed: should a COMMIT have been kept after all, they are
        given back."""
        self._gathering = Gathering(GATHER_S)
        self._duplicates = 0
        """Found by the transaction that runs."""
        self._lent = 0
        """Claims in the hands of others: see lending."""
        self._look = True
        """Something may be due that we have not seen: somebody rang, the sweep is due, or the last look did not take all."""
        self._taken_over = False
        self._read_at = rt.monotonic()
        """When the number's row was last read, on the monotonic clock."""
        self._let_go = False

    @property
    def number_id(self) -> UUID:
        return self._number.id

    @property
    def tenant_id(self) -> int:
        return self._tenant_id

    @property
    def leased(self) -> bool:
        """Whether it alone sends for the number."""
        return not self._let_go and self._rt.leases.hold(lease_name(self._number.id), self._rt.monotonic())

    def let_go(self) -> None:
        """Somebody else has had the lease since: claim no more."""
        self._let_go = True
        self._bell.ring()

    async def run(self) -> None:
        """Until it may send no longer and everything in flight is recorded."""
        if not self._taken_over:
            await self._take_over()
        while True:
            await self._gather_outcomes()
            self._look |= self._bell.clear()
            if self._number.id in self._rt.bells.changed or self._rt.monotonic() - self._read_at > REREAD_S:
                await self._read_again()
            if (stop := self._uploading.stopped_by) is not None:
                await self._stop(stop.code)
                self._uploading.stopped_by = None
            more = await self._cycle()
            if self._finished():
                return
            if not more and not await queue.rest(self._bell):
                self._look = True

    async def close(self) -> None:
        """It is not run again."""
        await self._uploading.close()

    async def _gather_outcomes(self) -> None:
        """Let more of them come before they are recorded, until a ring: while nothing else is to do and nobody waits for one."""
        instant = self._rt.monotonic()
        waited_for = self._unclear or any(d.claim.followed for d in self._done)
        if waited_for or (self._look and self._budget(instant) > 0) or self._rt.stopping.is_set():
            return
        if (wait_s := self._gathering.wait_s(instant)) > 0:
            await self._bell.rung(wait_s)

    def _finished(self) -> bool:
        return not (self._may_claim() or self._flights or self._done or self._unclear or self._lent)

    def _may_claim(self) -> bool:
        return self.leased and not self._limits.health.stopped and not self._rt.stopping.is_set() and self._rt.guard.hold is None

    # ── claims that others make: lending.Lender ──────────────────────────────────────────────────────────────────────

    def lend(self, message: Candidate, *, followed: bool) -> Claim | None:
        instant = self._rt.monotonic()
        if message.category == "marketing" or not self._taken_over or (message.phone is None and message.user_id is None):
            return None
        if self._look or self._budget(instant) <= 0:  # what waits already goes first
            return None
        claim = self._limits.lend(message, instant, self._rt.now(), followed=followed, new_id=self._rt.new_attempt_id)
        self._lent += claim is not None
        return claim

    def launch(self, claims: Sequence[Claim], sealed_at: float) -> None:
        self._lent -= len(claims)
        self._launch(claims, sealed_at)

    def recall(self, claims: Sequence[Claim]) -> None:
        self._lent -= len(claims)
        self._unclear += claims
        self._bell.nudge()

    async def _take_over(self) -> None:
        """We have nothing on the wire, so what is `sending` is in doubt; and the pace goes on where the last sender left it."""

        async def work(tx: Tx) -> list[Recent]:
            await tx.run(DOUBT_NUMBER, number_id=self._number.id, now=self._rt.now())
            await self._limits.templates.load(tx)
            return await tx.all(RECENT_ATTEMPTS, number_id=self._number.id, since=self._rt.now() - RECENT, slow_codes=SLOW_CODES)

        recent = await self._rt.db.transact(self._tenant_id, work)
        self._rt.bells.heard.pop(self._number.id, None)  # whatever came in before, it is not known when
        self._limits.remember(recent, self._rt.monotonic(), self._rt.now())
        self._taken_over = True

    async def _read_again(self) -> None:
        """The number's row has perhaps been changed: another token, another rate, no longer stopped."""

        async def work(tx: Tx) -> Number:
            await self._limits.templates.load(tx)
            (number,) = await numbers.load(tx, [self._number.id])
            return number

        number = await self._rt.db.transact(self._tenant_id, work)
        self._rt.bells.changed.discard(self._number.id)
        self._read_at = self._rt.monotonic()
        if number.token != self._number.token:
            try:
                self._token = numbers.read_token(self._tenant, number, self._rt.config.secret_keys)
            except Refused as error:  # the old one goes on as long as it is good
                log.warning("token_unreadable", tenant_id=self._tenant_id, number_id=str(number.id), why=str(error))
        self._number, self._limits.pace.rate = number, number.rate
        self._limits.files.read_again()
        if not health.says_something(self._done):
            self._limits.health.read(number)

    # ── a cycle: record, claim, post ─────────────────────────────────────────────────────────────────────────────────

    async def _cycle(self) -> bool:
        """True when there is surely more to do at once."""
        if self._done or self._unclear or (self._look and self._budget(self._rt.monotonic()) > 0):
            async with self._turns:  # by the time it comes there is more of both
                instant = self._rt.monotonic()
                done, budget = self._done[:], self._budget(instant)
                failpoints.reach("send.before_claim")
                try:
                    claims, committed = await self._record_and_claim(done, budget)
                except DATA_FAULTS as error:
                    await self._sift(done, error)
                    return True
            self._done = self._done[len(done) :]
            self._gathering.came(len(done), instant)
            failpoints.reach("send.after_claim" if claims else "send.after_record")
            self._launch(claims, committed)
            self._uploading.begin(self._token)
            self._tell_of_health(done)
            self._follow_up(done)
        instant = self._rt.monotonic()
        if self._look and self._may_claim() and (wait_s := self._limits.pace.wait_s(instant)) > 0:
            self._bell.ring_in(wait_s)
        return bool(self._done) or (self._look and self._budget(instant) > 0)

    def _budget(self, instant: float) -> int:
        """How many may be claimed now: only with a place in the pace in hand."""
        if not self._may_claim():
            return 0
        if came_in := self._rt.bells.heard.pop(self._number.id, 0):
            self._limits.pace.heard(instant, came_in)
        return self._limits.room(instant, len(self._flights) + self._lent)

    async def _record_and_claim(self, done: Sequence[Done], budget: int) -> tuple[list[Claim], float]:
        """(claims, when they were committed): one transaction. Looks for what to claim only where something may be found."""

        unclear: list[Claim] = []

        async def work(tx: Tx) -> tuple[list[Claim], bool, float]:
            unclear[:] = self._unclear
            given_back = [Done(claim, protocol.abandon(), None) for claim in unclear]
            look = self._look or bool(given_back)
            if given_back:
                claimed = [(c.message.contact_id, c.message.id) for c in unclear]
                await ledger.wait_for_commits(tx, claimed, [d.claim.message.id for d in done])
            if done or given_back:
                look |= await self._record(tx, [*given_back, *done])
            if not look or budget <= 0:
                return [], look, self._rt.monotonic()
            most = MOST_A_CLAIM if self._limits.defers else budget
            candidates = await self._candidates(tx, most)
            await self._find_uploads(tx, candidates)
            claims, again = await self._claim(tx, candidates, full=len(candidates) >= most)
            self._unclear += claims  # until they fly
            return claims, again, self._rt.monotonic()

        self._duplicates = 0
        claims, self._look, committed = await self._rt.db.transact(self._tenant_id, work)
        self._rt.meter.count("duplicate_sends", self._duplicates)
        self._clear_up(unclear)
        return claims, committed

    async def _sift(self, done: Sequence[Done], error: Exception) -> None:
        """An outcome that cannot be written must not keep the others from it: each goes alone, and of the one that fails only that
        nobody knows is written."""
        if not done:
            raise error

        async def record(some: Sequence[Done]) -> None:
            self._duplicates = 0
            await self._rt.db.transact(self._tenant_id, lambda tx: self._record(tx, some))
            self._rt.meter.count("duplicate_sends", self._duplicates)
            self._tell_of_health(some)

        for d, fault in await queue.halve(done, record):
            log.error("outcome_not_written", message_id=str(d.claim.message.id), exc_info=fault)
            s = d.settlement
            code = s.code if s.stop_number or s.stop_marketing else None  # the number is to know why
            unknown = Settlement(
                "unknown", "in_doubt", code, type(fault).__name__, stop_number=s.stop_number, stop_marketing=s.stop_marketing
            )
            await record([Done(d.claim, unknown, d.first_byte_at)])
        self._done = self._done[len(done) :]
        self._follow_up(done)
        self._look = True

    def _clear_up(self, claims: Sequence[Claim]) -> None:
        """These have been given back, or are flying."""
        known = {claim.attempt_id for claim in claims}
        self._unclear = [claim for claim in self._unclear if claim.attempt_id not in known]

    def _launch(self, claims: Sequence[Claim], committed: float) -> None:
        """Post each; from here on the flights know of them."""
        self._limits.launched(claims, self._rt.now())
        for claim in claims:
            flight = asyncio.get_running_loop().create_task(self._post(claim, committed))
            self._flights.add(flight)
            flight.add_done_callback(partial(self._land, claim))
        self._clear_up(claims)

    def _land(self, claim: Claim, flight: asyncio.Task[None]) -> None:
        """A flight that crashed leaves its message in doubt: nobody can say how far it came."""
        self._flights.discard(flight)
        if not flight.cancelled() and (error := flight.exception()) is not None:
            log.error("post_crashed", tenant_id=self._tenant_id, message_id=str(claim.message.id), exc_info=error)
            self._done.append(Done(claim, Settlement("unknown", "in_doubt", None, type(error).__name__), None))
        self._bell.nudge()

    async def _candidates(self, tx: Tx, budget: int) -> list[Candidate]:
        """What may be claimed now: service first, marketing with what is left of the budget."""
        now = self._rt.now()
        doubt_before = now - dt.timedelta(seconds=protocol.DOUBT_HOLDS_S)
        instant, seen = self._rt.monotonic(), self._rt.guard.seen
        marketing = self._limits.room_for_marketing(instant, now) > 0
        if not marketing:  # nobody knows whether there is any
            self._bell.ring_in(self._limits.marketing_wait_s(instant, now))
        return await tx.all(
            CLAIMABLE, number_id=self._number.id, now=now, doubt_before=doubt_before, marketing=marketing, most=budget, seen=seen
        )

    async def _find_uploads(self, tx: Tx, candidates: Sequence[Candidate]) -> None:
        if unknown := self._limits.files.unknown(candidates):
            self._limits.files.found(await media.uploads(tx, self._number.id, unknown, self._rt.now()))

    async def _claim(self, tx: Tx, candidates: Sequence[Candidate], *, full: bool) -> tuple[list[Claim], bool]:
        """(claims, whether to look again: there were more (`full`), something was withdrawn, which lets its successors pass, or
        others took the places in the pace while we looked)."""
        now, instant = self._rt.now(), self._rt.monotonic()
        choice = self._limits.choose(candidates, self._budget(instant), instant, now, self._rt.new_attempt_id)
        await claiming.write(tx, self._rt, self._number.id, choice, now)
        if choice.waits:
            self._bell.ring_in(min(choice.waits.values()))
        return choice.claims, full or len(choice.claims) + len(choice.waits) < len(candidates)

    async def _post(self, claim: Claim, committed: float) -> None:
        """One POST of one claim, or none when the fence has come down."""

        def may_be_forgotten() -> bool:
            return self._limits.files.may_be_forgotten(claim.uploads, self._rt.monotonic())

        settlement, outcome = await post(self._rt, self._number, self._token, claim, committed, may_be_forgotten)
        failpoints.reach("send.after_post")
        self._learn(claim, settlement)
        self._log(claim, settlement, outcome)
        self._done.append(Done(claim, settlement, outcome.first_byte_at if outcome else None))

    # ── what an answer changes ───────────────────────────────────────────────────────────────────────────────────────

    async def _record(self, tx: Tx, done: Sequence[Done]) -> bool:
        """True when a successor of one of these may go."""
        now = self._rt.now()
        recorded = await outcomes.record(tx, done, now)
        closed = {d.claim.message.id for d in done if d.settlement.code == ledger.WINDOW_CLOSED}
        fell_back = await fall_back(tx, closed, now, self._rt.new_id)
        stale = {file: meta_id for d in done if d.settlement.stale_uploads for file, meta_id in d.claim.uploads.items()}
        if stale:
            await media.forget_uploads(tx, self._number.id, stale)
        await self._limits.templates.write(tx)
        await self._limits.health.write(tx, self._number.id, done, now)
        self._duplicates = recorded.duplicates
        if recorded.moved and self._rt.feed.wants(self._tenant_id):
            await self._rt.feed.tell(tx, (), recorded.moved)
        return recorded.successors or bool(fell_back)

    def _learn(self, claim: Claim, settlement: Settlement) -> None:
        """What is taken from an answer at once, before it is recorded."""
        if self._limits.learn(claim, settlement, self._rt.monotonic(), self._rt.now()):
            self._bell.ring()

    async def _stop(self, code: int) -> None:
        """The answer to an upload has stopped the number: as one to a message does."""
        until = self._rt.now() + dt.timedelta(seconds=protocol.NUMBER_STOP_S)
        await self._rt.db.transact(self._tenant_id, lambda tx: tx.run(numbers.STOP, id=self._number.id, until=until, code=code))
        if not self._limits.health.row_stopped:
            notice(self._rt.meter, "number_stopped", tenant_id=self._tenant_id, number_id=str(self._number.id), code=code)
        self._limits.health.stopped = self._limits.health.row_stopped = True

    def _follow_up(self, done: Sequence[Done]) -> None:
        """Look again when something recorded wants it, and forget idle recipients."""
        for d in done:
            if d.settlement.message == "in_doubt":
                self._bell.ring_in(protocol.DOUBT_HOLDS_S + 0.05)
            elif d.settlement.retry_s is not None:
                self._bell.ring_in(d.settlement.retry_s)
        self._limits.tidy(self._rt.monotonic())

    def _tell_of_health(self, done: Sequence[Done]) -> None:
        """These are recorded: people should know of a stop."""
        for kind, code in self._limits.health.wrote(done):
            notice(self._rt.meter, kind, tenant_id=self._tenant_id, number_id=str(self._number.id), code=code)
        for stop in self._limits.templates.wrote():
            notice(
                self._rt.meter, "template_stopped", tenant_id=self._tenant_id, number_id=str(self._number.id), code=stop.code,
                template=stop.name, language=stop.language,
            )  # fmt: skip

    def _log(self, claim: Claim, settlement: Settlement, outcome: Outcome | None) -> None:
        self._rt.meter.count("posts", label=settlement.attempt)
        if settlement.message == "failed":
            notice(
                self._rt.meter, "message_failed", tenant_id=self._tenant_id, message_id=str(claim.message.id), code=settlement.code
            )
        log.info(
            "message_posted",
            tenant_id=self._tenant_id,
            message_id=str(claim.message.id),
            attempt=claim.n,
            outcome=settlement.attempt,
            code=settlement.code,
            wamid=settlement.wamid,
            sent=outcome is not None and outcome.first_byte_at is not None,
        )
