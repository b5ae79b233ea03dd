"""Businesses as operators make, change and suspend them: nobody gets into one by it, and nobody else may."""

import asyncio

import pytest

from atendeja import audit
from tests.office import PASSWORD, Office


@pytest.fixture
async def operator(office: Office) -> str:
    return await office.sign_in("op@host.example", is_operator=True)


async def test_a_business_is_made_with_an_invitation_for_its_owner(office: Office, operator: str) -> None:
    new = {"slug": "oficina", "name": " Oficina Sol ", "timezone": "America/Manaus", "owner": "Ana@Sol.example"}
    made = (await office.post("/tenants", new, operator)).json()
    assert made["tenant"] == {
        "tenant_id": made["tenant"]["tenant_id"], "slug": "oficina", "name": "Oficina Sol", "timezone": "America/Manaus",
        "language": "pt-BR", "created_at": made["tenant"]["created_at"], "suspended_at": None, "suspended_for": None,
    }  # fmt: skip
    assert (made["owner"]["user"]["role"], made["owner"]["user"]["state"]) == ("owner", "invited")
    assert (await office.post("/auth/accept", {"token": made["owner"]["token"], "password": PASSWORD})).status_code == 204
    signed_in = (await office.login("ana@sol.example")).json()
    assert (signed_in["role"], signed_in["tenant"]) == ("owner", "oficina")
    me = (await office.get("/me", operator)).json()["account_id"]
    lines = (await office.get("/audit", signed_in["access_token"])).json()["items"]
    mine = made["owner"]["user"]["id"]
    told = {("tenant_made", me), ("user_invited", me), ("user_joined", mine)}
    assert {(line["action"], line["user_id"]) for line in lines} == told
    assert (await audit.verify(office.rt.db, made["tenant"]["tenant_id"])).fault is None
    assert [t["slug"] for t in (await office.get("/tenants", operator)).json()["items"]] == ["a", "b", "oficina"]
    assert (await office.get("/tenants/oficina", operator)).json() == made["tenant"]


async def test_no_operator_gets_into_an_account_by_inviting_it(office: Office, operator: str) -> None:
    """S25: the token that he sees is worth nothing without the password of who has the account."""
    await office.settle("boss@a.example", "owner", office.world.a)
    made = (await office.post("/tenants", {"slug": "x", "name": "X", "owner": "boss@a.example"}, operator)).json()
    stolen = await office.post("/auth/accept", {"token": made["owner"]["token"], "password": "a senha do operador 1"})
    assert (stolen.status_code, stolen.json()["code"]) == (401, "sign_in_failed")
    assert (await office.login("boss@a.example", tenant="a")).status_code == 200


