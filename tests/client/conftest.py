"""Each of the two clients in the same words, and time that passes at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from atendeja.client import AsyncClient, Client, drive

Make = Callable[..., "Either"]


class Either:
    """A client of one kind or the other; a blocking one is used from a thread, since the server may be in this process."""

    def __init__(self, client: drive.Sync | drive.Async) -> None:
        self.client = client

    async def do(self, name: str, /, *given: Any, **named: Any) -> Any:  # Any: whatever the operation takes and gives
        method = getattr(self.client, name)
        return await (
            asyncio.to_thread(method, *given, **named) if isinstance(self.client, drive.Sync) else method(*given, **named)
        )

    async def take(self, name: str, /, most: int = 1000, **named: Any) -> list[Any]:  # Any: as above
        """The first so many of what an operation gives one after the other."""
        if isinstance(self.client, drive.Sync):
            found = getattr(self.client, name)(**named)
            return await asyncio.to_thread(lambda: [one for _, one in zip(range(most), found, strict=False)])
        taken: list[Any] = []
        async for one in getattr(self.client, name)(**named):
            taken.append(one)
            if len(taken) == most:
                break
        return taken


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    async with AsyncExitStack() as stack:

        def make(*given: Any, **named: Any) -> Either:  # Any: as the clients
            client = request.param(*given, **named)
            stack.push_async_callback(Either(client).do, "close")
            return Either(client)

        yield make


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client waited, which takes no time here."""
    taken: list[float] = []

    async def nap(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(drive, "time", SimpleNamespace(sleep=taken.append))
    monkeypatch.setattr(drive, "asyncio", SimpleNamespace(sleep=nap, to_thread=asyncio.to_thread))
    return taken
