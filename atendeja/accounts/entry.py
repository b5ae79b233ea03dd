"""The ways in and out: signing in, going on, signing out, and the one-time token with which somebody comes for the first time.

The successor of a refresh token follows from it (a MAC under SECRET_KEY): who lost an answer, or asked in two windows at once,
hears the same again, for a minute and only while nobody has used the successor. A token that comes after that ends its sign-in:
of the two who have it one has stolen it, and nobody knows which. Refused: a random successor, with which a lost answer was a theft.
"""

import datetime as dt
from typing import Annotated, Any
from uuid import UUID

import structlog
from msgspec import Meta, Struct

from atendeja import audit, tenants, vault
from atendeja.accounts import keys, passwords, people, proof, throttle, tokens
from atendeja.accounts.passwords import HASHING, Password
from atendeja.accounts.people import Email
from atendeja.accounts.proof import Code, Proof, refuse_sign_in
from atendeja.audit import Actor
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import HEADS, PEOPLE, Call, Endpoint, Role, networks
from atendeja.errors import Refused
from atendeja.runtime import Runtime
from atendeja.tenants import INSTALLATION

log = structlog.get_logger(__name__)

REST = dt.timedelta(days=30)
"""How long a sign-in lasts in which nothing is asked."""
LONGEST = dt.timedelta(days=90)
"""How long a sign-in lasts at all, whatever is asked."""
AGAIN = dt.timedelta(seconds=60)
"""How long a refresh token brings the same answer again."""
KEPT = dt.timedelta(days=7)
"""How long one that is over is kept, so that a stolen token is still known for one."""

Opaque = Annotated[str, Meta(min_length=1, max_length=200, extra_json_schema={"format": "password"})]


