"""Guessing: how long the next try has to wait, whom it keeps out, and that no restart forgets it (S21)."""

import asyncio
import datetime as dt
from collections import Counter
from uuid import UUID

import httpx
import pytest
from starlette.applications import Starlette

from atendeja import app, endpoint
from atendeja.accounts import throttle
from atendeja.accounts.throttle import Throttle
from atendeja.config import Config
from atendeja.runtime import Runtime, fresh_id
from tests.office import PASSWORD, Office

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ANA = "ana@oficina.example"
ONE, OTHER = UUID(int=1), UUID(int=2)


def later(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


class Town:
    """Tries without a database: what is counted of all of them."""

    def __init__(self) -> None:
        self.found: dict[str, Throttle] = {}
        self._n = 0

    def enter(self, wanted: list[str], now: dt.datetime) -> float:
        throttles = [self.found.get(key) or Throttle(key, 0, EPOCH, now, None) for key in wanted]
        if (wait := throttle.wait_s(throttles, now)) == 0:
            self._n += 1
            self.found |= {t.key: throttle.fail(t, UUID(int=self._n), now) for t in throttles}
        return wait


async def enter(rt: Runtime, wanted: list[str], at: dt.datetime, try_id: UUID | None = None) -> float:
    try_id = try_id or fresh_id()
    return await rt.db.transact(None, lambda tx: throttle.enter(tx, wanted, try_id, at))


def of(email: str, address: str, *, is_usual: bool = False) -> list[str]:
    return throttle.keys(email, address, is_usual=is_usual)


def waits(key: str, tries: int) -> list[float]:
    """After each failure, one right after the wait of the one before."""
    t, now, found = Throttle(key, 0, EPOCH, NOW, None), NOW, []
    for n in range(tries):
        t = throttle.fail(t, UUID(int=n), now)
        found.append(max(0.0, (t.until - now).total_seconds()))
        now = max(now, t.until)
    return found


def test_waits_double_and_end() -> None:
    pair, network, wide, account = (waits(f"{kind}:x", 120) for kind in ("pair", "network", "wide", "account"))
    assert pair[:15] == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900] and pair[-1] == 900
    assert network[:22] == [0] * 19 + [1, 2, 4] and network[-1] == 900
    assert wide[:102] == [0] * 99 + [1, 2, 4] and wide[-1] == 900
    assert account[:106] == [0] * 99 + [1, 2, 4, 8, 16, 30, 30] and account[-1] == 30


def test_a_day_without_a_failure_forgets_them() -> None:
    t = Throttle("pair:x", 1000, NOW, NOW + throttle.DAY, None)
    assert throttle.fail(t, ONE, NOW + throttle.DAY).count == 1
    assert throttle.fail(t, ONE, NOW + throttle.DAY - dt.timedelta(seconds=1)).count == 1001


def test_success_takes_back_what_it_counted_and_no_wait_of_others() -> None:
    for key, left in (("pair:x", 0), ("network:x", 6), ("account:x", 6)):
        own = throttle.forgive(Throttle(key, 7, later(9), NOW, ONE), ONE, NOW, is_proved=True)
        others = throttle.forgive(Throttle(key, 7, later(9), NOW, OTHER), ONE, NOW, is_proved=True)
        assert (own.count, throttle.wait_s([own], NOW)) == (left, 0)
        assert (others.count, throttle.wait_s([others], NOW)) == (left, 9)
        half = throttle.forgive(Throttle(key, 7, later(9), NOW, ONE), ONE, NOW, is_proved=False)
        assert (half.count, throttle.wait_s([half], NOW)) == (6, 0), "a right password without a code makes no failure forgotten"


def test_a_try_that_is_counted_again_is_one_and_does_not_wait_for_itself() -> None:
    t = throttle.fail(Throttle("pair:x", 4, EPOCH, later(60), None), ONE, NOW)
    assert throttle.fail(t, ONE, NOW) == t and t.count == 5
    assert (throttle.wait_s([t], NOW, ONE), throttle.wait_s([t], NOW, OTHER), throttle.wait_s([], NOW)) == (0, 1, 0)


@pytest.mark.parametrize(
    ("address", "networks"),
    [("203.0.113.7", ["203.0.113.7"]), ("::ffff:203.0.113.7", ["203.0.113.7"]), ("", [""]), ("unix:", ["unix:"]),
     ("2001:db8:1:2:3::4", ["2001:db8:1:2::/64", "2001:db8:1::/48"]),
     ("2001:0DB8:0001:0002::FFFF", ["2001:db8:1:2::/64", "2001:db8:1::/48"])],
)  # fmt: skip
def test_an_address_is_counted_by_what_one_customer_has_of_them(address: str, networks: list[str]) -> None:
    assert endpoint.networks(address) == networks


