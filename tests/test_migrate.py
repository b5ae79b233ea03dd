"""Migrations: nothing half done, no two at once, no surprise for an older release, the SQL for a login that may not (F58)."""

import asyncio
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from atendeja import db, migrate
from atendeja.dev.postgres import Cluster
from atendeja.errors import Refused, Unavailable
from tests import server
from tests.journeys import tables

ALL = sorted(path.stem for path in migrate.release().glob("*.sql"))
NEXT, AFTER_NEXT = len(ALL) + 1, len(ALL) + 2


@pytest.fixture
def empty(cluster: server.Server) -> Iterator[str]:
    """The name of a database that has nothing of ours."""
    name = f"atd_{secrets.token_hex(6)}"
    cluster.create_database(name)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """This release's migrations, to be changed."""
    for path in migrate.release().glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def put(folder: Path, version: int, name: str, text: str) -> None:
    """Write a migration."""
    (folder / f"{version:04d}_{name}.sql").write_text(text, encoding="utf-8")


def admin(cluster: server.Server, name: str) -> str:
    return cluster.dsn(name, "postgres")


# ── pure ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_files_are_numbered_without_a_gap(folder: Path) -> None:
    assert [f"{m.version:04d}_{m.name}" for m in migrate.read(folder)] == ALL
    put(folder, AFTER_NEXT, "gap", "SELECT 1")
    with pytest.raises(Refused, match="numbered"):
        migrate.read(folder)
    (folder / f"{AFTER_NEXT:04d}_gap.sql").rename(folder / "four.sql")
    with pytest.raises(Refused, match=r"four\.sql is not named"):
        migrate.read(folder)


def test_what_is_pending_and_what_is_refused() -> None:
    known = migrate.read(migrate.release())
    sums = {m.version: m.checksum for m in known}
    assert migrate.pending(known, {}) == known
    assert migrate.pending(known, {1: sums[1]}) == known[1:]
    assert migrate.pending(known, sums) == []
    with pytest.raises(Refused, match="0001_procrastinate is not the one"):
        migrate.pending(known, {**sums, 1: "another"})
    with pytest.raises(Refused, match=f"at migration {len(known) + 1}, this release knows {len(known)}"):
        migrate.pending(known, {**sums, len(known) + 1: "newer"})


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_plan_names_what_would_run_and_running_twice_runs_once(cluster: server.Server, empty: str) -> None:
    dsn = admin(cluster, empty)
    assert await migrate.status(dsn) == ALL
    assert await migrate.run(dsn) == ALL
    assert await migrate.status(dsn) == []
    assert await migrate.run(dsn) == []


async def test_a_changed_file_and_a_newer_database_are_refused_and_change_nothing(
    cluster: server.Server, database: str, folder: Path
) -> None:
    """F58: an old release on a new schema says so."""
    dsn = admin(cluster, database)
    put(folder, NEXT, "more", "CREATE TABLE more ()")
    assert await migrate.run(dsn, folder=folder) == [f"{NEXT:04d}_more"]
    for ask in (migrate.run, migrate.status):
        with pytest.raises(Refused, match="run the release that made it"):
            await ask(dsn)
    put(folder, NEXT, "more", "CREATE TABLE more (a int)")
    with pytest.raises(Refused, match="_more is not the one"):
        await migrate.run(dsn, folder=folder)


async def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(
    cluster: server.Server, database: str, folder: Path
) -> None:
    """F58."""
    dsn = admin(cluster, database)
    put(folder, NEXT, "good", "CREATE TABLE good ()")
    put(folder, AFTER_NEXT, "bad", "CREATE TABLE half (); INSERT INTO half SELECT 1/0; CREATE TABLE other ()")
    with pytest.raises(Refused, match=f"migration {AFTER_NEXT:04d}_bad failed: "):
        await migrate.run(dsn, folder=folder)
    async with tables.looking(dsn) as look:
        assert await look.fetchval("SELECT to_regclass('good') IS NOT NULL AND to_regclass('half') IS NULL")
    assert await migrate.status(dsn, folder=folder) == [f"{AFTER_NEXT:04d}_bad"]
    put(folder, AFTER_NEXT, "bad", "CREATE TABLE half ()")
    assert await migrate.run(dsn, folder=folder) == [f"{AFTER_NEXT:04d}_bad"]


async def test_a_migrator_that_is_killed_half_way_leaves_nothing_and_the_next_goes_on(
    cluster: server.Server, database: str, folder: Path
) -> None:
    """F58: its backend is ended in the middle of a file."""
    dsn = admin(cluster, database)
    put(folder, NEXT, "slow", "CREATE TABLE slow (); SELECT pg_sleep(60)")
    running = asyncio.ensure_future(migrate.run(dsn, folder=folder))
    async with tables.looking(dsn) as look:
        while not await look.fetchval(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'atendeja-migrate' AND wait_event = 'PgSleep'"
        ):
            assert not running.done()
            await asyncio.sleep(0.01)
        with pytest.raises(Unavailable):
            await running
        assert await look.fetchval("SELECT to_regclass('slow') IS NULL")
    put(folder, NEXT, "slow", "CREATE TABLE slow ()")
    assert await migrate.run(dsn, folder=folder) == [f"{NEXT:04d}_slow"]


