"""Holds: a source on pause sends nothing, others do, and nothing is lost."""

import asyncio
from uuid import UUID

from atendeja import outbound
from atendeja.db import Tx
from tests.outbound.office import ANA, BIA, Office


async def hold(office: Office, source_id: UUID, reason: str = "pausa") -> None:
    async def work(tx: Tx) -> None:
        await outbound.place_hold(tx, "api", source_id, reason, office.now)

    await office.rt.db.transact(office.a, work)


async def lift(office: Office, source_id: UUID) -> None:
    async def work(tx: Tx) -> None:
        await outbound.lift_hold(tx, "api", source_id)

    await office.rt.db.transact(office.a, work)
    office.ring()


async def test_a_held_source_waits_and_the_others_go(office: Office) -> None:
    """F48: asked in the claim's own transaction, so nothing is posted after the hold's commit."""
    await office.put("um", to=ANA)
    await office.put("dois", to=BIA)
    held = (await office.messages(ANA))[0]["source_id"]
    await hold(office, held)
    await hold(office, held, "outra razão")
    await office.open()
    await office.until("accepted", BIA)
    await asyncio.sleep(0.1)
    assert await office.states(ANA) == ["queued"]
    await lift(office, held)
    await office.until("accepted", ANA)


async def test_a_hold_of_another_tenant_holds_nothing(office: Office) -> None:
    await office.put("um")
    (message,) = await office.messages()

    async def work(tx: Tx) -> None:
        await outbound.place_hold(tx, "api", message["source_id"], "pausa", office.now)

    await office.rt.db.transact(office.b, work)
    await office.open()
    await office.until("accepted")
