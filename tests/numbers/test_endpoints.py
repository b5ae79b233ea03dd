"""A business's own numbers by the API, against a Cloud API: checked before they are added, their tokens seen by nobody again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from atendeja import numbers, tenants
from atendeja.cloud import Cloud
from atendeja.simulator import Settings, Simulator
from atendeja.simulator.settings import Number
from tests.office import Office
from tests.world import NOWHERE, A, B

NEW = {
    "phone_number_id": "100000000000009", "waba_id": A.waba_id, "portfolio_id": A.portfolio_id,
    "display_number": "+55 11 4000-0009", "token": "token-bom",
}  # fmt: skip


@pytest.fixture
async def graph(office: Office) -> AsyncIterator[Simulator]:
    """A Cloud API that knows two tokens, A's number, and another of the same account."""
    known = (Number(A.phone_number_id, A.waba_id, "551140000001"), Number("100000000000009", A.waba_id, "551140000009"))
    made = Simulator(Settings(port=0, tokens=("token-bom", "token-novo"), numbers=known))
    await made.start()
    office.rt.cloud, before = Cloud(made.url, "v24.0"), office.rt.cloud
    yield made
    await office.rt.cloud.close()
    office.rt.cloud = before
    await made.stop()


@pytest.fixture
async def owner(office: Office, graph: Simulator) -> str:
    return await office.sign_in("owner@a.example", "owner", office.world.a)


async def read_token(office: Office, number_id: str) -> str:
    async with office.rt.db.tenant(office.world.a) as tx:
        (row,) = [n for n in await tx.all(numbers.EVERYONE) if str(n.id) == number_id]
    async with office.rt.db.session() as session:
        return numbers.read_token(await tenants.find(session, "a"), row, office.rt.config.secret_keys)


async def test_a_number_is_checked_added_and_shown_without_its_token(office: Office, owner: str) -> None:
    """S40, S42: the token is in no answer and not readable in the table; the log says who added it."""
    added = await office.post("/numbers", NEW, owner)
    assert added.status_code == 201 and "token-bom" not in added.text
    number, found = added.json()["number"], added.json()["verification"]
    assert (number["display_number"], number["rate"], number["rate_chosen"], number["quality"]) == (
        "+551140000009",
        80,
        False,
        "GREEN",
    )
    assert found["ok"] and [c["name"] for c in found["checks"]] == [
        "number", "account", "portfolio", "subscription", "display_number", "status", "quality"
    ]  # fmt: skip
    assert (await office.get(f"/numbers/{number['id']}", owner)).json() == number
    assert [n["id"] for n in (await office.get("/numbers", owner)).json()["items"]] == sorted(
        [str(office.world.number_a), number["id"]]
    )
    assert await read_token(office, number["id"]) == "token-bom"
    (line,) = [line for line in (await office.get("/audit", owner)).json()["items"] if line["action"] == "number_added"]
    assert (line["subject"], "token" in str(line["after"]), "4000" in str(line["after"])) == (number["id"], False, False)
    again = await office.post("/numbers", NEW | {"token": "token-novo"}, owner)
    assert (again.status_code, again.json()["code"]) == (409, "number_exists")
    assert await read_token(office, number["id"]) == "token-bom"


async def test_the_same_request_twice_adds_one_and_is_answered_alike_even_when_meta_is_away(office: Office, owner: str) -> None:
    headers = {"Authorization": f"Bearer {owner}", "Idempotency-Key": "k"}
    answers = await asyncio.gather(*(office.http.post("/v1/numbers", json=NEW, headers=headers) for _ in range(3)))
    whole, office.rt.cloud = office.rt.cloud, Cloud(NOWHERE, "v24.0")
    answers.append(await office.http.post("/v1/numbers", json=NEW, headers=headers))
    other = await office.http.post("/v1/numbers", json=NEW | {"rate": 7}, headers=headers)
    away = await office.post("/numbers", NEW, owner)
    await office.rt.cloud.close()
    office.rt.cloud = whole
    assert {(answer.status_code, answer.text) for answer in answers} == {(201, answers[0].text)}
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert (away.status_code, away.json()["code"]) == (503, "unavailable")
    assert len((await office.get("/numbers", owner)).json()["items"]) == 2


@pytest.mark.parametrize(
    ("wrong", "code", "says"),
    [
        ({"token": "falso"}, "number_not_verified", "the token"),
        ({"phone_number_id": "7"}, "number_not_verified", "does not exist"),
        ({"waba_id": "7"}, "number_not_verified", "whatsapp_business_management"),
        ({"portfolio_id": B.portfolio_id}, "number_not_verified", "is not of the portfolio"),
        ({"portfolio_id": "7"}, "number_not_verified", "is not of the portfolio"),
        ({"display_number": "12345678"}, None, "Meta shows another number"),
        ({"display_number": "(((((((("}, "number_invalid", "display_number"),
        ({"token": " "}, "number_invalid", "token"),
        ({"token": "tökén"}, "number_invalid", "token"),
        ({"phone_number_id": "../me"}, "invalid", "phone_number_id"),
        ({"phone_number_id": "7\n"}, "number_invalid", "digits"),
        ({"rate": 0}, "invalid", "rate"),
        ({"rate": 21, "coexistence": True}, "rate", "20 messages a second"),
        ({"id": "x"}, "invalid", "id"),
    ],
)
async def test_what_meta_or_we_do_not_take_is_refused_with_what_to_do(
    office: Office, owner: str, wrong: dict[str, object], code: str | None, says: str
) -> None:
    """S12, S24: and nothing is written."""
    answer = await office.post("/numbers", NEW | wrong, owner)
    assert says in answer.text
    assert (answer.status_code, answer.json().get("code")) == ((201, None) if code is None else (422, code))
    assert len((await office.get("/numbers", owner)).json()["items"]) == (2 if code is None else 1)