async def test_a_table_that_is_locked_is_awaited_for_a_moment_and_then_left(
    cluster: server.Server, database: str, folder: Path
) -> None:
    """F58: not an error but Unavailable: who starts tries again."""
    dsn = admin(cluster, database)
    put(folder, NEXT, "add", "SET LOCAL lock_timeout = '50ms'; ALTER TABLE contact ADD COLUMN more text")
    async with tables.looking(dsn) as look, look.transaction():
        await look.execute("LOCK TABLE contact IN ACCESS SHARE MODE")
        with pytest.raises(Unavailable, match="LockNotAvailable"):
            await migrate.run(dsn, folder=folder)
    assert await migrate.run(dsn, folder=folder) == [f"{NEXT:04d}_add"]


async def test_a_file_that_runs_outside_a_transaction(cluster: server.Server, database: str, folder: Path) -> None:
    dsn = admin(cluster, database)
    put(folder, NEXT, "index", "-- no transaction\nCREATE INDEX CONCURRENTLY tenant_name ON tenant (name)")
    assert await migrate.run(dsn, folder=folder) == [f"{NEXT:04d}_index"]
    async with tables.looking(dsn) as look:
        owner = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'tenant_name'"
        assert await look.fetchval(owner) == "atendeja_owner"


async def test_a_database_of_another_program_is_refused(cluster: server.Server, empty: str) -> None:
    dsn = admin(cluster, empty)
    for theirs in ("CREATE TABLE migration (id int)", "DROP TABLE migration; DROP SCHEMA public"):
        async with tables.looking(dsn) as look:
            await look.execute(theirs)
        with pytest.raises(Refused, match="a database of its own"):
            await migrate.run(dsn)


async def test_two_migrators_at_once_run_each_file_once(cluster: server.Server, empty: str) -> None:
    dsn = admin(cluster, empty)
    done = await asyncio.gather(*(migrate.run(dsn) for _ in range(3)))
    assert sorted(done) == [[], [], ALL]


async def test_two_databases_of_one_server_at_once(cluster: server.Server, empty: str) -> None:
    """The roles are the server's: whoever comes second finds them made."""
    other = f"{empty}_2"
    cluster.create_database(other)
    try:
        assert await asyncio.gather(*(migrate.run(admin(cluster, name)) for name in (empty, other))) == [ALL, ALL]
    finally:
        cluster.drop_database(other)


# ── logins: a server of their own, where the roles do not exist yet ──────────────────────────────────────────────────────


@pytest.fixture
def fresh() -> Iterator[Cluster]:
    own = server.embedded(fsync=False)
    try:
        own.start()
        own.create_database("shop")
        yield own
    finally:
        own.destroy()


async def execute(dsn: str, *statements: str) -> None:
    async with tables.looking(dsn) as connection:
        for statement in statements:
            await connection.execute(statement)


def login(fresh: Cluster, name: str) -> str:
    return f"postgresql://{name}:a-password@{fresh.dsn('shop').rpartition('@')[2]}"


async def test_a_login_that_may_not_create_roles_is_given_the_sql_and_the_sql_is_enough(fresh: Cluster) -> None:
    """What it prints is run as printed; then the same login migrates, serves, and sees no tenant's rows."""
    superuser, weak = fresh.dsn("shop", "postgres"), login(fresh, "weak-login")
    await execute(superuser, "CREATE ROLE \"weak-login\" LOGIN PASSWORD 'a-password'")
    with pytest.raises(Refused) as refused:
        await migrate.run(weak, login="weak-login")
    lines = [line.strip() for line in str(refused.value).splitlines()]
    commands = [line for line in lines if line.startswith(("CREATE", "GRANT"))]
    after = [line for line in lines if line.startswith("REVOKE")]
    assert len(commands) == 5
    await execute(superuser, *commands)
    assert await migrate.run(weak, login="weak-login") == ALL
    await execute(superuser, *after)
    serving = await db.connect(weak)
    try:
        async with serving.session() as session:
            assert await session._connection.fetchval("SELECT current_user") == "atendeja_app"
            assert await session._connection.fetchval("SELECT count(*) FROM contact") == 0
    finally:
        await serving.close()
    assert await migrate.run(weak, login="weak-login") == []