async def test_the_same_request_twice_makes_one_and_a_taken_slug_is_refused_whole(office: Office, operator: str) -> None:
    new = {"slug": "gemea", "name": "Gêmea", "owner": "dona@gemea.example"}
    headers = {"Authorization": f"Bearer {operator}", "Idempotency-Key": "k"}
    answers = await asyncio.gather(*(office.http.post("/v1/tenants", json=new, headers=headers) for _ in range(3)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    again = await office.post("/tenants", new | {"owner": "outra@gemea.example"}, operator)
    assert (again.status_code, again.json()["code"]) == (409, "tenant_exists")
    owner = answers[0].json()["owner"]
    await office.post("/auth/accept", {"token": owner["token"], "password": PASSWORD})
    bearer = (await office.login("dona@gemea.example")).json()["access_token"]
    assert [user["email"] for user in (await office.get("/users", bearer)).json()["items"]] == ["dona@gemea.example"]


async def test_what_is_wrong_is_refused_and_nothing_is_made(office: Office, operator: str) -> None:
    """S12, S24."""
    good = {"slug": "certa", "name": "Certa"}
    for wrong in (
        {"slug": ""}, {"slug": "A"}, {"slug": "-a"}, {"slug": "a" * 41}, {"slug": "a\n"}, {"slug": "../a"}, {"name": ""},
        {"name": " "}, {"timezone": "Mars/Olympus"}, {"language": "fr"}, {"owner": "x"}, {"tenant_id": 1}, {"suspended_for": "x"},
    ):  # fmt: skip
        answer = await office.post("/tenants", good | wrong, operator)
        assert answer.status_code == 422, wrong
    assert len((await office.get("/tenants", operator)).json()["items"]) == 2


async def test_what_is_no_slug_of_one_is_not_found_whatever_it_looks_like(office: Office, operator: str) -> None:
    """S7: one answer for all nonsense."""
    for nonsense in ("nobody", "A", "a%00", "0", "-", "%2e%2e", "a'--", str(office.world.a), "a" * 41, "a%0a"):
        for answer in (
            await office.get(f"/tenants/{nonsense}", operator),
            await office.patch(f"/tenants/{nonsense}", {}, operator),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), nonsense


async def test_lists_come_in_pages_in_which_nothing_repeats(office: Office, operator: str) -> None:
    found: list[str] = []
    page = (await office.get("/tenants?limit=1", operator)).json()
    found += [t["slug"] for t in page["items"]]
    await office.post("/tenants", {"slug": "nova", "name": "Nova"}, operator)
    while page["next_cursor"]:
        page = (await office.get(f"/tenants?limit=1&cursor={page['next_cursor']}", operator)).json()
        found += [t["slug"] for t in page["items"]]
    assert found == ["a", "b", "nova"]


async def test_a_suspended_business_is_refused_within_five_seconds_and_goes_on_afterwards(office: Office, operator: str) -> None:
    """S18: its people and its keys alike; who signs out is let out; nobody else notices. In its log it says who did it."""
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    key = (await office.post("/keys", {"name": "k", "scopes": ["users:read"]}, owner)).json()["secret"]
    other = await office.sign_in("owner@b.example", "owner", office.world.b)
    seen = await office.get("/tenants/a", operator)
    answer = await office.patch("/tenants/a", {"suspended_for": "não pagou"}, operator, seen.headers["etag"])
    assert (answer.json()["suspended_for"], answer.json()["suspended_at"] is not None) == ("não pagou", True)
    assert (await office.patch("/tenants/a", {"suspended_for": None}, operator, seen.headers["etag"])).status_code == 412
    office.later(5)
    for bearer in (owner, key):
        refused = await office.get("/users", bearer)
        assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert (await office.get("/users", other)).status_code == 200
    again = await office.patch("/tenants/a", {"suspended_for": "ainda não"}, operator)
    assert again.json()["suspended_at"] == answer.json()["suspended_at"]
    office.later(5)
    assert (await office.patch("/tenants/a", {"suspended_for": None}, operator)).json()["suspended_at"] is None
    office.later(5)
    assert (await office.get("/users", key)).status_code == 200
    lines = (await office.get("/audit", owner)).json()["items"]
    me = (await office.get("/me", operator)).json()["account_id"]
    told = [line["action"] for line in lines if line["user_id"] == me]
    assert told == ["tenant_resumed", "tenant_changed", "tenant_suspended"]
    assert lines[0]["before"]["suspended_for"] == "ainda não"
    office.later(600)
    stale = await office.patch("/tenants/a", {"suspended_for": "de novo"}, operator)
    assert (stale.status_code, stale.json()["code"]) == (403, "sign_in_again"), "S28"
    assert (await office.patch("/tenants/a", {"name": "Loja A"}, operator)).status_code == 200
    await office.post("/auth/confirm", {"password": PASSWORD}, operator)
    owner = (await office.login("owner@a.example")).json()["access_token"]
    assert (await office.patch("/tenants/a", {"suspended_for": "de novo"}, operator)).status_code == 200
    office.later(5)
    assert (await office.post("/auth/logout", None, owner)).status_code == 204
