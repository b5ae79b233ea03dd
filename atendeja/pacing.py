"""How fast a number may send: pure counters over instants of a monotonic clock, in seconds.

A sliding window gives at most `rate` in *any* second, which a token bucket does not (it lets a full bucket through on top).
The pair rule is a bucket, because Meta's is one: a burst, then one every six seconds.
Source: Meta, throughput and pair rate (copy of 2026-09-11).
"""

import math
from collections import deque

PAIR_BURST = 10
PAIR_EVERY_S = 6.0


class Window:
    """At most `rate` in any sliding second. Charge it for what comes in as well: Meta counts both."""

    def __init__(self, rate: int, span_s: float = 1.0) -> None:
        self.rate = rate
        self._span_s = span_s
        self._taken: deque[float] = deque()
        self._shut_until = float("-inf")

    def free(self, now: float) -> int:
        """How many may go now."""
        while self._taken and self._taken[0] <= now - self._span_s:
            self._taken.popleft()
        return 0 if now < self._shut_until else max(0, self.rate - len(self._taken))

    def take(self, now: float, n: int) -> None:
        self._taken.extend([now] * n)

    def wait_s(self, now: float) -> float:
        """Seconds until at least one may go; 0 when one may go now."""
        if self.free(now):
            return 0.0
        oldest = self._taken[-self.rate] + self._span_s if len(self._taken) >= self.rate else now
        return max(oldest, self._shut_until) - now

    def shut(self, until: float) -> None:
        """The number was told to slow down: nothing goes before `until`."""
        self._shut_until = max(self._shut_until, until)


class Pair:
    """One recipient: a burst of ten, then one every six seconds; after a refusal (131056) 6 s, 12 s, 24 s … at most 5 min."""

    __slots__ = ("_at", "_level", "_refusals", "_shut_until")

    def __init__(self, spent_at: float = float("-inf")) -> None:
        """`spent_at`: when the burst is taken to have been used up, by somebody whose sends of before are not known."""
        self._level = 0.0 if math.isfinite(spent_at) else float(PAIR_BURST)
        self._at = spent_at
        self._shut_until = float("-inf")
        self._refusals = 0

    def wait_s(self, now: float) -> float:
        """Seconds until this recipient may be written to; 0 when now."""
        self._refill(now)
        return max(0.0, (1.0 - self._level) * PAIR_EVERY_S, self._shut_until - now)

    def take(self, now: float) -> None:
        self._refill(now)
        self._level -= 1.0

    def refused(self, now: float) -> float:
        """Meta said 131056: seconds to leave this recipient alone."""
        wait_s = min(PAIR_EVERY_S * float(1 << self._refusals), 300.0)
        self._refusals = min(self._refusals + 1, 6)
        self._shut_until = now + wait_s
        return wait_s

    def accepted(self) -> None:
        self._refusals = 0

    def idle(self, now: float) -> bool:
        """Nothing is remembered that a new Pair would not know: it may be forgotten."""
        self._refill(now)
        return self._level >= PAIR_BURST and now >= self._shut_until and not self._refusals

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._level = min(float(PAIR_BURST), self._level + (now - self._at) / PAIR_EVERY_S)
            self._at = now
