"""A server of an integrator on this machine: it verifies what it is sent, keeps it, and answers as a test says."""

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct


class Got(Struct, frozen=True):
    path: str
    id: str
    body: dict[str, Any]
    at: int
    signatures: list[str]
    raw: bytes

    def is_signed_with(self, secret: str) -> bool:
        """As the specification says to verify, written a second time."""
        key = b64decode(secret.removeprefix("whsec_"))
        mac = b64encode(hmac.digest(key, b"%s.%d.%s" % (self.id.encode(), self.at, self.raw), "sha256")).decode()
        return f"v1,{mac}" in self.signatures


class Receiver:
    """`answers` is path → the status, or what makes the answer."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers: dict[str, int | Callable[[], web.StreamResponse]] = {}
        self.holding: dict[str, asyncio.Event] = {}
        self.port = 0
        self._came = asyncio.Condition()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        raw, head = await request.read(), request.headers
        got = Got(
            request.path, head["webhook-id"], msgspec.json.decode(raw), int(head["webhook-timestamp"]),
            head["webhook-signature"].split(" "), raw,
        )  # fmt: skip
        async with self._came:
            self.got.append(got)
            self._came.notify_all()
        if request.path in self.holding:
            await self.holding[request.path].wait()
        found = self.answers.get(request.path, 204)
        return web.Response(status=found) if isinstance(found, int) else found()

    async def until(self, n: int, path: str = "/hook", timeout_s: float = 8) -> list[Got]:
        """What has come to a path, when it is so many."""
        async with asyncio.timeout(timeout_s), self._came:
            await self._came.wait_for(lambda: len(self.at(path)) >= n)
        return self.at(path)

    def at(self, path: str = "/hook") -> list[Got]:
        return [got for got in self.got if got.path == path]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    made = Receiver()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    for event in made.holding.values():
        event.set()
    await runner.cleanup()
