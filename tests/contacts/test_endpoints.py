"""Contacts over the API: made once, changed without a word in the audit log, merged by the rules, their consents."""

import asyncio
import datetime as dt
from uuid import UUID

import msgspec
import pytest

from atendeja import consent
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.outbound.claiming import CLAIMABLE
from tests import world
from tests.canary import CANARY_PHONE, CANARY_TEXT
from tests.office import Office

ANA = {"phone": "+55 (11) 8765-4321", "name": "Ana Souza"}
PORTFOLIO = world.A.portfolio_id


@pytest.fixture
async def agent(office: Office) -> str:
    return await office.sign_in("agent@a.example", "agent", office.world.a)


async def person(office: Office, bearer: str, **new: object) -> dict[str, object]:
    answer = await office.post("/contacts", new, bearer)
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    return made


async def rows(office: Office, statement: str) -> list[tuple[object, ...]]:
    async with office.rt.db.tenant(office.world.a) as tx:
        return [tuple(row) for row in await tx._connection.fetch(statement)]


async def test_somebody_is_entered_once_whichever_way_the_number_is_written(office: Office, agent: str) -> None:
    made = await person(office, agent, **ANA, tags=["vip", "vip"], fields={"cidade": "Recife", "visitas": 3, "ativo": True})
    assert (made["phone"], made["name"], made["tags"]) == ("+5511987654321", "Ana Souza", ["vip"]), "with the ninth digit"
    assert (made["fields"], made["conversations"], made["consents"]) == ({"cidade": "Recife", "visitas": 3, "ativo": True}, [], [])
    for phone in ("5511987654321", "+55 11 98765-4321", "551187654321"):
        again = await office.post("/contacts", {"phone": phone}, agent)
        assert (again.status_code, again.json()["code"], again.json()["existing_id"]) == (409, "contact_exists", made["id"])
    async with office.rt.db.tenant(office.world.a) as tx:
        assert await world.meet(tx, office.rt, Person(PORTFOLIO, "BR.1", "551187654321")) == [UUID(str(made["id"]))]
    known = await office.post("/contacts", {"bsuid": "BR.1", "portfolio": PORTFOLIO}, agent)
    assert (known.status_code, known.json()["existing_id"]) == (409, made["id"])


async def test_two_who_enter_somebody_at_once_make_one_and_a_key_makes_it_once(office: Office, agent: str) -> None:
    answers = await asyncio.gather(*(office.post("/contacts", ANA, agent) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]
    headers = {"Authorization": f"Bearer {agent}", "Idempotency-Key": "1"}
    bia = [await office.http.post("/v1/contacts", json={"phone": "+55 11 90000-0002"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in bia] == [201, 201] and bia[0].json() == bia[1].json()


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ({}, "nobody"),
        ({"name": "x"}, "nobody"),
        ({"phone": "123"}, "bad_phone"),
        ({"phone": "011 98765-4321"}, "bad_phone"),
        ({"phone": "+" + "5" * 16}, "bad_phone"),
        ({"phone": "ana"}, "invalid"),
        ({"bsuid": "BR.1"}, "bad_portfolio"),
        ({"bsuid": "BR.1", "portfolio": world.B.portfolio_id}, "bad_portfolio"),
        ({"bsuid": "1", "portfolio": PORTFOLIO}, "bad_bsuid"),
        ({**ANA, "fields": {"x": {"y": 1}}}, "invalid"),
        ({**ANA, "fields": {"x": 2**53 + 1}}, "invalid"),
        ({**ANA, "fields": {"X-Y": 1}}, "invalid"),
        ({**ANA, "fields": {f"f{n}": n for n in range(51)}}, "invalid"),
        ({**ANA, "tags": ["Não"]}, "invalid"),
        ({**ANA, "name": ""}, "invalid"),
        ({**ANA, "name": "a\0"}, "invalid"),
    ],
)
async def test_what_cannot_be_a_person_is_refused(office: Office, agent: str, new: dict[str, object], code: str) -> None:
    answer = await office.post("/contacts", new, agent)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await rows(office, "SELECT 1 FROM contact") == []


async def test_a_name_that_was_given_here_stays_when_whatsapp_calls_him_otherwise(office: Office, agent: str) -> None:
    made = await person(office, agent, phone=ANA["phone"])
    path = f"/contacts/{made['id']}"

    async def writes(name: str) -> str:
        async with office.rt.db.tenant(office.world.a) as tx:
            await world.meet(tx, office.rt, Person(PORTFOLIO, None, "5511987654321", name))
        return str((await office.get(path, agent)).json()["name"])

    assert await writes("aninha") == "aninha"
    assert (await office.patch(path, {"name": "Ana Souza"}, agent)).json()["name"] == "Ana Souza"
    assert await writes("aninha 2") == "Ana Souza"
    assert (await office.patch(path, {"name": None}, agent)).json()["name"] is None
    assert await writes("aninha 3") == "aninha 3"


async def test_a_change_changes_what_it_names_and_the_audit_says_only_which(office: Office, agent: str) -> None:
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)
    made = await person(office, agent, **ANA, tags=["a", "b"], fields={"x": CANARY_TEXT, "y": 1})
    path = f"/contacts/{made['id']}"
    office.later(1)
    wanted = {"add_tags": ["c"], "remove_tags": ["a"], "fields": {"x": None, "z": CANARY_TEXT}, "language": "pt-BR"}
    changed = (await office.patch(path, wanted, agent)).json()
    assert (changed["tags"], changed["fields"], changed["language"]) == (["b", "c"], {"y": 1, "z": CANARY_TEXT}, "pt-BR")
    office.later(1)
    assert (await office.patch(path, {"tags": ["z"]}, agent)).json()["tags"] == ["z"]
    both = await office.patch(path, {"tags": ["z"], "add_tags": ["c"]}, agent)
    assert (both.status_code, both.json()["code"]) == (422, "tags_twice")
    full = await office.patch(path, {"fields": {f"f{n}": n for n in range(50)}}, agent)
    assert (full.status_code, full.json()["code"]) == (422, "too_much")
    log = (await office.get("/audit", boss)).json()["items"]
    assert [(line["action"], line["after"]) for line in log if line["action"].startswith("contact")] == [
        ("contact_changed", {"changed": ["tags"]}),
        ("contact_changed", {"changed": ["language", "tags", "fields.x", "fields.z"]}),
        ("contact_made", None),
    ]
    assert not any(secret in str(log) for secret in (CANARY_TEXT, "Ana Souza", "987654321"))


