"""A connection goes to the host that takes writes, past those that are silent, and its death is noticed (F51, F53)."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from time import monotonic
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

from atendeja import db, dial
from atendeja.db import database as transactions
from atendeja.dial import Dialer
from atendeja.errors import Unavailable
from atendeja.runtime import Runtime
from tests import server

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a host that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@one/db", [("one", None)]),
        ("postgresql://u:p@one:1,two:2/db", [("one", 1), ("two", 2)]),
        ("postgresql://u:p@[::1]:5/db", [("::1", 5)]),
        ("postgresql://u:p@/db?host=one,two&port=7", [("one", 7), ("two", 7)]),
        ("postgresql://u:p@/db?host=/run/postgresql", [("/run/postgresql", None)]),
        ("postgresql://u:p@/db", [(None, None)]),
        ("postgresql://u:p@one/db?no_such_option=1", [(None, None)]),
    ],
)
def test_hosts_of_an_address(dsn: str, hosts: list[tuple[str | None, int | None]]) -> None:
    assert dial.hosts(dsn) == hosts


async def test_a_silent_host_is_passed_over_and_remembered(
    silent: int, cluster: server.Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F51: the first host is there and does not answer: after its time the second is asked, and from then on first."""
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 1)
    dsn = cluster.dsn(database)
    place = urlsplit(dsn).netloc.rpartition("@")[2]
    dialer = Dialer(dsn.replace(place, f"127.0.0.1:{silent},{place}"))
    for silence_s in (1.0, 0.0):
        began = monotonic()
        line = await dialer()
        assert await line.fetchval("SELECT 1") == 1
        assert monotonic() - began >= silence_s
        await line.close()
    assert dialer._hosts[-1] == ("127.0.0.1", silent)


async def test_dials_at_once_agree_on_the_good_host(
    silent: int, cluster: server.Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F51: after a failover a pool opens several connections together."""
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 1)
    dsn = cluster.dsn(database)
    place = urlsplit(dsn).netloc.rpartition("@")[2]
    dialer = Dialer(dsn.replace(place, f"127.0.0.1:{silent},{place}"))
    for line in await asyncio.gather(*(dialer() for _ in range(4))):
        await line.close()
    assert dialer._hosts[-1] == ("127.0.0.1", silent)


async def test_who_had_no_more_time_leaves_the_next_another_host(
    silent: int, cluster: server.Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F51: two of three hosts are silent, and whoever asks has time for one of them only."""
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 5)
    dsn = cluster.dsn(database)
    place = urlsplit(dsn).netloc.rpartition("@")[2]
    with socket.create_server(("127.0.0.1", 0)) as other:
        dialer = Dialer(dsn.replace(place, f"127.0.0.1:{silent},127.0.0.1:{other.getsockname()[1]},{place}"))
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await dialer()
        await (await asyncio.wait_for(dialer(), 4)).close()


async def test_nobody_there_is_the_last_ones_error(silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 0.2)
    with pytest.raises(TimeoutError):
        await Dialer(f"postgresql://u:p@127.0.0.1:9,127.0.0.1:{silent}/db")()
    with pytest.raises(OSError, match="9"):
        await Dialer(f"postgresql://u:p@127.0.0.1:{silent},127.0.0.1:9/db")()


def alive(sock: socket.socket) -> list[int]:
    """What the operating system was told about a silent line: whether to probe, and the times."""
    options = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    values = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in options]
    return [sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *values]


@needs_linux
async def test_both_drivers_probe_a_silent_line(rt: Runtime, cluster: server.Server, database: str) -> None:
    """F53: keepalives and tcp_user_timeout reach the sockets of asyncpg's pool and of the driver of the jobs."""
    wanted = [1, 10, 5, 3, 15_000]
    async with rt.db.connection() as line:
        assert alive(line._con._transport.get_extra_info("socket")) == wanted
    with psycopg.connect(cluster.dsn(database), **dial.LIBPQ) as other, socket.socket(fileno=other.fileno()) as sock:
        assert alive(sock) == wanted
        sock.detach()


async def test_the_servers_limits_are_in_force(rt: Runtime) -> None:
    """F52: on the connections that the application itself uses."""
    async with rt.db.connection() as line:
        found = {name: await line.fetchval("SELECT current_setting($1)", name) for name in db.LIMITS}
    assert found.pop("client_connection_check_interval") in ("2s", "2000ms")
    assert {name: value for name, value in found.items() if name.endswith("timeout") and name != "tcp_user_timeout"} == {
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "5s",
    }
    assert found.keys() >= {"tcp_user_timeout", "tcp_keepalives_idle"}


async def test_a_goodbye_that_nobody_hears_takes_a_second(silent: int, cluster: server.Server, database: str) -> None:
    """A cancelled command is waited for by asyncpg for as long as a command may take: not by us."""
    line = await Dialer(cluster.dsn(database))()
    asking = asyncio.ensure_future(line.execute("SELECT pg_sleep(10)"))
    await asyncio.sleep(0.1)
    line._addr = ("127.0.0.1", silent)  # where asyncpg will ask to cancel it
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(5):
        await line.close()
    assert line.is_closed()


async def test_a_transaction_that_is_cut_short_gives_its_locks_back(rt: Runtime, silent: int) -> None:
    """F52: its connection is closed, not asked to roll back, and the server notices although it waits for something else."""

    async def work(tx: db.Tx) -> None:
        await tx._connection.execute("SELECT pg_advisory_xact_lock(7)")
        tx._connection._con._addr = ("127.0.0.1", silent)  # where asyncpg will ask to cancel what follows
        await tx._connection.execute("SELECT pg_sleep(30)")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await rt.db.transact(None, work)
    async with asyncio.timeout(8), rt.db.system() as tx:
        await tx._connection.execute("SELECT pg_advisory_xact_lock(7)")


async def test_after_a_long_silence_every_connection_is_replaced(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """F53: who waited in vain condemns the rest of the pool, which may be as dead; a short wait does not."""
    for silence_s, replaced in ((5.0, False), (0.1, True)):
        monkeypatch.setattr(transactions, "SILENCE_S", silence_s)
        async with rt.db.connection() as one, rt.db.connection() as two:
            before = {one.get_server_pid(), two.get_server_pid()}
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), rt.db.session() as session:
                await session._connection.execute("SELECT pg_sleep(5)")
        async with rt.db.connection() as one, rt.db.connection() as two:
            assert not before & {one.get_server_pid(), two.get_server_pid()} if replaced else before & {
                one.get_server_pid(), two.get_server_pid()
            }  # fmt: skip


async def test_a_pool_with_nothing_left_is_unavailable(rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """F52: no connection is waited for longer than its time."""
    monkeypatch.setattr(transactions, "ACQUIRE_S", 0.2)
    held = [await rt.db.pool.acquire() for _ in range(12)]
    try:
        with pytest.raises(Unavailable, match="TimeoutError"):
            async with rt.db.session():
                pass
    finally:
        for connection in held:
            await rt.db.pool.release(connection)


async def test_a_primary_no_longer_is_left(rt: Runtime) -> None:
    """F51: a connection that refuses a write condemns the pool too."""
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with rt.db.connection() as line:
            pid = line.get_server_pid()
            await line.execute("SET default_transaction_read_only = on")
            await line.execute("DELETE FROM lease")
    async with rt.db.connection() as line:
        assert line.get_server_pid() != pid
