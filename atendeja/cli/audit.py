"""Commands about the audit log."""

import asyncio

from cyclopts import App

from atendeja import audit, tenants
from atendeja.audit import Head
from atendeja.cli.admin import find_tenant
from atendeja.cli.open import load_config, open_database
from atendeja.config import Config
from atendeja.errors import Refused
from atendeja.tenants import INSTALLATION

audit_app = App(name="audit", help="The log of what was changed, by whom.")


def add_to(app: App) -> None:
    app.command(audit_app)


@audit_app.command(name="verify")
def verify_audit(*, tenant: str | None = None, expect: list[str] | None = None) -> int:
    """Say whether the lines are those that were written, none left out, put in or changed; 1 and the first that is not, else.

    Parameters
    ----------
    tenant: whose log; when not given all, and that of the installation itself
    expect: NUMBER:HASH of a line, as an earlier run has shown it and as somebody has kept it elsewhere; again for another
    """
    if expect and tenant is None:
        raise Refused("audit_tenant", "--expect is about one log: say whose with --tenant, `installation` for its own")
    return asyncio.run(_verify(load_config(), tenant, [audit.parse_head(text) for text in expect or []]))


async def _verify(settings: Config, slug: str | None, expected: list[Head]) -> int:
    is_sound = True
    async with open_database(settings) as db:
        if slug is None:
            async with db.session() as session:
                logs = [(tenant.id, tenant.slug) for tenant in await session.all(tenants.EVERYONE)]
        else:
            logs = [] if slug == "installation" else [((await find_tenant(db, slug)).id, slug)]
        if slug in (None, "installation"):
            logs.append((INSTALLATION, "installation"))
        for tenant_id, name in logs:
            verdict = await audit.verify(db, tenant_id, expected)
            older = f", {verdict.unchained} older ones are in no chain" if verdict.unchained else ""
            print(f"{name}: {verdict.head.number} line(s) fit{older}; the last is {verdict.head}")
            if verdict.fault is not None:
                print(f"{name}: {verdict.fault}")
                is_sound = False
    return 0 if is_sound else 1
