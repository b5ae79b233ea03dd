"""The ways in and out over HTTP, on a real database: what lets in, what does not, and how soon it ends (S17–S21)."""

import asyncio
import base64
import statistics
import time
from contextlib import ExitStack

import httpx
import pytest
from argon2 import PasswordHasher
from msgspec.structs import replace

from atendeja import accounts, app
from atendeja.accounts.passwords import HASHING, MOST_WAITING
from atendeja.config import Config, Secret
from tests.office import JWT, PASSWORD, Office, open_office

ANA = "ana@oficina.example"


async def test_an_invited_person_sets_a_password_and_is_let_in(office: Office) -> None:
    token = await office.appoint(ANA, "owner", office.world.a)
    accept = {"token": token, "password": PASSWORD, "name": "Ana"}
    assert (await office.login(ANA)).status_code == 401, "not before"
    assert (await office.post("/auth/accept", accept)).status_code == 204
    again = await office.post("/auth/accept", accept)
    assert (again.status_code, again.json()["code"]) == (401, "token_refused")
    said = (await office.login("Ana@OFICINA.example")).json()
    assert (said["role"], said["tenant"], said["expires_in"]) == ("owner", "a", 900)
    me = (await office.get("/me", said["access_token"])).json()
    assert (me["email"], me["name"], me["role"], me["tenant"], me["tenant_id"]) == (ANA, "Ana", "owner", "a", office.world.a)


async def test_nothing_stands_still_while_a_password_is_hashed(office: Office, no_blocking: None) -> None:
    token = await office.appoint(ANA, "owner", office.world.a)
    assert (await office.post("/auth/accept", {"token": token, "password": "password1234"})).status_code == 422
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    clock = asyncio.create_task(tick())
    await office.sign_in(ANA, "owner", office.world.a)
    clock.cancel()
    assert ticks > 30, "two hashes are some 80 ms"


