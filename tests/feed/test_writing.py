"""What is told, by whom, and what it costs: nothing where nobody listens, else one statement a transaction."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from atendeja.db import Tx
from atendeja.feed import reading, shapes
from atendeja.feed.reading import Entry
from tests import world
from tests.outbound.office import ANA, Office
from tests.world import SAMPLES

FLOW = """
  a:
    do: [{say: {text: "Oi!"}}, {consent: {purpose: marketing, state: in, text: "sim"}}]
    wait: {reply: [text]}
    route: [{any_word: [gente], to: pessoa}]
    else: {to: fim}
  fim: {do: [{say: {text: "Tchau!"}}, {close: {}}]}
"""


async def told(shop: Office, tenant_id: int | None = None) -> list[shapes.Event]:
    """All that was told, each as its struct: so it fits what is documented."""

    async def work(tx: Tx) -> list[Entry]:
        await reading.number(tx)
        return await reading.read(tx, 0, 10_000)

    entries = await shop.rt.db.transact(tenant_id or shop.a, work)
    return [msgspec.json.decode(reading.show(entry), type=shapes.Event) for entry in entries]


async def hear_of(shop: Office) -> None:
    now = shop.now
    await shop.rt.db.transact(shop.a, lambda tx: reading.listen(tx, now, now.replace(year=now.year + 1)))
    await shop.rt.feed.audience.look()


def data(found: list[shapes.Event], kind: type[Any]) -> list[Any]:
    return [event.data for event in found if isinstance(event, kind)]


async def test_the_whole_of_a_conversation_is_told_in_its_order(shop: Office) -> None:
    await hear_of(shop)
    await shop.publish(FLOW)
    wamid = await shop.says("oi")
    await shop.turn()
    await shop.open()
    await shop.until("accepted")
    for status in ("delivered", "delivered", "sent", "read"):
        await shop.status(shop.posts[0], status)
    await shop.says("gente")
    await shop.turn()
    found = await told(shop)
    talk = await shop.talk(ANA)
    ids = {"contact_id": talk["contact_id"], "conversation_id": talk["id"], "number_id": talk["number_id"]}
    (received, second) = data(found, shapes.MessageReceived)
    assert msgspec.json.decode(received.content) == {"type": "text", "body": "oi"} and received.wamid == wamid
    assert {name: getattr(received, name) for name in ids} == ids and received.context is None
    statuses = data(found, shapes.MessageStatus)
    assert [s.state for s in statuses] == ["accepted", "delivered", "read"], "each once, and never down"
    assert {s.message_id for s in statuses} == {m["id"] for m in await shop.messages()}
    assert all({name: getattr(s, name) for name in ids} == ids and s.source == "turn" for s in statuses)
    assert [(c.change, c.owner, c.queue) for c in data(found, shapes.ConversationChanged)] == [("handed_off", "human", "gente")]
    assert [(p.key, p.version) for p in data(found, shapes.FlowPublished)] == [("prova", 1)]
    assert len({event.id for event in found}) == len(found)
    order = [event.__struct_config__.tag for event in found]
    assert order.index("message.received") < order.index("message.status") < order.index("conversation.changed")
    assert second.content != received.content


async def test_each_transaction_pays_one_statement_and_none_where_nobody_listens(shop: Office) -> None:
    """The tenant to whom somebody listens, and beside it one to whom nobody does."""
    await hear_of(shop)
    people = [world.text(f"wamid.{n}", "SAIR", sender=f"551190000001{n}") for n in range(4)]
    await shop.hear(*people, *(world.text(f"wamid.b{n}", "oi", sender="5511900000009", number=world.B) for n in range(3)))
    row = await shop.row(
        "SELECT count(*) AS n, count(DISTINCT xmin::text) AS transactions, count(DISTINCT (xmin::text, cmin::text)) AS statements,"
        " count(*) FILTER (WHERE type = 'contact.consent') AS consents FROM feed_new WHERE tenant_id = $1",
        shop.a,
    )
    assert (row["n"], row["consents"], row["transactions"], row["statements"]) == (8, 4, 1, 1)
    assert await shop.rows("SELECT FROM feed_new WHERE tenant_id = $1", shop.b) == []
    shop.later(seconds=6)  # nobody has asked since: it may be that somebody listens
    await shop.hear(world.text("wamid.b9", "oi", sender="5511900000009", number=world.B))
    assert len(await shop.rows("SELECT FROM feed_new WHERE tenant_id = $1", shop.b)) == 1


async def test_the_same_webhook_again_is_told_once(shop: Office) -> None:
    await hear_of(shop)
    body = world.text("wamid.1", "SAIR")
    await shop.hear(body)
    await shop.hear(body, body)
    assert sorted(str(e.__struct_config__.tag) for e in await told(shop)) == ["contact.consent", "message.received"]


async def test_a_person_who_steps_in_is_told_once_and_what_fails_or_is_withdrawn_too(shop: Office) -> None:
    await hear_of(shop)
    await shop.publish(FLOW)
    await shop.says("oi")
    await shop.turn()  # queued, and nobody sends
    for _ in range(2):
        await shop.hear((SAMPLES / ECHO).read_bytes())
    found = await told(shop)
    assert [c.change for c in data(found, shapes.ConversationChanged)] == ["taken_over"]
    shop.fault("code", 131026)
    await shop.put("nunca", to="5511900000003")
    await shop.open()
    await shop.until(["failed"], to="5511900000003")
    found = await told(shop)
    assert ("failed", 131026) in [(s.state, s.code) for s in data(found, shapes.MessageStatus)]


ECHO = next(p.name for p in sorted(SAMPLES.glob("*.json")) if "echo" in p.name and "events" not in p.name)


async def test_consent_and_the_end_of_a_conversation(shop: Office) -> None:
    await hear_of(shop)
    await shop.publish(FLOW)
    await shop.asks("oi")
    await shop.asks("mais")
    found = await told(shop)
    assert [(d.purpose, d.state, d.source) for d in data(found, shapes.ContactConsent)] == [("marketing", "in", "flow")]
    assert [c.change for c in data(found, shapes.ConversationChanged)] == ["closed"]


@pytest.mark.parametrize("kind", shapes.KINDS)
def test_every_type_has_a_name_of_its_own(kind: type[msgspec.Struct]) -> None:
    assert shapes.TYPES[kind.__annotations__["data"]] == kind.__struct_config__.tag
    assert len(shapes.NAMES) == len(set(shapes.NAMES)) == len(shapes.KINDS)


async def test_another_tenants_message_is_not_told(shop: Office) -> None:
    """The statement that reads a message's state sees the tenant's own only."""
    await hear_of(shop)
    await shop.says("oi")
    await shop.turn()

    async def work(tx: Tx) -> None:
        await shop.rt.feed.tell(tx, (), [UUID(int=1), *(m["id"] for m in await shop.messages())])

    await shop.rt.db.transact(shop.b, work)
    assert await told(shop, shop.b) == []
