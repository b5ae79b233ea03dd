"""Who may what, in one table: every endpoint × every kind of caller × another tenant's things (S7, S23).

The table is written here a second time, by hand: an endpoint that is not in it, or lets in somebody else, fails.
"""

import dataclasses
import itertools
import re
from uuid import UUID

import httpx
import pytest
from msgspec import Raw

from atendeja import app, ledger, openapi
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.endpoint import Access, Endpoint, Role
from atendeja.flows.trying import SMALL
from atendeja.ledger import NewEvent
from atendeja.runtime import Runtime
from tests import world
from tests.office import PASSWORD, Office

EVERYBODY = {"owner", "admin", "agent", "viewer", "operator"}
HEADS = {"owner", "admin"}
AGENTS = HEADS | {"agent"}
MEMBERS = AGENTS | {"viewer"}
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
    "list_keys": HEADS | {"operator"},
    "make_key": HEADS | {"operator"},
    "drop_key": HEADS | {"operator"},
    "list_changes": HEADS | {"operator", "key", "host key"},
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
    "show_settings": MEMBERS | {"key"},
    "change_settings": HEADS | {"key"},
    "list_numbers": MEMBERS | {"key"},
    "add_number": HEADS | {"key"},
    "show_number": MEMBERS | {"key"},
    "change_number": HEADS | {"key"},
    "show_number_health": MEMBERS | {"key"},
    "verify_number": HEADS | {"key"},
    "pause_number": HEADS | {"key"},
    "resume_number": HEADS | {"key"},
    "list_tenants": {"operator", "host key"},
    "make_tenant": {"operator", "host key"},
    "show_tenant": {"operator", "host key"},
    "change_tenant": {"operator", "host key"},
    "show_installation": {"operator", "host key"},
    "resume_sending": {"operator"},
    "list_deliveries": {"operator", "host key"},
    "retry_deliveries": {"operator", "host key"},
    "show_delivery": {"operator"},
    "retry_delivery": {"operator", "host key"},
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
    "show_contact_timeline": MEMBERS | {"key"},
    "export_contact": HEADS | {"key"},
    "erase_contact": HEADS | {"key"},
    "list_jobs": HEADS | {"key"},
    "show_job": HEADS | {"key"},
    "cancel_job": HEADS | {"key"},
    "retry_job": HEADS | {"key"},
    "download_file": HEADS | {"key"},
    "list_conversations": MEMBERS | {"key"},
    "show_conversation": MEMBERS | {"key"},
    "show_conversation_timeline": MEMBERS | {"key"},
    "take_over_conversation": AGENTS | {"key"},
    "hand_over_conversation": AGENTS | {"key"},
    "release_conversation": AGENTS | {"key"},
    "close_conversation": AGENTS | {"key"},
    "send_message": AGENTS | {"key"},
    "send_messages": AGENTS | {"key"},
    "list_messages": MEMBERS | {"key"},
    "show_message": MEMBERS | {"key"},
    "explain_message": MEMBERS | {"key"},
    "withdraw_message": AGENTS | {"key"},
    "show_statistics": MEMBERS | {"key"},
    "list_notices": MEMBERS | {"key"},
    "show_event": MEMBERS | {"key"},
    "list_dead_letters": MEMBERS | {"key"},
    "replay_dead_letters": AGENTS | {"key"},
    "discard_dead_letters": AGENTS | {"key"},
    "keep_file": AGENTS | {"key"},
    "list_files": MEMBERS | {"key"},
    "show_file": MEMBERS | {"key"},
    "give_file": MEMBERS | {"key"},
    "drop_file": AGENTS | {"key"},
}
"""None: anybody at all. `key` and `host key`: with every scope that an owner and an operator can give."""
BODIES: dict[str, object] = {
    "change_user": {"role": "viewer"},
    "hand_over_conversation": {"queue": "x"},
    "replay_webhook": {"since": "2026-03-04T12:30:00Z"},
    "pause_number": {"reason": "x"},
    "change_flow": {"number_id": None},
    "save_draft": {"source": SMALL},
    "publish_flow": {"version_id": openapi.AN_ID},
    "merge_contact": {"into": "01980000-0000-7000-8000-000000000000"},
    "declare_consent": {"purpose": "marketing", "state": "out", "evidence": {"source": "x"}},
}
TEMPLATE = {"type": "template", "name": "pronto", "language": "pt_BR"}
QUERIES = {"stream_events": "?types=x"}
"""Who is let in gets a 422, and not an answer without an end."""
FRESH = {
    "enrol_totp": True,
    "make_key": True,
    "merge_contact": True,
    "export_contact": True,
    "erase_contact": True,
    "download_file": True,
    "invite_user": "sometimes",
    "change_user": "sometimes",
    "make_tenant": True,
    "change_tenant": "sometimes",
    "resume_sending": True,
    "show_delivery": True,
}
"""What wants a proof of who one is that is ten minutes old at most; `sometimes`: where an owner is made or changed, a business
suspended or let go on."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


async def everybody(office: Office) -> dict[str, str]:
    """A bearer of every kind."""
    roles: list[Role] = ["owner", "admin", "agent", "viewer"]
    bearers: dict[str, str] = {role: await office.sign_in(f"{role}@a.example", role, office.world.a) for role in roles}
    bearers["operator"] = await office.sign_in("operator@host.example", is_operator=True)
    access = Access(app.ENDPOINTS)
    makers: dict[str, Role] = {"key": "owner", "host key": "operator"}
    for key, maker in makers.items():
        new = {"name": "all", "scopes": sorted(access.grantable(maker))}
        bearers[key] = (await office.post("/keys", new, bearers[maker])).json()["secret"]
    return bearers | {"stranger": ""}


async def things_of_b(office: Office) -> tuple[str, dict[str, str]]:
    """Tenant B's owner, and for each path with an id something of hers; of what operators see, something that is not there."""
    boss = await office.sign_in("owner@b.example", "owner", office.world.b)
    key = (await office.post("/keys", {"name": "b", "scopes": ["users:read"]}, boss)).json()["key"]["id"]
    user = (await office.post("/users", {"email": "other@b.example", "role": "agent"}, boss)).json()["user"]["id"]
    flow = (await office.post("/flows", {"source": SMALL}, boss)).json()
    contact = (await office.post("/contacts", {"phone": "+55 11 90000-0001"}, boss)).json()["id"]
    job = (await office.post(f"/contacts/{contact}/export", bearer=boss)).json()["id"]
    assert isinstance(office.world.number_b, UUID)
    number_id, person = office.world.number_b, Person("300000000000002", None, "5521900000001")
    _, talk = await office.rt.db.transact(office.world.b, lambda tx: world.talk(tx, office.rt, person, number_id))
    text = {"to": {"conversation_id": str(talk)}, "content": TEMPLATE, "category": "utility"}
    headers = {"Authorization": f"Bearer {boss}", "Content-Type": "text/plain"}
    hook = (await office.post("/webhooks", {"url": "https://b.example/hook"}, boss)).json()["webhook"]["id"]
    things = {
        "webhooks": hook,
        "users": user,
        "keys": key,
        "flows": flow["id"],
        "flow-versions": flow["draft"]["id"],
        "contacts": contact,
        "jobs": job,
        "numbers": str(office.world.number_b),
        "conversations": str(talk),
        "messages": (await office.post("/messages", text, boss)).json()["id"],
        "media": (await office.http.post("/v1/media", content=b"oi", headers=headers)).json()["id"],
        "events": await office.rt.db.transact(office.world.b, lambda tx: hear(tx, office, number_id, talk)),
        "tenants": "nobody",
        "deliveries": "2026-03-04-1",
    }
    return boss, {e.path: things[e.path.split("/")[2]] for e in app.ENDPOINTS if e.names}


