"""A line to the database that loses one answer, or stands still."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit


class Line:
    """Forwards both ways, until it is to lose something or to stand still."""

    def __init__(self, dsn: str) -> None:
        self._url = urlsplit(dsn)
        self._lose: tuple[str, bytes] = ("", b"")
        self._free = asyncio.Event()
        self._free.set()
        self._forgotten: set[asyncio.StreamReader] = set()
        self._readers: set[asyncio.StreamReader] = set()
        self.lost = 0

    def lose(self, direction: str, text: bytes) -> None:
        """The next piece `up` or `down` that holds this is not passed on, and its connection ends on both sides. Once."""
        self._lose = (direction, text)

    def freeze(self) -> None:
        """Nothing passes, and no connection ends."""
        self._free.clear()

    def forget(self) -> None:
        """Of the connections there are nothing passes any more, nor do they end; new ones are well. As a firewall does."""
        self._forgotten |= self._readers

    def thaw(self) -> None:
        """What was held back passes, and all that comes."""
        self._free.set()

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """The address through it."""
        tasks: set[asyncio.Task[None]] = set()

        def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        listening = await asyncio.start_server(take, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        yield self._url._replace(netloc=f"{self._url.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl()
        listening.close()
        ending = [*tasks]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        server, forward = await asyncio.open_connection(self._url.hostname, self._url.port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass("up", client, forward))
                group.create_task(self._pass("down", server, answer))
        except* (ConnectionError, EOFError):
            pass
        finally:
            answer.close()
            forward.close()

    async def _pass(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._readers.add(reader)
        while piece := await reader.read(65536):
            await self._free.wait()
            if reader in self._forgotten:
                continue
            if direction == self._lose[0] and self._lose[1] in piece:
                self._lose = ("", b"")
                self.lost += 1
                raise EOFError
            writer.write(piece)
            await writer.drain()
        raise EOFError
