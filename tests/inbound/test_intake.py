"""The acknowledgement: a 200 is a committed row, a batch is one commit, and nobody is left waiting (F13–F16)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from atendeja import app, broadcast, failpoints
from atendeja.config import Config, Dsn
from atendeja.errors import Unavailable
from atendeja.inbound import intake as intake_module
from atendeja.inbound.intake import MAX_FLUSH_BODIES, PEOPLE, STATUSES, Intake, lane
from atendeja.runtime import Runtime
from tests.chaos.proxy import Proxy
from tests.inbound.conftest import says, status
from tests.journeys import tables


@contextlib.asynccontextmanager
async def running(rt: Runtime) -> AsyncIterator[Intake]:
    intake = Intake(rt)
    task = asyncio.ensure_future(intake.run())
    try:
        yield intake
    finally:
        intake.close()
        await asyncio.wait({task}, timeout=5)


@pytest.fixture
async def intake(rt: Runtime) -> AsyncIterator[Intake]:
    async with running(rt) as made:
        yield made


async def stored(rt: Runtime) -> list[bytes]:
    async with rt.db.session() as session:
        return [row["body"] for row in await session._connection.fetch("SELECT body FROM delivery ORDER BY seq")]


@pytest.fixture
async def admin(rt: Runtime) -> AsyncIterator[asyncpg.Connection]:
    async with tables.looking(rt.config.admin_url.reveal()) as connection:
        yield connection


async def outcomes(posts: list[asyncio.Task[None]]) -> list[str]:
    done = await asyncio.wait_for(asyncio.gather(*posts, return_exceptions=True), 10)
    return ["stored" if error is None else type(error).__name__ for error in done]


async def test_what_is_stored_is_committed_and_its_bytes_are_the_same(rt: Runtime, intake: Intake) -> None:
    body = bytes(range(256)) * 4
    await intake.store(body)
    assert await stored(rt) == [body]


async def test_those_who_wait_are_committed_together_in_their_order(rt: Runtime, intake: Intake, admin: asyncpg.Connection) -> None:
    """200 at once are far fewer commits, every row is there, in the order in which they came."""
    bodies = [b"%d" % n for n in range(200)]
    rows = "SELECT count(DISTINCT xmin::text) FROM delivery"
    posts = [asyncio.ensure_future(intake.store(body)) for body in bodies]
    assert await outcomes(posts) == ["stored"] * 200
    assert await stored(rt) == bodies
    assert await admin.fetchval(rows) < 5


async def test_a_batch_is_bounded(rt: Runtime, admin: asyncpg.Connection) -> None:
    intake = Intake(rt)
    posts = [asyncio.ensure_future(intake.store(b"x")) for _ in range(MAX_FLUSH_BODIES + 1)]
    await asyncio.sleep(0)
    task = asyncio.ensure_future(intake.run())
    assert await outcomes(posts) == ["stored"] * len(posts)
    assert await admin.fetchval("SELECT count(DISTINCT xmin::text) FROM delivery") == 2
    intake.close()
    await asyncio.wait_for(task, 5)


@pytest.mark.parametrize("bound", ["inbox_max_requests", "inbox_max_bytes"])
async def test_a_full_queue_refuses_at_once_and_takes_again_when_there_is_room(
    rt: Runtime, admin: asyncpg.Connection, bound: str
) -> None:
    """F16: by number and by bytes, while the table is locked."""
    body = b"x" * (1024 * 1024)
    limit = {"inbox_max_requests": 4, "inbox_max_bytes": 4 * len(body)}[bound]
    rt.config = msgspec.structs.replace(rt.config, **{bound: limit})
    async with running(rt) as intake:
        async with admin.transaction():
            await admin.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
            posts = [asyncio.ensure_future(intake.store(body))]
            await asyncio.sleep(0.05)  # it is on its way now; the others queue behind it
            posts += [asyncio.ensure_future(intake.store(body)) for _ in range(9)]
            await asyncio.sleep(0.05)
            assert [post.done() for post in posts] == [False] * 5 + [True] * 5
        assert await outcomes(posts) == ["stored"] * 5 + ["Unavailable"] * 5
        await intake.store(body)
    assert len(await stored(rt)) == 6
    assert rt.meter.counts["deliveries_refused", "full"] == 5


async def test_a_commit_that_fails_is_told_to_all_who_waited_and_the_next_one_works(
    rt: Runtime, intake: Intake, admin: asyncpg.Connection
) -> None:
    """F50: the backends are ended under them."""
    async with admin.transaction():
        await admin.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
        posts = [asyncio.ensure_future(intake.store(b"x")) for _ in range(5)]
        while not await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
        assert set(await outcomes(posts)) == {"Unavailable"}
    await intake.store(b"y")
    assert await stored(rt) == [b"y"]


@pytest.mark.parametrize("first", [True, False], ids=["with a job", "alone"])
async def test_a_commit_that_hangs_is_unavailable_in_time_and_the_next_is_tried_on_another_connection(
    rt: Runtime, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """F16, F52: those on their way and those who queue behind; who comes when it works again does not wait for what hung."""
    monkeypatch.setattr(intake_module, "STORE_S", 1.0)
    monkeypatch.setattr(intake_module, "WATCH_S", 0.9)  # at the second look all of them have waited too long
    async with running(rt) as intake:
        if not first:
            await intake.store(b"before")
        async with admin.transaction():
            await admin.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
            posts = [asyncio.ensure_future(intake.store(b"on its way"))]
            await tables_locked(admin)
            posts += [asyncio.ensure_future(intake.store(b"behind")) for _ in range(5)]
            assert await outcomes(posts) == ["Unavailable"] * 6
            assert intake._waiting == [] and intake._bytes == 0
            again = asyncio.ensure_future(intake.store(b"again"))
            await asyncio.sleep(0.1)
        assert await outcomes([again]) == ["stored"]
    assert rt.meter.counts["deliveries_refused", "late"] == 6
    assert rt.meter.counts["deliveries_refused", "database"] == 0
    assert b"behind" not in await stored(rt), "what waited was never sent: only of what is on its way nobody knows"


async def tables_locked(admin: asyncpg.Connection) -> None:
    """Until somebody waits for a lock."""
    async with asyncio.timeout(10):
        while not await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)


async def test_a_connection_that_says_nothing_any_more_is_given_up_and_the_next_commit_takes_another(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F16, F53: without a word from the server; the driver would wait 35 s for it, and as long again for its cancelling."""
    monkeypatch.setattr(intake_module, "STORE_S", 0.5)
    monkeypatch.setattr(intake_module, "WATCH_S", 0.05)
    async with (
        Proxy(config.database_url.reveal()) as proxy,
        app.open_runtime(msgspec.structs.replace(config, database_url=Dsn(proxy.url))) as rt,
        running(rt) as intake,
    ):
        await intake.store(b"before")
        proxy.strand()
        assert await outcomes([asyncio.ensure_future(intake.store(b"lost"))]) == ["Unavailable"]
        assert await outcomes([asyncio.ensure_future(intake.store(b"after"))]) == ["stored"]
        assert await stored(rt) == [b"before", b"after"]


