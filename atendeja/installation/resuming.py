"""Going on to send after a hold: what the command and the API do before either ends it.

What may have gone out already is given up, and then whoever was forgotten since the backup was made is forgotten again: what is
sent from now on must not reach him. Each step is harmless when it is done again, so whatever breaks one is met by beginning anew.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from uuid import UUID

from msgspec import Struct

from atendeja import guard, privacy, tenants
from atendeja.config import Config
from atendeja.db import Database
from atendeja.guard import Hold
from atendeja.outbound import restored
from atendeja.outbound.restored import Settled
from atendeja.tenants import Tenant


class Ready(Struct, frozen=True):
    """A business that may send again."""

    settled: Settled
    erased_again: int
    """People."""


async def load(db: Database) -> tuple[Hold | None, list[Tenant]]:
    """The hold, while sending is held, and all whom it holds."""
    async with db.session() as session:
        return await guard.load_hold(session), await session.all(tenants.EVERYONE)


async def settle(
    db: Database, config: Config, hold: Hold, everyone: Sequence[Tenant], now: dt.datetime, new_id: Callable[[], UUID],
    *, send_queued: bool,
) -> list[Ready]:  # fmt: skip
    """Make everything ready for the hold's end; `send_queued`: with service messages of before."""
    policies = restored.ONCE if send_queued else restored.ALL
    settled = [await restored.settle(db, tenant, hold, policies) for tenant in everyone]
    stones = await privacy.read(config)
    return [Ready(s, await privacy.forget_again(db, s.tenant, config.secret_keys, stones, now, new_id)) for s in settled]
