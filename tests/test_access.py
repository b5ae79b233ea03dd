"""Who may what, in one table: every endpoint × every kind of caller × another tenant's things (S7, S23).

The table is written here a second time, by hand: an endpoint that is not in it, or lets in somebody else, fails.
"""

import dataclasses
import itertools

import httpx
import pytest

from atendeja import app, openapi
from atendeja.endpoint import Endpoint, Role
from atendeja.flows.trying import SMALL
from atendeja.runtime import Runtime
from tests.office import PASSWORD, Office

EVERYBODY = {"owner", "admin", "agent", "viewer", "operator"}
HEADS = {"owner", "admin"}
MEMBERS = HEADS | {"agent", "viewer"}
MAY: dict[str, set[str] | None] = {
    "login": None,
    "refresh": None,
    "accept": None,
    "confirm": EVERYBODY,
    "enrol_totp": EVERYBODY,
    "activate_totp": EVERYBODY,
    "dismiss_totp": EVERYBODY,
    "logout": EVERYBODY,
    "me": EVERYBODY,
    "list_users": HEADS | {"key"},
    "show_user": HEADS | {"key"},
    "invite_user": HEADS,
    "change_user": HEADS,
    "list_keys": HEADS,
    "make_key": HEADS,
    "drop_key": HEADS,
    "list_changes": HEADS | {"operator", "key"},
    "show_language": MEMBERS | {"key"},
    "list_examples": MEMBERS | {"key"},
    "check_flow": MEMBERS | {"key"},
    "test_flow": MEMBERS | {"key"},
    "simulate_flow": MEMBERS | {"key"},
    "list_flows": MEMBERS | {"key"},
    "make_flow": HEADS | {"key"},
    "show_flow": MEMBERS | {"key"},
    "change_flow": HEADS | {"key"},
    "list_versions": MEMBERS | {"key"},
    "show_version": MEMBERS | {"key"},
    "show_draft": MEMBERS | {"key"},
    "save_draft": HEADS | {"key"},
    "drop_draft": HEADS | {"key"},
    "publish_flow": HEADS | {"key"},
    "retire_flow": HEADS | {"key"},
    "list_contacts": MEMBERS | {"key"},
    "search_contacts": MEMBERS | {"key"},
    "make_contact": MEMBERS - {"viewer"} | {"key"},
    "show_contact": MEMBERS | {"key"},
    "change_contact": MEMBERS - {"viewer"} | {"key"},
    "merge_contact": HEADS,
    "list_consents": MEMBERS | {"key"},
    "declare_consent": MEMBERS - {"viewer"} | {"key"},
    "show_timeline": MEMBERS | {"key"},
    "export_contact": HEADS | {"key"},
    "erase_contact": HEADS | {"key"},
    "list_jobs": HEADS | {"key"},
    "show_job": HEADS | {"key"},
    "cancel_job": HEADS | {"key"},
    "retry_job": HEADS | {"key"},
    "download_file": HEADS | {"key"},
}
"""None: anybody at all. `key`: one with every scope there is."""
BODIES: dict[str, dict[str, object]] = {
    "change_user": {"role": "viewer"},
    "change_flow": {"number_id": None},
    "save_draft": {"source": SMALL},
    "publish_flow": {"version_id": openapi.AN_ID},
    "merge_contact": {"into": "01980000-0000-7000-8000-000000000000"},
    "declare_consent": {"purpose": "marketing", "state": "out", "evidence": {"source": "x"}},
}
FRESH = {
    "enrol_totp": True,
    "make_key": True,
    "invite_user": "sometimes",
    "change_user": "sometimes",
    "merge_contact": True,
    "export_contact": True,
    "erase_contact": True,
    "download_file": True,
}
"""What wants a proof of who one is that is ten minutes old at most; `sometimes`: where an owner is made or changed."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


async def everybody(office: Office) -> dict[str, str]:
    """A bearer of every kind."""
    roles: list[Role] = ["owner", "admin", "agent", "viewer"]
    bearers: dict[str, str] = {role: await office.sign_in(f"{role}@a.example", role, office.world.a) for role in roles}
    bearers["operator"] = await office.sign_in("operator@host.example", is_operator=True)
    scopes = sorted({e.scope for e in app.ENDPOINTS if e.scope is not None})
    bearers["key"] = (await office.post("/keys", {"name": "all", "scopes": scopes}, bearers["owner"])).json()["secret"]
    return bearers | {"stranger": ""}


async def things_of_b(office: Office) -> tuple[str, dict[str, str]]:
    """Tenant B's owner, and for each path with an id something of hers."""
    boss = await office.sign_in("owner@b.example", "owner", office.world.b)
    key = (await office.post("/keys", {"name": "b", "scopes": ["users:read"]}, boss)).json()["key"]["id"]
    user = (await office.post("/users", {"email": "other@b.example", "role": "agent"}, boss)).json()["user"]["id"]
    flow = (await office.post("/flows", {"source": SMALL}, boss)).json()
    contact = (await office.post("/contacts", {"phone": "+55 11 90000-0001"}, boss)).json()["id"]
    job = (await office.post(f"/contacts/{contact}/export", bearer=boss)).json()["id"]
    things = {
        "users": user,
        "keys": key,
        "flows": flow["id"],
        "flow-versions": flow["draft"]["id"],
        "contacts": contact,
        "jobs": job,
    }
    return boss, {e.path: things[e.path.split("/")[2]] for e in app.ENDPOINTS if e.names}