async def test_a_one_time_token_holds_for_a_day_and_only_the_newest(office: Office) -> None:
    first = await office.appoint(ANA, "owner", office.world.a)
    second = await office.appoint(ANA, "owner", office.world.a)
    assert (await office.post("/auth/accept", {"token": first, "password": PASSWORD})).status_code == 401
    weak = await office.post("/auth/accept", {"token": second, "password": "password1234"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    office.later(86_401)
    assert (await office.post("/auth/accept", {"token": second, "password": PASSWORD})).status_code == 401
    assert (await office.post("/auth/accept", {"token": "ato_" + "x" * 43, "password": PASSWORD})).status_code == 401


@pytest.mark.alone
async def test_a_wrong_password_and_an_unknown_person_hear_the_same_after_the_same_time(office: Office) -> None:
    """S19. By the median of several: the hash is nearly all of it."""
    await office.settle(ANA, "owner", office.world.a)
    said, took = {}, {}
    for who in (ANA, "ninguem@oficina.example"):
        spans = []
        for _ in range(5):
            office.later(86_401)
            began = time.perf_counter()
            answer = await office.login(who, "errada errada 9")
            spans.append(time.perf_counter() - began)
        said[who], took[who] = answer.json() | {"request_id": ""}, statistics.median(spans)
        assert answer.status_code == 401
    (known, unknown), (known_s, unknown_s) = said.values(), took.values()
    assert known == unknown and known["code"] == "sign_in_failed"
    assert 0.5 < known_s / unknown_s < 2


async def test_guessing_is_slowed_down_and_the_right_password_is_not_known_meanwhile(office: Office) -> None:
    """S21."""
    await office.settle(ANA, "owner", office.world.a)
    for _ in range(5):
        assert (await office.login(ANA, "errada errada 9")).status_code == 401
    slowed = await office.login(ANA)
    assert (slowed.status_code, slowed.json()["code"], slowed.headers["retry-after"]) == (429, "too_many_tries", "1")
    office.later(1)
    assert (await office.login(ANA)).status_code == 200
    assert (await office.login(ANA, "errada errada 9")).status_code == 401, "and is forgotten"


async def test_who_is_told_to_come_again_because_many_sign_in_is_not_counted(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    with ExitStack() as crowd:
        for _ in range(MOST_WAITING):
            crowd.enter_context(HASHING.place())
        for _ in range(10):
            assert (await office.login(ANA)).status_code == 503
    assert await office.rt.db.pool.fetchval("SELECT count(*) FROM login_throttle") == 0
    assert (await office.login(ANA)).status_code == 200


async def test_a_hash_of_former_custom_is_made_anew(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    await office.rt.db.pool.execute("UPDATE account SET password_hash = $1", old)
    assert (await office.login(ANA)).status_code == 200
    kept = await office.rt.db.pool.fetchval("SELECT password_hash FROM account")
    assert kept != old and "m=19456,t=2" in kept
    assert (await office.login(ANA)).status_code == 200


async def test_who_belongs_to_several_says_where(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    await office.settle(ANA, "viewer", office.world.b)
    unsaid = await office.login(ANA)
    assert (unsaid.status_code, unsaid.json()["code"]) == (422, "tenant_wanted")
    assert [(await office.login(ANA, tenant=slug)).json()["role"] for slug in ("a", "b")] == ["owner", "viewer"]
    await office.settle("bia@oficina.example", "owner", office.world.b)
    for slug in ("a", "nowhere"):
        refused = await office.login("bia@oficina.example", tenant=slug)
        assert (refused.status_code, refused.json()["code"]) == (401, "sign_in_failed")


async def test_an_operator_is_let_into_the_installation_and_into_no_business(office: Office) -> None:
    token = await office.sign_in("op@host.example", is_operator=True)
    me = (await office.get("/me", token)).json()
    assert (me["role"], me["tenant_id"], me["tenant"]) == ("operator", 0, None)
    assert (await office.login("op@host.example", tenant="a")).status_code == 401
    nobody = await office.appoint("op@host.example")
    assert (await office.post("/auth/accept", {"token": nobody, "password": PASSWORD + "!"})).status_code == 204
    assert (await office.login("op@host.example", PASSWORD + "!")).status_code == 200


async def test_what_a_command_grants_is_granted_to_who_uses_the_token_and_not_to_who_has_the_account(office: Office) -> None:
    """Somebody at another business has taken the address of one who is to be more."""
    other = await office.sign_in("chefe@b.example", "owner", office.world.b)
    invited = (await office.post("/users", {"email": ANA, "role": "viewer"}, other)).json()["token"]
    assert (await office.post("/auth/accept", {"token": invited, "password": "senha do intruso"})).status_code == 204
    stolen = (await office.login(ANA, "senha do intruso")).json()
    tokens = [await office.appoint(ANA, "owner", tenant_id) for tenant_id in (office.world.a, office.world.b)]
    tokens.append(await office.appoint(ANA, is_operator=True))
    office.later(5)
    assert (await office.get("/me", stolen["access_token"])).json()["role"] == "viewer"
    assert (await office.login(ANA, "senha do intruso", tenant="a")).status_code == 401
    assert (await office.login(ANA, "senha do intruso")).json()["role"] == "viewer"
    assert not await office.rt.db.pool.fetchval("SELECT is_operator FROM account WHERE email = $1", ANA)
    for token in tokens:
        assert (await office.post("/auth/accept", {"token": token, "password": PASSWORD})).status_code == 204
    office.later(5)
    assert (await office.get("/me", stolen["access_token"])).status_code == 401
    assert (await renew(office, stolen["refresh_token"])).status_code == 401
    assert (await office.login(ANA, "senha do intruso", tenant="b")).status_code == 401
    assert [(await office.login(ANA, tenant=slug)).json()["role"] for slug in "ab"] == ["owner", "owner"]
    assert await office.rt.db.pool.fetchval("SELECT is_operator FROM account WHERE email = $1", ANA)


async def test_one_one_time_token_taken_twice_at_once_lets_in_once(office: Office) -> None:
    token = await office.appoint(ANA, "owner", office.world.a)
    both = [{"token": token, "password": password} for password in (PASSWORD, "mesa verde 4242")]
    answers = await asyncio.gather(*(office.post("/auth/accept", body) for body in both))
    assert sorted(answer.status_code for answer in answers) == [204, 401]
    won = both[[answer.status_code for answer in answers].index(204)]["password"]
    assert [(await office.login(ANA, body["password"])).status_code for body in both] == [
        200 if body["password"] == won else 401 for body in both
    ]


@pytest.mark.parametrize("what", ["password", "disabled"])
async def test_who_signs_in_while_the_password_changes_is_not_let_in(
    what: str, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was true when the hash was computed is looked at again in the transaction that begins the sign-in."""
    await office.settle(ANA, "owner", office.world.a)
    check = HASHING.check

    async def slowly(known: str | None, password: str) -> bool:
        is_right = await check(known, password)
        if what == "password":
            token = await office.appoint(ANA)
            assert (await office.post("/auth/accept", {"token": token, "password": "mesa verde 4242"})).status_code == 204
        else:
            await office.switch(accounts.disable, ANA)
        return is_right

    monkeypatch.setattr(HASHING, "check", slowly)
    late = await office.login(ANA)
    assert (late.status_code, late.json()["code"]) == (401, "sign_in_failed")
    assert await office.rt.db.pool.fetchval("SELECT count(*) FROM sign_in WHERE ended_at IS NULL") == 0


async def renew(office: Office, token: str) -> httpx.Response:
    return await office.post("/auth/refresh", {"refresh_token": token})


async def test_a_refresh_token_is_used_once_and_one_that_comes_after_its_successor_ends_everything(office: Office) -> None:
    """S17."""
    await office.settle(ANA, "owner", office.world.a)
    first = (await office.login(ANA)).json()
    other = (await office.login(ANA)).json()
    second = (await renew(office, first["refresh_token"])).json()
    third = (await renew(office, second["refresh_token"])).json()
    assert len({said["refresh_token"] for said in (first, second, third)}) == 3
    assert (await office.get("/me", third["access_token"])).status_code == 200
    reused = await renew(office, first["refresh_token"])
    assert (reused.status_code, reused.json()["code"]) == (401, "refresh_failed")
    assert (await renew(office, third["refresh_token"])).status_code == 401
    office.later(5)
    assert (await office.get("/me", third["access_token"])).status_code == 401
    assert (await renew(office, other["refresh_token"])).status_code == 200, "another sign-in goes on"


async def test_who_lost_the_answer_hears_the_same_again_for_a_minute(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    first = (await office.login(ANA)).json()["refresh_token"]
    second = (await renew(office, first)).json()["refresh_token"]
    office.later(59)
    office.rt.config = replace(
        office.rt.config, secret_key=(Secret(base64.b64encode(b"n" * 32).decode()), *office.rt.config.secret_key)
    )
    again = await renew(office, first)
    assert (again.status_code, again.json()["refresh_token"]) == (200, second), "also when SECRET_KEY has changed"
    assert (await office.get("/me", again.json()["access_token"])).status_code == 200
    office.later(1)
    assert (await renew(office, first)).status_code == 401
    assert (await renew(office, second)).status_code == 401, "and then it was a theft"


async def test_one_refresh_token_in_two_windows_at_once_has_one_effect(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    token = (await office.login(ANA)).json()["refresh_token"]
    for n in range(5):
        answers = await asyncio.gather(*(renew(office, token) for _ in range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4, n
        (token,) = {answer.json()["refresh_token"] for answer in answers}
        assert await office.rt.db.pool.fetchval("SELECT count(*) FROM refresh_token") == n + 2


async def test_a_refresh_token_is_not_used_up_by_who_is_a_member_no_more(office: Office) -> None:
    """What the answer says is found in the transaction that uses the token."""
    await office.settle(ANA, "owner", office.world.a)
    token = (await office.login(ANA)).json()["refresh_token"]
    async with office.rt.db.tenant(office.world.a) as tx:
        await tx._connection.execute("UPDATE membership SET disabled_at = now()")
    assert (await renew(office, token)).status_code == 401
    office.later(61)
    async with office.rt.db.tenant(office.world.a) as tx:
        await tx._connection.execute("UPDATE membership SET disabled_at = NULL")
    assert (await renew(office, token)).status_code == 200


async def test_a_sign_in_ends_after_ninety_days_and_keeps_a_week_of_used_tokens(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    said, days = (await office.login(ANA)).json(), 0
    while (answer := await renew(office, said["refresh_token"])).status_code == 200:
        said, days = answer.json(), days + 1
        assert await office.rt.db.pool.fetchval("SELECT count(*) FROM refresh_token") <= 9
        office.later(86_400)
    assert days == 90


async def test_a_refresh_token_that_rests_for_a_month_is_over(office: Office) -> None:
    await office.settle(ANA, "owner", office.world.a)
    said = (await office.login(ANA)).json()
    office.later(29 * 86_400)
    said = (await office.post("/auth/refresh", {"refresh_token": said["refresh_token"]})).json()
    assert (await office.get("/me", said["access_token"])).status_code == 200, "each use prolongs it"
    office.later(30 * 86_400)
    assert (await office.post("/auth/refresh", {"refresh_token": said["refresh_token"]})).status_code == 401
    assert (await office.post("/auth/refresh", {"refresh_token": "atr_x"})).status_code == 401
    office.later(8 * 86_400)
    await office.login(ANA)
    assert await office.rt.db.pool.fetchval("SELECT count(*) FROM refresh_token") == 1, "what is long over is not kept"


@pytest.mark.parametrize("how", ["logout", "disabled", "disabled alone", "removed", "password"])
async def test_what_is_taken_back_is_gone_within_five_seconds_in_every_process(how: str, office: Office, config: Config) -> None:
    """S18, with two processes that both know the sign-in."""
    token = await office.sign_in(ANA, "owner", office.world.a)
    async with app.open_runtime(replace(config, jwt_secret=(Secret(JWT),))) as rt, open_office(rt, office.world) as other:
        other.at = office.at
        for process in (office, other):
            assert (await process.get("/me", token)).status_code == 200
        if how == "logout":
            assert (await office.post("/auth/logout", bearer=token)).status_code == 204
        elif how == "disabled":
            await office.switch(accounts.disable, ANA)
        elif how == "disabled alone":
            await rt.db.pool.execute("UPDATE account SET disabled_at = now()")
        elif how == "removed":
            async with rt.db.tenant(office.world.a) as tx:
                await tx._connection.execute("UPDATE membership SET disabled_at = now()")
        else:
            await office.settle(ANA, "owner", office.world.a)
        for process in (office, other):
            process.later(4.9)
            assert (await process.get("/me", token)).status_code == 401
    if how == "disabled":
        assert (await office.login(ANA)).json()["code"] == "sign_in_failed"
        await office.switch(accounts.enable, ANA)
        assert (await office.login(ANA)).status_code == 200


async def test_an_operator_who_is_demoted_is_none_within_five_seconds(office: Office) -> None:
    token = await office.sign_in("op@host.example", is_operator=True)
    unused = await office.appoint("op@host.example", is_operator=True)
    assert (await office.get("/me", token)).json()["role"] == "operator"
    await office.switch(accounts.demote, "op@host.example")
    office.later(4.9)
    assert (await office.get("/me", token)).status_code == 401
    assert (await office.login("op@host.example")).status_code == 401
    assert (await office.post("/auth/accept", {"token": unused, "password": PASSWORD})).status_code == 401


async def test_a_role_that_changes_is_another_within_five_seconds(office: Office) -> None:
    token = await office.sign_in(ANA, "owner", office.world.a)
    assert (await office.get("/me", token)).json()["role"] == "owner"
    async with office.rt.db.tenant(office.world.a) as tx:
        await tx._connection.execute("UPDATE membership SET role = 'viewer'")
    office.later(4.9)
    assert (await office.get("/me", token)).json()["role"] == "viewer"


async def test_an_access_token_ends_and_keys_may_be_changed_while_it_holds(office: Office) -> None:
    """S18: a new key signs, the old one is accepted until its tokens are over."""
    token = await office.sign_in(ANA, "owner", office.world.a)
    office.rt.config = replace(office.rt.config, jwt_secret=(Secret("nova:" + "n" * 32), Secret(JWT)))
    assert (await office.get("/me", token)).status_code == 200
    assert (await office.get("/me", (await office.login(ANA)).json()["access_token"])).status_code == 200
    office.rt.config = replace(office.rt.config, jwt_secret=(Secret("nova:" + "n" * 32),))
    assert (await office.get("/me", token)).status_code == 401
    fresh = (await office.login(ANA)).json()["access_token"]
    office.later(899)
    assert (await office.get("/me", fresh)).status_code == 200
    office.later(1)
    assert (await office.get("/me", fresh)).status_code == 401


async def test_the_database_holds_nothing_that_lets_in(office: Office) -> None:
    """S20: what is shown to us is in no column."""
    token = await office.appoint("bia@oficina.example", "agent", office.world.a)
    await office.settle(ANA, "owner", office.world.a)
    said = (await office.login(ANA)).json()
    rows = ""
    for table in ("account", "sign_in", "refresh_token", "one_time_token", "login_throttle"):
        rows += str([tuple(row) for row in await office.rt.db.pool.fetch(f"SELECT * FROM {table}")])
    for shown in (PASSWORD, token, said["refresh_token"], said["access_token"]):
        assert shown not in rows and shown.removeprefix("ato_").removeprefix("atr_") not in rows
