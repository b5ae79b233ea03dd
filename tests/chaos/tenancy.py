"""I13: nothing of one tenant can be reached in another's session, whatever tables there are by now."""

import asyncpg

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
      AND c.relname <> ALL ('{number_route,running}') ORDER BY c.relname
"""
"""Tables and views with a tenant's rows; the two that are left out are read without a tenant, by design."""

COLUMNS = """
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'uuid'::regtype
    WHERE c.relname = ANY ($1) AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT a.attisdropped
    ORDER BY c.relname, a.attname
"""


async def found(connection: asyncpg.Connection) -> list[str]:
    """All that is wrong between tenants. The connection must be a superuser's."""
    tables = [row["relname"] for row in await connection.fetch(TABLES)]
    return await _seen(connection, tables) + await _named(connection, tables)


async def _named(connection: asyncpg.Connection, tables: list[str]) -> list[str]:
    """Rows that name an id of another tenant's: no foreign key says so for every column."""
    columns = [(row["relname"], row["attname"]) for row in await connection.fetch(COLUMNS, tables)]
    owned = " UNION ".join(f"SELECT id, tenant_id FROM {table}" for table, column in columns if column == "id")
    async with connection.transaction():
        await connection.execute(f"CREATE TEMP TABLE owned ON COMMIT DROP AS {owned}")
        await connection.execute("CREATE INDEX ON owned (id); ANALYZE owned")
        wrong = []
        for table, column in columns:
            rows = await connection.fetch(
                f"SELECT t.tenant_id, t.{column} AS id, o.tenant_id AS owner FROM {table} t JOIN owned o ON o.id = t.{column} "
                "WHERE o.tenant_id <> t.tenant_id"
            )
            wrong += [f"{table}.{column} of tenant {r['tenant_id']} is {r['id']} of tenant {r['owner']}" for r in rows]
    return wrong


async def _seen(connection: asyncpg.Connection, tables: list[str]) -> list[str]:
    """What a session of each tenant, and one of none, sees of others."""
    tenants = [row["id"] for row in await connection.fetch("SELECT id FROM tenant ORDER BY id")]
    seen = []
    for tenant_id in (*tenants, None):
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE atendeja_app")
            if tenant_id is not None:
                await connection.execute(f"SET LOCAL app.tenant_id = {tenant_id:d}")
            for table in tables:
                rows = await connection.fetch(
                    f"SELECT tenant_id, count(*) AS n FROM {table} WHERE $1::bigint IS NULL OR tenant_id <> $1 GROUP BY 1",
                    tenant_id,
                )
                who = "a session without a tenant" if tenant_id is None else f"tenant {tenant_id}"
                seen += [f"{who} sees {row['n']} rows of {table} of tenant {row['tenant_id']}" for row in rows]
    return seen
