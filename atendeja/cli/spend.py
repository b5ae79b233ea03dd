"""`spend`: what WhatsApp has counted for its bill."""

import asyncio
import datetime as dt
from zoneinfo import ZoneInfo

from cyclopts import App

from atendeja import reporting
from atendeja.cli.admin import find_tenant
from atendeja.cli.open import load_config, open_database
from atendeja.config import Config
from atendeja.errors import Refused
from atendeja.reporting import Spent
from atendeja.runtime import utc_now

DAYS = 30


def add_to(app: App) -> None:
    app.command(spend)


def spend(*, tenant: str, since: dt.date | None = None, until: dt.date | None = None) -> int:
    """Show what WhatsApp counted for its bill, by day, category and campaign. It tells no prices: Meta's list has them.

    Parameters
    ----------
    tenant: whose
    since: first day, like 2026-11-01, in the tenant's time zone; 30 days ago when not given
    until: last day; today when not given
    """
    return asyncio.run(_spend(load_config(), tenant, since, until))


async def _spend(settings: Config, slug: str, since: dt.date | None, until: dt.date | None) -> int:
    async with open_database(settings) as db:
        owner = await find_tenant(db, slug)
        zone = ZoneInfo(owner.timezone)
        last = until or utc_now().astimezone(zone).date()
        first = since or last - dt.timedelta(days=DAYS)
        if first > last:
            raise Refused("span", f"{first} is after {last}")
        begin, end = (dt.datetime.combine(day, dt.time(), zone) for day in (first, last + dt.timedelta(days=1)))
        async with db.tenant(owner.id) as tx:
            spent = await reporting.load_spend(tx, owner.timezone, begin, end)
    for line in spent:
        print(_line(line))
    if spent:
        print(f"{first} to {last}: {sum(s.messages for s in spent)} messages priced, {sum(s.billable for s in spent)} on the bill")
    else:
        print(f"WhatsApp has priced no message from {first} to {last}")
    return 0


def _line(s: Spent) -> str:
    what = f"campaign {s.campaign_id}" if s.campaign_id is not None else s.source
    return f"{s.day}  {s.category or '?':<16} {s.type or '?':<21} {what}  {s.messages} messages, {s.billable} on the bill"
