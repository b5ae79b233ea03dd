"""Guessing passwords: each try is counted before it is made, by account and by address, and after some the next has to wait.

The waits double and end: an account's at a minute, so that nobody can lock its owner out for longer, an address's at a quarter of
an hour. A try that succeeds is taken back. What is counted is in the database: a restart or another process changes nothing.
"""

import datetime as dt
import hashlib
import math
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from atendeja.db import Nothing, Tx, columns, query
from atendeja.endpoint import Problem

FORGET = dt.timedelta(days=1)


class Rule(Struct, frozen=True):
    free: int
    """Tries before the first wait."""
    most_s: int
    """The longest wait."""


ACCOUNT, ADDRESS = Rule(5, 60), Rule(20, 900)


class Throttle(Struct, frozen=True):
    key: str
    count: int
    """Of failures."""
    until: dt.datetime
    forget_at: dt.datetime


MEET = query("accounts.meet_throttles", Nothing)
LOCK = query("accounts.lock_throttles", Throttle)
SAVE = query("accounts.save_throttles", Nothing)
FORGET_OLD = query("accounts.forget_throttles", Nothing)


def keys(email: str, address: str) -> list[str]:
    """Under which a try is counted. What was typed is hashed: it may be anything, a password even."""
    return [f"account:{hashlib.sha256(email.encode()).hexdigest()}", f"address:{address}"]


def wait_s(throttles: Sequence[Throttle], now: dt.datetime) -> float:
    """How long the next try has to wait; 0 for not at all."""
    return max(0.0, *((t.until - now).total_seconds() for t in throttles))


def fail(t: Throttle, now: dt.datetime) -> Throttle:
    """One more failure."""
    rule = ACCOUNT if t.key.startswith("account:") else ADDRESS
    count = 1 if t.forget_at <= now else t.count + 1
    over = min(count - rule.free, 30)
    wait = dt.timedelta(seconds=min(2**over, rule.most_s)) if over >= 0 else dt.timedelta()
    return replace(t, count=count, until=now + wait, forget_at=now + FORGET)


def forgive(t: Throttle, now: dt.datetime) -> Throttle:
    """That was no failure: of an account all are forgotten, of an address this one."""
    count = 0 if t.key.startswith("account:") else max(0, t.count - 1)
    return replace(t, count=count, until=now)


async def enter(tx: Tx, email: str, address: str, now: dt.datetime) -> float:
    """Count a try as a failure, to be forgiven if it is none; or say how many seconds it has to wait."""
    wanted = keys(email, address)
    await tx.run(FORGET_OLD, now=now)
    await tx.run(MEET, keys=wanted, now=now)
    throttles = await tx.all(LOCK, keys=wanted)
    if (wait := wait_s(throttles, now)) == 0:
        await tx.run(SAVE, **columns(fail(t, now) for t in throttles))
    return wait


async def lift(tx: Tx, email: str, address: str, now: dt.datetime) -> None:
    """The try succeeded."""
    throttles = await tx.all(LOCK, keys=keys(email, address))
    await tx.run(SAVE, **columns(forgive(t, now) for t in throttles))


def too_many(wait: float) -> Problem:
    seconds = math.ceil(wait)
    return Problem(429, "too_many_tries", f"too many tries: the next is in {seconds} s", headers={"Retry-After": str(seconds)})
