"""PostgreSQL: named statements bound to structs, and the one way to a tenant's rows.

    MEET = query("contacts.meet", MetContact)
    async with db.tenant(tenant_id) as tx:
        rows = await tx.all(MEET, phones=[...], portfolio_ids=[...], user_ids=[...])

A statement is written once in `sql/queries/<concept>.sql` with names (`:phones`), numbered at load; a missing or an extra
name at a call is a TypeError. `:tenant_id` is filled in by the transaction. Columns and fields must agree, name by name
(`tests/test_sql.py` prepares every statement and compares). jsonb goes out as any value msgspec encodes and comes back as
the JSON bytes, so that each reader decodes once, into its own type.

Refused: an ORM and a query builder (the statements are the product here), aiosql (no types, no check of names).
"""

import asyncio
import datetime as dt
import random
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import asyncpg
import msgspec
import structlog

from atendeja import failpoints
from atendeja.dial import CLOSE_S, Dialer, Line
from atendeja.errors import Refused, Unavailable

R = TypeVar("R")
T = TypeVar("T")

log = structlog.get_logger(__name__)


class LostRace(Exception):
    """Somebody changed the same rows between our look and our write: the transaction, repeated, will see it."""


TRANSIENT = (
    asyncpg.PostgresConnectionError,  # 08
    asyncpg.InvalidTransactionStateError,  # 25: read only (a standby), idle for too long
    asyncpg.TransactionRollbackError,  # 40: deadlock, serialization
    asyncpg.InsufficientResourcesError,  # 53: connections, memory, disk
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,  # 57: shutdown, starting up, statement cancelled
    asyncpg.PostgresSystemError,  # 58: its disk fails
    asyncpg.InvalidCachedStatementError,  # a migration changed a table since the statement was prepared
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver is confused: the connection died between two of its steps
    LostRace,
    ConnectionError,
    TimeoutError,
)
"""What a whole transaction may be repeated for: nothing of it was kept, or keeping it twice changes nothing. None of these
says that the data is at fault: whoever took them for that would throw a message away because a disk was full."""

DATA_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
)
"""Errors that may be an item's own: it is found, and does not stop the others."""

PLANNER = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_material": "off",
    "random_page_cost": "1.1",
    "jit": "off",
}
"""Plan each statement once per connection, and always by its index. Planning over 8 partitions costs 2 to 8 ms, more than most
statements take; but a plan made on an empty table scans it, and goes on scanning when it has grown. Every statement of ours
is a few keys into an index, so nested loops over indexes are right at any size."""

TRIES = 3
STATEMENT_TIMEOUT_S = 10
"""For one statement, by the server's clock, whatever it waits for."""
ANSWER_S = STATEMENT_TIMEOUT_S + 2
"""A server that has not answered a statement by then is not there."""
LOCK_TIMEOUT_S = 5
IDLE_TIMEOUT_S = 5
"""A transaction in which nothing is asked for so long is that of a process that is frozen, or cut off: the server ends it, or its
locks would keep the one who takes over its leases waiting."""
ACQUIRE_S = 10
"""For a connection of the pool: two hosts are tried meanwhile, if they must be."""
ROLLBACK_S = 2
SILENCE_S = 5
"""Who was cut short after so long a wait had an answer that does not come; the other connections may be as dead."""

LIMITS = {
    "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
    "lock_timeout": f"{LOCK_TIMEOUT_S}s",
    "idle_in_transaction_session_timeout": f"{IDLE_TIMEOUT_S}s",
    "client_connection_check_interval": "2s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15s",
}
"""How long the server works, waits and holds for us: a client that is gone must not keep its locks."""


@cache
def sql_dir() -> Path:
    """Where the SQL lies: beside the source tree, else inside the installed package."""
    here = Path(__file__).parent
    for folder in (here.parent / "sql", here / "_sql"):
        if (folder / "migrations").is_dir():
            return folder
    raise FileNotFoundError("the sql folder is neither beside the package nor inside it")


@dataclass(frozen=True)
class Query(Generic[R]):
    """A named statement: `text` with $n, the names in the order of n, and the struct its rows become."""

    name: str
    text: str
    params: tuple[str, ...]
    row: type[R]

    def arguments(self, given: dict[str, object]) -> list[object]:
        if given.keys() != set(self.params):
            missing, extra = set(self.params) - given.keys(), given.keys() - set(self.params)
            raise TypeError(f"{self.name}: missing {sorted(missing)}, not wanted {sorted(extra)}")
        return [given[p] for p in self.params]


