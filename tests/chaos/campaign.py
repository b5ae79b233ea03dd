"""Marketing in the run: messages that may go once, put through the one door while processes die, to whoever has written."""

import asyncio
import contextlib
import random
from uuid import UUID

import asyncpg

from atendeja import db, outbound
from atendeja.db import Database, Tx
from atendeja.errors import Unavailable
from atendeja.outbound import Outgoing
from atendeja.runtime import fresh_id, utc_now
from atendeja.wa.content import (
    Button,
    Buttons,
    CallToAction,
    Card,
    CardName,
    Contacts,
    Content,
    CouponCode,
    File,
    Form,
    Location,
    Media,
    Slide,
    Template,
    Text,
    Value,
)

EVERY_S, AT_ONCE = 0.5, 3
CONTENTS: tuple[Content, ...] = (
    Text("Hoje tem bolo."),
    Media("image", link="https://padaria.example/bolo.jpg", caption="Bolo de hoje"),
    Media("audio", id="300000000000001", voice=True),
    Media("document", id="300000000000002", filename="tabela.pdf"),
    Buttons("Quer um?", [Button("sim", "Quero")], header=File("image", id="300000000000003")),
    CallToAction("Peça pelo site", "Pedir", "https://padaria.example"),
    Form("Encomende", "Abrir", "encomenda", form_id="700000000000001", screen="INICIO"),
    Location(-23.5, -46.6, "Padaria"),
    Contacts([Card(CardName("Padaria", first_name="Padaria"))]),
    Template("bolo", "pt_BR", header=File("video", id="300000000000004"), body=[Value("Ana")], buttons=[CouponCode(0, "BOLO10")]),
    Template("vitrine", "pt_BR", slides=[Slide(File("image", id="300000000000005"))] * 2),
)
"""A message of each kind that a campaign might carry."""
SOMEBODY = "SELECT tenant_id, number_id, contact_id, id FROM conversation ORDER BY id OFFSET $1 LIMIT 1"


class Campaign:
    """`run` until cancelled. What could not be put is not; what may have been is put again, under the same key."""

    def __init__(self, dsn: str, login_dsn: str, seed: int) -> None:
        self._dsn, self._login_dsn, self._dice = dsn, login_dsn, random.Random(f"campaign {seed}")
        self.put, self.over = 0, False

    async def run(self) -> None:
        database = await db.connect(self._login_dsn, size=2)
        try:
            while not self.over:
                await asyncio.sleep(EVERY_S)
                with contextlib.suppress(Unavailable, *db.TRANSIENT):
                    await self._put_some(database)
        finally:
            await database.close()

    async def _put_some(self, database: Database) -> None:
        admin = await asyncpg.connect(self._dsn)
        try:
            known = int(await admin.fetchval("SELECT count(*) FROM conversation"))
            rows = [await admin.fetchrow(SOMEBODY, self._dice.randrange(known)) for _ in range(AT_ONCE if known else 0)]
        finally:
            await admin.close()
        for row in filter(None, rows):
            await self._put(database, row, UUID(int=self._dice.getrandbits(128)))

    async def _put(self, database: Database, row: asyncpg.Record, recipient: UUID) -> None:
        content = CONTENTS[self.put % len(CONTENTS)]
        message = Outgoing(row["number_id"], row["contact_id"], row["id"], "campaign", recipient, 0, 0, content, None, "marketing")

        async def work(tx: Tx) -> None:
            await outbound.put(tx, [message], utc_now(), fresh_id)

        await database.transact(row["tenant_id"], work)
        self.put += 1
