"""The statements of the ledger do what the model says: the same things happen to a message in PostgreSQL and in `model.books`, and
after each of them both tell the same of the message and of every attempt.

Claims, answers, statuses and the reconciler come in any order, answers of attempts that are long past included. To add a kind of
event: a line in `choices`, a method of `Pair`.
"""

import random
from collections.abc import Awaitable, Callable, Iterator
from uuid import UUID

import pytest

from atendeja import ledger
from atendeja.db import Tx, records
from atendeja.ledger import Report
from atendeja.outbound import claiming, outcomes, protocol, sender
from atendeja.outbound.claiming import Intent
from atendeja.outbound.outcomes import Claim, Done
from atendeja.outbound.protocol import Settlement
from atendeja.reconcile import Reconciler
from atendeja.wa.reply import Accepted, Throttled, Unavailable, Undeliverable, Unsettled, Verdict
from tests.outbound.model import books as ledger_model
from tests.outbound.model.books import Books, Status
from tests.outbound.model.designs import REAL, Policy
from tests.outbound.model.world import STATUSES, Event
from tests.outbound.office import Office

MAY_BE_OUT = {"", "accepted", "no answer"}
"""What an attempt may be recorded with of which a status came, or may still come."""
RUNS, STEPS = 40, 16
WEIGHTS = {"claim": 16, "time": 8, "status": 2, "statuses": 3, "newer": 1, "close": 1}
VERDICTS: dict[str, Verdict] = {
    "refused": Undeliverable(131026, "refused", "x"),
    "refused for now": Throttled("number", 130429),
    "not sent": Unavailable("refused"),
    "no answer": Unsettled("timeout"),
}


