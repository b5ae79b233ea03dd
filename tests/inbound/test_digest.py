"""Digest: the order of arrival, one lane, each thing once, and no item that stops the others (F1–F5, F9, F10)."""

import asyncio
import contextlib
import datetime as dt
from dataclasses import replace as replace_rt
from pathlib import Path

import asyncpg
import msgspec
import pytest

from atendeja import app, leases, numbers, tenants
from atendeja.config import Config
from atendeja.db import Tx
from atendeja.errors import Unavailable
from atendeja.gathering import Gathering
from atendeja.inbound import digest
from atendeja.inbound.digest import Digester
from atendeja.inbound.intake import STORE, utc_day
from atendeja.runtime import fresh_id
from tests.inbound.conftest import Inbox, says, status, together
from tests.journeys import tables
from tests.test_broadcast import telling
from tests.world import A, B


async def test_events_stand_in_the_order_of_arrival_and_position(inbox: Inbox) -> None:
    """F5: WhatsApp's own times, of one second's grain and out of order, decide nothing."""
    phone = "5511900000001"
    await inbox.receive(
        together([says(f"w{n}", phone=phone, at=1_795_176_000 - n) for n in range(3)]),
        says("w3", phone=phone, at=1_795_170_000),
        together([says(f"w{n}", phone=phone) for n in (4, 5)]),
    )
    rows = await inbox.rows("SELECT key, arrival, position FROM event ORDER BY arrival, position")
    assert [r["key"] for r in rows] == [f"w{n}" for n in range(6)]
    assert [r["position"] for r in rows] == [0, 1, 2, 0, 0, 1]
    assert len({r["arrival"] for r in rows}) == 3


async def test_deliveries_of_two_days_are_digested_in_their_order_and_marked(inbox: Inbox) -> None:
    now = inbox.rt.now()
    for n, at in enumerate((now - dt.timedelta(days=1), now, now - dt.timedelta(days=40))):
        async with inbox.rt.db.session() as session:
            await session.run(STORE, day=utc_day(at), received_at=at, lanes=[0], bodies=[says(f"w{n}", phone="5511900000001")])
    await inbox.digest()
    assert [r["key"] for r in await inbox.rows("SELECT key FROM event ORDER BY arrival")] == ["w0", "w1", "w2"]
    found = await inbox.deliveries()
    assert [d["state"] for d in found] == ["digested"] * 3
    assert len({d["day"] for d in found}) == 3