async def test_two_who_change_somebody_find_out(office: Office, agent: str) -> None:
    made = await person(office, agent, **ANA)
    path = f"/contacts/{made['id']}"
    seen = (await office.get(path, agent)).headers["etag"]
    first, second = [await office.patch(path, {"add_tags": [tag]}, agent, seen) for tag in ("a", "b")]
    assert (first.status_code, second.status_code, second.json()["code"]) == (200, 412, "changed_meanwhile")
    assert first.headers["etag"] == (await office.get(path, agent)).headers["etag"]
    at_once = await asyncio.gather(*(office.patch(path, {"add_tags": [f"t{n}"]}, agent) for n in range(6)))
    assert {answer.status_code for answer in at_once} == {200}
    assert set((await office.get(path, agent)).json()["tags"]) == {"a", *(f"t{n}" for n in range(6))}, "none is lost"


async def test_who_is_known_by_two_names_is_merged_and_found_under_both_ids(office: Office, agent: str) -> None:
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)
    ana = await person(office, agent, **ANA, tags=["a"], fields={"x": 1})
    new = await person(office, agent, bsuid="BR.1", portfolio=PORTFOLIO, tags=["a", "b"], fields={"x": 2, "y": 3}, language="es")
    async with office.rt.db.tenant(office.world.a) as tx:
        await world.talk(tx, office.rt, Person(PORTFOLIO, "BR.1", None), office.world.number_a)  # type: ignore[arg-type]  # a UUID
        await tx._connection.execute("UPDATE conversation SET owner = 'human', queue = 'balcao', human_at = created_at")
    out = {"purpose": "marketing", "state": "out", "evidence": {"source": "telefone"}}
    assert (await office.post(f"/contacts/{new['id']}/consents", out, agent)).status_code == 201
    office.later(1)
    async with office.rt.db.tenant(office.world.a) as tx:
        await tx._connection.execute("DELETE FROM feed_new")
    answer = await office.post(f"/contacts/{new['id']}/merge", {"into": ana["id"]}, boss)
    whole = answer.json()
    assert (answer.status_code, whole["id"], whole["bsuid"], whole["phone"]) == (200, ana["id"], "BR.1", "+5511987654321")
    assert (whole["tags"], whole["fields"], whole["language"], whole["name"]) == (["a", "b"], {"x": 1, "y": 3}, "es", "Ana Souza")
    assert [c["state"] for c in whole["consents"]] == ["out"]
    async with office.rt.db.tenant(office.world.a) as tx:
        heard = [msgspec.json.decode(data) for (data,) in await tx._connection.fetch("SELECT data FROM feed_new ORDER BY seq")]
        carried = await tx._connection.fetchval("SELECT id FROM conversation WHERE contact_id = $1", UUID(str(ana["id"])))
    changed = {"conversation_id": str(carried), "number_id": str(office.world.number_a), "change": "taken_over", "owner": "human"}
    assert heard == [
        {"contact_id": ana["id"], "purpose": "marketing", "state": "out", "source": "merge"},
        {**changed, "contact_id": ana["id"], "queue": "balcao"},
    ]
    for id_ in (ana["id"], new["id"]):
        assert (await office.get(f"/contacts/{id_}", agent)).json() == whole
        again = await office.post(f"/contacts/{new['id']}/merge", {"into": id_}, boss)
        assert (again.status_code, again.json()["code"]) == (409, "one_already")
    listed = (await office.get("/contacts", agent)).json()["items"]
    found = (await office.post("/contacts/search", {"field": {"name": "y", "value": 3}}, agent)).json()["items"]
    assert [c["id"] for c in listed] == [c["id"] for c in found] == [ana["id"]]
    async with office.rt.db.tenant(office.world.a) as tx:
        assert await world.meet(tx, office.rt, Person(PORTFOLIO, "BR.1", None)) == [UUID(str(ana["id"]))]
    merged = (await office.get("/audit", boss)).json()["items"][0]
    assert (merged["action"], merged["subject"], merged["after"]) == ("contact_merged", new["id"], {"into": ana["id"]})


