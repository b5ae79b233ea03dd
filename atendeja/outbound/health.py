"""Whether a number may send, as the answers tell: it may be stopped whole, or its marketing alone.

Nothing queued is lost by it. After a while one message goes as a probe, and what comes of it decides: an answer to what was on the
wire before the stop says nothing.
"""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from atendeja import numbers
from atendeja.db import Tx
from atendeja.notify import Kind
from atendeja.numbers import Number
from atendeja.outbound import protocol
from atendeja.outbound.outcomes import Claim, Done
from atendeja.outbound.protocol import Settlement

PROBE_S = 60.0
"""Longest that the outcome of a probe is waited for: then the next one goes."""


class Health:
    """What a number's row says (`row_…`), and what answers have said since that is not written yet."""

    def __init__(self, number: Number) -> None:
        self.stopped = False
        """An answer has stopped it since we send for it: its sender ends, and its successor probes."""
        self._probe: UUID | None = None
        """The attempt that went as a probe of the number's marketing, while its outcome is not known."""
        self._probe_at = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.read(number)

    def read(self, number: Number) -> None:
        """As the row says."""
        self.row_stopped = number.stopped_code is not None
        """One message at a time goes, as a probe."""
        self._row_marketing_stopped = number.marketing_code is not None
        self._marketing_until = number.marketing_until
        """None: it goes."""
        self._written = self.row_stopped, self._row_marketing_stopped
        """What the row says when the transaction that writes is committed."""

    # ── what may be claimed ──────────────────────────────────────────────────────────────────────────────────────────────

    def marketing_room(self, free: int, now: dt.datetime) -> int:
        """How many of `free` places marketing may take."""
        if self._marketing_until is None:
            return free
        return min(1, free) if self._marketing_until <= now and not self._probing(now) else 0

    def marketing_wait_s(self, now: dt.datetime) -> float:
        """Seconds until it may be asked for again."""
        until = self._marketing_until
        if until is None:
            return 0.0
        if self._probing(now):
            until = max(until, self._probe_at + dt.timedelta(seconds=PROBE_S))
        return max(0.0, (until - now).total_seconds())

    def launched(self, claims: Sequence[Claim], now: dt.datetime) -> None:
        """These are committed, and go."""
        if self._marketing_until is not None:
            for claim in claims:
                if claim.marketing:
                    self._probe, self._probe_at = claim.attempt_id, now

    def _probing(self, now: dt.datetime) -> bool:
        return self._probe is not None and now - self._probe_at < dt.timedelta(seconds=PROBE_S)

    # ── what an answer changes ───────────────────────────────────────────────────────────────────────────────────────────

    def learn(self, claim: Claim, settlement: Settlement, now: dt.datetime) -> bool:
        """At once, before it is written. True when marketing goes on."""
        self.stopped = self.stopped or settlement.stop_number
        probe = claim.attempt_id == self._probe
        if probe:
            self._probe = None
        if settlement.stop_marketing:
            self._marketing_until = now + dt.timedelta(seconds=protocol.MARKETING_STOP_S)
            return False
        if probe and settlement.attempt == "accepted":
            self._marketing_until = None
            return True
        return False

    async def write(self, tx: Tx, number_id: UUID, done: Sequence[Done], now: dt.datetime) -> None:
        """What these answers say of the number. After all else: its row is the last in the order of locks."""
        stopped, marketing_stopped = self.row_stopped, self._row_marketing_stopped
        if (stop := _stop(done)) is not None:
            stopped = True
            await tx.run(numbers.STOP, id=number_id, until=now + dt.timedelta(seconds=protocol.NUMBER_STOP_S), code=stop.code)
        elif stopped and not self.stopped and _answered(done):
            stopped = False
            await tx.run(numbers.GO_ON, id=number_id)
        if (stop := _marketing_stop(done)) is not None:
            marketing_stopped = True
            until = now + dt.timedelta(seconds=protocol.MARKETING_STOP_S)
            await tx.run(numbers.STOP_MARKETING, id=number_id, until=until, code=stop.code)
        elif marketing_stopped and self._marketing_until is None:
            marketing_stopped = False
            await tx.run(numbers.GO_ON_WITH_MARKETING, id=number_id)
        self._written = stopped, marketing_stopped

    def wrote(self, done: Sequence[Done]) -> list[tuple[Kind, int | None]]:
        """What `write` wrote is committed: what people should be told, once for each stop, with its code."""
        told: list[tuple[Kind, int | None]] = []
        if (stop := _stop(done)) is not None and not self.row_stopped:
            told.append(("number_stopped", stop.code))
        if (stop := _marketing_stop(done)) is not None and not self._row_marketing_stopped:
            told.append(("marketing_stopped", stop.code))
        self.row_stopped, self._row_marketing_stopped = self._written
        return told


def says_something(done: Sequence[Done]) -> bool:
    """Whether these answers, which are not written yet, may change a number's row."""
    return any(d.settlement.stop_number or d.settlement.stop_marketing or d.claim.marketing for d in done)


def _stop(done: Sequence[Done]) -> Settlement | None:
    """The answer that stops the number, when there is one."""
    return next((d.settlement for d in done if d.settlement.stop_number), None)


def _marketing_stop(done: Sequence[Done]) -> Settlement | None:
    """The answer that stops its marketing."""
    return next((d.settlement for d in done if d.settlement.stop_marketing), None)


def _answered(done: Sequence[Done]) -> bool:
    """Whether the Cloud API dealt with one of these messages as such: the number works."""
    return any(d.settlement.attempt in ("accepted", "refused") and not d.settlement.stop_number for d in done)
