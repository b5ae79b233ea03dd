"""Drafts, publishing and going back over the API: nobody undoes another's work, and who talks already keeps what he began with."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from atendeja.db import Tx
from atendeja.flow.examples import examples
from atendeja.flows import endpoints, versions
from tests.office import Office
from tests.turn.shop import ECHO, HEAD, PERSON, Shop

Json = dict[str, Any]  # Any: JSON


def text(greeting: str = "Oi!", key: str = "prova", more: str = "") -> str:
    return f"# {greeting}\n{HEAD.format(key=key)}{more}nodes:{ECHO.replace('Oi!', greeting)}{PERSON}"


@pytest.fixture
async def boss(office: Office) -> str:
    return await office.sign_in("ana@a.example", "owner", office.world.a)


async def make(office: Office, boss: str, source: str = "", **more: object) -> Json:
    office.later(0.01)
    made = await office.post("/flows", {"source": source or text(), **more}, boss)
    assert made.status_code == 201, made.text
    return dict(made.json())


async def put(office: Office, flow: Json, body: Json, boss: str, if_match: str | None = None) -> httpx.Response:
    office.later(0.01)
    headers = {"Authorization": f"Bearer {boss}"} | ({} if if_match is None else {"If-Match": if_match})
    return await office.http.put(f"/v1/flows/{flow['id']}/draft", json=body, headers=headers)


async def publish(
    office: Office, flow: Json, version_id: str, boss: str, if_match: str | None = None, **more: bool
) -> httpx.Response:
    office.later(0.01)
    headers = {"Authorization": f"Bearer {boss}"} | ({} if if_match is None else {"If-Match": if_match})
    return await office.http.post(f"/v1/flows/{flow['id']}/publish", json={"version_id": version_id, **more}, headers=headers)


async def audited(office: Office, boss: str) -> list[tuple[str, Json | None]]:
    """Of flows, the oldest first."""
    lines = (await office.get("/audit", boss)).json()["items"]
    return [(line["action"], line["after"]) for line in reversed(lines) if line["action"].startswith("flow_")]


@pytest.fixture
async def shop(office: Office) -> AsyncIterator[Shop]:
    """The same tenants, worked by hand."""
    admin = await asyncpg.connect(office.rt.config.admin_url.reveal())
    yield Shop(office.rt, office.world, admin)
    await admin.close()


async def test_a_flow_is_written_published_rewritten_and_gone_back_to(office: Office, boss: str, shop: Shop) -> None:
    """Who talks already keeps the version he began with, whatever is published meanwhile."""
    flow = await make(office, boss, note="a primeira")
    draft = flow["draft"]
    assert (draft["n"], draft["status"], draft["author"], draft["note"]) == (1, "draft", "ana", "a primeira")
    assert flow["published"] is None and await shop.asks("oi", "5511900000001") == []
    first = (await publish(office, flow, draft["id"], boss)).json()
    assert (first["published"]["id"], first["published"]["status"], first["draft"]) == (draft["id"], "published", None)
    assert await shop.asks("oi", "5511900000001") == ["Oi!"]

    saved = (await put(office, flow, {"source": text("Olá!")}, boss)).json()
    assert (saved["version"]["n"], saved["version"]["status"]) == (2, "draft") and saved["source"] == text("Olá!")
    assert saved["definition"]["nodes"]["a"]["do"] == [{"say": {"text": "Olá!"}}]
    assert await shop.asks("oi", "5511900000002") == ["Oi!"], "a draft answers nobody"
    await publish(office, flow, saved["version"]["id"], boss)
    assert await shop.asks("oi", "5511900000001") == ["Oi!"] and await shop.asks("oi", "5511900000003") == ["Olá!"]

    back = await publish(office, flow, draft["id"], boss)
    assert (back.status_code, back.json()["published"]["n"]) == (200, 1)
    assert await shop.asks("oi", "5511900000003") == ["Olá!"] and await shop.asks("oi", "5511900000004") == ["Oi!"]
    listed = (await office.get(f"/flows/{flow['id']}/versions", boss)).json()["items"]
    assert [(v["n"], v["status"]) for v in listed] == [(2, "retired"), (1, "published")]

    retired = await office.post(f"/flows/{flow['id']}/retire", None, boss)
    assert retired.json()["published"] is None and await shop.asks("oi", "5511900000005") == []
    told = await audited(office, boss)
    shas = [v["sha256"] for v in (listed[1], listed[0])]
    assert [action for action, _ in told] == [
        *("flow_made", "flow_published", "flow_draft_saved", "flow_published", "flow_published", "flow_retired")
    ]
    assert [(after or {}).get("sha256") for _, after in told] == [shas[0], shas[0], shas[1], shas[1], shas[0], None]
    assert [after["goes_back"] for action, after in told if action == "flow_published" and after] == [False, False, True]
    assert "Oi!" not in str(told) and "nodes" not in str(told)


async def test_two_who_write_one_draft_find_out(office: Office, boss: str) -> None:
    flow = await make(office, boss)
    shown = await office.get(f"/flows/{flow['id']}/draft", boss)
    tag = shown.headers["etag"]
    one = await put(office, flow, {"source": text("Bom dia!")}, boss, tag)
    assert one.status_code == 200 and one.headers["etag"] == (await office.get(f"/flows/{flow['id']}/draft", boss)).headers["etag"]
    other = await put(office, flow, {"source": text("Boa noite!")}, boss, tag)
    assert (other.status_code, other.json()["code"]) == (412, "changed_meanwhile")
    assert (await office.get(f"/flows/{flow['id']}/draft", boss)).json()["source"] == text("Bom dia!")
    assert (await put(office, flow, {"source": text("Boa noite!")}, boss, one.headers["etag"])).status_code == 200


async def test_who_publishes_what_another_has_published_over_finds_out(office: Office, boss: str) -> None:
    flow = await make(office, boss)
    seen = (await office.get(f"/flows/{flow['id']}", boss)).headers["etag"]
    both = [publish(office, flow, flow["draft"]["id"], boss, seen) for _ in range(2)]
    answers = sorted([answer.status_code for answer in await asyncio.gather(*both)])
    assert answers == [200, 412]
    assert [action for action, _ in await audited(office, boss)] == ["flow_made", "flow_published"]


async def test_a_draft_that_changes_while_it_is_looked_at_is_not_published(office: Office, boss: str) -> None:
    """What was checked and tested is what answers, or nothing."""
    flow = await make(office, boss)
    going: list[asyncio.Task[httpx.Response]] = []

    async def change(tx: Tx) -> None:
        await tx.one(versions.LOCK, id=UUID(flow["id"]))
        going.append(asyncio.create_task(publish(office, flow, flow["draft"]["id"], boss)))
        await blocked(tx)
        await tx._connection.execute("UPDATE flow_version SET sha256 = repeat('0', 64) WHERE id = $1", UUID(flow["draft"]["id"]))

    await office.rt.db.transact(office.world.a, change)
    answer = await going[0]
    assert (answer.status_code, answer.json()["code"]) == (412, "changed_meanwhile")
    assert (await office.get(f"/flows/{flow['id']}", boss)).json()["published"] is None


async def blocked(tx: Tx) -> None:
    """Until somebody waits for a lock of ours."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    async with asyncio.timeout(60):
        while not await tx._connection.fetchval(waits):
            await asyncio.sleep(0.01)
            await tx._connection.execute("SELECT pg_stat_clear_snapshot()")  # who came since the first look is not in it


