"""How fast a number may send: pure counters over instants of a monotonic clock, in seconds.

A sliding window gives at most `rate` in *any* second, which a token bucket does not (it lets a full bucket through on top). Before
it stands a bucket all the same, a little slower: what is posted in one burst a second arrives in two seconds that overlap, and a
window alone never makes up for a moment in which we were late. A burst is paid back evenly in the second after it: a window that is
full before its time lets the next burst go in the moment in which the first one leaves it, and so every second. The pair rule is a
bucket, because Meta's is one: a burst, then one every six seconds.
Source: Meta, throughput and pair rate (copy of 2026-09-11).
"""

import math
from collections import deque

from atendeja.wa import limits

EVEN = 0.985
"""How much of the rate a queue that never ends uses: the rest is for what is late on its way."""
SECOND_S = 1.01
"""A second as we count it, for the same reason: what leaves us in two that follow each other may arrive in one."""
BURST_S = 0.1
"""So much of a second may go at once after a pause: replies to many who wrote in the same moment."""
BATCH_S = 0.01
"""A queue that never ends goes in steps of this, or of one message: a transaction for each."""
MARKETING_SHARE = 0.75
"""60 of 80: a reply never waits for a campaign."""
HEARD_SHARE = 0.75
"""So much of the rate may what comes in take away at most: however many write, some are answered."""
SLOWER = 0.75
SLOWER_EVERY_S = 1.0
"""All that was on the wire when the number was told to slow down is one refusal."""
FASTER = 0.02
"""Of the full rate, a second: a number that was slowed down once is back after twelve."""
PAIR_BURST = 10
PAIR_EVERY_S = float(limits.PAIR_INTERVAL_S)


class Window:
    """At most `rate` in any sliding `span_s`."""

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

    def even_rate(self, now: float) -> float:
        """At what rate the rest goes evenly until the first that were taken leave the window; without limit when they soon do."""
        left_s = self._taken[0] + self._span_s - now if self._taken else 0.0
        return (self.free(now) + 1) / left_s if left_s > BURST_S else math.inf

    def shut(self, until: float) -> None:
        """Nothing goes before `until`."""
        self._shut_until = max(self._shut_until, until)


class Bucket:
    """`rate` a second, and `burst` at once after a pause."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst = rate, burst
        self._level, self._at = float(burst), float("-inf")

    def free(self, now: float) -> int:
        """How many may go now."""
        self._refill(now)
        return max(0, int(self._level + 1e-9))

    def take(self, now: float, n: int) -> None:
        self._refill(now)
        self._level -= n

    def wait_s(self, now: float, n: int) -> float:
        """Seconds until so many may go."""
        self._refill(now)
        return max(0.0, (n - self._level) / self.rate)

    def _refill(self, now: float) -> None:
        if now > self._at:
            self._level = min(float(self.burst), self._level + (now - self._at) * self.rate)
            self._at = now


class Pace:
    """A number: at most `rate` in any second, what comes in counted too, marketing its share of it, evenly over the second.

    Told to slow down (130429), it pauses and goes on more slowly; while it is not told again it gets back to its rate.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._second, self._marketing, self._heard = (Window(rate, SECOND_S) for _ in range(3))
        self._even = Bucket(rate * EVEN, math.ceil(rate * BURST_S))
        self._slow, self._slow_since = 1.0, float("-inf")
        """To what share of the rate it was slowed down, and when."""

    def free(self, now: float) -> int:
        """How many may go now."""
        self._tune(now)
        return min(self._second.free(now), self._even.free(now))

    def free_for_marketing(self, now: float) -> int:
        """How many of them may be marketing."""
        return min(self.free(now), self._marketing.free(now))

    def wait_s(self, now: float) -> float:
        """Seconds until it is worth asking again; 0 when one may go now."""
        if self.free(now):
            return 0.0
        step = min(self._even.burst, max(1, int(self._even.rate * BATCH_S)))
        return max(self._second.wait_s(now), self._even.wait_s(now, step))

    def marketing_wait_s(self, now: float) -> float:
        """As that, for marketing."""
        return max(self.wait_s(now), self._marketing.wait_s(now))

    def take(self, now: float, n: int, *, marketing: int = 0) -> None:
        """So many go, and so many of them are marketing."""
        self._tune(now)
        self._second.take(now, n)
        self._even.take(now, n)
        self._marketing.take(now, marketing)

    def heard(self, now: float, n: int) -> None:
        """So many have come in: Meta counts them too."""
        self._tune(now)
        n = min(n, self._heard.free(now))
        self._heard.take(now, n)
        self._second.take(now, n)

    def refused(self, now: float, pause_s: float) -> None:
        """The number was told that it goes too fast: nothing for so long, then more slowly."""
        self._second.shut(now + pause_s)
        if now - self._slow_since >= SLOWER_EVERY_S:
            self._slow, self._slow_since = self._share(now) * SLOWER, now

    def _share(self, now: float) -> float:
        return min(1.0, self._slow + FASTER * max(0.0, now - self._slow_since)) if self._slow < 1.0 else 1.0

    def _tune(self, now: float) -> None:
        """Let the parts go at the present rate."""
        rate = max(1, int(self.rate * self._share(now)))
        self._second.rate = rate
        self._marketing.rate = max(1, int(rate * MARKETING_SHARE))
        self._heard.rate = int(rate * HEARD_SHARE)
        self._even.rate, self._even.burst = min(rate * EVEN, self._second.even_rate(now)), math.ceil(rate * BURST_S)


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
