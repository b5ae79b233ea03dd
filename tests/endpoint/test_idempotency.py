"""`Idempotency-Key`: what comes twice takes effect once and is answered alike, however it comes."""

import asyncio
from collections.abc import Collection

import httpx
import pytest

from atendeja import endpoint, failpoints
from atendeja.db import Tx
from atendeja.endpoint import idempotency
from atendeja.flows.trying import SMALL
from atendeja.runtime import Runtime
from tests.office import Office

KEY = {"name": "ERP", "scopes": ["users:read"]}


async def make(office: Office, bearer: str, key: str | None, body: object = KEY, path: str = "/v1/keys") -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"} | ({} if key is None else {"Idempotency-Key": key})
    return await office.http.post(path, json=body, headers=headers)


async def count(office: Office, bearer: str) -> int:
    return len((await office.get("/keys", bearer)).json()["items"])


async def test_a_request_that_comes_again_is_answered_alike_and_does_nothing(office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    first, again, new = [await make(office, owner, key) for key in ("um", "um", "dois")]
    assert (first.status_code, first.content) == (again.status_code, again.content) and first.status_code == 201
    assert new.json()["secret"] != first.json()["secret"] and await count(office, owner) == 2
    assert [line["action"] for line in (await office.get("/audit", owner)).json()["items"]].count("key_made") == 2


async def test_two_at_once_make_one(office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    answers = await asyncio.gather(*(make(office, owner, "juntos") for _ in range(6)))
    assert {answer.content for answer in answers} == {answers[0].content} and answers[0].status_code == 201
    assert await count(office, owner) == 1


async def test_a_key_is_of_one_request_only(office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    await make(office, owner, "k")
    other_body = await make(office, owner, "k", {**KEY, "name": "outro"})
    other_place = await make(office, owner, "k", {"email": "x@a.example", "role": "agent"}, "/v1/users")
    for answer in (other_body, other_place):
        assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert await count(office, owner) == 1


async def test_callers_do_not_share_keys(office: Office) -> None:
    one = await office.sign_in("one@a.example", "owner", office.world.a)
    two = await office.sign_in("two@a.example", "owner", office.world.a)
    far = await office.sign_in("owner@b.example", "owner", office.world.b)
    secrets = {(await make(office, who, "k")).json()["secret"] for who in (one, two, far)}
    assert len(secrets) == 3


async def test_what_was_refused_may_be_tried_again_with_its_key(office: Office) -> None:
    admin = await office.sign_in("admin@a.example", "admin", office.world.a)
    new = {"email": "x@a.example", "role": "agent"}
    await office.settle("x@a.example", "agent", office.world.a)
    refused = await make(office, admin, "k", new, "/v1/users")
    assert (refused.status_code, refused.json()["code"]) == (409, "user_exists")
    made = await make(office, admin, "k")
    assert made.status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "é"])
async def test_what_cannot_be_a_key_is_refused(key: str, office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    headers = {b"Authorization": f"Bearer {owner}".encode(), b"Idempotency-Key": key.encode("latin-1")}
    answer = await office.http.post("/v1/keys", json=KEY, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_key")


async def test_an_answer_lies_sealed_and_is_forgotten_after_a_day(office: Office, rt: Runtime) -> None:
    """S20, S40: what is kept of a request shows nobody the secret that it gave away."""
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    made = await make(office, owner, "k")
    async with rt.db.tenant(office.world.a) as tx:
        kept = await tx.one(idempotency.KEPT, caller_id=made.json()["key"]["created_by"], key="k")
    assert kept is not None
    secret = made.json()["secret"]
    assert secret.encode() not in kept.answer and secret[4:20].encode() not in kept.answer

    async def forget(tx: Tx) -> int:
        return await tx.run(endpoint.FORGET, before=rt.now() - endpoint.KEEPS)

    assert await rt.db.transact(office.world.a, forget) == 0
    office.later(endpoint.KEEPS.total_seconds() + 1)
    assert await rt.db.transact(office.world.a, forget) == 1


@pytest.mark.parametrize(
    ("path", "body", "makes"),
    [
        ("/keys", KEY, "make_key"),
        ("/webhooks", {"url": "https://erp.example/hook"}, "make_webhook"),
        ("/contacts", {"phone": "+55 11 98888-0001"}, "make_contact"),
        ("/flows", {"source": SMALL}, "make_flow"),
        ("/tenants", {"slug": "oficina", "name": "Oficina Sol"}, "make_business"),
    ],
)
async def test_a_commit_of_which_nobody_heard_is_answered_as_what_it_was(
    path: str, body: dict[str, object], makes: str, office: Office, rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key from the client, too: the transaction is repeated inside, and finds that it was kept."""
    if path == "/tenants":
        bearer = await office.sign_in("op@x.example", is_operator=True)
    else:
        bearer = await office.sign_in("owner@a.example", "owner", office.world.a)
    lost: list[str] = []

    def lose(name: str, about: Collection[object] = ()) -> bool:
        if name == "commit.after" and not lost and set(about) & {"_once_inside", makes}:
            lost.append(name)
            raise ConnectionResetError
        return False

    before = len((await office.get(path, bearer)).json()["items"])
    monkeypatch.setattr(failpoints, "reach", lose)
    answer = await office.post(path, body, bearer)
    assert (answer.status_code, len(lost)) == (201, 1), answer.text
    assert len((await office.get(path, bearer)).json()["items"]) == before + 1
    again = await office.post(path, body, bearer)
    assert (again.status_code == 201) == (path in ("/keys", "/webhooks")), "another request is another one"
