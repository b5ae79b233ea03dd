"""A reply whose sender is in the same process is claimed in the turn's own transaction, by the sender's rules."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from atendeja import contacts, failpoints, outbound
from atendeja.db import Tx
from atendeja.outbound import Outgoing, Ready
from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import Candidate
from atendeja.pacing import Pace
from atendeja.wa.content import Text
from tests.outbound.office import ANA, BIA, Office


@pytest.fixture
async def talking(office: Office) -> AsyncIterator[Office]:
    """A flow that answers, and a number whose sender runs."""
    await office.publish()
    await office.asks("oi")
    await office.open()
    await office.until("accepted")
    yield office


async def latest(office: Office) -> dict[str, Any]:
    """The message put last, with its first attempt."""
    return (
        await office.rows(
            "SELECT m.*, a.state AS attempt, a.claimed_at = m.created_at AS at_once FROM message m"
            " LEFT JOIN attempt a ON a.message_id = m.id AND a.n = 1 ORDER BY m.source_id, m.seq DESC LIMIT 1"
        )
    )[0]


async def test_a_reply_is_claimed_in_the_transaction_that_writes_it(talking: Office) -> None:
    await talking.asks("fim")
    await talking.until("accepted")
    assert (await latest(talking))["at_once"] is True
    assert await talking.attempts() == ["accepted", "accepted"]
    assert len(talking.posts) == 2


async def test_without_a_sender_here_it_waits_for_one(office: Office) -> None:
    await office.publish()
    await office.asks("oi")
    assert (await latest(office))["state"] == "queued"
    assert await office.attempts() == []


async def test_a_turn_that_fails_after_the_claim_posts_nothing_and_its_repetition_posts_once(talking: Office) -> None:
    """F18, I7: the claim is gone with the transaction; what it took from the pace is no message."""
    failpoints.configure({"ATENDEJA_FAILPOINTS": "turn.before_commit=raise@1"})
    try:
        await talking.says("fim")
        await talking.turn()
    finally:
        failpoints.configure({})
    assert len(talking.posts) == 1
    talking.later(seconds=2)
    await talking.turn()
    await talking.until("accepted")
    assert len(talking.posts) == 2
    assert await talking.attempts() == ["accepted", "accepted"]


def outgoing(office: Office, talk: dict[str, Any], ready: Ready | None) -> Outgoing:
    return Outgoing(
        talk["number_id"],
        talk["contact_id"],
        talk["id"],
        "api",
        office.rt.new_id(),
        0,
        0,
        Text("oi"),
        talk["seq"] + 1,
        ready=ready,
    )


def candidate(office: Office, talk: dict[str, Any], message_id: UUID | None = None) -> Candidate:
    return Candidate(
        message_id or office.rt.new_id(),
        talk["id"],
        talk["contact_id"],
        "api",
        "service",
        b'{"type":"text","body":"oi"}',
        office.now,
        0,
        office.now,
        ANA,
        None,
        None,
        talk["window_until"],
    )


async def test_a_claim_whose_commit_is_in_question_is_given_back_and_posted_once(talking: Office) -> None:
    """F54: the COMMIT was kept and its answer lost; nothing has left us, so the message goes back in its place."""
    talk = await talking.talk()
    message = outgoing(talking, talk, Ready(ANA, None, None, talk["window_until"]))
    with talking.senders.lending() as lending:

        async def work(tx: Tx) -> None:
            await outbound.put(tx, [message], talking.now, talking.rt.new_id, lending)

        await talking.rt.db.transact(talking.a, work)
    await talking.until("accepted")
    assert sorted(await talking.attempts()) == ["abandoned", "accepted", "accepted"]
    assert len(talking.posts) == 2


async def test_a_lent_claim_whose_commit_still_runs_is_given_back_when_that_has_ended(talking: Office) -> None:
    """F54: the sender is told before the server has finished the COMMIT; nobody sees the message until then."""
    talk = await talking.talk()
    message = outgoing(talking, talk, Ready(ANA, None, None, talk["window_until"]))
    with talking.senders.lending() as lending:
        async with talking.rt.db.tenant(talking.a) as tx:
            await tx.all(contacts.LOCK, ids=[talk["contact_id"]])
            await outbound.put(tx, [message], talking.now, talking.rt.new_id, lending)
            lending.recall()
            await asyncio.sleep(0.3)  # the sender hears of it, and must wait for us
    await talking.until("accepted")
    assert sorted(await talking.attempts()) == ["abandoned", "accepted", "accepted"]
    assert len(talking.posts) == 2


async def test_a_claim_of_its_own_whose_commit_still_runs_is_given_back_too(talking: Office) -> None:
    (sender,) = talking.senders._senders.values()
    talk = await talking.talk()
    message, later = outgoing(talking, talk, None), talking.now + dt.timedelta(hours=1)
    async with talking.rt.db.tenant(talking.a) as tx:
        await outbound.put(tx, [message], later, talking.rt.new_id)
    row = await talking.row("SELECT * FROM message WHERE source = 'api'")
    claim = Claim(talking.rt.new_attempt_id(), candidate(talking, talk, row["id"]))
    async with talking.rt.db.tenant(talking.a) as tx:
        await tx._connection.execute(
            "UPDATE message SET state = 'sending', attempt_no = 1, not_before = now() WHERE id = $1", row["id"]
        )
        await tx._connection.execute(
            "INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, claimed_at)"
            " VALUES ($1, $2, $3, $4, $5, 1, $2, 'claimed', now())",
            talking.a, claim.attempt_id, row["id"], talk["number_id"], talk["contact_id"],
        )  # fmt: skip
        sender._unclear.append(claim)
        sender._bell.nudge()
        await asyncio.sleep(0.3)
    await talking.until("accepted")
    assert sorted(await talking.attempts()) == ["abandoned", "accepted", "accepted"]
    assert len(talking.posts) == 2


async def test_nothing_is_lent_to_a_transaction_that_does_not_wait_for_the_disk(
    talking: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I7: the intent is on the disk before the POST, also when the sender came while the turn was under way."""
    monkeypatch.setattr(talking.senders, "send_for", lambda _tenant_id: False)
    await talking.asks("fim")
    await talking.until("accepted")
    assert (await latest(talking))["at_once"] is False


