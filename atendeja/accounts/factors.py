"""The second factor of an account: taken up, proved for the first time, put away again. Optional, for any person.

A seed is shown once, and again to nobody; it counts from its first right code on, with which all other sign-ins of the account end
and ten recovery codes are shown, once. Refused: codes by SMS and mail (they are taken over with the number, and there is no mail
server here), and asking for a code only sometimes.
"""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from atendeja import audit, vault
from atendeja.accounts import people, proof, totp
from atendeja.accounts.passwords import Password
from atendeja.accounts.proof import TOTP, Code, open_seed, refuse_code
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import PEOPLE, Call, Endpoint, once
from atendeja.errors import Refused
from atendeja.runtime import Runtime


class Seed(Struct, frozen=True):
    """For an authenticator app. It is shown this once."""

    secret: Annotated[str, Meta(description="To be typed.", examples=["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"])]
    uri: Annotated[
        str, Meta(description="To be shown as a QR code.", examples=["otpauth://totp/AtendeJ%C3%A1:ana%40oficina.example"])
    ]


class FirstCode(Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, Meta(min_length=6, max_length=10, description="That the app shows now.", examples=["287082"])]


class Recovery(Struct, frozen=True):
    recovery_codes: Annotated[
        list[str],
        Meta(
            description="Each once instead of a code, when the app is lost. They are shown this once.",
            examples=[["k3zq-7a2b-m4xd-wq6r"]],
        ),
    ]


class Dismissal(Struct, frozen=True, forbid_unknown_fields=True):
    password: Password
    code: Code


PUT = query("accounts.put_totp", Nothing)
LOCK_ACCOUNT = query("accounts.lock_account", Nothing)
ACTIVATE = query("accounts.activate_totp", Nothing)
PUT_CODES = query("accounts.put_recovery_codes", Nothing)
DROP = query("accounts.drop_totp", Nothing)
END_OTHERS = query("accounts.end_other_sign_ins", Nothing)


async def enrol(rt: Runtime, call: Call[Struct]) -> Seed:
    """A new seed, which counts from its first right code on. Raises Refused when one does already."""
    account_id, seed = _asking(call), rt.secret()[: totp.SEED_BYTES]
    sealed = vault.seal(proof.seed_keys(rt.config.secret_keys)[0], seed, proof.seed_place(account_id), rt.nonce())
    async with rt.db.session() as session:
        account = await people.load(session, account_id)
        if not await session.run(PUT, account_id=account_id, seed=sealed, now=rt.now()):
            raise _exists()
    return Seed(totp.secret(seed), totp.uri(seed, account.email))


async def activate(rt: Runtime, call: Call[FirstCode]) -> Recovery:
    """Have it count, and end all other sign-ins of the account. Raises Refused for a wrong code, and when one counts already."""
    account_id, now = _asking(call), rt.now()
    codes = [totp.recovery_code(rt.secret()[: totp.CODE_BYTES]) for _ in range(totp.CODES)]

    async def work(tx: Tx) -> Recovery:
        await tx.run(LOCK_ACCOUNT, id=account_id)
        factor = await tx.one(TOTP, account_id=account_id)
        if factor is not None and factor.is_active:
            raise _exists()
        step = None
        if factor is not None:
            step = totp.find_step(open_seed(rt, account_id, factor), totp.normal(call.body.code), now.timestamp(), 0)
        if step is None:
            raise refuse_code()
        await tx.run(ACTIVATE, account_id=account_id, step=step, now=now)
        await tx.run(PUT_CODES, account_id=account_id, sha256s=[totp.digest(code) for code in codes])
        await tx.run(END_OTHERS, account_id=account_id, but=call.by.sign_in_id, now=now)
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "totp_enabled", account_id)
        return Recovery(codes)

    return await once(rt, call, work)


async def dismiss(rt: Runtime, call: Call[Dismissal]) -> None:
    """Put it away. Raises Refused and Problem as signing in does."""
    account_id = _asking(call)
    async with rt.db.session() as session:
        account = await people.load(session, account_id)
    shown = await proof.prove(rt, account.email, call.body.password, call.body.code, call.address)

    async def work(tx: Tx) -> None:
        await proof.settle(tx, shown, rt.now())
        if await tx.run(DROP, account_id=account_id):
            await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "totp_disabled", account_id)

    await rt.db.transact(call.tenant_id, work)


def _asking(call: Call[Any]) -> UUID:  # Any: whatever it takes
    assert call.by.account_id is not None
    return call.by.account_id


def _exists() -> Refused:
    return Refused("totp_exists", "this account has a second factor already: put it away first")


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("POST", "/v1/me/totp", "enrol_totp", enrol, who=PEOPLE, fresh=True, gives=Seed, status=201,
             refuses={"totp_exists": 409},
             says="A seed for an authenticator app. It counts when `activate_totp` has seen a code of it."),
    Endpoint("POST", "/v1/me/totp/activate", "activate_totp", activate, who=PEOPLE, once=True, takes=FirstCode,
             gives=Recovery, refuses={"totp_exists": 409, "totp_wrong": 422},
             says="Be asked for a code at each sign-in from now on. Ends all other sign-ins and shows the recovery codes, once."),
    Endpoint("POST", "/v1/me/totp/dismiss", "dismiss_totp", dismiss, who=PEOPLE, takes=Dismissal,
             refuses={"sign_in_failed": 403, "totp_wrong": 403, "too_many_tries": 429},
             says="Be asked for no code any more. Takes the password, and a code or a recovery code."),
]  # fmt: skip
