"""Claims that others make for a sender: a reply is claimed in the transaction that wrote it, and posted after its COMMIT.

Problem: queueing a reply, waking its sender, and claiming it in a transaction of its own costs three trips to the database and
a commit, most of what a message at a low rate costs. Choice: whoever queues may claim too, where the sender is in the same
process and the pace has room: the sender lends a claim, decided by its own rules, and gets it back with the COMMIT (`launch`) or
without one (`recall`), as it does with claims of its own. Refused: asking the database whether something stands before it; who
holds the contact's lock knows.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import Candidate

NOBODY = UUID(int=0)


class Lender(Protocol):
    """What a sender is to those who claim for it."""

    def lend(self, message: Candidate, *, followed: bool) -> Claim | None:
        """A claim of this message, charged to the pace; None when it has to wait in the queue. `followed` when others of its
        conversation are queued behind it."""

    def launch(self, claims: list[Claim], sealed_at: float) -> None:
        """Post these: they are committed, and were written before `sealed_at` on the monotonic clock."""

    def recall(self, claims: list[Claim]) -> None:
        """Nobody knows whether these are committed: give them back."""


class Lending:
    """The claims of one transaction, which may be run again. `boot` is written on the attempts; where the guard's mark is below
    `seen` there will be none. Without senders nothing is claimed."""

    def __init__(self, senders: Mapping[UUID, Lender] | None = None, boot: UUID = NOBODY, seen: int = 0) -> None:
        self._senders, self.boot, self.seen = senders or {}, boot, seen
        self._lent: list[tuple[Lender, Claim]] = []
        self.sealed_at = float("-inf")
        """On the monotonic clock, after the last write and before the COMMIT: the fence counts from here."""

    def take(self, number_id: UUID, message: Candidate, *, followed: bool) -> UUID | None:
        """The attempt's id when the message is claimed."""
        sender = self._senders.get(number_id)
        claim = sender.lend(message, followed=followed) if sender is not None else None
        if sender is None or claim is None:
            return None
        self._lent.append((sender, claim))
        return claim.attempt_id

    def keep(self, attempts: set[UUID]) -> None:
        """Only these were written: the rest is given back."""
        for sender, claim in self._lent:
            if claim.attempt_id not in attempts:
                sender.recall([claim])
        self._lent = [(sender, claim) for sender, claim in self._lent if claim.attempt_id in attempts]

    def recall(self) -> None:
        """Give all back: the transaction failed, or is about to run again."""
        for sender, claim in self._lent:
            sender.recall([claim])
        self._lent = []

    def launch(self) -> set[UUID]:
        """Post all; in which conversations."""
        for sender, claim in self._lent:
            sender.launch([claim], self.sealed_at)
        conversations = {claim.message.conversation_id for _, claim in self._lent}
        self._lent = []
        return conversations


@contextmanager
def lending(senders: Mapping[UUID, Lender], boot: UUID, seen: int = 0) -> Iterator[Lending]:
    """Whatever is neither launched nor recalled at the end is recalled."""
    made = Lending(senders, boot, seen)
    try:
        yield made
    finally:
        made.recall()