async def test_a_statement_whose_answer_is_lost_is_unavailable_and_what_it_stored_is_stored(config: Config) -> None:
    """F15: alone in its transaction there is no COMMIT to lose; tests/journeys/test_door.py loses that of the first after quiet."""
    async with (
        Proxy(config.database_url.reveal()) as proxy,
        app.open_runtime(msgspec.structs.replace(config, database_url=Dsn(proxy.url))) as rt,
    ):
        rt.monotonic = lambda: 0.0  # never quiet after the first
        async with running(rt) as intake:
            await intake.store(b"before")
            proxy.down.lose = b"INSERT 0 1"
            assert await outcomes([asyncio.ensure_future(intake.store(b"once"))]) == ["Unavailable"]
            assert proxy.cuts == 1
            await intake.store(b"once")
            assert await stored(rt) == [b"before", b"once", b"once"]


async def test_an_error_that_nobody_foresaw_leaves_nobody_waiting(rt: Runtime) -> None:
    """F13: it raises in front of the commit; who waits is told, and the loop ends for its supervisor to start it again."""
    failpoints.configure({"ATENDEJA_FAILPOINTS": "ingest.before_commit=raise@1"})
    try:
        intake = Intake(rt)
        task = asyncio.ensure_future(intake.run())
        assert await outcomes([asyncio.ensure_future(intake.store(b"x"))]) == ["Unavailable"]
        with pytest.raises(failpoints.Tripped):
            await task
    finally:
        failpoints.configure({})
    assert await stored(rt) == []
    async with running(rt) as again:
        await again.store(b"x")


async def test_a_client_that_went_away_costs_the_others_nothing(rt: Runtime, intake: Intake) -> None:
    """F14: what was stored is stored."""
    posts = [asyncio.ensure_future(intake.store(b"%d" % n)) for n in range(3)]
    await asyncio.sleep(0)
    posts[1].cancel()
    assert await outcomes(posts) == ["stored", "CancelledError", "stored"]
    assert await stored(rt) == [b"0", b"1", b"2"]


async def test_told_to_stop_it_first_stores_what_waits(rt: Runtime) -> None:
    """F24."""
    intake = Intake(rt)
    posts = [asyncio.ensure_future(intake.store(b"x")) for _ in range(3)]
    await asyncio.sleep(0)
    intake.close()
    await asyncio.wait_for(intake.run(), 5)
    assert await outcomes(posts) == ["stored"] * 3


async def test_the_first_after_quiet_carries_a_wake_up_and_no_other_does(
    rt: Runtime, intake: Intake, admin: asyncpg.Connection
) -> None:
    """None per message."""
    jobs = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'wake'"
    for n in range(20):
        await intake.store(b"%d" % n)
    assert await admin.fetchval(jobs) == 1
    assert rt.bells.digest._event.is_set()


async def test_a_process_that_does_not_digest_tells_the_others_after_the_commit(rt: Runtime, admin: asyncpg.Connection) -> None:
    """F20: the job of the first, and a word at least after the last write, so that nothing waits for the sweep."""
    heard: list[tuple[str, int]] = []
    await admin.add_listener(broadcast.CHANNEL, lambda *given: heard.append((given[3], len(stored_then))))
    rt.bells.work_elsewhere()
    stored_then: list[int] = []
    async with running(rt) as intake:
        for n in range(5):
            await intake.store(b"%d" % n)
            stored_then.append(n)
        async with asyncio.timeout(5):
            while not heard or heard[-1] != ("digest", 5):
                await asyncio.sleep(0.01)
    assert await admin.fetchval("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'wake'") == 1


def test_a_lane_is_chosen_by_a_look_at_the_bytes() -> None:
    """What a person writes is never taken for a status, whatever his text says."""
    assert lane(status("w", "read")) == STATUSES
    assert lane(says("w", '"statuses":[] and "messages":[]', phone="5511900000001")) == PEOPLE
    assert lane(b"") == lane(b"\xff\x00") == PEOPLE


async def test_a_database_that_refuses_is_unavailable_to_the_client(rt: Runtime, intake: Intake, admin: asyncpg.Connection) -> None:
    """F16, F55: whatever the server says, it is 503 and never silence."""
    await admin.execute("REVOKE INSERT ON delivery FROM atendeja_app")
    assert await outcomes([asyncio.ensure_future(intake.store(b"x"))]) == [Unavailable.__name__]
