"""What an item means and what its transaction writes: identity, opt-outs, takeovers, windows."""

import contextlib
import datetime as dt

import msgspec
import pytest

from atendeja import consent, contacts
from atendeja.inbound import events
from atendeja.wa import messages
from tests.inbound.conftest import Inbox, said, says, status, together
from tests.world import A

ANA, NEW_PHONE = "5511900000001", "5511900000011"
NOON = dt.datetime.fromtimestamp(1_795_176_000, dt.UTC)
TAKEN = """UPDATE conversation SET owner = 'human', queue = 'balcao', human_at = now() FROM contact c
    WHERE c.id = contact_id AND c.user_id = 'BR.1' RETURNING 1"""
PEOPLE = "SELECT id, user_id, phone, wa_id, name, merged_into FROM contact ORDER BY merged_into NULLS FIRST, id"


async def people(inbox: Inbox) -> list[tuple[str | None, str | None]]:
    """(BSUID, phone) of everybody who is somebody."""
    rows = await inbox.rows("SELECT user_id, phone FROM contact WHERE merged_into IS NULL ORDER BY phone, user_id")
    return [tuple(row) for row in rows]


# ── identity ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_somebody_known_by_a_bsuid_only_a_phone_only_and_both(inbox: Inbox) -> None:
    await inbox.receive(
        says("w1", user_id="BR.1"), says("w2", phone="5521900000002"), says("w3", user_id="BR.3", phone="5521900000003")
    )
    assert await people(inbox) == [(None, "5521900000002"), ("BR.3", "5521900000003"), ("BR.1", None)]
    assert await inbox.value("SELECT count(*) FROM event WHERE state = 'unhandled'") == 3


@pytest.mark.parametrize("spellings", [("5531990000002", "553190000002"), ("553190000002", "5531990000002")])
@pytest.mark.parametrize("apart", [True, False])
async def test_the_ninth_digit_does_not_make_another_person(inbox: Inbox, spellings: tuple[str, str], apart: bool) -> None:
    """Either spelling first, in two deliveries or in one; the address is kept as WhatsApp wrote it last."""
    bodies = [says(f"w{n}", phone=phone) for n, phone in enumerate(spellings)]
    await inbox.receive(*(bodies if apart else [together(bodies)]))
    row = await inbox.row("SELECT phone, wa_id FROM contact")
    assert tuple(row) == ("5531990000002", spellings[1])


@pytest.mark.parametrize("apart", [True, False])
async def test_a_phone_and_a_bsuid_are_linked_when_a_message_shows_both(inbox: Inbox, apart: bool) -> None:
    bodies = [
        says("w1", phone=ANA, name="Ana"),
        says("w2", phone=ANA, user_id="BR.1"),
        says("w3", user_id="BR.1", name="Ana Maria"),
    ]
    await inbox.receive(*(bodies if apart else [together(bodies)]))
    row = await inbox.row("SELECT user_id, phone, name FROM contact")
    assert tuple(row) == ("BR.1", ANA, "Ana Maria")
    assert await inbox.value("SELECT count(DISTINCT conversation_id) FROM event") == 1


async def test_two_who_turn_out_to_be_one_are_merged_and_nothing_is_forgotten(inbox: Inbox) -> None:
    """Consents and a person's hold on the conversation are carried; what waits of the loser is still due."""
    await inbox.receive(says("w1", phone=ANA), says("w2", "SAIR", user_id="BR.1"))
    await inbox.rows(TAKEN)
    await inbox.receive(says("w3", phone=ANA, user_id="BR.1"))
    winner, loser = await inbox.rows(PEOPLE)
    assert (winner["user_id"], winner["phone"], loser["user_id"], loser["phone"]) == ("BR.1", ANA, None, None)
    assert loser["merged_into"] == winner["id"]
    assert await inbox.value("SELECT state FROM consent WHERE contact_id = $1 AND source = 'merge'", winner["id"]) == "out"
    assert tuple(await inbox.row("SELECT owner, queue FROM conversation WHERE contact_id = $1", winner["id"])) == (
        "human",
        "balcao",
    )
    told = (
        "SELECT coalesce(data->>'change', data->>'state') FROM feed_new WHERE data->>'contact_id' = $1 AND type <> $2 ORDER BY seq"
    )
    assert [row[0] for row in await inbox.rows(told, str(winner["id"]), "message.received")] == ["out", "taken_over"]
    assert await inbox.value("SELECT due_at IS NOT NULL FROM contact WHERE id = $1", loser["id"])
    assert await inbox.value("SELECT count(*) FROM event WHERE contact_id = $1 AND state = 'unhandled'", loser["id"]) == 1
    await inbox.receive(says("w4", user_id="BR.1"))
    assert await inbox.value("SELECT contact_id FROM event WHERE key = 'w4'") == winner["id"]


