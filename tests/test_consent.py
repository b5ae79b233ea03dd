"""The ledger of consents: appended, never changed; the newest place of a purpose counts (S55)."""

from typing import Literal
from uuid import UUID

import asyncpg
import pytest

from atendeja import consent
from atendeja.consent import Entry
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.runtime import Runtime
from tests import world


@pytest.fixture
async def tenant(rt: Runtime) -> int:
    return (await world.found(rt.db, rt.config.secret_keys)).a


async def meet(tx: Tx, rt: Runtime, *phones: str) -> list[UUID]:
    return await world.meet(tx, rt, *(Person("p", None, phone) for phone in phones))


def entry(
    rt: Runtime, contact_id: UUID, state: Literal["in", "out"], arrival: int, position: int = 0, purpose: str = "marketing"
) -> Entry:
    return Entry(rt.new_id(), contact_id, purpose, state, "word", {"wamid": "w"}, arrival, position, rt.now())


async def test_the_newest_place_counts_whatever_was_written_last(rt: Runtime, tenant: int) -> None:
    async with rt.db.tenant(tenant) as tx:
        ana, bia = await meet(tx, rt, "5511900000001", "5511900000002")
        await consent.put(tx, [entry(rt, ana, "out", 5, 1), entry(rt, ana, "in", 5, 0), entry(rt, ana, "in", 4, 9)])
        await consent.put(tx, [entry(rt, ana, "in", 1, purpose="news")])
        await consent.put(tx, [])
        assert await consent.load(tx, [ana, bia]) == {(ana, "marketing"): "out", (ana, "news"): "in"}


async def test_a_row_can_be_neither_changed_nor_taken_away(rt: Runtime, tenant: int) -> None:
    async with rt.db.tenant(tenant) as tx:
        (ana,) = await meet(tx, rt, "5511900000001")
        await consent.put(tx, [entry(rt, ana, "out", 1)])
    for statement in ("UPDATE consent SET state = 'in'", "DELETE FROM consent"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with rt.db.tenant(tenant) as tx:
                await tx._connection.execute(statement)


async def test_a_merge_carries_each_word_in_its_place(rt: Runtime, tenant: int) -> None:
    """An older `in` of the other does not undo an `out`, a newer `out` of the other counts."""
    async with rt.db.tenant(tenant) as tx:
        ana, bia, caio = await meet(tx, rt, "5511900000001", "5511900000002", "5511900000003")
        await consent.put(tx, [entry(rt, ana, "out", 5), entry(rt, bia, "in", 4), entry(rt, caio, "in", 1)])
        await tx.run(consent.CARRY, winner_id=ana, loser_id=bia)
        await tx.run(consent.CARRY, winner_id=caio, loser_id=ana)
        assert set((await consent.load(tx, [ana, caio])).values()) == {"out"}
        rows = await tx._connection.fetch(
            "SELECT source, evidence->>'from' AS origin FROM consent WHERE contact_id = $1 AND source = 'merge'", ana
        )
    assert [tuple(row) for row in rows] == [("merge", str(bia))]
