"""A shop whose messages go out, and to whose tenant somebody may listen."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from atendeja import app
from atendeja.simulator import Settings, Simulator
from tests import server, world
from tests.outbound.office import Office


@pytest.fixture
async def shop(cluster: server.Server, database: str, tmp_path: Path) -> AsyncIterator[Office]:
    simulator = Simulator(Settings(port=0, window=False, pair=False, rate=None))
    await simulator.start()
    config = world.make_config(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path, WA_API_BASE=simulator.url)
    async with app.open_runtime(config) as rt:
        admin = await asyncpg.connect(config.admin_url.reveal())
        made = Office(rt, await world.found(rt.db, config.secret_keys), admin, simulator)
        await made.hold_door()
        yield made
        await made.close()
        await admin.close()
    await simulator.stop()
