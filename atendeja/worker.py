"""The worker half of a process: the resident loops of the stages, lease renewal, the reconciler, Procrastinate, each supervised."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable, Collection, Coroutine

import structlog
from msgspec import Struct
from procrastinate import App

from atendeja import broadcast, endpoint, guard, jobs, leases, ledger, privacy, queue, reconcile, streams, tenants, webhooks
from atendeja.blobs import Blobs
from atendeja.db import Nothing, Query, Tx, query
from atendeja.errors import Unavailable
from atendeja.inbound import intake
from atendeja.inbound.digest import Digester
from atendeja.notify import tell_hold
from atendeja.outbound.senders import Senders
from atendeja.queue import Bell
from atendeja.runtime import LOOK_S, Runtime
from atendeja.turn.take import Turns
from atendeja.webhooks import Courier

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
    """Everything that works on what is stored. `stop` returns when all in flight is recorded."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._digesters = {lane: Digester(rt, lane) for lane in (intake.PEOPLE, intake.STATUSES)}
        self._senders = Senders(rt)
        self._turns = Turns(rt, self._senders)
        self._reconciler = reconcile.Reconciler(rt)
        self._courier = Courier(rt)
        self._workshop = jobs.Workshop(rt, privacy.KINDS)
        self._retention = privacy.Retention(rt)
        self._told = rt.guard.hold is not None
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
        self._keep("webhooks", bells.webhooks, self._courier.work)
        self._repeat("reconcile", reconcile.EVERY_S, self._reconciler.work)
        self._repeat("guard", guard.EVERY_S, self._watch, self._drained)
        self._repeat("renew", leases.RENEW_EVERY_S, self._renew, self._drained)
        self._supervise("listen", self._listen)
        self._repeat("watch", leases.RENEW_EVERY_S, self._turns.suspects.watch, self._drained)
        self._supervise("jobs", self._run_jobs)
        self._tasks.append(asyncio.get_running_loop().create_task(self._hand_over(), name="hand over"))

    async def stop(self) -> None:
        """POSTs in flight finish and are recorded, while the grace lasts; leases go back as they are no longer needed."""
        loop = asyncio.get_running_loop()
        draining = loop.create_task(self._senders.drain(), name="drain")
        delivering = loop.create_task(self._courier.drain(), name="deliver")
        await self._rt.grant(draining)
        await self._rt.grant(delivering)
        self._drained.set()
        await queue.end([draining, delivering, *self._courier.tasks, *self._tasks], END_S)
        releasing = loop.create_task(self._release(), name="release")
        await asyncio.wait({releasing}, timeout=RELEASE_S)
        releasing.cancel()

    async def _hand_over(self) -> None:
        """From the order to stop: what is in flight may take all of the grace, and others go on with the rest at once."""
        await self._rt.stopping.wait()
        bells = self._rt.bells
        for bell in (bells.digest, bells.statuses, bells.turn, bells.send, bells.webhooks):
            bell.nudge()
        await asyncio.wait([task for task in self._tasks if task.get_name() in ("digest", "statuses")])
        bells.work_elsewhere()
        given = None
        while True:
            if (kept := self._senders.leases()) != given:
                await self._release(kept)
                given = kept
            await asyncio.sleep(LOOK_S)

    async def _release(self, kept: Collection[str] = ()) -> None:
        """Give all leases but these back, and tell the others that they are free."""
        with contextlib.suppress(Unavailable):
            async with self._rt.db.session() as session:
                await self._rt.leases.release(session, kept)
            self._rt.broadcast.tell(broadcast.EVERYTHING)
            await self._rt.broadcast.told()
            if self._drained.is_set():
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

    async def _listen(self) -> None:
        await self._rt.broadcast.listen(self._rt.config.listen_url.reveal(), self._rt.bells.hear, lambda: self._beat("listen"))

    async def _renew(self) -> None:
        """Renew what this process holds. What has gone to another is let go by whoever used it."""
        instant = self._rt.monotonic()
        async with self._rt.db.session() as session:
            await self._rt.leases.renew(session, instant)

    async def _watch(self) -> None:
        """Raise the guard's mark, and take note when sending is held or goes on again."""
        async with self._rt.db.session() as session:
            await self._rt.guard.visit(session, self._rt.now())
        hold, bells = self._rt.guard.hold, self._rt.bells
        if hold is not None and not self._told:
            tell_hold(self._rt.meter, hold)
        elif hold is None and self._told:
            log.info("sending_resumed")
            for bell in (bells.send, *bells.numbers.values()):
                bell.ring()
        self._told = hold is not None

    async def _run_jobs(self) -> None:
        """Procrastinate's worker: wake-ups, and what has to be done by the clock."""
        url = self._rt.config.listen_url.reveal()  # its worker lives on notifications
        app = queue.build_app(
            url,
            {"wake": self._wake, jobs.TASK: self._workshop.work},
            {
                "sweep_jobs": ("* * * * *", lambda timestamp: self._workshop.sweep()),
                "drop_files": ("47 * * * *", lambda timestamp: self._drop_files()),
                "rescue_stalled_jobs": ("* * * * *", lambda timestamp: self._rescue(app)),
                "keep_delivery_days": ("7 * * * *", lambda timestamp: self._keep_days()),
                "drop_old_events": ("27 * * * *", lambda timestamp: streams.drop_old(self._rt)),
                "forget_webhook_deliveries": ("47 * * * *", lambda timestamp: webhooks.forget(self._rt, streams.KEPT)),
                "drop_old_orphans": ("17 3 * * *", lambda timestamp: self._drop(ledger.DROP_ORPHANS, ORPHANS_KEPT)),
                "empty_old_rows": ("41 4 * * *", lambda timestamp: self._retention.work()),
                "forget_idempotency_keys": ("37 * * * *", lambda timestamp: self._drop(endpoint.FORGET, endpoint.KEEPS)),
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
            await session.run(leases.FORGET_DOORS)
        if dropped is not None and dropped.dropped:
            log.info("delivery_days_dropped", days=dropped.dropped)

    async def _drop_files(self) -> None:
        """Of jobs, whose time is over."""
        blobs = Blobs(self._rt.config.media_path)
        async with self._rt.db.session() as session:
            everyone = await session.all(tenants.EVERYONE)
        for tenant in everyone:
            await jobs.drop_files(self._rt.db, blobs, tenant.id, self._rt.now())

    async def _drop(self, statement: Query[Nothing], kept: dt.timedelta) -> None:
        """Drop what is older, in each tenant and of the installation itself."""
        before = self._rt.now() - kept
        async with self._rt.db.session() as session:
            everyone = await session.all(tenants.EVERYONE)
        for tenant_id in [tenants.INSTALLATION, *(tenant.id for tenant in everyone)]:

            async def work(tx: Tx) -> int:
                return await tx.run(statement, before=before)

            await self._rt.db.transact(tenant_id, work)