async def test_a_merge_carries_the_person_to_a_number_where_the_winner_never_wrote(inbox: Inbox) -> None:
    """The winner is known from an import or another number: he has no conversation here yet."""
    await inbox.receive(says("w1", phone=ANA), says("w2", user_id="BR.1"))
    await inbox.rows(TAKEN)
    await inbox.rows("DELETE FROM event WHERE key = 'w1' RETURNING 1")
    await inbox.rows("DELETE FROM conversation USING contact c WHERE c.id = contact_id AND c.phone IS NOT NULL RETURNING 1")
    await inbox.receive(says("w3", phone=ANA, user_id="BR.1"))
    assert (
        await inbox.value("SELECT owner FROM conversation v JOIN contact c ON c.id = v.contact_id WHERE c.phone = $1", ANA)
        == "human"
    )


async def test_a_bsuid_that_has_another_phone_is_not_merged(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA, user_id="BR.1"), says("w2", phone="5511900000002", user_id="BR.2"))
    await inbox.receive(says("w3", phone="5511900000002", user_id="BR.1"))
    assert await people(inbox) == [("BR.1", ANA), ("BR.2", "5511900000002")]


async def test_a_new_bsuid_on_a_known_phone_replaces_the_old_one(inbox: Inbox) -> None:
    """For a shop the phone is the person."""
    await inbox.receive(says("w1", phone=ANA, user_id="BR.1"), says("w2", phone=ANA, user_id="BR.2"))
    assert await people(inbox) == [("BR.2", ANA)]


def changed_number(wamid: str = "sys1", user_id: str | None = None) -> bytes:
    system = {"body": "mudou", "type": "user_changed_number", "wa_id": NEW_PHONE}
    message = {"id": wamid, "timestamp": "1795176060", "type": "system", "system": system}
    return said(message, phone=ANA, user_id=user_id)


def changed_user_id(previous: str, current: str) -> bytes:
    system = {"body": "mudou", "type": "user_changed_user_id", "user_id": current, "previous_user_id": previous}
    return said({"id": "sys2", "timestamp": "1795176060", "type": "system", "system": system}, user_id=previous)


async def test_a_changed_number_moves_the_person_with_his_history(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA, name="Ana"), changed_number(), says("w2", phone=NEW_PHONE))
    assert await people(inbox) == [(None, NEW_PHONE)]
    assert await inbox.value("SELECT count(DISTINCT contact_id) FROM event") == 1


async def test_a_changed_user_id_moves_the_person_with_his_history(inbox: Inbox) -> None:
    await inbox.receive(says("w1", user_id="BR.1"), changed_user_id("BR.1", "BR.9"), says("w2", user_id="BR.9"))
    assert await people(inbox) == [("BR.9", None)]
    assert await inbox.value("SELECT count(DISTINCT contact_id) FROM event") == 1


async def test_a_number_that_somebody_else_has_stays_with_him(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA), says("w2", phone=NEW_PHONE), changed_number())
    assert await people(inbox) == [(None, ANA), (None, NEW_PHONE)]


async def test_a_redelivery_brings_no_old_name_or_number_back(inbox: Inbox) -> None:
    """F1: hours later, in another order, after everything has moved on."""
    first = [says("w1", phone=ANA, user_id="BR.1", name="Ana"), changed_number(user_id="BR.1"), changed_user_id("BR.1", "BR.9")]
    await inbox.receive(*first, says("w2", phone=NEW_PHONE, user_id="BR.9", name="Ana Maria"))
    before = [tuple(row) for row in await inbox.rows(PEOPLE)]
    await inbox.receive(*first)
    await inbox.receive(*reversed(first))
    assert [tuple(row) for row in await inbox.rows(PEOPLE)] == before
    assert [(row[1], row[2], row[4]) for row in before] == [("BR.9", NEW_PHONE, "Ana Maria")]


