"""Messages by API: every content, to whomever, once; what may not go says why, and keeps no other from going."""

import asyncio
import datetime as dt
import io
import time
from typing import Any

import msgspec

from atendeja import media
from atendeja.blobs import Blobs
from atendeja.wa import limits
from tests import canary, world
from tests.files import PDF
from tests.inbox.desk import Desk, Json
from tests.outbound.office import ANA, BIA, CAI
from tests.wa.contents import CONTENTS

TEMPLATE = {"type": "template", "name": "pronto", "language": "pt_BR"}


def text(to: object, body: str = "oi", **more: object) -> Json:
    return {"to": to, "content": {"type": "text", "body": body}, **more}


def template(to: object, category: str = "utility", **more: object) -> Json:
    return {"to": to, "content": TEMPLATE, "category": category, **more}


async def refusal(desk: Desk, body: object, who: str = "key") -> tuple[int, str]:
    answer = await desk.post("/messages", body, who)
    return answer.status_code, answer.json()["code"]


async def test_every_content_goes_as_it_was_given(desk: Desk) -> None:
    cases = [content for name, content in CONTENTS.items() if "mark-read" not in name]
    for n, given in enumerate(cases):
        phone, content = f"551190000{n:04}", msgspec.to_builtins(given)
        await desk.says("oi", phone)
        category = "utility" if content["type"] == "template" else "service"
        sent = await desk.do("/messages", {"to": {"phone": phone}, "content": content, "category": category}, "key")
        assert (sent["state"], sent["content"], sent["source"]) == ("queued", content, "api")
    await desk.open()
    await desk.until("accepted")
    assert len(desk.posts) == len(cases) > 15
    shown = await desk.see(f"/messages/{sent['id']}")
    assert shown["message"]["state"] == "accepted" and shown["attempts"][0]["wamid"] in {line.wamid for line in desk.posts}


async def test_a_file_of_ours_goes_under_its_name_and_a_wrong_one_is_said(desk: Desk) -> None:
    await desk.says("oi")
    place = Blobs(desk.rt.config.media_path)
    ids = desk.rt.new_id(), desk.rt.new_id()
    for id_, mime, name in ((ids[0], "application/pdf", "nota.pdf"), (ids[1], "text/plain", None)):
        await media.add(desk.rt.db, place, desk.a, io.BytesIO(PDF), mime=mime, filename=name, media_id=id_, now=desk.now)
    wrong = {"type": "media", "kind": "image", "file": str(ids[1])}
    answer = await desk.post("/messages", {"to": {"phone": ANA}, "content": wrong}, "key")
    assert answer.status_code == 422 and answer.json()["errors"][0]["path"] == "$.content.file.type"
    gone = {"type": "media", "kind": "document", "file": str(desk.rt.new_id())}
    answer = await desk.post("/messages", {"to": {"phone": ANA}, "content": gone}, "key")
    assert answer.json()["errors"][0]["path"] == "$.content.file"
    good = {"type": "media", "kind": "document", "file": str(ids[0])}
    sent = await desk.do("/messages", {"to": {"phone": ANA}, "content": good}, "key")
    assert sent["content"] == good | {"filename": "nota.pdf"}
    await desk.open()
    await desk.until("accepted")


# ── to whom ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_is_named_in_three_ways_and_who_is_new_is_made_by_his_phone(desk: Desk) -> None:
    await desk.says("oi")
    talk, contact = await desk.talk_id(), (await desk.contact())["id"]
    for to in ({"conversation_id": str(talk)}, {"contact_id": str(contact)}, {"phone": "+55 (11) 90000-0001"}):
        assert (await desk.do("/messages", text(to), "key"))["conversation_id"] == str(talk), to
    assert (await desk.contact())["wa_id"] == ANA, "as WhatsApp writes it, not as somebody typed it"
    made = await desk.do("/messages", template({"phone": "+55 11 90000-0002"}), "key")
    assert made["conversation_id"] == str(await desk.talk_id(BIA))
    again = await desk.do("/messages", template({"phone": BIA}), "key")
    assert again["contact_id"] == made["contact_id"]


async def test_whoever_is_nobody_here_gets_nothing(desk: Desk) -> None:
    """S7: another business's person, conversation and number are none."""
    await desk.says("oi", BIA, world.B)
    theirs, contact = await desk.talk(BIA), await desk.contact(BIA)
    nobody = str(desk.rt.new_id())
    for to in ({"contact_id": str(contact["id"])}, {"conversation_id": str(theirs["id"])}, {"contact_id": nobody}):
        assert await refusal(desk, template(to)) == (404, "not_found"), to
    assert await refusal(desk, template({"phone": ANA}, number_id=str(desk.number_b))) == (404, "not_found")
    assert await desk.rows("SELECT FROM message") == [] and len(await desk.rows("SELECT FROM contact")) == 1