async def hear(tx: Tx, office: Office, number_id: UUID, talk: UUID) -> str:
    """An event of a conversation."""
    event = NewEvent(office.rt.new_id(), number_id, None, talk, "k", "text", 1, 0, Raw(b"{}"), office.at, office.at, "recorded")
    await ledger.record_events(tx, [event], office.at)
    return str(event.id)


async def snapshot(office: Office, boss: str) -> list[object]:
    return [
        (await office.get(f"/{what}", boss)).json()
        for what in (
            *("users", "keys", "audit", "numbers", "flows", "contacts", "jobs", "conversations", "messages", "media", "webhooks"),
        )
    ]


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
            if not (found == wanted if wanted else answer.status_code in (200, 201, 204, 415, 422)):
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
    path = re.sub(r"{\w+}", theirs[endpoint.path], endpoint.path) if endpoint.names else endpoint.path
    path += QUERIES.get(endpoint.operation, "")
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    takes_body = endpoint.has_body and endpoint.takes is not None
    body = BODIES.get(endpoint.operation, {}) if takes_body else None
    return await office.http.request(endpoint.method, path, headers=headers, json=body)


async def test_what_is_sensitive_wants_that_one_has_proved_lately_who_one_is(office: Office) -> None:
    """S28: for ten minutes after signing in, and after confirming, in the process that was asked and in each other."""
    assert {e.operation: e.fresh for e in app.ENDPOINTS if e.fresh} == FRESH
    bearers = await everybody(office)
    del bearers["key"], bearers["host key"], bearers["stranger"]
    fresh = [e for e in app.ENDPOINTS if e.fresh is True]
    for wait_s, is_refused in ((590, False), (11, True)):
        office.later(wait_s)
        for endpoint, (who, bearer) in itertools.product(fresh, bearers.items()):
            if who in (MAY[endpoint.operation] or ()):
                answer = await ask(office, endpoint, {endpoint.path: "2026-03-04-1"}, bearer)
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
