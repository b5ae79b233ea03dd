"""The API over HTTP in a test's own process: time that stands where the test puts it, and people of the two tenants."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from starlette.applications import Starlette

from atendeja import accounts, app, docs, openapi
from atendeja.accounts import Opening, tokens
from atendeja.accounts.opening import Switch
from atendeja.endpoint import Role
from atendeja.runtime import Runtime, utc_now
from tests import world

PASSWORD = "cadeira amarela 42"
JWT = "antiga:" + "a" * 32


@dataclass
class Office:
    """One process with its API, and what a test asks of it."""

    rt: Runtime
    http: httpx.AsyncClient
    world: world.World
    at: dt.datetime = field(default_factory=utc_now)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.at += dt.timedelta(seconds=seconds)

    async def post(self, path: str, body: object = None, bearer: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if body is None:
            return await self.http.post(f"/v1{path}", headers=headers)
        return await self.http.post(f"/v1{path}", json=body, headers=headers)

    async def patch(self, path: str, body: object, bearer: str, if_match: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"} | ({} if if_match is None else {"If-Match": if_match})
        return await self.http.patch(f"/v1{path}", json=body, headers=headers)

    async def delete(self, path: str, bearer: str) -> httpx.Response:
        return await self.http.delete(f"/v1{path}", headers={"Authorization": f"Bearer {bearer}"})

    async def get(self, path: str, bearer: str = "") -> httpx.Response:
        return await self.http.get(f"/v1{path}", headers={"Authorization": f"Bearer {bearer}"} if bearer else {})

    async def appoint(
        self, email: str, role: Role | None = None, tenant_id: int | None = None, *, is_operator: bool = False
    ) -> str:
        """A one-time token, as the command makes it."""
        self.later(0.001)  # ids are in the order of time
        token = tokens.opaque("ato", self.rt.secret())
        opening, ids = Opening(email, role, is_operator), (self.rt.new_id(), self.rt.new_id())
        await self.rt.db.transact(tenant_id or 0, lambda tx: accounts.appoint(tx, opening, token, ids, self.at))
        return token

    async def switch(self, what: Switch, email: str) -> None:
        """Disable, enable or demote somebody, as the command does it."""
        self.later(0.001)
        line_id = self.rt.new_id()
        await self.rt.db.transact(0, lambda tx: what(tx, email, line_id, self.at))

    async def settle(
        self, email: str, role: Role | None = None, tenant_id: int | None = None, *, is_operator: bool = False
    ) -> None:
        """Somebody with an account and PASSWORD."""
        token = await self.appoint(email, role, tenant_id, is_operator=is_operator)
        self.later(0.001)
        answer = await self.post("/auth/accept", {"token": token, "password": PASSWORD, "name": email.partition("@")[0]})
        assert answer.status_code == 204, answer.text

    async def login(self, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return await self.post("/auth/login", {"email": email, "password": password, **more})

    async def sign_in(
        self, email: str, role: Role | None = None, tenant_id: int | None = None, *, is_operator: bool = False
    ) -> str:
        """The access token of somebody new."""
        await self.settle(email, role, tenant_id, is_operator=is_operator)
        answer = await self.login(email)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@asynccontextmanager
async def open_office(rt: Runtime, made: world.World) -> AsyncIterator[Office]:
    """Another process on the same database is another of these."""
    rt.clock, rt.monotonic = (lambda: opened.at), (lambda: opened.at.timestamp())
    transport = httpx.ASGITransport(Starlette(routes=app.api(rt).routes()), client=("10.0.0.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        opened = Office(rt, http, made)
        yield opened


class _Port(uvicorn.Server):
    """uvicorn beside a test: signals are pytest's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_office(office: Office) -> AsyncIterator[str]:
    """The same API on a port of this machine: its address, for what cannot be given an ASGI application."""
    served = Starlette(routes=[*app.api(office.rt).routes(), *openapi.routes(app.ENDPOINTS), *docs.routes()])
    with app.listen("127.0.0.1", 0) as sock:
        port = _Port(uvicorn.Config(served, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1))
        serving = asyncio.ensure_future(port.serve([sock]))
        while not port.started:
            await asyncio.sleep(0)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            port.should_exit = True
            await serving
