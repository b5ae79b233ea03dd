"""PostgreSQL: named statements bound to structs, and the one way to a tenant's rows.

    MEET = query("contacts.meet", MetContact)
    async with db.tenant(tenant_id) as tx:
        rows = await tx.all(MEET, phones=[...], portfolio_ids=[...], user_ids=[...])

A statement is written once in `sql/queries/<concept>.sql` with names (`:phones`), numbered at load; a missing or an extra
name at a call is a TypeError. `:tenant_id` is filled in by the transaction. Columns and fields must agree, name by name
(`tests/test_sql.py` prepares every statement and compares). jsonb goes out as any value msgspec encodes and comes back as
the JSON bytes, so that each reader decodes once, into its own type.

Refused: an ORM and a query builder (the statements are the product here), aiosql (no types, no check of names).

statements: the files and the structs · session: a connection, inside a transaction or not · faults: what may be tried again ·
database: the transactions · pool: connections and their settings · standing: whom we refuse to be.
"""

from atendeja.db.database import Database
from atendeja.db.faults import DATA_FAULTS, TRANSIENT, LostRace, describe
from atendeja.db.pool import LIMITS, connect, connecting, listening
from atendeja.db.session import Session, Tx
from atendeja.db.standing import verify_standing
from atendeja.db.statements import REGISTRY, Nothing, Query, columns, number, query, records, sql_dir, statements

__all__ = [
    "DATA_FAULTS",
    "LIMITS",
    "REGISTRY",
    "TRANSIENT",
    "Database",
    "LostRace",
    "Nothing",
    "Query",
    "Session",
    "Tx",
    "columns",
    "connect",
    "connecting",
    "describe",
    "listening",
    "number",
    "query",
    "records",
    "sql_dir",
    "statements",
    "verify_standing",
]
