"""Conversations as people see and take them: lists that lose nobody, and acts under the contact's lock that silence the bot."""

import asyncio

import pytest

from atendeja.wa.content import Text
from tests.inbox.desk import Desk, Json
from tests.outbound.office import ANA, BIA, CAI

WAITING = """
  a:
    do: [{say: {text: "Qual serviço?"}}]
    wait: {reply: [text], timeout: 30m}
    route: [{timeout: true, to: aviso}, {any: true, to: b}]
  aviso: {do: [{say: {text: "Ainda aí?"}}], wait: {reply: [text]}, route: [{any: true, to: b}]}
  b: {do: [{say: {text: "Anotado"}}, {end: {}}]}
"""


async def names(desk: Desk, choice: str = "") -> list[str]:
    return [item["contact_phone"][-1] for item in await desk.walk(f"/conversations{choice}", limit=1)]


async def test_whoever_wrote_last_stands_first_and_every_choice_is_kept(desk: Desk) -> None:
    for who in (ANA, BIA, CAI):
        await desk.says("oi", who)
        desk.later(seconds=1)
    await desk.says("de novo", ANA)
    assert await names(desk) == ["1", "3", "2"]
    bia, cai = await desk.talk_id(BIA), await desk.talk_id(CAI)
    await desk.do(f"/conversations/{bia}/hand-over", {"queue": "oficina"})
    await desk.do(f"/conversations/{cai}/close")
    contact, number = (await desk.contact(BIA))["id"], desk.number_a
    chosen = {
        "?owner=human": ["2"],
        "?owner=bot": ["1", "3"],
        "?state=closed": ["3"],
        "?state=open&owner=bot": ["1"],
        "?queue=oficina": ["2"],
        "?queue=oficina&owner=bot": [],
        "?queue=vendas": [],
        f"?number_id={number}": ["1", "3", "2"],
        f"?number_id={desk.number_b}": [],
        f"?contact_id={contact}": ["2"],
        f"?contact_id={contact}&state=closed": [],
        f"?contact_id={desk.rt.new_id()}": [],
    }
    for choice, wanted in chosen.items():
        assert await names(desk, choice) == wanted, choice
    assert (await desk.see("/conversations", "other"))["items"] == []
    await desk.says("voltei", CAI)
    assert await names(desk, "?state=closed") == []


async def test_who_never_wrote_stands_last_and_a_merged_person_is_found_as_one(desk: Desk) -> None:
    await desk.says("oi", ANA)
    await desk.says("oi", BIA)
    ana, bia = await desk.contact(ANA), await desk.contact(BIA)
    await desk.admin.execute("UPDATE conversation SET window_until = NULL WHERE contact_id = $1", bia["id"])
    assert await names(desk) == ["1", "2"]
    await desk.admin.execute("UPDATE contact SET merged_into = $1, phone = NULL WHERE id = $2", ana["id"], bia["id"])
    items = await desk.walk(f"/conversations?contact_id={ana['id']}", limit=1)
    assert [(item["contact_id"], item["contact_phone"]) for item in items] == [(str(ana["id"]), ANA)] * 2
    assert len({item["id"] for item in items}) == 2


async def test_a_page_goes_on_where_it_was_while_others_write(desk: Desk) -> None:
    for n in range(6):
        await desk.says("oi", f"551190000001{n}")
        desk.later(seconds=1)
    first = await desk.see("/conversations?limit=3")
    await desk.says("oi", "5511900000019")
    rest = await desk.see(f"/conversations?limit=3&cursor={first['next_cursor']}")
    found = [item["contact_phone"][-1] for item in first["items"] + rest["items"]]
    assert (found, rest["next_cursor"]) == (["5", "4", "3", "2", "1", "0"], None)
    assert (await desk.get(f"/conversations?cursor={first['next_cursor']}", "other")).json()["code"] == "bad_cursor"


async def test_taken_over_the_bot_is_silent_and_what_it_had_queued_is_withdrawn(desk: Desk) -> None:
    await desk.publish(WAITING)
    assert await desk.asks("oi") == ["Qual serviço?"]
    talk = await desk.talk_id()
    taken = await desk.do(f"/conversations/{talk}/take-over")
    assert (taken["owner"], taken["state"], taken["queue"]) == ("human", "open", None)
    await desk.open()
    await desk.until("withdrawn")
    assert (await desk.messages())[0]["reason"] == "human"
    assert await desk.asks("troca de óleo") == []
    released = await desk.do(f"/conversations/{talk}/release")
    assert (released["owner"], released["human_at"]) == ("bot", None)
    assert await desk.asks("troca de óleo") == ["Anotado"], "the flow goes on where it was"
    assert await desk.do(f"/conversations/{talk}/release") == await desk.see_one(talk)
    actions = [action for action, subject in await desk.audit() if subject == str(talk)]
    assert actions == ["conversation_taken_over", "conversation_released", "conversation_released"]


