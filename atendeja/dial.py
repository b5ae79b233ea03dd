"""Opening a connection to PostgreSQL: to the host that takes writes, on a line whose death is noticed.

Problem: a network that swallows packets leaves a connection that looks alive for hours; a driver that asks a host which does not
answer may never come to the next; and a former primary that comes back as a standby takes connections and refuses every write.
Choice: each host of the address is tried by itself and for a short time, the one that was good last first, and only one that
takes writes is good; the operating system probes a silent line and ends it. Refused: asyncpg's own way through the hosts, which
has one time limit for all of them.
"""

import asyncio
import socket
from typing import Any

import asyncpg
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

CONNECT_TIMEOUT_S = 5
"""For one host, from the first packet to the login."""
CLOSE_S = 1
"""For saying goodbye."""
IDLE_S, INTERVAL_S, PROBES = 10, 5, 3
SILENCE_S = IDLE_S + INTERVAL_S
"""A peer that has not acknowledged anything for so long is gone."""

LIBPQ: dict[str, Any] = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "keepalives_idle": IDLE_S,
    "keepalives_interval": INTERVAL_S,
    "keepalives_count": PROBES,
    "tcp_user_timeout": SILENCE_S * 1000,
    "target_session_attrs": "read-write",
}
"""The same for the driver of the jobs, as libpq calls it. Any: its arguments are of many types."""

_OPTIONS = {
    "TCP_KEEPIDLE": IDLE_S,
    "TCP_KEEPINTVL": INTERVAL_S,
    "TCP_KEEPCNT": PROBES,
    "TCP_USER_TIMEOUT": SILENCE_S * 1000,
}
"""Not every system has all of them."""

_NOT_HERE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting up, shutting down
    asyncpg.TargetServerAttributeNotMatched,  # a standby
)
"""What another host may do better."""


class Line(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection that is closed within a second, also when nobody is there to say goodbye to."""

    async def close(self, *, timeout: float | None = None) -> None:
        """As asyncpg's; cut when it takes longer."""
        try:
            await super().close(timeout=timeout or CLOSE_S)
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self.terminate()


class Dialer:
    """Opens connections to one address, which may name several hosts."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._hosts = hosts(dsn)

    async def __call__(self, *_dsn: str, **options: Any) -> Line:  # Any: asyncpg's options
        """A connection that takes writes. Raises what the last host tried said: OSError, TimeoutError or one of asyncpg's.

        The address may be given again, as a pool does.
        """
        error: Exception | None = None
        for host in list(self._hosts):
            try:
                return await self._open(*host, options)
            except _NOT_HERE as failed:
                error = failed
                self._put_last(host)
            except asyncio.CancelledError:
                self._put_last(host)  # whoever waited for it had no more time: the next begins with another
                raise
        assert error is not None
        raise error

    def _put_last(self, host: tuple[str | None, int | None]) -> None:
        self._hosts.remove(host)
        self._hosts.append(host)

    async def _open(self, host: str | None, port: int | None, options: dict[str, Any]) -> Line:
        kind = {**options, "connection_class": Line, "timeout": CONNECT_TIMEOUT_S, "target_session_attrs": "read-write"}
        line: Line = await asyncpg.connect(self._dsn, host=host, port=port, **kind)
        probe(line._transport.get_extra_info("socket"))
        return line


def hosts(dsn: str) -> list[tuple[str | None, int | None]]:
    """The hosts and ports of an address, in order; (None, None) when it leaves them to the environment or a service file."""
    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return [(None, None)]  # asyncpg will say what is wrong with it
    names = str(parts.get("host") or "").split(",")
    ports = str(parts.get("port") or "").split(",")
    if names == [""]:
        return [(None, None)]
    ports = ports * len(names) if len(ports) == 1 else ports
    return [(name, int(port) if port.isdigit() else None) for name, port in zip(names, ports, strict=False)]


def probe(sock: socket.socket) -> None:
    """Have the operating system ask whether the other side is still there, and end the line when it is not."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
