"""The guard: a database whose mark is below one that was seen has lost commits, and is held for everybody (F57)."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from atendeja import guard, health, metrics
from atendeja.errors import Unavailable
from atendeja.guard import Guard
from atendeja.inbound import intake
from atendeja.runtime import Runtime
from tests.journeys.process import ROOT

ONE, OTHER = UUID(int=1), UUID(int=2)


@pytest.fixture
async def admin(rt: Runtime) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(rt.config.admin_url.reveal())
    yield connection
    await connection.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A STATE_DIR that is not that of `rt`."""
    made = tmp_path / "place"
    made.mkdir()
    return made


async def started(rt: Runtime, state_dir: Path) -> Guard:
    """The guard of a process that starts in this directory."""
    made = Guard(state_dir)
    async with rt.db.session() as session:
        await made.open(session, rt.now())
    return made


async def visit(rt: Runtime, made: Guard) -> bool:
    """Whether sending is held, after a visit."""
    async with rt.db.session() as session:
        await made.visit(session, rt.now())
    return made.hold is not None


async def restore(admin: asyncpg.Connection, mark: int) -> None:
    """What a backup brings back: the row as it was."""
    await admin.execute(
        "UPDATE guard SET mark = $1, held_at = NULL, held_reason = NULL, held_mark = NULL, held_arrival = NULL, seen_mark = NULL",
        mark,
    )


async def mark(admin: asyncpg.Connection) -> int:
    found: int = await admin.fetchval("SELECT mark FROM guard")
    return found


# ── the row ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_each_visit_raises_the_mark_and_remembers_it(rt: Runtime, admin: asyncpg.Connection, place: Path) -> None:
    before = await mark(admin)
    made = await started(rt, place)
    assert not await visit(rt, made)
    assert await mark(admin) == made.seen == before + 2
    assert guard.read(place / "guard") == {await admin.fetchval("SELECT database FROM guard"): before + 2}


async def test_a_process_that_starts_holds_a_database_that_has_lost_commits_for_everybody(
    rt: Runtime, admin: asyncpg.Connection, place: Path
) -> None:
    """F57: the memory that counts is the file's; a process with a directory of its own learns of it from the row."""
    (place / "own").mkdir()
    elsewhere = await started(rt, place / "own")
    await restore(admin, 99)
    assert (await started(rt, place)).seen == 100
    await restore(admin, 90)
    hold = (await started(rt, place)).hold
    assert hold is not None and (hold.mark, hold.seen, hold.reason) == (90, 100, "lost_commits")
    assert await visit(rt, elsewhere)
    assert elsewhere.hold == hold
    for _ in range(20):
        assert await visit(rt, elsewhere), "a mark that has overtaken the one seen proves nothing"


async def test_a_running_process_holds_it_too(rt: Runtime, admin: asyncpg.Connection, place: Path) -> None:
    """F51: the primary is gone and a replica that lagged answers at its address."""
    made = await started(rt, place)
    (place / "guard").unlink()
    await restore(admin, made.seen - 1)
    assert await visit(rt, made)


async def test_a_new_connection_is_looked_at_before_anything_runs_on_it(rt: Runtime, admin: asyncpg.Connection) -> None:
    """F51: else what customers write between the promotion and the next visit would count as written before the loss."""
    await restore(admin, rt.guard.seen - 1)
    await rt.db.pool.expire_connections()
    async with rt.db.session() as session:
        await session.run(intake.STORE, day=rt.now().date(), received_at=rt.now(), lanes=[intake.PEOPLE], bodies=[b"{}"])
    hold = rt.guard.hold
    assert hold is not None and hold.arrival < await admin.fetchval("SELECT seq FROM delivery")
    async with rt.db.session() as session:
        assert await guard.release(session, hold)
    await rt.db.pool.expire_connections()
    async with rt.db.session() as session:
        assert await guard.load_hold(session) is None
    assert rt.guard.hold is None


async def test_a_standby_that_lags_and_is_not_promoted_is_held_by_nobody(
    rt: Runtime, admin: asyncpg.Connection, database: str
) -> None:
    """It is only the wrong server for a moment: it cannot be written to, so no connection is made to it."""
    await restore(admin, rt.guard.seen - 1)
    await admin.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    await rt.db.pool.expire_connections()
    with pytest.raises(Unavailable, match="TargetServerAttributeNotMatched"):
        async with rt.db.session() as session:
            await session.one(guard.LOOK)
    assert rt.guard.hold is None


