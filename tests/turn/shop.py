"""A shop on a test's database, worked by hand: webhooks are digested, turns taken, the clock moved, and rows looked at."""

import datetime as dt
import itertools
from typing import Any
from uuid import UUID

import asyncpg

from atendeja import flows
from atendeja.db import Tx
from atendeja.flow import document
from atendeja.inbound import intake
from atendeja.inbound.digest import Digester
from atendeja.numbers import NewNumber
from atendeja.runtime import Runtime, utc_now
from atendeja.turn.take import Turns
from tests import world

HEAD = """
spec: 1
key: {key}
language: pt-BR
start: a
defaults: {{tries: 2, after_tries: pessoa, expires: 20h}}
"""
PERSON = "\n  pessoa: {do: [{handoff: {queue: gente}}]}\n"

ECHO = """
  a:
    do: [{say: {text: "Oi!"}}]
    wait: {reply: [text]}
    route: [{any_word: [oi], to: a}, {any_word: [fim], to: fim}, {any_word: [gente], to: pessoa}]
    else: {to: a}
  fim: {do: [{say: {text: "Tchau!"}}, {end: {}}]}
"""
"""Greets, and again at each `oi`; ends at `fim`, hands over at `gente` or when the same greeting would go out a third time."""

_wamids = itertools.count(1)

Row = dict[str, Any]  # columns of any table


class Shop:
    """Tenants A and B of the samples. `admin` sees every row; `now` is the shop's clock, moved by `later`."""

    def __init__(self, rt: Runtime, made: world.World, admin: asyncpg.Connection) -> None:
        self.rt, self.a, self.b, self.admin = rt, made.a, made.b, admin
        self.number_a, self.number_b = made.number_a, made.number_b
        self.digester, self.turns = Digester(rt), Turns(rt)
        self._ahead = dt.timedelta()
        rt.clock = lambda: utc_now() + self._ahead

    @property
    def now(self) -> dt.datetime:
        return self.rt.now()

    def later(self, **span: float) -> None:
        """Move the clock on."""
        self._ahead += dt.timedelta(**span)

    async def publish(self, nodes: str = ECHO, *, key: str = "prova", number_id: object = None, tenant: int | None = None) -> None:
        """Publish a flow of these nodes, which start at `a`."""
        flow = document.load(f"{HEAD.format(key=key)}nodes:{nodes}{PERSON}", key)
        assert number_id is None or isinstance(number_id, UUID)
        number = number_id

        async def work(tx: Tx) -> None:
            await flows.publish(tx, flow, number_id=number, author="test", now=self.now, new_id=self.rt.new_id)

        await self.rt.db.transact(tenant or self.a, work)

    async def store(self, *bodies: bytes) -> None:
        """Webhooks arrive, and are not digested."""
        now = self.now
        async with self.rt.db.session() as session:
            for body in bodies:
                await session.run(intake.STORE, day=now.date(), received_at=now, lanes=[intake.PEOPLE], bodies=[body])

    async def hear(self, *bodies: bytes) -> None:
        """Webhooks arrive and are digested; no turn is taken."""
        await self.store(*bodies)
        while await self.digester.work() or self.digester.pending:
            pass

    async def says(self, text: str, sender: str = "5511900000001", number: NewNumber = world.A) -> str:
        """A customer writes; the wamid."""
        wamid = f"wamid.{next(_wamids)}"
        await self.hear(world.text(wamid, text, sender=sender, number=number, at=int(self.now.timestamp())))
        return wamid

    async def turn(self) -> None:
        """Take turns until nothing is due."""
        while await self.turns.work():
            pass

    async def asks(self, text: str, sender: str = "5511900000001", number: NewNumber = world.A) -> list[str]:
        """A customer writes and is answered: what the bot queued for it."""
        before = await self.replies(sender)
        await self.says(text, sender, number)
        await self.turn()
        return (await self.replies(sender))[len(before) :]

    async def replies(self, sender: str = "5511900000001") -> list[str]:
        """All that the bot queued for this customer, in order."""
        rows = await self.rows(
            "SELECT content->>'body' AS body FROM message m JOIN contact c ON c.tenant_id = m.tenant_id AND c.id = m.contact_id "
            "WHERE source = 'turn' AND c.wa_id = $1 ORDER BY seq", sender
        )  # fmt: skip
        return [row["body"] for row in rows]

    async def rows(self, sql: str, *given: object) -> list[Row]:
        """What the administrator sees."""
        return [dict(row) for row in await self.admin.fetch(sql, *given)]

    async def row(self, sql: str, *given: object) -> Row:
        """The only row."""
        (row,) = await self.rows(sql, *given)
        return row

    async def contact(self, sender: str = "5511900000001") -> Row:
        return await self.row("SELECT * FROM contact WHERE wa_id = $1", sender)

    async def talk(self, sender: str = "5511900000001") -> Row:
        """The customer's only conversation."""
        return await self.row(
            "SELECT v.* FROM conversation v JOIN contact c ON c.tenant_id = v.tenant_id AND c.id = v.contact_id WHERE c.wa_id = $1",
            sender,
        )

    async def events(self) -> list[tuple[str, str | None]]:
        """(state, reason) in the order of arrival."""
        return [(r["state"], r["reason"]) for r in await self.rows("SELECT state, reason FROM event ORDER BY arrival, position")]

    def notices(self, kind: str) -> int:
        return self.rt.meter.counts["notices", kind]


async def open_shop(rt: Runtime) -> Shop:
    """Tenants A and B founded; `admin` is to be closed."""
    return Shop(rt, await world.found(rt.db, rt.config.secret_keys), await asyncpg.connect(rt.config.admin_url.reveal()))