async def test_a_flow_made_twice_at_once_with_one_key_is_one(office: Office, boss: str) -> None:
    headers = {"Authorization": f"Bearer {boss}", "Idempotency-Key": "fluxo-1"}
    asked = [office.http.post("/v1/flows", json={"source": text()}, headers=headers) for _ in range(2)]
    one, other = await asyncio.gather(*asked)
    assert (one.status_code, other.status_code) == (201, 201) and one.json() == other.json()
    reused = await office.http.post("/v1/flows", json={"source": text("Ei!")}, headers=headers)
    assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")
    assert len((await office.get("/flows", boss)).json()["items"]) == 1


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_what_cannot_be_published_is_refused_with_every_problem(office: Office, boss: str) -> None:
    malformed = await office.post("/flows", {"source": text().replace("{any_word: [fim], to: fim}", "{anyword: [fim]}")}, boss)
    assert code(malformed) == (422, "flow_malformed")
    (fault,) = malformed.json()["errors"]
    assert fault["path"] == "nodes.a.route[1]" and fault["reason"].startswith("line 12: ") and "any_word" in fault["reason"]

    senseless = text().replace("to: fim}", "to: fin}").replace("to: pessoa}]", "to: ninguem}]")
    flow = await make(office, boss, senseless)
    assert flow["draft"]["errors"] >= 2
    refused = await publish(office, flow, flow["draft"]["id"], boss)
    assert code(refused) == (422, "flow_invalid")
    assert {fault["path"] for fault in refused.json()["errors"]} >= {"nodes.a.route[1].to", "nodes.a.route[2].to"}

    failing = text(more="tests:\n  - {name: errado, steps: [{in: {text: oi}}, {out: {contains: Tchau}}]}\n")
    saved = (await put(office, flow, {"source": failing}, boss)).json()
    refused = await publish(office, flow, saved["version"]["id"], boss)
    assert code(refused) == (422, "flow_tests_fail") and "errado: step 2" in refused.json()["errors"][0]["reason"]
    assert (await office.get(f"/flows/{flow['id']}", boss)).json()["published"] is None
    assert (await publish(office, flow, saved["version"]["id"], boss, skip_tests=True)).status_code == 200
    action, after = (await audited(office, boss))[-1]
    assert action == "flow_published" and after is not None and after["tests_skipped"] is True


