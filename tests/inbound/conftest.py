"""The way in without HTTP: deliveries put into the table, digested by hand, and looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from atendeja.inbound.digest import Digester
from atendeja.inbound.intake import STORE, utc_day
from atendeja.numbers import NewNumber
from atendeja.runtime import Runtime
from tests import world
from tests.world import A, World

Row = Any  # asyncpg has no types: a record, by index and by name


@dataclass
class Inbox:
    """Tenants A and B on this test's database."""

    rt: Runtime
    world: World
    digester: Digester

    async def store(self, *bodies: bytes) -> None:
        """What the webhook does with signed bodies, in this order."""
        now = self.rt.now()
        async with self.rt.db.session() as session:
            await session.run(STORE, day=utc_day(now), received_at=now, lanes=[0] * len(bodies), bodies=list(bodies))

    async def digest(self) -> None:
        """Until nothing waits."""
        while await self.digester.work() or self.digester.pending:
            pass

    async def receive(self, *bodies: bytes) -> None:
        await self.store(*bodies)
        await self.digest()

    async def rows(self, statement: str, *arguments: object, tenant: int | None = None) -> list[Row]:
        """Rows as the application sees them, of tenant A when none is named."""
        async with self.rt.db.tenant(tenant or self.world.a) as tx:
            found: list[Row] = await tx._connection.fetch(statement, *arguments)
            return found

    async def row(self, statement: str, *arguments: object, tenant: int | None = None) -> Row:
        """The one row there is."""
        found = await self.rows(statement, *arguments, tenant=tenant)
        assert len(found) == 1, found
        return found[0]

    async def value(self, statement: str, *arguments: object, tenant: int | None = None) -> Any:  # Any: one column of any type
        return (await self.row(statement, *arguments, tenant=tenant))[0]

    async def deliveries(self) -> list[Row]:
        async with self.rt.db.session() as session:
            found: list[Row] = await session._connection.fetch("SELECT * FROM delivery ORDER BY seq")
            return found


@pytest.fixture
async def inbox(rt: Runtime) -> Inbox:
    return Inbox(rt, await world.found(rt.db, rt.config.secret_keys), Digester(rt))


def says(
    wamid: str,
    body: str = "oi",
    *,
    phone: str | None = None,
    user_id: str | None = None,
    name: str | None = None,
    number: NewNumber = A,
    at: int = 1_795_176_000,
) -> bytes:
    """A text of somebody who is known by a phone, a BSUID or both."""
    message: dict[str, object] = {"id": wamid, "timestamp": str(at), "type": "text", "text": {"body": body}}
    return said(message, phone=phone, user_id=user_id, name=name, number=number)


def said(
    content: Mapping[str, object],
    *,
    phone: str | None = None,
    user_id: str | None = None,
    name: str | None = None,
    number: NewNumber = A,
) -> bytes:
    """A message of any kind, with the sender's ids where Meta puts them."""
    message = dict(content)
    card: dict[str, object] = {"profile": {"name": name}} if name else {}
    if phone:
        card["wa_id"] = message["from"] = phone
    if user_id:
        card["user_id"] = message["from_user_id"] = user_id
    return world.envelope(number, {"contacts": [card], "messages": [message]})


def status(wamid: str, what: str, at: int = 1_795_176_001, *, number: NewNumber = A, **more: object) -> bytes:
    """A status of a message of ours."""
    element = {"id": wamid, "status": what, "timestamp": str(at), "recipient_id": "5511900000001", **more}
    return world.envelope(number, {"statuses": [element]})


def together(bodies: Sequence[bytes]) -> bytes:
    """Several deliveries as one body with several changes."""
    entries = [entry for body in bodies for entry in msgspec.json.decode(body)["entry"]]
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": entries})