class Login(Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    password: Password
    tenant: Annotated[str | None, Meta(description="The slug of the business, for who belongs to several.")] = None
    code: Annotated[Code | None, Meta(description="For who has a second factor.")] = None


class Confirmation(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password
    code: Annotated[Code | None, Meta(description="For who has a second factor.")] = None


class Renewal(Struct, frozen=True, forbid_unknown_fields=True):
    refresh_token: Opaque


class Acceptance(Struct, frozen=True, forbid_unknown_fields=True):
    token: Annotated[Opaque, Meta(description="The one-time token that whoever invites has handed over.")]
    password: Annotated[Password, Meta(description="A new one; or, of who has an account already, the one he has.")]
    name: Annotated[str, Meta(min_length=1, max_length=100, examples=["Ana Souza"])] | None = None
    code: Annotated[Code | None, Meta(description="For who has an account with a second factor.")] = None


class Tokens(Struct, frozen=True):
    """What a sign-in is shown by."""

    access_token: Annotated[str, Meta(description="For `Authorization: Bearer`.")]
    expires_in: Annotated[int, Meta(description="Seconds that the access token holds.", examples=[900])]
    refresh_token: Annotated[str, Meta(description="For the next pair. It is taken once.")]
    role: Role
    tenant: Annotated[str | None, Meta(description="The slug of the business; none for the installation.")]


class Me(Struct, frozen=True):
    """Who asks."""

    role: Role
    account_id: UUID
    email: str
    name: str | None
    tenant_id: Annotated[int, Meta(description="0: the installation.")]
    tenant: str | None
    has_totp: Annotated[bool, Meta(description="Whether a code is asked for at each sign-in.")]
    recovery_codes_left: Annotated[int, Meta(examples=[10])]


class Factor(Struct, frozen=True):
    is_active: bool
    codes_left: int


class Renewed(Struct, frozen=True):
    sign_in_id: UUID
    used_at: dt.datetime | None
    expires_at: dt.datetime
    account_id: UUID
    tenant_id: int
    started_at: dt.datetime
    ended_at: dt.datetime | None


class Pass(Struct, frozen=True):
    account_id: UUID
    tenant_id: int | None
    resets: bool
    grants_operator: bool
    grants_role: Role | None


BEGIN = query("accounts.begin_sign_in", Nothing)
PUT_REFRESH = query("accounts.put_refresh_token", Nothing)
FORGET = query("accounts.forget_sign_ins", Nothing)
REFRESH = query("accounts.refresh_token", Renewed)
LOCK_SIGN_IN = query("accounts.lock_sign_in", Nothing)
USE_REFRESH = query("accounts.use_refresh_token", Nothing)
FORGET_USED = query("accounts.forget_used_tokens", Nothing)
PROVED = query("accounts.prove_sign_in", Nothing)
PROLONG = query("accounts.prolong_sign_in", Nothing)
END = query("accounts.end_sign_in", Nothing)
END_ALL = query("accounts.end_sign_ins", Nothing)
SET_PASSWORD = query("accounts.set_password", Nothing)
FACTOR = query("accounts.factor", Factor)
PASS = query("accounts.one_time_token", Pass)
USE_PASS = query("accounts.use_one_time_token", Nothing)
GRANT_ROLE = query("accounts.grant_role", Nothing)
JOIN = query("accounts.join", Nothing)


async def login(rt: Runtime, call: Call[Login]) -> Tokens:
    """Sign in with a password. Raises Refused and Problem, alike for everybody who may not."""
    body = call.body
    shown = await proof.prove(rt, body.email, body.password, body.code, call.address)
    account = shown.account
    async with rt.db.session() as session:
        doors = [door.tenant_id for door in await session.all(people.OPEN_DOORS, account_id=account.id)]
        found = [] if body.tenant is None else await session.all(tenants.BY_SLUG, slug=body.tenant)
    if body.tenant is not None and not found:
        raise refuse_sign_in()
    tenant_id = people.choose(account, doors, found[0].id if found else None)
    if tenant_id is None:
        raise refuse_sign_in()
    return await _begin(rt, call, shown, tenant_id)


async def _begin(rt: Runtime, call: Call[Any], shown: Proof, tenant_id: int) -> Tokens:  # Any: of login
    """A new sign-in. Raises Refused when what was shown holds no more: the password was changed meanwhile, the code used."""
    account_id, address = shown.account.id, call.address
    sign_in_id, refresh = rt.new_id(), tokens.opaque("atr", rt.secret())
    now = rt.now()

    async def work(tx: Tx) -> Tokens:
        await proof.settle(tx, shown, now)
        await tx.run(FORGET, account_id=account_id, before=now - KEPT, unusual_before=now - throttle.USUAL)
        await tx.run(
            BEGIN, id=sign_in_id, account_id=account_id, of_tenant=tenant_id, address=address,
            network=networks(address)[0], now=now, expires_at=now + REST,
        )  # fmt: skip
        await tx.run(PUT_REFRESH, sha256=tokens.digest(refresh), sign_in_id=sign_in_id, expires_at=now + REST)
        if (pair := await _write(rt, tx, account_id, tenant_id, sign_in_id, refresh)) is None:
            raise refuse_sign_in()
        await _tell_recovery(rt, tx, shown, call)
        return pair

    written = await rt.db.transact(tenant_id, work)
    log.info("signed_in", account_id=account_id, tenant_id=tenant_id, sign_in_id=sign_in_id)
    return written


async def _write(rt: Runtime, tx: Tx, account_id: UUID, tenant_id: int, sign_in_id: UUID, refresh: str) -> Tokens | None:
    """The pair of a sign-in; None when it is worth nothing."""
    role = people.role(await people.load_standing(tx, sign_in_id, rt.now()), account_id, tenant_id)
    if role is None:
        return None
    of = await tx.all(tenants.BY_IDS, ids=[tenant_id])
    claims = tokens.claim(account_id, tenant_id, sign_in_id, rt.new_id(), rt.now().timestamp())
    access = tokens.write(rt.config.jwt_keys, claims)
    return Tokens(access, tokens.ACCESS_S, refresh, role, of[0].slug if of else None)


async def refresh(rt: Runtime, call: Call[Renewal]) -> Tokens:
    """The next pair of tokens; within a minute the same refresh token again, while it is not used.

    Raises Refused for a token that holds no more; one that was used already, but for that minute, ends its sign-in.
    """
    given, now = tokens.digest(call.body.refresh_token), rt.now()
    nexts = [tokens.follow(vault.derive(key, "refresh"), call.body.refresh_token) for key in rt.config.secret_keys]
    async with rt.db.session() as session:
        found = await session.one(REFRESH, sha256=given)
    if found is None:
        raise _refuse_refresh()

    async def work(tx: Tx) -> Tokens | None:
        await tx.run(LOCK_SIGN_IN, id=found.sign_in_id)
        old = await tx.one(REFRESH, sha256=given)
        until = min(now + REST, found.started_at + LONGEST)
        if old is None or old.ended_at is not None or old.expires_at <= now or until <= now:
            return None
        fresh = nexts[0]
        if old.used_at is not None:
            kept = None if now >= old.used_at + AGAIN else await _find_unused(tx, nexts)
            if kept is None:
                await tx.run(END, id=old.sign_in_id, now=now)
                log.warning("refresh_token_reused", account_id=old.account_id, sign_in_id=old.sign_in_id)
                return None
            fresh = kept
        else:
            await tx.run(USE_REFRESH, sha256=given, now=now)
            await tx.run(PUT_REFRESH, sha256=tokens.digest(fresh), sign_in_id=old.sign_in_id, expires_at=until)
            await tx.run(PROLONG, id=old.sign_in_id, expires_at=until)
            await tx.run(FORGET_USED, sign_in_id=old.sign_in_id, before=now - KEPT)
        if (pair := await _write(rt, tx, old.account_id, old.tenant_id, old.sign_in_id, fresh)) is None:
            raise _refuse_refresh()  # and nothing was used
        return pair

    written = await rt.db.transact(found.tenant_id, work)
    if written is None:
        raise _refuse_refresh()
    return written


async def _find_unused(tx: Tx, nexts: list[str]) -> str | None:
    """Which of these tokens is there and was not used."""
    for token in nexts:
        if (row := await tx.one(REFRESH, sha256=tokens.digest(token))) is not None:
            return token if row.used_at is None else None
    return None


def _refuse_refresh() -> Refused:
    return Refused("refresh_failed", "this refresh token holds no more: sign in again")


async def confirm(rt: Runtime, call: Call[Confirmation]) -> None:
    """Prove again who one is, for what asks for that. Raises Refused and Problem as `login` does."""
    by = call.by
    assert by.account_id is not None
    async with rt.db.session() as session:
        account = await people.load(session, by.account_id)
    shown = await proof.prove(rt, account.email, call.body.password, call.body.code, call.address)

    async def work(tx: Tx) -> None:
        await proof.settle(tx, shown, rt.now())
        await tx.run(PROVED, id=by.sign_in_id, now=rt.now())
        await _tell_recovery(rt, tx, shown, call)

    await rt.db.transact(call.tenant_id, work)


async def _tell_recovery(rt: Runtime, tx: Tx, shown: Proof, call: Call[Any]) -> None:  # Any: of whatever proves it
    """A recovery code is used when a telephone is lost, or by who has found the list: its owner is to see it."""
    if shown.recovery_sha256 is not None:
        account_id = shown.account.id
        log.warning("recovery_code_used", account_id=account_id)
        by = Actor(account_id, address=call.address, request_id=call.request_id)
        await audit.add(tx, rt.new_id(), rt.now(), by, "recovery_code_used", account_id)


async def logout(rt: Runtime, call: Call[Struct]) -> None:
    """End the sign-in that asks, everywhere within 5 s."""
    async with rt.db.session() as session:
        await session.run(END, id=call.by.sign_in_id, now=rt.now())


async def me(rt: Runtime, call: Call[Struct]) -> Me:
    by = call.by
    assert by.account_id is not None
    async with rt.db.session() as session:
        account = await people.load(session, by.account_id)
        of = await session.all(tenants.BY_IDS, ids=[by.tenant_id])
        factor = await session.one(FACTOR, account_id=account.id) or Factor(False, 0)
    slug = of[0].slug if of else None
    return Me(call.role, account.id, account.email, account.name, by.tenant_id, slug, factor.is_active, factor.codes_left)


async def accept(rt: Runtime, call: Call[Acceptance]) -> None:
    """Take up an invitation: set name and password, or show the password one has. Then `login` lets in.

    Raises Refused for a token that is not there, for a weak password, and as `login` does for a wrong one: who invites somebody who
    has an account elsewhere holds a token that is worth nothing without that password.
    """
    body, sha256 = call.body, tokens.digest(call.body.token)
    async with rt.db.session() as session:
        held = await session.one(PASS, sha256=sha256, now=rt.now())
        if held is None:
            raise _refuse_token()
        account = await people.load(session, held.account_id)
    passwords.check_new(body.password, account.email)  # also of who has one: the answer must not tell
    chooses = held.resets or account.password_hash is None
    if chooses:
        with HASHING.place():
            hashed = await HASHING.make(body.password, rt.secret()[: passwords.SALT_BYTES])
    else:
        shown = await proof.prove(rt, account.email, body.password, body.code, call.address)
    async with rt.db.tenant(held.tenant_id or INSTALLATION) as tx:
        if not chooses:
            await proof.settle(tx, shown, rt.now())
            await _tell_recovery(rt, tx, shown, call)
        if not await tx.run(USE_PASS, sha256=sha256):
            raise _refuse_token()
        if chooses:
            if not await tx.run(SET_PASSWORD, id=account.id, password_hash=hashed, name=body.name, resets=held.resets):
                raise _refuse_token()
            await tx.run(END_ALL, account_id=account.id, now=rt.now())
        if held.grants_operator:
            await tx.run(people.SET_OPERATOR, id=account.id, is_operator=True)
            log.warning("operator_made", account_id=account.id)
        if held.grants_role is not None:
            await tx.run(GRANT_ROLE, account_id=account.id, role=held.grants_role)
            if held.grants_role not in HEADS:
                await keys.drop_of(tx, rt, account.id, audit.COMMAND)
        if held.tenant_id is not None:
            await tx.run(JOIN, account_id=account.id, now=rt.now())
        by, action = (
            Actor(account.id, address=call.address, request_id=call.request_id),
            "user_joined" if held.tenant_id else "password_set",
        )
        after = {"email": account.email} | ({"operator": True} if held.grants_operator else {})
        await audit.add(tx, rt.new_id(), rt.now(), by, action, account.id, after=after)


def _refuse_token() -> Refused:
    return Refused("token_refused", "this token was used, is over, or never was: ask for another")


_SIGN_IN = {"sign_in_failed": 401, "totp_required": 401, "totp_wrong": 401, "too_many_tries": 429}

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("POST", "/v1/auth/login", "login", login, who=None, takes=Login, gives=Tokens,
             refuses={**_SIGN_IN, "tenant_wanted": 422}, says="Sign in with e-mail address and password."),
    Endpoint("POST", "/v1/auth/refresh", "refresh", refresh, who=None, takes=Renewal, gives=Tokens,
             refuses={"refresh_failed": 401}, says="The next access token and refresh token; the one given holds no more."),
    Endpoint("POST", "/v1/auth/accept", "accept", accept, who=None, takes=Acceptance,
             refuses={**_SIGN_IN, "token_refused": 401, "weak_password": 422}, says="Take up an invitation."),
    Endpoint("POST", "/v1/auth/confirm", "confirm", confirm, who=PEOPLE, takes=Confirmation,
             refuses={code: 403 if status == 401 else status for code, status in _SIGN_IN.items()},
             says="Prove again who you are, for what is refused with `sign_in_again`. It holds for ten minutes, for this sign-in."),
    Endpoint("POST", "/v1/auth/logout", "logout", logout, who=PEOPLE, when_suspended=True,
             says="End this sign-in."),
    Endpoint("GET", "/v1/me", "me", me, who=PEOPLE, gives=Me, says="Who is signed in, where, and as what."),
]  # fmt: skip
