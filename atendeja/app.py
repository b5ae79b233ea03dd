"""The process: opens what it needs, serves HTTP, runs the worker, and stops without losing anything.

`serve` is the one way in for the command line, `dev` and the tests. At start: wait for the database, migrate, refuse a role
that row security does not bind. At SIGTERM: no new requests, no new claims, what is in flight finishes, leases go back, exit 0.
"""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Literal

import structlog
import uvicorn
from psycopg.conninfo import conninfo_to_dict
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from atendeja import (
    accounts,
    audit,
    connections,
    contacts,
    db,
    dead_letters,
    docs,
    endpoint,
    flows,
    health,
    inbox,
    installation,
    jobs,
    leases,
    media,
    metrics,
    migrate,
    notify,
    numbers,
    openapi,
    privacy,
    reporting,
    streams,
    tenants,
    webhooks,
)
from atendeja.cloud import Cloud
from atendeja.config import Config
from atendeja.db import Database
from atendeja.endpoint import Api
from atendeja.errors import Refused, Unavailable
from atendeja.inbound import deliveries, webhook
from atendeja.inbound.intake import Intake
from atendeja.queue import end, every, supervise
from atendeja.runtime import KEEP_TIME_EVERY_S, Runtime, fresh_id
from atendeja.watchdog import Watchdog
from atendeja.worker import Worker

log = structlog.get_logger(__name__)

Role = Literal["all", "web", "worker"]

ENDPOINTS = [
    *accounts.ROUTES,
    *audit.ROUTES,
    *contacts.ROUTES,
    *privacy.ROUTES,
    *jobs.ROUTES,
    *streams.ROUTES,
    *webhooks.ROUTES,
    *tenants.ROUTES,
    *numbers.ROUTES,
    *inbox.ROUTES,
    *media.ROUTES,
    *dead_letters.ROUTES,
    *flows.ROUTES,
    *reporting.ROUTES,
    *installation.ROUTES,
    *deliveries.ROUTES,
]
"""Everything under /v1."""

KEEP_ALIVE_S = 5
GC_THRESHOLDS = (20_000, 20, 50)
END_S = 1.0
"""What a library still does when all of ours is closed may take so long."""


async def wait_for_database(config: Config) -> Database:
    """Connect, saying each try; migrate first when MIGRATE is auto. Raises Refused, or Unavailable after DATABASE_WAIT_S."""
    loop = asyncio.get_running_loop()
    deadline, wait_s = loop.time() + config.database_wait_s, 0.25
    while True:
        try:
            if config.migrate == "auto":
                await migrate.run(config.admin_url.reveal(), login=serving_login(config))
            return await _connect_ready(config)
        except Unavailable as error:
            left_s = deadline - loop.time()
            if left_s <= 0:
                raise Unavailable(f"{error}; gave up after DATABASE_WAIT_S = {config.database_wait_s:g} s") from error
            log.warning("database_awaited", error=str(error), seconds_left=round(left_s))
            await asyncio.sleep(min(wait_s, left_s))
            wait_s = min(wait_s * 2, 5.0)


async def _connect_ready(config: Config) -> Database:
    database = await db.connect(config.database_url.reveal())
    try:
        if waiting := await migrate.lacking(database):
            auto = "DATABASE_ADMIN_URL, which was migrated, must name the database of DATABASE_URL"
            hint = auto if config.migrate == "auto" else "run `atendeja migrate`, or set MIGRATE=auto"
            raise Refused("schema_behind", f"the database of DATABASE_URL lacks {', '.join(waiting)}", hint=hint)
        await db.verify_standing(database)
        if config.database_listen_url is not None:
            await (await db.connect(config.listen_url.reveal(), size=1, setting="DATABASE_LISTEN_URL")).close()
    except (Refused, Unavailable):
        await database.close()
        raise
    except db.TRANSIENT as error:
        await database.close()
        raise Unavailable(f"the database is away: {db.describe(error)}") from error
    return database


