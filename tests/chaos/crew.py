"""The processes under test: each a slot with a port, a role and a directory, in which `serve` is started again whenever it dies."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from msgspec import Struct

from tests.chaos import script
from tests.chaos.script import Arm, Return, Role
from tests.journeys import process
from tests.journeys.process import Child

COMMAND = ("-c", "from atendeja.cli import main; main()")
KILLED = -9
TAIL = 1500


class Death(Struct, frozen=True):
    """A process that ended. `arm` is the failpoint it died at; without one it was ours when `killed`, else its own doing."""

    slot: "Slot"
    at: float
    status: int
    killed: bool
    arm: Arm | None
    holder: UUID | None
    """By whose name it held its leases."""
    output: Path

    @property
    def meant(self) -> bool:
        """Whether it died as we wanted."""
        return self.status == KILLED and (self.killed or self.arm is not None)


Mourn = Callable[[Death], Awaitable[None]]


class Slot:
    """One place for a process. `environ` is what all of them get."""

    def __init__(self, n: int, role: Role, folder: Path, environ: Mapping[str, str]) -> None:
        self.name, self.role, self.port = f"{role}-{n}", role, process.free_port()
        self._folder, self._environ = folder, environ
        self._directories = 0
        self._child: Child | None = None
        self._killed, self._leaving = False, asyncio.Event()
        self._back = self._then = Return(0.2)
        self._next: Arm | None = None
        self.arm: Arm | None = None
        """The failpoint at which the present process will die."""
        self.up = False
        self.starts: list[float] = []
        """When each of its processes was started, unix seconds."""

    @property
    def webs(self) -> bool:
        return self.role != "worker"

    @property
    def works(self) -> bool:
        return self.role != "web"

    @property
    def armed(self) -> bool:
        """Whether it will die at a failpoint, now or when it has come back."""
        return self.arm is not None or self._next is not None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def keep(self, mourn: Mourn) -> None:
        """Start it, and start it again when it ends, until it is stopped."""
        while not self._leaving.is_set():
            child = await self._start()
            looking = asyncio.create_task(self._look(child))
            try:
                status = await child.process.wait()
            finally:
                looking.cancel()
                self.up = False
            if self._leaving.is_set():
                return
            death = Death(self, time.time(), status, self._killed, self._fired(child), self.holder(), child.output)
            back = self._back if self._killed else self._then
            await mourn(death)
            await asyncio.sleep(back.rest_s)
            if back.fresh:
                self._directories += 1
            self.arm, self._next, self._killed = self._next, None, False

    def kill(self, back: Return, then: Return, arm: Arm | None) -> None:
        """SIGKILL; it comes back like this, and if that is to die at a failpoint, then it comes back like that."""
        assert self._child is not None
        self._killed, self._back, self._then, self._next = True, back, then, arm
        self._child.process.kill()

    async def stop(self) -> int:
        """SIGTERM, and the exit status. Raises TimeoutError when it takes too long."""
        self._leaving.set()
        return await self._child.stop(60) if self._child is not None else 0

    async def end(self) -> None:
        """Whatever it does, it is gone."""
        self._leaving.set()
        if self._child is not None:
            await self._child.kill()

    def holder(self) -> UUID | None:
        """The name of its directory, by which it holds leases; None before it has one."""
        with contextlib.suppress(OSError, ValueError):
            return UUID((self._state_dir / "instance-0").read_text().strip())
        return None

    @property
    def _state_dir(self) -> Path:
        return self._folder / f"state-{self.name}-{self._directories}"

    @property
    def fired(self) -> Path:
        """Where failpoints note that they were reached."""
        return self._folder / "fired"

    async def _start(self) -> Child:
        environ = {**self._environ, "PORT": str(self.port), "STATE_DIR": str(self._state_dir)}
        if self.arm is not None:
            environ |= {"ATENDEJA_FAILPOINTS": self.arm.setting, "ATENDEJA_FAILPOINTS_LOG": str(self.fired)}
        self.starts.append(time.time())
        output = self._folder / f"{self.name}-{len(self.starts)}.log"
        self._child = await process.start([*COMMAND, "serve", "--role", self.role], environ, output, self.url)
        return self._child

    async def _look(self, child: Child) -> None:
        """Say when it is ready; whatever keeps it from being so shows elsewhere."""
        while child.alive and not self.up:
            with contextlib.suppress(AssertionError):
                await process.wait_ready(child, f"{self.url}/health/ready")
                self.up = True

    def _fired(self, child: Child) -> Arm | None:
        """The failpoint that this process died at."""
        if self.arm is None or not self.fired.exists():
            return None
        line = f"{self.arm.name} kill {self.arm.n} {child.process.pid}"
        return self.arm if line in self.fired.read_text().splitlines() else None


class Crew:
    """All slots of a run."""

    def __init__(self, roles: Sequence[Role], folder: Path, environ: Mapping[str, str]) -> None:
        self.slots = [Slot(n, role, folder, environ) for n, role in enumerate(roles, 1)]
        self._keeping: list[asyncio.Task[None]] = []

    def start(self, mourn: Mourn) -> None:
        """Start each, and see that it lives."""
        self._keeping = [asyncio.create_task(slot.keep(mourn)) for slot in self.slots]

    @property
    def web_ports(self) -> list[int]:
        return [slot.port for slot in self.slots if slot.webs]

    @property
    def failure(self) -> BaseException | None:
        """What went wrong in our own keeping of them."""
        ended = [task for task in self._keeping if task.done() and not task.cancelled()]
        return next((error for task in ended if (error := task.exception()) is not None), None)

    @property
    def armed(self) -> Slot | None:
        """The one that will die at a failpoint, if there is one."""
        return next((slot for slot in self.slots if slot.armed), None)

    def sound(self) -> bool:
        """Whether somebody takes in and somebody works."""
        up = [slot for slot in self.slots if slot.up]
        return any(slot.webs for slot in up) and any(slot.works for slot in up)

    def another_works(self, slot: Slot) -> bool:
        """Whether another than this one can go on with its work at the moment."""
        return any(other.works and other.up for other in self.slots if other is not slot)

    def victims(self, arm: Arm | None) -> list[Slot]:
        """Who may be killed now: who is up, has no failpoint ahead, and comes by this one when there is one."""
        return [s for s in self.slots if s.up and s.arm is None and (arm is None or script.passes(s.role, arm.name))]

    async def ready(self, timeout_s: float) -> None:
        """Until all are. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not all(slot.up for slot in self.slots):
                if (error := self.failure) is not None:
                    raise error
                await asyncio.sleep(0.05)

    async def stop(self) -> list[str]:
        """SIGTERM to all: what was wrong with how they ended."""
        statuses = await asyncio.gather(*(slot.stop() for slot in self.slots), return_exceptions=True)
        return [
            f"{slot.name} ended with {status!r} after SIGTERM"
            for slot, status in zip(self.slots, statuses, strict=True)
            if status != 0
        ]

    async def end(self) -> None:
        """None of them lives any more."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        for slot in self.slots:
            await slot.end()


def tail(path: Path) -> str:
    """The last that a process said."""
    return path.read_text(encoding="utf-8", errors="replace")[-TAIL:]