def test_who_has_many_ipv6_networks_gets_few_tries_more() -> None:
    """One /48, from a new /64 each time, at a new account each time."""
    town = Town()
    made = sum(town.enter(of(f"{n}@x", f"2001:db8:1:{n:x}::1"), later(n)) == 0 for n in range(3600))
    assert made < 115
    assert town.enter(of("ana@x", "2001:db8:2::1"), later(3600)) == 0, "another /48 waits for nothing"


@pytest.mark.parametrize(("attackers", "first", "second"), [(1, 20, 5), (15, 230, 125), (200, 230, 125)])
def test_who_guesses_from_many_networks_without_end_gets_few_guesses_and_keeps_no_owner_out(
    attackers: int, first: int, second: int
) -> None:
    """Each asks every second and takes the first gap there is; she is at her usual place, and tries once a minute."""
    town, made, gone = Town(), Counter[int](), 0
    strangers = [of(ANA, f"6.6.{n // 250}.{n % 250}") for n in range(attackers)]
    hers = of(ANA, "10.0.0.7", is_usual=True)
    for second_ in range(7200):
        at = later(second_)
        made[second_ // 3600] += sum(town.enter(keys, at) == 0 for keys in strangers)
        if second_ % 60 == 59:
            seen = [town.found.get(key) or Throttle(key, 0, EPOCH, at, None) for key in hers]
            gone += throttle.wait_s(seen, at) > 0
    assert gone == 0, "she is let in whenever she comes"
    assert made[0] <= first and made[1] <= second


async def test_strangers_wait_for_an_account_that_many_guess_and_who_comes_from_her_usual_place_does_not(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    assert (await office.login(ANA)).status_code == 200
    account = of(ANA, "x")[-1]
    await office.rt.db.pool.execute(
        "UPDATE login_throttle SET count = 500, until = $2, forget_at = $2 WHERE key = $1", account, office.at + throttle.DAY
    )
    transport = httpx.ASGITransport(Starlette(routes=app.api(office.rt).routes()), client=("6.6.6.6", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as stranger:
        answer = await stranger.post("/v1/auth/login", json={"email": ANA, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_tries")
    assert (await office.login(ANA)).status_code == 200
    await office.rt.db.pool.execute("UPDATE sign_in SET started_at = $1", office.at - throttle.USUAL)
    assert (await office.login(ANA)).status_code == 429, "a month later it is a place like any other"


async def test_a_crowd_at_once_waits_for_nobody_below_the_limit(rt: Runtime) -> None:
    """Whoever's clock was read first or last."""
    found = await asyncio.gather(*(enter(rt, of(f"{n}@x", "10.0.0.7"), later(-n / 100)) for n in range(15)))
    assert found == [0] * 15


async def test_who_has_to_wait_writes_nothing_and_waits_for_no_lock(rt: Runtime) -> None:
    wanted = of("ana@x", "10.0.0.7")
    for _ in range(5):
        await enter(rt, wanted, NOW)
    rows = "SELECT xmin::text, * FROM login_throttle ORDER BY key"
    before = await rt.db.pool.fetch(rows)
    async with rt.db.system() as tx:
        await tx.all(throttle.LOCK, keys=wanted)
        async with asyncio.timeout(2):
            assert await enter(rt, wanted, NOW) == 1
    assert await rt.db.pool.fetch(rows) == before


async def test_a_thousand_tries_get_few_guesses_and_a_restart_gives_none(rt: Runtime, config: Config) -> None:
    made = 0
    for second in range(1000):
        at = later(second)
        made += await enter(rt, of("ana@x", "10.0.0.7"), at) == 0
    assert made < 20
    async with app.open_runtime(config) as restarted:
        assert await enter(restarted, of("ana@x", "10.0.0.7"), at) > 0
        for n in range(25):
            await enter(restarted, of(f"{n}@x", "10.0.0.9"), at)
        assert await enter(restarted, of("new@x", "10.0.0.9"), at) > 0, "nor does another account"


async def test_what_strangers_leave_behind_is_forgotten(rt: Runtime) -> None:
    for n in range(30):
        await enter(rt, of(f"{n}@x", f"10.0.1.{n}"), NOW)
    for _ in range(5):
        await enter(rt, of("ana@x", "10.0.0.7"), NOW + throttle.DAY + dt.timedelta(seconds=1))
    kept = await rt.db.pool.fetch("SELECT key FROM login_throttle")
    assert sorted(row["key"] for row in kept) == sorted(of("ana@x", "10.0.0.7"))
    assert "ana@x" not in str(kept)
