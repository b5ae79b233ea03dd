"""A town: the simulator and any number of `serve` processes on one database, customers who write through signed webhooks."""

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from atendeja import app, flows
from atendeja.db import Tx
from atendeja.flow import document
from tests import server, world
from tests.journeys import process, tables
from tests.journeys.process import Child

COMMAND = ["-c", "from atendeja.cli import main; main()"]
_numbers = itertools.count(1)

Json = dict[str, Any]  # what the simulator's control side takes and gives


@dataclass
class Town:
    """Webhooks go to `port`: the process that serves there is the one with the web role."""

    dsn: str
    admin_dsn: str
    state_dir: Path
    log_dir: Path
    port: int
    simulator: Child
    http: aiohttp.ClientSession
    admin: asyncpg.Connection
    children: list[Child] = field(default_factory=list)
    points: dict[str, list[Child]] = field(default_factory=dict)
    """Failpoints as they were set, and the processes that were given them: one that fires in none of them fails the test."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def serve(self, role: str = "all", *, ready: bool = True, port: int | None = None, **more: str) -> Child:
        """Start a process, with a port of its own when it is a worker or one is given; FAILPOINTS=… makes it misbehave."""
        port = port or (process.free_port() if role == "worker" else self.port)
        if points := more.pop("FAILPOINTS", ""):
            more |= {"ATENDEJA_FAILPOINTS": points, "ATENDEJA_FAILPOINTS_LOG": str(self.fired)}
        child = await process.start(
            [*COMMAND, "serve", "--role", role],
            {**self.environ, "PORT": str(port), **more},
            self._output("town"),
            f"http://127.0.0.1:{port}",
        )
        self.children.append(child)
        for point in filter(None, points.split(";")):
            self.points.setdefault(point, []).append(child)
        if ready:
            await process.wait_ready(child, f"{child.url}/health/ready")
        return child

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run `atendeja …`: its status and what it said."""
        child = await process.start([*COMMAND, *arguments], self.environ, self._output("command"), "")
        self.children.append(child)
        return await asyncio.wait_for(child.process.wait(), 30), child.output.read_text()

    @property
    def environ(self) -> dict[str, str]:
        return world.environ(self.dsn, self.admin_dsn, self.state_dir, WA_API_BASE=self.simulator.url)

    @property
    def fired(self) -> Path:
        """Where a failpoint writes that it was reached."""
        return self.state_dir / "fired"

    def unfired(self) -> list[str]:
        """Failpoints that no process which was given them has reached."""
        lines = self.fired.read_text().splitlines() if self.fired.exists() else []
        reached = {(words[0], int(words[-1])) for line in lines if (words := line.split())}
        return [
            point
            for point, children in self.points.items()
            if not any((point.partition("=")[0], child.process.pid) in reached for child in children)
        ]

    def _output(self, what: str) -> Path:
        return self.log_dir / f"{what}-{os.getpid()}-{next(_numbers)}.log"

    # ── customers ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def sim(self, name: str, body: Json) -> Json:
        """Tell the simulator something."""
        async with self.http.post(f"{self.simulator.url}/_sim/{name}", json=body) as response:
            answer: Json = await response.json()
            assert response.status == 200, answer
            return answer

    async def sends(self, sender: str, content: Json, *, wait: bool = False) -> None:
        """A customer sends this; with `wait` only when the webhook has been answered 200."""
        body = {"from": sender, "phone_number_id": world.A.phone_number_id, "content": content, "wait": wait}
        await self.sim("message", body)

    async def writes(self, sender: str, text: str, *, wait: bool = False) -> None:
        await self.sends(sender, {"type": "text", "text": {"body": text}}, wait=wait)

    async def taps(self, sender: str, kind: str, choice: str) -> None:
        """`button_reply` or `list_reply`."""
        await self.sends(sender, {"type": "interactive", "interactive": {"type": kind, kind: {"id": choice, "title": choice}}})

    async def posts(self) -> list[Json]:
        """What the simulator was sent: its witness."""
        async with self.http.get(f"{self.simulator.url}/_sim/log?after=0") as response:
            lines: list[Json] = (await response.json())["lines"]
            return lines

    # ── the tables ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def look_again(self) -> None:
        """The test's own connection anew, after its server was away or is another."""
        before, self.admin = self.admin, await asyncpg.connect(self.admin_dsn)
        before.terminate()

    async def rows(self, sql: str, *given: object) -> list[Json]:
        return [dict(row) for row in await self.admin.fetch(sql, *given)]

    async def replies(self, sender: str) -> list[tuple[str, str]]:
        """(text, state) of what the bot answered this customer, in order."""
        rows = await self.rows(
            "SELECT m.content->>'body' AS body, m.state FROM message m JOIN contact c ON c.id = m.contact_id "
            "WHERE c.wa_id = $1 ORDER BY m.seq", sender
        )  # fmt: skip
        return [(row["body"], row["state"]) for row in rows]

    async def hears(self, sender: str, *wanted: str, state: str = "read", timeout_s: float = 20) -> None:
        """Wait until exactly these are this customer's replies, all in this state."""
        found: list[tuple[str, str]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (found := await self.replies(sender)) != [(text, state) for text in wanted]:
                    await asyncio.sleep(0.01)
        assert found == [(text, state) for text in wanted]

    async def handled(self, sender: str, n: int, timeout_s: float = 20) -> None:
        """Wait until so many events of this customer are closed."""
        async with asyncio.timeout(timeout_s):
            while True:
                closed = await self.admin.fetchval(
                    "SELECT count(*) FROM event e JOIN contact c ON c.id = contact_id WHERE wa_id = $1 AND e.state <> 'unhandled'",
                    sender,
                )
                if closed >= n:
                    return
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def town(
    cluster: server.Server, name: str, state_dir: Path, log_dir: Path, flow: str, dsn: str | None = None
) -> AsyncIterator[Town]:
    """Tenants A and B founded, the flow published for A, the simulator running; processes are the test's to start."""
    admin_dsn, port = cluster.dsn(name, "postgres"), process.free_port()
    config = world.make_config(cluster.dsn(name), admin_dsn, state_dir / "founding")
    async with app.open_runtime(config) as rt:
        made = await world.found(rt.db, config.secret_keys)

        async def publish(tx: Tx) -> None:
            await flows.publish(tx, document.load(flow, "flow"), number_id=None, author="test", now=rt.now(), new_id=rt.new_id)

        await rt.db.transact(made.a, publish)
    async with (
        tables.looking(admin_dsn) as admin,
        process.simulating(log_dir, webhook=f"http://127.0.0.1:{port}/webhook") as simulator,
        process.customers_client() as http,
    ):
        made_town = Town(dsn or cluster.dsn(name), admin_dsn, state_dir, log_dir, port, simulator, http, admin)
        await made_town.sim("settings", {"rate": None, "pair": False})
        try:
            yield made_town
            assert not made_town.unfired(), "failpoints that never fired"
        finally:
            for child in made_town.children:
                await child.kill()
            if made_town.admin is not admin:
                await made_town.admin.close()
