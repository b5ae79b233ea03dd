"""Holds: messages of a source wait while one is placed (a campaign on pause). The sender's claim asks in its own transaction."""

import datetime as dt
from uuid import UUID

from atendeja.db import Nothing, Tx, query

PLACE = query("outbound.place_hold", Nothing)
LIFT = query("outbound.lift_hold", Nothing)


async def place_hold(tx: Tx, source: str, source_id: UUID, reason: str, now: dt.datetime) -> None:
    """Keep the queued messages of this source from being claimed, from the commit on. Placing twice is placing once."""
    await tx.run(PLACE, source=source, source_id=source_id, reason=reason, now=now)


async def lift_hold(tx: Tx, source: str, source_id: UUID) -> None:
    """Let them go on; ring the senders after the commit."""
    await tx.run(LIFT, source=source, source_id=source_id)
