"""How fast somebody may ask: a bucket each, in this process's memory, of which a burst goes at once and the rest evenly."""

import math
from collections.abc import Hashable

MOST_KEPT = 10_000
ROUNDING_S = 1e-6


class Rates:
    """Buckets of `rate` a second and twice as many at once. One that is full again is forgotten."""

    def __init__(self, rate: float) -> None:
        self._rate, self._size = rate, 2 * rate
        self._full_at: dict[Hashable, float] = {}
        """Whose → when his bucket is full again."""

    def wait_s(self, who: Hashable, now: float) -> int:
        """Whole seconds until `who` may ask again; 0 when he may now. Takes nothing."""
        return max(0, math.ceil(self._full_at.get(who, now) - now - (self._size - 1) / self._rate - ROUNDING_S))

    def take(self, who: Hashable, now: float) -> None:
        """Count that he asked."""
        if len(self._full_at) >= MOST_KEPT:
            self._full_at = {other: at for other, at in self._full_at.items() if at > now} if self._old(now) else {}
        self._full_at[who] = max(now, self._full_at.get(who, now)) + 1 / self._rate

    def _old(self, now: float) -> bool:
        """Whether forgetting the full ones makes room enough: else all are forgotten, which only lets somebody go early."""
        return sum(at <= now for at in self._full_at.values()) > MOST_KEPT // 10
