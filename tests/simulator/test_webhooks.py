"""Delivery as Meta does it, to a real receiver."""

import asyncio
from itertools import pairwise

from atendeja.wa import signature
from tests.simulator.conftest import ANA, NUMBER, SECRET, Api, Receiver


async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read, and never answer."""
    await reader.read()
    writer.close()


async def say_many(api: Api, n: int) -> list[str]:
    """Ana writes n messages in order: their wamids."""
    content = {"type": "text", "text": {"body": "oi"}}
    answers = [await api.sim("message", **{"from": ANA, "phone_number_id": NUMBER, "content": content}) for _ in range(n)]
    return [str(answer["wamid"]) for answer in answers]


def ids(receiver: Receiver) -> list[str]:
    return [message["id"] for message in receiver.messages]


async def test_a_webhook_is_signed(api: Api, receiver: Receiver) -> None:
    wamid = await api.says("bênção")
    assert signature.verify([SECRET.encode()], receiver.bodies[0], receiver.signatures)
    assert not signature.verify([b"outro"], receiver.bodies[0], receiver.signatures)
    assert ids(receiver) == [wamid]


async def test_it_is_repeated_until_200_at_once_and_then_ever_more_slowly(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500, 503, 401, 404]
    await api.says()
    assert len(set(receiver.bodies)) == 1
    at = receiver.arrived_at
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert len(pauses) == 4
    assert pauses[0] < 0.045 < pauses[1]
    assert pauses[2] > 0.09
    assert pauses[3] > 0.18
    state = (await api.get("/_sim/state"))["webhooks"]
    assert state == {"waiting": 0, "delivered": 1, "refused": 4, "unanswered": 0}


async def test_an_app_that_is_away_gets_everything_when_it_is_back(api: Api, receiver: Receiver) -> None:
    await api.sim("settings", webhook_url="http://127.0.0.1:9/webhook")
    wamids = await say_many(api, 3)
    async with asyncio.timeout(5):
        while (state := (await api.get("/_sim/state"))["webhooks"])["unanswered"] < 6:
            await asyncio.sleep(0.01)
    assert state["waiting"] == 3
    await api.sim("settings", webhook_url=receiver.url)
    await receiver.until(lambda: len(receiver.messages) == 3)
    assert sorted(ids(receiver)) == sorted(wamids)


async def test_an_app_that_does_not_answer_is_given_up_and_tried_again(api: Api, receiver: Receiver) -> None:
    silent = await asyncio.start_server(_swallow, "127.0.0.1", 0)
    async with silent:
        await api.sim("settings", webhook_timeout_s=0.05, webhook_url=f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/")
        await say_many(api, 1)
        async with asyncio.timeout(5):
            while (await api.get("/_sim/state"))["webhooks"]["unanswered"] < 2:
                await asyncio.sleep(0.01)
    await api.sim("settings", webhook_url=receiver.url)
    await receiver.until(lambda: len(receiver.messages) == 1)


async def test_duplicates_are_the_same_bytes(api: Api, receiver: Receiver) -> None:
    await api.sim("webhooks", duplicate=1)
    wamids = await say_many(api, 5)
    await receiver.until(lambda: len(receiver.messages) == 10)
    assert sorted(ids(receiver)) == sorted(wamids * 2)
    assert len(set(receiver.bodies)) == 5


async def test_reorder_lets_later_ones_pass(api: Api, receiver: Receiver) -> None:
    await api.sim("webhooks", reorder=0.5, seed=1)
    wamids = await say_many(api, 20)
    await receiver.until(lambda: len(receiver.messages) == 20)
    assert ids(receiver) != wamids
    assert sorted(ids(receiver)) == sorted(wamids)


async def test_batch_puts_many_in_one_body(api: Api, receiver: Receiver) -> None:
    await api.sim("webhooks", batch=100, delay_s=0.1)
    wamids = await say_many(api, 30)
    await receiver.until(lambda: len(receiver.messages) == 30)
    assert sorted(ids(receiver)) == sorted(wamids)
    assert len(receiver.bodies) < 10


async def test_delay_holds_everything_back(api: Api, receiver: Receiver) -> None:
    await api.sim("webhooks", delay_s=0.2)
    start = asyncio.get_running_loop().time()
    await say_many(api, 1)
    await receiver.until(lambda: len(receiver.messages) == 1)
    assert receiver.arrived_at[0] - start >= 0.19


async def test_they_are_concurrent(api: Api, receiver: Receiver) -> None:
    """A webhook that is never answered does not hold the others up."""
    async with await asyncio.start_server(_swallow, "127.0.0.1", 0) as server:
        await api.sim("settings", webhook_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await say_many(api, 1)
        await api.sim("settings", webhook_url=receiver.url)
        await say_many(api, 20)
        await receiver.until(lambda: len(receiver.messages) == 20)
        assert (await api.get("/_sim/state"))["webhooks"]["waiting"] == 1


async def test_without_an_address_nothing_waits(api: Api) -> None:
    await api.sim("settings", webhook_url=None)
    await api.says()
    assert (await api.get("/_sim/state"))["webhooks"]["waiting"] == 0


async def test_a_connection_that_the_app_closes_is_opened_again(api: Api, receiver: Receiver) -> None:
    """An answer with `Connection: close` on every webhook."""
    closed = 0

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal closed
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        writer.close()
        closed += 1

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    async with server:
        await api.sim("settings", webhook_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1")
        for _ in range(20):
            await api.says()
    assert closed == 20
