"""The scene of somebody who wants to be forgotten."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.office import Office
from tests.privacy.scene import Scene, open_scene
from tests.turn.shop import Shop


@pytest.fixture
async def scene(office: Office) -> AsyncIterator[Scene]:
    admin = await asyncpg.connect(office.rt.config.admin_url.reveal())
    yield await open_scene(office, Shop(office.rt, office.world, admin))
    await admin.close()