def serving_login(config: Config) -> str | None:
    """The user of DATABASE_URL, who must be allowed to become atendeja_app."""
    user = conninfo_to_dict(config.database_url.reveal()).get("user")
    return str(user) if user else None


@contextlib.asynccontextmanager
async def open_runtime(config: Config) -> AsyncIterator[Runtime]:
    """Everything an entry point needs, closed again at the end."""
    database = await wait_for_database(config)
    try:
        who = leases.identify(config.state_dir, fresh_id(), fresh_id())
    except OSError as error:
        await database.close()
        raise Refused("state_dir", f"STATE_DIR {config.state_dir} cannot be written: {error.strerror}") from error
    cloud = Cloud(config.wa_api_base, config.wa_api_version)
    rt = Runtime(config=config, db=database, cloud=cloud, who=who)
    try:
        with contextlib.suppress(Unavailable):  # asked again soon
            await rt.keep_time()
        await _open_guard(rt)
        database.greet = lambda session: rt.guard.meet(session, rt.now())
        yield rt
    finally:
        await rt.trials.close()
        await cloud.close()
        await rt.outside.close()
        await database.close()
        os.close(who.descriptor)


async def _open_guard(rt: Runtime) -> None:
    """See what the database has seen. It may have gone away since it was connected to: then it is waited for as before. Raises
    Unavailable after DATABASE_WAIT_S."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + rt.config.database_wait_s
    while True:
        try:
            async with rt.db.session() as session:
                await rt.guard.open(session, rt.now())
        except Unavailable as error:
            if loop.time() > deadline:
                raise
            log.warning("database_awaited", error=str(error), seconds_left=round(deadline - loop.time()))
            await asyncio.sleep(0.25)
        else:
            return


def build(rt: Runtime, role: Role, extra: list[BaseRoute] | None = None) -> Starlette:
    """The ASGI application of a role; its lifespan starts and stops everything else."""
    intake = Intake(rt)
    worker = Worker(rt) if role != "web" else None

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        watching = Watchdog(rt)
        watching.start()
        clock = _keep(rt, "clock", lambda: every(KEEP_TIME_EVERY_S, rt.keep_time, rt.stopping), rt.stopping)
        flushing = _keep(rt, "intake", intake.run, intake.closing)
        audience = _keep(rt, "audience", lambda: rt.feed.audience.keep(rt.stopping), rt.stopping)
        listening = _keep(rt, "listen", lambda: _listen(rt), rt.stopping) if worker is None else None  # as every worker does
        door = None if role == "worker" else _keep(rt, "door", lambda: _hold_door(rt), rt.stopping)
        if rt.guard.hold is not None:
            notify.tell_hold(rt.meter, rt.guard.hold)
        if worker is not None:
            worker.start()
        else:
            rt.bells.work_elsewhere()
        if role != "worker":
            with contextlib.suppress(Unavailable):  # it is only a hint
                await accounts.warn(rt)
        log.info("started", role=role, port=rt.config.port)
        try:
            yield
        finally:
            log.info("stopping")
            if not rt.stopping.is_set():
                rt.stop()
            intake.close()
            clock.cancel()
            await rt.grant(flushing)
            if worker is not None:
                await worker.stop()
            for task in (audience, listening, door):
                if task is not None:
                    task.cancel()
            watching.stop()
            log.info("stopped")

    doors = [*webhook.routes(rt, intake), *api(rt).routes(), *openapi.routes(ENDPOINTS), *docs.routes()] if role != "worker" else []
    routes: list[BaseRoute] = [*doors, *health.routes(rt), *metrics.routes(rt), *(extra or [])]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={Exception: endpoint.answer_bug})


def api(rt: Runtime) -> Api[Runtime]:
    """What is under /v1. Closed without JWT_SECRET: there is no default secret."""
    closed = None if rt.config.jwt_keys else accounts.CLOSED
    return Api(rt, ENDPOINTS, accounts.Gate(rt), rt.config.secret_keys, rt.config.proxies, closed, rt.config.api_rate)


def _keep(rt: Runtime, name: str, run: Callable[[], Coroutine[object, object, None]], until: asyncio.Event) -> asyncio.Task[None]:
    watched = supervise(name, run, until, lambda loop: rt.meter.count("loops_ended", label=loop))
    return asyncio.get_running_loop().create_task(watched, name=name)


async def _listen(rt: Runtime) -> None:
    """Hear what others tell: streams live on it."""
    await rt.broadcast.listen(rt.config.listen_url.reveal(), rt.bells.hear)


async def _hold_door(rt: Runtime) -> None:
    """Tell the others that webhooks are taken here."""

    async def take() -> None:
        instant = rt.monotonic()
        async with rt.db.session() as session:
            await rt.leases.take(session, leases.door_name(rt.who), instant)

    await every(leases.RENEW_EVERY_S, take, rt.stopping)


class Server(uvicorn.Server):
    """uvicorn without its habit of raising the signal again at the end: a drained stop is exit 0."""

    def __init__(self, config: uvicorn.Config, on_stop: Sequence[Callable[[], None]]) -> None:
        """`on_stop` is called at each signal: at the first before connections are waited for, at the second nothing more is."""
        super().__init__(config)
        self.server_state = self._crowd = connections.Crowd(connections.room())
        self._on_stop = on_stop
        self._timer: asyncio.TimerHandle | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's. Raises Refused when another, who had bound the port too, was the first to listen."""
        try:
            await super().startup(sockets)
        except OSError as error:
            await self.lifespan.shutdown()
            raise _cannot_listen(self.config.host, self.config.port, error) from error
        self._sweep()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's; the second signal cuts the waiting short, but not the putting away."""
        try:
            await super().shutdown(sockets)
        finally:
            if self._timer is not None:
                self._timer.cancel()
        if self.force_exit:
            await self.lifespan.shutdown()

    def _sweep(self) -> None:
        """Look at who keeps us waiting, again and again until the end of the shutdown."""
        loop = asyncio.get_running_loop()
        self._crowd.sweep(loop.time())
        self._timer = loop.call_later(connections.SWEEP_S, self._sweep)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._stop)
        try:
            yield
        finally:
            for sig in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(sig)

    def _stop(self) -> None:
        self.force_exit = self.should_exit  # the second signal does not wait
        self.should_exit = True
        for call in self._on_stop:
            call()


