"""Figures: what has no end yet, what became of messages by their wamids, and what WhatsApp counted for its bill."""

import datetime as dt
from uuid import UUID

from msgspec import Struct

from atendeja.db import Tx, query
from atendeja.ids import uuid7


class Unfinished(Struct, frozen=True):
    state: str
    messages: int


class WamidState(Struct, frozen=True):
    wamid: str
    state: str


UNFINISHED = query("reporting.unfinished", Unfinished)
STATES = query("reporting.states", WamidState)


async def load_unfinished(tx: Tx) -> dict[str, int]:
    """state → messages of the transaction's tenant that have no end yet."""
    return {row.state: row.messages for row in await tx.all(UNFINISHED)}


async def load_states(tx: Tx, wamids: list[str]) -> dict[str, str]:
    """wamid → state, for those of the transaction's tenant."""
    return {row.wamid: row.state for row in await tx.all(STATES, wamids=wamids)}


class Spent(Struct, frozen=True):
    """How many messages of a day WhatsApp has priced, and how many of them are on its bill; `campaign_id` of campaigns only."""

    day: dt.date
    category: str | None
    type: str | None
    source: str
    campaign_id: UUID | None
    messages: int
    billable: int


LATEST_STATUS = dt.timedelta(days=31)
SPEND = query("reporting.spend", Spent)


async def load_spend(tx: Tx, timezone: str, since: dt.datetime, until: dt.datetime) -> list[Spent]:
    """What WhatsApp counted from `since` to before `until`, by the tenant's days. It names no price; that is in Meta's list."""
    first, last = (uuid7(max(0, int(at.timestamp() * 1000)), 0) for at in (since - LATEST_STATUS, until))
    return await tx.all(SPEND, timezone=timezone, since=since, until=until, first_id=first, last_id=last)
