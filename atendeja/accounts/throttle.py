"""Guessing passwords: each try is counted before it is made, and after some the next has to wait; one that succeeds is taken back.

Strictly by account and network together, and by network alone: the waits double up to a quarter of an hour. By account alone only
loosely, from 100 failures within an hour on and half a minute at most, and not at all for who comes from where this account has
signed in lately: else a stranger could keep its owner out, by taking each gap that the waits leave. However many networks he has,
he makes some 225 guesses in the first hour and 120 in each that follows; the owner, at her usual place, waits for nothing. The code
of a second factor is one of a million: who has the password, and so no mere stranger, gets four guesses an hour at it.

A try that is refused writes nothing and waits for nobody. What is counted is in the database: a restart or another process
changes nothing. Refused: counting by account alone (it locks the owner out), and only by network (a botnet has many).
"""

import datetime as dt
import hashlib
import math
from collections.abc import Iterable
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from atendeja.db import LostRace, Nothing, Session, Tx, columns, query
from atendeja.endpoint import Problem, networks

USUAL = dt.timedelta(days=30)
"""How long a network from which an account has signed in is one of its usual ones."""
DAY = dt.timedelta(days=1)


class Rule(Struct, frozen=True):
    free: int
    """Failures before the first wait, with the one that it follows."""
    most_s: int
    """The longest wait."""
    forget: dt.timedelta
    """After how long without a failure they are forgotten."""


RULES = {
    "pair": Rule(5, 900, DAY),
    "network": Rule(20, 900, DAY),
    "wide": Rule(100, 900, DAY),
    "account": Rule(100, 30, dt.timedelta(hours=1)),
    "code": Rule(10, 900, DAY),
}
"""An account from one network; one network; 65,536 of IPv6; an account from anywhere; its codes, by who has the password right."""


class Throttle(Struct, frozen=True):
    key: str
    count: int
    """Of failures."""
    until: dt.datetime
    forget_at: dt.datetime
    last_try: UUID | None
    """Which was counted last."""


class Known(Struct, frozen=True):
    is_usual: bool


LOOK = query("accounts.throttles", Throttle)
USUALLY = query("accounts.is_usual", Known)
MEET = query("accounts.meet_throttles", Nothing)
LOCK = query("accounts.lock_throttles", Throttle)
SAVE = query("accounts.save_throttles", Nothing)
FORGET_OLD = query("accounts.forget_throttles", Nothing)


def keys(email: str, address: str, *, is_usual: bool) -> list[str]:
    """Under which a try is counted. What was typed is hashed: it may be anything, a password even."""
    account, (network, *wide) = hashlib.sha256(email.encode()).hexdigest(), networks(address)
    found = [f"pair:{account}:{network}", f"network:{network}", *(f"wide:{one}" for one in wide)]
    return found if is_usual else [*found, f"account:{account}"]


def code_keys(wanted: Iterable[str]) -> list[str]:
    """Under which a try with a code is counted besides, from a place that is none of the account's usual ones."""
    return [key.replace("account:", "code:", 1) for key in wanted if key.startswith("account:")]


def wait_s(throttles: Iterable[Throttle], now: dt.datetime, try_id: UUID | None = None) -> float:
    """How long the next try has to wait; 0 for not at all. What this try itself has left behind is no wait for it."""
    return max((0.0, *((t.until - now).total_seconds() for t in throttles if try_id is None or t.last_try != try_id)))


def fail(t: Throttle, try_id: UUID, now: dt.datetime) -> Throttle:
    """One more failure; the same try is one."""
    if t.last_try == try_id:
        return t
    rule = RULES[t.key.partition(":")[0]]
    count = 1 if t.forget_at <= now else t.count + 1
    over = min(count - rule.free, 30)
    until = now + dt.timedelta(seconds=min(2**over, rule.most_s)) if over >= 0 else t.until
    return replace(t, count=count, until=until, forget_at=now + rule.forget, last_try=try_id)


def forgive(t: Throttle, try_id: UUID, now: dt.datetime, *, is_proved: bool) -> Throttle:
    """That was no failure: of an account at its network all are forgotten if he has proved who he is, else this one. What others
    have to wait for stays."""
    count = 0 if is_proved and t.key.startswith(("pair:", "code:")) else max(0, t.count - 1)
    is_own = t.last_try == try_id
    return replace(t, count=count, until=min(t.until, now) if is_own else t.until, last_try=None if is_own else t.last_try)


async def look(session: Session, email: str, address: str, now: dt.datetime) -> tuple[list[str], float]:
    """Under which keys a try is counted, and how many seconds it has to wait. Writes nothing."""
    known = await session.one(USUALLY, email=email, network=networks(address)[0], since=now - USUAL)
    wanted = keys(email, address, is_usual=known is not None and known.is_usual)
    return wanted, wait_s(await session.all(LOOK, keys=wanted), now)


async def enter(tx: Tx, wanted: list[str], try_id: UUID, now: dt.datetime) -> float:
    """Count a try as a failure, to be forgiven if it is none; or say how many seconds it has to wait. Repeated, it counts once."""
    if wait := wait_s(await tx.all(LOOK, keys=wanted), now, try_id):
        return wait
    await tx.run(MEET, keys=wanted, now=now)
    throttles = await tx.all(LOCK, keys=wanted)
    if len(throttles) < len(wanted):
        raise LostRace("they were forgotten meanwhile")
    if (wait := wait_s(throttles, now, try_id)) == 0:
        await tx.run(SAVE, **columns(fail(t, try_id, now) for t in throttles))
        await tx.run(FORGET_OLD, now=now)
    return wait


async def lift(tx: Tx, wanted: list[str], try_id: UUID, now: dt.datetime, *, is_proved: bool) -> None:
    """The try was no failure; `is_proved` when it succeeded."""
    if throttles := await tx.all(LOCK, keys=wanted):
        await tx.run(SAVE, **columns(forgive(t, try_id, now, is_proved=is_proved) for t in throttles))


def too_many(wait: float) -> Problem:
    seconds = math.ceil(wait)
    return Problem(429, "too_many_tries", f"too many tries: the next is in {seconds} s", headers={"Retry-After": str(seconds)})