async def test_what_does_not_fit_is_refused_and_another_business_has_its_own(office: Office, boss: str) -> None:
    """S7: another tenant's version and number are as if they were nowhere."""
    beto = await office.sign_in("beto@b.example", "owner", office.world.b)
    flow, theirs = await make(office, boss), await make(office, beto, text("De B"))
    assert code(await office.post("/flows", {"source": text()}, boss)) == (409, "flow_exists")
    assert code(await put(office, flow, {"source": text(key="outra")}, boss)) == (422, "other_key")
    for version_id in (theirs["draft"]["id"], str(office.rt.new_id())):
        assert code(await publish(office, flow, version_id, boss)) == (422, "version_unknown")
    other = await make(office, boss, text(key="outra"))
    assert code(await publish(office, flow, other["draft"]["id"], boss)) == (422, "version_unknown")
    for number_id in (str(office.world.number_b), str(office.rt.new_id())):
        new = {"source": text(key="nova"), "number_id": number_id}
        assert code(await office.post("/flows", new, boss)) == (422, "number_unknown")
        assert code(await office.patch(f"/flows/{flow['id']}", {"number_id": number_id}, boss)) == (422, "number_unknown")
    assert [f["key"] for f in (await office.get("/flows?limit=1", boss)).json()["items"]] == ["prova"]


async def test_a_flow_answers_on_one_number_or_on_all(office: Office, boss: str) -> None:
    mine = str(office.world.number_a)
    flow, special = await make(office, boss), await make(office, boss, text("Só aqui"), number_id=mine)
    assert (flow["number_id"], special["number_id"]) == (None, mine)
    taken = await office.patch(f"/flows/{special['id']}", {"number_id": None}, boss)
    assert code(taken) == (409, "flow_exists")
    await office.delete(f"/flows/{flow['id']}/draft", boss)
    seen = await office.get(f"/flows/{special['id']}", boss)
    moved = await office.patch(f"/flows/{special['id']}", {"number_id": None}, boss, seen.headers["etag"])
    assert (moved.status_code, moved.json()["number_id"]) == (200, None)
    stale = await office.patch(f"/flows/{special['id']}", {"number_id": mine}, boss, seen.headers["etag"])
    assert code(stale) == (412, "changed_meanwhile")


async def test_a_draft_is_thrown_away_and_what_answers_stays(office: Office, boss: str) -> None:
    flow = await make(office, boss)
    await publish(office, flow, flow["draft"]["id"], boss)
    await put(office, flow, {"source": text("Olá!")}, boss)
    for status in (204, 404):
        assert (await office.delete(f"/flows/{flow['id']}/draft", boss)).status_code == status
    assert (await office.get(f"/flows/{flow['id']}", boss)).json()["published"]["n"] == 1
    assert (await office.get(f"/flows/{flow['id']}/draft", boss)).status_code == 404


async def test_lists_come_in_pages_and_a_business_has_so_many_flows(office: Office, boss: str) -> None:
    for n in range(3):
        await make(office, boss, text(key=f"f{n}"))
    page = (await office.get("/flows?limit=2", boss)).json()
    rest = (await office.get(f"/flows?limit=2&cursor={page['next_cursor']}", boss)).json()
    assert [f["key"] for f in page["items"] + rest["items"]] == ["f0", "f1", "f2"] and rest["next_cursor"] is None

    async def fill(tx: Tx) -> None:
        await tx._connection.execute(
            f"INSERT INTO flow (tenant_id, id, key, created_at) SELECT {office.world.a}, gen_random_uuid(), 'x' || n, now()"
            f" FROM generate_series(4, {endpoints.MOST_FLOWS}) AS n"
        )

    await office.rt.db.transact(office.world.a, fill)
    assert code(await office.post("/flows", {"source": text()}, boss)) == (409, "too_many_flows")


async def test_every_example_can_be_published_as_it_comes(office: Office, boss: str) -> None:
    shown = (await office.get("/flows/examples", boss)).json()["items"]
    assert {one["key"]: one["source"] for one in shown} == examples()
    for one in shown:
        flow = await make(office, boss, one["source"])
        assert (await publish(office, flow, flow["draft"]["id"], boss)).json()["published"]["warnings"] == 0
    language = (await office.get("/flows/language", boss)).json()
    assert language["text"].startswith("# The flow language") and language["schema"]["$defs"]