async def test_a_full_batch_is_followed_at_once_and_a_stop_ends_the_wait(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are gathered only while nothing waits, and not beyond the order to stop."""
    monkeypatch.setattr(digest, "MOST_DELIVERIES", 2)
    inbox.digester._gathering = Gathering(60)
    await inbox.store(*(says(f"w{n}", phone="5511900000001") for n in range(5)))
    async with asyncio.timeout(5):
        assert await inbox.digester.work()
        assert await inbox.digester.work()
        assert not await inbox.digester.work()
    waiting = asyncio.ensure_future(inbox.digester.work())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await asyncio.shield(waiting)
    inbox.rt.stopping.set()
    async with asyncio.timeout(1):
        assert not await waiting
    assert len(await inbox.rows("SELECT id FROM event")) == 5


async def test_a_batch_is_bounded_in_deliveries_and_bytes_but_never_empty(inbox: Inbox) -> None:
    await inbox.store(*(says(f"w{n}", phone="5511900000001") for n in range(digest.MOST_DELIVERIES + 5)))
    assert len(await inbox.digester._next()) == digest.MOST_DELIVERIES
    await inbox.digest()
    large = says("large", phone="5511900000001").ljust(3 * 1024 * 1024)
    await inbox.store(large, large)
    assert len(await inbox.digester._next()) == 1


async def test_a_batch_that_was_written_but_not_marked_is_taken_again_and_changes_nothing(inbox: Inbox) -> None:
    """F14's sister: a death between the tenants' commits and the mark."""
    bodies = [says("w1", phone="5511900000001", name="Ana"), says("w2", user_id="BR.1", body="sair"), status("x", "read")]
    await inbox.receive(*bodies)
    before = await everything(inbox)
    async with inbox.rt.db.session() as session:
        await session._connection.execute("UPDATE delivery SET state = 'stored', digested_at = NULL")
    await inbox.digest()
    assert await everything(inbox) == before
    assert {d["state"] for d in await inbox.deliveries()} == {"digested"}


async def everything(inbox: Inbox) -> list[list[tuple[object, ...]]]:
    tables = ("contact", "conversation", "event", "consent", "status_orphan", "message")
    return [
        [tuple(row.values()) for row in await inbox.rows(f"SELECT * FROM {name} t ORDER BY to_jsonb(t)::text")] for name in tables
    ]


async def test_one_item_that_cannot_be_written_is_noted_and_costs_no_other(inbox: Inbox) -> None:
    """F9: the halving finds it. Here the table itself refuses one kind of text."""
    async with looking(inbox) as admin:
        await admin.execute("ALTER TABLE event ADD CONSTRAINT cursed CHECK (content #>> '{content,body}' <> 'cursed')")
    bodies = [says(f"w{n}", "cursed" if n == 3 else "oi", phone=f"55119000000{n:02}") for n in range(8)]
    await inbox.receive(together(bodies), says("after", phone="5511900000090"))
    kept = {r["key"] for r in await inbox.rows("SELECT key FROM event")}
    assert kept == {"w0", "w1", "w2", "w4", "w5", "w6", "w7", "after"}
    first, second = await inbox.deliveries()
    assert msgspec.json.decode(first["unrouted"]) == [
        {"position": 3, "reason": "broken:CheckViolationError", "phone_number_id": A.phone_number_id, "waba_id": A.waba_id}
    ]
    assert (first["state"], second["state"], second["unrouted"]) == ("digested", "digested", None)


async def test_what_is_not_an_items_fault_marks_nothing_and_the_lane_waits(inbox: Inbox) -> None:
    """A missing grant, an old process on a new schema: acknowledged messages are not used up, and go on when it is mended."""
    async with looking(inbox) as admin:
        await admin.execute("REVOKE INSERT ON event FROM atendeja_app")
    await inbox.store(says("w0", phone="5511900000001"), says("w1", phone="5511900000002"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await inbox.digest()
    assert {d["state"] for d in await inbox.deliveries()} == {"stored"}
    async with looking(inbox) as admin:
        await admin.execute("GRANT INSERT ON event TO atendeja_app")
    await inbox.digest()
    assert {d["state"] for d in await inbox.deliveries()} == {"digested"}
    assert len(await inbox.rows("SELECT id FROM event")) == 2


def looking(inbox: Inbox) -> contextlib.AbstractAsyncContextManager[asyncpg.Connection]:
    return tables.looking(inbox.rt.config.admin_url.reveal())


async def test_a_statement_that_is_cancelled_is_nobodys_fault_and_loses_nothing(inbox: Inbox) -> None:
    """F52: what the server cancels (a time-out, an administrator) ends the pass, not the message; the next pass writes it."""
    await inbox.store(says("w1", phone="5511900000001"))
    async with looking(inbox) as admin, admin.transaction():
        await admin.execute("LOCK TABLE event IN EXCLUSIVE MODE")
        work = asyncio.ensure_future(inbox.digester.work())
        while not work.done():
            await admin.execute("SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted")
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable, match="QueryCanceledError"):
        await work
    assert [(d["state"], d["unrouted"]) for d in await inbox.deliveries()] == [("stored", None)]
    await inbox.digest()
    assert await inbox.value("SELECT state FROM event") == "unhandled"


async def test_while_one_process_lives_another_digests_nothing_and_takes_over_after_it(
    inbox: Inbox, config: Config, tmp_path: Path
) -> None:
    """F25: one digester at a time; the lease goes on at once when it is given back."""
    await inbox.receive(says("w1", phone="5511900000001"))
    async with app.open_runtime(msgspec.structs.replace(config, state_dir=tmp_path / "another")) as other_rt:
        other = Digester(other_rt)
        await inbox.store(says("w2", phone="5511900000001"))
        assert await other.work() is False
        assert not other.leased
        async with inbox.rt.db.session() as session:
            await inbox.rt.leases.release(session)
        await other.work()
        assert [r["key"] for r in await inbox.rows("SELECT key FROM event ORDER BY arrival")] == ["w1", "w2"]


async def test_a_lease_that_has_run_out_is_taken_over(inbox: Inbox) -> None:
    """F19: judged by the database's clock."""
    await inbox.digest()
    assert inbox.digester.leased
    other = Digester(replace_rt(inbox.rt, who=leases.Identity(fresh_id(), fresh_id(), -1)))
    await inbox.store(says("w1", phone="5511900000001"))
    assert await other.work() is False
    async with inbox.rt.db.session() as session:
        await session._connection.execute("UPDATE lease SET until = now() - interval '1 ms'")
    await other.work()
    assert other.leased and other.pending


async def test_who_was_refused_the_lane_passes_rings_on_until_it_is_his(inbox: Inbox) -> None:
    """F19: and does not ask for the lease at every ring, which would lock its row; once it has the lane, rings are for him."""
    await inbox.digest()
    rt = replace_rt(inbox.rt, who=leases.Identity(fresh_id(), fresh_id(), -1))
    other = Digester(rt)
    rt.bells.digest.ring()
    assert not await other.work() and rt.bells.digest.is_elsewhere
    async with inbox.rt.db.session() as session:
        await session._connection.execute("UPDATE lease SET until = now() - interval '1 ms'")
    await other.work()
    assert not rt.bells.digest.is_elsewhere


async def test_two_digesters_at_once_write_each_thing_once(inbox: Inbox) -> None:
    """F3, F19: a lease lost in the middle of a batch. Both hold the lane, both take the same deliveries."""
    other = Digester(inbox.rt)
    await inbox.digest()
    assert inbox.digester.leased and other.leased
    people = [f"55119{n:08}" for n in range(60)]
    await inbox.store(*(says(f"w{n}", phone=people[n % 30], body="sair" if n % 7 == 0 else "oi") for n in range(120)))
    await asyncio.gather(inbox.digester.work(), other.work())
    await inbox.digest()
    assert await inbox.value("SELECT count(*) FROM event") == 120
    assert await inbox.value("SELECT count(*) FROM contact") == 30
    assert await inbox.value("SELECT count(*) FROM consent") == len([n for n in range(120) if n % 7 == 0])


async def test_each_tenant_gets_its_own_of_a_shared_body(inbox: Inbox) -> None:
    """F4."""
    await inbox.receive(
        together([says("same", "de a", phone="5511900000001"), says("same", "de b", phone="5511900000001", number=B)])
    )
    assert await inbox.value("SELECT content #>> '{content,body}' FROM event") == "de a"
    assert await inbox.value("SELECT content #>> '{content,body}' FROM event", tenant=inbox.world.b) == "de b"


async def test_what_nobody_owns_is_noted_and_found_once_the_number_is_added(inbox: Inbox) -> None:
    """F10: an unknown number is asked for again the next time."""
    new = numbers.NewNumber("100000000000009", "200000000000009", "300000000000001", "+551140000009", "token", 80)
    await inbox.receive(says("w1", phone="5511900000001", number=new))
    assert msgspec.json.decode((await inbox.deliveries())[0]["unrouted"])[0]["reason"] == "unknown_number"
    async with inbox.rt.db.session() as session:
        tenant = await tenants.find(session, "a")

    async def add(tx: Tx) -> object:
        return await numbers.add(tx, tenant, inbox.rt.config.secret_keys, new, inbox.rt.new_id(), inbox.rt.now())

    await inbox.rt.db.transact(inbox.world.a, add)
    await inbox.receive(says("w2", phone="5511900000001", number=new))
    assert await inbox.value("SELECT key FROM event") == "w2"


async def test_an_account_event_without_a_number_reaches_the_tenant_of_its_account(inbox: Inbox) -> None:
    changes = [{"field": "account_alerts", "value": {"entity_id": "1"}}]
    entries = [{"id": waba_id, "time": 1, "changes": changes} for waba_id in (B.waba_id, "nobody")]
    await inbox.receive(msgspec.json.encode({"object": "whatsapp_business_account", "entry": entries}))
    row = await inbox.row("SELECT number_id, state, reason FROM event", tenant=inbox.world.b)
    assert tuple(row) == (None, "ignored", "recorded")
    assert await inbox.rows("SELECT 1 FROM event") == []
    assert msgspec.json.decode((await inbox.deliveries())[0]["unrouted"])[0]["reason"] == "unknown_account"


def upgrade(event: str = "THROUGHPUT_UPGRADE") -> bytes:
    value = {"display_phone_number": A.display_number.lstrip("+"), "event": event, "current_limit": "TIER_UNLIMITED"}
    changes = [{"field": "phone_number_quality_update", "value": value}]
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [{"id": A.waba_id, "time": 1, "changes": changes}]})


