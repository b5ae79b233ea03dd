"""The phone page's server side; the page itself is tested in a browser."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import msgspec
import pytest

from atendeja.simulator import Simulator, feed
from tests.simulator.conftest import ANA, NUMBER, Api, Json

POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"

Event = tuple[str, Json]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    """The server-sent events of a stream."""
    name = ""
    async for line in response.content:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, msgspec.json.decode(value)


async def test_every_file_comes_with_the_policy(api: Api) -> None:
    for path in ("", "app.js", "view.js", "style.css"):
        async with api.session.get(f"{api.url}/simulator/{path}") as response:
            assert response.status == 200
            assert response.headers["Content-Security-Policy"].startswith(POLICY)
            text = await response.text()
            assert "innerHTML" not in text
            assert "style=" not in text


async def test_the_page_is_found_without_the_slash(api: Api) -> None:
    async with api.session.get(f"{api.url}/simulator") as response:
        assert (response.status, response.url.path) == (200, "/simulator/")


async def test_the_stream_starts_with_everything_and_goes_on(api: Api) -> None:
    await api.says("primeira")
    async with api.session.get(f"{api.url}/simulator/stream") as response:
        stream = events(response)
        name, snapshot = await anext(stream)
        assert name == "snapshot"
        assert [bubble["message"]["text"]["body"] for bubble in snapshot["bubbles"]] == ["primeira"]
        assert [person["phone"] for person in snapshot["people"]] == [ANA]
        assert [item["kind"] for item in snapshot["traffic"]] == ["webhook"]
        await api.send()
        seen: list[Event] = []
        async with asyncio.timeout(5):
            while ("ticked", "read") not in [(name, event.get("tick")) for name, event in seen]:
                seen.append(await anext(stream))
    [bubble] = [event for name, event in seen if name == "bubble"]
    assert (bubble["by"], bubble["customer"], bubble["phone_number_id"]) == ("business", snapshot["people"][0]["key"], NUMBER)
    [sent] = [event for name, event in seen if name == "traffic" and event["kind"] == "graph"]
    assert (sent["request"]["text"]["body"], sent["status"], sent["answer"]["messages"][0]["id"]) == ("Olá", 200, bubble["wamid"])


async def test_json_with_line_breaks_is_one_event(api: Api) -> None:
    await api.sim("settings", window=False)
    body = b'{\n"messaging_product": "whatsapp",\r\n"to": "+5511900000001",\n\n"text": {"body": "a\\nb"}}'
    async with api.session.post(f"{api.url}/v24.0/{NUMBER}/messages", data=body) as response:
        assert response.status == 200
    async with api.session.get(f"{api.url}/simulator/stream") as response:
        _, snapshot = await anext(events(response))
    assert snapshot["bubbles"][0]["message"]["text"]["body"] == "a\nb"


async def test_a_body_that_is_not_json_is_shown_as_text(api: Api) -> None:
    async with api.session.post(f"{api.url}/v24.0/{NUMBER}/messages", data=b"\xff{oi") as response:
        assert response.status == 400
    async with api.session.get(f"{api.url}/simulator/stream") as response:
        _, snapshot = await anext(events(response))
    assert snapshot["traffic"][0]["request"] == "\ufffd{oi"


async def test_a_watcher_too_slow_is_let_go(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BACKLOG", 3)
    watcher = simulator.board.feed.watch()
    for _ in range(4):
        simulator.board.feed.exchange("webhook", "POST", b"{}", 200)
    assert await watcher.get() is None


async def test_only_the_newest_are_kept(simulator: Simulator, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BUBBLES", 3)
    for n in range(5):
        await api.says(str(n))
    shown = simulator.board.feed.snapshot([]).bubbles
    assert [msgspec.json.decode(bubble.message)["text"]["body"] for bubble in shown] == ["2", "3", "4"]


async def test_a_tick_never_falls(simulator: Simulator, api: Api) -> None:
    wamid = await api.says()
    for tick in ("read", "sent"):
        simulator.board.feed.tick(wamid, tick)
    assert simulator.board.feed.snapshot([]).bubbles[0].tick == "read"


async def test_a_customer_is_added_and_a_mistake_said(api: Api) -> None:
    async with api.session.post(f"{api.url}/simulator/customer", json={"phone": "5521900000004", "name": "Duda"}) as response:
        assert (await response.json())["name"] == "Duda"
    for path, body in (("customer", {"phone": "1", "name": "x"}), ("customer", {}), ("message", {"from": ANA})):
        async with api.session.post(f"{api.url}/simulator/{path}", json=body) as response:
            assert response.status == 422
            assert (await response.json())["error"]


async def test_other_sites_cannot_write(api: Api) -> None:
    """A form or a simple fetch of another origin can send this content type, but not JSON."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        body = b'{"phone":"5521900000004","name":"Duda"}'
        async with api.session.post(f"{api.url}/simulator/customer", data=body, headers={"Content-Type": content_type}) as response:
            assert response.status == 415