MISFITS = [
    (text({}), "$.to"),
    (text({"phone": ANA, "contact_id": "01980000-0000-7000-8000-000000000000"}), "$.to"),
    (text({"phone": "1234"}), "$.to.phone"),
    (text({"phone": ANA}, ""), "$.content.body"),
    (text({"phone": ANA}, "a" * (limits.TEXT_BODY + 1)), "$.content.body"),
    (text({"phone": ANA}, category="bulk"), "$.category"),
    ({"to": {"phone": ANA}, "content": {"type": "text", "body": "x", "strange": 1}}, "$.content"),
    (
        {"to": {"phone": ANA}, "content": {"type": "buttons", "body": "x", "buttons": [{"id": "", "title": "t"}]}},
        "$.content.buttons[0].id",
    ),
    ({"to": {"phone": ANA}, "content": {"type": "read", "message_id": "wamid.1"}}, "$.content.type"),
    ({"to": {"phone": ANA}, "content": TEMPLATE}, "$.category"),
    (template({"phone": ANA}, not_before="2999-01-01T00:00:00Z"), "$.not_before"),
    (template({"phone": ANA}, "authentication", not_before="2020-01-01T00:00:00Z"), "$.not_before"),
    (
        text({"phone": ANA}, fallback={"template": TEMPLATE | {"language": "?"}, "category": "utility"}),
        "$.fallback.template.language",
    ),
]


async def test_what_does_not_fit_is_said_with_its_place(desk: Desk) -> None:
    """S24."""
    for body, path in MISFITS:
        answer = await desk.post("/messages", body, "key")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
        assert [fault["path"] for fault in answer.json()["errors"]] == [path]
    assert await desk.rows("SELECT FROM contact") == []


async def test_from_which_number_has_to_be_said_where_there_are_several(desk: Desk) -> None:
    await desk.says("oi")
    talk = await desk.talk_id()
    await desk.admin.execute(
        "INSERT INTO number (tenant_id, id, phone_number_id, waba_id, portfolio_id, display_number, token, created_at) "
        "SELECT tenant_id, gen_random_uuid(), '9', waba_id, portfolio_id, '+9', token, now() FROM number WHERE id = $1",
        desk.number_a,
    )
    answer = await desk.post("/messages", template({"phone": BIA}), "key")
    assert [fault["path"] for fault in answer.json()["errors"]] == ["$.number_id"]
    assert (await desk.do("/messages", text({"conversation_id": str(talk)}), "key"))["number_id"] == str(desk.number_a)
    sent = await desk.do("/messages", template({"phone": BIA}, number_id=str(desk.number_a)), "key")
    assert sent["number_id"] == str(desk.number_a)


# ── whether ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_closed_window_takes_a_template_only(desk: Desk) -> None:
    await desk.says("oi")
    assert await refusal(desk, text({"phone": BIA})) == (409, "window_closed")
    assert await desk.rows("SELECT FROM contact WHERE wa_id = $1", BIA) == [], "nothing of what is refused stays"
    in_time, too_late = ((desk.now + dt.timedelta(hours=hours)).isoformat() for hours in (23, 25))
    assert await refusal(desk, text({"phone": ANA}, not_before=too_late)) == (409, "window_closed")
    taken = await desk.do("/messages", text({"phone": ANA}, not_before=in_time), "key")
    await desk.do(f"/messages/{taken['id']}/withdraw")
    desk.later(hours=25)
    assert await refusal(desk, text({"phone": ANA})) == (409, "window_closed")
    fallback = {"template": TEMPLATE, "category": "utility"}
    await desk.do("/messages", text({"phone": ANA}, fallback=fallback), "key")
    await desk.open()
    async with asyncio.timeout(8):
        while [line.answer for line in desk.posts] != ["ok"]:
            await asyncio.sleep(0.02)


async def test_meta_says_that_the_window_is_closed(desk: Desk) -> None:
    await desk.says("oi")
    await desk.do("/messages", text({"phone": ANA}), "key")
    await desk.admin.execute("UPDATE message SET state = 'failed', code = 131047")
    assert await refusal(desk, text({"phone": ANA})) == (409, "window_closed")
    desk.later(seconds=2)
    await desk.says("e aí?")
    assert (await desk.post("/messages", text({"phone": ANA}), "key")).status_code == 201


