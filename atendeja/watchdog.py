"""The watchdog: a thread that notices that the event loop stands still, and says where.

Everything of the process runs in one loop: what blocks it (a computation without end, a call that waits for a disk) stops the acks,
the leases and the answers of `/health/ready` alike, and nobody inside the loop could tell. Counted when it is over, in the loop.
"""

import asyncio
import sys
import threading
import traceback

import structlog

from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

BLOCKED_S = 5.0
LOOK_S = 1.0


class Watchdog:
    """Started and stopped in the loop that it watches."""

    def __init__(self, rt: Runtime, blocked_s: float = BLOCKED_S) -> None:
        self._rt, self._blocked_s = rt, blocked_s
        self._look_s = min(LOOK_S, blocked_s / 4)
        self._came = rt.monotonic()
        """When the loop last came round."""
        self._over = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._watch, args=(threading.get_ident(),), name="watchdog", daemon=True)

    def start(self) -> None:
        """From now on."""
        self._come_round()
        self._thread.start()

    def stop(self) -> None:
        """No longer."""
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()

    def _come_round(self) -> None:
        now = self._rt.monotonic()
        if (stood_s := now - self._came) > self._blocked_s:
            self._rt.meter.count("loop_blocked")
            log.warning("loop_goes_on", stood_s=round(stood_s, 1))
        self._came = now
        self._timer = asyncio.get_running_loop().call_later(self._look_s, self._come_round)

    def _watch(self, watched: int) -> None:
        """In the thread. One line a block, with the stack of the thread that is blocked: places in files, no values."""
        said = 0.0
        while not self._over.wait(self._look_s):
            came = self._came
            if came != said and self._rt.monotonic() - came > self._blocked_s:
                said = came
                frame = sys._current_frames().get(watched)
                stack = "".join(traceback.format_stack(frame)) if frame is not None else "the thread is gone"
                log.error("loop_blocked", stood_s=round(self._rt.monotonic() - came, 1), stack=stack)