@pytest.mark.parametrize(
    ("chosen", "event", "raised"),
    [(False, "THROUGHPUT_UPGRADE", 1000), (False, "ONBOARDING", 80), (True, "THROUGHPUT_UPGRADE", 80)],
)
async def test_a_number_sends_faster_when_meta_says_so_unless_somebody_chose_its_rate(
    inbox: Inbox, chosen: bool, event: str, raised: int
) -> None:
    told: list[str] = []
    inbox.rt.bells._tell = telling(told)
    await inbox.rows("UPDATE number SET rate = 80, rate_chosen = $1", chosen)
    await inbox.receive(upgrade(event))
    row = await inbox.row("SELECT id, rate FROM number")
    assert row["rate"] == raised
    assert told == ([f"number:{row['id']}"] if raised != 80 else [])


async def test_what_comes_in_is_counted_for_the_pace_of_its_number_once(inbox: Inbox) -> None:
    await inbox.receive(says("w1", phone="5511900000001"), says("w2", phone="5511900000002"), says("w1", phone="5511900000001"))
    await inbox.receive(says("w2", phone="5511900000002"), status("wamid.x", "sent"))
    number_id = await inbox.value("SELECT id FROM number")
    assert inbox.rt.bells.heard == {number_id: 2}


async def test_unreadable_bodies_are_quarantined_with_their_reason(inbox: Inbox) -> None:
    """F9."""
    await inbox.receive(b"{", b"[]", says("w1", phone="5511900000001"))
    assert [(d["state"], d["reason"]) for d in await inbox.deliveries()] == [
        ("quarantined", "not_json"), ("quarantined", "not_an_object"), ("digested", None),
    ]  # fmt: skip
    assert await inbox.value("SELECT key FROM event") == "w1"


async def test_one_tenant_that_has_to_wait_does_not_hold_the_others_back(inbox: Inbox) -> None:
    """F52: B's contact is locked by somebody; A is written meanwhile, B when it is free, and only then is the delivery done."""
    await inbox.receive(says("b0", phone="5511900000002", number=B))
    await inbox.store(together([says("a1", phone="5511900000001"), says("b1", phone="5511900000002", number=B)]))
    async with inbox.rt.db.tenant(inbox.world.b) as tx:
        await tx._connection.execute("SELECT FROM contact FOR UPDATE")
        work = asyncio.ensure_future(inbox.digester.work())
        while await inbox.value("SELECT count(*) FROM event") == 0:
            await asyncio.sleep(0.01)
        assert [d["state"] for d in await inbox.deliveries()] == ["digested", "stored"]
    await asyncio.wait_for(work, 5)
    await inbox.digest()
    assert await inbox.value("SELECT count(*) FROM event", tenant=inbox.world.b) == 2
    assert [d["state"] for d in await inbox.deliveries()] == ["digested", "digested"]