async def test_who_wants_no_marketing_gets_none_however_close_it_was(desk: Desk) -> None:
    """S55: refused once it is said; and withdrawn by the sender when it was said after the message was taken."""
    await desk.says("oi")
    await desk.do("/messages", template({"phone": ANA}, "marketing"), "key")
    await desk.says("SAIR")
    assert await refusal(desk, template({"phone": ANA}, "marketing")) == (409, "opted_out")
    assert (await desk.post("/messages", template({"phone": ANA}, "utility"), "key")).status_code == 201
    await desk.open()
    async with asyncio.timeout(8):
        while "queued" in await desk.states() or "sending" in await desk.states():
            await asyncio.sleep(0.02)
    found = {(m["category"], m["state"], m["reason"]) for m in await desk.messages()}
    assert found == {("marketing", "withdrawn", "opted_out"), ("utility", "accepted", None)}


async def test_what_is_for_later_waits_and_keeps_nothing_from_going(desk: Desk) -> None:
    await desk.says("oi")
    at = (desk.now + dt.timedelta(hours=1)).isoformat()
    first = await desk.do("/messages", text({"phone": ANA}, "depois", not_before=at), "key")
    await desk.do("/messages", text({"phone": ANA}, "já"), "key")
    await desk.open()
    async with asyncio.timeout(8):
        while len(desk.posts) < 1:
            await asyncio.sleep(0.02)
    told = await desk.see(f"/messages/{first['id']}/explain")
    assert (told["state"], [why["code"] for why in told["why"]]) == ("queued", ["later"])
    desk.later(hours=1, seconds=1)
    await desk.open()
    await desk.until("accepted")
    assert len(desk.posts) == 2


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_twice_at_once_with_one_key_is_one_message_and_one_answer(desk: Desk) -> None:
    await desk.says("oi")
    await desk.bearer("key")
    both = await asyncio.gather(*(desk.post("/messages", text({"phone": ANA}), "key", key="k1") for _ in range(2)))
    assert [answer.status_code for answer in both] == [201, 201] and both[0].content == both[1].content
    assert len(await desk.messages()) == 1
    other = await desk.post("/messages", text({"phone": ANA}, "outra"), "key", key="k1")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert (await desk.do("/messages", text({"phone": ANA}), "key", key="k2"))["id"] != both[0].json()["id"]


async def test_what_was_sent_is_not_sent_again_when_its_answer_is_forgotten(desk: Desk) -> None:
    await desk.says("oi")
    both = {"messages": [text({"phone": ANA}, "um"), text({"phone": BIA}, "dois")]}
    first = await desk.do("/messages", text({"phone": ANA}), "key", key="k")
    many = await desk.do("/messages/batch", both, "key", key="many")
    assert [one["refused"] and one["refused"]["code"] for one in many["results"]] == [None, "window_closed"]
    await desk.admin.execute("DELETE FROM idempotency_key")
    desk.later(days=2)  # and its window is closed
    assert (await desk.do("/messages", text({"phone": ANA}), "key", key="k"))["id"] == first["id"]
    again = await desk.do("/messages/batch", both, "key", key="many")
    assert again["results"][0] == many["results"][0]
    assert len(await desk.messages()) == 2
    assert await refusal(desk, text({"phone": ANA})) == (409, "window_closed")


# ── by people ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_persons_word_takes_the_conversation_over_and_a_programs_does_not(desk: Desk) -> None:
    await desk.publish()
    assert await desk.asks("oi") == ["Oi!"]
    await desk.do("/messages", text({"phone": ANA}), "key")
    assert (await desk.talk())["owner"] == "bot"
    said = await desk.do("/messages", text({"phone": ANA}, "Sou a Bia, posso ajudar?"))
    assert said["source"] == "agent" and (await desk.talk())["owner"] == "human"
    await desk.open()
    async with asyncio.timeout(8):
        while {"queued", "sending"} & {*await desk.states()}:
            await asyncio.sleep(0.02)
    assert {(m["source"], m["state"], m["reason"]) for m in await desk.messages()} == {
        ("turn", "withdrawn", "human"), ("api", "accepted", None), ("agent", "accepted", None)
    }  # fmt: skip
    assert await desk.asks("oi") == []
    await desk.do("/messages", template({"phone": BIA}, "marketing"))
    assert (await desk.talk(BIA))["owner"] == "bot", "marketing is no word in a conversation"


