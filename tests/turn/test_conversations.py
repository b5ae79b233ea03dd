"""What a conversation leaves in the tables: sessions pinned to their version, tags, consents with evidence, hand-offs, steps."""

import datetime as dt

import msgspec

from atendeja import contacts
from atendeja.db import Tx
from atendeja.turn.take import Turns
from tests import world
from tests.turn.shop import Row, Shop

V1 = """
  a:
    do: [{say: {text: "Versão um"}}]
    wait: {reply: [text], timeout: 30m}
    route: [{timeout: true, to: aviso}, {any: true, to: fim}]
  aviso: {do: [{say: {text: "Ainda aí?"}}], wait: {reply: [text]}, route: [{any: true, to: fim}]}
  fim: {do: [{say: {text: "Fim um"}}, {close: {}}]}
"""
V2 = V1.replace("um", "dois")
TERMS = """
  a:
    do: [{say: {text: "Quer ofertas?"}}]
    wait: {reply: [text]}
    route: [{any_word: [sim], to: quer}, {any_word: [nao], to: recusa}]
    else: {to: recusa}
  quer:
    do: [{consent: {purpose: marketing, state: in, text: "Ofertas por aqui."}}, {tag: [vip, novo]}]
    wait: {reply: [text]}
    route: [{any_word: [nao], to: recusa}, {any_word: [mesmo], to: velho}]
    else: {to: recusa}
  velho: {do: [{untag: [novo]}, {say: {text: "Ok"}}, {end: {}}]}
  recusa: {do: [{consent: {purpose: marketing, state: out}}, {end: {}}]}
"""


async def consents(shop: Shop) -> list[Row]:
    return await shop.rows("SELECT purpose, state, source, evidence, arrival FROM consent ORDER BY arrival, position, id")


async def release(shop: Shop) -> bool:
    talk = (await shop.talk())["id"]

    async def work(tx: Tx) -> bool:
        return await contacts.release(tx, talk, shop.now) is not None

    return await shop.rt.db.transact(shop.a, work)


async def test_a_session_keeps_its_version_while_another_is_published(shop: Shop) -> None:
    """F29."""
    await shop.publish(V1)
    assert await shop.asks("oi") == ["Versão um"]
    await shop.publish(V2)
    assert await shop.asks("oi", "5511900000002") == ["Versão dois"]
    assert await shop.asks("sim") == ["Fim um"]
    assert await shop.asks("oi") == ["Versão dois"]
    versions = await shop.rows("SELECT n, status FROM flow_version ORDER BY n")
    assert versions == [{"n": 1, "status": "retired"}, {"n": 2, "status": "published"}]


async def test_a_session_whose_node_is_missing_goes_to_a_person(shop: Shop) -> None:
    """F29: no event dies, no turn fails; the customer is answered by a person, and the bot knows a way from its start again."""
    await shop.publish(V1)
    assert await shop.asks("oi") == ["Versão um"]
    gone = "UPDATE flow_session SET node = 'gone', memory = jsonb_set(memory, '{node}', '\"gone\"')"
    await shop.admin.execute(gone)
    await shop.asks("sim")
    assert await shop.events() == [("handled", None), ("handled", None)]
    assert (await shop.row("SELECT state FROM flow_session"))["state"] == "handed_off"
    talk = await shop.talk()
    assert (talk["owner"], shop.notices("handoff"), shop.notices("flow_trouble")) == ("human", 1, 1)
    assert await release(shop)
    assert await shop.asks("oi") == ["Versão um"]


async def test_a_session_whose_version_cannot_be_read_any_more_goes_to_a_person(shop: Shop) -> None:
    """F29: as when its node is missing; others on the new version are answered."""
    await shop.publish(V1)
    await shop.asks("oi")
    await shop.publish(V2)
    await shop.admin.execute("UPDATE flow_version SET definition = jsonb_build_object('spec', 99) WHERE n = 1")
    shop.turns = Turns(shop.rt)
    await shop.asks("sim")
    assert {state for state, _ in await shop.events()} == {"handled"}
    assert ((await shop.talk())["owner"], shop.notices("flow_trouble")) == ("human", 1)
    assert await shop.asks("oi", "5511900000002") == ["Versão dois"]


async def test_the_flow_of_a_number_is_asked_before_the_tenants(shop: Shop) -> None:
    await shop.publish('\n  a: {do: [{say: {text: "Da loja"}}, {end: {}}]}', key="loja")
    await shop.publish('\n  a: {do: [{say: {text: "Do número"}}, {end: {}}]}', key="numero", number_id=shop.number_a)
    assert await shop.asks("oi") == ["Do número"]


async def test_without_a_flow_a_message_is_ignored_and_nobody_stays_due(shop: Shop) -> None:
    await shop.says("oi")
    await shop.turn()
    assert await shop.events() == [("ignored", "no_flow")]
    assert (await shop.contact())["due_at"] is None
    assert (await shop.talk())["turn_no"] == 0


async def test_a_timer_rings_by_itself(shop: Shop) -> None:
    await shop.publish(V1)
    await shop.asks("oi")
    assert (await shop.contact())["due_at"] - shop.now < dt.timedelta(minutes=30)
    shop.later(minutes=29)
    await shop.turn()
    assert await shop.replies() == ["Versão um"]
    shop.later(minutes=1)
    await shop.turn()
    assert await shop.replies() == ["Versão um", "Ainda aí?"]
    assert (await shop.talk())["turn_no"] == 2


async def test_a_closed_conversation_is_opened_by_the_next_message(shop: Shop) -> None:
    await shop.publish(V1)
    await shop.asks("oi")
    await shop.asks("pronto")
    assert (await shop.talk())["state"] == "closed"
    assert await shop.asks("voltei") == ["Versão um"]
    assert (await shop.talk())["state"] == "open"


