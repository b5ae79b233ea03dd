"""What processes use, from Linux's /proc: CPU seconds and memory."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from atendeja.dev import process

TICKS = os.sysconf("SC_CLK_TCK")
EVERY_S = 0.5
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, of its children that live and of those that ended."""
    own, ended = _times(pid)
    return own + ended + sum(sum(_times(child)) for child in process.children(pid))


def _times(pid: int) -> tuple[float, float]:
    """Seconds of its own and of its ended children; of a process that has just gone, none: its parent has them now."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0, 0.0
    utime, stime, cutime, cstime = (int(field) / TICKS for field in fields[11:15])
    return utime + stime, cutime + cstime


def pss_mib(pid: int) -> float:
    """Memory of a process, what it shares counted by its share."""
    found = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert found is not None
    return int(found[1]) / 1024


@contextlib.asynccontextmanager
async def memory(pid: int) -> AsyncIterator[list[float]]:
    """What `pss_mib` says every half second until the end."""
    samples = [pss_mib(pid)]

    async def look() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            samples.append(pss_mib(pid))

    looking = asyncio.create_task(look())
    try:
        yield samples
    finally:
        looking.cancel()
        samples.append(pss_mib(pid))
