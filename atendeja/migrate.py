"""Hand-written migrations, forward only: `sql/migrations/NNNN_name.sql`, each in a transaction, remembered with its checksum.

Roles come first: `atendeja_owner` owns the schema, `atendeja_app` is what every pool becomes, `atendeja_sweep` owns the few
functions that look across tenants. None can log in. Files run as the owner. The lock is polled, because a blocking
`pg_advisory_lock` deadlocks with CREATE INDEX CONCURRENTLY.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import structlog
from msgspec import Struct

from atendeja import db
from atendeja.db import Database
from atendeja.dial import Dialer
from atendeja.errors import Refused, Unavailable

log = structlog.get_logger(__name__)

LOCK_ID = 0x61746A  # "atj": one migrator at a time on a database
GOING_ON = "what ran before it is kept; when the cause is mended, `atendeja migrate` goes on from here"
ROLES = ("atendeja_owner", "atendeja_app", "atendeja_sweep")


class Migration(Struct, frozen=True):
    version: int
    name: str
    checksum: str
    text: str
    alone: bool
    """Runs outside a transaction (`-- no transaction` on its first line): CREATE INDEX CONCURRENTLY and its like."""


def read(folder: Path) -> list[Migration]:
    """The migrations of this release in order. Raises Refused when a number is missing or doubled."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", path.name)
        if match is None:
            raise Refused("migration_name", f"{path.name} is not named NNNN_name.sql")
        text = path.read_text(encoding="utf-8")
        found.append(
            Migration(
                int(match[1]), match[2], hashlib.sha256(text.encode()).hexdigest(), text, text.startswith("-- no transaction")
            )
        )
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise Refused("migration_order", f"migrations must be numbered 1, 2, 3 …: found {[m.version for m in found]}")
    return found


def pending(known: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """What is still to run. Raises Refused when the database is newer than this release, or was made by other files."""
    if applied and max(applied) > len(known):
        raise Refused(
            "schema_newer",
            f"the database is at migration {max(applied)}, this release knows {len(known)}",
            hint="run the release that made it, or a newer one",
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise Refused(
                "schema_differs",
                f"migration {migration.version:04d}_{migration.name} is not the one that this database ran",
                hint="run the release that made it, or give this one a new database (in development: scripts/dev --fresh)",
            )
    return [m for m in known if m.version not in applied]


async def applied(connection: asyncpg.Connection) -> dict[int, str]:
    """version → checksum of what the database has; empty when it has nothing of ours, or we may not look."""
    try:
        rows = await connection.fetch("SELECT version, checksum FROM migration")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return {}
    return {row["version"]: row["checksum"] for row in rows}


async def lacking(database: Database) -> list[str]:
    """The migrations of this release that the database has not had, as `0002_core`."""
    async with database.connection() as connection:
        return await _lacking(connection, release())


async def _lacking(connection: asyncpg.Connection, folder: Path) -> list[str]:
    return [f"{m.version:04d}_{m.name}" for m in pending(read(folder), await applied(connection))]


async def status(dsn: str, *, folder: Path | None = None) -> list[str]:
    """Names of the migrations that `run` would apply."""
    async with _connect(dsn) as connection:
        return await _lacking(connection, folder or release())


def release() -> Path:
    """Where the migrations of this release lie."""
    return db.sql_dir() / "migrations"


async def run(dsn: str, *, login: str | None = None, folder: Path | None = None) -> list[str]:
    """Bring the database to this release and say what ran. `login` is the user that will serve, allowed to become atendeja_app.

    Raises Refused with the SQL for an administrator when `login` does not exist or this login may not create the roles, and
    when a file fails; Unavailable when the server is away or a table is locked for long. Nothing is half done: each file is a
    transaction, running again goes on.
    """
    migrations = read(folder or release())
    async with _connect(dsn) as connection:
        await _poll_lock(connection)
        me = await connection.fetchval("SELECT session_user")
        if login is not None:
            await _require_login(connection, login)
        try:
            if not pending(migrations, await applied(connection)) and (
                login is None or await _may_become(connection, login, "atendeja_app")
            ):
                return []
            await _make_roles(connection, me, login or me)
            await connection.execute("SET ROLE atendeja_owner")
            return await _apply_all(connection, migrations)
        except asyncpg.InsufficientPrivilegeError as error:
            raise Refused(
                "migrate_privilege",
                f"the login {me} may not prepare the database ({error.args[0]}).",
                hint=administrator_sql(login or me),
            ) from error
        except db.TRANSIENT:
            raise
        except asyncpg.PostgresError as error:
            raise Refused(
                "migrate_impossible",
                f"the database cannot be prepared: {error.args[0]}",
                hint="AtendeJá needs a database of its own, with the schema public",
            ) from error
        finally:
            if not connection.is_closed():
                await connection.execute("RESET ROLE")
                await _leave_sweep(connection, me)


def administrator_sql(login: str) -> str:
    """What an administrator runs once when the login of DATABASE_URL may not create roles."""
    login = _quote(login)
    return "\n  ".join(
        [
            "Set DATABASE_ADMIN_URL to an administrator's login, or let one run this in the database:",
            *(f"CREATE ROLE {role} NOLOGIN NOINHERIT;" for role in ROLES),
            "GRANT USAGE, CREATE ON SCHEMA public TO atendeja_owner WITH GRANT OPTION;",
            f"GRANT atendeja_owner, atendeja_app, atendeja_sweep TO {login};",
            "-- then: atendeja migrate; and after it:",
            f"REVOKE atendeja_sweep FROM {login};",
        ]
    )


@asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    with db.connecting("DATABASE_ADMIN_URL (without it DATABASE_URL)"):
        connection = await Dialer(dsn)(server_settings={"application_name": "atendeja-migrate"})
    try:
        yield connection
    except db.TRANSIENT as error:
        raise Unavailable(f"the database is busy or away: {db.describe(error)}") from error
    finally:
        await connection.close()


async def _poll_lock(connection: asyncpg.Connection) -> None:
    for _ in range(600):
        if await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_ID):
            return
        await asyncio.sleep(0.1)
    raise Unavailable("another migration has been running for a minute")


async def _require_login(connection: asyncpg.Connection, login: str) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", login):
        raise Refused(
            "login_missing",
            f"the login {login} of DATABASE_URL does not exist; let an administrator run, with the password of DATABASE_URL:",
            hint=f"CREATE ROLE {_quote(login)} LOGIN PASSWORD '…';",
        )


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _may_become(connection: asyncpg.Connection, login: str, role: str) -> bool:
    """Whether `SET ROLE` would do. Since PostgreSQL 16 a member need not be allowed to, and who made a role is such a member."""
    right = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    return bool(await connection.fetchval("SELECT pg_has_role($1, $2, $3)", login, role, right))


async def _make_roles(connection: asyncpg.Connection, me: str, login: str) -> None:
    have = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1)", list(ROLES))}
    for role in ROLES:
        if role not in have:
            try:
                await connection.execute(f"CREATE ROLE {role} NOLOGIN NOINHERIT")
            except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                log.info("role_exists", role=role)  # another database of this server was migrated at the same moment
    superuser = await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = $1", me)
    if not await connection.fetchval("SELECT has_schema_privilege('atendeja_owner', 'public', 'CREATE WITH GRANT OPTION')"):
        await connection.execute("GRANT USAGE, CREATE ON SCHEMA public TO atendeja_owner WITH GRANT OPTION")
    if not superuser:
        for role in ("atendeja_owner", "atendeja_sweep"):
            await _grant(connection, role, me)
    if not (superuser and login == me):
        await _grant(connection, "atendeja_app", login)


