"""A TCP proxy in front of PostgreSQL that can lose the answer to a COMMIT: the server has it, the client never knows."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Forwards both ways; after `cut_at(text)` the connection that sends this text ends when its COMMIT has been answered."""

    def __init__(self, dsn: str) -> None:
        self._url = urlsplit(dsn)
        self._text: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0
        self.cuts = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """The server is away: connections end, and none is taken."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def point_at(self, dsn: str) -> None:
        """From the next connection on, this is the server."""
        self._url = urlsplit(dsn)

    @property
    def dsn(self) -> str:
        user = self._url.netloc.rpartition("@")[0]
        return self._url._replace(netloc=f"{user}@127.0.0.1:{self._port}").geturl()

    def cut_at(self, text: bytes) -> None:
        """Lose the answer to the next COMMIT after this text, once."""
        self._text = text

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        armed, writers = asyncio.Event(), [answer]
        try:
            server, forward = await asyncio.open_connection(self._url.hostname, self._url.port)
            writers.append(forward)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._up(client, forward, armed))
                group.create_task(self._down(server, answer, armed))
        except* (ConnectionError, EOFError):
            pass
        finally:
            for writer in writers:
                writer.close()

    async def _up(self, client: asyncio.StreamReader, forward: asyncio.StreamWriter, armed: asyncio.Event) -> None:
        seen = False
        while piece := await client.read(65536):
            seen = seen or (self._text is not None and self._text in piece)
            if seen and b"COMMIT" in piece and self._text is not None:
                self._text = None
                armed.set()
            forward.write(piece)
            await forward.drain()
        raise EOFError

    async def _down(self, server: asyncio.StreamReader, answer: asyncio.StreamWriter, armed: asyncio.Event) -> None:
        while piece := await server.read(65536):
            if armed.is_set() and b"COMMIT" in piece:
                self.cuts += 1
                answer.transport.abort()
                raise EOFError
            answer.write(piece)
            await answer.drain()
        raise EOFError


class Hanging(Proxy):
    """Once `hangs` is set, the server still takes connections and answers nothing."""

    hangs = False

    async def _down(self, server: asyncio.StreamReader, answer: asyncio.StreamWriter, _armed: asyncio.Event) -> None:
        while piece := await server.read(65536):
            if self.hangs:
                await asyncio.Event().wait()
            answer.write(piece)
            await answer.drain()
        raise EOFError
