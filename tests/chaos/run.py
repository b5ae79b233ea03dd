"""A run: everything is started, customers write, processes are killed and the database is restarted, and what is left is judged.

The witness is the simulator, a process of its own that nobody kills. Nothing here looks into the processes under test: what
they hold shows in the database, what they did in the simulator's log.
"""

import asyncio
import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import ParamSpec
from uuid import UUID

import aiohttp
import msgspec
from msgspec import Struct

from atendeja import failpoints, migrate
from atendeja.dev.postgres import LOGIN, SUPERUSER, Cluster
from atendeja.simulator.webhooks import Counts
from tests import server, world
from tests.bench import stage
from tests.chaos import crew, judge, report, script, watch
from tests.chaos.crew import Crew, Death, Slot
from tests.chaos.crowd import FLOW, Crowd
from tests.chaos.judge import Evidence, Finding
from tests.chaos.report import Kill, Result
from tests.chaos.script import Arm, Options, Return, Step
from tests.chaos.watch import Hand, Tail, Watch
from tests.journeys import process
from tests.journeys.process import Child

DATABASE = "chaos"
LATENCY_S = 0.25
"""How long the simulator takes to answer a POST: what keeps enough of them open."""
SIMULATOR = {
    "rate": None, "pair": False, "window": False, "latency_s": LATENCY_S, "sent_s": 0.1, "delivered_s": 0.5, "read_s": None,
    "retry_first_s": 0.2, "retry_most_s": 5.0,
}  # fmt: skip
DISORDER = {"duplicate": 0.05, "reorder": 0.1, "batch": 10, "delay_s": 0.05}
TURN_S = 1.0
"""Statuses go to another web port after so long."""
START_S, BUSY_S, SOUND_S, PATIENCE_S, SLOW_S = 90.0, 10.0, 20.0, 90.0, 6.0
BEHIND_S, OVERRUN_S = 10.0, 40.0
"""With more than so many seconds' deliveries undigested nobody is killed; with more than so many, no customer comes either."""
AFTER_T_S = 60.0
"""Beyond T, until all must be quiet."""
NOTHING = Hand(0, 0, 0, 0)

Say = Callable[[str], None]
P = ParamSpec("P")


class State(Struct):
    """What of the simulator's state is of use here."""

    webhooks: Counts


class Bereft(Struct, frozen=True):
    """A kill whose victim was sending for these numbers."""

    kill: Kill
    numbers: list[UUID]
    boots: list[UUID]
    slot: Slot
    holder: UUID | None


