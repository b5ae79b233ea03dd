"""What the machine's own administrator does, and nobody over the network: the first people, lost passwords, and who is put out."""

import datetime as dt
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from msgspec import Struct

from atendeja import audit
from atendeja.accounts import people, tokens
from atendeja.accounts.entry import END_ALL
from atendeja.accounts.factors import DROP as DROP_TOTP
from atendeja.accounts.people import Account
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import Role
from atendeja.errors import Refused
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

Switch = Callable[[Tx, str, UUID, dt.datetime], Awaitable[UUID]]
"""What is done to an account by its address: `disable`, `enable`, `demote`, `reset_totp`."""
HOLDS = dt.timedelta(days=1)
"""How long a one-time token of a command holds."""


class Anybody(Struct, frozen=True):
    there_is: bool


APPOINT = query("accounts.appoint", Nothing)
PUT_PASS = query("accounts.put_one_time_token", Nothing)
DROP_PASSES = query("accounts.drop_one_time_tokens", Nothing)
DROP_GRANTS = query("accounts.drop_operator_tokens", Nothing)
DISABLE = query("accounts.disable", Nothing)
ENABLE = query("accounts.enable", Nothing)
ANYBODY = query("accounts.anybody", Anybody)


class Grant(Struct, frozen=True):
    """What a token of the machine itself makes of whoever uses it."""

    operator: bool
    role: Role | None


class Opening(Struct, frozen=True):
    """Whom to let in. `role` in the transaction's tenant, `operator` of the installation; neither: only a new password."""

    email: str
    role: Role | None
    is_operator: bool


async def appoint(tx: Tx, opening: Opening, token: str, ids: tuple[UUID, UUID], now: dt.datetime) -> UUID:
    """Let somebody in by this one-time token, whatever he has forgotten; gives the account's id.

    The transaction is of a tenant if there is a role, else of the installation.

    What it grants is granted to whoever uses it, with a new password and all former sign-ins ended: a stranger may have the
    account, invited by another business under an address that is not his.
    Raises Refused when there is nobody who could have a new password. `ids`: of a new account, and of the line in the audit log.
    """
    if opening.role is None and not opening.is_operator and await people.find(tx, opening.email) is None:
        raise _unknown(opening.email)
    account = await people.ensure(tx, opening.email, ids[0], now)
    tenant_id = None if opening.role is None else tx.tenant_id
    if opening.role is not None:
        await tx.run(APPOINT, account_id=account.id, role=opening.role, now=now)
    grant = Grant(opening.is_operator, opening.role)
    await put_pass(tx, account, token, tenant_id, now, now + HOLDS, grant)
    after = {"email": account.email, "role": opening.role} | ({"operator": True} if opening.is_operator else {})
    await audit.add(tx, ids[1], now, audit.COMMAND, "user_appointed", account.id, after=after)
    return account.id


async def put_pass(
    tx: Tx, account: Account, token: str, tenant_id: int | None, now: dt.datetime, until: dt.datetime, grant: Grant | None
) -> None:
    """Have this one-time token hold, and those before it for the same purpose no more. With a grant it resets the password too."""
    await tx.run(DROP_PASSES, account_id=account.id, of_tenant=tenant_id, now=now)
    given = grant or Grant(False, None)
    await tx.run(
        PUT_PASS, sha256=tokens.digest(token), account_id=account.id, of_tenant=tenant_id, resets=grant is not None,
        grants_operator=given.operator, grants_role=given.role, expires_at=until,
    )  # fmt: skip


async def disable(tx: Tx, email: str, line_id: UUID, now: dt.datetime) -> UUID:
    """Let somebody in nowhere any more, and end his sign-ins; gives the account's id. Raises Refused when there is none.

    This and what follows is the installation's: so is the transaction, and the line in the audit log, whose id is given.
    """
    account = await _find(tx, email)
    await tx.run(DISABLE, id=account.id, now=now)
    await tx.run(END_ALL, account_id=account.id, now=now)
    await _tell(tx, "account_disabled", account, line_id, now)
    return account.id


async def enable(tx: Tx, email: str, line_id: UUID, now: dt.datetime) -> UUID:
    """Let somebody in again who was disabled; gives the account's id. Raises Refused when there is none."""
    account = await _find(tx, email)
    await tx.run(ENABLE, id=account.id)
    await _tell(tx, "account_enabled", account, line_id, now)
    return account.id


async def demote(tx: Tx, email: str, line_id: UUID, now: dt.datetime) -> UUID:
    """Have somebody be an operator no more, nor by a token that he has not used; gives the account's id. Raises Refused.

    What he is in businesses he stays.
    """
    account = await _find(tx, email)
    await tx.run(people.SET_OPERATOR, id=account.id, is_operator=False)
    await tx.run(DROP_GRANTS, account_id=account.id)
    await _tell(tx, "operator_demoted", account, line_id, now)
    return account.id


async def _tell(tx: Tx, action: str, account: Account, line_id: UUID, now: dt.datetime) -> None:
    before = {"email": account.email, "operator": account.is_operator, "disabled": account.disabled_at is not None}
    await audit.add(tx, line_id, now, audit.COMMAND, action, account.id, before=before)


async def reset_totp(tx: Tx, email: str, line_id: UUID, now: dt.datetime) -> UUID:
    """Put away the second factor of who has lost it, and end his sign-ins; gives the account's id. Raises Refused."""
    account = await _find(tx, email)
    if not await tx.run(DROP_TOTP, account_id=account.id):
        raise Refused("totp_none", f"{email} has no second factor")
    await tx.run(END_ALL, account_id=account.id, now=now)
    await _tell(tx, "totp_reset", account, line_id, now)
    return account.id


async def _find(tx: Tx, email: str) -> Account:
    account = await people.find(tx, email)
    if account is None:
        raise _unknown(email)
    return account


def _unknown(email: str) -> Refused:
    return Refused("account_unknown", f"there is no account {email}", hint="--tenant S --role R, or --operator, makes one")


async def warn(rt: Runtime) -> None:
    """Say at the start why nobody can sign in, if nobody can."""
    if not rt.config.jwt_secret:
        log.warning("api_closed", hint="without JWT_SECRET nobody can sign in; `atendeja init` writes one")
        return
    async with rt.db.session() as session:
        found = await session.one(ANYBODY)
    if found is not None and not found.there_is:
        log.warning("no_account_yet", hint="atendeja admin create --email YOU --tenant S --role owner, or --operator")
