"""Who they are: accounts, and what a sign-in is worth at this moment."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from atendeja.db import Nothing, Session, Tx, query
from atendeja.endpoint import Caller, Role
from atendeja.errors import Refused
from atendeja.tenants import INSTALLATION

EMAIL_PATTERN = r"^[!-?A-~]{1,64}@[!-?A-~]{1,190}$"
Email = Annotated[str, Meta(pattern=EMAIL_PATTERN, description="Case does not matter.", examples=["ana@oficina.example"])]


class Account(Struct, frozen=True):
    id: UUID
    email: str
    name: str | None
    password_hash: str | None
    is_operator: bool
    disabled_at: dt.datetime | None


class Standing(Struct, frozen=True):
    account_id: UUID
    of_tenant: int
    role: Role | None
    """In the tenant; none when he is no member, or not any more."""
    is_operator: bool
    proved_at: dt.datetime


class Door(Struct, frozen=True):
    tenant_id: int


class Name(Struct, frozen=True):
    name: str


BY_EMAIL = query("accounts.by_email", Account)
BY_ID = query("accounts.by_id", Account)
ENSURE = query("accounts.ensure", Nothing)
OPEN_DOORS = query("accounts.open_doors", Door)
SET_OPERATOR = query("accounts.set_operator", Nothing)
STANDING = query("accounts.standing", Standing)
NAME_OF = query("accounts.name_of", Name)


def normal(email: str) -> str:
    """The form in which an address is kept and compared."""
    return email.strip().lower()


async def find(session: Session, email: str) -> Account | None:
    return await session.one(BY_EMAIL, email=normal(email))


async def ensure(tx: Tx, email: str, new_id: UUID, now: dt.datetime) -> Account:
    """The account of this address, made with `new_id` where there was none."""
    await tx.run(ENSURE, id=new_id, email=normal(email), now=now)
    account = await find(tx, email)
    assert account is not None
    return account


async def load(session: Session, account_id: UUID) -> Account:
    account = await session.one(BY_ID, id=account_id)
    assert account is not None
    return account


async def name_of(tx: Tx, caller: Caller) -> str:
    """What a person or a key is called, for those of the same business."""
    found = await tx.one(NAME_OF, account_id=caller.account_id, key_id=caller.key_id)
    assert found is not None
    return found.name


async def load_standing(tx: Tx, sign_in_id: UUID, now: dt.datetime) -> Standing | None:
    return await tx.one(STANDING, id=sign_in_id, now=now)


def role(standing: Standing | None, account_id: UUID, tenant_id: int) -> Role | None:
    """What this person is here by this sign-in; None for nobody."""
    if standing is None or (standing.account_id, standing.of_tenant) != (account_id, tenant_id):
        return None
    if tenant_id == INSTALLATION:
        return "operator" if standing.is_operator else None
    return standing.role


def choose(account: Account, doors: list[int], wanted: int | None) -> int | None:
    """Where somebody signs in: where he wants to, or where he only can; None when he may not there. Raises Refused."""
    if wanted is not None:
        return wanted if wanted in doors else None
    if len(doors) > 1:
        raise Refused("tenant_wanted", "you belong to several businesses: say which with `tenant`")
    return doors[0] if doors else INSTALLATION if account.is_operator else None