async def test_a_login_that_may_create_roles_but_is_no_superuser_migrates_alone(fresh: Cluster) -> None:
    """As managed servers give it: since PostgreSQL 16 who makes a role may not yet become it."""
    create = "CREATE ROLE manager LOGIN CREATEROLE PASSWORD 'a-password'"
    await execute(fresh.dsn("shop", "postgres"), create, "ALTER DATABASE shop OWNER TO manager")
    manager = login(fresh, "manager")
    assert await migrate.run(manager, login="manager") == ALL
    assert await migrate.run(manager, login="manager") == []
    serving = await db.connect(manager)
    await serving.close()


async def test_a_login_that_does_not_exist_is_told_the_sql_before_anything_is_changed(fresh: Cluster) -> None:
    """What it prints makes a login that serves."""
    superuser, name = fresh.dsn("shop", "postgres"), 'Ana "loja"'
    with pytest.raises(Refused, match="does not exist") as refused:
        await migrate.run(superuser, login=name)
    async with tables.looking(superuser) as look:
        assert await look.fetchval("SELECT to_regclass('migration') IS NULL AND to_regrole('atendeja_owner') IS NULL")
    command = str(refused.value).splitlines()[-1].strip()
    await execute(superuser, command.replace("…", "a-password"))
    assert await migrate.run(superuser, login=name) == ALL
    await (await db.connect(login(fresh, "Ana%20%22loja%22"))).close()


async def test_after_a_migration_that_failed_nobody_may_become_the_role_that_sees_all_tenants(fresh: Cluster, folder: Path) -> None:
    superuser = fresh.dsn("shop", "postgres")
    create = "CREATE ROLE \"Manager\" LOGIN CREATEROLE PASSWORD 'a-password'"
    await execute(superuser, create, 'ALTER DATABASE shop OWNER TO "Manager"')
    manager = login(fresh, "Manager")
    put(folder, NEXT, "bad", "SELECT 1/0")
    with pytest.raises(Refused, match="division by zero"):
        await migrate.run(manager, folder=folder)
    async with tables.looking(manager) as look:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await look.execute("SET ROLE atendeja_sweep")
    await execute(manager, 'GRANT atendeja_sweep TO "Manager"')  # as one that was killed leaves it
    assert await migrate.run(manager) == []
    async with tables.looking(manager) as look:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await look.execute("SET ROLE atendeja_sweep")


async def test_another_login_serves_than_the_one_that_migrates(fresh: Cluster) -> None:
    """DATABASE_ADMIN_URL and DATABASE_URL: only the second is checked at the pool, and row security binds it."""
    await execute(fresh.dsn("shop", "postgres"), "CREATE ROLE shop_login LOGIN PASSWORD 'a-password'")
    assert await migrate.run(fresh.dsn("shop", "postgres"), login="shop_login") == ALL
    serving = await db.connect(login(fresh, "shop_login"))
    try:
        await db.verify_standing(serving)
    finally:
        await serving.close()
    missing = fresh.dsn("shop")
    with pytest.raises(Refused, match="may not become atendeja_app"):
        await db.connect(missing)
    assert await migrate.run(fresh.dsn("shop", "postgres"), login=urlsplit(missing).username) == []
    await (await db.connect(missing)).close()


async def test_serving_before_the_first_migration_says_what_to_run(fresh: Cluster) -> None:
    with pytest.raises(Refused, match="may not become atendeja_app") as refused:
        await db.connect(fresh.dsn("shop"))
    assert "atendeja migrate" in str(refused.value)


async def test_a_server_that_is_away_is_unavailable_and_a_wrong_login_refused(cluster: server.Server) -> None:
    with pytest.raises(Unavailable):
        await migrate.run("postgresql://nobody:x@127.0.0.1:9/none")
    with pytest.raises(Unavailable, match="the host of DATABASE_URL is not known"), db.connecting("DATABASE_URL"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    with pytest.raises(Refused):
        await migrate.run(cluster.dsn("there_is_no_such_database"))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("connect_timeout=3", 'DATABASE_URL: unrecognized .* "connect_timeout"'),
        ("sslmode=perhaps", "DATABASE_URL is wrong: .*sslmode"),
    ],
)
async def test_an_address_that_the_driver_or_the_server_refuses_is_refused(
    option: str, said: str, cluster: server.Server, database: str
) -> None:
    """Not awaited: it will not be better in a minute."""
    for ask in (migrate.run, db.connect):
        with pytest.raises(Refused, match=said if ask is db.connect else "DATABASE_ADMIN_URL"):
            await ask(f"{cluster.dsn(database)}?{option}")


async def test_a_login_that_may_not_enter_the_database_is_refused(cluster: server.Server, empty: str) -> None:
    async with tables.looking(admin(cluster, empty)) as look:
        await look.execute(f"REVOKE CONNECT ON DATABASE {empty} FROM PUBLIC")
    with pytest.raises(Refused, match="permission denied for database"):
        await migrate.run(cluster.dsn(empty))