REGISTRY: dict[str, Query[Any]] = {}  # Any: each entry has a row type of its own
"""Every statement the code has bound, by `concept.name`."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PARAM = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::\w+|:([a-z_][a-z0-9_]*)")


@cache
def statements(concept: str) -> dict[str, str]:
    """The named statements of one file of `sql/queries/`, as written."""
    parts = _NAME.split((sql_dir() / "queries" / f"{concept}.sql").read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def number(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace `:name` by `$n`, the same name by the same n, leaving strings, comments and casts alone."""
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if (name := match[1]) is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PARAM.sub(replace, text), tuple(names)


def query(name: str, row: type[R]) -> Query[R]:
    """Bind `concept.statement` to the struct of its rows; `None` for a statement that returns none."""
    concept, statement = name.split(".")
    bound = Query(name, *number(statements(concept)[statement]), row)
    REGISTRY[name] = bound
    return bound


def columns(rows: Iterable[msgspec.Struct], without: frozenset[str] = frozenset()) -> dict[str, list[object]]:
    """Structs as the arrays that `unnest` takes, a list per field, named in the plural: id → ids, key → keys, policy → policies.

    Values of jsonb fields must be bytes or dicts: asyncpg takes a list in an array for another dimension.
    """
    found = list(rows)
    fields = [name for name in found[0].__struct_fields__ if name not in without] if found else []
    return {plural(name): [getattr(row, name) for row in found] for name in fields}


