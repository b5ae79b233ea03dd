"""I13: nothing of one tenant can be reached in another's session, whatever tables there are by now."""

import asyncpg

TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
      AND c.relname <> ALL ('{number_route,running}') ORDER BY c.relname
"""
"""Tables and views with a tenant's rows; the two that are left out are read without a tenant, by design."""


async def strangers(connection: asyncpg.Connection) -> list[str]:
    """What a session of each tenant, and one of none, sees of others."""
    tables = [row["relname"] for row in await connection.fetch(TABLES)]
    tenants = [row["id"] for row in await connection.fetch("SELECT id FROM tenant ORDER BY id")]
    found = []
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
                found += [f"{who} sees {row['n']} rows of {table} of tenant {row['tenant_id']}" for row in rows]
    return found
