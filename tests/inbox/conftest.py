"""A shop that is worked by hand and sends to a simulator, and its API."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from atendeja import app
from atendeja.config import Secret
from atendeja.simulator import Simulator
from tests import server, world
from tests.inbox.desk import Desk
from tests.office import JWT, open_office
from tests.outbound.conftest import simulator

__all__ = ["simulator"]


@pytest.fixture
async def desk(
    simulator: Simulator,
    cluster: server.Server,
    database: str,
    tmp_path: Path,
) -> AsyncIterator[Desk]:
    config = world.make_config(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path, WA_API_BASE=simulator.url)
    async with app.open_runtime(replace(config, jwt_secret=(Secret(JWT),))) as rt:
        admin = await asyncpg.connect(config.admin_url.reveal())
        made = await world.found(rt.db, config.secret_keys)
        async with open_office(rt, made) as api:
            desk = Desk(rt, made, admin, simulator, api)
            await desk.hold_door()
            yield desk
            await desk.close()
        await admin.close()