class Run:
    """One run in a folder of its own. `play` is the whole of it."""

    def __init__(self, options: Options, folder: Path, cluster: Cluster, say: Say) -> None:
        self._options, self._folder, self._cluster, self._say = options, folder, cluster, say
        self._kills: list[Kill] = []
        self._bereft: list[Bereft] = []
        self._restarts: list[float] = []
        self._findings: list[Finding] = []
        self._fired: set[str] = set()
        self._arms = script.arms(options.seed)
        self._arm = next(self._arms)
        self._in_flight = 0

    # ── the whole ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def play(self) -> Result:
        """Start, kill, wait for quiet, judge. Raises what went wrong with the run itself; findings are in the result."""
        began = time.monotonic()
        await self._build()
        async with self._playing():
            await self._kill_them()
            last = time.time()
            await self._calm(last)
            quiet_s = time.time() - last
            for fault in await self._crew.stop():
                self._find("stop", fault)
        await self._measure()
        totals = await self._watch.totals()
        await self._judge()
        return Result(
            self._options, self._kills, len(self._restarts), len(self._crowd.acknowledged), self._crowd.refused, totals,
            sum(line.wamid is not None for line in self._tail.lines), self._in_flight, quiet_s, time.monotonic() - began,
            self._findings,
        )  # fmt: skip

    async def _build(self) -> None:
        await _whole(self._cluster.start)
        await _whole(self._cluster.create_database, DATABASE)
        self._dsn = self._cluster.dsn(DATABASE, SUPERUSER)
        await migrate.run(self._dsn, login=LOGIN)
        await stage.furnish(self._cluster.dsn(DATABASE), FLOW)
        self._watch = Watch(self._dsn)

    @contextlib.asynccontextmanager
    async def _playing(self) -> AsyncIterator[None]:
        """All processes and the customers, ended in any case."""
        log = self._folder / "simulator.jsonl"
        async with process.simulating(self._folder, witness=log) as self._simulator, aiohttp.ClientSession() as self._http:
            self._tail = Tail(log)
            await self._tell("settings", SIMULATOR)
            await self._tell("webhooks", {**DISORDER, "seed": self._options.seed})
            self._crew = Crew(script.ROLES[self._options.processes], self._folder, self._environ(self._simulator))
            self._crowd = Crowd(self._crew.web_ports, self._options.rate, self._options.seed)
            tasks = []
            try:
                self._crew.start(self._mourn)
                await self._crew.ready(START_S)
                self._coming = asyncio.create_task(self._crowd.run())
                tasks = [
                    self._coming,
                    *(asyncio.create_task(work) for work in (self._watch.follow(), self._turn_about(), self._spare())),
                ]
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._crew.end()
                self._tail.read()
                self._tail.close()

    def _environ(self, simulator: Child) -> dict[str, str]:
        urls = self._cluster.dsn(DATABASE), self._dsn
        more = {"WA_API_BASE": simulator.url, "IN_DOUBT_S": str(self._options.doubt_s), "DATABASE_WAIT_S": "60"}
        return world.environ(*urls, self._folder, **more)

    async def _turn_about(self) -> None:
        """Statuses go to the web processes in turn, alive or not: the simulator posts again."""
        dice = random.Random(f"doors {self._options.seed}")
        while True:
            await self._tell("settings", {"webhook_url": f"http://127.0.0.1:{dice.choice(self._crew.web_ports)}/webhook"})
            await asyncio.sleep(TURN_S)

    async def _spare(self) -> None:
        """Let no customer come while they are far behind: a machine shared with others may be too slow for the rate."""
        while True:
            self._crowd.hold = self._watch.stored > OVERRUN_S * self._options.rate
            await asyncio.sleep(0.1)

    async def _tell(self, what: str, body: object) -> None:
        async with self._http.post(f"{self._simulator.url}/_sim/{what}", data=msgspec.json.encode(body)) as response:
            assert response.status == 200, await response.text()

    # ── kills ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _kill_them(self) -> None:
        """Until there were enough kills and each failpoint fired, or one did not in all the time it had."""
        for step in script.steps(self._options.seed):
            if self._done():
                return
            if len(self._kills) // self._options.postgres_every > len(self._restarts):
                await self._restart_postgres()
            if not await self._pause(step.gap_s):
                return
            await self._kill(step)

    def _done(self) -> bool:
        return len(self._kills) >= self._options.kills and not self._missing() and self._crew.armed is None

    def _missing(self) -> list[str]:
        return sorted(failpoints.NAMES - self._fired)

    async def _pause(self, gap_s: float) -> bool:
        """Until it is time for the next kill: all that should be up is, customers are answered, replies are on the wire, and who
        has a failpoint ahead had time to come by it. False when somebody did not in all the time there is."""
        await asyncio.sleep(gap_s)
        await self._until(self._fits, SOUND_S)
        await self._until(self._busy, BUSY_S)
        await self._until(lambda: self._crew.armed is None, SLOW_S)
        armed = self._crew.armed
        if armed is not None and self._stuck(armed):
            self._find("run", f"{armed.name} did not come by {armed.arm} in {PATIENCE_S:g} s")
            return False
        if self._kills and time.time() - self._kills[-1].at > PATIENCE_S + SOUND_S:
            self._find(
                "run", f"nobody could be killed any more: {[slot.name for slot in self._crew.slots if not slot.up]} did not start"
            )
            return False
        return True

    def _stuck(self, slot: Slot) -> bool:
        return slot.arm is not None and time.time() - slot.starts[-1] > PATIENCE_S

    def _fits(self) -> bool:
        """At most one is down, somebody takes in and somebody works, and they have caught up: a machine that is too slow for kill
        upon kill is not what we are after."""
        down = sum(not slot.up for slot in self._crew.slots)
        return self._crew.sound() and down <= 1 and self._watch.stored <= BEHIND_S * self._options.rate

    def _busy(self) -> bool:
        now = time.time()
        return self._crowd.pace(now) >= report.BUSY_TEXTS and self._tail.open_at(now, LATENCY_S) >= report.BUSY_POSTS

    async def _until(self, true: Callable[[], bool], most_s: float) -> None:
        """Wait for it, but not for ever: the line of the kill says how it was."""
        deadline = time.monotonic() + most_s
        while not true() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            self._check()

    def _check(self) -> None:
        """Raises what ended a part of the run."""
        if (error := self._crew.failure) is not None:
            raise error
        if self._coming.done():
            self._coming.result()
        assert self._simulator.alive, f"the simulator ended: {crew.tail(self._simulator.output)}"

    async def _kill(self, step: Step) -> None:
        """Kill somebody, and give its successor the next failpoint. While somebody waits in vain to come by his, kill another who
        does that work meanwhile, for longer than its leases last."""
        waiting = self._crew.armed
        arm = self._arm if waiting is None and (step.armed or self._missing()) else None
        victims = await self._victims(waiting.arm if waiting is not None else arm)
        if not victims:
            return
        slot = victims[int(step.whom * len(victims))]
        back, then = self._lonely(slot, step.back), self._lonely(slot, step.then)
        if arm is not None:
            self._arm, back = next(self._arms), Return(min(back.rest_s, script.SOON_S[1]))
        if waiting is not None:
            back = Return(script.LATE_S[1])
        count = len(self._kills)
        slot.kill(back, then, arm)
        await self._until(lambda: len(self._kills) > count, SOUND_S)

    def _lonely(self, slot: Slot, back: Return) -> Return:
        """Nobody waits for another to take over when there is no other."""
        if not slot.works or self._crew.another_works(slot):
            return back
        return Return(min(back.rest_s, script.SOON_S[1]), back.fresh)

    async def _victims(self, arm: Arm | None) -> list[Slot]:
        """Who may be killed. For a failpoint of digest its holder: the successor gets its leases back."""
        victims = self._crew.victims(arm)
        if arm is None or not arm.name.startswith("digest."):
            return victims
        holders = {row["holder"] for row in await self._watch.leases() if row["name"] == "digest:0"}
        return [slot for slot in victims if slot.holder() in holders] or victims

    async def _restart_postgres(self) -> None:
        self._restarts.append(time.time())
        await _whole(self._cluster.restart, "immediate")
        self._say(f"PostgreSQL was restarted in {time.time() - self._restarts[-1]:.1f} s")

    async def _mourn(self, death: Death) -> None:
        """Note what a death found in hand, as soon as it is known."""
        if not death.meant:
            self._find("died", f"{death.slot.name} ended with {death.status} by itself: {crew.tail(death.output)}")
            return
        if death.arm is not None:
            self._fired.add(death.arm.name)
        texts, posts = self._crowd.pace(death.at), self._tail.open_at(death.at, LATENCY_S)
        leases = [row for row in await self._watch.leases() if row["holder"] == death.holder]
        boots = sorted({row["boot"] for row in leases})
        hand = await self._watch.in_hand(boots)
        how = "SIGKILL" if death.arm is None else str(death.arm)
        kill = Kill(death.at, death.slot.name, how, texts, posts, hand)
        self._in_flight = max(self._in_flight, posts, hand.sending)
        numbers = [UUID(row["name"].removeprefix("send:")) for row in leases if row["name"].startswith("send:")]
        if numbers:
            self._bereft.append(Bereft(kill, numbers, boots, death.slot, death.holder))
        self._kills.append(kill)
        self._say(report.line(kill, len(self._kills), self._options.kills))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _calm(self, since: float) -> None:
        """Customers go home; then nothing may be left to do, T and a minute after the last kill."""
        self._crowd.leave()
        deadline = since + self._options.doubt_s + AFTER_T_S
        left: dict[str, int] = {"anything": 1}
        while left and time.time() < deadline:
            await asyncio.sleep(0.2)
            self._check()
            left = await self._left()
        if left:
            told = ", ".join(f"{n} {kind}" for kind, n in left.items())
            self._find("I8", f"{time.time() - since:.0f} s after the last kill there are left: {told}")

    async def _left(self) -> dict[str, int]:
        waiting = 0 if self._coming.done() else max(1, self._crowd.unanswered)
        async with self._http.get(f"{self._simulator.url}/_sim/state") as response:
            state = msgspec.json.decode(await response.read(), type=State)
        outside = {"texts to come": waiting, "statuses to come": state.webhooks.waiting}
        return {kind: n for kind, n in outside.items() if n} | await self._watch.left()

    async def _measure(self) -> None:
        """When what each kill left waiting went on, and who did it."""
        deaths = [*self._restarts, *(kill.at for kill in self._kills if not kill.who.startswith("web"))]
        for bereft in self._bereft:
            kill = bereft.kill
            if (found := await self._watch.went_on(bereft.numbers, kill.at, bereft.boots)) is None:
                continue
            at, boot = found
            kill.by_itself = bereft.holder is not None and self._watch.holders.get(boot) == bereft.holder
            started = next((start for start in bereft.slot.starts if start > kill.at), kill.at)
            kill.went_on_s = at - (started if kill.by_itself else kill.at)
            kill.disturbed = any(kill.at < death < at for death in deaths)

    async def _judge(self) -> None:
        self._findings += report.faults(self._kills, self._missing())
        if n := watch.deadlocks(self._cluster.log_file):
            self._find("deadlocks", f"PostgreSQL reports {n}")
        acknowledged = list(self._crowd.acknowledged.values())
        evidence = Evidence(self._tail.lines, acknowledged, len(self._kills), self._in_flight)
        (self._folder / "evidence.json").write_bytes(msgspec.json.encode(evidence))
        self._findings += await judge.check(self._dsn, evidence, self._options.doubt_s)

    def _find(self, what: str, detail: str) -> None:
        self._findings.append(Finding(what, detail))
        self._say(f"FINDING {what}: {detail}")


async def run(options: Options, say: Say) -> tuple[Result, Path | None]:
    """A run on a PostgreSQL of its own that syncs to a disk; with the folder of all that was written when something was found.

    Cancelled it leaves nothing behind; an error leaves the folder, and names it.
    """
    folder = Path(tempfile.mkdtemp(prefix="atendeja-chaos-"))
    folder.chmod(0o755)
    cluster, kept = Cluster(folder / "postgres", bin_dir=server.bin_dir()), True
    try:
        result = await Run(options, folder, cluster, say).play()
        kept = bool(result.findings)
    except asyncio.CancelledError:
        kept = False
        raise
    except Exception as error:
        error.add_note(f"what was written is in {folder}")
        raise
    finally:
        if kept:
            cluster.stop()
        else:
            cluster.destroy()
            shutil.rmtree(folder, ignore_errors=True)
    return result, folder if kept else None


async def _whole(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Do it in a thread, to its end also when we are cancelled: half a restart would leave a server that nobody stops."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
