"""The rules of the schema, read from the catalogue, so that a new table that breaks one fails here (S1–S6).

Tables that hold no tenant's data are named in SYSTEM; everything else in the schema is a tenant table and must obey.
"""

import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest

from atendeja.db import Database
from atendeja.errors import Refused
from atendeja.runtime import Runtime
from tests import server

SYSTEM = {
    *("tenant", "number_route", "delivery", "lease", "running", "guard", "migration"),
    *("account", "sign_in", "refresh_token", "one_time_token", "login_throttle", "key_route"),
    *("totp", "recovery_code"),
}
BIG = {"event", "step", "message", "attempt"}
APPEND_ONLY = {"step", "consent", "audit"}
DEFINERS = {
    "due_contacts": "atendeja_sweep",
    "due_messages": "atendeja_sweep",
    "unsettled_messages": "atendeja_sweep",
    "known_orphans": "atendeja_sweep",
    "work_waiting": "atendeja_sweep",
    "memberships_of": "atendeja_sweep",
    "feed_audience": "atendeja_sweep",
    "feed_heads": "atendeja_sweep",
    "due_webhooks": "atendeja_sweep",
    "waiting_jobs": "atendeja_sweep",
    "failed_jobs": "atendeja_sweep",
    "erase_records": "atendeja_owner",
    "erase_steps": "atendeja_owner",
    "erase_deliveries": "atendeja_owner",
    "keep_delivery_days": "atendeja_owner",
    "drop_delivery_days": "atendeja_owner",
}
"""Every SECURITY DEFINER function, and whose it is. A new one is reviewed, then listed."""

TENANT_TABLES = """
    SELECT c.oid, c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition AND c.relname NOT LIKE 'procrastinate%' AND c.relname <> ALL ($1)
"""


@pytest.fixture
async def admin(cluster: server.Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(cluster.dsn(database, "postgres"))
    yield connection
    await connection.close()


async def tenant_tables(admin: asyncpg.Connection) -> dict[str, int]:
    return {row["relname"]: row["oid"] for row in await admin.fetch(TENANT_TABLES, list(SYSTEM))}


async def test_every_tenant_table_forces_row_security_with_the_two_policies(admin: asyncpg.Connection) -> None:
    """S2."""
    tables = await tenant_tables(admin)
    assert "contact" in tables
    for name, oid in tables.items():
        row = await admin.fetchrow("SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1", oid)
        assert row["relrowsecurity"] and row["relforcerowsecurity"], name
        policies = {
            p["polname"]: p
            for p in await admin.fetch(
                "SELECT polname, polcmd::text AS cmd, pg_get_expr(polqual, polrelid) AS qual,"
                " pg_get_expr(polwithcheck, polrelid) AS checked,"
                " ARRAY(SELECT rolname::text FROM pg_roles WHERE oid = ANY (polroles)) AS roles FROM pg_policy WHERE polrelid = $1",
                oid,
            )
        }
        assert policies.keys() - {"sweep"} == {"tenant", "owner"}, name
        wanted = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::bigint)"
        assert policies["tenant"]["qual"] == policies["tenant"]["checked"] == wanted, name
        assert policies["tenant"]["cmd"] == policies["owner"]["cmd"] == "*", name
        assert policies["tenant"]["roles"] == ["atendeja_app"], name
        assert (policies["owner"]["qual"], policies["owner"]["checked"], policies["owner"]["roles"]) == (
            "true",
            "true",
            ["atendeja_owner"],
        ), name
        if "sweep" in policies:
            assert (policies["sweep"]["cmd"], policies["sweep"]["roles"]) == ("r", ["atendeja_sweep"]), name


async def test_tenant_id_is_bigint_not_null_and_first_in_every_key_and_index(admin: asyncpg.Connection) -> None:
    for name, oid in (await tenant_tables(admin)).items():
        column = await admin.fetchrow(
            "SELECT attnum, atttypid::regtype::text AS type, attnotnull FROM pg_attribute WHERE attrelid = $1 AND"
            " attname = 'tenant_id'",
            oid,
        )
        assert column is not None and column["type"] == "bigint" and column["attnotnull"], name
        indexes = await admin.fetch(
            "SELECT indexrelid::regclass::text AS name, indkey[0] AS first FROM pg_index WHERE indrelid = $1", oid
        )
        assert indexes, name
        for index in indexes:
            assert index["first"] == column["attnum"], index["name"]


