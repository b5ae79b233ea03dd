"""Commands about tenants, numbers and conversations."""

import asyncio
import re
import secrets
import sys
from typing import Annotated, Literal
from uuid import UUID

import structlog
from cyclopts import App, Parameter

from atendeja import accounts, audit, broadcast, contacts, feed, guard, numbers, reporting, tenants
from atendeja.accounts import EMAIL_PATTERN, Opening, tokens
from atendeja.accounts.opening import Switch
from atendeja.cli.open import load_config, open_database
from atendeja.cloud import Cloud
from atendeja.config import Config
from atendeja.db import Database, Tx
from atendeja.errors import Refused
from atendeja.feed.shapes import Changed
from atendeja.numbers import NewNumber
from atendeja.runtime import fresh_id, number_word, utc_now
from atendeja.tenants import INSTALLATION, Tenant

log = structlog.get_logger(__name__)

tenant_app = App(name="tenant", help="The businesses on this installation.")
number_app = App(name="number", help="WhatsApp numbers.")
conversation_app = App(name="conversation", help="Conversations.")
admin_app = App(name="admin", help="Who may use the API: the first people, and those who cannot get in.")


def add_to(app: App) -> None:
    app.command(tenant_app)
    app.command(number_app)
    app.command(conversation_app)
    app.command(admin_app)
    app.command(explain)


async def find_tenant(db: Database, slug: str) -> Tenant:
    async with db.session() as session:
        return await tenants.find(session, slug)


@tenant_app.command(name="add")
def add_tenant(*, slug: str, name: str, timezone: str = "America/Sao_Paulo", language: str = "pt-BR") -> int:
    """Add a business.

    Parameters
    ----------
    slug: its short name in commands: a–z, 0–9 and -
    name: its name as customers know it
    timezone: where it is, like America/Sao_Paulo
    language: pt-BR, en or es
    """
    return asyncio.run(_add_tenant(load_config(), slug, name, timezone, language))


async def _add_tenant(settings: Config, slug: str, name: str, timezone: str, language: str) -> int:
    async def work(tx: Tx) -> int:
        return await tenants.add(
            tx, settings.secret_keys, slug=slug, name=name, timezone=timezone, language=language, now=utc_now()
        )

    async with open_database(settings) as db:
        tenant_id = await db.transact(None, work)
    print(f"tenant {slug} is {tenant_id}; next: atendeja number add --tenant {slug} …")
    return 0


@tenant_app.command(name="list")
def list_tenants() -> int:
    """Show all businesses."""
    return asyncio.run(_list_tenants(load_config()))


async def _list_tenants(settings: Config) -> int:
    async with open_database(settings) as db, db.session() as session:
        everyone = await session.all(tenants.EVERYONE)
    for t in everyone:
        print(f"{t.id}  {t.slug}  {t.name}  {t.timezone}  {t.language}")
    if not everyone:
        print("no tenant yet: atendeja tenant add --slug S --name N")
    return 0


@number_app.command(name="add")
def add_number(
    *,
    tenant: str,
    phone_number_id: str,
    waba_id: str,
    portfolio_id: str,
    display_number: str,
    token: str | None = None,
    token_stdin: Annotated[bool, Parameter(negative=())] = False,
    rate: int | None = None,
    coexistence: Annotated[bool, Parameter(negative=())] = False,
    verify: bool = True,
) -> int:
    """Add a number, or change the token, rate and display of one.

    Parameters
    ----------
    tenant: whose it is
    phone_number_id: Meta's id of the number (API setup page)
    waba_id: Meta's id of the WhatsApp Business Account
    portfolio_id: Meta's id of the business portfolio
    display_number: the telephone number, like +5511999990000
    token: a system user's access token; better through --token-stdin, which leaves no trace in the shell's history
    token_stdin: read the token from standard input
    rate: messages a second; when not given, what Meta allows: 80 at first, raised when it says so
    coexistence: people go on using it in WhatsApp's own app: 20 messages a second, never more
    verify: ask Meta whether the number and the token fit; --no-verify does not
    """
    if token_stdin == (token is not None):
        raise Refused("token", "give the token with --token T or with --token-stdin, one of the two")
    rate = numbers.choose_rate(rate, coexistence=coexistence)
    secret = sys.stdin.readline().strip() if token is None else token
    new = NewNumber(phone_number_id, waba_id, portfolio_id, display_number, secret, rate)
    return asyncio.run(_add_number(load_config(), tenant, new, verify=verify))


async def _add_number(settings: Config, slug: str, new: NewNumber, *, verify: bool) -> int:
    if wrong := numbers.problems(new):
        raise Refused("number_invalid", "; ".join(wrong))
    async with open_database(settings) as db:
        tenant = await find_tenant(db, slug)
        if verify:
            await _verify(settings, new)
        ids, keys = (fresh_id(), fresh_id()), settings.secret_keys
        number_id = await db.transact(tenant.id, lambda tx: numbers.admit(tx, tenant, keys, new, ids, utc_now(), audit.COMMAND))
        async with db.session() as session:
            await broadcast.tell(session, [number_word(number_id)])
    print(f"number {new.display_number} is {number_id}; next: atendeja flow publish FILE --tenant {slug}")
    return 0


async def _verify(settings: Config, new: NewNumber) -> None:
    cloud = Cloud(settings.wa_api_base, settings.wa_api_version)
    try:
        found = await numbers.verify(
            cloud, new.token.strip(), new.phone_number_id, new.waba_id, new.portfolio_id, new.display_number
        )
    finally:
        await cloud.close()
    numbers.require(found, numbers.CLAIMED)
    for check in found.checks:
        print(check.line if check.ok else f"{check.line}: {check.hint}")


