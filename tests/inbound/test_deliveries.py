"""Deliveries as operators see them and have them read again: nothing is lost, nothing takes effect twice."""

import asyncio

import pytest
from msgspec.structs import replace

from atendeja import numbers, tenants
from atendeja.db import Tx
from atendeja.inbound.digest import Digester
from tests.inbound.conftest import Inbox, says, together
from tests.office import Office
from tests.world import A

LATER = replace(A, phone_number_id="100000000000009")


@pytest.fixture
async def inbox(office: Office) -> Inbox:
    return Inbox(office.rt, office.world, Digester(office.rt))


@pytest.fixture
async def operator(office: Office) -> str:
    return await office.sign_in("op@host.example", is_operator=True)


async def own(office: Office, new: numbers.NewNumber) -> None:
    async with office.rt.db.session() as session:
        tenant = await tenants.find(session, "a")

    async def work(tx: Tx) -> None:
        await numbers.add(tx, tenant, office.rt.config.secret_keys, new, office.rt.new_id(), office.at)

    await office.rt.db.transact(office.world.a, work)


async def test_they_are_listed_newest_first_by_state_and_shown_with_their_bodies(
    office: Office, inbox: Inbox, operator: str
) -> None:
    await inbox.receive(
        says("wamid.1", phone="5511900000001"), b"\xff no json", says("wamid.2", phone="5511900000002", number=LATER)
    )
    await inbox.store(says("wamid.3", phone="5511900000003"))
    whole = (await office.get("/deliveries", operator)).json()["items"]
    assert [d["state"] for d in whole] == ["stored", "digested", "quarantined", "digested"]
    by_state = {}
    for state in ("stored", "digested", "quarantined", "unrouted"):
        by_state[state] = (await office.get(f"/deliveries?state={state}", operator)).json()["items"]
        assert by_state[state] == [d for d in whole if d["state"] == state or (state == "unrouted" and d["unrouted"])]
    (nobodys,) = by_state["unrouted"][0]["unrouted"]
    assert (nobodys["reason"], nobodys["phone_number_id"]) == ("unknown_number", LATER.phone_number_id)
    assert "number add" in nobodys["hint"]
    shown = (await office.get(f"/deliveries/{by_state['quarantined'][0]['place']}", operator)).json()
    assert shown == {"delivery": by_state["quarantined"][0], "body": "\\xff no json"}
    assert (await office.get("/deliveries?since=2999-01-01T00:00:00Z", operator)).json()["items"] == []
    assert len((await office.get("/deliveries?since=2020-01-01T00:00:00%2B14:00", operator)).json()["items"]) == 4
    pages = [page := (await office.get("/deliveries?limit=3", operator)).json()]
    await inbox.store(says("wamid.4", phone="5511900000003"))
    pages.append((await office.get(f"/deliveries?limit=3&cursor={page['next_cursor']}", operator)).json())
    assert [d for page in pages for d in page["items"]] == whole
    for since in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        assert (await office.get(f"/deliveries?since={since}", operator)).status_code == 200


async def test_what_names_none_is_not_found(office: Office, operator: str) -> None:
    """S7, S12."""
    for nonsense in (
        "2026-03-04-1",
        "2026-13-99-1",
        "0000-00-00-0",
        "x",
        "1",
        "2026-03-04",
        "2026-03-04-" + "9" * 19,
        "2026-03-04-1%0a",
    ):
        for answer in (
            await office.get(f"/deliveries/{nonsense}", operator),
            await office.post(f"/deliveries/{nonsense}/retry", None, operator),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), nonsense


async def test_what_came_before_its_number_is_read_when_somebody_owns_it_and_once(
    office: Office, inbox: Inbox, operator: str
) -> None:
    """Nothing is lost; what was read of the same delivery already is not read twice."""
    both = together([says("wamid.1", phone="5511900000001", number=LATER), says("wamid.2", phone="5511900000002")])
    await inbox.receive(both, says("wamid.3", phone="5511900000003", number=replace(A, phone_number_id="7")))
    assert [row["key"] for row in await inbox.rows("SELECT key FROM event")] == ["wamid.2"]
    wanted = {"phone_number_id": LATER.phone_number_id}
    refused = await office.post("/deliveries/retry", wanted, operator)
    assert (refused.status_code, refused.json()["code"]) == (409, "number_unknown")
    await own(office, LATER)
    answers = await asyncio.gather(*(office.post("/deliveries/retry", wanted, operator) for _ in range(3)))
    assert sorted(answer.json()["deliveries"] for answer in answers) == [0, 0, 1]
    await inbox.digest()
    assert [row["key"] for row in await inbox.rows("SELECT key FROM event ORDER BY arrival, position")] == ["wamid.1", "wamid.2"]
    (left,) = (await office.get("/deliveries?state=unrouted", operator)).json()["items"]
    assert left["unrouted"][0]["phone_number_id"] == "7"


async def test_one_that_could_not_be_read_is_read_again_and_one_that_was_is_not(
    office: Office, inbox: Inbox, operator: str
) -> None:
    """Its bytes are as they were; who did it is in the installation's own log."""
    await inbox.receive(b"{", says("wamid.1", phone="5511900000001"))
    good, bad = (await office.get("/deliveries", operator)).json()["items"]
    refused = await office.post(f"/deliveries/{good['place']}/retry", None, operator)
    assert (refused.status_code, refused.json()["code"]) == (409, "delivery_read")
    for _ in range(2):
        assert (await office.post(f"/deliveries/{bad['place']}/retry", None, operator)).json()["state"] == "stored"
    await inbox.digest()
    assert (await office.get("/deliveries", operator)).json()["items"][1]["state"] == "quarantined"
    assert await inbox.value("SELECT count(*) FROM event") == 1
    lines = (await office.get("/audit", operator)).json()["items"]
    told = [(line["action"], line["subject"]) for line in lines if line["action"].startswith("deliver")]
    assert told == [("delivery_retried", bad["place"])]