async def test_who_may_only_look_sends_nothing(desk: Desk) -> None:
    """S23."""
    await desk.says("oi")
    assert (await desk.post("/messages", text({"phone": ANA}), "viewer")).status_code == 403
    assert (await desk.post("/messages/batch", {"messages": [text({"phone": ANA})]}, "viewer")).status_code == 403


# ── many ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_bad_of_many_keeps_no_other_from_going(desk: Desk) -> None:
    for who in (ANA, BIA, CAI):
        await desk.says("oi", who)
    await desk.says("SAIR", CAI)
    many = [
        text({"phone": ANA}, "um"),
        text({"phone": ANA}, ""),
        template({"phone": CAI}, "marketing"),
        text({"contact_id": str(desk.rt.new_id())}),
        text({"phone": "5511900000009"}),
        text({"phone": ANA}, "dois"),
        template({"phone": "5511900000008"}),
        template({"phone": "+55 11 90000-0008"}),
        text({"conversation_id": str(await desk.talk_id(BIA))}, "três"),
    ]
    said = await desk.do("/messages/batch", {"messages": many}, "key")
    codes = [one["refused"] and one["refused"]["code"] for one in said["results"]]
    assert codes == [None, "invalid", "opted_out", "not_found", "window_closed", None, None, None, None]
    assert said["sent"] == 5 and said["results"][1]["refused"]["errors"][0]["path"] == "$.content.body"
    assert said["results"][6]["contact_id"] == said["results"][7]["contact_id"]
    await desk.open()
    await desk.until("accepted")
    ana = [m["body"] for m in sorted(await desk.messages(ANA), key=lambda m: m["seq"])]
    assert ana == ["um", "dois"], "in the order given"
    assert [action for action, _ in await desk.audit()][-1] == "messages_sent"


async def test_a_batch_that_cannot_be_read_sends_nothing(desk: Desk) -> None:
    await desk.says("oi")
    for many in ([], [text({"phone": ANA})] * 1001, [text({"phone": ANA}), {"to": {"phone": ANA}, "content": {"type": "poem"}}]):
        assert (await desk.post("/messages/batch", {"messages": many}, "key")).status_code == 422
    huge = await desk.post("/messages/batch", {"messages": [text({"phone": ANA}, "a" * 3_000_000)]}, "key")
    assert huge.status_code == 413
    assert await desk.messages() == []


async def test_a_thousand_cost_a_second_at_most(desk: Desk) -> None:
    """10,000 sends in batches in 10 s: half of them to people nobody knew."""
    many = [template({"phone": f"55119{n:08}"}) for n in range(1000)]
    began = time.monotonic()
    said = await desk.do("/messages/batch", {"messages": many}, "key", key="a")
    first_s = time.monotonic() - began
    began = time.monotonic()
    said = await desk.do("/messages/batch", {"messages": many}, "key", key="b")
    again_s = time.monotonic() - began
    print(f"1,000 sends: {first_s:.2f} s to new people, {again_s:.2f} s to known ones")
    assert said["sent"] == 1000 and first_s + again_s < 4


async def test_two_batches_to_the_same_people_wait_for_each_other(desk: Desk) -> None:
    """One lock order: by phone, by id and by conversation, in any order, without a deadlock."""
    for who in (ANA, BIA, CAI):
        await desk.says("oi", who)
    ids = [(str((await desk.contact(who))["id"]), str(await desk.talk_id(who))) for who in (ANA, BIA, CAI)]
    ways: list[Any] = [
        {"phone": ANA},
        {"contact_id": ids[1][0]},
        {"conversation_id": ids[2][1]},
        {"phone": CAI},
        {"contact_id": ids[0][0]},
    ]
    ways += [{"phone": f"551191111111{n}"} for n in range(3)]
    before = desk.rt.db.retries
    await desk.bearer("key")
    batches = [{"messages": [template(to) for to in (ways if n % 2 else ways[::-1])]} for n in range(8)]
    results = await asyncio.gather(*(desk.do("/messages/batch", batch, "key") for batch in batches))
    assert {said["sent"] for said in results} == {len(ways)}
    assert desk.rt.db.retries - before <= len(batches), "who makes somebody new at once with another looks again"
    assert len(await desk.rows("SELECT FROM contact")) == 6


