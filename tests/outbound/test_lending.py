"""A reply whose sender is in the same process is claimed in the turn's own transaction, by the sender's rules."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from atendeja import failpoints, outbound
from atendeja.db import Tx
from atendeja.outbound import Outgoing, Ready
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


async def test_a_claim_whose_commit_is_in_question_is_given_back_and_posted_once(talking: Office) -> None:
    """F54: the COMMIT was kept and its answer lost; nothing has left us, so the message goes back in its place."""
    talk = await talking.talk()
    window = Ready(ANA, None, None, talk["window_until"])
    message = Outgoing(
        talk["number_id"],
        talk["contact_id"],
        talk["id"],
        "api",
        talking.rt.new_id(),
        0,
        0,
        Text("oi"),
        talk["seq"] + 1,
        ready=window,
    )
    with talking.senders.lending() as lending:

        async def work(tx: Tx) -> None:
            await outbound.put(tx, [message], talking.now, talking.rt.new_id, lending)

        await talking.rt.db.transact(talking.a, work)
    await talking.until("accepted")
    assert sorted(await talking.attempts()) == ["abandoned", "accepted", "accepted"]
    assert len(talking.posts) == 2


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
    pair = sender._pair((await talking.contact())["id"])
    for _ in range(9):
        pair.take(talking.rt.monotonic())
    await talking.asks("fim")
    message = await latest(talking)
    assert (message["state"], message["attempt"]) == ("queued", None)
