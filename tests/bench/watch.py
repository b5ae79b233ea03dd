"""What processes use, from Linux's /proc: CPU seconds and memory."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
EVERY_S = 0.5
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all that come of it, those that ended among them."""
    own, ended = _times(pid)
    return own + ended + sum(cpu_s(child) for child in _children(pid))


def all_cpu_s() -> float:
    """CPU seconds of everybody on this machine since it started, what the host took for others among them."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = Path("/proc/stat").read_text().split()[1:9]
    return sum(int(ticks) for ticks in (user, nice, system, irq, softirq, steal)) / TICKS


def _children(pid: int) -> list[int]:
    """The children that any thread of it started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    with contextlib.suppress(OSError):
        return [int(child) for path in lists for child in path.read_text().split()]
    return []


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
