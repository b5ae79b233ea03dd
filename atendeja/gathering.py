"""How long a loop gathers before it works: what comes meanwhile goes into the same batch. Pure, over a monotonic clock.

Problem: a batch of one costs nearly what a batch of ten does, and a loop that works whenever something is there makes its batches
as small as the machine lets it: it takes all of the processor and is no sooner done. Choice: while much comes, a round begins at
least `window_s` after the one before; while little comes nothing waits at all. Refused: a wait for a full batch (the last of a
rush would wait for nobody), and a fixed wait (it is felt where the machine is idle).
"""

import math

MEMORY_S = 1.0
"""Over how long it is remembered how much came."""
EXPECTED = 2.0
"""So much must be expected within the window for it to be worth the wait."""


class Gathering:
    """`came` tells what a round found, `wait_s` how long to wait before the next."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._heat, self._heat_at = 0.0, float("-inf")
        """What came, fading with time: at an even rate it is the rate, per MEMORY_S."""
        self._began = float("-inf")

    def came(self, n: int, now: float) -> None:
        """A round that begins now has found so many."""
        self._heat, self._heat_at = self._fade(now) + n, now
        self._began = now

    def wait_s(self, now: float) -> float:
        """Seconds until the next round is to begin."""
        expected = self._fade(now) * self._window_s / MEMORY_S
        return min(max(0.0, self._began + self._window_s - now), self._window_s) if expected >= EXPECTED else 0.0

    def _fade(self, now: float) -> float:
        return self._heat * math.exp(-max(0.0, now - self._heat_at) / MEMORY_S) if self._heat else 0.0
