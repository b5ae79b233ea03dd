"""The sender against a real Cloud API that misbehaves: what each answer does to the message, the recipient and the number."""

import asyncio
import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from atendeja import cloud, failpoints
from atendeja.cloud import Cloud
from atendeja.db import Tx
from atendeja.outbound import outcomes, protocol, sender
from atendeja.outbound.outcomes import Done, Recorded
from atendeja.pacing import Pace
from atendeja.reconcile import Reconciler
from atendeja.simulator import Settings, Simulator
from tests.journeys.process import free_port
from tests.outbound.office import ANA, BIA, CAI, Office


async def test_a_message_goes_out_once_and_its_statuses_lift_it(office: Office) -> None:
    """Claim before POST (I7): the attempt was committed before the simulator saw it."""
    await office.put("Olá")
    await office.open()
    await office.until("accepted")
    (line,) = office.posts
    attempt = await office.row("SELECT state, wamid, claimed_at, first_byte_at, ended_at FROM attempt")
    assert (attempt["state"], attempt["wamid"]) == ("accepted", line.wamid)
    assert attempt["claimed_at"].timestamp() < line.at
    assert attempt["claimed_at"] <= attempt["first_byte_at"] <= attempt["ended_at"]
    for status in ("delivered", "sent", "read"):
        await office.status(line, status)
    (message,) = await office.messages()
    assert message["state"] == "read"
    assert all(message[f"{status}_at"] for status in ("accepted", "sent", "delivered", "read"))


async def test_many_messages_are_each_posted_once(office: Office) -> None:
    for i in range(40):
        await office.put(f"Olá {i}", to=f"55119000000{i:02}")
    await office.open()
    await office.until("accepted")
    assert len(office.posts) == len({line.opaque for line in office.posts}) == 40


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many outcomes each record wrote."""
    sizes, record = [], outcomes.record

    async def counted(tx: Tx, done: Sequence[Done], now: dt.datetime) -> Recorded:
        sizes.append(len(done))
        return await record(tx, done, now)

    monkeypatch.setattr(outcomes, "record", counted)
    return sizes


async def test_outcomes_that_nobody_waits_for_are_gathered(
    office: Office, records: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "GATHER_S", 0.5)
    office.simulator.board.change(replace(office.simulator.board.settings, latency_s=0.05))
    for i in range(40):
        await office.put(f"Oferta {i}", to=f"55119000000{i:02}", category="marketing")
    await office.open()
    await office.until("accepted")
    assert sum(records) == 40 and len(records) <= 4, records


async def test_a_ring_ends_the_gathering_and_what_is_waited_for_is_not_gathered(
    office: Office, records: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour's window: a reply with another behind it is recorded at once, and a new message is claimed at once."""
    monkeypatch.setattr(sender, "GATHER_S", 3600)
    await office.put("Oferta", category="marketing")
    await office.open()
    await office.until("accepted")
    await office.put("Outra oferta", category="marketing")
    async with asyncio.timeout(5):
        while len(office.posts) < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert await office.states() == ["accepted", "sending"], "its outcome is gathered"
    await office.put("um", "dois")
    await office.until("accepted")
    assert sum(records) == 4


@pytest.mark.parametrize("code", [131026, 100, 132015, 987654])
async def test_a_final_refusal_is_failed_with_its_code(code: int, office: Office) -> None:
    """F40; 987654 is not listed: final too, by DESIGN 4. A notice each, and the next one of the conversation goes."""
    office.fault("code", code)
    await office.put("um", "dois")
    await office.open()
    await office.until(["failed", "accepted"])
    first = (await office.messages())[0]
    assert (first["code"], first["attempt_no"]) == (code, 1)
    assert first["failed_at"] is not None
    assert office.notices("message_failed") == 1