# ── opt-out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("word", ["SAIR", "sair", "Sair!", " sáir ", "parar", "PARAR.", "stop", "Stop 🛑", "descadastrar"])
async def test_an_opt_out_word_is_a_consent_row_in_the_events_own_transaction(inbox: Inbox, word: str) -> None:
    """Promise 4: no turn has run yet."""
    await inbox.receive(says("w1", word, phone=ANA))
    row = await inbox.row("SELECT c.purpose, c.state, c.source, c.arrival = e.arrival AS same, c.at FROM consent c, event e")
    assert tuple(row) == ("marketing", "out", "word", True, NOON)


@pytest.mark.parametrize("words", ["quero sair", "sair de casa", "cancelar", "oi", "não quero parar"])
async def test_a_sentence_with_the_word_in_it_is_none(inbox: Inbox, words: str) -> None:
    await inbox.receive(says("w1", words, phone=ANA))
    assert await inbox.rows("SELECT 1 FROM consent") == []


async def test_it_counts_while_a_person_has_the_conversation(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA))
    await inbox.rows("UPDATE conversation SET owner = 'human', human_at = now() RETURNING 1")
    await inbox.receive(says("w2", "sair", phone=ANA))
    assert await inbox.value("SELECT state FROM consent") == "out"


async def test_the_button_of_a_template_counts_and_a_group_does_not(inbox: Inbox) -> None:
    tap = {"id": "w1", "timestamp": "1795176000", "type": "button", "button": {"text": "Sair", "payload": "X"}}
    in_group = {"id": "w2", "timestamp": "1795176000", "type": "text", "text": {"body": "sair"}, "group_id": "g1"}
    await inbox.receive(said(tap, phone=ANA), said(in_group, phone="5511900000002"))
    assert await inbox.value("SELECT evidence->>'wamid' FROM consent") == "w1"


async def test_a_redelivery_writes_no_second_row(inbox: Inbox) -> None:
    """F1, F2: hours later, and twice in one body."""
    body = says("w1", "sair", phone=ANA)
    await inbox.receive(together([body, body]))
    await inbox.receive(body)
    assert await inbox.value("SELECT count(*) FROM consent") == 1


def preference(value: str, at: int) -> bytes:
    element = {"wa_id": ANA, "detail": "d", "category": "marketing_messages", "value": value, "timestamp": at}
    body = msgspec.json.decode(says("x", phone=ANA))
    change = body["entry"][0]["changes"][0]
    change["value"] = {"metadata": change["value"]["metadata"], "user_preferences": [element]}
    return msgspec.json.encode({**body, "entry": [{"id": A.waba_id, "changes": [{**change, "field": "user_preferences"}]}]})


async def test_whatsapps_own_switch_counts_and_the_newest_place_wins(inbox: Inbox) -> None:
    """By (arrival, position), not by WhatsApp's time: stop, resume, then SAIR that was written before both but came last."""

    async def standing() -> str:
        contact_id = await inbox.value("SELECT id FROM contact")
        async with inbox.rt.db.tenant(inbox.world.a) as tx:
            return (await consent.load(tx, [contact_id]))[contact_id, consent.MARKETING]

    await inbox.receive(preference("stop", 1_795_176_000))
    assert await standing() == "out"
    await inbox.receive(preference("resume", 1_795_176_001))
    assert await standing() == "in"
    await inbox.receive(says("w1", "sair", phone=ANA, at=1_795_170_000))
    assert await standing() == "out"
    await inbox.receive(
        together([preference("resume", 1_795_176_005), says("w2", "sair", phone=ANA), preference("resume", 1_795_176_006)])
    )
    assert await standing() == "in"
    assert [r["source"] for r in await inbox.rows("SELECT source FROM consent ORDER BY arrival, position")] == [
        "whatsapp", "whatsapp", "word", "whatsapp", "word", "whatsapp",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "said_it"),
    [
        (messages.Text("Sair"), True),
        (messages.Button("p", "PARAR"), True),
        (messages.ButtonReply("sair", "Sair"), False),
        (messages.MediaReceived("image", caption="sair"), False),
    ],
)
def test_opts_out_reads_texts_and_template_buttons(content: messages.Inbound, said_it: bool) -> None:
    assert events.opts_out(content) is said_it


# ── windows, takeovers, what needs no answer ─────────────────────────────────────────────────────────────────────────────


async def test_a_message_opens_24_hours_and_an_older_one_does_not_shorten_them(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA))
    await inbox.receive(says("w2", phone=ANA, at=1_795_100_000))
    row = await inbox.row("SELECT window_until, state FROM conversation")
    assert tuple(row) == (NOON + dt.timedelta(hours=24), "open")
    assert await inbox.value("SELECT due_at <= now() FROM contact")


