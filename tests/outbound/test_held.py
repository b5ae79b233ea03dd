"""While the guard holds, nothing is claimed; when a person resumes, what may have gone out already is not sent again (F57)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atendeja import guard
from atendeja.cli import sending
from atendeja.db import Database
from atendeja.errors import Refused
from atendeja.guard import Hold
from atendeja.outbound import restored
from tests import world
from tests.outbound.office import ANA, BIA, CAI, Office


@pytest.fixture
async def talking(office: Office) -> AsyncIterator[Office]:
    """A flow that answers, and a number whose sender runs."""
    await office.publish()
    await office.asks("oi")
    await office.open()
    await office.until("accepted")
    yield office


async def wind_back(office: Office) -> None:
    """The database is one that has lost marks; nobody has looked yet, nor will a new connection."""
    office.rt.db.greet = None
    await office.admin.execute("UPDATE guard SET mark = mark - 1")


async def visit(office: Office) -> Hold | None:
    async with office.rt.db.session() as session:
        await office.rt.guard.visit(session, office.now)
    return office.rt.guard.hold


async def hold(office: Office) -> Hold:
    """Wind it back, and look."""
    await wind_back(office)
    found = await visit(office)
    assert found is not None
    return found


async def resume(office: Office, *, send_queued: bool = False, answered: bool = True) -> None:
    """What the command does when everything is answered, and what the worker does then."""
    if answered:
        await office.turn()
    await sending._resume_sending(office.rt.config, send_queued=send_queued)
    assert await visit(office) is None
    await office.open()


async def bodies(office: Office, state: str) -> list[str]:
    return [message["body"] for message in await office.messages() if message["state"] == state]


async def nothing_more(office: Office, posts: int) -> None:
    """Long enough for a claim and its POST."""
    office.ring()
    await asyncio.sleep(0.3)
    assert len(office.posts) == posts


# ── the hold ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_no_lease_is_taken_and_nothing_claimed_while_sending_is_held(office: Office) -> None:
    await office.put("um")
    await hold(office)
    await office.open()
    await nothing_more(office, 0)
    assert await office.rows("SELECT name FROM lease WHERE name LIKE 'send:%'") == []
    assert await office.states() == ["queued"]


async def test_a_running_sender_ends_when_sending_is_held_and_begins_again_afterwards(talking: Office) -> None:
    await hold(talking)
    await talking.put("um", to=BIA)
    await nothing_more(talking, 1)
    assert talking.senders._senders == {}, "its sender has ended"
    assert await talking.states(BIA) == ["queued"]
    await resume(talking)
    await talking.until("accepted", BIA)


async def test_a_queued_message_is_not_claimed_where_the_mark_is_below_one_seen(talking: Office) -> None:
    """F51: a replica has taken over behind our back, and the next visit is still to come."""
    await wind_back(talking)
    await talking.put("um", to=BIA)
    await nothing_more(talking, 1)
    assert await talking.states(BIA) == ["queued"]
    await talking.admin.execute("UPDATE guard SET mark = mark + 1")
    talking.ring()
    await talking.until("accepted", BIA)


async def test_a_reply_is_not_lent_a_claim_where_the_mark_is_below_one_seen(talking: Office) -> None:
    await wind_back(talking)
    assert await talking.asks("fim") == ["Tchau!"]
    await nothing_more(talking, 1)
    assert await talking.states() == ["accepted", "queued"]
    assert await talking.attempts() == ["accepted"]
    await talking.admin.execute("UPDATE guard SET mark = mark + 1")
    talking.ring()
    await talking.until("accepted")
    assert len(talking.posts) == 2


async def test_a_hold_of_another_process_binds_a_sender_that_has_not_heard_of_it(talking: Office, tmp_path: Path) -> None:
    """Both ways out: the queue, and a claim lent to a turn."""
    database = await talking.admin.fetchval("SELECT database FROM guard")
    (tmp_path / "other").mkdir()
    guard.keep(tmp_path / "other" / "guard", {database: 10**6})
    other = guard.Guard(tmp_path / "other")
    async with talking.rt.db.session() as session:
        await other.open(session, talking.now)
    assert other.hold is not None and talking.rt.guard.hold is None
    await talking.put("um", to=BIA)
    await talking.asks("fim")
    await nothing_more(talking, 1)
    assert "queued" in await talking.states(ANA) and set(await talking.states(BIA)) == {"queued"}
    assert await talking.attempts() == ["accepted"]


# ── resume-sending ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_was_unfinished_is_given_up_and_what_was_written_since_is_sent(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    await office.put("na fila", to=ANA)
    await office.put("no ar", to=BIA)
    await office.put("em dúvida", to=CAI)
    await office.admin.execute("UPDATE message SET state = 'sending', attempt_no = 1 WHERE content->>'body' = 'no ar'")
    await office.admin.execute(
        "UPDATE message SET state = 'in_doubt', attempt_no = 1, doubt_at = now() WHERE content->>'body' = 'em dúvida'"
    )
    found = await hold(office)
    office.later(seconds=1)
    await office.put("nova", to=ANA)
    await resume(office)
    assert await bodies(office, "unknown") == ["na fila", "no ar", "em dúvida"]
    await office.until(["unknown", "accepted"], ANA)
    assert [line.to for line in office.posts] == [f"+{ANA}"]
    dead = await office.rows("SELECT state, reason FROM dead_letter")
    assert len(dead) == 3 and {row["reason"] for row in dead} == {"the database was restored: it may have gone out before"}
    said = capsys.readouterr().out
    assert f"its mark was {found.mark}, {found.seen} had been seen" in said
    assert "a: 1 in_doubt, 1 queued, 1 sending that may have gone out already; 3 became unknown and are not sent" in said
    assert "b: nothing that may have gone out already" in said


async def test_a_reply_to_what_had_come_before_is_given_up_though_it_is_written_after(office: Office) -> None:
    """Its first reply is in the lost part. By the order of arrival: the clock of who wrote the events may be ahead."""
    await office.publish()
    office.later(hours=1)
    await office.says("oi", ANA)
    await office.store(world.text("wamid.cai", "oi", sender=CAI, at=int(office.now.timestamp())))
    office.later(hours=-1)
    await hold(office)
    await office.says("oi", BIA)
    office.later(hours=1)
    await office.turn()
    await office.digester.work()
    await office.turn()
    await resume(office)
    await office.until("accepted", BIA)
    assert (await office.states(ANA), await office.states(CAI)) == (["unknown"], ["unknown"])
    assert [line.to for line in office.posts] == [f"+{BIA}"]


async def test_a_turn_that_answers_old_and_new_together_is_sent(office: Office) -> None:
    await office.publish()
    await office.says("oi", ANA)
    await hold(office)
    await office.says("fim", ANA)
    await office.turn()
    await resume(office)
    await office.until("accepted", ANA)


async def test_what_follows_on_something_new_is_sent_though_nothing_is_heard_in_between(office: Office) -> None:
    """A time-out of a conversation that began after the hold cannot have gone out; that of an older one may have."""
    nodes = """
  a: {do: [{say: {text: "Oi!"}}], wait: {reply: [text], timeout: 10m}, route: [{timeout: true, to: b}], else: {to: a}}
  b: {do: [{say: {text: "Ainda está aí?"}}, {end: {}}]}
