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
from atendeja.wa.content import Text

EVERY_S, AT_ONCE = 0.5, 3
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
        message = Outgoing(
            row["number_id"], row["contact_id"], row["id"], "campaign", recipient, 0, 0, Text("Hoje tem bolo."), None, "marketing"
        )

        async def work(tx: Tx) -> None:
            await outbound.put(tx, [message], utc_now(), fresh_id)

        await database.transact(row["tenant_id"], work)
        self.put += 1
