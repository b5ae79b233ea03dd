"""The kills of a run: when, whom, at which failpoint; and what each found in hand.

A kill comes when those who should be up are, customers are answered and replies are on the wire. Its successor is given the next
failpoint, unless somebody has one ahead of him; a process that dies at a failpoint is a kill too. While somebody waits in vain to
come by his failpoint, whoever has the work that leads there is killed, so that it falls to him.
"""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

from msgspec import Struct

from tests.chaos import report, script
from tests.chaos.crew import Death, Slot, tail
from tests.chaos.report import Kill
from tests.chaos.scene import BEHIND_S, LATENCY_S, Scene, whole
from tests.chaos.script import Arm, Return, Step

BUSY_S, SOUND_S, SLOW_S, PATIENCE_S = 10.0, 60.0, 6.0, 120.0
"""How long is waited for customers and replies, for the processes, and, before others are killed for it and before the run is
given up, for a failpoint."""


class Bereft(Struct, frozen=True):
    """A kill whose victim was sending for these numbers."""

    kill: Kill
    numbers: list[UUID]
    boots: list[UUID]
    slot: Slot
    holder: UUID | None


class Havoc:
    """`wreak` kills until it is enough; `mourn` is to be told of every death."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._options, self._crew = scene, scene.options, scene.crew
        self._fired: set[str] = set()
        self._arms = script.arms(scene.options.seed, scene.options.failpoints)
        self._arm = next(self._arms, None)
        self._bereft: list[Bereft] = []
        self.kills: list[Kill] = []
        self.restarts: list[float] = []
        """When PostgreSQL was stopped."""
        self.in_flight = 0
        """The most that was on the wire at a kill."""

    @property
    def missing(self) -> list[str]:
        """Failpoints at which nobody has died."""
        return sorted({*self._options.failpoints} - self._fired)

    async def wreak(self) -> None:
        """Until there were enough kills and each failpoint fired, or one did not in all the time it had."""
        for step in script.steps(self._options.seed):
            if self._done():
                return
            if len(self.kills) // self._options.postgres_every > len(self.restarts):
                await self._restart_postgres()
            await self._pause(step.gap_s)
            if (fault := self._fault()) is not None:
                self._scene.find("run", fault)
                return
            if not self._done():  # the last may have died at its failpoint meanwhile
                await self._kill(step)

    def _done(self) -> bool:
        return len(self.kills) >= self._options.kills and not self.missing and self._crew.armed is None

    async def mourn(self, death: Death) -> None:
        """Note what a death found in hand, as soon as it is known."""
        scene = self._scene
        if not death.meant:
            return scene.find("died", f"{death.slot.name} ended with {death.status} by itself: {tail(death.output)}")
        if death.arm is not None:
            self._fired.add(death.arm.point)
        texts, posts = scene.crowd.pace(death.at), scene.tail.open_at(death.at, LATENCY_S)
        leases = [row for row in await scene.watch.leases() if row["holder"] == death.holder]
        boots = sorted({row["boot"] for row in leases})
        hand = await scene.watch.in_hand(boots)
        how = "SIGKILL" if death.arm is None else str(death.arm)
        kill = Kill(death.at, death.slot.name, how, texts, posts, hand)
        self.in_flight = max(self.in_flight, posts, hand.sending)
        numbers = [UUID(row["name"].removeprefix("send:")) for row in leases if row["name"].startswith("send:")]
        if numbers:
            self._bereft.append(Bereft(kill, numbers, boots, death.slot, death.holder))
        self.kills.append(kill)
        scene.say(report.line(kill, len(self.kills), self._options.kills))
        return None

    async def measure(self) -> None:
        """At the end: when what each kill left waiting went on, and who did it."""
        deaths = [*self.restarts, *(kill.at for kill in self.kills if not kill.who.startswith("web"))]
        for bereft in self._bereft:
            kill = bereft.kill
            if (found := await self._scene.watch.went_on(bereft.numbers, kill.at, bereft.boots)) is None:
                continue
            at, boot = found
            kill.by_itself = bereft.holder is not None and self._scene.watch.holders.get(boot) == bereft.holder
            started = next((start for start in bereft.slot.starts if start > kill.at), kill.at)
            kill.went_on_s = at - (started if kill.by_itself else kill.at)
            kill.disturbed = any(kill.at < death < at for death in deaths)

    # ── when ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _pause(self, gap_s: float) -> None:
        """Until it is time for the next kill."""
        await asyncio.sleep(gap_s)
        await self._until(self._fits, SOUND_S)
        await self._until(self._busy, BUSY_S)
        await self._until(lambda: self._crew.armed is None, SLOW_S)

    def _fits(self) -> bool:
        """At most one is down, somebody takes in and somebody works, and they have caught up: a machine that is too slow for kill
        upon kill is not what we are after."""
        down = sum(not slot.up for slot in self._crew.slots)
        return self._crew.sound() and down <= 1 and self._scene.watch.stored <= BEHIND_S * self._options.rate

    def _busy(self) -> bool:
        now = time.time()
        texts, posts = self._scene.crowd.pace(now), self._scene.tail.open_at(now, LATENCY_S)
        return texts >= report.BUSY_TEXTS and posts >= report.BUSY_POSTS

    async def _until(self, true: Callable[[], bool], most_s: float) -> None:
        """Wait for it, but not for ever: the line of the kill says how it was."""
        deadline = time.monotonic() + most_s
        while not true() and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            self._scene.check()

    def _fault(self) -> str | None:
        """Why the run cannot go on."""
        armed, now = self._crew.armed, time.time()
        if armed is not None and armed.arm is not None and now - armed.starts[-1] > PATIENCE_S:
            return f"{armed.name} did not come by {armed.arm} in {PATIENCE_S:g} s"
        if self.kills and now - self.kills[-1].at > PATIENCE_S + SOUND_S:
            return f"nobody could be killed any more: {[slot.name for slot in self._crew.slots if not slot.up]} did not start"
        return None

    # ── whom ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _kill(self, step: Step) -> None:
        waiting = self._crew.armed
        arm = self._arm if waiting is None and (step.armed or self.missing) else None
        victims = await self._victims(waiting.arm if waiting is not None else arm)
        if not victims:
            return
        slot = victims[int(step.whom * len(victims))]
        back, then = self._lonely(slot, step.back), self._lonely(slot, step.then)
        if arm is not None:
            self._arm, back = next(self._arms, None), Return(min(back.rest_s, script.SOON_S[1]))
        if waiting is not None:
            back = Return(script.LATE_S[1])
        count = len(self.kills)
        slot.kill(back, then, arm)
        await self._until(lambda: len(self.kills) > count, SOUND_S)

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
        holders = {row["holder"] for row in await self._scene.watch.leases() if row["name"] == "digest:0"}
        return [slot for slot in victims if slot.holder() in holders] or victims

    async def _restart_postgres(self) -> None:
        self.restarts.append(time.time())
        await whole(self._scene.cluster.restart, "immediate")
        self._scene.say(f"PostgreSQL was restarted in {time.time() - self.restarts[-1]:.1f} s")
