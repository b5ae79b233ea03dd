"""Keys of programs: shown once, hashed, for scopes and a time, and gone within five seconds (S20)."""

import datetime as dt

import pytest

from atendeja import accounts
from atendeja.accounts import Gate
from atendeja.endpoint import Caller, Role
from tests.office import Office


async def make(office: Office, bearer: str, **more: object) -> dict[str, object]:
    answer = await office.post("/keys", {"name": "ERP", "scopes": ["users:read"], **more}, bearer)
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    return made


async def test_a_key_does_what_its_scopes_say_and_is_shown_once(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    made = await make(office, boss)
    secret = str(made["secret"])
    assert secret.startswith("atj_") and len(secret) == 47
    assert (await office.get("/users", secret)).json()["items"][0]["email"] == "ana@a.example"
    for path in ("/audit", "/keys", "/me"):
        assert (await office.get(path, secret)).status_code == 403
    assert (await office.post("/keys", {"name": "x", "scopes": ["users:read"]}, secret)).status_code == 403, "a key makes no key"
    listed = (await office.get("/keys", boss)).json()["items"]
    assert [key["id"] for key in listed] == [made["key"]["id"]] and secret not in str(listed)  # type: ignore[index]  # JSON
    rows = ""
    async with office.rt.db.tenant(office.world.a) as tx:
        for table in ("api_key", "key_route", "audit"):
            rows += str([tuple(row) for row in await tx._connection.fetch(f"SELECT * FROM {table}")])
    assert secret not in rows and secret[8:] not in rows


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_nobody_gives_a_key_what_there_is_not(role: Role, office: Office) -> None:
    boss = await office.sign_in("ana@a.example", role, office.world.a)
    for scopes in (["users:write"], ["users:read", "*"], [""]):
        refused = await office.post("/keys", {"name": "x", "scopes": scopes}, boss)
        assert (refused.status_code, refused.json()["code"]) == (422, "key_refused")
    assert (await office.post("/keys", {"name": "x", "scopes": []}, boss)).status_code == 422


async def test_a_key_ends_at_its_time_to_the_second(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    for at in (office.at.isoformat(), "2060-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"):
        refused = await office.post("/keys", {"name": "x", "scopes": ["users:read"], "expires_at": at}, boss)
        assert (refused.status_code, refused.json()["code"]) == (422, "key_refused")
    secret = str((await make(office, boss, expires_at=(office.at + dt.timedelta(seconds=10)).isoformat()))["secret"])
    for seconds, status in ((0, 200), (8, 200), (1.9, 200), (0.1, 401)):
        office.later(seconds)
        assert (await office.get("/users", secret)).status_code == status


async def test_a_key_that_was_dropped_is_gone_within_five_seconds(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    made = await make(office, boss)
    assert (await office.get("/users", str(made["secret"]))).status_code == 200
    key_id = made["key"]["id"]  # type: ignore[index]  # JSON
    assert (await office.delete(f"/keys/{key_id}", boss)).status_code == 204
    assert (await office.delete(f"/keys/{key_id}", boss)).status_code == 404
    office.later(4.9)
    assert (await office.get("/users", str(made["secret"]))).status_code == 401
    assert await office.rt.db.pool.fetchval("SELECT count(*) FROM key_route") == 0


async def test_a_text_that_is_no_key_lets_nobody_in(office: Office) -> None:
    for text in ("atj_", "atj_" + "x" * 43, "atj_x.y"):
        assert (await office.get("/users", text)).status_code == 401


async def test_its_use_is_written_down_once_a_minute(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    secret, first = str((await make(office, boss))["secret"]), office.at
    for seconds, used in ((0, first), (30, first), (25, first), (5, first + dt.timedelta(seconds=60))):
        office.later(seconds)
        assert (await office.get("/users", secret)).status_code == 200
        (key,) = (await office.get("/keys", boss)).json()["items"]
        assert dt.datetime.fromisoformat(key["last_used_at"]) == used


@pytest.mark.parametrize("change", [{"disabled": True}, {"role": "agent"}])
async def test_the_keys_of_somebody_go_when_he_is_put_out_or_may_make_none_any_more(
    change: dict[str, object], office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_in = Gate.__call__

    async def remember(gate: Gate, bearer: str, *, anew: bool = False) -> Caller | None:
        return await let_in(gate, bearer)

    monkeypatch.setattr(Gate, "__call__", remember)  # as if all of it happened after she was let in
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    admin = await office.sign_in("bia@a.example", "admin", office.world.a)
    hers, others = [str((await make(office, bearer))["secret"]) for bearer in (admin, boss)]
    for secret in (hers, others):
        assert (await office.get("/users", secret)).status_code == 200
    bia = (await office.get("/me", admin)).json()["account_id"]
    assert (await office.patch(f"/users/{bia}", {"role": "owner"}, boss)).status_code == 200
    office.later(4.9)
    assert (await office.get("/users", hers)).status_code == 200, "who is more keeps them"
    assert (await office.get("/me", admin)).json()["role"] == "owner"
    assert (await office.patch(f"/users/{bia}", change, boss)).status_code == 200
    late = await office.post("/keys", {"name": "late", "scopes": ["users:read"]}, admin)
    assert late.status_code == 403, "also in the seconds in which she is still believed to be an owner"
    office.later(4.9)
    assert [(await office.get("/users", secret)).status_code for secret in (hers, others)] == [401, 200]
    assert len((await office.get("/keys", boss)).json()["items"]) == 1
    told = (await office.get("/audit", boss)).json()["items"]
    assert {line["action"] for line in told[:2]} == {"key_dropped", "user_changed"}


async def test_the_keys_of_who_is_put_out_of_the_installation_rest_until_he_is_let_in_again(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    secret = str((await make(office, boss))["secret"])
    await office.switch(accounts.disable, "ana@a.example")
    assert (await office.get("/users", secret)).status_code == 401
    await office.switch(accounts.enable, "ana@a.example")
    office.later(4.9)
    assert (await office.get("/users", secret)).status_code == 200
