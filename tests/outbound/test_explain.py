"""`explain`: why a message was or was not sent, a golden output for each end that it can come to and for what keeps it waiting."""

import asyncio
import re
from typing import get_args

import pytest

from atendeja import outbound, reporting
from atendeja.db import Tx
from atendeja.outbound.protocol import WithdrawalReason
from atendeja.reporting import story
from tests.outbound.office import ANA, Office

UUIDS = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIMES = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z")
WAMIDS = re.compile(r"wamid\.\S+")
SPANS = re.compile(r"\d+ ms")
QUEUED = "message ID service of api 0.0, queued TIME: "


async def told(office: Office) -> list[str]:
    """What is said of the one message, with what differs each time left out; the head about its conversation too."""
    (message,) = await office.messages()
    lines = await reporting.explain(office.rt.db, str(message["id"]), office.now)
    assert lines[0] == "tenant a" and lines[1].startswith("conversation ")
    for pattern, word in ((UUIDS, "ID"), (TIMES, "TIME"), (WAMIDS, "WAMID"), (SPANS, "N ms")):
        lines = [pattern.sub(word, line) for line in lines]
    return lines[2:]


async def test_each_status_that_it_was_lifted_to(office: Office) -> None:
    await office.put("oi")
    await office.open()
    await office.until("accepted")
    attempt = "  attempt 1 ID claimed TIME: accepted after N ms, WAMID"
    times = ["  accepted TIME"]
    assert await told(office) == [
        QUEUED + "accepted", "  why: WhatsApp has it, and has said no more yet", attempt, *times
    ]  # fmt: skip
    for status in ("sent", "delivered", "read", "played"):
        await office.status(office.posts[0], status)
        times.append(f"  {status} TIME")
        why = ["  why: WhatsApp has sent it; the customer's telephone has not confirmed it yet"] if status == "sent" else []
        assert await told(office) == [QUEUED + status, *why, attempt, *times]


async def test_failed(office: Office) -> None:
    office.fault("code", 131026)
    await office.put("oi")
    await office.open()
    await office.until("failed")
    assert await told(office) == [
        QUEUED + "failed (131026: Message Undeliverable.)",
        "  why: WhatsApp refused it: undeliverable: not on WhatsApp, an old app, or terms not accepted",
        "  attempt 1 ID claimed TIME: refused after N ms (131026: Message Undeliverable.)",
        "  failed TIME",
    ]


async def test_in_doubt_and_unknown(office: Office) -> None:
    office.fault("5xx_after", 500)
    await office.put("oi", category="marketing")
    await office.open()
    await office.until("in_doubt")
    head = QUEUED.replace("service", "marketing")
    attempt = "  attempt 1 ID claimed TIME: unknown after N ms (http 500, unreadable answer of 0 bytes (no type))"
    assert await told(office) == [
        head + "in_doubt", "  why: it was posted and no answer came: a status settles it, or its time runs out", attempt
    ]  # fmt: skip
    await office.admin.execute("UPDATE message SET state = 'unknown'")
    assert await told(office) == [
        head + "unknown", "  why: it may have been delivered: no answer came, and no status; it is not sent again", attempt
    ]  # fmt: skip


@pytest.mark.parametrize("reason", sorted(story._WITHDRAWN))
async def test_withdrawn(reason: str, office: Office) -> None:
    await office.put("oi")
    await office.admin.execute("UPDATE message SET state = 'withdrawn', reason = $1", reason)
    assert await told(office) == [QUEUED + f"withdrawn ({reason})", f"  why: {story._WITHDRAWN[reason]}"]


def test_every_reason_of_withdrawal_has_its_words() -> None:
    assert story._WITHDRAWN.keys() == {*get_args(WithdrawalReason)}


MARKETING_STOPPED = """
    WITH m AS (UPDATE message SET category = 'marketing', policy = 'at_most_once', seq = NULL)
    UPDATE number SET marketing_until = now() + interval '1 hour', marketing_code = 131048
"""
WAITING = {
    "nothing": ("SELECT", "it is due: its sender takes it as the pace allows"),
    "later": ("UPDATE message SET not_before = now() + interval '1 hour'", "it is to go at TIME"),
    "held everywhere": (
        "UPDATE guard SET held_at = now(), held_reason = 'x', held_mark = 1, held_arrival = 1, seen_mark = 2",
        "nobody sends since TIME: see `atendeja resume-sending`",
    ),
    "number": (
        "UPDATE number SET stopped_until = now() + interval '1 minute', stopped_code = 190",
        "the number is stopped by code 190, and tried again at TIME",
    ),
    "marketing": (
        MARKETING_STOPPED,
        "the number's marketing is stopped by code 131048, and tried again at TIME",
    ),
}


@pytest.mark.parametrize("case", WAITING)
async def test_queued(case: str, office: Office) -> None:
    statement, why = WAITING[case]
    await office.put("oi")
    await office.admin.execute(statement)
    head = QUEUED.replace("service", "marketing") if case == "marketing" else QUEUED
    assert await told(office) == [head + "queued", f"  why: {why}"]


async def test_queued_under_a_hold_and_behind_another(office: Office) -> None:
    await office.put("um", "dois", to=ANA)
    first, second = await office.messages()

    async def hold(tx: Tx) -> None:
        await outbound.place_hold(tx, "api", first["source_id"], "pausa", office.now)

    await office.rt.db.transact(office.a, hold)
    lines = await reporting.explain(office.rt.db, str(second["id"]), office.now)
    assert lines[-2:] == ["  why: what had it sent is held: pausa", "  why: another message of the conversation goes first"]


async def test_sending(office: Office) -> None:
    office.fault("delay", 1)
    await office.put("oi")
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    assert await told(office) == [
        QUEUED + "sending", "  why: it is on its way, or about to be", "  attempt 1 ID claimed TIME: claimed"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "left"),
    [("not_sent", ", no byte left us"), ("abandoned", ", no byte left us"), ("unknown", ""), ("refused", ""), ("claimed", "")],
)
async def test_that_nothing_left_us_is_said_only_where_that_is_known(state: str, left: str, office: Office) -> None:
    """Of an attempt whose sender died nobody knows how far it came."""
    await office.put("oi")
    await office.admin.execute(
        "INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, claimed_at) "
        "SELECT tenant_id, gen_random_uuid(), id, number_id, contact_id, 1, gen_random_uuid(), $1, now() FROM message",
        state,
    )
    assert (await told(office))[-1] == f"  attempt 1 ID claimed TIME: {state}{left}"