async def snapshot(office: Office, boss: str) -> list[object]:
    return [(await office.get(path, boss)).json() for path in ("/users", "/keys", "/audit", "/flows", "/contacts", "/jobs")]


def test_every_endpoint_is_in_the_table_once() -> None:
    assert sorted(MAY) == sorted(e.operation for e in app.ENDPOINTS)
    assert len({(e.method, e.path) for e in app.ENDPOINTS}) == len(app.ENDPOINTS)


async def test_every_endpoint_lets_in_whom_it_should_and_shows_nobody_anothers_things(office: Office) -> None:
    bearers = await everybody(office)
    boss, theirs = await things_of_b(office)
    before = await snapshot(office, boss)
    wrong = []
    for endpoint in sorted(app.ENDPOINTS, key=lambda e: e.operation == "logout"):  # which ends what the others need
        for who, bearer in bearers.items():
            wanted = expected(endpoint, who)
            answer = await ask(office, endpoint, theirs, bearer)
            found = (answer.status_code, answer.json().get("code")) if answer.content else (answer.status_code, None)
            if not (found == wanted if wanted else answer.status_code in (200, 201, 204, 422)):
                wrong.append((endpoint.operation, who, found, wanted))
    assert wrong == []
    office.later(5)
    assert await snapshot(office, boss) == before


def expected(endpoint: Endpoint[Runtime], who: str) -> tuple[int, str] | None:
    """What the table says is answered; None for what is done, or not read."""
    may = MAY[endpoint.operation]
    if may is not None and who not in may:
        return (401, "not_signed_in") if who == "stranger" else (403, "forbidden")
    return (404, "not_found") if endpoint.names else None


async def ask(office: Office, endpoint: Endpoint[Runtime], theirs: dict[str, str], bearer: str) -> httpx.Response:
    path = endpoint.path.replace("{id}", theirs[endpoint.path]) if endpoint.names else endpoint.path
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    takes_body = endpoint.method not in ("GET", "DELETE") and endpoint.takes is not None
    body = BODIES.get(endpoint.operation, {}) if takes_body else None
    return await office.http.request(endpoint.method, path, headers=headers, json=body)


