"""Guessing: how long the next try has to wait, and that neither a restart nor another process forgets it (S21)."""

import datetime as dt

from atendeja import app
from atendeja.accounts import throttle
from atendeja.accounts.throttle import Throttle
from atendeja.config import Config
from atendeja.runtime import Runtime

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)


def waits(key: str, tries: int) -> list[float]:
    """After each failure, one right after the wait of the one before."""
    t, now, found = Throttle(key, 0, NOW, NOW), NOW, []
    for _ in range(tries):
        t = throttle.fail(t, now)
        found.append((t.until - now).total_seconds())
        now = t.until
    return found


def test_waits_double_and_end() -> None:
    assert waits("account:x", 14) == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    address = waits("address:x", 40)
    assert address[:22] == [0] * 19 + [1, 2, 4] and address[-3:] == [900, 900, 900]


def test_a_day_without_a_failure_forgets_them() -> None:
    t = Throttle("account:x", 1000, NOW, NOW + throttle.FORGET)
    assert throttle.fail(t, NOW + throttle.FORGET).count == 1
    assert throttle.fail(t, NOW + throttle.FORGET - dt.timedelta(seconds=1)).count == 1001


def test_success_forgets_the_account_and_of_the_address_one() -> None:
    for key, left in (("account:x", 0), ("address:x", 6)):
        forgiven = throttle.forgive(Throttle(key, 7, NOW + dt.timedelta(seconds=9), NOW), NOW)
        assert (forgiven.count, throttle.wait_s([forgiven], NOW)) == (left, 0)


async def test_a_thousand_tries_get_few_guesses_and_a_restart_gives_none(rt: Runtime, config: Config) -> None:
    made = 0
    for second in range(1000):
        at = NOW + dt.timedelta(seconds=second)
        made += await rt.db.transact(None, lambda tx, at=at: throttle.enter(tx, "ana@x", "10.0.0.7", at)) == 0  # type: ignore[misc]
    assert made < 30
    async with app.open_runtime(config) as restarted:
        wait = await restarted.db.transact(None, lambda tx: throttle.enter(tx, "ana@x", "10.0.0.8", at))
        assert wait > 0, "nor does another address"
        for n in range(25):
            await restarted.db.transact(None, lambda tx, n=n: throttle.enter(tx, f"{n}@x", "10.0.0.9", at))  # type: ignore[misc]
        assert await restarted.db.transact(None, lambda tx: throttle.enter(tx, "new@x", "10.0.0.9", at)) > 0, "nor another account"


async def test_who_guesses_without_end_keeps_the_owner_out_for_a_minute_at_most(rt: Runtime) -> None:
    """S21: his own address has to wait longer than the account."""
    for second in range(1800):
        at = NOW + dt.timedelta(seconds=second)
        await rt.db.transact(None, lambda tx, at=at: throttle.enter(tx, "ana@x", "6.6.6.6", at))  # type: ignore[misc]
        if second >= 1700 and await rt.db.transact(None, lambda tx, at=at: throttle.enter(tx, "ana@x", "10.0.0.7", at)) == 0:  # type: ignore[misc]
            return
    raise AssertionError("she was kept out")


async def test_what_strangers_leave_behind_is_forgotten(rt: Runtime) -> None:
    for n in range(30):
        await rt.db.transact(None, lambda tx, n=n: throttle.enter(tx, f"{n}@x", f"10.0.1.{n}", NOW))  # type: ignore[misc]
    later = NOW + throttle.FORGET + dt.timedelta(seconds=1)
    for _ in range(4):
        await rt.db.transact(None, lambda tx: throttle.enter(tx, "ana@x", "10.0.0.7", later))
    kept = await rt.db.pool.fetch("SELECT key FROM login_throttle")
    assert sorted(row["key"] for row in kept) == sorted(throttle.keys("ana@x", "10.0.0.7"))
    assert "ana@x" not in str(kept)
