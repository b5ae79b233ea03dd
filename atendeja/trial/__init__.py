"""Trials of flows that nobody has looked at yet: read, checked, tested and played in a process of their own.

A document may be made to keep a processor busy for minutes, or to fill the memory, and no look at it beforehand would tell. In a
thread it would hold up webhooks (threads of Python take turns) and could not be stopped. So there is one child process, started
when it is first needed and let go when it is not: it gives way to everything else, has a few seconds of processor time a trial and
so much memory, knows no secret and ends with us. What is too heavy for it is refused.

Refused: bounds inside the engine alone (each analysis would need its own, and the next one would forget it), a process a trial
(0.15 s to start).

work: what is done, pure · __main__: the child · here: the parent's side.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from contextlib import suppress

import msgspec

from atendeja.errors import Refused, Unavailable
from atendeja.trial.work import HEAD_BYTES, MOST_ANSWER_BYTES, OUT_OF_MEMORY, Ask, Found

CPU_S = 2.0
"""Of processor time for one trial; a flow of the usual size takes 0.05."""
WALL_S = 20.0
"""For one trial, whatever else this machine does."""
IDLE_S = 60.0
"""After so long without a trial the child is let go."""
MOST_HERE, MOST_OF_ONE = 3, 2
"""Trials that run or wait in this process, and those of one tenant among them. Who waits is one of the few requests that ask others
than the database, of which this many leave some to everything else."""
_KEPT = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL")
"""All that the child gets to know of our environment."""

TOO_HEAVY = "flow_too_heavy"


class Trials:
    """The one child, and who waits for it."""

    def __init__(self, cpu_s: float = CPU_S) -> None:
        self._cpu_s = cpu_s
        self._lock = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._letting_go: asyncio.TimerHandle | None = None
        self._asked: Counter[int] = Counter()

    async def run(self, tenant_id: int, ask: Ask) -> Found:
        """What came of a trial. Raises Refused for one that is too heavy, Unavailable when others have to be waited for."""
        if self._asked.total() >= MOST_HERE or self._asked[tenant_id] >= MOST_OF_ONE:
            raise Unavailable("other flows are being tried")
        self._asked[tenant_id] += 1
        try:
            async with self._lock:
                return await self._run(msgspec.json.encode(ask))
        finally:
            self._asked[tenant_id] -= 1

    async def _run(self, ask: bytes) -> Found:
        if self._letting_go is not None:
            self._letting_go.cancel()
        try:
            async with asyncio.timeout(WALL_S):
                child = self._child if self._child is not None and self._child.returncode is None else await self._start()
                answer = await _exchange(child, ask)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._end(error) from error
        except TimeoutError as error:
            await self.close()
            raise Unavailable("this machine has no time for trying flows") from error
        except BaseException:
            await self.close()  # what it would answer is the answer to nobody's question
            raise
        self._letting_go = asyncio.get_running_loop().call_later(IDLE_S, self._let_go, child)
        return msgspec.json.decode(answer, type=Found)

    async def _start(self) -> asyncio.subprocess.Process:
        environ = {name: os.environ[name] for name in _KEPT if name in os.environ}
        pipe = asyncio.subprocess.PIPE
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "atendeja.trial",
            str(self._cpu_s),
            stdin=pipe,
            stdout=pipe,
            env=environ,
            start_new_session=True,
        )
        return self._child

    async def _end(self, error: Exception) -> Exception:
        """Why the child is gone."""
        child, self._child = self._child, None
        code = None if child is None else await child.wait()
        if code in (-signal.SIGPROF, -signal.SIGKILL, OUT_OF_MEMORY):
            return Refused(TOO_HEAVY, "this flow takes too long, or too much memory", hint="make it smaller, or its tests shorter")
        return RuntimeError(f"the process that tries flows ended with {code}: {error!r}")

    def _let_go(self, child: asyncio.subprocess.Process) -> None:
        """It ends when there is nothing more to read."""
        if child.stdin is not None:
            child.stdin.close()
        if self._child is child:
            self._child = None

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if self._letting_go is not None:
            self._letting_go.cancel()
        if child is not None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _exchange(child: asyncio.subprocess.Process, ask: bytes) -> bytes:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(len(ask).to_bytes(HEAD_BYTES, "big") + ask)
    await child.stdin.drain()
    size = int.from_bytes(await child.stdout.readexactly(HEAD_BYTES), "big")
    if size > MOST_ANSWER_BYTES:
        raise RuntimeError(f"the process that tries flows wants to say {size} bytes")
    return await child.stdout.readexactly(size)
