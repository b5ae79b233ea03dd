"""What came of claims, on its way into the ledger: the attempt's end, the message's next state, the number's stop."""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from atendeja import failpoints
from atendeja.db import Tx, query, records
from atendeja.outbound.protocol import Candidate, Settlement


class Claim(Struct, frozen=True):
    """A message on its way: committed as `sending`, to be posted once."""

    attempt_id: UUID
    message: Candidate
    followed: bool = True
    """Something may wait for its outcome: the next message of the conversation."""
    uploads: Mapping[UUID, str] = {}
    """Our own files in it, by the ids by which Meta knows them."""

    @property
    def n(self) -> int:
        return self.message.attempt_no + 1

    @property
    def marketing(self) -> bool:
        return self.message.category == "marketing"


class Done(Struct, frozen=True):
    """What came of a claim, waiting to be recorded."""

    claim: Claim
    settlement: Settlement
    first_byte_at: dt.datetime | None


class Outcome(Struct, frozen=True):
    """What an answer leaves of an attempt and of its message."""

    attempt_id: UUID
    message_id: UUID
    conversation_id: UUID
    n: int
    attempt: str
    state: str
    code: int | None
    detail: str | None
    wamid: str | None
    held: bool
    first_byte_at: dt.datetime | None
    not_before: dt.datetime | None


class Recorded(Struct):
    """What a record found out."""

    successors: bool
    """Something else is unfinished in these conversations, which may go now."""
    duplicates: int
    """Attempts accepted although another of their message had been."""
    moved: list[UUID]
    """Messages in another state now."""


RECORD = query("ledger.record_outcomes", Recorded)


async def record(tx: Tx, done: Sequence[Done], now: dt.datetime) -> Recorded:
    """Write these: what is known of an attempt always, its message only where nothing has moved it since."""
    failpoints.reach("send.before_record")
    ids = sorted({d.claim.message.id for d in done})
    recorded = await tx.one(RECORD, ids=ids, outcomes=records(_outcome(d, now) for d in done), now=now)
    assert recorded is not None  # an aggregate always has a row
    return recorded


def _outcome(done: Done, now: dt.datetime) -> Outcome:
    s, claim = done.settlement, done.claim
    not_before = None if s.retry_s is None else now + dt.timedelta(seconds=s.retry_s)
    return Outcome(
        claim.attempt_id, claim.message.id, claim.message.conversation_id, claim.n, s.attempt, s.message, s.code, s.detail, s.wamid,
        s.held, done.first_byte_at, not_before,
    )  # fmt: skip
