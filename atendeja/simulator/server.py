"""uvicorn inside our own loop: no signal handlers, and endpoints that can reach their connection."""

import asyncio
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from atendeja.errors import Refused

EXTENSION = "atendeja.transport"


def transport_of(scope: Scope) -> asyncio.Transport:
    """The connection on which this request came. Raises KeyError under a server that is not ours."""
    transport: asyncio.Transport = scope["extensions"][EXTENSION]["transport"]
    return transport


class ReachableProtocol(HttpToolsProtocol):
    """Shows its transport to the application: how a reset is sent is no part of ASGI."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: {"transport": self.transport}}


class Server(uvicorn.Server):
    """Serves one app until it is stopped; signals are the business of whoever runs the loop."""

    def __init__(self, app: ASGIApp, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=ReachableProtocol,
                ws="none",
                proxy_headers=False,
                server_header=False,
                date_header=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._socket = _bind(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._task: asyncio.Task[None] | None = None
        self._listening, self._stopping = asyncio.Event(), asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the process's signal handlers alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's: open the listeners."""
        await super().startup(sockets)
        self._listening.set()

    async def main_loop(self) -> None:
        """uvicorn's: serve until stopped. It would look ten times a second, for a date and a limit that are not used here."""
        await self._stopping.wait()

    async def start(self) -> None:
        """Listen, and return when connections are accepted."""
        self._task = asyncio.create_task(self.serve(sockets=[self._socket]))
        await self._listening.wait()

    async def stop(self) -> None:
        """Close every connection after at most a second."""
        self._stopping.set()
        if self._task is not None:
            await self._task
        self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    """A socket on this address. It names its protocol, without which asyncio would not set TCP_NODELAY: 40 ms an answer."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise Refused("port_taken", f"the simulator cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
    return listener