async def test_a_message_held_for_its_quality_is_accepted_and_flagged_until_it_goes(office: Office) -> None:
    """F43: nothing is sent again, the next one goes, and the first status takes the flag away."""
    office.fault("held")
    await office.put("um", "dois")
    await office.open()
    await office.until(["accepted", "accepted"])
    assert [message["held"] for message in await office.messages()] == [True, False]
    await office.status(office.posts[0], "sent")
    (first, _) = await office.messages()
    assert (first["state"], first["held"], first["attempt_no"]) == ("sent", False, 1)
    assert len(office.posts) == 2


async def test_a_late_delivered_still_wins_over_failed(office: Office) -> None:
    office.fault("code", 131026)
    await office.put("um")
    await office.open()
    await office.until("failed")
    await office.status(office.posts[0], "sent")
    assert await office.states() == ["failed"]
    await office.status(office.posts[0], "delivered")
    assert await office.states() == ["delivered"]


async def test_the_number_slows_down_when_told_to(office: Office) -> None:
    """F35: 130429 stops every recipient of the number for a moment; then all go, once."""
    office.fault("code", 130429)
    await office.put("um", to=ANA)
    await office.open()
    await asyncio.sleep(0.3)
    await office.put("dois", to=BIA)
    await asyncio.sleep(0.3)
    assert await office.states() == ["queued", "queued"]
    assert len(office.posts) == 1
    office.later(seconds=3)
    office.ring()
    await office.until("accepted")
    assert [line.answer for line in office.posts] == ["code", "ok", "ok"]


async def test_only_the_recipient_waits_whom_we_wrote_too_much(office: Office) -> None:
    """F36: 131056 holds this person's messages in their order for 6 s, and nobody else's."""
    office.fault("code", 131056, to=ANA)
    await office.put("um", "dois", to=ANA)
    await office.open()
    await asyncio.sleep(0.2)
    await office.put("três", to=BIA)
    await office.until("accepted", BIA)
    office.later(seconds=3)
    office.ring()
    await asyncio.sleep(0.2)
    assert await office.states(ANA) == ["queued", "queued"]
    office.later(seconds=4)
    office.ring()
    await office.until("accepted", ANA)
    assert len(office.posts) == 4


async def test_the_pair_rule_is_kept_of_ourselves(office: Office) -> None:
    """I12: a burst of ten, and the eleventh six seconds later, without ever being told."""
    await office.put(*[f"n{i}" for i in range(12)])
    await office.open()
    await office.until(["accepted"] * 10 + ["queued"] * 2)
    await asyncio.sleep(0.2)
    assert len(office.posts) == 10
    office.later(seconds=6.1)
    office.ring()
    await office.until(["accepted"] * 11 + ["queued"])


# ── nobody knows ───────────────────────────────────────────────────────────────────────────────────────────────────────────

LOST = ["drop_answer", "rst_before", "rst_after", "5xx_before", "5xx_after", "html", "truncate"]


@pytest.mark.parametrize("fault", LOST)
async def test_a_lost_answer_leaves_the_message_in_doubt_until_a_status_comes(fault: str, office: Office) -> None:
    """F31, F32, F41, F42: one POST, never a second; our callback data finds the attempt, whatever we heard."""
    office.fault(fault)
    await office.put("um")
    await office.open()
    await office.until("in_doubt")
    assert await office.attempts() == ["unknown"]
    office.later(seconds=30)
    office.ring()
    await asyncio.sleep(0.1)
    (line,) = office.posts
    await office.status(line, "sent")
    assert await office.states() == ["sent"]
    attempt = await office.row("SELECT state, wamid FROM attempt")
    assert (attempt["state"], attempt["wamid"] is not None) == ("accepted", True)


