"""Where the bench plays: a PostgreSQL that syncs to a disk of this machine, and for each measurement a fresh database, a
simulator without limits and `atendeja serve` with the settings people have, each a process of its own.
"""

import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import yaml
from msgspec import Struct

from atendeja import db, flows, migrate, numbers, tenants
from atendeja.broadcast import CHANNEL
from atendeja.config import key_bytes
from atendeja.db import Tx
from atendeja.dev.postgres import LOGIN, SUPERUSER, Cluster
from atendeja.flow import document
from atendeja.flow.model import Flow
from atendeja.numbers import NewNumber
from atendeja.runtime import fresh_id, utc_now
from atendeja.simulator.switchboard import Tally
from atendeja.simulator.webhooks import Counts
from atendeja.simulator.witness import Line
from atendeja.tenants import Tenant
from tests import world
from tests.bench import bodies
from tests.bench.load import Job, Result
from tests.journeys import process
from tests.journeys.process import Child

QUIET_S = 5.0
"""After the generator's end everything must be answered and sent within this, or the rate was not held."""
LOAD_MOST_S = 900
MOST_RESULT_BYTES = 64 * 1024 * 1024

LEFT = """
    SELECT (SELECT count(*) FROM delivery WHERE state = 'stored') AS stored,
           (SELECT count(*) FROM event WHERE state = 'unhandled') AS unhandled,
           (SELECT count(*) FROM message WHERE state IN ('queued', 'sending')) AS unsent
"""
_ID = "(lpad(to_hex(({}) + (extract(epoch FROM now()) * 1000)::bigint), 12, '0') || substr(gen_random_uuid()::text, 14))::uuid"
"""In the order of their numbers, as the application's ids are in that of time: neighbours lie together."""
QUEUE = f"""
    WITH n AS (SELECT $5::int + n AS n FROM generate_series(1, $3::int) AS n), contacts AS (
        INSERT INTO contact (tenant_id, id, phone, wa_id, created_at)
        SELECT $1, {_ID.format("n")}, '5521' || (900000000 + n), '5521' || (900000000 + n), now() FROM n RETURNING id
    ), numbered AS (SELECT id, row_number() OVER () AS n FROM contacts), talks AS (
        INSERT INTO conversation (tenant_id, id, contact_id, number_id, created_at)
        SELECT $1, {_ID.format("n")}, id, $2, now() FROM numbered RETURNING id, contact_id
    )
    INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no, ordinal, category,
                         policy, content, content_sha256, seq, state, not_before, created_at)
    SELECT $1, {_ID.format("row_number() OVER ()")}, $2, contact_id, id, 'api', {_ID.format("row_number() OVER ()")}, 0, 0,
           $4::text,
           CASE WHEN $4 = 'service' THEN 'at_least_once' ELSE 'at_most_once' END,
           '{{"type": "text", "body": "Seu pedido saiu."}}', sha256('x'), CASE WHEN $4 = 'service' THEN 1 END,
           'queued', now(), now()
    FROM talks
"""
NUMBERS = "SELECT n.tenant_id, n.id FROM number n JOIN tenant t ON t.id = n.tenant_id WHERE t.slug LIKE $1"
UNREAD = "SELECT count(*) FROM message WHERE state <> 'read' AND code IS DISTINCT FROM 131026"
"""That one is of a year ago (`grown`): nobody fails so in a measurement."""
COMMITS = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1"


class Log(Struct):
    """A page of the simulator's log."""

    lines: list[Line]
    last: int


class State(Struct):
    """What of the simulator's state is of use here."""

    messages: Tally
    webhooks: Counts