async def test_a_time_in_the_future_does_not_lengthen_the_window(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA, at=4_000_000_000))
    assert await inbox.value("SELECT window_until <= now() + interval '24 h' FROM conversation")


async def test_a_message_reopens_a_closed_conversation(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone=ANA))
    await inbox.rows("UPDATE conversation SET state = 'closed' RETURNING 1")
    await inbox.receive(says("w2", phone=ANA))
    assert await inbox.value("SELECT state FROM conversation") == "open"


def echo(wamid: str, at: int = 1_795_176_080) -> bytes:
    message = {"from": "551140000001", "to": ANA, "id": wamid, "timestamp": str(at), "type": "text", "text": {"body": "do celular"}}
    body = msgspec.json.decode(says("x", phone=ANA))
    change = body["entry"][0]["changes"][0]
    value = {"messaging_product": "whatsapp", "metadata": change["value"]["metadata"], "message_echoes": [message]}
    return msgspec.json.encode({**body, "entry": [{"id": A.waba_id, "changes": [{"field": "smb_message_echoes", "value": value}]}]})


async def test_an_echo_is_a_message_of_ours_and_a_takeover_once(inbox: Inbox) -> None:
    """Its redelivery after the conversation went back to the bot takes nothing over; an older one does not turn the clock back."""
    await inbox.receive(echo("e1"))
    assert tuple(await inbox.row("SELECT source, state, wamid FROM message")) == ("echo", "accepted", "e1")
    assert tuple(await inbox.row("SELECT owner, human_at FROM conversation")) == ("human", NOON + dt.timedelta(seconds=80))
    await inbox.receive(echo("e0", 1_795_176_000))
    assert await inbox.value("SELECT human_at FROM conversation") == NOON + dt.timedelta(seconds=80)
    conversation_id = await inbox.value("SELECT id FROM conversation")
    async with inbox.rt.db.tenant(inbox.world.a) as tx:
        assert await contacts.release(tx, conversation_id, inbox.rt.now())
    await inbox.receive(echo("e1"), together([echo("e1"), echo("e1")]))
    assert await inbox.value("SELECT owner FROM conversation") == "bot"
    assert await inbox.value("SELECT count(*) FROM message") == 2


async def test_a_status_of_an_echo_lifts_it_before_or_after_it_is_known(inbox: Inbox) -> None:
    """F6."""
    await inbox.receive(status("e1", "delivered"), echo("e1"))
    assert await inbox.value("SELECT state FROM message") == "delivered"
    await inbox.receive(status("e1", "read"))
    assert await inbox.value("SELECT state FROM message") == "read"
    assert await inbox.rows("SELECT 1 FROM status_orphan") == []


async def test_what_no_bot_answers_is_kept_and_makes_nobody_due(inbox: Inbox) -> None:
    reaction = {"id": "w1", "timestamp": "1795176000", "type": "reaction", "reaction": {"message_id": "x", "emoji": "👍"}}
    in_group = {"id": "w2", "timestamp": "1795176000", "type": "text", "text": {"body": "oi"}, "group_id": "g1"}
    await inbox.receive(said(reaction, phone=ANA), said(in_group, phone="5511900000002"))
    rows = await inbox.rows("SELECT state, reason FROM event ORDER BY key")
    assert [tuple(row) for row in rows] == [("ignored", "not_for_the_bot"), ("ignored", "group")]
    assert await inbox.rows("SELECT 1 FROM contact WHERE due_at IS NOT NULL") == []


async def test_1000_people_in_one_batch_need_no_statement_each(inbox: Inbox) -> None:
    """F4: Meta may put 1,000 updates into one body."""
    counted = 0

    def count(_record: object) -> None:
        nonlocal counted
        counted += 1

    body = together([says(f"w{n}", phone=f"55119{n:08}", user_id=f"BR.{n}") for n in range(1000)])
    await inbox.store(body)
    async with contextlib.AsyncExitStack() as stack:
        for connection in [await stack.enter_async_context(inbox.rt.db.pool.acquire()) for _ in range(6)]:
            connection._con.add_query_logger(count)
    await inbox.digest()
    assert await inbox.value("SELECT count(*) FROM event WHERE state = 'unhandled'") == 1000
    assert await inbox.value("SELECT count(*) FROM contact") == 1000
    assert 5 < counted < 60
