"""Who sends for a number: one process at a time, what a dead one leaves behind, and numbers that were stopped."""

import asyncio
import itertools
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from atendeja import app, failpoints, leases, numbers, tenants
from atendeja.db import Tx
from atendeja.outbound.outcomes import Claim
from atendeja.outbound.protocol import NUMBER_STOP_S, Candidate
from atendeja.outbound.sender import lease_name
from atendeja.outbound.senders import Senders
from atendeja.runtime import Runtime
from atendeja.simulator import Simulator
from tests import server, world
from tests.chaos.proxy import Proxy
from tests.outbound.office import ANA, BIA, Office
from tests.turn.shop import Shop


def key(office: Office) -> str:
    (number_id,) = office.rt.bells.numbers
    return lease_name(number_id)


# ── a death ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.alone
async def test_what_a_dead_process_had_on_the_wire_is_in_doubt_at_once(office: Office) -> None:
    """F30, F31: the lease is taken, `sending` becomes `in_doubt` in the same breath, never `queued`; a status settles it."""
    office.fault("delay", 30, to=ANA)
    await office.put("um", to=ANA)
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    assert await office.states() == ["sending"]
    await office.crash()
    await office.put("dois", to=BIA)
    await office.open()
    await office.until("in_doubt", ANA, timeout_s=1)
    await office.until("accepted", BIA)
    await office.status(office.posts[0], "delivered")
    assert await office.states(ANA) == ["delivered"]
    assert len(office.posts) == 2


async def test_the_pace_goes_on_where_the_dead_one_left_it(office: Office) -> None:
    """F46: neither the number's second nor a person's burst begins anew."""
    await office.admin.execute("UPDATE number SET rate = 12")
    await office.put(*[f"n{i}" for i in range(15)], to=ANA)
    await office.open()
    await office.until(["accepted"] * 10 + ["queued"] * 5)
    await office.crash()
    await office.put(*[f"m{i}" for i in range(5)], to=BIA)
    await office.open()
    await office.until("accepted", BIA)
    assert (await office.states(ANA)).count("accepted") == 10, "the burst is spent"
    claimed = [row["claimed_at"].timestamp() for row in await office.rows("SELECT claimed_at FROM attempt ORDER BY 1")]
    assert all(sum(start <= at < start + 0.99 for at in claimed) <= 12 for start in claimed)


@pytest.mark.alone
async def test_no_second_holds_more_than_the_rate(office: Office) -> None:
    """I12, DESIGN row 7."""
    await office.admin.execute("UPDATE number SET rate = 20")
    for i in range(50):
        await office.put("oi", to=f"55119000000{i:02}")
    await office.open()
    await office.until("accepted")
    claimed = [row["claimed_at"].timestamp() for row in await office.rows("SELECT claimed_at FROM attempt ORDER BY 1")]
    assert all(sum(start <= at < start + 0.99 for at in claimed) <= 20 for start in claimed)
    assert claimed[-1] - claimed[0] < 3, "nor much less"


async def test_a_commit_that_was_kept_without_our_knowing_strands_nobody(
    simulator: Simulator, cluster: server.Server, database: str, tmp_path: Path
) -> None:
    """F15 on the way out: the connection ends during the COMMIT of a claim. The claim is given back and made again; one POST."""
    async with Proxy(cluster.dsn(database)) as proxy:
        config = world.make_config(proxy.url, cluster.dsn(database, "postgres"), tmp_path, WA_API_BASE=simulator.url)
        async with app.open_runtime(config) as rt:
            admin = await asyncpg.connect(config.admin_url.reveal())
            office = Office(rt, await world.found(rt.db, config.secret_keys), admin, simulator)
            await office.put("um")
            proxy.cut_at(b"INSERT INTO attempt")
            await office.open()
            await office.until("accepted")
            assert await office.attempts() == ["abandoned", "accepted"]
            await office.close()
            await admin.close()
    assert proxy.cuts == 1
    assert [line.answer for line in office.posts] == ["ok"]


async def test_a_claim_that_was_not_kept_gives_back_nobody_elses(office: Office) -> None:
    """F15, F19, I5: A's claim was rolled back while it was cut off, B has claimed the message since and posted it; A comes back and
    gives back what it never had. The same number of attempt, another attempt."""
    office.fault("delay", 2.0, to=ANA)
    await office.put("um", to=ANA, category="utility")
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    (message,) = await office.messages()
    (sender,) = office.senders._senders.values()
    candidate = Candidate(
        message["id"], message["conversation_id"], message["contact_id"], "api", "utility", b"{}", message["created_at"], 0,
        message["not_before"], ANA, None, None, None,
    )  # fmt: skip
    sender._lent += 1
    sender.recall([Claim(uuid4(), candidate)])
    await asyncio.sleep(0.3)
    assert await office.states() == ["sending"], "B's"
    await office.until("accepted")
    assert len(office.posts) == 1


async def test_a_sender_that_fails_goes_on_with_what_it_holds(office: Office) -> None:
    """F27: an outcome waits in memory until it is recorded; a claim that was committed and not posted is given back."""
    failpoints.configure({"ATENDEJA_FAILPOINTS": "send.before_record=raise@1;send.after_claim=raise@1"})
    try:
        await office.put("um", "dois")
        await office.open()
        await office.until("accepted")
    finally:
        failpoints.configure({})
    assert len(office.posts) == 2
    assert office.rt.meter.counts["loops_ended", "send"] == 2