async def test_whom_whatsapp_takes_for_two_are_not_merged_and_opposite_merges_do_not_deadlock(office: Office, agent: str) -> None:
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)
    a, b = [await person(office, agent, phone=f"+55 11 90000-000{n}") for n in (1, 2)]
    for one, other in ((a, b), (b, a)):
        answer = await office.post(f"/contacts/{one['id']}/merge", {"into": other["id"]}, boss)
        assert (answer.status_code, answer.json()["code"]) == (409, "two_phones")
    assert (await office.post(f"/contacts/{a['id']}/merge", {"into": str(office.rt.new_id())}, boss)).status_code == 404
    c, d = [await person(office, agent, bsuid=f"BR.{n}", portfolio=PORTFOLIO) for n in (1, 2)]
    assert (await office.post(f"/contacts/{c['id']}/merge", {"into": d["id"]}, boss)).json()["code"] == "two_users"
    pairs = [(a, c), (c, a)] * 3
    answers = await asyncio.gather(*(office.post(f"/contacts/{x['id']}/merge", {"into": y["id"]}, boss) for x, y in pairs))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]


async def test_an_opt_out_that_is_declared_counts_at_once(office: Office, agent: str) -> None:
    """S55: marketing that waits is found opted out by the next claim, and the evidence says how it is known and by whom."""
    made = await person(office, agent, **ANA)
    who, path = Person(PORTFOLIO, None, "5511987654321"), f"/contacts/{made['id']}/consents"

    async def queue(tx: Tx) -> None:
        contact_id, talk_id = await world.talk(tx, office.rt, who, office.world.number_a)  # type: ignore[arg-type]  # a UUID
        await tx._connection.execute(
            "INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no, ordinal,"
            " category, policy, content, content_sha256, state, not_before, created_at)"
            " VALUES ($1, $2, $3, $4, $5, 'campaign', $2, 0, 0, 'marketing', 'at_most_once', '{}', '', 'queued', $6, $6)",
            office.world.a, office.rt.new_id(), office.world.number_a, contact_id, talk_id, office.at,
        )  # fmt: skip

    async def is_opted_out() -> list[bool]:
        async with office.rt.db.tenant(office.world.a) as tx:
            found = await tx.all(
                CLAIMABLE, number_id=office.world.number_a, marketing=True, now=office.at, seen=0,
                doubt_before=office.at - dt.timedelta(seconds=10), most=10,
            )  # fmt: skip
        return [candidate.opted_out for candidate in found]

    await office.rt.db.transact(office.world.a, queue)
    states = []
    for state in ("in", "out"):
        evidence = {"source": "ficha de papel", "text": CANARY_TEXT, "note": "assinada"}
        office.later(1)
        said = await office.post(path, {"purpose": "marketing", "state": state, "evidence": evidence}, agent)
        assert said.status_code == 201 and said.json()["evidence"].items() >= evidence.items() and "user" in said.json()["evidence"]
        states += await is_opted_out()
    assert states == [False, True]
    first, following = (lambda page: (page["items"], page["next_cursor"]))((await office.get(f"{path}?limit=1", agent)).json())
    second = (await office.get(f"{path}?limit=1&cursor={following}", agent)).json()
    assert [c["state"] for c in [*first, *second["items"]]] == ["out", "in"] and second["next_cursor"] is None
    async with office.rt.db.tenant(office.world.a) as tx:
        assert await consent.load(tx, [UUID(str(made["id"]))]) == {(UUID(str(made["id"])), "marketing"): "out"}


async def test_no_name_or_number_is_logged_or_in_a_url(office: Office, agent: str) -> None:
    """S42: the run fails when a log shows the canary; here the ways in that take one, and that a search is no URL."""
    made = await person(office, agent, phone=f"+{CANARY_PHONE}", name=CANARY_TEXT)
    assert (await office.post("/contacts", {"phone": CANARY_PHONE}, agent)).status_code == 409
    assert len((await office.post("/contacts/search", {"text": CANARY_PHONE[-8:]}, agent)).json()["items"]) == 1
    await office.patch(f"/contacts/{made['id']}", {"name": f"{CANARY_TEXT} 2", "fields": {"x": CANARY_TEXT}}, agent)
    for name in ("search", "text", "name", "phone"):
        assert (await office.get(f"/contacts?{name}=ana", agent)).status_code == 422
