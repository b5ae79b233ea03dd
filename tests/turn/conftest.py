"""The shop that turns are taken in."""

from collections.abc import AsyncIterator

import pytest

from atendeja.runtime import Runtime
from tests.turn.shop import Shop, open_shop


@pytest.fixture
async def shop(rt: Runtime) -> AsyncIterator[Shop]:
    made = await open_shop(rt)
    yield made
    await made.admin.close()