async def test_released_its_flow_keeps_its_time(desk: Desk) -> None:
    """With a person no time runs out: it was taken out of `due_at`, and has to be put back."""
    await desk.publish(WAITING)
    await desk.asks("oi")
    talk = await desk.talk_id()
    await desk.do(f"/conversations/{talk}/take-over")
    await desk.asks("é rápido")  # the turn forgets the time-out
    assert (await desk.contact())["due_at"] is None
    await desk.do(f"/conversations/{talk}/release")
    await desk.turn()
    assert (await desk.contact())["due_at"] is not None
    desk.later(minutes=31)
    await desk.turn()
    assert (await desk.replies())[-1] == "Ainda aí?"


async def test_closed_the_flow_is_over_and_the_next_word_begins_anew(desk: Desk) -> None:
    await desk.publish(WAITING)
    await desk.asks("oi")
    talk = await desk.talk_id()
    await desk.do(f"/conversations/{talk}/hand-over", {"queue": "oficina"})
    closed = await desk.do(f"/conversations/{talk}/close")
    assert [closed[name] for name in ("state", "owner", "queue", "human_at")] == ["closed", "bot", None, None]
    await desk.open()
    await desk.until("withdrawn")
    assert await desk.asks("oi") == ["Qual serviço?"]
    assert (await desk.talk())["state"] == "open"
    assert [row["state"] for row in await desk.rows("SELECT state FROM flow_session ORDER BY started_at")] == ["ended", "waiting"]


async def test_an_act_waits_for_the_turn_that_holds_the_contact(desk: Desk) -> None:
    """One lock: an act and a turn never write a conversation at the same time."""
    await desk.says("oi")
    talk, contact = await desk.talk_id(), await desk.contact()
    async with desk.rt.db.tenant(desk.a) as tx:
        await tx._connection.execute(f"SELECT FROM contact WHERE id = '{contact['id']}' FOR NO KEY UPDATE")
        acting = asyncio.get_running_loop().create_task(desk.do(f"/conversations/{talk}/take-over"))
        await asyncio.sleep(0.2)
        assert not acting.done()
    assert (await acting)["owner"] == "human"


async def test_an_empty_queue_a_viewer_and_another_business_do_nothing(desk: Desk) -> None:
    """S7, S23."""
    await desk.says("oi")
    path = f"/conversations/{await desk.talk_id()}"
    assert (await desk.post(f"{path}/hand-over", {"queue": ""})).status_code == 422
    assert (await desk.post(f"{path}/take-over", who="viewer")).status_code == 403
    assert (await desk.post(f"{path}/take-over", who="other")).status_code == 404
    assert (await desk.get(path, "viewer")).status_code == 200
    assert (await desk.talk())["owner"] == "bot"


async def say_all(desk: Desk) -> list[str]:
    """Words and answers, some written in the same moment; all of them in order."""
    await desk.publish('\n  a: {do: [{say: {text: "Um"}}, {say: {text: "Dois"}}, {say: {text: "Três"}}, {end: {}}]}\n')
    said: list[str] = []
    for n in range(3):
        said += [f"oi {n}", *await desk.asks(f"oi {n}")]
        desk.later(seconds=1)
    await desk.says("a")
    await desk.says("b")
    return [*said, "a", "b"]


def word(item: Json) -> str:
    content = item["content"]
    return str(content.get("content", content)["body"])


@pytest.mark.parametrize("limit", [1, 2, 5, 50])
async def test_a_timeline_shows_each_once_in_both_directions(desk: Desk, limit: int) -> None:
    said = await say_all(desk)
    path = f"/conversations/{await desk.talk_id()}"
    assert [word(item) for item in await desk.walk(f"{path}/timeline?order=oldest", limit=limit)] == said
    assert [word(item) for item in await desk.walk(f"{path}/timeline", limit=limit)] == said[::-1]
    shown = await desk.see(path)
    assert [word(item) for item in shown["last"]] == said[::-1]
    assert shown["conversation"]["window_until"] is not None and shown["free_until"] is None


async def test_a_timeline_loses_nothing_when_clocks_differ(desk: Desk) -> None:
    """An event that came later by its place may be earlier by a clock."""
    said = await say_all(desk)
    await desk.put(*[Text(f"m{i}") for i in range(3)])
    await desk.admin.execute(
        "UPDATE event SET received_at = received_at - interval '1 minute' WHERE position >= 0 AND key LIKE '%3'"
    )
    path = f"/conversations/{await desk.talk_id()}/timeline"
    for order in ("newest", "oldest"):
        found = [word(item) for item in await desk.walk(f"{path}?order={order}", limit=2)]
        assert sorted(found) == sorted([*said, "m0", "m1", "m2"])
        own = [body for body in found if body in ("oi 0", "oi 1", "oi 2", "a", "b")]
        assert (own if order == "oldest" else own[::-1]) == ["oi 0", "oi 1", "oi 2", "a", "b"], "in the order of arrival"