async def test_what_is_sensitive_wants_that_one_has_proved_lately_who_one_is(office: Office) -> None:
    """S28: for ten minutes after signing in, and after confirming, in the process that was asked and in each other."""
    assert {e.operation: e.fresh for e in app.ENDPOINTS if e.fresh} == FRESH
    bearers = await everybody(office)
    del bearers["key"], bearers["stranger"]
    fresh = [e for e in app.ENDPOINTS if e.fresh is True]
    for wait_s, is_refused in ((590, False), (11, True)):
        office.later(wait_s)
        for endpoint, (who, bearer) in itertools.product(fresh, bearers.items()):
            if who in (MAY[endpoint.operation] or ()):
                answer = await ask(office, endpoint, {endpoint.path: openapi.AN_ID}, bearer)
                assert (answer.status_code == 403) == is_refused, (endpoint.operation, who, answer.text)
                assert not is_refused or answer.json()["code"] == "sign_in_again"
    owner = bearers["owner"]
    for wrong in ({"password": "errada errada"}, {"password": PASSWORD, "code": "000000", "tenant": "a"}):
        assert (await office.post("/auth/confirm", wrong, owner)).status_code in (403, 422)
    new = {"name": "x", "scopes": ["users:read"]}
    assert (await office.post("/keys", new, owner)).status_code == 403
    assert (await office.post("/auth/confirm", {"password": PASSWORD}, owner)).status_code == 204
    assert (await office.post("/keys", new, owner)).status_code == 201, "at once, whatever was remembered"
    assert (await office.post("/keys", new, bearers["admin"])).status_code == 403, "it is her sign-in that was confirmed, no other"


async def test_an_owner_is_made_and_changed_only_by_who_has_proved_lately_who_he_is(office: Office) -> None:
    """S28: and what is less is done all the same."""
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    office.later(601)
    invited = await office.post("/users", {"email": "bia@a.example", "role": "agent"}, owner)
    bia = invited.json()["user"]["id"]
    assert (await office.patch(f"/users/{bia}", {"role": "viewer"}, owner)).status_code == 200
    me = (await office.get("/me", owner)).json()["account_id"]
    await office.settle("caio@a.example", "owner", office.world.a)
    for refused in (
        await office.patch(f"/users/{bia}", {"role": "owner"}, owner),
        await office.patch(f"/users/{me}", {"role": "viewer"}, owner),
        await office.patch(f"/users/{me}", {"disabled": True}, owner),
        await office.post("/users", {"email": "duda@a.example", "role": "owner"}, owner),
        await office.post("/users", {"email": "bia@a.example", "role": "owner"}, owner),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_again")
    assert (await office.post("/auth/confirm", {"password": PASSWORD}, owner)).status_code == 204
    assert (await office.patch(f"/users/{bia}", {"role": "owner"}, owner)).status_code == 200


async def test_a_refreshed_sign_in_has_not_proved_anything(office: Office) -> None:
    """S28: else a token that was stolen would prove itself."""
    await office.settle("owner@a.example", "owner", office.world.a)
    pair = (await office.login("owner@a.example")).json()
    office.later(601)
    pair = (await office.post("/auth/refresh", {"refresh_token": pair["refresh_token"]})).json()
    answer = await office.post("/keys", {"name": "x", "scopes": ["users:read"]}, pair["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (403, "sign_in_again")


def test_a_key_does_what_wants_a_proof_only_where_that_is_said() -> None:
    """S28: a key can prove nothing."""
    one = app.ENDPOINTS[0]
    for fresh, scope, keys_too in ((True, "x:write", False), (True, None, True), (False, "x:write", True), (False, None, True)):
        with pytest.raises(TypeError, match="keys_too"):
            dataclasses.replace(one, fresh=fresh, scope=scope, keys_too=keys_too)
    assert dataclasses.replace(one, fresh=True, scope="x:write", keys_too=True).fresh


async def test_another_tenants_id_and_one_that_never_was_are_the_same(office: Office) -> None:
    """S7: body for body."""
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    _, theirs = await things_of_b(office)
    for endpoint in app.ENDPOINTS:
        if endpoint.names:
            nobody = dict.fromkeys(theirs, str(office.rt.new_id()))
            answers = [await ask(office, endpoint, ids, owner) for ids in (theirs, nobody)]
            bodies = [answer.json() | {"request_id": ""} for answer in answers]
            headers = [{name: value for name, value in answer.headers.items() if name != "x-request-id"} for answer in answers]
            assert bodies[0] == bodies[1] and headers[0] == headers[1], endpoint.operation


@pytest.mark.parametrize("method", METHODS)
async def test_no_path_has_a_method_that_is_not_declared(method: str, office: Office) -> None:
    declared = {(e.method, e.path) for e in app.ENDPOINTS}
    for path in {e.path for e in app.ENDPOINTS}:
        if (method, path) not in declared:
            answer = await office.http.request(method, path.replace("{id}", str(office.rt.new_id())))
            allowed = ", ".join(sorted(m for m, p in declared if p == path))
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