async def test_tags_and_consents_are_kept_with_their_evidence(shop: Shop) -> None:
    """S55: what was shown, in which version, to which message."""
    await shop.publish(TERMS)
    await shop.asks("oi")
    wamid = await shop.says("sim")
    await shop.turn()
    assert (await shop.contact())["tags"] == ["vip", "novo"]
    (given,) = await consents(shop)
    version = (await shop.row("SELECT id FROM flow_version"))["id"]
    assert (given["purpose"], given["state"], given["source"]) == ("marketing", "in", "flow")
    assert msgspec.json.decode(given["evidence"]) == {"wamid": wamid, "text": "Ofertas por aqui.", "flow_version": str(version)}
    assert given["arrival"] == (await shop.row("SELECT arrival FROM event WHERE key = $1", wamid))["arrival"]
    await shop.asks("mesmo")
    assert (await shop.contact())["tags"] == ["vip"]


async def test_yes_and_no_in_one_turn_is_no(shop: Shop) -> None:
    """Who had said no, says yes and no again before we answer: the last word stands."""
    await shop.publish(TERMS)
    for text in ("oi", "nao", "oi"):
        await shop.asks(text)
    await shop.says("sim")
    await shop.says("nao")
    await shop.turn()
    assert [row["state"] for row in await consents(shop)] == ["out", "in", "out"]


async def test_sair_is_written_once_and_answered_once(shop: Shop) -> None:
    """S55: digest writes it, the turn only says the receipt."""
    await shop.publish(TERMS)
    await shop.asks("oi")
    assert len(await shop.asks("SAIR")) == 1
    (given,) = await consents(shop)
    assert (given["state"], given["source"]) == ("out", "word")
    assert await shop.rows("SELECT state FROM flow_session") == [{"state": "ended"}]


async def test_a_handoff_silences_the_bot_until_somebody_gives_the_conversation_back(shop: Shop) -> None:
    await shop.publish()
    await shop.asks("oi")
    await shop.asks("gente")
    assert shop.notices("handoff") == 1
    assert await shop.asks("alô?") == []
    assert (await shop.events())[-1] == ("ignored", "human")
    talk = await shop.talk()
    assert (talk["owner"], talk["queue"], talk["taken_at"]) == ("human", "gente", None)
    assert await release(shop)
    assert not await release(shop), "it is the bot's already"
    assert await shop.asks("oi") == ["Oi!"]


async def test_twelve_hours_after_a_handoff_the_bot_answers_again(shop: Shop) -> None:
    await shop.publish()
    await shop.asks("oi")
    await shop.asks("gente")
    shop.later(hours=11, minutes=59)
    assert await shop.asks("oi") == []
    shop.later(minutes=2)
    assert await shop.asks("oi") == ["Oi!"]
    assert (await shop.talk())["owner"] == "bot"


async def test_each_node_that_was_visited_is_a_step(shop: Shop) -> None:
    await shop.publish(V1)
    await shop.asks("oi")
    await shop.asks("pronto")
    steps = await shop.rows("SELECT turn_no, step_no, node, trace FROM step ORDER BY turn_no, step_no")
    assert [(s["turn_no"], s["node"]) for s in steps] == [(1, "a"), (1, "a"), (2, "a"), (2, "fim")]
    assert [s["step_no"] for s in steps] == [1, 2, 3, 4]
    traces = [msgspec.json.decode(s["trace"]) for s in steps]
    assert {t["event"] for t in traces} == {str(r["id"]) for r in await shop.rows("SELECT id FROM event")}
    assert "Versão" not in str(traces), "a trace holds no text"


async def test_the_two_numbers_of_a_contact_are_two_conversations(shop: Shop) -> None:
    """The same person writes to tenants A and B: two contacts, two conversations, each with its chain."""
    await shop.publish()
    await shop.publish(tenant=shop.b)
    for number in (world.A, world.B):
        await shop.says("oi", number=number)
    await shop.turn()
    talks = await shop.rows("SELECT tenant_id, turn_no, seq FROM conversation ORDER BY tenant_id")
    assert talks == [{"tenant_id": t, "turn_no": 1, "seq": 1} for t in (shop.a, shop.b)]


async def test_a_message_that_waited_for_us_until_its_session_was_over_is_answered_by_a_new_one(shop: Shop) -> None:
    """It arrived in time and is handled late (a backlog, an outage): the old session ends, and nothing dies."""
    await shop.publish(TERMS)
    assert await shop.asks("oi") == ["Quer ofertas?"]
    shop.later(hours=19, minutes=59)
    await shop.hear(world.text("wamid.late", "ainda estou aqui", at=int(shop.now.timestamp())))
    shop.later(hours=1)
    await shop.turn()
    assert [e["state"] for e in await shop.rows("SELECT state FROM event ORDER BY arrival, position")] == ["handled", "handled"]
    states = [s["state"] for s in await shop.rows("SELECT state FROM flow_session ORDER BY started_at, id")]
    assert len(states) == 2 and states[0] in ("ended", "expired") and states[1] == "waiting"


async def test_a_version_that_this_release_cannot_read_leaves_the_other_flows_alone(shop: Shop) -> None:
    await shop.publish(V1)
    await shop.publish(V2, key="outra")
    chosen = "(SELECT published_version_id FROM flow WHERE key = 'prova')"
    broken = f"UPDATE flow_version SET definition = jsonb_build_object('spec', 99) WHERE id = {chosen}"
    await shop.admin.execute(broken)
    assert await shop.asks("oi") == ["Versão dois"]
