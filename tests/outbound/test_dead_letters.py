"""Dead letters: what failed for good is shown with its reason, tried again through all checks, or let be."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from atendeja import dead_letters
from tests.outbound.office import ANA, BIA, CAI, Office


async def shown(office: Office, most: int = 50) -> list[tuple[str, str, int | None]]:
    async with office.rt.db.tenant(office.a) as tx:
        letters, _ = await dead_letters.newest(tx, most)
    return [(letter.what, letter.state, letter.code) for letter in letters]


async def replay(office: Office, ids: Sequence[UUID] = (), *, may_repeat: bool = False) -> int:
    moved = dead_letters.replay(office.rt.db, office.a, ids, office.now, may_repeat=may_repeat)
    n = sum([len(batch) async for batch in moved])
    office.ring()
    return n


async def discard(office: Office, ids: Sequence[UUID] = ()) -> int:
    return sum([len(batch) async for batch in dead_letters.discard(office.rt.db, office.a, ids, office.now)])


async def failed(office: Office, *people: str, code: int = 131026) -> list[dict[str, Any]]:
    for who in people:
        office.fault("code", code, to=who)
        await office.put("oi", to=who)
    await office.open()
    await office.until("failed")
    return await office.messages()


async def test_one_that_failed_is_tried_again_and_goes(office: Office) -> None:
    first, _ = await failed(office, ANA, BIA)
    assert await shown(office) == [("message", "failed", 131026)] * 2
    assert await shown(office, 1) == [("message", "failed", 131026)]
    assert await replay(office, [first["id"]]) == 1
    await office.until(["accepted", "failed"])
    assert await replay(office, [first["id"]]) == 0, "it is no dead letter any more"
    assert await shown(office) == [("message", "failed", 131026)]
    (again, _) = await office.messages()
    assert (again["attempt_no"], again["code"], again["failed_at"]) == (3, None, None)


async def test_all_are_tried_again_in_batches(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 2)
    await failed(office, ANA, BIA, CAI)
    assert await replay(office) == 3
    await office.until("accepted")
    assert len(office.posts) == 6


async def test_what_may_have_gone_out_is_sent_again_only_by_who_says_so(office: Office) -> None:
    await office.put("oferta", category="marketing")
    await office.admin.execute("UPDATE message SET state = 'unknown'")
    (message,) = await office.messages()
    assert await replay(office, [message["id"]]) == 0
    assert await office.states() == ["unknown"]
    assert await replay(office, [message["id"]], may_repeat=True) == 1
    await office.open()
    await office.until("accepted")


async def test_what_whatsapp_had_accepted_goes_again_only_by_who_says_so(office: Office) -> None:
    """Accepted, then reported as failed: a late `delivered` may still come."""
    await office.put("oi")
    await office.open()
    await office.until("accepted")
    await office.status(office.posts[0], "failed", code=131026)
    assert await replay(office) == 0
    assert await office.states() == ["failed"]
    assert await replay(office, may_repeat=True) == 1
    await office.until("accepted")


async def test_the_failure_of_before_reported_once_more_does_not_end_it_again(office: Office) -> None:
    """Statuses come once at least; until it is claimed nothing else stands against it."""
    await office.put("oi")
    await office.open()
    await office.until("accepted")
    first = office.posts[0]
    await office.status(first, "failed", code=131026)
    await office.admin.execute("UPDATE number SET stopped_until = now() + interval '1 hour', stopped_code = 1")
    await office.crash()
    assert await replay(office, may_repeat=True) == 1
    await office.status(first, "failed", code=131026)
    assert await office.states() == ["queued"]
    await office.admin.execute("UPDATE number SET stopped_until = NULL, stopped_code = NULL")
    await office.open()
    await office.until("accepted")
    assert (await office.row("SELECT max(n) AS n FROM attempt"))["n"] == 3, "a gap, and no number twice"


async def test_one_of_days_ago_is_not_given_up_at_its_first_refusal(office: Office) -> None:
    await failed(office, ANA)
    await office.admin.execute("UPDATE message SET created_at = now() - interval '3 days'")
    office.fault("code", 131056, to=ANA)
    assert await replay(office) == 1
    await posts(office, 2)
    await office.until("queued")


async def posts(office: Office, n: int) -> None:
    async with asyncio.timeout(5):
        while len(office.posts) < n:
            await asyncio.sleep(0.01)


async def test_a_reply_whose_conversation_has_gone_on_is_left_as_it_is(office: Office) -> None:
    office.fault("code", 131026, to=ANA)
    await office.put("velho", source="turn")
    await office.open()
    await office.until("failed")
    await office.admin.execute("UPDATE conversation SET turn_no = 5")
    assert await replay(office, may_repeat=True) == 0
    assert await office.states() == ["failed"]
    assert await discard(office) == 1


async def test_a_letter_that_is_tried_again_goes_through_all_checks(office: Office) -> None:
    """The window has closed meanwhile: it is withdrawn, not sent."""
    await failed(office, ANA)
    office.later(hours=25)
    assert await replay(office) == 1
    await office.open()
    await office.until("withdrawn")
    assert (await office.messages())[0]["reason"] == "window_closed"
    assert await shown(office) == []


async def test_one_that_is_discarded_keeps_its_state_and_is_shown_no_more(office: Office) -> None:
    (message,) = await failed(office, ANA)
    assert await discard(office, [message["id"]]) == 1
    assert await shown(office) == []
    assert await office.states() == ["failed"]
    assert await replay(office, [message["id"]]) == 0
    assert await discard(office) == 0


async def test_an_event_that_no_turn_could_answer_is_answered_after_all(office: Office) -> None:
    await office.says("oi", ANA)
    await office.admin.execute("UPDATE event SET state = 'dead', reason = 'turn failed: Bug', tries = 3")
    await office.admin.execute("UPDATE contact SET due_at = NULL")
    assert await shown(office) == [("event", "dead", None)]
    assert await replay(office) == 1
    row = await office.row("SELECT e.state, e.reason, e.tries, c.due_at FROM event e JOIN contact c ON c.id = e.contact_id")
    assert (row["state"], row["reason"], row["tries"]) == ("unhandled", None, 0)
    assert row["due_at"] <= office.now
    await office.admin.execute("UPDATE event SET state = 'dead', reason = 'again'")
    assert await discard(office) == 1
    assert await shown(office) == []


async def test_of_another_tenant_there_is_none(office: Office) -> None:
    (message,) = await failed(office, ANA)
    moved = dead_letters.replay(office.rt.db, office.b, [message["id"]], office.now, may_repeat=True)
    assert [batch async for batch in moved] == []
    assert [batch async for batch in dead_letters.discard(office.rt.db, office.b, [], office.now)] == []
    assert await office.states() == ["failed"]