@number_app.command(name="list")
def list_numbers(*, tenant: str) -> int:
    """Show the numbers of a business."""
    return asyncio.run(_list_numbers(load_config(), tenant))


async def _list_numbers(settings: Config, slug: str) -> int:
    async with open_database(settings) as db:
        tenant = await find_tenant(db, slug)
        async with db.tenant(tenant.id) as tx:
            found = await tx.all(numbers.EVERYONE)
        async with db.session() as session:
            hold = await guard.load_hold(session)
    if hold is not None:
        print(hold)
    for n in found:
        stopped = f"  stopped by code {n.stopped_code}" if n.stopped_code is not None else ""
        stopped += f"  marketing stopped by code {n.marketing_code}" if n.marketing_code is not None else ""
        stopped += f"  paused: {n.paused_for}" if n.paused_for is not None else ""
        ids = f"phone_number_id {n.phone_number_id}  WABA {n.waba_id}  portfolio {n.portfolio_id}"
        print(f"{n.id}  {n.display_number}  {ids}  {n.rate}/s{stopped}")
    if not found:
        print(f"no number yet: atendeja number add --tenant {slug} …")
    return 0


@conversation_app.command(name="release")
def release(conversation_id: UUID) -> int:
    """Give a conversation that a person has back to the bot."""
    return asyncio.run(_release(load_config(), conversation_id))


async def _release(settings: Config, conversation_id: UUID) -> int:
    async with open_database(settings) as db:
        async with db.session() as session:
            everyone = await session.all(tenants.EVERYONE)

        async def work(tx: Tx) -> bool:
            if (released := await contacts.release(tx, conversation_id, utc_now())) is None:
                return False
            change = Changed(released.id, released.contact_id, released.number_id, "released", "bot", None)
            await feed.add(tx, fresh_id, utc_now(), [change])
            return True

        for tenant in everyone:
            if await db.transact(tenant.id, work):
                print(f"conversation {conversation_id} of {tenant.slug} is the bot's again")
                return 0
    raise Refused("conversation_not_human", f"no conversation {conversation_id} is in a person's hands")


@admin_app.command(name="create")
def create_admin(
    *,
    email: str,
    tenant: str | None = None,
    role: Literal["owner", "admin", "agent", "viewer"] | None = None,
    operator: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Let somebody in by a one-time token; who has an account sets a new password with it.

    Parameters
    ----------
    email: the address to sign in with
    tenant: the business to be let into
    role: what to be there
    operator: be an operator of the installation
    """
    if (tenant is None) != (role is None):
        raise Refused("admin_role", "give --tenant and --role together")
    return asyncio.run(_create_admin(load_config(), tenant, Opening(email, role, operator)))


async def _create_admin(settings: Config, slug: str | None, opening: Opening) -> int:
    if not re.fullmatch(EMAIL_PATTERN, opening.email):
        raise Refused("admin_email", f"{opening.email!r} is not an e-mail address")
    token = tokens.opaque("ato", secrets.token_bytes(32))
    ids = fresh_id(), fresh_id()
    async with open_database(settings) as db:
        tenant_id = INSTALLATION if slug is None else (await find_tenant(db, slug)).id
        account_id = await db.transact(tenant_id, lambda tx: accounts.appoint(tx, opening, token, ids, utc_now()))
    log.warning("user_appointed", account_id=account_id, tenant_id=tenant_id, role=opening.role, is_operator=opening.is_operator)
    print(f"one-time token, for a day: {token}")
    print("POST /v1/auth/accept sets name and password with it, and /v1/auth/login lets in:")
    print(f'  {{"token": "{token}", "name": "…", "password": "…"}}')
    return 0


@admin_app.command(name="disable")
def disable_admin(*, email: str) -> int:
    """Let somebody in nowhere any more, and end what he is signed in with.

    Parameters
    ----------
    email: the address of the account
    """
    return asyncio.run(_switch(load_config(), email, accounts.disable, "is out", "user_disabled"))


@admin_app.command(name="enable")
def enable_admin(*, email: str) -> int:
    """Let somebody in again who was disabled.

    Parameters
    ----------
    email: the address of the account
    """
    return asyncio.run(_switch(load_config(), email, accounts.enable, "may sign in again", "user_enabled"))


@admin_app.command(name="demote")
def demote_admin(*, email: str) -> int:
    """Have somebody be an operator of the installation no more; what he is in businesses he stays.

    Parameters
    ----------
    email: the address of the account
    """
    return asyncio.run(_switch(load_config(), email, accounts.demote, "is no operator", "operator_demoted"))


@admin_app.command(name="reset-totp")
def reset_totp(*, email: str) -> int:
    """Put away the second factor of somebody who has lost it, and end what he is signed in with.

    Parameters
    ----------
    email: the address of the account
    """
    return asyncio.run(_switch(load_config(), email, accounts.reset_totp, "signs in without a code", "totp_reset"))


async def _switch(settings: Config, email: str, work: Switch, done: str, event: str) -> int:
    line_id = fresh_id()
    async with open_database(settings) as db:
        account_id = await db.transact(INSTALLATION, lambda tx: work(tx, email, line_id, utc_now()))
    log.warning(event, account_id=account_id)
    print(f"{email} {done}")
    return 0


def explain(wanted: str) -> int:
    """Say what happened to a message or an event, with the rows that prove it.

    Parameters
    ----------
    wanted: the id of a message, an event or an attempt, or a wamid
    """
    return asyncio.run(_explain(load_config(), wanted))


async def _explain(settings: Config, wanted: str) -> int:
    async with open_database(settings) as db:
        lines = await reporting.explain(db, wanted, utc_now())
    if not lines:
        raise Refused(
            "unknown_id", f"nothing is known as {wanted}", hint="give the id of a message, an event or an attempt, or a wamid"
        )
    print("\n".join(lines))
    return 0
