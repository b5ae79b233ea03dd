"""Every named statement is bound, prepares on the migrated schema, and gives the columns that its struct has, in their order."""

import importlib
import pkgutil

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