async def test_anothers_number_is_not_added_and_anothers_is_not_seen(office: Office, owner: str, graph: Simulator) -> None:
    """S7: the account is A's, whatever token B has."""
    boss = await office.sign_in("owner@b.example", "owner", office.world.b)
    taken = await office.post("/numbers", NEW, boss)
    assert (taken.status_code, taken.json()["code"]) == (409, "number_of_another")
    for path in ("", "/health"):
        assert (await office.get(f"/numbers/{office.world.number_a}{path}", boss)).status_code == 404


async def test_rate_display_and_token_are_changed_and_the_sender_is_told(office: Office, owner: str) -> None:
    """A new token is asked about first, and ends a stop; of two who edit at once one finds out."""
    path = f"/numbers/{office.world.number_a}"
    async with office.rt.db.tenant(office.world.a) as tx:
        await tx.run(numbers.STOP, id=office.world.number_a, until=office.at, code=190)
    seen = await office.get(path, owner)
    assert seen.json()["stopped"]["meaning"] == "the token has expired or is invalid"
    bad = await office.patch(path, {"token": "falso"}, owner)
    assert (bad.status_code, bad.json()["code"]) == (422, "number_not_verified")
    office.rt.bells.changed.clear()
    answers = await asyncio.gather(*(office.patch(path, {"rate": rate}, owner, seen.headers["etag"]) for rate in (30, 40)))
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert office.rt.bells.changed == {office.world.number_a}
    changed = (await office.patch(path, {"token": "token-novo", "display_number": "+55 11 4000-0002"}, owner)).json()
    assert (changed["stopped"], changed["rate_chosen"], changed["display_number"]) == (None, True, "+551140000002")
    assert await read_token(office, str(office.world.number_a)) == "token-novo"
    assert (await office.patch(path, {"coexistence": True}, owner)).json()["rate"] == 20
    usual = (await office.patch(path, {"rate": None}, owner)).json()
    assert (usual["rate"], usual["rate_chosen"]) == (80, False)
    assert (await office.patch(path, {"rate": 21, "coexistence": True}, owner)).json()["code"] == "rate"
    lines = [line["after"] for line in (await office.get("/audit", owner)).json()["items"] if line["action"] == "number_changed"]
    assert {"rate": 80} in lines and "token-novo" not in str(lines)


async def test_a_number_is_checked_again_and_what_meta_says_is_kept(office: Office, owner: str, graph: Simulator) -> None:
    path = f"/numbers/{office.world.number_a}"
    refused = (await office.post(f"{path}/verify", None, owner)).json()
    assert (refused["ok"], [c["name"] for c in refused["checks"]]) == (False, ["number"]), (
        "it still has the token of the test's world"
    )
    await office.patch(path, {"token": "token-bom"}, owner)
    graph.board.world.unsubscribed.add(A.waba_id)
    found = (await office.post(f"{path}/verify", None, owner)).json()
    assert [(c["name"], f"POST /{A.waba_id}/subscribed_apps" in (c["hint"] or "")) for c in found["checks"] if not c["ok"]] == [
        ("subscription", True)
    ]
    shown = (await office.get(path, owner)).json()
    assert (shown["quality"], shown["checked_at"] is not None) == ("GREEN", True)


async def test_a_number_is_paused_and_goes_on_and_its_health_says_why(office: Office, owner: str) -> None:
    viewer = await office.sign_in("viewer@a.example", "viewer", office.world.a)
    path = f"/numbers/{office.world.number_a}"
    well = (await office.get(f"{path}/health", viewer)).json()
    assert well == {"sends": True, "reasons": [], "queued": 0, "due_at": None, "sending": 0, "has_sender": False}
    paused = (await office.post(f"{path}/pause", {"reason": "férias"}, owner)).json()["paused"]
    office.later(60)
    assert (await office.post(f"{path}/pause", {"reason": "férias ainda"}, owner)).json()["paused"] == paused | {
        "reason": "férias ainda"
    }
    async with office.rt.db.session() as session:
        await office.rt.leases.take(session, f"send:{office.world.number_a}", office.rt.monotonic())
        await session._connection.execute("UPDATE tenant SET suspended_at = now(), suspended_for = 'x' WHERE slug = 'b'")
    health = (await office.get(f"{path}/health", viewer)).json()
    assert (health["sends"], health["has_sender"], health["reasons"]) == (False, True, ["somebody has paused it: férias ainda"])
    office.rt.bells.changed.clear()
    for _ in range(2):
        assert (await office.post(f"{path}/resume", None, owner)).json()["paused"] is None
    assert office.rt.bells.changed == {office.world.number_a}
    lines = [line["action"] for line in (await office.get("/audit", owner)).json()["items"] if line["action"].startswith("number_")]
    assert sorted(lines) == ["number_paused", "number_paused", "number_resumed"]
