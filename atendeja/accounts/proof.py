"""Proving who one is: the password, and a code where the account has a second factor. All tries are counted before they are made.

Who is unknown, disabled or wrong about the password hears the same after the same work; that a code is wanted is told to who had
the password right. Such a try is taken back as if it had not been, no more: it is no failure, and must not make those before
forgotten, else guesses at codes could go on for ever between such tries.

A code is spent in the transaction that does what it was shown for: where that is refused for another reason, it still holds.
"""

import datetime as dt
from typing import Annotated
from uuid import UUID

import structlog
from msgspec import Meta, Struct
from msgspec.structs import replace

from atendeja import vault
from atendeja.accounts import passwords, people, throttle, totp
from atendeja.accounts.passwords import HASHING
from atendeja.accounts.people import Account
from atendeja.db import Nothing, Tx, query
from atendeja.errors import Refused, Unavailable
from atendeja.rotation import Kept, Store
from atendeja.runtime import Runtime

log = structlog.get_logger(__name__)

Code = Annotated[
    str,
    Meta(
        min_length=6, max_length=40, description="Of the authenticator app, or a recovery code; each is taken once.",
        examples=["287082"],
    ),
]  # fmt: skip


class Proof(Struct, frozen=True):
    """Who it is, and what he has shown beside the password, if anything."""

    account: Account
    try_id: UUID
    step: int | None = None
    """Of the app's code."""
    recovery_sha256: bytes | None = None


class Totp(Struct, frozen=True):
    seed: bytes
    """Sealed: `open_seed`."""
    last_step: int
    is_active: bool


class RecoveryCode(Struct, frozen=True):
    used_at: dt.datetime | None


HOLD = query("accounts.hold_password", Nothing)
REHASH = query("accounts.rehash", Nothing)
TOTP = query("accounts.totp", Totp)
RECOVERY_CODE = query("accounts.recovery_code", RecoveryCode)
SPEND = query("accounts.spend_code", Nothing)
SPEND_RECOVERY = query("accounts.spend_recovery_code", Nothing)


async def prove(rt: Runtime, email: str, password: str, code: str | None, address: str) -> Proof:
    """Whose password and code these are. Raises Problem when tries come too fast, Refused when they are nobody's, Unavailable."""
    email, try_id = people.normal(email), rt.new_id()
    with HASHING.place():  # first: who is told to come again must not be counted
        async with rt.db.session() as session:
            counted, wait = await throttle.look(session, email, address, rt.now())
            account = await people.find(session, email)
        wait = wait or await rt.db.transact(None, lambda tx: throttle.enter(tx, counted, try_id, rt.now()))
        if wait:
            raise throttle.too_many(wait)
        is_right = await HASHING.check(account.password_hash if account else None, password)
        if account is None or not is_right or account.disabled_at is not None:
            raise refuse_sign_in()
        known = account.password_hash
        better = None
        if known is not None and passwords.is_outdated(known):
            better = await HASHING.make(password, rt.secret()[: passwords.SALT_BYTES])
    codes = throttle.code_keys(counted)
    proof = await _check_code(rt, Proof(replace(account, password_hash=better or known), try_id), code, codes)

    async def work(tx: Tx) -> None:
        await throttle.lift(tx, [*counted, *codes] if proof else counted, try_id, rt.now(), is_proved=proof is not None)
        if better is not None:
            await tx.run(REHASH, id=account.id, old=known, password_hash=better)

    await rt.db.transact(None, work)
    if proof is None:
        raise _want_code()
    return proof


async def _check_code(rt: Runtime, proof: Proof, code: str | None, counted: list[str]) -> Proof | None:
    """With what the code is, where one is needed; None when there is none. Raises Refused for a wrong one, Problem 429."""
    account_id = proof.account.id
    async with rt.db.session() as session:
        factor = await session.one(TOTP, account_id=account_id)
    if factor is None or not factor.is_active:
        return proof
    if code is None:
        return None
    if wait := await rt.db.transact(None, lambda tx: throttle.enter(tx, counted, proof.try_id, rt.now())) if counted else 0.0:
        raise throttle.too_many(wait)
    async with rt.db.session() as session:
        given = totp.normal(code)
        if totp.is_code(given):
            step = totp.find_step(open_seed(rt, account_id, factor), given, rt.now().timestamp(), factor.last_step)
            if step is not None:
                return replace(proof, step=step)
        else:
            sha256 = totp.digest(given)
            kept = await session.one(RECOVERY_CODE, account_id=account_id, sha256=sha256)
            if kept is not None and kept.used_at is None:
                return replace(proof, recovery_sha256=sha256)
    raise refuse_code()


async def settle(tx: Tx, proof: Proof, now: dt.datetime) -> None:
    """Spend the code, first of all in the transaction of what it was shown for. Raises Refused when the account's password is not
    the proved one any more, when the code was spent meanwhile, or when a second factor has come since."""
    account_id = proof.account.id
    if not await tx.run(HOLD, id=account_id, password_hash=proof.account.password_hash):
        raise refuse_sign_in()
    factor = await tx.one(TOTP, account_id=account_id)  # behind the lock that whoever makes it active takes too
    if factor is None or not factor.is_active:
        return
    if proof.step is not None:
        spent = await tx.run(SPEND, account_id=account_id, step=proof.step, try_id=proof.try_id)
    elif proof.recovery_sha256 is not None:
        spent = await tx.run(
            SPEND_RECOVERY, account_id=account_id, sha256=proof.recovery_sha256, try_id=proof.try_id, now=now
        )  # fmt: skip
    else:
        raise _want_code()
    if not spent:
        raise refuse_code()


def open_seed(rt: Runtime, account_id: UUID, factor: Totp) -> bytes:
    """Raises Unavailable when SECRET_KEY is not the one that it was sealed with: nobody who signs in can help that."""
    try:
        return vault.unseal(seed_keys(rt.config.secret_keys), factor.seed, seed_place(account_id))
    except Refused as error:
        log.warning("seed_does_not_open", account_id=account_id, hint="is SECRET_KEY the one it was written with?")
        raise Unavailable("codes of this account cannot be checked: whoever runs this server has to look at its log") from error


def seed_keys(secrets: list[bytes]) -> list[bytes]:
    """What seeds are sealed with: the first seals, all open."""
    return [vault.derive(secret, "totp") for secret in secrets]


def seed_place(account_id: object) -> bytes:
    return vault.place("", "totp", "seed", account_id)


SEEDS = Store(
    "the second factor of",
    query("accounts.kept_seeds", Kept),
    query("accounts.renew_seeds", Nothing),
    start=UUID(int=0),
    where=lambda row: seed_place(row.id),
    keys=seed_keys,
)


def refuse_sign_in() -> Refused:
    return Refused("sign_in_failed", "this e-mail address and password do not let you in here")


def _want_code() -> Refused:
    return Refused("totp_required", "give `code` too: the authenticator app's, or a recovery code")


def refuse_code() -> Refused:
    return Refused("totp_wrong", "this code is not the present one, or was used already")
