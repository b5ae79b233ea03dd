"""What a number may send now, by what its sender remembers: its pace, each recipient's, its health, its templates.

The database knows the rest (`outbound.claimable`). No I/O: instants of a monotonic clock and times of day are arguments.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from atendeja.numbers import Number
from atendeja.outbound import protocol
from atendeja.outbound.files import Files, Unfit
from atendeja.outbound.health import Health
from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import Candidate, Settlement, WithdrawalReason
from atendeja.outbound.templates import Key, Templates
from atendeja.pacing import Pace, Pair

MOST_A_CLAIM = 100
MOST_OPEN_POSTS = 200
MOST_PAIRS = 10_000
RECENT = dt.timedelta(seconds=60)
"""As much of the attempts of before is remembered by who takes over."""


class Recent(Struct):
    contact_id: UUID
    claimed_at: dt.datetime
    slowed: bool
    """It was refused because the number went too fast."""


class Choice(Struct):
    """What becomes of candidates; those that are in none of these stay as they are."""

    claims: list[Claim] = []
    withdrawn: dict[UUID, WithdrawalReason | None] = {}
    """Without a reason nobody knows whether an earlier attempt went out."""
    waits: dict[UUID, float] = {}
    """Seconds."""
    out_of_line: set[UUID] = set()
    """Those of `waits` that may wait long, for their template or a file: their conversation goes on without them."""
    unfit: dict[UUID, Unfit] = {}
    """They can never go: a file of theirs cannot be had."""


class Limits:
    def __init__(self, number: Number) -> None:
        self.pace = Pace(number.rate)
        self.health, self.templates = Health(number), Templates(number.waba_id)
        self.files = Files()
        self._pairs: dict[UUID, Pair] = {}

    def remember(self, attempts: Sequence[Recent], instant: float, now: dt.datetime) -> None:
        """What went out before we took over: the pace goes on where the last sender left it."""
        offset = instant - now.timestamp()
        for row in attempts:
            at = min(row.claimed_at.timestamp() + offset, instant)  # another machine's clock may be ahead
            self.pace.take(at, 1, marketing=1)  # it is not known of which it was, and for a second only
            if row.slowed:
                self.pace.refused(at, protocol.SLOW_S)
            self._pairs.setdefault(row.contact_id, Pair(instant - RECENT.total_seconds())).take(at)

    def pair(self, contact_id: UUID) -> Pair:
        pair = self._pairs.get(contact_id)
        if pair is None:
            pair = self._pairs[contact_id] = Pair()
        return pair

    # ── what may go ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def defers(self) -> bool:
        """Whether many of what is due may have to wait longer, which costs the pace nothing."""
        return self.templates.any_stopped or self.files.awaited

    def room(self, instant: float, open_posts: int) -> int:
        """How many may be claimed now, beside so many that are on their way."""
        most_open = 1 if self.health.row_stopped else MOST_OPEN_POSTS
        return min(self.pace.free(instant), most_open - open_posts, MOST_A_CLAIM)

    def room_for_marketing(self, instant: float, now: dt.datetime) -> int:
        """How many of them may be marketing."""
        return self.health.marketing_room(self.pace.free_for_marketing(instant), now)

    def marketing_wait_s(self, instant: float, now: dt.datetime) -> float:
        """Seconds until marketing may be asked for again."""
        return max(self.health.marketing_wait_s(now), self.pace.marketing_wait_s(instant))

    def lend(
        self, message: Candidate, instant: float, now: dt.datetime, *, followed: bool, new_id: Callable[[], UUID]
    ) -> Claim | None:
        """A claim of this, when it may go at once; then it is charged. There must be room."""
        pair, uploads = self.pair(message.contact_id), self.files.ask(message, instant)
        if protocol.withdrawal(message, now) is not None or self.templates.wait_s(message, now) > 0 or pair.wait_s(instant) > 0:
            return None
        if not isinstance(uploads, Mapping):
            return None
        pair.take(instant)
        self.pace.take(instant, 1)
        return Claim(new_id(), message, followed, uploads)

    def choose(
        self, candidates: Sequence[Candidate], room: int, instant: float, now: dt.datetime, new_id: Callable[[], UUID]
    ) -> Choice:
        """Which of these go now, `room` of them at most, and what becomes of the others. What goes is charged."""
        choice, room_for_marketing = Choice(), self.room_for_marketing(instant, now)
        probes: set[Key] = set()
        for message in candidates:
            pair = self.pair(message.contact_id)
            if (reason := protocol.withdrawal(message, now)) is not None:
                choice.withdrawn[message.id] = None if message.doubtful else reason
            elif (wait_s := self.templates.wait_s(message, now, probes)) > 0:
                choice.waits[message.id] = wait_s
                choice.out_of_line.add(message.id)
            elif (wait_s := pair.wait_s(instant)) > 0:
                choice.waits[message.id] = wait_s
            elif len(choice.claims) < room and (message.category != "marketing" or room_for_marketing > 0):
                uploads = self._files_of(message, choice, instant, now)
                if uploads is None:
                    continue
                pair.take(instant)
                room_for_marketing -= message.category == "marketing"
                claim = Claim(new_id(), message, message.category != "marketing", uploads)
                probes |= self.templates.stopped(message)
                choice.claims.append(claim)
        self.pace.take(instant, len(choice.claims), marketing=sum(claim.marketing for claim in choice.claims))
        return choice

    def _files_of(self, message: Candidate, choice: Choice, instant: float, now: dt.datetime) -> Mapping[UUID, str] | None:
        """None when it cannot go now: then the choice says what becomes of it."""
        asked = self.files.ask(message, instant)
        if isinstance(asked, float):
            failure = self.files.failure(message)
            if failure is None or not protocol.is_old(message, now) or instant - failure.since < protocol.FILE_FAILS_S:
                choice.waits[message.id] = asked
                if failure is not None:
                    choice.out_of_line.add(message.id)
                return None
            asked = failure.why
        if not isinstance(asked, Unfit):
            return asked
        if message.doubtful:
            choice.withdrawn[message.id] = None
        else:
            choice.unfit[message.id] = asked
        return None

    def launched(self, claims: Sequence[Claim], now: dt.datetime) -> None:
        """These are committed, and go."""
        self.health.launched(claims, now)
        self.templates.launched(claims, now)

    # ── what an answer changes ───────────────────────────────────────────────────────────────────────────────────────

    def learn(self, claim: Claim, settlement: Settlement, instant: float, now: dt.datetime) -> bool:
        """At once, before it is recorded. True when something that waited may go on."""
        if settlement.slow_number_s is not None:
            self.pace.refused(instant, settlement.slow_number_s)
        if settlement.slow_pair:
            self.pair(claim.message.contact_id).refused(instant)
        elif settlement.attempt == "accepted":
            self.pair(claim.message.contact_id).accepted()
        if settlement.stale_uploads:
            self.files.forget(claim.uploads)
        marketing_goes_on = self.health.learn(claim, settlement, now)
        return self.templates.learn(claim, settlement, now) or marketing_goes_on

    def tidy(self, instant: float) -> None:
        """Forget recipients of whom there is nothing to know."""
        if len(self._pairs) > MOST_PAIRS:
            self._pairs = {contact_id: pair for contact_id, pair in self._pairs.items() if not pair.idle(instant)}
