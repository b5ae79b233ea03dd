"""Every named statement is bound, prepares on the migrated schema, and gives the columns that its struct has, in their order."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec
import pytest

import atendeja
from atendeja import db
from atendeja.db import Nothing
from atendeja.runtime import Runtime

CONCEPTS = sorted(p.stem for p in (db.sql_dir() / "queries").glob("*.sql"))
NOT_HERE = {"atendeja.__main__", "atendeja.cli.__main__", "atendeja.simulator.__main__", "atendeja.dev.launch"}


def bind_everything() -> None:
    for module in pkgutil.walk_packages(atendeja.__path__, "atendeja."):
        if module.name not in NOT_HERE:
            importlib.import_module(module.name)


def test_every_statement_is_bound_and_every_binding_has_its_statement() -> None:
    bind_everything()
    written = {f"{concept}.{name}" for concept in CONCEPTS for name in db.statements(concept)}
    assert written == set(db.REGISTRY)


@pytest.mark.parametrize("concept", CONCEPTS)
async def test_statements_prepare_and_fit_their_structs(rt: Runtime, concept: str) -> None:
    bind_everything()
    async with rt.db.pool.acquire() as connection:
        for name in db.statements(concept):
            bound = db.REGISTRY[f"{concept}.{name}"]
            prepared = await connection.prepare(bound.text)
            columns = [a.name for a in prepared.get_attributes()]
            fields = [] if bound.row is Nothing else [f.encode_name for f in msgspec.structs.fields(bound.row)]
            assert not fields or fields == columns, bound.name
            assert fields or not columns, f"{bound.name} returns {columns} into nothing"


WALKS = {
    "accounts.drop_keys_of": "a business has some keys",
    "accounts.lock_members": "a business has some people",
    "audit.unchained": "for the command line, which reads all lines anyway",
    "dead_letters.count": "an index of dead letters, for the command line",
    "dead_letters.newest": "an index of dead letters, for the command line",
    "dead_letters.page": "an index of dead letters, from its end",
    "dead_letters.pick": "an index of dead letters, for the command line",
    "feed.drop": "the oldest, from the beginning of the primary key",
    "feed.drop_new": "the oldest, from the beginning of the primary key",
    "feed.number": "what is new, from the beginning of the primary key",
    "flows.definitions": "a tenant has a handful of flows",
    "flows.listing": "a tenant has a handful of flows",
    **dict.fromkeys(
        ("flows.count", "flows.current", "flows.drop_empty", "flows.lock", "flows.move", "flows.one"),
        "a business has 200 flows at most",
    ),
    **dict.fromkeys(
        ("flows.drop_draft", "flows.promote", "flows.save_draft", "flows.text", "flows.version"),
        "a handful of versions: with fifty comes the first ANALYZE",
    ),
    "flows.point": "a tenant has a handful of flows",
    "turn.facts": "a tenant has a handful of flows",
    "inbox.conversations": "a tenant has a handful of numbers",
    "media.needed": "an index of what is unfinished, when somebody deletes a file",
    "media.newest": "from the end of the primary key, for the command line",
    "jobs.cancel": "an index of what is wanted, which is little",
    "jobs.fail": "an index of what is wanted, which is little",
    "jobs.finish": "an index of what is wanted, which is little",
    "jobs.lose_subjects": "once an erasure: a business has some jobs",
    "jobs.note": "an index of what is wanted, which is little",
    "privacy.forget_new": "once an erasure: what is not numbered yet",
    "privacy.forget_telling": "once an erasure and page of the feed; PostgreSQL 15 filters by the array while there is nothing",
    "numbers.by_ids": "a tenant has a handful of numbers",
    "numbers.everyone": "a tenant has a handful of numbers",
    "numbers.go_on": "a tenant has a handful of numbers",
    "numbers.go_on_with_marketing": "a tenant has a handful of numbers",
    "numbers.raise_rate": "a tenant has a handful of numbers",
    "numbers.stop": "a tenant has a handful of numbers",
    "numbers.stop_marketing": "a tenant has a handful of numbers",
    "outbound.stop_templates_of": "a tenant has a handful of numbers",
    "reporting.waits": "a tenant has a handful of numbers",
    "webhooks.count": "a business has some webhooks",
    "webhooks.everyone": "a business has some webhooks",
    "ledger.doubt": "an index of what is on the wire or in doubt",
    "ledger.doubt_number": "an index of what is on the wire or in doubt, at a change of hands",
    "ledger.drop_orphans": "retention, once a day",
    "ledger.give_up_restored": "an index of what is unfinished, for the command line",
    "numbers.health": "an index of what is on the wire or in doubt",
    "outbound.restored": "an index of what is unfinished, for the command line",
    "outbound.unanswered": "an index of what is unanswered, for the command line",
    "reporting.notices": "a business has few of what is looked at; of dead letters a thousand are counted, by their indexes",
    "reporting.events": "a person asks for one, by whichever id is at hand",
    "reporting.messages": "a person asks for one, by whichever id is at hand",
    "reporting.states": "for `dev`; PostgreSQL 18 skips through the index of wamids, older ones do not",
    "reporting.unfinished": "an index of what is unfinished, for the command line",
}
"""Statements that may read an index by the tenant alone, and why that is little."""
FEW = {"number"}
"""Tables of which a tenant has a handful of rows."""


async def test_no_statement_walks_through_all_of_a_tenants_rows(rt: Runtime) -> None:
    """Each is planned once, as it is run, on a database that is as empty as on its first day: that plan must be right for ever."""
    bind_everything()
    walking: dict[str, set[str]] = {}
    async with rt.db.pool.acquire() as connection:
        tables = {row["name"] for row in await connection.fetch(TENANT_TABLES)} - FEW
        seconds = {row["index"]: row["second"] for row in await connection.fetch(SECOND_COLUMNS, list(tables))}
        for name, bound in sorted(db.REGISTRY.items()):
            await connection.execute(f"PREPARE planned AS {bound.text}")
            values = ", ".join(
                "1" if param == "tenant_id" else "NULL" for param in bound.params
            )  # a tenant, so that a partition is chosen
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned{f'({values})' if values else ''}")
            await connection.execute("DEALLOCATE planned")
            if found := set(tenant_walks(msgspec.json.decode(plan)[0]["Plan"], tables, seconds)):
                walking[name] = found
    assert walking.keys() <= WALKS.keys(), {n: walking[n] for n in walking.keys() - WALKS.keys()}


TENANT_TABLES = """
    SELECT relname AS name FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
    AND relname NOT IN ('number_route', 'sign_in', 'one_time_token', 'key_route')
