"""The two clients' way to the network, with and without asyncio; the operations are in `generated`."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar, Unpack, cast

import httpx
import msgspec
from msgspec import Struct

from atendeja import __version__
from atendeja.client.exchange import Flow, Given, Operation, Page, Send, Session, Told
from atendeja.client.feed import Feed, ServerEvent

T = TypeVar("T")

TRIES = 4
TIMEOUT_S = 30.0
CHUNK_BYTES = 64 * 1024
HEADERS = {"User-Agent": f"atendeja-client/{__version__}"}


class Pages(Generic[T]):
    """A list: iterating over it asks for one page after the other, as they are needed."""

    def __init__(self, fetch: Callable[[str | None], Page[T]]) -> None:
        self._fetch = fetch

    def page(self, cursor: str | None = None) -> Page[T]:
        """One page: the first, or that behind a `next_cursor`."""
        return self._fetch(cursor)

    def __iter__(self) -> Iterator[T]:
        page = self.page()
        yield from page.items
        while page.next_cursor is not None:
            page = self.page(page.next_cursor)
            yield from page.items


class AsyncPages(Generic[T]):
    """A list: iterating over it asks for one page after the other, as they are needed."""

    def __init__(self, fetch: Callable[[str | None], Awaitable[Page[T]]]) -> None:
        self._fetch = fetch

    async def page(self, cursor: str | None = None) -> Page[T]:
        """One page: the first, or that behind a `next_cursor`."""
        return await self._fetch(cursor)

    async def __aiter__(self) -> AsyncIterator[T]:
        page = await self.page()
        for item in page.items:
            yield item
        while page.next_cursor is not None:
            page = await self.page(page.next_cursor)
            for item in page.items:
                yield item


def read(answer: httpx.Response, kind: type[T]) -> T:
    """What an answer holds; what is shown with an ETag carries it as `etag`."""
    if kind is bytes:
        return cast("T", answer.content)
    found = msgspec.json.decode(answer.content or b"null", type=kind)
    if "etag" in answer.headers and isinstance(found, Struct) and hasattr(found, "etag"):
        found = msgspec.structs.replace(found, etag=answer.headers["etag"])
    return found


def behind(given: Given, cursor: str | None) -> Given:
    """The same, of the page at a cursor."""
    return {**given, "query": {**given.get("query", {}), "cursor": cursor}}


class Sync:
    """A server's API. Use it as a context manager, or `close` it; several threads may use it at once."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    def __init__(self, url: str, *, key: str | None = None, timeout: float | httpx.Timeout = TIMEOUT_S, tries: int = TRIES) -> None:
        """`url` is the server's address, without /v1. `key` is an API key; people `login` instead.

        `timeout` is in seconds, for connecting and for each piece read or written. What may be done twice, or is done once whatever
        happens, is tried `tries` times in all.
        """
        self._http = httpx.Client(base_url=url, timeout=timeout, headers=HEADERS)
        self._session = Session(self._http.build_request, _chunks, key, tries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def request(self, name: str, **given: Unpack[Given]) -> httpx.Response:
        """The answer of an operation by its operationId, as it came. Raises ApiError, httpx.TransportError."""
        return self._run(self._session.ask(self.operations[name], given))

    def _run(self, flow: Flow[T]) -> T:
        told: Told = None
        while True:
            try:
                step = flow.send(told)
            except StopIteration as end:
                return cast("T", end.value)
            if isinstance(step, Send):
                told = self._send(step)
            else:
                time.sleep(step)

    def _send(self, step: Send) -> Told:
        try:
            answer = self._http.send(step.request, stream=step.stream)
            if not answer.is_success:
                answer.read()
        except httpx.TransportError as error:
            return error
        return answer

    def _call(self, name: str, kind: type[T], **given: Unpack[Given]) -> T:
        return read(self.request(name, **given), kind)

    def _pages(self, name: str, kind: type[Page[T]], **given: Unpack[Given]) -> Pages[T]:
        return Pages(lambda cursor: self._call(name, kind, **behind(given, cursor)))

    def _events(
        self, name: str, kinds: Mapping[str, type[T]], last_event_id: str | None, **given: Unpack[Given]
    ) -> Iterator[ServerEvent[T]]:
        feed = Feed(kinds, last_event_id)
        while True:
            answer = self._run(self._session.ask(self.operations[name], given, feed))
            feed.begin()
            try:
                for chunk in answer.iter_bytes():
                    yield from feed.take(chunk)
            except httpx.TransportError:
                pass
            finally:
                answer.close()
            time.sleep(feed.pause_s())


class Async:
    """A server's API for asyncio. Use it as a context manager, or `close` it."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    def __init__(self, url: str, *, key: str | None = None, timeout: float | httpx.Timeout = TIMEOUT_S, tries: int = TRIES) -> None:
        """As that of Client."""
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, headers=HEADERS)
        self._session = Session(self._http.build_request, _async_chunks, key, tries)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def request(self, name: str, **given: Unpack[Given]) -> httpx.Response:
        """The answer of an operation by its operationId, as it came. Raises ApiError, httpx.TransportError."""
        return await self._run(self._session.ask(self.operations[name], given))

    async def _run(self, flow: Flow[T]) -> T:
        told: Told = None
        while True:
            try:
                step = flow.send(told)
            except StopIteration as end:
                return cast("T", end.value)
            if isinstance(step, Send):
                told = await self._send(step)
            else:
                await asyncio.sleep(step)

    async def _send(self, step: Send) -> Told:
        try:
            answer = await self._http.send(step.request, stream=step.stream)
            if not answer.is_success:
                await answer.aread()
        except httpx.TransportError as error:
            return error
        return answer

    async def _call(self, name: str, kind: type[T], **given: Unpack[Given]) -> T:
        return read(await self.request(name, **given), kind)

    def _pages(self, name: str, kind: type[Page[T]], **given: Unpack[Given]) -> AsyncPages[T]:
        return AsyncPages(lambda cursor: self._call(name, kind, **behind(given, cursor)))

    async def _events(
        self, name: str, kinds: Mapping[str, type[T]], last_event_id: str | None, **given: Unpack[Given]
    ) -> AsyncIterator[ServerEvent[T]]:
        feed = Feed(kinds, last_event_id)
        while True:
            answer = await self._run(self._session.ask(self.operations[name], given, feed))
            feed.begin()
            try:
                async for chunk in answer.aiter_bytes():
                    for event in feed.take(chunk):
                        yield event
            except httpx.TransportError:
                pass
            finally:
                await answer.aclose()
            await asyncio.sleep(feed.pause_s())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


async def _async_chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
