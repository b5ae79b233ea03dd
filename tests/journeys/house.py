"""A running `serve` on a fresh database with tenants A and B, and the ways in that a test needs: post, look, publish a flow."""

import contextlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg

from atendeja import app, flows
from atendeja.db import Tx
from atendeja.flow import document
from tests import server, world
from tests.journeys import process, tables

ECHO = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 1, after_tries: pessoa, expires: 1h}
nodes:
  oi:
    do: [{say: {text: "Recebido."}}]
    wait: {reply: [text], timeout: 1h}
    route: [{phrase: atendente, to: pessoa}, {any: true, to: oi}]
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
"""A flow that answers every message once."""


@dataclass
class House:
    """`post` is a signed webhook; `admin` sees every row."""

    child: process.Child
    http: aiohttp.ClientSession
    admin: asyncpg.Connection
    tenants: dict[int, str]
    numbers: dict[str, str]

    @property
    def webhook(self) -> str:
        return f"{self.child.url}/webhook"

    async def post(self, body: bytes) -> int:
        """Post it as Meta would, and say the status."""
        async with self.http.post(self.webhook, data=io.BytesIO(body), headers=world.sign(body)) as response:
            return response.status

    async def quiet(self) -> None:
        """Until all that came is worked off."""
        await tables.quiet(self.admin)

    async def count(self, table: str, condition: str = "true") -> int:
        found: int = await self.admin.fetchval(f"SELECT count(*) FROM {table} WHERE {condition}")
        return found


@contextlib.asynccontextmanager
async def running(
    cluster: server.Server, name: str, state_dir: Path, log_dir: Path, *, flow: str = "", **more: str
) -> AsyncIterator[House]:
    """Found tenants A and B in this database, publish the flow for both when there is one, and serve."""
    dsn, admin_dsn = cluster.dsn(name), cluster.dsn(name, "postgres")
    config = world.make_config(dsn, admin_dsn, state_dir)
    async with app.open_runtime(config) as rt:
        made = await world.found(rt.db, config.secret_keys)

        async def publish(tx: Tx) -> None:
            parsed = document.load(flow, "flow")
            await flows.publish(tx, parsed, number_id=None, author="test", now=rt.now(), new_id=rt.new_id)

        for tenant_id in (made.a, made.b) if flow else ():
            await rt.db.transact(tenant_id, publish)
    numbers = {str(made.number_a): "number a", str(made.number_b): "number b"}
    async with (
        tables.looking(admin_dsn) as admin,
        process.serving(dsn, admin_dsn, state_dir, log_dir, more=more) as child,
        process.customers_client() as http,
    ):
        yield House(child, http, admin, {made.a: "a", made.b: "b"}, numbers)