async def test_a_promotion_that_lost_nothing_goes_on(rt: Runtime, admin: asyncpg.Connection, place: Path) -> None:
    """F51: the mark found is the one seen last, or one that another process has raised since."""
    made = await started(rt, place)
    await restore(admin, made.seen)
    assert not await visit(rt, made)
    await restore(admin, made.seen + 7)
    assert not await visit(rt, made)
    assert (await started(rt, place)).hold is None


async def test_another_database_in_the_same_directory_owes_nobody_anything(
    rt: Runtime, admin: asyncpg.Connection, place: Path
) -> None:
    """A new installation, `dev --fresh`; and the first is still remembered when its backup comes back."""
    await restore(admin, 99)
    first = await admin.fetchval("SELECT database FROM guard")
    await started(rt, place)
    await admin.execute("UPDATE guard SET database = $1, mark = 0", uuid4())
    made = await started(rt, place)
    assert (made.hold, made.seen) == (None, 1)
    assert not await visit(rt, made)
    await admin.execute("UPDATE guard SET database = $1, mark = 50", first)
    assert (await started(rt, place)).hold is not None


async def test_a_release_ends_this_hold_only_and_nobody_holds_again(rt: Runtime, admin: asyncpg.Connection, place: Path) -> None:
    """Also not a process that was away and had seen a little more than the one that held."""
    await restore(admin, 100)
    for name, seen in (("a", 200), ("b", 205)):
        (place / name).mkdir()
        guard.keep(place / name / "guard", {await admin.fetchval("SELECT database FROM guard"): seen})
    held = await started(rt, place / "a")
    assert held.hold is not None
    async with rt.db.session() as session:
        assert await guard.release(session, held.hold)
        assert not await guard.release(session, held.hold), "it is over already"
    assert not await visit(rt, held)
    assert (await started(rt, place / "b")).hold is None
    assert await mark(admin) > 205
    await restore(admin, 100)
    assert await visit(rt, held), "the same backup once more is another loss"
    old = held.hold
    assert old is not None
    async with rt.db.session() as session:
        assert await guard.release(session, old)
    assert not await visit(rt, held)
    assert guard.read(place / "a" / "guard").popitem()[1] > guard.ABOVE


async def test_ready_says_it_and_stays_ready_and_the_metric_is_1(rt: Runtime, admin: asyncpg.Connection, place: Path) -> None:
    """Webhooks must go on coming in, so a load balancer must not turn away; the look is fresh in a process that never visits."""
    transport = httpx.ASGITransport(Starlette(routes=[*health.routes(rt), *metrics.routes(rt)]), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        assert (await http.get("/health/ready")).json() == {"status": "ready", "reasons": [], "warnings": []}
        assert "atendeja_sending_held 0.0" in (await http.get("/metrics")).text
        await restore(admin, 0)
        guard.keep(place / "guard", {await admin.fetchval("SELECT database FROM guard"): 10})
        await started(rt, place)
        answer = await http.get("/health/ready")
        assert answer.status_code == 200
        (warning,) = answer.json()["warnings"]
        assert "its mark was 0, 10 had been seen" in warning and "atendeja resume-sending" in warning
        assert "atendeja_sending_held 1.0" in (await http.get("/metrics")).text


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_file_keeps_the_higher_mark_of_each_database(place: Path) -> None:
    path = place / "guard"
    assert guard.keep(path, {ONE: 5}) == {ONE: 5}
    assert guard.keep(path, {ONE: 3, OTHER: 1}) == {ONE: 5, OTHER: 1}
    assert guard.keep(path, {ONE: 6}) == guard.read(path) == {ONE: 6, OTHER: 1}


@pytest.mark.parametrize(
    "written",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"42", b'{"x": 1}', f'{{"{ONE}": -1}}'.encode(), f'{{"{ONE}": {2**80}}}'.encode()],
)
async def test_a_file_that_cannot_be_read_is_no_error_and_is_replaced(written: bytes, rt: Runtime, place: Path) -> None:
    (place / "guard").write_bytes(written)
    made = await started(rt, place)
    assert made.hold is None
    assert list(guard.read(place / "guard").values()) == [made.seen]


async def test_a_directory_that_cannot_be_written_does_not_stop_the_guard(
    rt: Runtime, admin: asyncpg.Connection, place: Path
) -> None:
    """The memory of the process still counts."""
    (place / "guard").mkdir()
    made = await started(rt, place)
    assert not await visit(rt, made)
    await restore(admin, made.seen - 1)
    assert await visit(rt, made)