def listen(host: str, port: int) -> socket.socket:
    """Bind the port before anything else is opened. Raises Refused when it is taken or may not be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves TCP_NODELAY off
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise _cannot_listen(host, port, error) from error
    sock.set_inheritable(True)
    return sock


def _cannot_listen(host: str, port: int, error: OSError) -> Refused:
    of_port = error.errno in (errno.EADDRINUSE, errno.EACCES)
    hint = "stop what uses it, or choose another with --port or PORT" if of_port else "choose another with --host or HOST"
    return Refused("port_taken", f"cannot listen on {host}:{port}: {error.strerror}", hint=hint)


def make_server(app: Starlette, config: Config, on_stop: Sequence[Callable[[], None]]) -> Server:
    return Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=int(config.shutdown_grace_s),
            server_header=False,
            http=connections.Connection,
            ws="none",
            backlog=2048,
        ),
        on_stop,
    )


async def serve(config: Config, role: Role) -> None:
    """Run until a signal. Raises Refused or Unavailable when it cannot start.

    What the start made stays, and cycles are rare in what comes after: looking for them every 700 objects took a twentieth of
    the process's time.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    sock = listen(config.host, config.port)
    with contextlib.closing(sock):
        async with open_runtime(config) as rt:
            await make_server(build(rt, role), config, [rt.stop]).serve(sockets=[sock])
    if not await end(asyncio.all_tasks() - {asyncio.current_task()}, END_S):
        log.warning("tasks_abandoned")  # Procrastinate's, waiting for a database that hangs: everything of ours is closed
        os._exit(0)
