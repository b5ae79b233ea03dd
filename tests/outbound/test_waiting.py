"""A turn and a digest at the same contact: what commits while the one waits for the other."""

import asyncio
from typing import Any

import asyncpg

from tests import world
from tests.outbound.office import ANA, Office

WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def waiting(look: asyncpg.Connection, n: int, task: "asyncio.Task[Any]") -> None:
    """Until so many sessions wait for a lock, or the task is done."""
    async with asyncio.timeout(20):
        while not task.done() and await look.fetchval(WAITERS) < n:
            await asyncio.sleep(0.01)


async def test_what_is_written_while_a_turn_waits_for_its_contact_is_answered(office: Office) -> None:
    """F22: lock, then load. The contact is due; digest holds it and has written a message; the turn begins; digest commits.

    A turn that had looked at the contact in the statement with which it waited for it would not see the message, and would
    leave the contact as one with whom nothing is due.
    """
    await office.publish()
    await office.asks("oi")
    await office.open()
    await office.until("accepted")
    await office.admin.execute("UPDATE contact SET due_at = now()")
    text: dict[str, object] = {
        "from": ANA,
        "id": "wamid.meanwhile",
        "timestamp": "1795176000",
        "type": "text",
        "text": {"body": "oi"},
    }
    report = {"id": office.posts[0].wamid, "status": "read", "timestamp": "1795176000", "recipient_id": ANA}
    body = world.envelope(world.A, {"contacts": [{"wa_id": ANA}], "messages": [text], "statuses": [report]})
    holder = await asyncpg.connect(office.rt.config.admin_url.reveal())
    async with holder.transaction():
        await holder.execute(
            "SELECT FROM message FOR NO KEY UPDATE"
        )  # where digest, at its end, waits with the contact in its hands
        digest = asyncio.create_task(office.hear(body))
        await waiting(office.admin, 1, digest)
        assert not digest.done()
        turn = asyncio.create_task(office.turns.work())
        await waiting(office.admin, 2, turn)
    await holder.close()
    await asyncio.gather(digest, turn)
    await office.turn()
    assert [state for state, _ in await office.events()] == ["handled", "handled"]
