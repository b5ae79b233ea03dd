"""The Graph side by HTTP, and each fault as a client sees it."""

import asyncio
import hashlib
import time

import aiohttp
import msgspec
import pytest

from atendeja.simulator import Simulator
from tests.simulator.conftest import ANA, NUMBER, Api, Json, Receiver

LONG_S = 5


async def raw_send(url: str, text: str = "Olá", to: str = f"+{ANA}") -> tuple[bytes, bool]:
    """POST a message over a bare socket: what came back, and whether the connection was reset."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = msgspec.json.encode({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": text}})
    head = f"POST /v24.0/{NUMBER}/messages HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    received, reset = b"", False
    try:
        async with asyncio.timeout(LONG_S):
            while chunk := await reader.read(65536):
                received += chunk
    except ConnectionResetError:
        reset = True
    finally:
        writer.close()
    return received, reset


async def lines(api: Api) -> list[Json]:
    got: list[Json] = (await api.get("/_sim/log"))["lines"]
    return got


async def test_a_message_is_accepted_reported_and_witnessed(api: Api, receiver: Receiver) -> None:
    await api.says()
    before = time.time()
    body = {
        "messaging_product": "whatsapp",
        "to": f"+{ANA}",
        "type": "text",
        "text": {"body": "Olá"},
        "biz_opaque_callback_data": "a1.x",
    }
    raw = msgspec.json.encode(body)
    headers = {"Content-Type": "application/json"}
    async with api.session.post(f"{api.url}/v24.0/{NUMBER}/messages", data=raw, headers=headers) as response:
        answer = await response.json()
    wamid = answer["messages"][0]["id"]
    assert answer == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": f"+{ANA}", "wa_id": ANA}],
        "messages": [{"id": wamid}],
    }
    await receiver.until(lambda: len(receiver.statuses_seen) == 3)
    assert sorted(receiver.statuses_seen) == [(wamid, "delivered"), (wamid, "read"), (wamid, "sent")]
    reports = [status for value in receiver.values for status in value.get("statuses", [])]
    assert {status["biz_opaque_callback_data"] for status in reports} == {"a1.x"}
    [line] = await lines(api)
    assert before <= line.pop("at") <= time.time()
    assert line == {
        "seq": 1,
        "phone_number_id": NUMBER,
        "to": f"+{ANA}",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "opaque": "a1.x",
        "wamid": wamid,
        "answer": "ok",
    }


async def test_statuses_can_be_turned_off(api: Api, receiver: Receiver) -> None:
    await api.sim("settings", window=False, read_s=None)
    await api.send()
    await receiver.until(lambda: len(receiver.statuses_seen) == 2)
    await asyncio.sleep(0.03)
    assert sorted(kind for _, kind in receiver.statuses_seen) == ["delivered", "sent"]


async def test_a_status_may_come_before_the_answer(api: Api, receiver: Receiver) -> None:
    await api.sim("settings", window=False, latency_s=0.3)
    sending = asyncio.create_task(api.send())
    await receiver.until(lambda: len(receiver.statuses_seen) == 3)
    assert not sending.done()
    assert (await sending)[0] == 200


async def test_a_reaction_is_only_sent(api: Api, receiver: Receiver) -> None:
    wamid = await api.says()
    await api.send(type="reaction", text=None, reaction={"message_id": wamid, "emoji": "✅"})
    await receiver.until(lambda: len(receiver.statuses_seen) == 1)
    await asyncio.sleep(0.03)
    assert [kind for _, kind in receiver.statuses_seen] == ["sent"]


async def test_a_template_is_answered_with_its_status_and_is_billed(api: Api, receiver: Receiver) -> None:
    _, answer = await api.send(type="template", text=None, template={"name": "lembrete", "language": {"code": "pt_BR"}})
    assert answer["messages"][0]["message_status"] == "accepted"
    await receiver.until(lambda: len(receiver.statuses_seen) == 3)
    [pricing] = [status["pricing"] for value in receiver.values for status in value["statuses"] if "pricing" in status]
    assert pricing["billable"] is True


async def test_a_bsuid_goes_in_recipient_and_is_lost_in_to(api: Api, receiver: Receiver) -> None:
    await api.sim("settings", window=False)
    _, answer = await api.send(to=None, recipient="BR.10000000000000000003")  # type: ignore[arg-type]  # leaves `to` out
    assert answer["contacts"] == [{"input": "BR.10000000000000000003", "user_id": "BR.10000000000000000003"}]
    await receiver.until(lambda: len(receiver.statuses_seen) == 3)
    status, answer = await api.send(to="BR.10000000000000000003")
    assert (status, len(answer["messages"])) == (200, 1)
    await asyncio.sleep(0.05)
    assert len(receiver.statuses_seen) == 3


async def test_reading_and_typing_are_no_messages(api: Api) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.x", "typing_indicator": {"type": "text"}}
    assert await api.post_raw(body) == (200, {"success": True})
    state = await api.get("/_sim/state")
    assert (state["messages"]["reads"], state["messages"]["accepted"], state["log_last"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("settings", "sends", "code"),
    [({}, 1, 131047), ({"window": False, "pair_burst": 2}, 3, 131056), ({"window": False, "rate": 2}, 3, 130429)],
)
async def test_limits_are_answered_and_witnessed(api: Api, settings: Json, sends: int, code: int) -> None:
    await api.sim("settings", **settings)
    answers = [await api.send() for _ in range(sends)]
    assert [status for status, _ in answers[:-1]] == [200] * (sends - 1)
    assert answers[-1][1]["error"]["code"] == code
    last = (await lines(api))[-1]
    assert (last["wamid"], last["answer"]) == (None, str(code))


async def test_a_bad_body_is_error_100(api: Api) -> None:
    status, answer = await api.send(type="carta")
    assert (status, answer["error"]["code"]) == (400, 100)
    assert "carta" in answer["error"]["error_data"]["details"]


async def test_tokens_and_numbers_are_checked_when_listed(api: Api) -> None:
    await api.sim("settings", tokens=["certo"], window=False)
    status, answer = await api.send(token="errado")
    assert (status, answer["error"]["code"]) == (401, 190)
    assert (await api.send(token="certo"))[0] == 200
    status, answer = await api.send(token="certo", number="abc")
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)


async def test_a_number_shows_the_fields_asked_for(api: Api) -> None:
    answer = await api.get(f"/v24.0/{NUMBER}?fields=display_phone_number,throughput")
    assert answer == {"id": NUMBER, "display_phone_number": "+551140000001", "throughput": {"level": "STANDARD"}}
    assert (await api.get("/v24.0/abc"))["error"]["error_subcode"] == 33


@pytest.fixture
async def faulty(api: Api) -> Api:
    await api.sim("settings", window=False)
    return api


@pytest.mark.parametrize("do", ["rst_before", "rst_after"])
async def test_a_reset_is_a_reset(faulty: Api, receiver: Receiver, do: str) -> None:
    await faulty.sim("fault", do=do)
    assert await raw_send(faulty.url) == (b"", True)
    [line] = await lines(faulty)
    assert (line["answer"], line["wamid"] is None) == (do, do == "rst_before")
    if do == "rst_after":
        await receiver.until(lambda: len(receiver.statuses_seen) == 3)


async def test_a_dropped_answer_is_silence_then_an_end(faulty: Api) -> None:
    await faulty.sim("fault", do="drop_answer", value=0.2)
    start = time.monotonic()
    assert await raw_send(faulty.url) == (b"", False)
    assert time.monotonic() - start >= 0.2
    assert (await lines(faulty))[0]["wamid"] is not None


async def test_a_truncated_answer_ends_in_the_middle(faulty: Api) -> None:
    await faulty.sim("fault", do="truncate")
    received, reset = await raw_send(faulty.url)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert (len(body) > 10, reset) == (True, False)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(body)
    await faulty.sim("fault", do="truncate")
    with pytest.raises(aiohttp.ClientPayloadError):
        await faulty.send()


@pytest.mark.parametrize(("do", "value", "status", "accepted"), [("5xx_before", None, 500, False), ("5xx_after", 502, 502, True)])
async def test_a_5xx_says_nothing(faulty: Api, do: str, value: int | None, status: int, accepted: bool) -> None:
    await faulty.sim("fault", do=do, value=value)
    received, _ = await raw_send_and_close(faulty)
    assert received == (status, b"")
    assert ((await lines(faulty))[0]["wamid"] is not None) == accepted


async def raw_send_and_close(api: Api) -> tuple[tuple[int, bytes], str]:
    """POST a message and read any answer: status and body, content type."""
    body = {"messaging_product": "whatsapp", "to": f"+{ANA}", "type": "text", "text": {"body": "Olá"}}
    async with api.session.post(f"{api.url}/v24.0/{NUMBER}/messages", json=body) as response:
        return (response.status, await response.read()), response.content_type


async def test_html_is_answered_for_json(faulty: Api) -> None:
    await faulty.sim("fault", do="html", value=503)
    (status, body), content_type = await raw_send_and_close(faulty)
    assert (status, content_type, body[:9]) == (503, "text/html", b"<!DOCTYPE")


async def test_a_code_refuses(faulty: Api) -> None:
    await faulty.sim("fault", do="code", value=131048)
    status, answer = await faulty.send()
    assert (status, answer["error"]["code"]) == (400, 131048)
    assert (await lines(faulty))[0]["wamid"] is None


async def test_a_delayed_answer_is_late_and_accepted_at_once(faulty: Api, receiver: Receiver) -> None:
    await faulty.sim("fault", do="delay", value=0.3)
    sending = asyncio.create_task(faulty.send())
    await receiver.until(lambda: len(receiver.statuses_seen) == 3)
    assert not sending.done()
    assert (await sending)[0] == 200


async def test_a_failed_status_instead_of_the_others(faulty: Api, receiver: Receiver) -> None:
    await faulty.sim("fault", do="failed", value=131049)
    assert (await faulty.send())[0] == 200
    await receiver.until(lambda: len(receiver.statuses_seen) == 1)
    await asyncio.sleep(0.03)
    [status] = [status for value in receiver.values for status in value["statuses"]]
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131049)


async def test_the_connection_survives_an_ordinary_answer(faulty: Api, simulator: Simulator) -> None:
    """Keep-alive: 20 sends in a row over one connection."""
    for _ in range(20):
        assert (await faulty.send())[0] == 200
    assert (await faulty.get("/_sim/state"))["messages"]["accepted"] == 20


async def test_an_account_shows_its_numbers_and_whether_its_webhooks_come(api: Api) -> None:
    waba = "2" + NUMBER[1:]
    (shown,) = (await api.get(f"/v24.0/{waba}/phone_numbers"))["data"]
    assert shown["id"] == NUMBER
    assert len((await api.get(f"/v24.0/{waba}/subscribed_apps"))["data"]) == 1
    for method, left in (("DELETE", 0), ("POST", 1)):
        async with api.session.request(method, f"{api.url}/v24.0/{waba}/subscribed_apps") as response:
            assert await response.json() == {"success": True}
        assert len((await api.get(f"/v24.0/{waba}/subscribed_apps"))["data"]) == left
    for path in ("phone_numbers", "subscribed_apps"):
        async with api.session.get(f"{api.url}/v24.0/x/{path}") as response:
            assert (await response.json())["error"]["code"] == 100