async def test_a_look_that_was_under_way_does_not_take_the_places_that_were_lent_meanwhile(talking: Office) -> None:
    """I12: the pace is asked again when the candidates are there."""
    (sender,) = talking.senders._senders.values()
    sender._limits.pace = Pace(50)  # five at once
    talk = await talking.talk()

    lent = [sender.lend(candidate(talking, talk), followed=False) for _ in range(4)]
    assert None not in lent
    async with talking.rt.db.tenant(talking.a) as tx:
        claims, again = await sender._claim(tx, [candidate(talking, talk) for _ in range(5)], full=False)
    assert (len(claims), again) == (1, True)
    assert sender.lend(candidate(talking, talk), followed=False) is None
    sender._lent = 0


@pytest.mark.parametrize("before", ["queued", "sending", "in_doubt"])
async def test_what_is_unfinished_before_it_makes_it_wait(talking: Office, before: str) -> None:
    await talking.admin.execute(
        "UPDATE message SET state = $1, doubt_at = now(), not_before = now() + interval '1 hour'", before
    )  # fmt: skip
    await talking.asks("fim")
    assert (await latest(talking))["attempt"] is None


async def test_a_hold_on_the_conversation_makes_it_wait(talking: Office) -> None:
    talk = await talking.talk()

    async def hold(tx: Tx) -> None:
        await outbound.place_hold(tx, "turn", talk["id"], "pausa", talking.now)

    await talking.rt.db.transact(talking.a, hold)
    await talking.asks("fim")
    assert (await latest(talking))["state"] == "queued"


async def test_only_the_first_of_several_replies_goes_at_once_and_the_others_follow_in_order(talking: Office) -> None:
    await talking.publish(
        """
  a:
    do: [{say: {text: "um"}}, {say: {text: "dois"}}, {say: {text: "três"}}]
    wait: {reply: [text]}
    route: [{any: true, to: a}]
""",
        key="tres",
        number_id=talking.number_a,
    )
    await talking.asks("oi", BIA)
    claimed = await talking.rows(
        "SELECT ordinal FROM attempt a JOIN message m ON m.id = a.message_id WHERE a.claimed_at = m.created_at"
    )
    assert [row["ordinal"] for row in claimed] == [0]
    await talking.until("accepted", BIA)
    assert [line.to.lstrip("+") for line in talking.posts][1:] == [BIA] * 3


async def test_the_pace_is_kept_by_what_goes_at_once(talking: Office) -> None:
    """The pair rule allows a burst of ten; the eleventh waits its six seconds in the queue."""
    (sender,) = talking.senders._senders.values()
    pair = sender._limits.pair((await talking.contact())["id"])
    for _ in range(9):
        pair.take(talking.rt.monotonic())
    await talking.asks("fim")
    message = await latest(talking)
    assert (message["state"], message["attempt"]) == ("queued", None)