async def _grant(connection: asyncpg.Connection, role: str, login: str) -> None:
    if not await _may_become(connection, login, role):
        quoted = await connection.fetchval("SELECT quote_ident($1)", login)
        await connection.execute(f"GRANT {role} TO {quoted}")


async def _leave_sweep(connection: asyncpg.Connection, me: str) -> None:
    """Nobody stays a member of the role that sees all tenants."""
    direct = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM pg_auth_members WHERE roleid = to_regrole('atendeja_sweep')"
        " AND member = (SELECT oid FROM pg_roles WHERE rolname = $1))",
        me,
    )
    if direct:
        command = await connection.fetchval("SELECT 'REVOKE atendeja_sweep FROM ' || quote_ident($1)", me)
        try:
            await connection.execute(command)
        except asyncpg.InsufficientPrivilegeError:
            log.warning("sweep_membership_stays", hint=f"let an administrator run: {command};")


async def _apply_all(connection: asyncpg.Connection, migrations: list[Migration]) -> list[str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    done = []
    for migration in pending(migrations, await applied(connection)):
        name = f"{migration.version:04d}_{migration.name}"
        try:
            await _apply(connection, migration)
        except (asyncpg.InsufficientPrivilegeError, *db.TRANSIENT):
            raise
        except asyncpg.PostgresError as error:
            raise Refused("migration_failed", f"migration {name} failed: {error.args[0]}", hint=GOING_ON) from error
        done.append(name)
        log.info("migration_applied", version=migration.version, name=migration.name)
    return done


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    remember = "INSERT INTO migration (version, name, checksum) VALUES ($1, $2, $3)"
    row = (migration.version, migration.name, migration.checksum)
    if migration.alone:
        await connection.execute(migration.text)
        await connection.execute(remember, *row)
        return
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await connection.execute(migration.text)
        await connection.execute("SET LOCAL ROLE atendeja_owner")
        await connection.execute(remember, *row)
