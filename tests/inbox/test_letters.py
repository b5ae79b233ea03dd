"""What failed is tried again or let be, what came is shown whole, and what happened is counted."""

import asyncio
import datetime as dt

import pytest

from atendeja.reporting import statistics
from tests.inbox.desk import Desk
from tests.outbound.office import ANA, BIA


async def failed(desk: Desk, n: int = 1) -> list[str]:
    """Messages that failed, in order."""
    await desk.says("oi")
    ids = []
    for i in range(n):
        body = {"to": {"phone": ANA}, "content": {"type": "text", "body": f"m{i}"}}
        ids.append((await desk.do("/messages", body, "key"))["id"])
        desk.later(seconds=0.01)
    await desk.admin.execute("UPDATE message SET state = 'failed', code = 131026, failed_at = now()")
    return ids


async def test_dead_letters_are_listed_replayed_and_discarded(desk: Desk) -> None:
    ids = await failed(desk, 4)
    listed = await desk.walk("/dead-letters", limit=3)
    assert [item["id"] for item in listed] == ids[::-1]
    assert (listed[0]["state"], listed[0]["code"]) == ("failed", 131026) and "another number" in listed[0]["advice"]
    nobody = str(desk.rt.new_id())
    again = await desk.do("/dead-letters/replay", {"ids": [ids[0], nobody, ids[0]]}, key="k")
    assert again == {"moved": [ids[0]], "left": [nobody]}
    assert await desk.do("/dead-letters/replay", {"ids": [ids[0], nobody, ids[0]]}, key="k") == again, "once"
    assert (await desk.do("/dead-letters/replay", {"ids": [ids[0]]}))["left"] == [ids[0]], "it is none any more"
    assert (await desk.do("/dead-letters/discard", {"ids": [ids[1]]}))["moved"] == [ids[1]]
    assert [item["id"] for item in await desk.walk("/dead-letters")] == [ids[3], ids[2]]
    await desk.open()
    async with asyncio.timeout(8):
        while len(desk.posts) < 1:
            await asyncio.sleep(0.02)
    assert [action for action, _ in await desk.audit()].count("dead_letters_replayed") == 1


async def test_what_may_have_gone_is_repeated_only_when_that_is_said(desk: Desk) -> None:
    (id_,) = await failed(desk)
    await desk.admin.execute("UPDATE message SET state = 'unknown', code = NULL")
    assert (await desk.do("/dead-letters/replay", {"ids": [id_]}))["left"] == [id_]
    assert (await desk.do("/dead-letters/replay", {"ids": [id_], "may_repeat": True}))["moved"] == [id_]


async def test_nobody_touches_anothers_letters(desk: Desk) -> None:
    """S7, S23."""
    ids = await failed(desk)
    assert (await desk.see("/dead-letters", "other"))["items"] == []
    for act in ("replay", "discard"):
        assert (await desk.do(f"/dead-letters/{act}", {"ids": ids}, "other")) == {"moved": [], "left": ids}
        assert (await desk.post(f"/dead-letters/{act}", {"ids": ids}, "viewer")).status_code == 403
        for bad in ([], ids * 101, ["x"]):
            assert (await desk.post(f"/dead-letters/{act}", {"ids": bad})).status_code == 422
    assert len(await desk.walk("/dead-letters")) == 1


async def test_a_dead_event_is_answered_when_it_is_tried_again(desk: Desk) -> None:
    await desk.publish()
    await desk.says("oi")
    await desk.admin.execute("UPDATE event SET state = 'dead', reason = 'ValueError', tries = 3")
    (letter,) = await desk.walk("/dead-letters")
    shown = await desk.see(f"/events/{letter['id']}")
    assert (shown["state"], shown["reason"], shown["tries"], shown["replies"]) == ("dead", "ValueError", 3, [])
    assert (await desk.do("/dead-letters/replay", {"ids": [letter["id"]]}))["moved"] == [letter["id"]]
    await desk.turn()
    shown = await desk.see(f"/events/{letter['id']}")
    assert (shown["state"], shown["content"]["content"]["body"], len(shown["replies"])) == ("handled", "oi", 1)
    assert (await desk.get(f"/events/{letter['id']}", "other")).status_code == 404


async def test_what_happened_is_counted_by_day_and_by_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.publish()
    for who in (ANA, BIA):
        await desk.asks("oi", who)
    await desk.asks("gente", BIA)
    await desk.do("/messages", {"to": {"phone": ANA}, "content": {"type": "text", "body": "oi"}}, "key")
    pricing = '{"category": "service", "billable": true}'
    await desk.admin.execute("UPDATE message SET pricing = $1::jsonb, state = 'read' WHERE source = 'api'", pricing)
    by_number = (await desk.see("/statistics?by=number"))["figures"]
    day = (await desk.see("/statistics"))["figures"]
    (figures,) = by_number
    place = {"day": None, "number_id": None}
    assert figures | place == day[0] | place and len(day) == 1
    assert (figures["number_id"], figures["received"], figures["opened"], figures["handoffs"]) == (str(desk.number_a), 3, 2, 1)
    assert figures["sources"]["api"] == 1 and figures["sent"]["read"] == 1
    assert figures["priced"] == [{"category": "service", "messages": 1, "billable": 1}]
    assert (await desk.see("/statistics", "other"))["figures"] == []
    since = (desk.now + dt.timedelta(minutes=1)).isoformat().replace("+", "%2B")
    until = (desk.now + dt.timedelta(days=1)).isoformat().replace("+", "%2B")
    assert (await desk.see(f"/statistics?since={since}&until={until}"))["figures"] == []
    for period in (f"since={until}&until={since}", f"since=2020-01-01T00:00:00Z&until={until}", "by=week"):
        assert (await desk.get(f"/statistics?{period}")).status_code == 422
    monkeypatch.setattr(statistics, "MOST_ROWS", 2)
    assert (await desk.get("/statistics")).json()["code"] == "too_much"


async def test_a_day_is_the_businesss_own(desk: Desk) -> None:
    await desk.says("oi")
    midnight = desk.now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0)
    await desk.admin.execute("UPDATE event SET received_at = $1", midnight + dt.timedelta(hours=1))
    since = (desk.now - dt.timedelta(days=2)).isoformat().replace("+", "%2B")
    shown = await desk.see(f"/statistics?since={since}")
    assert shown["timezone"] == "America/Sao_Paulo"
    yesterday = (desk.now.astimezone(dt.UTC) - dt.timedelta(days=1)).date().isoformat()
    assert [f["received"] for f in shown["figures"] if f["day"] == yesterday] == [1], "1:00 in London is 22:00 in São Paulo"