async def test_a_time_out_is_in_doubt(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """F32, F44."""
    monkeypatch.setattr(cloud, "READ_S", 0.1)
    office.rt.cloud = Cloud(office.rt.config.wa_api_base, office.rt.config.wa_api_version)
    office.fault("delay", 0.5)
    await office.put("um")
    await office.open()
    await office.until("in_doubt")
    await office.rt.cloud.close()
    assert len(office.posts) == 1


async def in_doubt(office: Office, **more: Any) -> Reconciler:
    """One message whose answers are lost; the reconciler that will look after it."""
    reconciler = Reconciler(office.rt)
    office.fault("drop_answer", times=None)
    await office.put("um", **more)
    await office.open()
    await office.until("in_doubt")
    return reconciler


async def resolved(office: Office, reconciler: Reconciler) -> list[str]:
    """The states after T, before the sender hears of it."""
    office.later(seconds=121)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(office.rt.bells, "ring_number", lambda _number_id: None)
        await reconciler.work()
    states = await office.states()
    office.ring()
    return states


@pytest.mark.parametrize("category", ["marketing", "utility", "authentication"])
async def test_what_may_go_once_is_unknown_after_its_time_and_never_sent_again(category: Any, office: Office) -> None:
    """F31, F45, I5: T runs while our intake is healthy; a late status still lifts it."""
    reconciler = await in_doubt(office, category=category)
    office.later(seconds=119)
    await reconciler.work()
    assert await office.states() == ["in_doubt"]
    office.later(seconds=2)
    await reconciler.work()
    assert await office.states() == ["unknown"]
    office.later(hours=1)
    office.ring()
    await reconciler.work()
    await asyncio.sleep(0.1)
    assert len(office.posts) == 1
    await office.status(office.posts[0], "delivered")
    assert await office.states() == ["delivered"]


async def test_a_service_reply_in_doubt_goes_again_twice_at_most(office: Office) -> None:
    """F32, F45, I6: three POSTs in all, each an attempt of its own, then nobody can know."""
    reconciler = await in_doubt(office)
    for posts in (2, 3):
        assert await resolved(office, reconciler) == ["queued"]
        office.ring()
        await office.until("in_doubt")
        assert len(office.posts) == posts
    assert await resolved(office, reconciler) == ["unknown"]
    office.ring()
    await asyncio.sleep(0.1)
    assert len(office.posts) == 3
    assert await office.attempts() == ["unknown"] * 3
    assert len({line.opaque for line in office.posts}) == 3


async def test_a_second_acceptance_is_counted_when_it_is_learnt(office: Office) -> None:
    """F45: the answer of the first was lost and its status came after T; both reached the customer, and we say so."""
    reconciler = await in_doubt(office)
    assert await resolved(office, reconciler) == ["queued"]
    office.simulator.board.faults.rules.clear()
    office.ring()
    await office.until("accepted")
    assert office.rt.meter.counts["duplicate_sends", ""] == 0, "nobody knows yet"
    first, second = office.posts
    await office.status(first, "delivered")
    assert office.rt.meter.counts["duplicate_sends", ""] == 1
    await office.status(first, "read")
    await office.status(second, "read")
    assert office.rt.meter.counts["duplicate_sends", ""] == 1, "once"
    assert await office.attempts() == ["accepted", "accepted"]
    assert await office.states() == ["read"]


async def test_two_acceptances_learnt_together_are_counted_too(office: Office) -> None:
    """F45: both answers were lost, and both statuses come in one batch."""
    reconciler = await in_doubt(office)
    assert await resolved(office, reconciler) == ["queued"]
    office.ring()
    await office.until("in_doubt")
    first, second = office.posts
    await office.status(first, second, "delivered")
    assert office.rt.meter.counts["duplicate_sends", ""] == 1
    assert await office.states() == ["delivered"]


async def test_marketing_does_not_go_to_who_has_opted_out(office: Office) -> None:
    """F49, I11, SAIR: asked in the claim, whenever it was queued; what the person asked for goes on, and a new yes is a yes."""
    await office.put("promoção", to=ANA, category="marketing")
    await office.put("promoção", to=BIA, category="marketing")
    await office.says("SAIR", ANA)
    await office.put("seu pedido saiu", to=ANA)
    await office.open()
    await office.until(["withdrawn", "accepted"], ANA)
    await office.until("accepted", BIA)
    assert (await office.messages(ANA))[0]["reason"] == "opted_out"
    await office.admin.execute(
        "INSERT INTO consent SELECT tenant_id, gen_random_uuid(), contact_id, purpose, 'in', 'flow', '{}', "
        "nextval('arrival'), 0, now() FROM consent"
    )
    await office.put("outra promoção", to=ANA, category="marketing")
    await office.until(["withdrawn", "accepted", "accepted"], ANA)


async def test_what_may_have_gone_out_is_not_called_withdrawn(office: Office) -> None:
    """It waits to go again, and may not any more: the first attempt may have arrived."""
    reconciler = await in_doubt(office)
    assert await resolved(office, reconciler) == ["queued"]
    await office.admin.execute("UPDATE conversation SET window_until = now() - interval '1 day'")
    office.ring()
    await office.until("unknown")
    assert len(office.posts) == 1


async def test_the_failure_of_an_earlier_attempt_does_not_end_a_message_that_went_again(office: Office) -> None:
    """F45, I9."""
    reconciler = await in_doubt(office)
    assert await resolved(office, reconciler) == ["queued"]
    office.simulator.board.faults.rules.clear()
    office.ring()
    await office.until("accepted")
    first, second = office.posts
    await office.status(first, "failed", code=131026)
    assert await office.states() == ["accepted"]
    await office.status(second, "failed", code=131026)
    assert await office.states() == ["failed"]


async def test_a_reply_that_the_conversation_has_overtaken_is_not_sent_again(office: Office) -> None:
    """FAULTS 2.3: the customer wrote meanwhile; the old reply would be beside the point."""
    reconciler = await in_doubt(office)
    office.later(seconds=1)
    await office.says("e agora?", ANA)
    assert (await resolved(office, reconciler))[0] == "withdrawn"
    assert (await office.messages())[0]["reason"] == "newer_message"
    await office.status(office.posts[0], "delivered")
    assert (await office.states())[0] == "delivered", "it had arrived after all"


@pytest.mark.parametrize("change", ["window_until = now() - interval '1 day'", "taken_at = now() + interval '1 minute'"])
async def test_a_reply_that_may_not_go_any_more_is_unknown(change: str, office: Office) -> None:
    """The window is over, or a person stepped in: nobody can say whether the customer has it."""
    reconciler = await in_doubt(office, source="turn")
    await office.admin.execute("UPDATE event SET state = 'handled', turn_no = 0")  # by the turn that said this
    await office.admin.execute(f"UPDATE conversation SET {change}")
    assert await resolved(office, reconciler) == ["unknown"]
    assert len(office.posts) == 1


async def test_a_message_that_cannot_be_built_has_failed_and_holds_nobody(office: Office) -> None:
    """A content of a version that is not ours: nothing left us, so there is no doubt."""
    await office.put("um", "dois", to=ANA)
    await office.admin.execute('UPDATE message SET content = \'{"type": "hologram"}\' WHERE ordinal = 0')
    await office.open()
    await office.until(["failed", "accepted"], ANA)
    assert await office.attempts() == ["not_sent", "accepted"]
    assert len(office.posts) == 1


async def test_an_outcome_that_cannot_be_written_stops_nobody_else(office: Office) -> None:
    """Its message is in doubt: what came of it is in the log, and a status may still tell."""
    await office.admin.execute("ALTER TABLE message ADD CONSTRAINT unwritable CHECK (code IS DISTINCT FROM 131026)")
    office.fault("code", 131026, to=BIA)
    for to in (ANA, BIA, CAI):
        await office.put("oi", to=to)
    await office.open()
    await office.until("accepted", ANA)
    await office.until("in_doubt", BIA)
    await office.until("accepted", CAI)
    await office.put("tudo bem?", to=ANA)
    await office.until("accepted", ANA)
    assert len(office.posts) == 4


async def test_a_post_that_crashes_leaves_its_message_in_doubt_and_the_others_go(office: Office) -> None:
    """A bug of ours after the POST: nobody can say how far it came, so it is not posted again."""
    failpoints.configure({"ATENDEJA_FAILPOINTS": "send.after_post=raise@1"})
    try:
        await office.put("um", to=ANA)
        await office.open()
        await office.until("in_doubt", ANA)
    finally:
        failpoints.configure({})
    await office.put("dois", to=BIA)
    await office.until("accepted", BIA)
    assert len(office.posts) == 2
    await office.status(office.posts[0], "read")
    assert await office.states(ANA) == ["read"]


# ── nothing left us ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_refused_connection_is_tried_again_and_accepted_once(office: Office) -> None:
    """F33: definite, so no doubt; the Cloud API comes back and the message goes."""
    port, closed = free_port(), office.rt.cloud
    office.rt.cloud = Cloud(f"http://127.0.0.1:{port}", "v24.0")
    await office.put("um")
    await office.open()
    async with asyncio.timeout(5):
        while await office.attempts() != ["not_sent"]:
            await asyncio.sleep(0.02)
    assert await office.states() == ["queued"]
    back = Simulator(Settings(port=port, window=False, pair=False, rate=None))
    await back.start()
    office.later(seconds=2)
    office.ring()
    await office.until("accepted")
    assert await office.attempts() == ["not_sent", "accepted"]
    assert back.board.tally.accepted == 1
    await office.rt.cloud.close()
    await back.stop()
    office.rt.cloud = closed


async def test_a_claim_that_grew_old_before_its_post_is_given_back(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fence: the loop was blocked between commit and POST, somebody else may have taken over. It goes later, once."""
    monkeypatch.setattr(protocol, "FENCE_S", 0.1)
    failpoints.configure({"ATENDEJA_FAILPOINTS": "send.after_claim=sleep:0.15@1"})
    try:
        await office.put("um")
        await office.open()
        await office.until("accepted")
    finally:
        failpoints.configure({})
    *old, last = await office.attempts()
    assert {*old} == {"abandoned"} and last == "accepted", "more than one, on a machine that is slow itself"
    assert len(office.posts) == 1


# ── order ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_next_is_posted_only_when_the_one_before_was_answered(office: Office) -> None:
    board = office.simulator.board
    board.change(board.settings.changed({"latency_s": 0.05}))
    await office.put("um", "dois", "três", "quatro")
    await office.open()
    await office.until("accepted")
    attempts = await office.rows(
        "SELECT a.claimed_at, a.ended_at FROM attempt a JOIN message m ON m.id = a.message_id ORDER BY m.seq"
    )
    assert [after["claimed_at"] >= before["ended_at"] for before, after in itertools.pairwise(attempts)] == [True] * 3
    times = [line.at for line in office.posts]
    assert all(later - earlier >= 0.05 for earlier, later in itertools.pairwise(times))


async def test_a_doubt_holds_its_successor_for_ten_seconds(office: Office) -> None:
    office.fault("drop_answer")
    await office.put("um", "dois")
    await office.open()
    await office.until(["in_doubt", "queued"])
    office.later(seconds=9)
    office.ring()
    await asyncio.sleep(0.1)
    assert await office.states() == ["in_doubt", "queued"]
    office.later(seconds=1.1)
    office.ring()
    await office.until(["in_doubt", "accepted"])


async def test_a_message_in_back_off_holds_its_successor_and_nobody_elses(office: Office) -> None:
    office.fault("code", 2494100, to=ANA)
    await office.put("um", "dois", to=ANA)
    await office.put("três", to=BIA)
    await office.open()
    await office.until("accepted", BIA)
    await asyncio.sleep(0.1)
    assert await office.states(ANA) == ["queued", "queued"]
    office.later(seconds=2)
    office.ring()
    await office.until("accepted")
    assert sorted(line.answer for line in office.posts) == ["code", "ok", "ok", "ok"]


async def test_service_goes_before_marketing(office: Office) -> None:
    await office.put("oferta", to=BIA, category="marketing")
    await office.put("resposta", to=ANA)
    await office.admin.execute("UPDATE number SET rate = 1")
    await office.open()
    await office.until("accepted", ANA)
    assert await office.states(BIA) == ["queued"]


@pytest.mark.alone
async def test_marketing_takes_three_quarters_of_the_pace_and_a_reply_the_rest(office: Office) -> None:
    """I12: of 8 a second 6 may be marketing. What is beyond that waits without being asked for again and again."""
    for i in range(9):
        await office.put("oferta", to=f"55119000000{i:02}", category="marketing")
    await office.put("oi", to=CAI)
    await office.admin.execute("UPDATE message SET not_before = now() + interval '1 hour' WHERE category = 'service'")
    await office.admin.execute("UPDATE number SET rate = 8")
    await office.open()
    await posted(office, 6)
    await office.admin.execute("UPDATE message SET not_before = now() WHERE category = 'service'")
    office.ring()
    await office.until("accepted", CAI, timeout_s=0.5)
    await office.until("accepted")
    rows = await office.rows(
        "SELECT a.claimed_at, m.category FROM attempt a JOIN message m ON m.id = a.message_id ORDER BY a.claimed_at"
    )
    for most, claimed in (
        (8, [row["claimed_at"].timestamp() for row in rows]),
        (6, [row["claimed_at"].timestamp() for row in rows if row["category"] == "marketing"]),
    ):
        assert all(sum(start <= at < start + 0.99 for at in claimed) <= most for start in claimed), most


@pytest.mark.alone
async def test_the_pace_is_used_while_answers_take_their_time(office: Office) -> None:
    """Nothing rings while all is on the wire: the sender wakes for the next place in its pace by itself."""
    office.simulator.board.change(replace(office.simulator.board.settings, latency_s=1.5))
    for i in range(30):
        await office.put("aviso", to=f"55119000000{i:02}", category="utility")
    await office.admin.execute("UPDATE number SET rate = 20")
    await office.open()
    began = asyncio.get_running_loop().time()
    await posted(office, 20)
    assert asyncio.get_running_loop().time() - began < 1.4, "none of them has been answered"


@pytest.mark.parametrize("code", [131048, 131063, 131064])
async def test_marketing_that_was_stopped_waits_for_a_probe_and_replies_go_on(code: int, office: Office) -> None:
    """F37: one notice, nothing lost, nothing hammered; a probe an hour later, and when that is accepted the rest."""
    office.fault("code", code, to=BIA)
    office.fault("code", code, to=CAI)
    await office.put("oferta", to=BIA, category="marketing")
    await office.open()
    await posted(office, 1)
    await office.until("queued", BIA)
    await office.put("oferta", to=CAI, category="marketing")
    await office.put("oi", to=ANA)
    await office.until("accepted", ANA)
    await asyncio.sleep(0.2)
    assert [line.answer for line in office.posts] == ["code", "ok"]
    row = await office.row("SELECT marketing_code, marketing_until - now() AS wait FROM number WHERE marketing_code IS NOT NULL")
    assert row["marketing_code"] == code and row["wait"] > dt.timedelta(minutes=59)
    await office.crash()  # what the next sender knows is in the row
    await office.open()
    for probes, answers in ((1, ["code"]), (2, ["code", "ok", "ok"])):
        office.later(hours=1, seconds=1)
        await office.open()
        office.ring()
        await posted(office, 2 + len(answers))
        await asyncio.sleep(0.2)
        assert [line.answer for line in office.posts] == ["code", "ok", *answers], probes
    await office.until("accepted")
    assert await office.rows("SELECT FROM number WHERE marketing_code IS NOT NULL") == []
    assert office.notices("marketing_stopped") == 1


async def posted(office: Office, n: int) -> None:
    async with asyncio.timeout(5):
        while len(office.posts) < n:
            await asyncio.sleep(0.005)


async def test_a_rate_and_a_token_that_are_changed_are_taken_up_while_it_sends(office: Office) -> None:
    """The row is read again when it is said to have changed; a token that does not open leaves the old one in use."""
    await office.put("um")
    await office.open()
    await office.until("accepted")
    (sending,) = office.senders._senders.values()
    await office.admin.execute("UPDATE number SET rate = 7 WHERE id = $1", sending.number_id)
    office.rt.bells.hear(f"number:{sending.number_id}")
    await office.put("dois")
    await office.until("accepted")
    assert sending._limits.pace.rate == 7
    await office.admin.execute("UPDATE number SET token = 'x' WHERE id = $1", sending.number_id)
    office.rt.bells.hear(f"number:{sending.number_id}")
    await office.put("três")
    await office.until("accepted")
    assert sending._number.token == b"x" and office.notices("number_stopped") == 0


async def test_a_changed_row_is_found_even_when_nobody_says_so(office: Office) -> None:
    await office.put("um")
    await office.open()
    await office.until("accepted")
    (sending,) = office.senders._senders.values()
    await office.admin.execute("UPDATE number SET rate = 7 WHERE id = $1", sending.number_id)
    office.later(seconds=sender.REREAD_S + 1)
    await office.put("dois")
    await office.until("accepted")
    assert sending._limits.pace.rate == 7


async def test_what_comes_in_on_a_number_counts_for_its_pace(office: Office) -> None:
    """Meta counts both ways: of 40 a second at most 30 are left away for what people write."""
    await office.put("um")
    await office.open()
    await office.until("accepted")
    (sending,) = office.senders._senders.values()
    sending._limits.pace = Pace(40)
    office.rt.bells.heard[sending.number_id] = 500
    instant = office.rt.monotonic()
    assert sending._budget(instant) == 4, "the burst"
    sending._limits.pace.take(instant, 4)
    assert sending._budget(instant + 0.5) == 4
    sending._limits.pace.take(instant + 0.5, 4)
    assert sending._budget(instant + 0.9) == 2, "10 of 40 in this second"


# ── withdrawal ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_a_reply_that_a_person_overtook_is_withdrawn(office: Office) -> None:
    await office.put("do robô", source="turn")
    await office.put("da api")
    await office.admin.execute("UPDATE conversation SET owner = 'human', human_at = now(), taken_at = now()")
    await office.open()
    await office.until(["withdrawn", "accepted"], timeout_s=1.5)
    assert (await office.messages())[0]["reason"] == "human"


@pytest.mark.parametrize("by", ["answer", "status"])
async def test_meta_is_the_judge_of_the_window(by: str, office: Office) -> None:
    """131047 closes it, whatever our clock says: what follows is withdrawn before it costs a call, until the customer writes."""
    if by == "answer":
        office.fault("code", 131047)
    await office.put("um")
    await office.open()
    if by == "status":
        await office.until("accepted")
        await office.status(office.posts[0], "failed", code=131047)
    await office.until("failed")
    await office.put("dois")
    await office.until(["failed", "withdrawn"])
    assert (await office.messages())[1]["reason"] == "window_closed"
    await office.put("oferta", category="marketing")
    await office.until(["failed", "withdrawn", "accepted"])
    office.later(seconds=1)
    await office.says("voltei")
    await office.put("três")
    await office.until(["failed", "withdrawn", "accepted", "accepted"])


async def test_outside_the_window_a_reply_is_withdrawn(office: Office) -> None:
    await office.put("um", "dois")
    office.later(hours=25)
    await office.open()
    await office.until("withdrawn")
    assert {m["reason"] for m in await office.messages()} == {"window_closed"}
    assert office.posts == []


@pytest.mark.alone
async def test_hundreds_of_withdrawals_do_not_hold_up_what_may_go(office: Office) -> None:
    """A claim that finds only what must not go looks again at once."""
    for i in range(30):
        await office.put(*"abcdefghij", to=f"55119000001{i:02}", source="turn")
    await office.admin.execute("UPDATE conversation SET owner = 'human', human_at = now(), taken_at = now()")
    await office.put("viva", to=BIA)
    await office.open()
    await office.until("accepted", BIA, timeout_s=1.9)
