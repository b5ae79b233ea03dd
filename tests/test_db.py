"""The database's one way in: repeats what is worth it, says what is not, refuses whom row security does not bind (F52, F54)."""

import asyncio
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from atendeja import db, failpoints
from atendeja.config import Config
from atendeja.db import TRANSIENT, Database, Tx
from atendeja.db import pool as pools
from atendeja.errors import Refused, Unavailable
from atendeja.failpoints import Tripped
from atendeja.runtime import Runtime
from tests import server
from tests.journeys import tables

LOCK = "SELECT 1 FROM guard WHERE one FOR UPDATE"


async def test_a_committed_result_leaves_and_a_raised_error_leaves_nothing(rt: Runtime) -> None:
    async def work(tx: Tx, mark: int) -> str:
        await tx._connection.execute("UPDATE guard SET mark = $1", mark)
        if mark == 2:
            raise ZeroDivisionError
        return "done"

    assert await rt.db.transact(None, lambda tx: work(tx, 1)) == "done"
    with pytest.raises(ZeroDivisionError):
        await rt.db.transact(None, lambda tx: work(tx, 2))
    async with rt.db.session() as session:
        assert await session._connection.fetchval("SELECT mark FROM guard") == 1
    assert rt.db.retries == 0


async def ask_nothing(_why: str, _tx: Tx) -> None: ...


@pytest.mark.parametrize(("point", "kept"), [("commit.before", False), ("commit.after", True)])
async def test_a_failpoint_stands_on_either_side_of_every_commit(rt: Runtime, point: str, kept: bool) -> None:
    """It is named by the function whose transaction it is."""

    async def work(tx: Tx) -> None:
        await tx._connection.execute("UPDATE guard SET mark = 7")

    whose = test_a_failpoint_stands_on_either_side_of_every_commit.__qualname__
    failpoints.configure({"ATENDEJA_FAILPOINTS": f"{point}=raise?{whose}"})
    try:
        await rt.db.transact(None, partial(ask_nothing, "somebody else's"))
        with pytest.raises(Tripped):
            await rt.db.transact(None, work)
    finally:
        failpoints.configure({})
    async with rt.db.session() as session:
        assert await session._connection.fetchval("SELECT mark = 7 FROM guard") is kept


async def test_a_deadlock_is_repeated_and_both_come_through(rt: Runtime) -> None:
    """F54: two transactions take two locks in opposite order; the victim runs again, whole."""
    runs = []
    meeting = asyncio.Barrier(2)

    async def work(tx: Tx, first: int, second: int) -> None:
        runs.append(first)
        await tx._connection.execute("SELECT pg_advisory_xact_lock($1)", first)
        if len(runs) <= 2:
            await meeting.wait()
        await tx._connection.execute("SELECT pg_advisory_xact_lock($1)", second)

    await asyncio.gather(
        rt.db.transact(None, lambda tx: work(tx, 1, 2)),
        rt.db.transact(None, lambda tx: work(tx, 2, 1)),
    )
    assert len(runs) == 3
    assert rt.db.retries == 1


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DeadlockDetectedError("x"),
        asyncpg.SerializationError("x"),
        asyncpg.TooManyConnectionsError("x"),
        asyncpg.AdminShutdownError("x"),
        asyncpg.QueryCanceledError("x"),
        asyncpg.DiskFullError("x"),
        asyncpg.ReadOnlySQLTransactionError("x"),
        asyncpg.InvalidCachedStatementError("x"),
        asyncpg.InternalClientError("x"),
        ConnectionResetError(),
        TimeoutError(),
        db.LostRace(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_passes_is_tried_three_times_and_then_unavailable(rt: Runtime, error: Exception) -> None:
    """F54: a database that is away, full or read only is nobody's fault: never an error that condemns the data."""
    runs = 0

    async def work(_tx: Tx) -> None:
        nonlocal runs
        runs += 1
        raise error

    with pytest.raises(Unavailable, match=type(error).__name__):
        await rt.db.transact(None, work)
    assert (runs, rt.db.retries) == (3, 3)


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError, asyncpg.DataError, asyncpg.UndefinedColumnError, KeyError])
async def test_a_fault_of_ours_is_not_repeated(rt: Runtime, error: type[Exception]) -> None:
    async def work(_tx: Tx) -> None:
        raise error("x")

    with pytest.raises(error):
        await rt.db.transact(None, work)
    assert not issubclass(error, TRANSIENT)
    assert rt.db.retries == 0


