"""The shop of `tests.outbound`, with its API and people who use it."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx

from atendeja.runtime import Runtime
from atendeja.simulator import Simulator
from tests import office, world
from tests.outbound.office import ANA, Office

Json = dict[str, Any]  # what the API gives


class Desk(Office):
    """`get` and `post` ask as an agent of A; other people and keys are had by `bearer`."""

    def __init__(self, rt: Runtime, made: world.World, admin: asyncpg.Connection, simulator: Simulator, api: office.Office) -> None:
        super().__init__(rt, made, admin, simulator)
        self.api = api
        self._bearers: dict[str, str] = {}

    async def bearer(self, who: str = "agent") -> str:
        """Of a role in A, of a `key` with every scope of the inbox, or of B's owner (`other`)."""
        if who not in self._bearers:
            self._bearers[who] = await self._make(who)
        return self._bearers[who]

    async def _make(self, who: str) -> str:
        if who == "key":
            scopes = ["conversations:read", "conversations:write", "messages:read", "messages:send"]
            made = await self.api.post("/keys", {"name": "erp", "scopes": scopes}, await self.bearer("owner"))
            return str(made.json()["secret"])
        tenant_id, role = (self.b, "owner") if who == "other" else (self.a, who)
        return await self.api.sign_in(f"{who}@x.example", role, tenant_id)  # type: ignore[arg-type]  # a role

    async def get(self, path: str, who: str = "agent") -> httpx.Response:
        return await self.api.get(path, await self.bearer(who))

    async def see(self, path: str, who: str = "agent") -> Json:
        """What is there."""
        answer = await self.get(path, who)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def post(self, path: str, body: object = None, who: str = "agent", key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {await self.bearer(who)}"} | ({} if key is None else {"Idempotency-Key": key})
        return await self.api.http.post(f"/v1{path}", json=body, headers=headers)

    async def do(self, path: str, body: object = None, who: str = "agent", key: str | None = None) -> Json:
        """Have it done."""
        answer = await self.post(path, body, who, key)
        assert answer.status_code in (200, 201), answer.text
        done: Json = answer.json()
        return done

    async def audit(self) -> list[tuple[str, str]]:
        """(what, of what), the newest last."""
        return [(row["action"], row["subject"]) for row in await self.rows("SELECT action, subject FROM audit ORDER BY id")]

    async def talk_id(self, sender: str = ANA) -> UUID:
        found = (await self.talk(sender))["id"]
        assert isinstance(found, UUID)
        return found

    async def see_one(self, talk: UUID) -> Json:
        """A conversation as an act on it gives it."""
        found: Json = (await self.see(f"/conversations/{talk}"))["conversation"]
        return found

    async def walk(self, path: str, who: str = "agent", limit: int = 3) -> list[Json]:
        """Every item of a list, page by page."""
        found: list[Json] = []
        cursor = ""
        while True:
            page = await self.see(f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}", who)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            assert len(page["items"]) == limit
            cursor = f"&cursor={page['next_cursor']}"
