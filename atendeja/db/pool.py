"""Connections as we want them: whose they are, how they plan, how long they wait, and what is said when there are none."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import msgspec

from atendeja.db.database import Database
from atendeja.db.faults import TRANSIENT, describe
from atendeja.db.session import Session
from atendeja.dial import Dialer, Line
from atendeja.errors import Refused, Unavailable

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

STATEMENT_TIMEOUT_S = 10
"""For one statement, by the server's clock, whatever it waits for."""
ANSWER_S = STATEMENT_TIMEOUT_S + 2
"""A server that has not answered a statement by then is not there."""
LOCK_TIMEOUT_S = 5
IDLE_TIMEOUT_S = 5
"""A transaction in which nothing is asked for so long is that of a process that is frozen, or cut off: the server ends it, or its
locks would keep the one who takes over its leases waiting."""

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


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", format="binary", encoder=encode_jsonb, decoder=decode_jsonb)
    await connection.set_type_codec("json", schema="pg_catalog", format="binary", encoder=bytes, decoder=bytes)


def encode_jsonb(value: object) -> bytes:
    return b"\x01" + (value if isinstance(value, bytes) else msgspec.json.encode(value))


def decode_jsonb(value: bytes) -> bytes:
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
