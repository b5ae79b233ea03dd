"""Server-sent events: as bytes come, over streams that end, are cut, are refused, and with tokens that are over."""

import itertools
from collections.abc import AsyncIterator, Iterator
from functools import partial

import httpx
import pytest
import respx
from httpx import Response

from atendeja.client import ApiError, Operation, ServerEvent
from atendeja.client.feed import Feed
from tests.client.conftest import Either, Make

URL = "http://api.example"
TOLD = 'id: 1\nevent: told\ndata: {"a":"é\u2028\x85"}\n\n: alive\n\nid: 2\n\nid: 3\r\n'.encode()
TOLD += b"event: new\r\ndata: {\r\ndata: }\r\n\r\n"


def read(feed: "Feed[dict[str, str]]", chunks: list[bytes]) -> list[ServerEvent[dict[str, str]]]:
    feed.begin()
    return [event for chunk in chunks for event in feed.take(chunk)]


def test_however_the_bytes_are_cut_the_events_are_the_same() -> None:
    """A line ends where the server ends it, not at U+2028 in a customer's words."""
    wanted = [ServerEvent("told", {"a": "é\u2028\x85"}, '{"a":"é\u2028\x85"}', "1"), ServerEvent("new", None, "{\n}", "3")]
    for at, further in itertools.combinations(range(0, len(TOLD), 3), 2):
        feed = Feed({"told": dict[str, str]}, "0")
        assert read(feed, [TOLD[:at], TOLD[at:further], TOLD[further:]]) == wanted
        assert feed.last_id == "3"


def test_what_this_release_cannot_read_is_told_as_it_came() -> None:
    feed = Feed({"told": dict[str, str]}, None)
    assert read(feed, [b'event: told\ndata: {"a":1}\n\n']) == [ServerEvent("told", None, '{"a":1}', None)]


def test_a_place_may_be_told_without_an_event() -> None:
    feed = Feed({"told": dict[str, str]}, "1")
    assert (read(feed, [b":\n\nid: 7\n\nid: 8\nda"]), feed.last_id) == ([], "7")


def test_what_was_cut_off_is_left_to_be_told_again() -> None:
    feed = Feed({"told": dict[str, str]}, None)
    half = b'retry: 2000\nid: 1\nevent: told\ndata: {"a":"b"}\n\nid: 2\nevent: told\ndata: {"a":'
    assert [event.id for event in read(feed, [half])] == ["1"]
    assert feed.last_id == "1" and 2 <= feed.pause_s() <= 3
    assert [event.id for event in read(feed, [b'id: 2\nevent: told\ndata: {"a":"c"}\n\n'])] == ["2"]


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A stream that ends in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"id: 1\nevent: told\ndata: {}\n\nid: 2\nev"
        raise httpx.ReadError("")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


@pytest.fixture
def watcher(make: Make, monkeypatch: pytest.MonkeyPatch) -> Either:
    api = make(URL, key="atj_k", tries=2)
    monkeypatch.setattr(type(api.client), "operations", {"told": Operation("told", "GET", "/v1/events")})
    told = partial(api.client._events, "told", {"told": dict[str, str]})
    monkeypatch.setattr(api.client, "told", told, raising=False)
    return api


def answer(*ids: int) -> Response:
    return Response(200, content=b"".join(b"id: %d\nevent: told\ndata: {}\n\n" % n for n in ids))


async def test_a_stream_goes_on_where_it_was_whatever_ends_it(watcher: Either, naps: list[float]) -> None:
    away = Response(503, headers={"Retry-After": "7"})
    with respx.mock(base_url=URL) as wire:
        route = wire.get("/v1/events")
        route.side_effect = [away, Response(200, stream=Cut()), *[httpx.ConnectError("")] * 9, away, Response(200), answer(2, 3)]
        events = await watcher.take("told", 3, last_event_id="0")
    assert [event.id for event in events] == ["1", "2", "3"]
    assert [call.request.headers["last-event-id"] for call in route.calls] == ["0"] * 2 + ["1"] * 12
    assert len(naps) == 13 and max(naps[:11]) <= 60 and naps[11] >= 7
    assert {call.request.extensions["timeout"]["read"] for call in route.calls} == {30}


async def test_a_stream_that_does_not_begin_or_is_refused_is_told(watcher: Either, naps: list[float]) -> None:
    for answers, error in (
        ([httpx.ConnectError("")] * 2, httpx.ConnectError),
        ([answer(1), Response(401, json={"code": "not_signed_in"})], ApiError),
        ([Response(403, content=b"x" * 100)], ApiError),
    ):
        with respx.mock(base_url=URL) as wire:
            wire.get("/v1/events").mock(side_effect=answers)
            with pytest.raises(error):
                await watcher.take("told", last_event_id=None)
