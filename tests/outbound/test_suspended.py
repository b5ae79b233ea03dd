"""A business that is suspended, or a number that is paused, sends nothing from the commit on; nothing is lost, and all goes on."""

import asyncio

import pytest

from tests.outbound.office import ANA, BIA, Office

STOPS = {
    "suspended": (
        "UPDATE tenant SET suspended_at = now(), suspended_for = 'não pagou' WHERE slug = 'a'",
        "UPDATE tenant SET suspended_at = NULL, suspended_for = NULL",
    ),
    "paused": (
        "UPDATE number SET paused_at = now(), paused_for = 'férias' WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'a')",
        "UPDATE number SET paused_at = NULL, paused_for = NULL",
    ),
}


@pytest.mark.parametrize("stop", STOPS)
async def test_nothing_is_claimed_or_lent_from_the_commit_on_and_all_goes_on_afterwards(stop: str, office: Office) -> None:
    """Nobody has told the sender: it runs, is rung, and its claims find nothing; a reply is not lent a claim either."""
    await office.publish()
    await office.asks("oi")
    await office.open()
    await office.until("accepted")
    await office.admin.execute(STOPS[stop][0])
    await office.put("um", to=BIA)
    assert await office.asks("oi") == ["Oi!"], "webhooks are read and answered"
    office.ring()
    await asyncio.sleep(0.3)
    assert len(office.posts) == 1
    assert (await office.states(ANA), await office.states(BIA)) == (["accepted", "queued"], ["queued", "queued"])
    async with office.rt.db.session() as session:
        assert await session._connection.fetch("SELECT * FROM due_messages(now())") == []
    await office.admin.execute(STOPS[stop][1])
    office.ring()
    await office.until("accepted")
    assert len(office.posts) == 4


async def test_another_business_and_another_number_go_on(office: Office) -> None:
    await office.put("um")
    await office.admin.execute("UPDATE tenant SET suspended_at = now(), suspended_for = 'x' WHERE slug = 'b'")
    await office.admin.execute("UPDATE number SET paused_at = now(), paused_for = 'x' WHERE id = $1", office.number_b)
    await office.open()
    await office.until("accepted")