class Scene:
    """A fresh database with its simulator and, once `serve` ran, the process under test."""

    def __init__(self, stage: "Stage", database: str, simulator: Child, session: aiohttp.ClientSession) -> None:
        self._stage, self._session = stage, session
        self.database, self.simulator = database, simulator
        self._queued = 0

    @contextlib.asynccontextmanager
    async def serving(
        self, role: str = "all", *, ready: bool = True, statuses: bool = True, more: Mapping[str, str] | None = None
    ) -> AsyncIterator[Child]:
        """`atendeja serve`, with `more` settings; with `statuses` the simulator reports to it."""
        stage, cluster = self._stage, self._stage.cluster
        urls = cluster.dsn(self.database), cluster.dsn(self.database, SUPERUSER)
        state_dir = stage.folder / f"state-{self.database}-{role}"
        settings = {"WA_API_BASE": self.simulator.url, **(more or {})}
        async with process.serving(*urls, state_dir, stage.folder, role=role, ready=ready, more=settings) as child:
            if statuses:
                await self.ask("settings", {"webhook_url": f"{child.url}/webhook"})
            yield child

    async def ask(self, what: str, body: object = None) -> bytes:
        """Ask the simulator's control side: POST with a body, else GET."""
        url = f"{self.simulator.url}/_sim/{what}"
        asking = self._session.get(url) if body is None else self._session.post(url, data=msgspec.json.encode(body))
        async with asking as response:
            answer = await response.read()
        assert response.status == 200, answer
        return answer

    async def queue(self, rate: int, count: int, category: str = "utility", shops: str = "loja-0") -> None:
        """Queue so many messages for each number of these shops, which may send at this rate, each to somebody new; then ring. That
        what they refer to is there is not checked: it is."""
        async with self.looking() as admin:
            found = await admin.fetch(NUMBERS, shops)
            async with admin.transaction():
                await admin.execute("SET LOCAL session_replication_role = replica")
                for number in found:
                    await admin.execute("UPDATE number SET rate = $1 WHERE id = $2", rate, number["id"])
                    await admin.execute(QUEUE, number["tenant_id"], number["id"], count, category, self._queued)
                    self._queued += count
            for number in found:
                await admin.execute(
                    "SELECT pg_notify($1, 'number:' || $2::text), pg_notify($1, 'send:' || $2::text)", CHANNEL, str(number["id"])
                )

    async def crowd(self, shape: Sequence[int]) -> None:
        """More shops, one for each of these, with so many numbers."""
        await crowd(self._stage.cluster.dsn(self.database), shape)

    async def connect(self) -> db.Database:
        """One connection, as the process under test makes them."""
        return await db.connect(self._stage.cluster.dsn(self.database), size=1)

    async def replies(self) -> list[Line]:
        """Every message that the simulator accepted, in order."""
        found: list[Line] = []
        while (page := msgspec.json.decode(await self.ask(f"log?after={len(found)}"), type=Log)).lines:
            found += page.lines
        return [line for line in found if line.answer == "ok"]

    async def accepted(self) -> int:
        """How many that are."""
        return (await self._state()).messages.accepted

    async def _state(self) -> State:
        return msgspec.json.decode(await self.ask("state"), type=State)

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of ours, as administrator."""
        connection = await asyncpg.connect(self._stage.cluster.dsn(self.database, SUPERUSER))
        try:
            yield connection
        finally:
            await connection.close()

    async def left(self, most_s: float = QUIET_S) -> str:
        """Nothing, as soon as all that came is answered, sent and reported read; what is left when that takes longer."""
        async with self.looking() as admin:
            deadline = time.monotonic() + most_s
            while any(left := (*await admin.fetchrow(LEFT), (await self._state()).webhooks.waiting)):
                if time.monotonic() > deadline:
                    return "left after {:g} s: {} deliveries, {} events, {} messages, {} statuses to come".format(most_s, *left)
                await asyncio.sleep(0.05)
            unread = await admin.fetchval(UNREAD)
        return f"{unread} messages are not read" if unread else ""


class Stage:
    """The server, and the migrated database that those of the scenes are copies of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = Cluster(folder / "postgres")
        self._names = (f"bench_{n}" for n in count(1))

    async def build(self) -> None:
        """Start the server; make the template with the shops, whose flows answer everything, and a plain table to compare with."""
        self.cluster.start()
        self.cluster.create_database("template_bench")
        admin_url = self.cluster.dsn("template_bench", SUPERUSER)
        await migrate.run(admin_url, login=LOGIN)
        await furnish(self.cluster.dsn("template_bench"), [bodies.flow(n) for n in range(bodies.SHOPS + 1)])
        self.cluster.create_database("plain")
        admin = await asyncpg.connect(self.cluster.dsn("plain", SUPERUSER))
        await admin.execute("CREATE TABLE webhook (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)")
        await admin.execute(f"GRANT ALL ON webhook TO {LOGIN}")
        await admin.close()

    @contextlib.asynccontextmanager
    async def scene(self) -> AsyncIterator[Scene]:
        """A fresh database and a simulator."""
        name = next(self._names)
        self.cluster.create_database(name, "template_bench")
        try:
            async with process.simulating(self.folder) as simulator, aiohttp.ClientSession() as session:
                scene = Scene(self, name, simulator, session)
                await scene.ask("settings", {"rate": None, "pair": False, "window": False})
                yield scene
        finally:
            self.cluster.drop_database(name)

    @contextlib.asynccontextmanager
    async def rival(self, kind: str) -> AsyncIterator[int]:
        """A handler to compare with: its port."""
        port = process.free_port()
        arguments = ["-m", "tests.bench.rivals", kind, str(port), self.cluster.dsn("plain")]
        child = await process.start(arguments, {}, self.folder / f"rival-{kind}.log", f"http://127.0.0.1:{port}")
        try:
            await _wait_listening(port)
            yield port
        finally:
            await child.kill()

    async def commits(self, database: str) -> int:
        """Transactions committed in a database, as counted by the server; asking is not one of them."""
        admin = await asyncpg.connect(self.cluster.dsn("postgres", SUPERUSER))
        try:
            return int(await admin.fetchval(COMMITS, database))
        finally:
            await admin.close()


