"""F26: an event loop that stands still is noticed by a thread, with the place where it does."""

import asyncio
import logging
import time

import pytest
import structlog

from atendeja import log
from atendeja.runtime import Runtime
from atendeja.watchdog import Watchdog


def block(seconds: float) -> None:
    """What must not happen in an event loop."""
    time.sleep(seconds)


async def test_each_block_is_said_once_with_its_stack_and_counted(rt: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    log.configure("INFO", "json")  # to standard error as it is now, whatever a test before has done to it
    watchdog = Watchdog(rt, 0.4)
    watchdog.start()
    for _ in range(2):
        block(1.5)
        await asyncio.sleep(0.3)
    watchdog.stop()
    structlog.configure(**before)
    logging.getLogger().handlers[:] = handlers
    lines = [line for line in capsys.readouterr().err.splitlines() if '"loop_blocked"' in line]
    assert len(lines) == 2
    assert all("in block" in line and "test_watchdog.py" in line for line in lines)
    assert rt.meter.counts["loop_blocked", ""] == 2


async def test_a_loop_that_comes_round_is_left_alone(rt: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    watchdog = Watchdog(rt, 2.0)
    watchdog.start()
    for _ in range(5):
        block(0.2)
        await asyncio.sleep(0.6)
    watchdog.stop()
    await asyncio.sleep(0.7)
    assert not watchdog._thread.is_alive()
    assert "loop_blocked" not in capsys.readouterr().err
    assert rt.meter.counts["loop_blocked", ""] == 0
