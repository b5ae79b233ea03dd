"""The connection that webhooks go over, on the simulator's own event loop."""

import asyncio
import socket
from typing import cast

import pytest
import uvloop

from atendeja.simulator.post import Connection, PostError


class Cut(Connection):
    """Cut off as soon as it stands, as by a process that dies right after it accepted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        cast(asyncio.Transport, transport).abort()  # uvloop's is none by inheritance


def test_a_connection_cut_off_before_the_first_byte_is_a_post_that_failed() -> None:
    """Anything else would end the task that delivers, and with it one webhook would be lost that Meta would repeat."""

    async def post() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            connection = Cut(f"http://127.0.0.1:{server.getsockname()[1]}/webhook")
            with pytest.raises(PostError, match="connection lost"):
                await connection.post(b"{}", "sha256=0", 5)

    uvloop.run(post())