async def test_foreign_keys_between_tenant_tables_carry_the_tenant(admin: asyncpg.Connection) -> None:
    tables = await tenant_tables(admin)
    keys = await admin.fetch(
        "SELECT conname, conrelid::regclass::text AS source, confrelid::regclass::text AS target,"
        " (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1])::text AS from_first,"
        " (SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1])::text AS to_first,"
        " cardinality(conkey) AS columns"
        " FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND conrelid::regclass::text = ANY ($1)",
        list(tables),
    )
    assert len(keys) > 10
    for key in keys:
        assert key["from_first"] == "tenant_id", key["conname"]
        assert key["target"] == "tenant" or (key["to_first"] == "tenant_id" and key["columns"] >= 2), key["conname"]


async def test_a_foreign_key_cannot_reach_another_tenants_row(rt: Runtime, admin: asyncpg.Connection) -> None:
    """S5, tried for real: a conversation of tenant 2 with a contact of tenant 1."""
    for slug in ("um", "dois"):
        await admin.execute(
            "INSERT INTO tenant (slug, name, timezone, language, data_key, created_at) VALUES ($1, $1, 'UTC', 'en', '', now())",
            slug,
        )
    one, two = [row["id"] for row in await admin.fetch("SELECT id FROM tenant ORDER BY id")]
    contact, number = secrets.token_hex(16), secrets.token_hex(16)
    async with rt.db.tenant(one) as tx:
        await tx._connection.execute(
            f"INSERT INTO contact (tenant_id, id, phone, created_at) VALUES ({one}, '{contact}', '1', now())"
        )
    async with rt.db.tenant(two) as tx:
        assert await tx._connection.fetchval("SELECT count(*) FROM contact") == 0
        await tx._connection.execute(
            f"INSERT INTO number (tenant_id, id, phone_number_id, waba_id, portfolio_id, display_number, token,"
            f" created_at) VALUES ({two}, '{number}', '1', '1', '1', '1', '', now())"
        )
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with rt.db.tenant(two) as tx:
            await tx._connection.execute(
                f"INSERT INTO conversation (tenant_id, id, contact_id, number_id, created_at) VALUES ({two},"
                f" gen_random_uuid(), '{contact}', '{number}', now())"
            )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with rt.db.tenant(two) as tx:
            await tx._connection.execute(
                f"INSERT INTO contact (tenant_id, id, phone, created_at) VALUES ({one}, gen_random_uuid(), '2', now())"
            )


async def test_the_big_tables_are_hash_partitioned_by_tenant_and_deliveries_by_day(admin: asyncpg.Connection) -> None:
    for name in BIG:
        assert await admin.fetchval("SELECT pg_get_partkeydef($1::regclass)", name) == "HASH (tenant_id)"
        assert await admin.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = $1::regclass", name) == 8
    assert await admin.fetchval("SELECT pg_get_partkeydef('delivery'::regclass)") == "RANGE (day)"
    assert await admin.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'delivery'::regclass") >= 5
    storage = await admin.fetchval(
        "SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'delivery'::regclass AND attname = 'body'"
    )
    assert storage == "e"


async def test_no_triggers_and_no_grants_on_partitions(admin: asyncpg.Connection) -> None:
    """S6; and Citus refuses triggers on distributed tables."""
    triggers = await admin.fetch(
        "SELECT tgrelid::regclass::text AS t FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text NOT"
        " LIKE 'procrastinate%'"
    )
    assert triggers == []
    granted = await admin.fetch(
        "SELECT c.relname FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE"
        " c.relispartition AND r.rolname <> 'atendeja_owner'"
    )
    assert granted == []


