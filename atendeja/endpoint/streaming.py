"""Answers that have no end: server-sent events, for as long as the client stays and may.

Whether who asked may still listen is asked of the gate every 4 s, once for all streams with one bearer and without what it
remembers: who is put out hears nothing more within 5 s. While nothing happens a comment every 15 s tells both ends that the other
is there.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from atendeja.errors import Unavailable

log = structlog.get_logger(__name__)

BEAT_S = 15.0
ASK_EVERY_S = 4.0
MEDIA_TYPE = "text/event-stream"


class Source(Protocol):
    """What an endpoint gives that is told as it happens."""

    ended: bool

    async def next(self, within_s: float) -> bytes:
        """What is to be told now; a sign of life when that is nothing for so long; nothing at all when it has ended."""

    def end(self) -> None:
        """Have `next` return."""

    def close(self) -> None:
        """Nobody listens any more."""


class Live(Response):
    """The answer. It ends when its source does, or the client goes."""

    media_type = MEDIA_TYPE

    def __init__(self, source: Source, headers: dict[str, str], done: Callable[[], None]) -> None:
        """`done` is called at the end, whatever it was."""
        super().__init__(None, 200, headers)
        self.source, self._done = source, done
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.get_running_loop().create_task(self._watch(receive), name="client")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while not self.source.ended:
                if piece := await self.source.next(BEAT_S):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except Unavailable as error:
            log.info("stream_cut", error=str(error))  # the client comes back, and goes on where it was
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self.source.close()
            self._done()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.source.end()


class Watch:
    """All live answers of a process: who may no longer listen is ended. Its loop runs while there are some."""

    def __init__(self, may: Callable[[str, str], Awaitable[bool]]) -> None:
        """`may` says whether this bearer may still listen to this operation. It may raise Unavailable: then it is asked again."""
        self._may = may
        self._live: dict[tuple[str, str], set[Source]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, bearer: str, operation: str, source: Source) -> Callable[[], None]:
        """Watch it, until what is returned is called."""
        key = bearer, operation
        self._live.setdefault(key, set()).add(source)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="watch streams")

        def remove() -> None:
            with contextlib.suppress(KeyError):
                self._live[key].discard(source)
                if not self._live[key]:
                    del self._live[key]

        return remove

    async def _run(self) -> None:
        while self._live:
            await asyncio.sleep(ASK_EVERY_S)
            for key in list(self._live):
                await self._ask(key)

    async def _ask(self, key: tuple[str, str]) -> None:
        try:
            may = await self._may(*key)
        except Unavailable:
            return
        if not may:
            for source in self._live.get(key, set()):
                source.end()
