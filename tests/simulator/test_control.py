import time

import pytest

from tests.simulator.conftest import ANA, NUMBER, Api, Json, Receiver

OI = {"type": "text", "text": {"body": "oi"}}


async def test_a_customer_with_a_hidden_phone(api: Api, receiver: Receiver) -> None:
    body: Json = {"user_id": "BR.10000000000000000003", "name": "Caio", "username": "caio.exemplo", "wait": True}
    await api.sim("message", phone_number_id=NUMBER, content=OI, **body)
    [value] = receiver.values
    assert value["contacts"] == [{"profile": {"name": "Caio", "username": "caio.exemplo"}, "user_id": "BR.10000000000000000003"}]
    assert "from" not in value["messages"][0]


async def test_a_tap_answers_a_message_of_ours(api: Api, receiver: Receiver) -> None:
    reply = {"type": "button_reply", "button_reply": {"id": "sim", "title": "Sim"}}
    await api.says(content={"type": "interactive", "interactive": reply, "context": {"id": "wamid.nosso"}})
    [message] = receiver.messages
    assert message["context"] == {"from": "551140000001", "id": "wamid.nosso"}
    assert message["interactive"] == reply


async def test_an_old_message_comes_with_its_time_and_opens_no_window(api: Api, receiver: Receiver) -> None:
    written_at = int(time.time()) - 25 * 3600
    await api.says(timestamp=written_at)
    assert receiver.messages[0]["timestamp"] == str(written_at)
    assert (await api.send())[1]["error"]["code"] == 131047


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("message", {"phone_number_id": NUMBER, "content": OI}, "one of `from` and `user_id`"),
        ("message", {"from": "Ana", "phone_number_id": NUMBER, "content": OI}, "not a phone"),
        ("message", {"user_id": "123", "phone_number_id": NUMBER, "content": OI}, "business-scoped"),
        ("message", {"from": ANA, "phone_number_id": "x", "content": OI}, "no number"),
        ("message", {"from": ANA, "phone_number_id": NUMBER, "content": {"type": "text"}}, "named like it"),
        ("message", {"from": ANA, "phone_number_id": NUMBER, "content": OI, "mood": "bad"}, "mood"),
        ("fault", {"do": "explode"}, "explode"),
        ("fault", {"do": "delay", "match": {"colour": "red"}}, "colour"),
        ("webhooks", {"duplicate": 2}, "duplicate"),
        ("webhooks", {"chaos": 1}, "chaos"),
        ("settings", {"rat": 80}, "rat"),
        ("settings", {"rate": "fast"}, "rate"),
        ("number", {}, "phone_number_id"),
        ("fault", [], "object"),
    ],
)
async def test_a_mistake_is_one_clear_line(api: Api, name: str, body: object, says: str) -> None:
    status, answer = await api.sim_raw(name, body)
    assert (status, list(answer)) == (422, ["error"])
    assert says in answer["error"]
    assert "\n" not in answer["error"]


async def test_the_log_is_paged(api: Api) -> None:
    await api.sim("settings", window=False)
    for _ in range(5):
        await api.send()
    page = await api.get("/_sim/log?after=1&limit=2")
    assert ([line["seq"] for line in page["lines"]], page["last"]) == ([2, 3], 5)
    async with api.session.get(f"{api.url}/_sim/log?after=x") as response:
        assert response.status == 422


async def test_reset_forgets_all_but_settings_and_log(api: Api) -> None:
    await api.sim("settings", pair_burst=7)
    await api.says()
    await api.send()
    await api.sim("fault", do="rst_before")
    await api.sim("webhooks", duplicate=0.5)
    assert await api.sim("reset") == {"last": 1}
    state = await api.get("/_sim/state")
    assert (state["customers"], state["faults"], state["disorder"]["duplicate"]) == (0, [], 0)
    assert state["messages"] == {"accepted": 0, "refused": 0, "reads": 0, "received": 0}
    assert state["settings"]["pair_burst"] == 7
    assert (await api.send())[1]["error"]["code"] == 131047
    assert (await api.get("/_sim/log"))["last"] == 2


async def test_state_says_what_happened_and_shows_no_secret(api: Api, receiver: Receiver) -> None:
    await api.sim("settings", tokens=["token-secreto"])
    await api.sim("fault", do="code", value=4, match={"nth": 2})
    await api.says()
    await api.send(token="token-secreto")
    await receiver.until(lambda: len(receiver.statuses_seen) == 3)
    state = await api.get("/_sim/state")
    assert state["messages"] == {"accepted": 1, "refused": 0, "reads": 0, "received": 1}
    assert (state["faults"][0]["seen"], state["faults"][0]["hits"]) == (1, 0)
    assert "secreto" not in str(state)
    assert "segredo" not in str(state)


async def test_a_number_can_be_added(api: Api, receiver: Receiver) -> None:
    await api.sim("number", phone_number_id="42", waba_id="77", display_phone_number="552130000002")
    await api.says(phone_number_id="42")
    assert receiver.values[0]["metadata"] == {"display_phone_number": "552130000002", "phone_number_id": "42"}
    assert b'"id":"77"' in receiver.bodies[0]
