"""The checker finds nothing where all is well, and each broken promise where one is broken by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from atendeja import app
from atendeja.simulator import Settings, Simulator
from tests import server, world
from tests.chaos.checker import Acknowledged, Evidence, Finding, check
from tests.outbound.office import ANA, BIA, Office

LIFTED = ("sent", "delivered", "read")


class Scene(Office):
    """An office in which everything went well: two customers wrote twice each and were answered."""

    async def play(self) -> None:
        """Let it happen: digested, answered, sent, read."""
        await self.publish()
        self.acknowledged: list[Acknowledged] = []
        for text in ("oi", "oi"):
            for sender in (ANA, BIA):
                wamid = await self.says(text, sender)
                self.acknowledged.append(Acknowledged(wamid, sender, world.A.phone_number_id, self.now.timestamp()))
                await self.turn()
                await self.open()
            await self.until("accepted", timeout_s=20)
        for line in self.posts:
            for status in LIFTED:
                await self.status(line, status)

    def evidence(self, kills: int = 0, in_flight: int = 0) -> Evidence:
        return Evidence(self.posts, self.acknowledged, kills, in_flight)

    async def judge(self, evidence: Evidence | None = None) -> list[Finding]:
        return await check(self.rt.config.admin_url.reveal(), evidence or self.evidence())

    async def broken(self, evidence: Evidence | None = None) -> dict[str, str]:
        """Invariant → what is said of it."""
        return {finding.invariant: finding.detail for finding in await self.judge(evidence)}

    async def sql(self, *statements: str) -> None:
        """Do this to the database, whatever its constraints say of references."""
        async with self.admin.transaction():
            await self.admin.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await self.admin.execute(statement)


@pytest.fixture
async def scene(cluster: server.Server, database: str, tmp_path: Path) -> AsyncIterator[Scene]:
    simulator = Simulator(Settings(port=0, window=False, pair=False, rate=None))
    await simulator.start()
    config = world.make_config(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path, WA_API_BASE=simulator.url)
    async with app.open_runtime(config) as rt:
        admin = await asyncpg.connect(config.admin_url.reveal())
        made = Scene(rt, await world.found(rt.db, config.secret_keys), admin, simulator)
        await made.play()
        yield made
        await made.close()
        await admin.close()
    await simulator.stop()


async def test_nothing_is_found_where_all_is_well(scene: Scene) -> None:
    assert len(scene.posts) == 4
    assert await scene.judge() == []
