"""What is in the database, as values to compare: every tenant table, found in the catalogue, so that a new one counts too."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import msgspec

Row = dict[str, Any]  # the columns of any table, as JSON
Dump = dict[str, list[Row]]

TENANT_TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum > 0
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relname <> ALL ('{number_route,running}') ORDER BY c.relname
"""
KEPT = ("number", "flow", "flow_version")
"""Tables of tenants that hold no customer's data."""

NOT_QUIET = """
    SELECT (SELECT count(*) FROM delivery WHERE state = 'stored') AS stored,
           (SELECT count(*) FROM event WHERE state = 'unhandled') AS unhandled,
           (SELECT count(*) FROM contact WHERE due_at <= now()) AS due,
           (SELECT count(*) FROM message WHERE state IN ('queued', 'sending')) AS unsent
"""

VOLATILE = {
    "received_at",
    "created_at",
    "taken_at",
    "ended_at",
    "claimed_at",
    "first_byte_at",
    "boot",
    "not_before",
    "content_sha256",
}
"""Columns that differ from run to run and say nothing of what was recorded."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@contextlib.asynccontextmanager
async def looking(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, as administrator: row security shows it everything."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def names(admin: asyncpg.Connection) -> list[str]:
    """The tenant tables."""
    return [row["relname"] for row in await admin.fetch(TENANT_TABLES)]


async def dump(admin: asyncpg.Connection) -> Dump:
    """Every row of every tenant table, whole, in an order that does not depend on chance. One statement, so one moment."""
    rows = "(SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY to_jsonb(t)::text), '[]') FROM {0} t)"
    parts = ", ".join(f"'{name}', {rows.format(name)}" for name in await names(admin))
    found: Dump = msgspec.json.decode(await admin.fetchval(f"SELECT jsonb_build_object({parts})::text"))
    return found


async def deliveries(admin: asyncpg.Connection) -> list[Row]:
    """What became of each delivery, the oldest first, without its bytes."""
    rows = await admin.fetch("SELECT (to_jsonb(d) - '{body,digested_at}'::text[])::text AS row FROM delivery d ORDER BY seq")
    return [msgspec.json.decode(row["row"]) for row in rows]


async def quiet(admin: asyncpg.Connection, timeout_s: float = 15) -> None:
    """Until everything that came has been digested, answered and sent. Fails with what is left."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while any(left := tuple(await admin.fetchrow(NOT_QUIET))):
        assert asyncio.get_running_loop().time() < deadline, f"stored, unhandled, due, unsent: {left}"
        await asyncio.sleep(0.01)


async def wipe(admin: asyncpg.Connection) -> None:
    """Take away every delivery and all that came of one; tenants, numbers and flows stay."""
    gone = ["delivery", *(name for name in await names(admin) if name not in KEPT)]
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")  # foreign keys do not matter when everything goes
        await admin.execute("; ".join(f"DELETE FROM {name}" for name in gone))


def readable(found: Dump, tenants: Mapping[int, str], numbers: Mapping[str, str]) -> Dump:
    """The same for a golden file: ids as `contact 1`, `event 2` …, tenants and numbers by name, nothing that differs by run."""
    labels = dict(numbers)
    shown: Dump = {}
    for name in sorted(found, key=lambda name: (name != "contact", name)):
        if name in KEPT or not found[name]:
            continue
        shown[name] = sorted(found[name], key=lambda row: _place(row, labels))
        labels |= {row["id"]: f"{name} {n}" for n, row in enumerate(shown[name], 1) if "id" in row}
    return {name: [_show(row, labels, tenants) for row in rows] for name, rows in shown.items()}


PLACE = (
    "tenant_id",
    "arrival",
    "position",
    "user_id",
    "phone",
    "contact_id",
    "number_id",
    "wamid",
    "status",
    "purpose",
    "at",
    "seq",
)
"""What tells the rows of a table apart without their ids."""


def _place(row: Row, labels: Mapping[str, str]) -> list[str]:
    return [labels.get(str(row.get(column)), str(row.get(column))) for column in PLACE]


def _show(row: Row, labels: Mapping[str, str], tenants: Mapping[int, str]) -> Row:
    kept = {key: value for key, value in row.items() if key not in VOLATILE and value is not None}
    kept["tenant_id"] = tenants[row["tenant_id"]]
    kept.pop("arrival", None)
    if row.get("sent_at") == row.get("received_at"):
        kept.pop("sent_at", None)  # WhatsApp gave no time
    if row.get("due_at") is not None:
        kept["due_at"] = "set"
    text = _UUID.sub(lambda found: labels.get(found[0], "an id"), msgspec.json.encode(kept).decode())
    shown: Row = msgspec.json.decode(text)
    return shown