"""
    await office.publish(nodes)
    await office.asks("oi", ANA)
    await hold(office)
    await office.asks("oi", BIA)
    office.later(minutes=11)
    await office.turn()
    await resume(office)
    await office.until("accepted", BIA)
    assert (await office.states(ANA), await office.states(BIA)) == (["unknown"] * 2, ["accepted"] * 2)


async def test_nothing_is_given_up_nor_sent_until_what_had_come_before_is_answered(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its replies would be queued after the release, and go out a second time."""
    monkeypatch.setattr(sending, "WAIT_S", 0.2)
    monkeypatch.setattr(sending, "LOOK_EVERY_S", 0.05)
    await office.publish()
    await office.put("na fila", to=BIA)
    await office.store(world.text("wamid.ana", "oi", sender=ANA, at=int(office.now.timestamp())))
    await hold(office)
    for step in ("stored", "digested"):
        with pytest.raises(Refused, match=r"\d webhooks and messages of before are not answered yet"):
            await resume(office, answered=False)
        assert await visit(office) is not None and await office.states(BIA) == ["queued"], step
        await office.digester.work()
    await office.turn()
    await resume(office)
    assert set(await office.states()) == {"unknown"}
    await nothing_more(office, 0)


async def test_send_queued_sends_service_messages_and_never_marketing(office: Office) -> None:
    await office.put("serviço", to=ANA)
    await office.put("oferta", to=BIA, category="marketing")
    await office.put("código", to=CAI, category="authentication")
    await hold(office)
    office.later(seconds=1)
    await office.put("oferta nova", to=BIA, category="marketing")
    await resume(office, send_queued=True)
    await office.until(["accepted"], ANA)
    await office.until(["unknown", "accepted"], BIA)
    assert await bodies(office, "unknown") == ["oferta", "código"]


async def test_a_status_of_an_attempt_that_is_lost_stays_an_orphan(office: Office) -> None:
    """The message may be there again, given up; nobody can say that it is this one, and nothing goes wrong."""
    await office.put("um")
    await office.open()
    await office.until("accepted")
    (line,) = office.posts
    await office.close()
    await office.admin.execute("DELETE FROM attempt; UPDATE message SET state = 'queued', attempt_no = 0")
    office.rt.stopping.clear()
    await hold(office)
    await office.status(line, "delivered")
    await resume(office)
    await office.status(line, "read")
    assert await office.states() == ["unknown"]
    assert await office.admin.fetchval("SELECT count(*) FROM status_orphan") == 2
    await nothing_more(office, 1)


async def test_without_a_hold_it_says_so(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    before = await office.admin.fetchval("SELECT mark FROM guard")
    assert await sending._resume_sending(office.rt.config, send_queued=False) == 0
    assert capsys.readouterr().out == "sending is not held: nothing to do\n"
    assert await office.admin.fetchval("SELECT mark FROM guard") == before


async def test_a_hold_that_began_meanwhile_is_not_ended(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restored once more while the command ran: what is queued there has not been decided."""
    first = await hold(office)
    give_up = restored.give_up

    async def restored_again(db: Database, tenant_id: int, hold: Hold, policies: tuple[str, ...]) -> int:
        await office.admin.execute("UPDATE guard SET held_arrival = nextval('arrival')")
        return await give_up(db, tenant_id, hold, policies)

    monkeypatch.setattr(restored, "give_up", restored_again)
    with pytest.raises(Refused, match="another hold has begun"):
        await resume(office)
    found = await visit(office)
    assert found is not None and found.arrival > first.arrival