KEEP = """
import sys
import time
from pathlib import Path
from uuid import UUID
from atendeja import guard
path, first, step, last = Path(sys.argv[1]), *map(int, sys.argv[2:])
for n in range(first, last, step):
    guard.keep(path, {UUID(int=1): n})
    time.sleep(0.002)
"""


def keeping(path: Path, first: int, step: int, last: int, **environ: str) -> subprocess.Popen[bytes]:
    """A process that keeps these marks, one after the other."""
    arguments = [sys.executable, "-c", KEEP, str(path), str(first), str(step), str(last)]
    return subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(ROOT), **environ})


def test_two_processes_in_one_directory_never_lower_it(place: Path) -> None:
    path, highest = place / "guard", 0
    low, high = keeping(path, 0, 1, 300), keeping(path, 100_000, 1, 100_300)
    while low.poll() is None or high.poll() is None:
        if path.exists():
            found = guard.read(path)[ONE]
            assert found >= highest
            highest = found
    assert low.returncode == high.returncode == 0
    assert highest >= 100_000


def test_a_kill_between_reading_and_writing_leaves_the_file_as_it_was(place: Path) -> None:
    """F57, kill -9: whole or not at all, and the next one writes as if nothing had been."""
    path = place / "guard"
    points = {"ATENDEJA_FAILPOINTS": "guard.before_write=kill@3", "ATENDEJA_FAILPOINTS_LOG": str(place / "fired")}
    assert keeping(path, 10, 1, 20, **points).wait(30) == -signal.SIGKILL
    assert (place / "fired").read_text().startswith("guard.before_write kill 3 ")
    assert guard.read(path) == {ONE: 11}
    assert guard.keep(path, {ONE: 30}) == guard.read(path) == {ONE: 30}


def test_one_that_is_stopped_while_it_writes_makes_nobody_wait(place: Path) -> None:
    """F19: the other keeps what it knows in memory, and writes when it can."""
    path = place / "guard"
    points = {"ATENDEJA_FAILPOINTS": "guard.before_write=stop@2", "ATENDEJA_FAILPOINTS_LOG": str(place / "fired")}
    stopped = keeping(path, 10, 1, 12, **points)
    try:
        while not (place / "fired").exists():
            assert stopped.poll() is None
        assert guard.keep(path, {ONE: 30}) == {ONE: 30}
        assert guard.read(path) == {ONE: 10}
    finally:
        stopped.send_signal(signal.SIGCONT)
    assert stopped.wait(30) == 0
    assert guard.keep(path, {ONE: 30}) == guard.read(path) == {ONE: 30}


async def test_reading_and_writing_do_not_block_the_loop(rt: Runtime, place: Path, no_blocking: None) -> None:
    await started(rt, place)
    await asyncio.sleep(0)


def test_the_file_is_two_lines_of_json_for_people(place: Path) -> None:
    for mark in (5, 6, 7):
        guard.keep(place / "guard", {ONE: mark})
    lines = (place / "guard").read_text().splitlines()
    assert [msgspec.json.decode(line)["marks"] for line in lines] == [{str(ONE): 6}, {str(ONE): 7}]


def test_it_is_written_over_in_place(place: Path) -> None:
    """A new file each time would make every commit of a database on the same disk wait for the file system's journal."""
    path = place / "guard"
    guard.keep(path, {ONE: 1})
    made = path.stat()
    for mark in range(2, 9):
        guard.keep(path, {ONE: mark})
    assert (path.stat().st_ino, path.stat().st_size) == (made.st_ino, made.st_size)


def test_more_databases_than_there_is_room_for_are_an_error_and_leave_the_file(place: Path) -> None:
    path = place / "guard"
    guard.keep(path, {ONE: 5})
    with pytest.raises(OSError, match="too many databases"):
        guard.keep(path, {UUID(int=n): 1 for n in range(1, 500)})
    assert guard.read(path) == {ONE: 5}


@pytest.mark.parametrize("cut", [0, 1, 30, 60])
def test_what_is_half_written_is_not_believed(place: Path, cut: int) -> None:
    """F57, a power failure in the middle of a write: what was known before is known still, and the next one is written."""
    path = place / "guard"
    for mark in (5, 6):
        guard.keep(path, {ONE: mark})
    before = path.read_bytes()
    guard.keep(path, {ONE: 7})
    after = path.read_bytes()
    at = next(n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new)
    path.write_bytes(after[: at + cut] + before[at + cut :])
    assert guard.read(path) in ({ONE: 6}, {ONE: 7})
    assert guard.keep(path, {ONE: 8}) == guard.read(path) == {ONE: 8}
