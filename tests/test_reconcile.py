"""The reconciler: what a death or a lost answer left without an end gets one, and never while our own intake is behind."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from atendeja.errors import Unavailable
from atendeja.reconcile import BEHIND_S, Reconciler
from tests import world
from tests.outbound.conftest import office, simulator
from tests.outbound.office import ANA, BIA, Office

__all__ = ["office", "simulator"]


@pytest.fixture
async def doubtful(office: Office) -> AsyncIterator[Office]:
    """An office with one message in doubt, and its senders closed."""
    office.fault("drop_answer")
    await office.put("um", to=ANA, category="utility")
    await office.open()
    await office.until("in_doubt")
    yield office


async def test_a_doubt_is_given_up_after_its_time(doubtful: Office) -> None:
    reconciler = Reconciler(doubtful.rt)
    doubtful.later(seconds=121)
    await reconciler.work()
    assert await doubtful.states() == ["unknown"]
    assert doubtful.rt.meter.counts["messages_unknown", ""] == 1


async def test_a_process_that_has_just_started_gives_nothing_up(doubtful: Office) -> None:
    """After an outage Meta's repeats are still on their way: T runs anew."""
    doubtful.later(seconds=500)
    reconciler = Reconciler(doubtful.rt)
    await reconciler.work()
    assert await doubtful.states() == ["in_doubt"]
    doubtful.later(seconds=121)
    await reconciler.work()
    assert await doubtful.states() == ["unknown"]


async def test_while_nobody_takes_webhooks_no_doubt_is_given_up(doubtful: Office) -> None:
    """F45, FAULTS 2.3: the web process is down, and the status waits at Meta."""
    reconciler = Reconciler(doubtful.rt)
    await doubtful.hold_door("-1 ms")
    doubtful.later(seconds=100)
    await reconciler.work()
    await doubtful.hold_door()
    doubtful.later(seconds=119)
    await reconciler.work()
    assert await doubtful.states() == ["in_doubt"]
    doubtful.later(seconds=2)
    await reconciler.work()
    assert await doubtful.states() == ["unknown"]


async def test_a_look_that_failed_means_that_nobody_knows_how_the_intake_was(doubtful: Office) -> None:
    """F45, F50: the database was away, and with it the statuses: T begins anew when it is back."""
    reconciler = Reconciler(doubtful.rt)
    doubtful.later(seconds=100)
    pool = doubtful.rt.db.pool
    doubtful.rt.db.pool = await asyncpg.create_pool("postgresql://nobody@127.0.0.1:9/none", min_size=0)
    with pytest.raises(Unavailable):
        await reconciler.work()
    doubtful.rt.db.pool = pool
    doubtful.later(seconds=30)
    await reconciler.work()
    assert await doubtful.states() == ["in_doubt"]
    doubtful.later(seconds=121)
    await reconciler.work()
    assert await doubtful.states() == ["unknown"]


async def test_what_fails_for_one_does_not_stop_the_time_of_the_others(doubtful: Office) -> None:
    """A kept status that nobody can read fails whenever it is asked for; what is in doubt is settled all the same."""
    await doubtful.admin.execute("UPDATE attempt SET wamid = 'wamid.known'")
    await doubtful.admin.execute(
        "INSERT INTO status_orphan (tenant_id, number_id, wamid, status, at, content, received_at) "
        "SELECT tenant_id, number_id, wamid, 'sent', now(), '{}', now() FROM attempt"
    )
    reconciler = Reconciler(doubtful.rt)
    with pytest.raises(msgspec.ValidationError):
        await reconciler.work()
    doubtful.later(seconds=121)
    await reconciler.work()
    assert await doubtful.states() == ["unknown"]


async def test_while_webhooks_wait_to_be_digested_no_doubt_is_given_up(doubtful: Office) -> None:
    """The status that settles it may be among them."""
    reconciler = Reconciler(doubtful.rt)
    doubtful.later(seconds=60)
    await doubtful.store(world.text("w9", "oi"))
    doubtful.later(seconds=BEHIND_S + 1)
    await reconciler.work()
    doubtful.later(seconds=100)
    await reconciler.work()
    assert await doubtful.states() == ["in_doubt"]
    await doubtful.hear()
    await reconciler.work()
    doubtful.later(seconds=119)
    await reconciler.work()
    assert await doubtful.states() == ["in_doubt"], "T begins when health returns"
    doubtful.later(seconds=2)
    await reconciler.work()
    assert await doubtful.states() == ["unknown"]


@pytest.mark.parametrize(
    ("until", "boot", "wanted"),
    [
        ("now() + interval '1 s'", "a.boot", "sending"),
        ("now() - interval '1 ms'", "a.boot", "in_doubt"),
        ("now() + interval '1 s'", "gen_random_uuid()", "in_doubt"),
        (None, None, "in_doubt"),
    ],
    ids=["alive", "ended", "somebody else's", "gone"],
)
async def test_what_is_on_the_wire_is_in_doubt_when_its_sender_is_gone(
    until: str | None, boot: str | None, wanted: str, office: Office
) -> None:
    """F30: by the database's clock, and not before the lease of the process that claimed it has ended."""
    office.fault("delay", 30, to=BIA)
    await office.put("um", to=BIA)
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    await office.admin.execute("DELETE FROM lease WHERE name LIKE 'send:%'")
    if until is not None:
        await office.admin.execute(
            "INSERT INTO lease (name, holder, boot, until) "
            f"SELECT 'send:' || a.number_id, gen_random_uuid(), {boot}, {until} FROM attempt a"
        )
    await Reconciler(office.rt).work()
    assert await office.states() == [wanted]
    assert await office.attempts() == ["claimed" if wanted == "sending" else "unknown"]
    await office.crash()


async def test_a_status_that_came_before_its_message_was_known_is_joined(office: Office) -> None:
    """F6: without our callback data, by the wamid, once the answer of the POST is recorded."""
    office.fault("delay", 0.3)
    await office.put("um")
    await office.open()
    async with asyncio.timeout(5):
        while not office.posts:
            await asyncio.sleep(0.01)
    await office.status(office.posts[0], "delivered", callback=False)
    assert (await office.row("SELECT count(*) AS n FROM status_orphan"))["n"] == 1
    await office.until("accepted")
    await Reconciler(office.rt).work()
    assert await office.states() == ["delivered"]
    assert (await office.row("SELECT count(*) AS n FROM status_orphan"))["n"] == 0


async def test_two_reconcilers_at_once_do_no_harm(doubtful: Office) -> None:
    first, second = Reconciler(doubtful.rt), Reconciler(doubtful.rt)
    doubtful.later(seconds=121)
    await first.work()
    await second.work()
    assert await doubtful.states() == ["unknown"]
    assert doubtful.rt.meter.counts["messages_unknown", ""] == 1