async def test_a_killed_backend_is_replaced_within_the_same_call(rt: Runtime, config: Config) -> None:
    """F50: the first run's connection is ended by the server in the middle."""
    runs = 0

    async def work(tx: Tx) -> int:
        nonlocal runs
        runs += 1
        if runs == 1:
            async with tables.looking(config.admin_url.reveal()) as admin:
                await admin.execute("SELECT pg_terminate_backend($1)", tx._connection.get_server_pid())
        found: int = await tx._connection.fetchval("SELECT 1")
        return found

    assert await rt.db.transact(None, work) == 1
    assert runs == 2


async def test_a_cancelled_transaction_leaves_no_lock_behind(rt: Runtime) -> None:
    """S4."""

    async def work(tx: Tx) -> None:
        await tx._connection.execute(LOCK)
        await asyncio.sleep(60)

    task = asyncio.ensure_future(rt.db.transact(None, work))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(3), rt.db.system() as tx:
        await tx._connection.execute(LOCK)


async def test_a_session_says_unavailable_when_the_connection_is_lost(rt: Runtime) -> None:
    with pytest.raises(Unavailable, match="ConnectionResetError"):
        async with rt.db.session():
            raise ConnectionResetError


async def test_a_transaction_of_the_system_has_no_tenant(rt: Runtime) -> None:
    async with rt.db.system() as tx:
        with pytest.raises(TypeError, match="no tenant"):
            _ = tx.tenant_id
    async with rt.db.tenant(7) as tx:
        assert tx.tenant_id == 7


async def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="away"):
        await db.connect("postgresql://nobody:x@127.0.0.1:9/none")


async def test_a_wrong_password_and_a_missing_database_are_refused_in_a_line(cluster: server.Server, database: str) -> None:
    dsn = cluster.dsn(database)
    login, _, place = dsn.rpartition("@")
    wrong = f"{login.rpartition(':')[0]}:wrong@{place}"
    for bad in (wrong, cluster.dsn("there_is_no_such_database")):
        with pytest.raises(Refused) as refused:
            await db.connect(bad)
        assert refused.value.code == "database_login"
        assert "wrong" not in str(refused.value)


async def test_a_database_that_was_never_migrated_says_what_to_run(cluster: server.Server, template: str) -> None:
    """The template is asked for so that the roles exist: this login just may not become atendeja_app."""
    async with tables.looking(cluster.dsn("postgres", "postgres")) as admin:
        await admin.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger-password'")
        try:
            place = cluster.dsn(template).rpartition("@")[2]
            with pytest.raises(Refused, match="may not become atendeja_app") as refused:
                await db.connect(f"postgresql://stranger:stranger-password@{place}")
            assert "migrate" in str(refused.value)
        finally:
            await admin.execute("DROP ROLE stranger")


async def test_the_pool_of_the_application_is_safe_and_others_are_not(rt: Runtime, config: Config) -> None:
    """S1."""
    await db.verify_standing(rt.db)
    pool = await asyncpg.create_pool(config.admin_url.reveal(), min_size=1, max_size=1, server_settings={"role": "atendeja_owner"})
    try:
        with pytest.raises(Refused, match=r"owns \d+ tables"):
            await db.verify_standing(Database(pool))
    finally:
        await pool.close()


def test_jsonb_takes_bytes_and_values_alike() -> None:
    assert pools.encode_jsonb(b'{"a": 1}') == b'\x01{"a": 1}'
    assert pools.encode_jsonb({"a": 1}) == b'\x01{"a":1}'
    assert bytes(pools.decode_jsonb(b"\x01[]")) == b"[]"


def test_the_sql_lies_beside_the_tree() -> None:
    assert (db.sql_dir() / "migrations").is_dir()
    assert db.sql_dir() == Path(db.__file__).parents[2] / "sql"


async def test_commits_that_do_not_wait_for_the_disk_stop_the_start(config: Config, database: str) -> None:
    """A 200 means stored: no setting of the server may change that behind our back."""
    admin = await asyncpg.connect(config.admin_url.reveal())
    await admin.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    await admin.close()
    made = await db.connect(config.database_url.reveal())
    try:
        with pytest.raises(Refused, match="synchronous_commit is off"):
            await db.verify_standing(made)
    finally:
        await made.close()
