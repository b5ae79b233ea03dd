"""A second factor, over HTTP: asked for after the password only, each code once, guesses counted, a way back (S22, S28)."""

import asyncio
from base64 import b32decode

import asyncpg
import pytest

from atendeja import accounts
from atendeja.accounts import proof, totp
from atendeja.errors import Refused
from atendeja.runtime import Runtime
from tests import server
from tests.office import PASSWORD, Office

ANA = "ana@a.example"


def code(office: Office, seed: bytes) -> str:
    """What the app shows half a minute later, and so a code that nobody has used."""
    office.later(30)
    return totp.code(seed, int(office.at.timestamp()) // 30)


async def enrol(office: Office, bearer: str) -> tuple[bytes, list[str]]:
    """The seed of an account that is asked for codes from now on, and its recovery codes."""
    seed = b32decode((await office.post("/me/totp", bearer=bearer)).json()["secret"])
    given = await office.post("/me/totp/activate", {"code": code(office, seed)}, bearer)
    assert given.status_code == 200, given.text
    return seed, given.json()["recovery_codes"]


async def settle(office: Office) -> tuple[str, bytes, list[str]]:
    bearer = await office.sign_in(ANA, "owner", office.world.a)
    return bearer, *await enrol(office, bearer)


async def outcome(office: Office, **more: str) -> tuple[int, str | None]:
    answer = await office.login(ANA, **more)
    return answer.status_code, answer.json().get("code")


async def test_it_counts_from_its_first_right_code_on_and_ends_the_other_sign_ins(office: Office) -> None:
    bearer = await office.sign_in(ANA, "owner", office.world.a)
    other = (await office.login(ANA)).json()["access_token"]
    first = (await office.post("/me/totp", bearer=bearer)).json()["secret"]
    seed = b32decode((await office.post("/me/totp", bearer=bearer)).json()["secret"])
    assert len(seed) == 20 and b32decode(first) != seed
    assert await outcome(office) == (200, None), "nothing is asked for yet"
    for wrong in (code(office, b32decode(first)), "000000"):
        refused = await office.post("/me/totp/activate", {"code": wrong}, bearer)
        assert (refused.status_code, refused.json()["code"]) == (422, "totp_wrong")
    given = await office.post("/me/totp/activate", {"code": code(office, seed)}, bearer)
    assert len({*given.json()["recovery_codes"]}) == 10
    me = (await office.get("/me", bearer)).json()
    assert (me["has_totp"], me["recovery_codes_left"]) == (True, 10)
    office.later(5)
    assert [(await office.get("/me", one)).status_code for one in (bearer, other)] == [200, 401]
    for again in (await office.post("/me/totp", bearer=bearer), await office.post("/me/totp/activate", {"code": "000000"}, bearer)):
        assert (again.status_code, again.json()["code"]) == (409, "totp_exists")


async def test_a_code_is_asked_for_after_the_right_password_only_and_taken_once(office: Office) -> None:
    _, seed, _ = await settle(office)
    assert await outcome(office, password="errada errada") == (401, "sign_in_failed")
    assert await outcome(office, password="errada errada", code=code(office, seed)) == (401, "sign_in_failed")
    assert await outcome(office) == (401, "totp_required")
    for wrong in ("000000", totp.code(seed, int(office.at.timestamp()) // 30 - 2), "aaaq-eaye-auda-ocaj"):
        assert await outcome(office, code=wrong) == (401, "totp_wrong")
    present = code(office, seed)
    assert await outcome(office, code=f"{present[:3]} {present[3:]}") == (200, None)
    assert await outcome(office, code=present) == (401, "totp_wrong"), "it was used"
    now = code(office, seed)
    assert sorted(await asyncio.gather(*(outcome(office, code=now) for _ in range(3)))) == [(200, None), *[(401, "totp_wrong")] * 2]


async def test_a_code_that_was_shown_where_it_was_not_used_still_holds(office: Office) -> None:
    """Who belongs to several businesses and does not say which is asked, and not for another code."""
    _, seed, _ = await settle(office)
    token = await office.appoint(ANA, "agent", office.world.b)
    assert (await office.post("/auth/accept", {"token": token, "password": PASSWORD})).status_code == 204
    present = code(office, seed)
    assert await outcome(office, code=present) == (422, "tenant_wanted")
    assert await outcome(office, code=present, tenant="b") == (200, None)


async def test_codes_are_not_guessed_any_faster_than_passwords(office: Office) -> None:
    """S21: also by who knows the password, and shows it without a code between his guesses."""
    _, seed, _ = await settle(office)
    for _ in range(4):
        assert await outcome(office, code="000000") == (401, "totp_wrong")
        assert await outcome(office) == (401, "totp_required")
    assert await outcome(office, code="000000") == (401, "totp_wrong")
    assert (await outcome(office, code=totp.code(seed, int(office.at.timestamp()) // 30)))[0] == 429
    for _ in range(30):
        office.later(1000)
        assert await outcome(office) == (401, "totp_required")
    assert await outcome(office, code=code(office, seed)) == (200, None)
    assert await office.rt.db.pool.fetchval("SELECT max(count) FROM login_throttle WHERE key LIKE 'network:%'") == 5, "the guesses"


async def test_who_has_the_password_guesses_no_faster_from_many_networks_and_keeps_nobody_out(office: Office) -> None:
    """S21, S22: a code is one of a million, so ten wrong ones of an account are enough, wherever they come from."""
    _, seed, codes = await settle(office)
    assert await outcome(office, code=codes[0]) == (200, None)

    async def from_afar(n: int, given: str | None) -> str:
        body = {"email": ANA, "password": PASSWORD} | ({"code": given} if given else {})
        answer = await office.http.post("/v1/auth/login", json=body, headers={"X-Forwarded-For": f"6.6.{n}.6"})
        return str(answer.json().get("code"))

    assert [await from_afar(n, "000000") for n in range(10)] == ["totp_wrong"] * 10
    office.later(0.5)
    assert await from_afar(99, None) == "totp_required"
    assert await from_afar(99, totp.code(seed, int(office.at.timestamp()) // 30)) == "too_many_tries"
    assert await outcome(office, code=code(office, seed)) == (200, None), "at her usual place she waits for nothing"
    office.later(60)
    assert await from_afar(98, "000000") == "totp_wrong"
    assert await from_afar(97, codes[1]) == "too_many_tries", "and longer each time"


async def test_a_recovery_code_is_taken_once_and_its_use_is_seen(office: Office) -> None:
    bearer, seed, codes = await settle(office)
    lost = codes[0]
    assert sorted(await asyncio.gather(*(outcome(office, code=lost.upper()) for _ in range(3)))) == [
        (200, None),
        (401, "totp_wrong"),
        (401, "totp_wrong"),
    ]
    assert await outcome(office, code=lost) == (401, "totp_wrong")
    assert await outcome(office, code=codes[1]) == (200, None)
    assert (await office.get("/me", bearer)).json()["recovery_codes_left"] == 8
    told = [line["action"] for line in (await office.get("/audit", bearer)).json()["items"]]
    assert told.count("recovery_code_used") == 2 and "totp_enabled" in told
    assert await outcome(office, code=code(office, seed)) == (200, None)


async def test_it_is_put_away_with_password_and_code_or_on_the_machine(office: Office) -> None:
    bearer, seed, codes = await settle(office)
    for body in ({"password": PASSWORD, "code": "000000"}, {"password": "errada errada", "code": code(office, seed)}):
        assert (await office.post("/me/totp/dismiss", body, bearer)).status_code == 403
    assert (await office.post("/me/totp/dismiss", {"password": PASSWORD, "code": codes[9]}, bearer)).status_code == 204
    assert await outcome(office) == (200, None)
    assert (await office.get("/me", bearer)).json()["has_totp"] is False
    await enrol(office, bearer)
    assert await outcome(office) == (401, "totp_required")
    await office.switch(accounts.reset_totp, ANA)
    assert await outcome(office) == (200, None)
    office.later(5)
    assert (await office.get("/me", bearer)).status_code == 401, "whoever has the telephone is out"
    with pytest.raises(Refused, match="has no second factor"):
        await office.switch(accounts.reset_totp, ANA)


async def test_a_sign_in_by_a_password_alone_does_not_slip_in_while_a_second_factor_comes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = await office.sign_in(ANA, "owner", office.world.a)
    seed = b32decode((await office.post("/me/totp", bearer=bearer)).json()["secret"])
    check_code = proof._check_code

    async def late(rt: Runtime, shown: proof.Proof, given: str | None, counted: list[str]) -> proof.Proof | None:
        found = await check_code(rt, shown, given, counted)
        assert (await office.post("/me/totp/activate", {"code": code(office, seed)}, bearer)).status_code == 200
        return found

    monkeypatch.setattr(proof, "_check_code", late)
    assert await outcome(office) == (401, "totp_required")


async def test_neither_a_seed_nor_a_recovery_code_lies_in_the_database(
    office: Office, cluster: server.Server, database: str
) -> None:
    """S22, S40: the seed is sealed for its account; carried to another it does not open."""
    _, seed, codes = await settle(office)
    bia = await office.sign_in("bia@a.example", "admin", office.world.a)
    mine, _ = await enrol(office, bia)
    owner = await asyncpg.connect(cluster.dsn(database, "postgres"))
    rows = str(await owner.fetch("SELECT * FROM totp")) + str(await owner.fetch("SELECT * FROM recovery_code"))
    for secret in (seed, *(form.encode() for one in codes for form in (one, totp.normal(one)))):
        assert str(secret)[2:-1] not in rows and secret.hex() not in rows
    await owner.execute("UPDATE totp SET seed = (SELECT seed FROM totp t WHERE t.account_id <> totp.account_id LIMIT 1)")
    await owner.close()
    for shown in (seed, mine):
        answer = await office.login(ANA, code=code(office, shown))
        assert (answer.status_code, "access_token" in answer.text) == (503, False)