class Pair:
    """A message in the database and its model."""

    def __init__(self, office: Office, policy: Policy, to: str) -> None:
        self._office, self._to = office, to
        self._reconciler = Reconciler(office.rt)
        self.books = Books(policy)
        self.newer, self.window = False, True
        self.claims: dict[int, Claim] = {}
        self.recorded: dict[int, str] = {}
        self.told: set[int] = set()
        self.message_id = UUID(int=0)

    async def begin(self) -> None:
        await self._office.put("oi", to=self._to, category="service" if self.books.policy == "at_least_once" else "marketing")
        self.message_id = (await self._office.messages(self._to))[0]["id"]

    def choices(self) -> Iterator[Event]:
        """What may happen next."""
        if self.books.state == "queued" and len(self.claims) < 5:
            yield Event("claim")
        for n in self.claims:
            if n not in self.recorded:
                outs = ["accepted", "no answer"] if n in self.told else ["abandoned", "accepted", *VERDICTS]
                yield from (Event("record", n, out) for out in outs)
        reported = self._reported()
        yield from (Event("status", n, status) for n in reported for status in STATUSES)
        if len(reported) > 1:
            yield from (Event("statuses", n, status) for n in reported for status in STATUSES)
        yield from (Event("doubt"), Event("take"), Event("time"))
        if not self.newer:
            yield Event("newer")
        if self.window:
            yield Event("close")

    async def happen(self, event: Event) -> None:
        """To both."""
        match event.kind:
            case "claim":
                await self._claim()
            case "record":
                await self._record(event.n, event.what)
            case "status":
                await self._hear({event.n: _status(event.what)})
            case "statuses":
                others: dict[int, Status] = {n: "failed" for n in self._reported() if n != event.n}
                await self._hear(others | {event.n: _status(event.what)})
            case "doubt" | "time":
                await self._look(event.kind == "time")
            case "take":
                await self._transact(lambda tx: tx.run(sender.DOUBT_NUMBER, number_id=self._office.number_a, now=self._office.now))
                self.books = ledger_model.doubt(self.books, REAL)
            case "newer":
                await self._office.says("mais", self._to)
                self.newer = self.window = True
            case "close":
                await self._office.admin.execute(
                    "UPDATE conversation v SET window_until = $2 FROM message m WHERE m.id = $1 AND v.id = m.conversation_id",
                    self.message_id,
                    self._office.now,
                )
                self.window = False

    async def compare(self) -> None:
        """The row and its attempts against the model."""
        row = await self._office.row("SELECT state, reason, attempt_no FROM message WHERE id = $1", self.message_id)
        attempts = await self._office.rows("SELECT n, state, wamid FROM attempt WHERE message_id = $1 ORDER BY n", self.message_id)
        assert (row["state"], row["reason"] or "", row["attempt_no"]) == (self.books.state, self.books.reason, len(self.books.rows))
        wanted = [(n, a.state, a.wamid and self._wamid(a.wamid)) for n, a in enumerate(self.books.rows, 1)]
        assert [(a["n"], a["state"], a["wamid"]) for a in attempts] == wanted

    async def _claim(self) -> None:
        """As a sender does: what is claimable and may go."""
        now = self._office.now
        window = self.books.policy == "at_most_once" or self.window

        async def work(tx: Tx) -> None:
            far = self._office.now.replace(year=now.year + 1)  # whatever its back-off
            found = await tx.all(
                claiming.CLAIMABLE, number_id=self._office.number_a, now=far, doubt_before=now, marketing=True, most=10_000, seen=0
            )
            (message,) = (m for m in found if m.id == self.message_id)
            if (reason := protocol.withdrawal(message, now)) is not None:
                await tx.run(claiming.WITHDRAW, ids=[message.id], reasons=[reason])
                return
            claim = Claim(self._office.rt.new_attempt_id(), message)
            intent = Intent(message.id, claim.attempt_id, message.contact_id, claim.n)
            boot = self._office.rt.who.boot
            await tx.run(claiming.CLAIM, claims=records([intent]), number_id=self._office.number_a, boot=boot, now=now)
            self.claims[claim.n] = claim

        await self._transact(work)
        self.books = ledger_model.claim(self.books, 1, REAL) if window else ledger_model.withdraw(self.books, "window_closed")

    async def _record(self, n: int, out: str) -> None:
        claim = self.claims[n]
        done = Done(claim, self._settlement(claim, out), None)
        await self._transact(lambda tx: outcomes.record(tx, [done], self._office.now))
        self.recorded[n] = out
        self.books = ledger_model.record(self.books, n, out, REAL)

    def _settlement(self, claim: Claim, out: str) -> Settlement:
        if out == "abandoned":
            return protocol.abandon()
        verdict = Accepted(self._wamid(claim.n)) if out == "accepted" else VERDICTS[out]
        return protocol.settle(verdict, claim.message, self._office.now, 0.5)

    def _reported(self) -> list[int]:
        """The attempts that WhatsApp may report on."""
        return [n for n in self.claims if self.recorded.get(n, "") in MAY_BE_OUT]

    async def _hear(self, statuses: dict[int, Status]) -> None:
        """These at once: to the model one after the other, for it must make no difference."""
        reports = [self._report(n, status) for n, status in statuses.items()]
        await self._transact(lambda tx: ledger.apply_reports(tx, reports, self._office.now))
        self.told |= {*statuses}
        for n, status in statuses.items():
            self.books = ledger_model.hear(self.books, n, status, REAL)

    def _report(self, n: int, status: Status) -> Report:
        number_id = self._office.number_a
        assert isinstance(number_id, UUID)
        code = 131026 if status == "failed" else None
        return Report(number_id, self._wamid(n), self.claims[n].attempt_id, status, self._office.now, code)

    async def _look(self, later: bool) -> None:
        """The reconciler looks; when it is later, what was in doubt has been so for its whole time."""
        if later:
            self._office.later(seconds=self._office.rt.config.in_doubt_s + 1)
        await self._reconciler.work()
        if self.books.state == "in_doubt" and later:
            self.books = ledger_model.resolve(self.books, self.newer, self.window, REAL)
        else:
            self.books = ledger_model.doubt(self.books, REAL)

    async def _transact(self, work: Callable[[Tx], Awaitable[object]]) -> None:
        await self._office.rt.db.transact(self._office.a, work)

    def _wamid(self, n: int) -> str:
        return f"wamid.{self._to}.{n}"


def _status(text: str) -> Status:
    return next(status for status in STATUSES if status == text)


def choose(events: list[Event], dice: random.Random) -> Event:
    """One of these: first its kind. Statuses are rare, because they soon end a message."""
    kinds = sorted({event.kind for event in events})
    kind = dice.choices(kinds, [WEIGHTS.get(kind, 4) for kind in kinds])[0]
    return dice.choice([event for event in events if event.kind == kind])


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
@pytest.mark.parametrize("seed", range(2))
async def test_the_ledger_does_what_the_model_says(seed: int, policy: Policy, office: Office) -> None:
    """F30, F31, F45, I9, I14: some hundred runs of a message."""
    dice = random.Random(f"{policy} {seed}")
    for no in range(RUNS):
        pair = Pair(office, policy, f"55119{no:08}")
        await pair.begin()
        trace: list[str] = []
        for _ in range(STEPS):
            event = choose(list(pair.choices()), dice)
            trace.append(f"{event!s:<24} {pair.books.state} →")
            await pair.happen(event)
            trace[-1] += f" {pair.books.state}"
            try:
                await pair.compare()
            except AssertionError as error:
                raise AssertionError("\n  ".join([str(error).splitlines()[0], *trace])) from None
