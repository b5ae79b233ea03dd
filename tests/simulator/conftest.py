"""A simulator, an app's webhook to receive for it, and a client, all over real sockets."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from atendeja.simulator import Settings, Simulator

SECRET = "segredo-de-teste"
NUMBER = "100000000000001"
ANA = "5511900000001"

Json = dict[str, Any]  # tests look into JSON of many shapes


@dataclass
class Receiver:
    """The app's `/webhook`: keeps what came, and answers `statuses` in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    arrived_at: list[float] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def webhook(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.signatures.append(request.headers["X-Hub-Signature-256"])
        self.arrived_at.append(asyncio.get_running_loop().time())
        self.arrived.set()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    @property
    def values(self) -> list[Json]:
        """Every `changes[].value` that came, in order of arrival."""
        entries = [entry for body in self.bodies for entry in msgspec.json.decode(body)["entry"]]
        return [change["value"] for entry in entries for change in entry["changes"]]

    @property
    def messages(self) -> list[Json]:
        return [message for value in self.values for message in value.get("messages", [])]

    @property
    def statuses_seen(self) -> list[tuple[str, str]]:
        return [(status["id"], status["status"]) for value in self.values for status in value.get("statuses", [])]

    async def until(self, done: Callable[[], bool], timeout_s: float = 5) -> None:
        """Wait for webhooks until it is done."""
        async with asyncio.timeout(timeout_s):
            while not done():
                self.arrived.clear()
                if not done():
                    await self.arrived.wait()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/webhook", receiver.webhook)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def simulator(receiver: Receiver) -> AsyncIterator[Simulator]:
    simulator = Simulator(
        Settings(webhook_url=receiver.url, app_secret=SECRET, port=0, delivered_s=0.005, read_s=0.01, retry_first_s=0.05)
    )
    await simulator.start()
    yield simulator
    await simulator.stop()


@dataclass
class Api:
    """Both sides of a simulator, by HTTP."""

    url: str
    session: aiohttp.ClientSession

    async def send(self, to: str = f"+{ANA}", *, number: str = NUMBER, token: str = "t", **body: object) -> tuple[int, Json]:
        """POST a message, a text unless `type` says otherwise; JSON answers only."""
        whole: Json = {"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": "Olá"}} | body
        return await self.post_raw({key: value for key, value in whole.items() if value is not None}, number=number, token=token)

    async def post_raw(self, body: object, *, number: str = NUMBER, token: str = "t") -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.post(f"{self.url}/v24.0/{number}/messages", json=body, headers=headers) as response:
            return response.status, await response.json()

    async def upload(
        self,
        data: bytes,
        mime: str = "image/png",
        *,
        fields: Mapping[str, str | None] = {},
        number: str = NUMBER,
        token: str = "t",
    ) -> tuple[int, Json]:
        """POST a file as the app does; `fields` replaces those of the form, None leaves one out."""
        form = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
        for name, value in ({"messaging_product": "whatsapp", "type": mime, **fields}).items():
            if value is not None:
                form.add_field(name, value)
        if data:
            form.add_field("file", io.BytesIO(data), filename="cardápio.png", content_type=mime)
        headers = {"Authorization": f"Bearer {token}"}
        async with self.session.post(f"{self.url}/v24.0/{number}/media", data=form, headers=headers) as response:
            return response.status, await response.json()

    async def uploads(self) -> list[Json]:
        """What the simulator says of the files that were POSTed."""
        found: list[Json] = (await self.get("/_sim/uploads"))["uploads"]
        return found

    async def sim(self, name: str, /, **body: object) -> Json:
        """POST to the control side; it must agree."""
        status, answer = await self.sim_raw(name, body)
        assert status == 200, answer
        return answer

    async def sim_raw(self, name: str, body: object) -> tuple[int, Json]:
        async with self.session.post(f"{self.url}/_sim/{name}", json=body) as response:
            return response.status, await response.json()

    async def get(self, path: str) -> Json:
        async with self.session.get(f"{self.url}{path}") as response:
            answer: Json = await response.json()
            return answer

    async def says(self, text: str = "oi", **more: object) -> str:
        """Ana writes: the wamid, once the webhook has been answered."""
        content = {"type": "text", "text": {"body": text}}
        body: Json = {"from": ANA, "phone_number_id": NUMBER, "content": content, "wait": True} | more
        answer = await self.sim("message", **body)
        return str(answer["wamid"])


@pytest.fixture
async def api(simulator: Simulator) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(simulator.url, session)
