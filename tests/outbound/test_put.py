"""The one door out: the same twice is one message, what Meta would refuse never gets in."""

import hashlib
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from atendeja import outbound
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.outbound import Outgoing
from atendeja.wa.content import Button, Buttons, Read, Template, Text
from tests.outbound.office import ANA, Office
from tests.wa.contents import CONTENTS


async def outgoing(office: Office, **changes: object) -> Outgoing:
    await office.says("oi", ANA)
    talk = await office.talk(ANA)
    base = Outgoing(talk["number_id"], talk["contact_id"], talk["id"], "turn", talk["id"], 1, 0, Text("Olá"), 1)
    return replace(base, **changes)


async def put(office: Office, *messages: Outgoing, tenant: int | None = None) -> None:
    async def work(tx: Tx) -> None:
        await outbound.put(tx, messages, office.now, office.rt.new_id)

    await office.rt.db.transact(tenant or office.a, work)


async def test_a_message_is_queued_as_it_will_be_sent(office: Office) -> None:
    content = Buttons("Confirma?", [Button("sim", "Sim"), Button("nao", "Não")])
    await put(office, await outgoing(office, content=content))
    (row,) = await office.messages()
    assert (row["state"], row["policy"], row["attempt_no"], row["seq"]) == ("queued", "at_least_once", 0, 1)
    assert msgspec.json.decode(row["content"], type=Buttons) == content
    assert row["content_sha256"] == hashlib.sha256(msgspec.json.encode(content)).digest()


async def test_the_same_key_twice_is_one_message(office: Office) -> None:
    """I4, I10: a turn, an API call or a campaign that is repeated after a crash adds nothing."""
    message = await outgoing(office)
    await put(office, message)
    await put(office, replace(message, content=Text("outra")), replace(message, ordinal=1, seq=2))
    assert [m["body"] for m in await office.messages()] == ["Olá", "Olá"]
    assert [m["ordinal"] for m in await office.messages()] == [0, 1]


async def test_places_are_drawn_in_the_order_given_and_marketing_has_none(office: Office) -> None:
    """Behind those that were drawn before; what is refused draws none."""
    message = await outgoing(office, source="api", seq=None)
    made = [replace(message, ordinal=n, category="marketing" if n == 1 else "service") for n in range(4)]
    with pytest.raises(Refused):
        await put(office, message, replace(message, content=Text("")))
    assert (await office.talk(ANA))["seq"] == 0
    await put(office, *made)
    await put(office, replace(message, ordinal=4))
    assert [m["seq"] for m in await office.messages()] == [1, None, 2, 3, 4]
    assert (await office.talk(ANA))["seq"] == 4


@pytest.mark.parametrize(
    ("category", "policy"),
    [("service", "at_least_once"), ("utility", "at_most_once"), ("authentication", "at_most_once"), ("marketing", "at_most_once")],
)
async def test_only_a_service_reply_may_ever_be_sent_again(category: str, policy: str, office: Office) -> None:
    await put(office, await outgoing(office, category=category, seq=None, source="campaign"))
    assert [m["policy"] for m in await office.messages()] == [policy]


@pytest.mark.parametrize("case", sorted(CONTENTS.keys() - {"request-mark-read-and-typing"}))
async def test_every_content_goes_out_once_as_meta_takes_it(case: str, office: Office) -> None:
    """Through the door, the ledger and a real Cloud API that reads strictly: one POST, accepted, lifted by its status."""
    content = CONTENTS[case]
    category = "utility" if isinstance(content, Template) else "service"
    await put(office, await outgoing(office, content=content, source="api", category=category))
    await office.open()
    await office.until("accepted")
    (line,) = office.posts
    await office.status(line, "delivered")
    (message,) = await office.messages()
    assert (message["state"], message["attempt_no"]) == ("delivered", 1)


async def test_a_mark_is_no_message(office: Office) -> None:
    """It would be posted, answered without an id, and be in doubt for ever."""
    with pytest.raises(Refused, match="no message"):
        await put(office, await outgoing(office, content=Read("wamid.1")))
    assert await office.messages() == []


async def test_content_that_meta_would_refuse_is_refused_before_anything_is_written(office: Office) -> None:
    good = await outgoing(office)
    too_many = Buttons("Qual?", [Button(str(i), f"Opção {i}") for i in range(4)])
    with pytest.raises(Refused) as refused:
        await put(office, good, replace(good, ordinal=1, content=too_many), replace(good, ordinal=2, content=Text("")))
    assert refused.value.code == "content_invalid"
    assert await office.messages() == []


async def test_a_conversation_of_another_tenant_cannot_be_written_to(office: Office) -> None:
    """I13: the foreign key has the tenant in it."""
    with pytest.raises(Exception, match="violates foreign key constraint"):
        await put(office, await outgoing(office), tenant=office.b)
    assert await office.messages() == []


async def test_nothing_to_put_is_no_statement(office: Office) -> None:
    async with office.rt.db.system() as tx:
        await outbound.put(tx, [], office.now, lambda: UUID(int=1))