@contextlib.asynccontextmanager
async def building() -> AsyncIterator[Stage]:
    """A stage in a directory of its own, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="atendeja-bench-"))
    folder.chmod(0o755)
    stage = Stage(folder)
    try:
        await stage.build()
        yield stage
    finally:
        stage.cluster.destroy()
        shutil.rmtree(folder, ignore_errors=True)


async def send(job: Job) -> Result:
    """Run the generator. Raises RuntimeError when it fails."""
    generator = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=process.ROOT,
        limit=MOST_RESULT_BYTES,  # a reader that pauses was seen to lose what came after the pause
    )
    try:
        output, _ = await asyncio.wait_for(generator.communicate(msgspec.json.encode(job)), LOAD_MOST_S)
    finally:
        if generator.returncode is None:
            generator.kill()
    if generator.returncode != 0:
        raise RuntimeError(f"the generator ended with {generator.returncode}")
    return msgspec.json.decode(output, type=Result)


def port_of(child: Child) -> int:
    return int(child.url.rpartition(":")[2])


def sync_ms(folder: Path, times: int = 50) -> float:
    """Milliseconds that a write of 8 KiB and its sync take on the disk of `folder`: the measure of every commit here."""
    started = time.perf_counter()
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(8192))
            os.fdatasync(file.fileno())
    return (time.perf_counter() - started) / times * 1000


async def crowd(dsn: str, shape: Sequence[int]) -> None:
    """Open a tenant for each of these, with so many numbers."""
    database = await db.connect(dsn)
    try:
        for n, numbers_each in enumerate(shape):
            its = [bodies.one_of_many(n, k) for k in range(numbers_each)]
            await _open(database, [key_bytes(world.SECRET_KEY)], f"muitas-{n}", its)
    finally:
        await database.close()


async def furnish(dsn: str, flow_texts: Sequence[str]) -> None:
    """Open a shop for each of these flows."""
    database = await db.connect(dsn)
    keys = [key_bytes(world.SECRET_KEY)]
    try:
        for n, text in enumerate(flow_texts):
            flow = document.load(msgspec.json.encode(yaml.safe_load(text)).decode(), "bench")
            await _open_shop(database, keys, n, flow)
    finally:
        await database.close()


async def _open_shop(database: db.Database, keys: list[bytes], n: int, flow: Flow) -> None:
    tenant = await _open(database, keys, f"loja-{n}", [bodies.shop(n)])

    async def publish(tx: Tx) -> None:
        await flows.publish(tx, flow, number_id=None, author="bench", now=utc_now(), new_id=fresh_id)

    await database.transact(tenant.id, publish)


async def _open(database: db.Database, keys: list[bytes], slug: str, its: Sequence[NewNumber]) -> Tenant:
    """A tenant with these numbers."""

    async def add(tx: Tx) -> int:
        return await tenants.add(tx, keys, slug=slug, name=slug, timezone="America/Sao_Paulo", language="pt-BR", now=utc_now())

    tenant_id = await database.transact(None, add)
    async with database.session() as session:
        tenant = await tenants.find(session, slug)

    async def add_numbers(tx: Tx) -> None:
        for new in its:
            await numbers.add(tx, tenant, keys, new, fresh_id(), utc_now())

    await database.transact(tenant_id, add_numbers)
    return tenant


async def _wait_listening(port: int) -> None:
    deadline = time.monotonic() + process.READY_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")
