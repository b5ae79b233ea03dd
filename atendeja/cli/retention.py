"""`retention`: what businesses keep no longer, said beforehand or taken away now."""

import asyncio
import datetime as dt
from contextlib import aclosing

from cyclopts import App

from atendeja import privacy, tenants
from atendeja.blobs import Blobs
from atendeja.cli.admin import find_tenant
from atendeja.cli.open import load_config, open_database
from atendeja.cli.serving import Flag
from atendeja.config import Config
from atendeja.db import Database
from atendeja.runtime import utc_now

TOLD_EVERY = 5000


def add_to(app: App) -> None:
    app.command(retention)


def retention(*, tenant: str | None = None, dry_run: Flag = False) -> int:
    """Empty what is older than its business keeps it, which is done once a day anyway. May be stopped and repeated.

    Parameters
    ----------
    tenant: whose; everybody's when not given
    dry_run: only say how many rows would lose their contents
    """
    return asyncio.run(_retention(load_config(), tenant, dry_run=dry_run))


async def _retention(settings: Config, slug: str | None, *, dry_run: bool) -> int:
    async with open_database(settings) as db:
        if slug is not None:
            whose = [await find_tenant(db, slug)]
        else:
            async with db.session() as session:
                whose = await session.all(tenants.EVERYONE)
        for owner in whose:
            await _sweep(db, Blobs(settings.media_path), owner, dry_run=dry_run)
    return 0


async def _sweep(db: Database, blobs: Blobs, owner: tenants.Tenant, *, dry_run: bool) -> None:
    found: dict[str, tuple[dt.datetime, int]] = {}
    async with aclosing(privacy.sweep(db, blobs, owner.id, utc_now, {}, writes=not dry_run)) as parts:
        async for part in parts:
            before = found.get(part.table, (part.until, 0))[1]
            rows = before + part.emptied
            found[part.table] = (part.until, rows)
            if rows // TOLD_EVERY > before // TOLD_EVERY:
                print(f"{owner.slug}  {part.table}  {rows} …", flush=True)
    for table, (until, rows) in found.items():
        print(f"{owner.slug}  {table}  before {until:%Y-%m-%d %H:%M}Z  {rows} {'to be emptied' if dry_run else 'emptied'}")
    if not found:
        print(f"{owner.slug}  everything is kept for ever")