# ── the lease ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_process_sends_for_a_number(office: Office) -> None:
    """F25: another process with the same work to do gets no lease and posts nothing."""
    theirs = Runtime(office.rt.config, office.rt.db, office.rt.cloud, leases.Identity(uuid4(), uuid4(), -1))
    other = Senders(theirs)
    await office.put(*[f"n{i}" for i in range(8)])
    await office.open()
    await other.work()
    assert not theirs.leases.hold(key(office), 0.0)
    assert office.rt.leases.hold(key(office), office.rt.monotonic())
    await office.until("accepted")
    assert len(office.posts) == 8


async def test_a_sender_that_lost_its_lease_claims_no_more_and_records_what_it_has(office: Office) -> None:
    """F19: what it had on the wire is answered to it alone."""
    office.fault("delay", 0.3, to=ANA)
    await office.put("um", to=ANA)
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    name = key(office)
    await office.admin.execute(
        "UPDATE lease SET until = now() + interval '1 hour', boot = gen_random_uuid(), holder = gen_random_uuid(), term = term + 1 "
        "WHERE name = $1",
        name,
    )
    await office.rt.db.transact(None, lambda tx: office.rt.leases.renew(tx, office.rt.monotonic()))
    await office.put("dois", to=BIA)
    await office.open()
    await office.until("accepted", ANA)
    await asyncio.sleep(0.1)
    assert await office.states(BIA) == ["queued"]
    await office.admin.execute("UPDATE lease SET until = now() - interval '1 ms' WHERE name = $1", name)
    await office.open()
    await office.until("accepted", BIA)


async def test_a_process_that_was_frozen_claims_no_more_before_it_has_asked(office: Office) -> None:
    """F19: by its own clock the lease is over, although no other has taken it; when it is still to be had, it goes on."""
    await office.put("um", to=ANA)
    await office.open()
    await office.until("accepted", ANA)
    Shop.later(office, seconds=leases.TTL_S + 1)
    await office.put("dois", to=BIA)
    await asyncio.sleep(0.2)
    assert await office.states(BIA) == ["queued"]
    await office.open()
    await office.until("accepted", BIA)


async def test_stopping_waits_for_what_is_on_the_wire_and_claims_nothing_more(office: Office) -> None:
    """F24."""
    office.fault("delay", 0.3, to=ANA)
    await office.put("um", "dois", to=ANA)
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    await office.close()
    assert await office.states() == ["accepted", "queued"]
    assert len(office.posts) == 1


# ── a number that is stopped ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_expired_token_stops_the_number_with_one_notice_and_keeps_the_queue(office: Office) -> None:
    """F38: no hammering; a minute later one message goes as a probe, and when it is taken, all go."""
    office.fault("code", 190, times=None)
    for i in range(20):
        await office.put("oi", to=f"55119000000{i:02}")
    await office.open()
    for _ in range(3):
        await asyncio.sleep(0.15)
        await office.open()
    stopped_after = len(office.posts)
    assert await office.states() == ["queued"] * 20
    assert office.notices("number_stopped") == 1
    office.later(seconds=NUMBER_STOP_S + 1)
    for _ in range(3):
        await office.open()
        await asyncio.sleep(0.15)
    assert len(office.posts) == stopped_after + 1, "the probe is one message"
    assert office.notices("number_stopped") == 1
    office.simulator.board.faults.rules.clear()
    office.later(seconds=NUMBER_STOP_S + 1)
    await office.open()
    await office.until("accepted")
    assert await office.rows("SELECT stopped_until, stopped_code FROM number WHERE stopped_code IS NOT NULL") == []
    wamids = [line.wamid for line in office.posts if line.wamid]
    assert len(wamids) == 20


async def test_a_new_token_is_used_at_once(office: Office) -> None:
    """F38: `number add` with the new token; nothing is lost and no process is restarted."""
    board = office.simulator.board
    board.change(board.settings.changed({"tokens": ["token-novo"]}))
    await office.put("um", to=ANA)
    await office.open()
    async with asyncio.timeout(5):
        while not office.notices("number_stopped"):
            await asyncio.sleep(0.01)
    async with office.rt.db.session() as session:
        tenant = await tenants.find(session, "a")
    new = numbers.NewNumber(**{**{f: getattr(world.A, f) for f in world.A.__struct_fields__}, "token": "token-novo"})

    async def change(tx: Tx) -> None:
        await numbers.add(tx, tenant, office.rt.config.secret_keys, new, uuid4(), office.now)

    await office.rt.db.transact(office.a, change)
    await office.put("dois", to=BIA)
    await office.open()
    await office.until("accepted", BIA)
    office.later(seconds=NUMBER_STOP_S)
    await office.open()
    await office.until("accepted", ANA)


async def test_a_token_that_does_not_open_is_said_once(office: Office) -> None:
    """Another SECRET_KEY: the queue is kept, the look every 2 s does not repeat the notice."""
    await office.put("um")
    await office.admin.execute("UPDATE number SET token = '\\x01'")
    for _ in range(3):
        await office.open()
    assert office.notices("number_stopped") == 1
    assert await office.states() == ["queued"]


@pytest.mark.alone
@pytest.mark.parametrize("rate", [1, 3])
async def test_a_low_rate_goes_on_by_itself(rate: int, office: Office) -> None:
    """The window opens without a ring and long before the sweep."""
    await office.admin.execute("UPDATE number SET rate = $1", rate)
    for i in range(rate * 2):
        await office.put("oi", to=f"55119000000{i:02}")
    await office.open()
    await office.until("accepted", timeout_s=1.9)
    times = [line.at for line in office.posts]
    assert all(b >= a for a, b in itertools.pairwise(times))
