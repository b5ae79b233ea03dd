"""Who may what, in one table: every endpoint × every kind of caller × another tenant's things (S7, S23).

The table is written here a second time, by hand: an endpoint that is not in it, or lets in somebody else, fails.
"""

import httpx
import pytest

from atendeja import app
from atendeja.endpoint import Endpoint, Role
from atendeja.runtime import Runtime
from tests.office import Office

EVERYBODY = {"owner", "admin", "agent", "viewer", "operator"}
HEADS = {"owner", "admin"}
MAY: dict[str, set[str] | None] = {
    "login": None,
    "refresh": None,
    "accept": None,
    "logout": EVERYBODY,
    "me": EVERYBODY,
    "list_users": HEADS | {"key"},
    "show_user": HEADS | {"key"},
    "invite_user": HEADS,
    "change_user": HEADS,
    "list_keys": HEADS,
    "make_key": HEADS,
    "drop_key": HEADS,
    "list_changes": HEADS | {"key"},
    "stream_events": EVERYBODY - {"operator"} | {"key"},
    "list_webhooks": HEADS | {"key"},
    "make_webhook": HEADS | {"key"},
    "show_webhook": HEADS | {"key"},
    "change_webhook": HEADS | {"key"},
    "drop_webhook": HEADS | {"key"},
    "rotate_webhook_secret": HEADS | {"key"},
    "test_webhook": HEADS | {"key"},
    "list_webhook_deliveries": HEADS | {"key"},
    "replay_webhook": HEADS | {"key"},
}
"""None: anybody at all. `key`: one with every scope there is."""
BODIES: dict[str, object] = {"change_user": {"role": "viewer"}, "replay_webhook": {"since": "2026-03-04T12:30:00Z"}}
QUERIES = {"stream_events": "?types=x"}
"""Who is let in gets a 422, and not an answer without an end."""
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
    hook = (await office.post("/webhooks", {"url": "https://b.example/hook"}, boss)).json()["webhook"]["id"]
    hooks = {f"/v1/webhooks/{{id}}{rest}": hook for rest in ("", "/secret", "/test", "/deliveries", "/replay")}
    return boss, {"/v1/users/{id}": user, "/v1/keys/{id}": key, **hooks}


async def snapshot(office: Office, boss: str) -> list[object]:
    return [(await office.get(path, boss)).json() for path in ("/users", "/keys", "/audit", "/webhooks")]


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
            if not (found == wanted if wanted else answer.status_code in (200, 204, 422)):
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
    path += QUERIES.get(endpoint.operation, "")
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    takes_body = endpoint.method not in ("GET", "DELETE") and endpoint.takes is not None
    body = BODIES.get(endpoint.operation, {}) if takes_body else None
    return await office.http.request(endpoint.method, path, headers=headers, json=body)


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
