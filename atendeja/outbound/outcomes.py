"""What came of claims, on its way into the ledger: the attempt's end, the message's next state, the number's stop."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from atendeja import failpoints, ledger
from atendeja.db import Nothing, Tx, columns, query
from atendeja.outbound.protocol import Candidate, Settlement

END_ATTEMPTS = query("ledger.end_attempts", Nothing)
MOVE_FROM_SENDING = query("ledger.move_from_sending", Nothing)


class Claim(Struct, frozen=True):
    """A message on its way: committed as `sending`, to be posted once."""

    attempt_id: UUID
    message: Candidate

    @property
    def n(self) -> int:
        return self.message.attempt_no + 1


class Done(Struct, frozen=True):
    """What came of a claim, waiting to be recorded."""

    claim: Claim
    settlement: Settlement
    first_byte_at: dt.datetime | None


class Ended(Struct, frozen=True):
    """An attempt as it ended."""

    id: UUID
    state: str
    code: int | None
    detail: str | None
    wamid: str | None
    first_byte_at: dt.datetime | None


class Moved(Struct, frozen=True):
    """A message as its attempt `n` leaves it."""

    id: UUID
    n: int
    state: str
    code: int | None
    detail: str | None
    held: bool
    not_before: dt.datetime | None


async def record(tx: Tx, done: Sequence[Done], now: dt.datetime) -> None:
    """Write these: what is known of an attempt always, its message only where nothing has moved it since."""
    failpoints.reach("send.before_record")
    await tx.all(ledger.LOCK_MESSAGES, ids=sorted({d.claim.message.id for d in done}))
    await tx.run(END_ATTEMPTS, **columns([_ended(d) for d in done]), now=now)
    await tx.run(MOVE_FROM_SENDING, **columns([_moved(d, now) for d in done]), now=now)


def _ended(done: Done) -> Ended:
    s = done.settlement
    return Ended(done.claim.attempt_id, s.attempt, s.code, s.detail, s.wamid, done.first_byte_at)


def _moved(done: Done, now: dt.datetime) -> Moved:
    s = done.settlement
    not_before = None if s.retry_s is None else now + dt.timedelta(seconds=s.retry_s)
    return Moved(done.claim.message.id, done.claim.n, s.message, s.code, s.detail, s.held, not_before)


def stop(done: Sequence[Done]) -> Settlement | None:
    """The answer that stops the number, when there is one."""
    return next((d.settlement for d in done if d.settlement.stop_number), None)


def answered(done: Sequence[Done]) -> bool:
    """Whether the Cloud API dealt with one of these messages as such: the number works."""
    return any(d.settlement.attempt in ("accepted", "refused") and not d.settlement.stop_number for d in done)
