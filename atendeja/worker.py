"""The worker half of a process: the resident loops of the stages, lease renewal, the reconciler, Procrastinate, each supervised."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine

import structlog
from msgspec import Struct
from procrastinate import App

from atendeja import leases, ledger, queue, reconcile, tenants
from atendeja.db import Tx, query
from atendeja.errors import Unavailable
from atendeja.inbound import intake
from atendeja.inbound.digest import Digester
from atendeja.outbound.senders import Senders
from atendeja.queue import Bell
from atendeja.runtime import Runtime
from atendeja.turn.take import Turns

log = structlog.get_logger(__name__)

END_S = 2.0
"""How long loops may take to end, beyond the grace of a stop: their transactions roll back, Procrastinate signs off."""
RELEASE_S = 1.0
"""How long giving the leases back may take; else they end by themselves."""
DELIVERY_DAYS_AHEAD = 3
DELIVERY_DAYS_KEPT = 30
ORPHANS_KEPT = dt.timedelta(days=30)


class Made(Struct):
    made: int


class Dropped(Struct):
    dropped: int


DAYS_AHEAD = query("inbound.days_ahead", Made)
DAYS_BEHIND = query("inbound.days_behind", Dropped)


class Worker:
    """Everything that works on what is stored. `run` returns when told to stop and all in flight is recorded."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._digesters = {lane: Digester(rt, lane) for lane in (intake.PEOPLE, intake.STATUSES)}
        self._senders = Senders(rt)
        self._turns = Turns(rt, self._senders)
        self._reconciler = reconcile.Reconciler(rt)
        self._tasks: list[asyncio.Task[None]] = []
        self._drained = asyncio.Event()
        """Set when nothing is on the wire any more: until then our leases must not fall to others."""

    def start(self) -> None:
        """Start the loops; each looks at once, which is the sweep at start."""
        bells = self._rt.bells
        self._keep("digest", bells.digest, self._digesters[intake.PEOPLE].work)
        self._keep("statuses", bells.statuses, self._digesters[intake.STATUSES].work)
        self._keep("turn", bells.turn, self._turns.work)
        self._keep("send", bells.send, self._senders.work)
        self._repeat("reconcile", reconcile.EVERY_S, self._reconciler.work)
        self._repeat("renew", leases.RENEW_EVERY_S, self._renew, self._drained)
        self._repeat("watch", leases.RENEW_EVERY_S, self._turns.suspects.watch, self._drained)
        self._supervise("jobs", self._run_jobs)

    async def stop(self) -> None:
        """POSTs in flight finish and are recorded, while the grace lasts; leases go back, so that others go on at once."""
        for bell in (self._rt.bells.digest, self._rt.bells.statuses, self._rt.bells.turn, self._rt.bells.send):
            bell.ring()
        loop = asyncio.get_running_loop()
        draining = loop.create_task(self._senders.drain(), name="drain")
        await self._rt.grant(draining)
        self._drained.set()
        await queue.end([draining, *self._tasks], END_S)
        releasing = loop.create_task(self._release(), name="release")
        await asyncio.wait({releasing}, timeout=RELEASE_S)
        releasing.cancel()

    async def _release(self) -> None:
        with contextlib.suppress(Unavailable):
            async with self._rt.db.session() as session:
                await leases.release(session, self._rt.who)
            await self._turns.suspects.rest()

    def _keep(self, name: str, bell: Bell, work: Callable[[], Awaitable[bool]]) -> None:
        async def beat() -> bool:
            more = await work()
            self._beat(name)
            return more

        self._supervise(name, lambda: queue.resident(bell, beat, self._rt.stopping))

    def _repeat(self, name: str, seconds: float, work: Callable[[], Awaitable[None]], until: asyncio.Event | None = None) -> None:
        until = until or self._rt.stopping

        async def beat() -> None:
            await work()
            self._beat(name)

        self._supervise(name, lambda: queue.every(seconds, beat, until), until)

    def _beat(self, name: str) -> None:
        self._rt.beats[name] = self._rt.monotonic()

    def _supervise(self, name: str, run: Callable[[], Coroutine[object, object, None]], until: asyncio.Event | None = None) -> None:
        rt = self._rt
        rt.beats[name] = rt.monotonic()
        watched = queue.supervise(
            name,
            run,
            until or rt.stopping,
            lambda loop: rt.meter.count("loops_ended", label=loop),
            lambda: rt.monotonic() - rt.beats[name],
            queue.STALL_S,
        )
        self._tasks.append(asyncio.get_running_loop().create_task(watched, name=name))

    async def _renew(self) -> None:
        """Renew what this process holds. What has gone to another is let go at once."""
        digesting = [d for d in self._digesters.values() if d.leased]
        held = self._senders.leases() | {d.lease for d in digesting}
        if held:
            async with self._rt.db.session() as session:
                kept = await leases.renew(session, self._rt.who, held)
            for digester in digesting:
                digester.leased = digester.lease in kept
            self._senders.lost(held - kept)

    async def _run_jobs(self) -> None:
        """Procrastinate's worker: wake-ups, and what has to be done by the clock."""
        url = self._rt.config.listen_url.reveal()  # its worker lives on notifications
        app = queue.build_app(
            url,
            {"wake": self._wake},
            {
                "rescue_stalled_jobs": ("* * * * *", lambda timestamp: self._rescue(app)),
                "keep_delivery_days": ("7 * * * *", lambda timestamp: self._keep_days()),
                "drop_old_orphans": ("17 3 * * *", lambda timestamp: self._drop_orphans()),
            },
            lambda: self._beat("jobs"),
        )
        async with app.open_async():
            await self._rescue(app)
            await self._keep_days()
            await app.run_worker_async(
                name="atendeja",
                concurrency=4,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=0.5,
            )

    async def _wake(self, stage: queue.Stage) -> None:
        bells = self._rt.bells
        for bell in {"digest": (bells.digest, bells.statuses), "turn": (bells.turn,), "send": (bells.send,)}[stage]:
            bell.ring()

    async def _rescue(self, app: App) -> None:
        async with self._rt.db.session() as session:
            await queue.rescue_stalled(app, session, self._rt.now())

    async def _keep_days(self) -> None:
        async with self._rt.db.session() as session:
            await session.one(DAYS_AHEAD, ahead=DELIVERY_DAYS_AHEAD)
            dropped = await session.one(DAYS_BEHIND, keep=DELIVERY_DAYS_KEPT)
        if dropped is not None and dropped.dropped:
            log.info("delivery_days_dropped", days=dropped.dropped)

    async def _drop_orphans(self) -> None:
        before = self._rt.now() - ORPHANS_KEPT
        async with self._rt.db.session() as session:
            everyone = await session.all(tenants.EVERYONE)
        for tenant in everyone:

            async def work(tx: Tx) -> int:
                return await tx.run(ledger.DROP_ORPHANS, before=before)

            await self._rt.db.transact(tenant.id, work)