@cache
def plural(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


def records(structs: Iterable[object]) -> bytes:
    """Structs as the one JSON array that `json_to_recordset` takes. For wide rows: asyncpg spends about 1 µs on each element of an
    array parameter, and this is made in one call. A field that is JSON already must be a msgspec.Raw; bytes go as base64."""
    return msgspec.json.encode(list(structs))


class Nothing(msgspec.Struct):
    """The row type of a statement that returns no rows."""


class Session:
    """A connection on which statements run: inside a transaction (`Tx`) or each on its own."""

    def __init__(self, connection: asyncpg.Connection, fixed: dict[str, object]) -> None:
        self._connection = connection
        self._fixed = fixed

    def _arguments(self, statement: Query[R], given: dict[str, object]) -> list[object]:
        if self._fixed and "tenant_id" in statement.params:
            given = given | self._fixed
        return statement.arguments(given)

    async def all(self, statement: Query[R], **given: object) -> list[R]:
        rows = await self._connection.fetch(statement.text, *self._arguments(statement, given))
        make = cast("Callable[..., R]", statement.row)
        return [make(*row) for row in rows]

    async def one(self, statement: Query[R], **given: object) -> R | None:
        rows = await self.all(statement, **given)
        return rows[0] if rows else None

    async def run(self, statement: Query[R], **given: object) -> int:
        """Execute, and say how many rows it touched."""
        status = await self._connection.execute(statement.text, *self._arguments(statement, given))
        return int(status.rpartition(" ")[2]) if status[-1].isdigit() else 0

    def cut(self) -> None:
        """End the connection under whoever waits on it, who gets a TRANSIENT error: whether the server did its work nobody knows.
        To ask it to cancel would wait for its answer. Nothing when the connection has gone back to the pool meanwhile."""
        with suppress(asyncpg.InterfaceError):
            self._connection.terminate()


class Tx(Session):
    """An open transaction, of a tenant (`tenant_id`) or of the system tables (None)."""

    def __init__(self, connection: asyncpg.Connection, tenant_id: int | None) -> None:
        super().__init__(connection, {} if tenant_id is None else {"tenant_id": tenant_id})
        self._tenant_id = tenant_id

    @property
    def tenant_id(self) -> int:
        if self._tenant_id is None:
            raise TypeError("this transaction has no tenant")
        return self._tenant_id


@dataclass
class Database:
    """A pool whose every connection is `atendeja_app`. `retries` counts the transactions that had to be repeated."""

    pool: asyncpg.Pool
    retries: int = field(default=0)
    greet: Callable[[Session], Awaitable[None]] | None = None
    """Called on each new connection before anything else runs on it: another server may answer at the address."""

    def tenant(self, tenant_id: int, *, durable: bool = True, by: str = "") -> AbstractAsyncContextManager[Tx]:
        """A transaction that sees and writes this tenant's rows only. The one way in. `by` tells failpoints whose it is.

        `durable=False` returns before the commit is on disk: for work that is found and done again if the server loses it,
        and that nobody is told of before a later durable commit, which carries it along.
        """
        relaxed = "" if durable else "; SET LOCAL synchronous_commit = off"
        return self._transaction(f"BEGIN; SET LOCAL app.tenant_id = {tenant_id:d}{relaxed}", tenant_id, by)

    def system(self, *, by: str = "") -> AbstractAsyncContextManager[Tx]:
        """A transaction over the system tables; tenant tables show no row in it."""
        return self._transaction("BEGIN", None, by)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Single statements on system tables and listed functions, each its own transaction."""
        try:
            async with self.connection() as connection:
                yield Session(connection, {})
        except TRANSIENT as error:
            raise Unavailable(f"the database is away: {describe(error)}") from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, for a while. Raises TimeoutError when there is none to be had within 10 s.

        One that was cut short while it waited for the server is closed: to ask it anything more would be to wait again. When the
        wait was long, all the others are replaced too before they are used again: they may have died with it.
        """
        loop = asyncio.get_running_loop()
        async with self.pool.acquire(timeout=ACQUIRE_S) as connection:
            began = loop.time()
            try:
                yield connection
            except (TimeoutError, asyncio.CancelledError):
                connection.terminate()
                if loop.time() - began > SILENCE_S:
                    await self.pool.expire_connections()
                raise
            except asyncpg.ReadOnlySQLTransactionError:  # a primary no longer
                await self.pool.expire_connections()
                raise

    @asynccontextmanager
    async def _transaction(self, begin: str, tenant_id: int | None, by: str) -> AsyncIterator[Tx]:
        async with self.connection() as connection:
            await connection.execute(begin)
            try:
                yield Tx(connection, tenant_id)
                failpoints.reach("commit.before", about=(by,))
                await connection.execute("COMMIT")
            except (TimeoutError, asyncio.CancelledError):
                raise  # and the connection is closed
            except BaseException:
                await _abandon(connection)
                raise
            failpoints.reach("commit.after", about=(by,))

    async def transact(self, tenant_id: int | None, work: Callable[[Tx], Awaitable[T]], *, durable: bool = True) -> T:
        """Run `work` in a transaction; a transient error repeats it whole, at most 3 tries. Raises Unavailable after the last.

        `work` must come to the same end when an earlier run of it was kept after all (a connection lost during COMMIT).
        """
        by = _name(work)
        for turn in range(1, TRIES + 1):
            try:
                async with self.tenant(tenant_id, durable=durable, by=by) if tenant_id is not None else self.system(by=by) as tx:
                    result = await work(tx)
                break  # only a committed result may leave
            except TRANSIENT as error:
                self.retries += 1
                log.warning("transaction_repeated", tenant_id=tenant_id, error=describe(error), turn=turn)
                if turn == TRIES:
                    raise Unavailable(f"the database is away: {describe(error)}") from error
                await asyncio.sleep(random.uniform(0.01, 0.05) * 2**turn)  # noqa: S311  (jitter)
        return result

    async def close(self) -> None:
        """Close the connections; those that have not ended after a second are cut."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.pool.close()


async def _abandon(connection: asyncpg.Connection) -> None:
    """Roll back, whatever happened; a connection that cannot is closed, so that no open transaction goes back to the pool."""
    try:
        async with asyncio.timeout(ROLLBACK_S):
            await connection.execute("ROLLBACK")
    except (*TRANSIENT, asyncpg.PostgresError, asyncio.CancelledError):
        connection.terminate()


def _name(work: Callable[..., object]) -> str:
    """Who does this work: `Sender._take_over` for what is defined in that method."""
    made = work.func if isinstance(work, partial) else work
    return str(getattr(made, "__qualname__", "")).partition(".<locals>")[0]


def describe(error: BaseException) -> str:
    """An error as a short line with no data in it: the class, and the SQLSTATE when there is one."""
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" {state}" if state else "")


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", format="binary", encoder=_encode_jsonb, decoder=_decode_jsonb)
    await connection.set_type_codec("json", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)


def _encode_jsonb(value: object) -> bytes:
    return b"\x01" + (value if isinstance(value, bytes) else msgspec.json.encode(value))


def _decode_jsonb(value: bytes) -> bytes:
    return bytes(value[1:])


async def _leave_clean(connection: asyncpg.Connection) -> None:
    """What the pool does on release. We never set anything for a session, so an open transaction is all there could be."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


@contextmanager
def connecting(setting: str) -> Iterator[None]:
    """Around a connection to the address in `setting`: Unavailable while the server is away, Refused when the address is wrong."""
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise Refused("database_login", f"the database refused the login of {setting}: {error.args[0]}") from error
    except asyncpg.ClientConfigurationError as error:
        raise Refused("database_address", f"{setting} is wrong: {error.args[0]}") from error
    except socket.gaierror as error:
        raise Unavailable(f"the database is away: the host of {setting} is not known ({error.strerror})") from error
    except (*TRANSIENT, OSError) as error:
        raise Unavailable(f"the database is away: {describe(error)} at the address of {setting}") from error
    except asyncpg.PostgresError as error:
        raise Refused("database_address", f"the database refused {setting}: {error.args[0]}") from error


async def connect(dsn: str, *, size: int = 12, setting: str = "DATABASE_URL") -> Database:
    """A pool of at most `size` connections to the address in `setting`.

    Raises Unavailable while the server is away, Refused when the address is wrong or its login not enough.
    """
    settings = {
        "role": "atendeja_app",
        "application_name": "atendeja",
        **LIMITS,
        **PLANNER,
    }
    made: list[Database] = []

    async def init(connection: asyncpg.Connection) -> None:
        await _prepare_connection(connection)
        if made and made[0].greet is not None:
            await made[0].greet(Session(connection, {}))

    with connecting(setting):
        try:
            pool = await asyncpg.create_pool(
                dsn,
                connect=Dialer(dsn),
                connection_class=Line,
                min_size=1,
                max_size=size,
                command_timeout=ANSWER_S,
                max_inactive_connection_lifetime=600,
                server_settings=settings,
                init=init,
                reset=_leave_clean,
            )
        except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError) as error:
            raise Refused(
                "database_role",
                f"the login of {setting} may not become atendeja_app: {error.args[0]}",
                hint="run `atendeja migrate` with DATABASE_ADMIN_URL set",
            ) from error
    made.append(Database(pool))
    return made[0]