# ── what became of them ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_messages_are_listed_by_each_choice_once(desk: Desk) -> None:
    await desk.says("oi")
    await desk.says("oi", BIA)
    sent = []
    for n in range(5):
        sent.append((await desk.do("/messages", text({"phone": ANA if n % 2 else BIA}, f"m{n}"), "key"))["id"])
        desk.later(seconds=1)
    campaign = desk.rt.new_id()
    await desk.admin.execute("UPDATE message SET state = 'failed', code = 131026 WHERE id = $1", sent[1])
    await desk.admin.execute("UPDATE message SET state = 'read' WHERE id = $1", sent[2])
    await desk.admin.execute(
        "UPDATE message SET source = 'campaign', source_id = $1, source_no = ordinal + 7 WHERE id = ANY ($2)", campaign, sent[3:4]
    )
    ids = [item["id"] for item in await desk.walk("/messages", limit=2)]
    assert ids == sent[::-1]
    assert [i["id"] for i in await desk.walk(f"/messages?conversation_id={await desk.talk_id(BIA)}", limit=1)] == sent[4::-2]
    assert [i["id"] for i in await desk.walk("/messages?state=queued", limit=2)] == [sent[4], sent[3], sent[0]]
    assert [i["campaign_id"] for i in await desk.walk(f"/messages?campaign_id={campaign}", limit=1)] == [str(campaign)]
    (failed,) = await desk.walk("/messages?state=failed")
    assert failed["code"]["meaning"].startswith("undeliverable") and "another number" in failed["code"]["advice"]
    since = failed["created_at"].replace("+", "%2B")
    assert [i["id"] for i in await desk.walk(f"/messages?since={since}")][-1] in (sent[1], sent[2])
    assert (await desk.get("/messages?state=read")).status_code == 422
    assert (await desk.get(f"/messages?state=queued&campaign_id={campaign}")).status_code == 422


async def test_what_is_queued_is_taken_back_and_the_next_goes(desk: Desk) -> None:
    await desk.says("oi")
    first, second = [await desk.do("/messages", text({"phone": ANA}, body), "key") for body in ("um", "dois")]
    taken = await desk.do(f"/messages/{first['id']}/withdraw")
    assert (taken["state"], taken["reason"]) == ("withdrawn", "cancelled")
    assert (await desk.post(f"/messages/{first['id']}/withdraw")).json()["code"] == "not_queued"
    assert (await desk.post(f"/messages/{second['id']}/withdraw", who="other")).status_code == 404
    await desk.open()
    async with asyncio.timeout(8):
        while len(desk.posts) < 1:
            await asyncio.sleep(0.02)
    assert {m["body"]: m["state"] for m in await desk.messages()}["um"] == "withdrawn"
    told = await desk.see(f"/messages/{first['id']}/explain")
    assert [why["code"] for why in told["why"]] == ["cancelled"] and any("withdrawn (cancelled)" in line for line in told["lines"])


async def test_what_may_have_gone_is_not_called_withdrawn(desk: Desk) -> None:
    await desk.says("oi")
    sent = await desk.do("/messages", text({"phone": ANA}), "key")
    await desk.admin.execute(
        "INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, claimed_at) "
        "SELECT tenant_id, gen_random_uuid(), id, number_id, contact_id, 1, gen_random_uuid(), 'unknown', now() FROM message"
    )
    assert (await desk.do(f"/messages/{sent['id']}/withdraw"))["state"] == "unknown"


async def test_a_bots_reply_says_what_it_answers(desk: Desk) -> None:
    await desk.publish()
    await desk.asks("oi")
    (reply,) = (await desk.see("/messages"))["items"]
    told = await desk.see(f"/messages/{reply['id']}/explain")
    assert told["lines"][0].startswith("event ") and any("step 0" in line or "step 1" in line for line in told["lines"])
    assert (await desk.get(f"/messages/{reply['id']}/explain", "other")).status_code == 404


async def test_words_and_numbers_of_customers_are_in_no_log(desk: Desk) -> None:
    """S43: the run fails when this is found in what was logged."""
    body = text({"phone": f"+{canary.CANARY_PHONE}"}, canary.CANARY_TEXT)
    for one in (body, body | {"category": "bulk"}, template({"phone": canary.CANARY_PHONE})):
        await desk.post("/messages", one, "key")
    await desk.post("/messages/batch", {"messages": [body]}, "key")
    assert not [
        row
        for row in await desk.rows("SELECT before::text || after::text AS told FROM audit")
        if canary.CANARY_TEXT in (row["told"] or "")
    ]