"""
SECOND_COLUMNS = """
    SELECT indexrelid::regclass::text AS index, pg_get_indexdef(indexrelid, 2, true) AS second FROM pg_index
    WHERE indrelid::regclass::text = ANY ($1)
"""


def tenant_walks(plan: dict[str, Any], tables: set[str], seconds: dict[str, str]) -> Iterator[str]:
    """The indexes that this part of a plan reads by nothing but the tenant, and the tables that it reads whole."""
    index, table = plan.get("Index Name"), plan.get("Relation Name")
    if table in tables and plan["Node Type"] == "Seq Scan":
        yield str(table)
    if (second := seconds.get(str(index))) and not re.search(rf"\b{re.escape(second)}\b", plan.get("Index Cond", "")):
        yield str(index)
    for part in plan.get("Plans", []):
        yield from tenant_walks(part, tables, seconds)


def test_names_are_numbered_once_and_casts_strings_and_comments_are_left_alone() -> None:
    text, names = db.number("SELECT :a::int, ':not', :b -- :neither\n, :a")
    assert text == "SELECT $1::int, ':not', $2 -- :neither\n, $1"
    assert names == ("a", "b")


def test_a_missing_or_an_extra_name_is_a_type_error() -> None:
    query = db.Query("x.y", "SELECT $1", ("a",), Nothing)
    with pytest.raises(TypeError, match="missing \\['a'\\], not wanted \\['b'\\]"):
        query.arguments({"b": 1})


async def test_without_a_tenant_no_row_is_seen_and_no_write_succeeds(rt: Runtime) -> None:
    """S3: a transaction of the system tables sees none of a tenant's, and cannot write any."""
    async with rt.db.system() as tx:
        for table in ("contact", "event", "message", "number"):
            assert await tx._connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with rt.db.system() as tx:
            await tx._connection.execute("INSERT INTO hold VALUES (1, 'x', gen_random_uuid(), 'x', now())")
