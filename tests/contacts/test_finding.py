"""How people are found: by how a name or a number begins, by tag, field and consent; each once, page after page."""

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atendeja import contacts
from atendeja.contacts import Person
from atendeja.contacts.finding import read_search
from atendeja.db import Tx
from tests import world
from tests.office import Office
from tests.turn.shop import Shop

NAMES = {
    "Ana Maria de Souza": "5511987654321", "Mariana Maria Lima": "5521912345678", "João D'Ávila": "551140041234",
    "ÁLVARO  São-Paulo": "12025550123", "maria": "5511911111111",
}  # fmt: skip


@pytest.fixture
async def viewer(office: Office) -> str:
    agent = await office.sign_in("agent@a.example", "agent", office.world.a)
    for name, phone in NAMES.items():
        office.later(1)
        body = {"phone": phone, "name": name, "tags": [name[0].lower()] if name[0] in "AMm" else [], "fields": {"cidade": name[:3]}}
        assert (await office.post("/contacts", body, agent)).status_code == 201
    return await office.sign_in("viewer@a.example", "viewer", office.world.a)


async def search(office: Office, bearer: str, limit: int = 50, **wanted: object) -> list[str]:
    """The names found, over all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        answer = await office.post("/contacts/search", {**wanted, "limit": limit, "cursor": cursor}, bearer)
        assert answer.status_code == 200, answer.text
        found += [contact["name"] for contact in answer.json()["items"]]
        if (cursor := answer.json()["next_cursor"]) is None:
            return found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("mar", ["maria", "Ana Maria de Souza", "Mariana Maria Lima"]),
        ("MARIA DE s", ["Ana Maria de Souza"]),
        ("maria souza", []),
        ("sao paulo", ["ÁLVARO  São-Paulo"]),
        ("avila", ["João D'Ávila"]),
        ("ão", []),
        ("98765", ["Ana Maria de Souza"]),
        ("(11) 9876", ["Ana Maria de Souza"]),
        ("+55 11 98765-4321", ["Ana Maria de Souza"]),
        ("87654321", ["Ana Maria de Souza"]),
        ("4004-1234", ["João D'Ávila"]),
        ("+1 202", ["ÁLVARO  São-Paulo"]),
        ("%", []), ("_", []), ("", []), ("  ", []), ("'; --", []), ("\U0010ffff", []), ("a" * 200, []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("limit", [1, 50])
async def test_people_are_found_by_how_a_word_or_a_number_begins(
    office: Office, viewer: str, text: str, names: list[str], limit: int
) -> None:
    assert await search(office, viewer, limit, text=text) == names


async def test_by_tag_field_and_consent_the_newest_first(office: Office, viewer: str) -> None:
    async def listed(query: str) -> list[str]:
        return [contact["name"] for contact in (await office.get(f"/contacts?{query}", viewer)).json()["items"]]

    names = list(reversed(NAMES))
    assert await listed("limit=200") == names
    assert await listed("tag=m") == ["maria", "Mariana Maria Lima"] and await listed("tag=x") == []
    assert await search(office, viewer, 1, field={"name": "cidade", "value": "Mar"}) == ["Mariana Maria Lima"]
    assert await search(office, viewer, field={"name": "cidade", "value": "mar"}) == ["maria"]
    agent = await office.login("agent@a.example")
    ids = {c["name"]: c["id"] for c in (await office.get("/contacts", viewer)).json()["items"]}
    for name, states in (("maria", ["out"]), ("Mariana Maria Lima", ["out", "in"]), ("Ana Maria de Souza", ["in", "out"])):
        for state in states:
            said = {"purpose": "marketing", "state": state, "evidence": {"source": "x"}}
            assert (await office.post(f"/contacts/{ids[name]}/consents", said, agent.json()["access_token"])).status_code == 201
    assert await listed("consent=marketing:out") == ["maria", "Ana Maria de Souza"]
    assert await listed("consent=marketing:in") == ["Mariana Maria Lima"] and await listed("consent=x:in") == []
    for query in ("tag=m&consent=marketing:in", "tag=M", "consent=marketing", "consent=marketing:x"):
        assert (await office.get(f"/contacts?{query}", viewer)).status_code == 422
    bodies: list[dict[str, object]] = [
        {},
        {"text": "a", "field": {"name": "x", "value": 1}},
        {"field": {"name": "x", "value": "x" * 101}},
    ]
    for body in bodies:
        assert (await office.post("/contacts/search", body, viewer)).status_code == 422


async def test_pages_hold_everybody_once_while_others_come(office: Office, viewer: str) -> None:
    agent = (await office.login("agent@a.example")).json()["access_token"]
    seen: list[str] = []
    url: str | None = "/contacts?limit=1"
    while url:
        page = (await office.get(url, viewer)).json()
        seen += [contact["name"] for contact in page["items"]]
        office.later(1)
        assert (await office.post("/contacts", {"phone": f"55119{len(seen):08}", "name": "new"}, agent)).status_code == 201
        url = f"/contacts?limit=1&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert seen == list(reversed(NAMES))


async def test_a_cursor_is_good_for_its_own_list_only(office: Office, viewer: str) -> None:
    cursor = (await office.get("/contacts?limit=1", viewer)).json()["next_cursor"]
    for body in ({"text": "mar", "cursor": cursor}, {"text": "mar", "cursor": cursor[:-2] + "AA"}):
        answer = await office.post("/contacts/search", body, viewer)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_a_text_without_letters_is_looked_for_by_its_digits(text: str) -> None:
    said = read_search(text)
    assert said == text or (said.isdigit() and not any(c.isalpha() for c in text))


async def test_terms_follow_the_row_whoever_writes_it(office: Office) -> None:
    """Met, linked, merged, given another number: what a contact is found by is what it is."""

    async def work(tx: Tx) -> None:
        portfolio = world.A.portfolio_id
        await world.meet(tx, office.rt, Person(portfolio, "BR.1", None, "Ana"))
        await world.meet(tx, office.rt, Person(portfolio, None, "5511900000001", "Bia"))
        await world.meet(tx, office.rt, Person(portfolio, "BR.1", "5511900000001", "Cai"))
        (moved,) = await world.meet(tx, office.rt, Person(portfolio, "BR.2", "5511900000002", "Davi", "davi.s"))
        await contacts.readdress(tx, moved, Person(portfolio, "BR.2", "5511900000003"))
        wrong = await tx._connection.fetch(
            "WITH wanted AS (SELECT c.id, t.term FROM contact c,"
            " contact_terms(c.name, c.username, c.phone, c.tags, c.fields) AS t (term) WHERE c.merged_into IS NULL)"
            " SELECT coalesce(w.id, t.contact_id), w.term, t.term FROM wanted w"
            " FULL JOIN contact_term t ON t.contact_id = w.id AND t.term = w.term WHERE w.id IS NULL OR t.term IS NULL"
        )
        assert [tuple(row) for row in wrong] == []
        assert (
            await tx._connection.fetchval("SELECT count(*) FROM contact_term WHERE term IN ('s:cai', 's:davi s', 's:900000003')")
            == 3
        )

    await office.rt.db.transact(office.world.a, work)


async def test_who_was_tagged_by_a_flow_is_found_by_it(office: Office) -> None:
    admin = await asyncpg.connect(office.rt.config.admin_url.reveal())
    shop = Shop(office.rt, office.world, admin)
    await shop.publish("\n  a: {do: [{tag: [agendado]}, {say: {text: 'Oi!'}}, {end: {}}]}\n")
    await shop.asks("oi")
    office.rt.clock = lambda: office.at
    viewer = await office.sign_in("viewer@a.example", "viewer", office.world.a)
    (found,) = (await office.get("/contacts?tag=agendado", viewer)).json()["items"]
    assert (found["phone"], found["tags"]) == ("+5511900000001", ["agendado"])
    await admin.close()
