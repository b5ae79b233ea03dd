"""Asking the API at a rate: every operation that reads, with things that are there, lists on and on by their cursors."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import aiohttp
import asyncpg
import msgspec
from msgspec import Struct

from atendeja import app
from atendeja.accounts import keys, people, tokens
from atendeja.db import Database, Tx
from atendeja.endpoint import Listing
from atendeja.runtime import fresh_id, utc_now

CHOICES = {"/v1/contacts": ({"tag": "vip"},)}
"""Besides the plain list."""
THINGS = {
    "contacts": "contact",
    "conversations": "conversation",
    "messages": "message",
    "events": "event",
    "flows": "flow",
    "numbers": "number",
}
"""Under /v1 → the table that has such things."""
LEFT_OUT = {"stream_events", "list_deliveries", "show_draft"}
"""Without an end, an operator's, and not there."""
IDS = 2000


class Answer(Struct):
    operation: str
    is_list: bool
    seconds: float
    """From when it was to be asked."""
    status: int


class Question(Struct, frozen=True):
    operation: str
    path: str
    is_list: bool
    params: dict[str, str] = {}


async def make_key(database: Database, tenant_id: int) -> str:
    """A key of a shop with every scope."""
    secret, key_id = tokens.opaque("atj", fresh_id().bytes * 2), fresh_id()
    scopes = sorted({e.scope for e in app.ENDPOINTS if e.scope is not None})

    async def work(tx: Tx) -> None:
        what = {"id": key_id, "name": "bench", "start": secret[:8], "scopes": scopes}
        maker = await people.ensure(tx, f"{key_id}@bench.example", fresh_id(), utc_now())
        await tx.run(keys.ADD, **what, created_by=maker.id, now=utc_now(), expires_at=None)
        await tx.run(keys.ADD_ROUTE, sha256=tokens.digest(secret), key_id=key_id)

    await database.transact(tenant_id, work)
    return secret


async def find_things(admin: asyncpg.Connection, tenant_id: int) -> dict[str, list[UUID]]:
    """Ids of what a shop has, from all its time."""
    found = {}
    for name, table in THINGS.items():
        rows = await admin.fetch(f"SELECT id FROM {table} TABLESAMPLE SYSTEM (1) WHERE tenant_id = $1 LIMIT $2", tenant_id, IDS)
        rows = rows or await admin.fetch(f"SELECT id FROM {table} WHERE tenant_id = $1 LIMIT $2", tenant_id, IDS)
        found[name] = [row["id"] for row in rows]
    return found


def questions(things: Mapping[str, Sequence[UUID]]) -> list[Question]:
    """Every operation that reads and that a key may ask, as far as there is something of its kind."""
    found = []
    for e in app.ENDPOINTS:
        kind = e.path.split("/")[2]
        if (
            e.method != "GET"
            or e.scope is None
            or e.operation in LEFT_OUT
            or (e.names and not things.get(kind))
            or len(e.names) > 1
        ):
            continue
        is_list = isinstance(e.takes, type) and issubclass(e.takes, Listing)
        found += [Question(e.operation, e.path, is_list, dict(params)) for params in ({}, *CHOICES.get(e.path, ()))]
    return found


async def ask(url: str, key: str, things: Mapping[str, Sequence[UUID]], rate: float, count: int) -> list[Answer]:
    """Ask so many, at this rate whatever becomes of them, each kind as often."""
    dice, asked, cursors = random.Random(7), questions(things), defaultdict[int, str | None](lambda: None)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession(url, headers=headers, connector=aiohttp.TCPConnector(limit=64)) as http,
        asyncio.TaskGroup() as group,
    ):
        began, tasks = time.perf_counter() + 0.1, []
        for n in range(count):
            at = began + n / rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            tasks.append(group.create_task(_ask(http, asked[n % len(asked)], n % len(asked), things, dice, cursors, at)))
    return [task.result() for task in tasks]


async def _ask(
    http: aiohttp.ClientSession,
    question: Question,
    place: int,
    things: Mapping[str, Sequence[UUID]],
    dice: random.Random,
    cursors: dict[int, str | None],
    at: float,
) -> Answer:
    path = question.path
    if "{" in path:
        path = path[: path.index("{")] + str(dice.choice(things[path.split("/")[2]])) + path[path.index("}") + 1 :]
    cursor = cursors[place] if question.is_list else None
    params = question.params | ({} if cursor is None else {"cursor": cursor})
    async with http.get(path, params=params) as response:
        body = await response.read()
    seconds = time.perf_counter() - at
    if question.is_list and response.status == 200 and "{" not in question.path:
        cursors[place] = msgspec.json.decode(body).get("next_cursor")
    return Answer(question.operation, question.is_list, seconds, response.status)
