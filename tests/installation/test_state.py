"""How the installation is, and going on after a hold, by the API."""

import pytest

from atendeja import leases
from tests.office import Office


@pytest.fixture
async def operator(office: Office) -> str:
    return await office.sign_in("op@host.example", is_operator=True)


async def hold(office: Office) -> None:
    """Somebody has seen a higher mark of this database than it has."""
    async with office.rt.db.session() as session:
        await office.rt.guard.visit(session, office.at)
        await session._connection.execute("UPDATE guard SET mark = mark - 1")
        await office.rt.guard.visit(session, office.at)


async def test_it_tells_what_waits_who_does_what_and_whether_sending_is_held(office: Office, operator: str) -> None:
    async with office.rt.db.session() as session:
        for name in ("digest:0", "send:1", leases.door_name(office.rt.who)):
            await office.rt.leases.take(session, name, office.rt.monotonic())
    state = (await office.get("/installation", operator)).json()
    assert (state["tenants"], state["suspended"], state["hold"], state["senders"]) == (2, 0, None, 1)
    assert [lease["name"] for lease in state["leases"]] == ["digest:0", leases.door_name(office.rt.who)]
    assert state["migration"] >= 15 and state["waiting"]["deliveries"] == 0
    await hold(office)
    await office.rt.db.transact(
        None,
        lambda tx: tx._connection.execute(
            "INSERT INTO delivery (day, lane, received_at, body) VALUES (current_date, 0, now(), '')"
        ),
    )
    state = (await office.get("/installation", operator)).json()
    assert "sending is held" in state["hold"]["line"]
    assert state["waiting"]["deliveries"] == 1 and state["waiting"]["oldest_at"] is not None


async def test_sending_goes_on_by_the_hold_that_was_seen_once_and_is_written_down(office: Office, operator: str) -> None:
    """S28: who has not looked, or has seen another hold, does nothing by it."""
    path = "/installation/resume-sending"
    nothing = await office.post(path, {"hold": 1}, operator)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_held")
    await hold(office)
    number = (await office.get("/installation", operator)).json()["hold"]["number"]
    other = await office.post(path, {"hold": number + 1}, operator)
    assert (other.status_code, other.json()["code"]) == (409, "hold_changed")
    async with office.rt.db.session() as session:
        await session._connection.execute(
            "INSERT INTO delivery (day, seq, lane, received_at, body) VALUES (current_date, 1, 0, now(), '')"
        )
    early = await office.post(path, {"hold": number}, operator)
    assert (early.status_code, early.json()["code"]) == (409, "unanswered")
    done = await office.post(path, {"hold": number, "send_queued": True}, operator)
    assert done.json() == {"tenants": [{"tenant": slug, "unfinished": 0, "given_up": 0, "erased_again": 0} for slug in ("a", "b")]}
    assert (await office.get("/installation", operator)).json()["hold"] is None
    assert (await office.post(path, {"hold": number}, operator)).json()["code"] == "not_held"
    lines = (await office.get("/audit", operator)).json()["items"]
    assert [line["subject"] for line in lines if line["action"] == "sending_resumed" and line["user_id"]] == [str(number)]
