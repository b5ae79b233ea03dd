"""A keep-alive HTTP/1.1 connection that POSTs JSON and reads back nothing but the status.

Written out because the simulator shares two cores with what it measures, and three webhooks answer every message: a POST
over this takes 25 µs of CPU, one over aiohttp's client 190 (against a bare receiver). It follows no redirect and repeats
nothing.
"""

import asyncio
import ssl
from typing import cast
from urllib.parse import SplitResult, urlsplit

import httptools


class PostError(Exception):
    """No status came: not connected, cut off, too late, or not HTTP. The other side may have had the body."""


class Connection(asyncio.Protocol):
    """One connection to one URL, opened when needed. One POST at a time."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._parts: SplitResult = urlsplit(url)
        self._head = _head(self._parts)
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer: asyncio.Future[int] | None = None
        """Of the POST in flight."""

    async def post(self, body: bytes, signature: str, timeout_s: float) -> int:
        """POST these bytes and return the status. Raises PostError when there is none within the time."""
        loop = asyncio.get_running_loop()
        transport = self._transport or await self._connect(timeout_s)
        answer: asyncio.Future[int] = loop.create_future()
        self._answer = answer
        transport.write(
            b"%bX-Hub-Signature-256: %b\r\nContent-Length: %d\r\n\r\n%b" % (self._head, signature.encode(), len(body), body)
        )
        deadline = loop.call_later(timeout_s, self._fail, "no answer in time")
        try:
            return await answer
        finally:
            deadline.cancel()
            self._answer = None

    def close(self) -> None:
        """Close it; the next POST opens another."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _connect(self, timeout_s: float) -> asyncio.Transport:
        secure = self._parts.scheme == "https"
        port = self._parts.port or (443 if secure else 80)
        context = ssl.create_default_context() if secure else None
        connecting = asyncio.get_running_loop().create_connection(lambda: self, self._parts.hostname or "", port, ssl=context)
        try:
            transport, _ = await asyncio.wait_for(connecting, timeout_s)
        except (OSError, TimeoutError) as error:
            raise PostError(f"cannot connect: {error}") from error
        if self._transport is not transport:  # cut off before we came to know of it; a write would be a RuntimeError
            raise PostError("connection lost")
        return transport

    def _fail(self, reason: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(PostError(reason))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("not an HTTP answer")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail("connection lost")

    # httptools

    def on_message_complete(self) -> None:
        parser, answer = self._parser, self._answer
        if parser is None or answer is None or answer.done():
            return
        if not parser.should_keep_alive():
            self.close()
        status: int = parser.get_status_code()
        answer.set_result(status)


def _head(parts: SplitResult) -> bytes:
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    lines = (
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        "User-Agent: facebookexternalua",
        "",
    )
    return "\r\n".join(lines).encode()