async def test_the_application_may_only_append_to_what_is_a_record(admin: asyncpg.Connection) -> None:
    for name in APPEND_ONLY:
        assert await admin.fetchval("SELECT has_table_privilege('atendeja_app', $1, 'SELECT, INSERT')", name)
        for privilege in ("UPDATE", "DELETE", "TRUNCATE"):
            assert not await admin.fetchval("SELECT has_table_privilege('atendeja_app', $1, $2)", name, privilege), (
                name,
                privilege,
            )


async def test_definer_functions_are_listed_pinned_and_not_everybodys(admin: asyncpg.Connection) -> None:
    found = await admin.fetch(
        "SELECT proname, r.rolname::text AS owner, proconfig, has_function_privilege('public', p.oid, 'EXECUTE') AS everybody"
        " FROM pg_proc p JOIN pg_roles r ON r.oid = proowner WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    assert {row["proname"]: row["owner"] for row in found} == DEFINERS
    for row in found:
        assert any(setting.startswith("search_path=pg_catalog, public, pg_temp") for setting in row["proconfig"]), row["proname"]
        assert not row["everybody"], row["proname"]


async def test_views_run_as_who_asks(admin: asyncpg.Connection) -> None:
    for row in await admin.fetch(
        "SELECT relname, reloptions FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"
    ):
        assert "security_invoker=true" in (row["reloptions"] or []), row["relname"]


async def test_the_roles_are_what_they_should_be(admin: asyncpg.Connection) -> None:
    roles = {r["rolname"]: r for r in await admin.fetch("SELECT * FROM pg_roles WHERE rolname LIKE 'atendeja\\__%'")}
    assert roles.keys() == {"atendeja_owner", "atendeja_app", "atendeja_sweep"}
    for name, role in roles.items():
        assert not any(
            role[right] for right in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolcanlogin", "rolinherit")
        ), name
    members = await admin.fetch("SELECT 1 FROM pg_auth_members WHERE roleid = 'atendeja_sweep'::regrole")
    assert members == []
    tables = await admin.fetch(
        "SELECT DISTINCT relowner::regrole::text AS owner FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v', 'S')"
    )
    assert [t["owner"] for t in tables] == ["atendeja_owner"]
    assert not await admin.fetchval("SELECT has_schema_privilege('atendeja_app', 'public', 'CREATE')")
    assert not await admin.fetchval("SELECT has_schema_privilege('atendeja_sweep', 'public', 'CREATE')")


async def test_the_pool_is_the_application_role_whatever_is_reset(rt: Runtime) -> None:
    """S1: no superuser, no BYPASSRLS, and RESET does not bring the login's own rights back."""
    async with rt.db.pool.acquire() as connection:
        for command in ("RESET ALL", "RESET ROLE", "DISCARD ALL"):
            await connection.execute(command)
            row = await connection.fetchrow(  # a text of its own each: DISCARD ALL has taken the prepared one away
                f"SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user -- {command}"
            )
            assert tuple(row) == ("atendeja_app", False, False), command


async def test_a_role_that_is_not_bound_by_row_security_is_refused(cluster: server.Server, database: str) -> None:
    from atendeja import db

    pool = await asyncpg.create_pool(cluster.dsn(database, "postgres"), min_size=1, max_size=1)
    with pytest.raises(Refused, match="is a superuser"):
        await db.verify_standing(Database(pool))
    await pool.close()


async def test_a_tenants_setting_never_outlives_its_transaction(rt: Runtime) -> None:
    """S4: after success, error and cancellation the connection knows no tenant."""
    import asyncio
    import random

    dice = random.Random(1)

    async def once(n: int) -> None:
        try:
            async with asyncio.timeout(dice.choice([0.0005, 5])), rt.db.tenant(n % 2 + 1) as tx:
                await tx._connection.fetchval("SELECT pg_sleep(0.001)")
                if n % 3 == 0:
                    raise ZeroDivisionError
        except (ZeroDivisionError, TimeoutError):
            pass

    for start in range(0, 400, 20):
        await asyncio.gather(*(once(n) for n in range(start, start + 20)))
    async with rt.db.pool.acquire() as connection:
        assert await connection.fetchval("SELECT current_setting('app.tenant_id', true)") in ("", None)
        assert not connection.is_in_transaction()