@asynccontextmanager
async def listening(
    dsn: str, channel: str, hear: Callable[[str], None], *, setting: str = "DATABASE_LISTEN_URL"
) -> AsyncIterator[Session]:
    """A connection of its own on which the notifications of a channel arrive: `hear` is given the payload of each.

    Raises Unavailable when it cannot be had or is lost, Refused when the address is wrong.
    """
    settings = {"role": "atendeja_app", "application_name": "atendeja-listen"}
    with connecting(setting):
        connection = await Dialer(dsn)(server_settings=settings)
    try:
        await connection.add_listener(channel, lambda _connection, _pid, _channel, payload: hear(payload))
        yield Session(connection, {})
    except TRANSIENT as error:
        raise Unavailable(f"the database is away: {describe(error)} at the address of {setting}") from error
    finally:
        connection.terminate()  # one that is cut does not answer a goodbye


class Standing(msgspec.Struct):
    role: str
    superuser: bool
    bypasses: bool
    owner_of: int
    synchronous_commit: str
    member_of: list[str]


STANDING = query("db.standing", Standing)


async def verify_standing(db: Database) -> None:
    """Refuse to serve as anybody whom row security does not bind, or where a COMMIT does not wait for the disk. Raises Refused with
    the reason."""
    async with db.session() as session:
        who = await session.one(STANDING)
    assert who is not None
    faults = [
        text
        for fault, text in (
            (who.superuser, "is a superuser"),
            (who.bypasses, "bypasses row security"),
            (who.owner_of > 0, f"owns {who.owner_of} tables"),
            (bool(who.member_of), f"is a member of {', '.join(who.member_of)}"),
        )
        if fault
    ]
    if faults:
        raise Refused(
            "unsafe_role",
            f"the database role {who.role} {' and '.join(faults)}: tenants would not be kept apart",
            hint="connect as a login whose role is atendeja_app",
        )
    if who.synchronous_commit == "off":
        raise Refused(
            "unsafe_commits",
            "synchronous_commit is off for this login or database: a webhook answered 200 could be lost with the server",
            hint="set it to on where it was set: ALTER SYSTEM, ALTER DATABASE or ALTER ROLE … RESET synchronous_commit",
        )


def utc_day(at: dt.datetime) -> dt.date:
    """The partition of `delivery` an instant falls in."""
    return at.astimezone(dt.UTC).date()
