"""What others than the bot send in the run: every kind of content, as marketing, as a service message, and templates of the other
categories, with files of our own among them; put through the one door while processes die, to whoever has written.
"""

import asyncio
import contextlib
import io
import itertools
import random
from typing import Literal
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from atendeja import db, media, outbound
from atendeja.blobs import Blobs
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
    ContactRequest,
    Contacts,
    Content,
    CouponCode,
    File,
    Form,
    Location,
    LocationRequest,
    Media,
    Options,
    Reaction,
    Row,
    Section,
    Slide,
    Template,
    Text,
    Value,
    authentication,
    files,
    with_files,
)
from tests.files import png

EVERY_S, AT_ONCE = 0.5, 3
Category = Literal["service", "utility", "authentication", "marketing"]
CAMPAIGN = UUID(int=1)
FILE = UUID(int=0)
"""Stands for a file of our own, a new one each time."""
BOLO = Template("bolo", "pt_BR", header=File("image", file=FILE), body=[Value("Ana")], buttons=[CouponCode(0, "BOLO10")])
FREE: tuple[Content, ...] = (
    Text("Hoje tem bolo."),
    Media("image", link="https://padaria.example/bolo.jpg", caption="Bolo de hoje"),
    Media("image", file=FILE, caption="Bolo de amanhã"),
    Media("audio", id="300000000000001", voice=True),
    Media("document", id="300000000000002", filename="tabela.pdf"),
    Buttons("Quer um?", [Button("sim", "Quero")], header=File("image", file=FILE)),
    CallToAction("Peça pelo site", "Pedir", "https://padaria.example"),
    Form("Encomende", "Abrir", "encomenda", form_id="700000000000001", screen="INICIO"),
    Location(-23.5, -46.6, "Padaria"),
    Contacts([Card(CardName("Padaria", first_name="Padaria"))]),
    Options("Qual?", "Ver", [Section([Row("1", "Cenoura"), Row("2", "Fubá")], "Bolos")]),
    LocationRequest("Onde entregamos?"),
    ContactRequest("Seu telefone?"),
    Reaction("wamid.YXRlbmRlamEvaW4tMDAwMQ==", "🍰"),
)
"""What needs no template."""
TEMPLATES: tuple[Content, ...] = (BOLO, Template("vitrine", "pt_BR", slides=[Slide(File("image", id="300000000000005"))] * 2))
KINDS: tuple[tuple[Category, Content], ...] = (
    *(("marketing", content) for content in (*FREE, *TEMPLATES)),
    *(("service", content) for content in FREE),
    *(("utility", content) for content in TEMPLATES),
    ("authentication", authentication("codigo", "pt_BR", "123456")),
)
SOMEBODY = "SELECT tenant_id, number_id, contact_id, id FROM conversation ORDER BY id OFFSET $1 LIMIT 1"


class Campaign:
    """`run` until cancelled. What could not be put is not; what may have been is put again, under the same key."""

    def __init__(self, dsn: str, login_dsn: str, seed: int, blobs: Blobs) -> None:
        self._dsn, self._login_dsn, self._dice, self._blobs = dsn, login_dsn, random.Random(f"campaign {seed}"), blobs
        self._kinds = itertools.cycle(self._dice.sample(KINDS, len(KINDS)))
        self.put, self._recipient, self.over = 0, 0, False

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

    async def _put(self, database: Database, row: asyncpg.Record, key: UUID) -> None:
        category, content = next(self._kinds)
        if files(content):
            file = await self._keep(database, row["tenant_id"])
            content = with_files(content, lambda part: part if part.file is None else replace(part, file=file))
        to = row["number_id"], row["contact_id"], row["id"]
        if category == "marketing":
            message = Outgoing(*to, "campaign", CAMPAIGN, self._recipient, 0, content, category=category)
            self._recipient += 1  # also when nobody knows whether it was put
        else:
            message = Outgoing(*to, "api", key, 0, 0, content, category=category)

        async def work(tx: Tx) -> None:
            await outbound.put(tx, [message], utc_now(), fresh_id)

        await database.transact(row["tenant_id"], work)
        self.put += 1

    async def _keep(self, database: Database, tenant_id: int) -> UUID:
        """A file that no number has uploaded yet."""
        data, name = png(self._dice.randrange(256)), f"bolo-{self.put}.png"
        stored = await media.add(
            database, self._blobs, tenant_id, io.BytesIO(data), mime="image/png", filename=name, media_id=fresh_id(), now=utc_now()
        )
        return stored.id
