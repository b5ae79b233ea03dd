"""Jobs: one of a kind at a time, gone on with after a death, cancelled, tried again, and their files for a week."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import httpx
import pytest

from atendeja import jobs
from atendeja.audit import Actor
from atendeja.blobs import Blobs
from atendeja.endpoint import LAST
from atendeja.errors import Refused
from atendeja.jobs import Row, Slice, Work, Workshop
from atendeja.runtime import Runtime
from tests.office import Office

KIND = "test"


async def want(office: Office, subject: int = 1, *, may_stop: bool = True) -> UUID:
    """A job that somebody wants; its id."""
    office.later(0.001)
    made = await office.rt.db.transact(
        office.world.a,
        lambda tx: jobs.put(tx, KIND, UUID(int=subject), Actor(), office.rt.new_id(), office.at, may_stop=may_stop),
    )
    return made.id


async def look(office: Office, job_id: UUID) -> Row:
    async with office.rt.db.tenant(office.world.a) as tx:
        row = await tx.one(jobs.BY_ID, id=job_id)
    assert row is not None
    return row


def steps(log: list[tuple[UUID, int]], *, total: int = 3, breaks: Callable[[], Awaitable[None]] | None = None) -> Work:
    """Work of so many steps, each in a transaction of its own; what was done is in `log`."""

    async def work(rt: Runtime, job: Row, part: Slice) -> None:
        done = int(job.place or b"0")
        while done < total:
            if breaks is not None:
                await breaks()
            log.append((job.id, done))
            done += 1
            await rt.db.transact(job.tenant_id, lambda tx, done=done: jobs.note(tx, job, done, total, done))  # type: ignore[misc]  # a default
            if part.is_over:
                return
        await rt.db.transact(job.tenant_id, lambda tx: jobs.finish(tx, job, {"steps": total}, rt.now()))

    return work


async def test_the_oldest_comes_first_and_each_goes_on_where_its_last_commit_was(office: Office) -> None:
    log: list[tuple[UUID, int]] = []
    first, second = await want(office, 1), await want(office, 2)
    assert await want(office, 1) == first, "the same wish twice is one job"
    for _ in range(12):  # each slice one step, each of another process
        await Workshop(office.rt, {KIND: steps(log)}, slice_s=0).work(office.world.a, KIND)
    assert log == [(job_id, n) for job_id in (first, second) for n in range(3)]
    row = await look(office, first)
    assert (row.state, row.done, row.total, row.result, row.place) == ("done", 3, 3, b'{"steps": 3}', None)
    assert await want(office, 1) != first, "it may be wanted again"


async def test_one_of_a_kind_at_a_time_however_many_are_woken(office: Office) -> None:
    log: list[tuple[UUID, int]] = []
    inside = 0

    async def breaks() -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.01)
        inside -= 1

    for n in range(3):
        await want(office, n)
    workshop = Workshop(office.rt, {KIND: steps(log, breaks=breaks)})
    await asyncio.gather(*(workshop.work(office.world.a, KIND) for _ in range(4)))
    assert len(log) == 9 == len(set(log))
    await workshop.work(office.world.b, KIND)
    await workshop.work(office.world.a, "unknown")


async def test_two_are_worked_on_at_a_time_and_who_is_turned_away_is_woken_when_there_is_room(office: Office) -> None:
    """Else four long ones would leave Procrastinate no place to beat in."""
    kinds = ("x", "y", "z")
    inside, most, go = 0, 0, asyncio.Event()

    async def work(rt: Runtime, job: Row, _part: Slice) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await go.wait()
        inside -= 1
        await rt.db.transact(job.tenant_id, lambda tx: jobs.finish(tx, job, {}, rt.now()))

    for kind in kinds:
        await office.rt.db.transact(
            office.world.a,
            lambda tx, kind=kind: jobs.put(tx, kind, None, Actor(), office.rt.new_id(), office.at, may_stop=True),  # type: ignore[misc]  # a default
        )
    workshop = Workshop(office.rt, dict.fromkeys(kinds, work))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(workshop.work(office.world.a, kind)) for kind in kinds]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        while inside < 2:
            await asyncio.sleep(0.01)
        async with office.rt.db.session() as session:
            await session._connection.execute("DELETE FROM procrastinate_jobs")
        go.set()
    assert most == 2
    async with office.rt.db.session() as session:
        left = await session._connection.fetch("SELECT args->>'kind' AS kind FROM procrastinate_jobs WHERE task_name = 'work_jobs'")
    assert len({row["kind"] for row in left} & {*kinds}) >= 1
    for row in left:
        await workshop.work(office.world.a, row["kind"])
    async with office.rt.db.tenant(office.world.a) as tx:
        assert {job.state for job in await tx.all(jobs.NEWEST, before_id=LAST, most=9)} == {"done"}


async def test_a_lost_wake_up_is_found_by_the_sweep(office: Office) -> None:
    await want(office)
    async with office.rt.db.session() as session:
        await session._connection.execute("DELETE FROM procrastinate_jobs")
    await Workshop(office.rt, {}).sweep()
    async with office.rt.db.session() as session:
        args = await session._connection.fetchval("SELECT args FROM procrastinate_jobs WHERE task_name = 'work_jobs'")
    assert args == b'{"kind": "test", "tenant_id": %d}' % office.world.a


async def test_what_breaks_is_tried_again_and_given_up_with_a_line_that_tells_nothing(office: Office) -> None:
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)

    async def breaks() -> None:
        raise ZeroDivisionError("segredo")

    job_id = await want(office)
    for _ in range(jobs.MOST_TRIES + 1):
        await Workshop(office.rt, {KIND: steps([], breaks=breaks)}).work(office.world.a, KIND)
    shown = (await office.get(f"/jobs/{job_id}", boss)).json()
    assert (shown["state"], shown["result"]) == ("failed", None) and "segredo" not in shown["error"]
    again = await office.post(f"/jobs/{job_id}/retry", bearer=boss)
    assert (again.status_code, again.json()["state"]) == (200, "queued")
    await Workshop(office.rt, {KIND: steps([])}).work(office.world.a, KIND)
    assert (await office.get(f"/jobs/{job_id}", boss)).json()["state"] == "done"
    assert (await office.post(f"/jobs/{job_id}/retry", bearer=boss)).json()["code"] == "job_stays"


@pytest.mark.parametrize("may_stop", [True, False])
async def test_what_can_never_be_done_fails_at_once_says_why_and_is_told_of_until_somebody_acts(
    office: Office, may_stop: bool
) -> None:
    async def breaks() -> None:
        raise Refused("nobody", "there is nobody")

    job_id = await want(office, may_stop=may_stop)
    unfinished = Blobs(office.rt.config.media_path).archive(office.world.a, job_id).with_suffix(".new")
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"{")
    await Workshop(office.rt, {KIND: steps([], breaks=breaks)}).work(office.world.a, KIND)
    row = await look(office, job_id)
    assert (row.state, row.error, unfinished.exists()) == ("failed", "there is nobody", False)
    boss, operator = (
        await office.sign_in("boss@a.example", "owner", office.world.a),
        await office.sign_in("op@a.example", is_operator=True),
    )
    (notice,) = [n for n in (await office.get("/notices", boss)).json()["notices"] if n["kind"] == "job_failed"]
    assert notice["subject_id"] == str(job_id) and "there is nobody" in notice["says"]
    assert (await office.get("/installation", operator)).json()["waiting"]["jobs_failed"] == 1
    again = await want(office, 2, may_stop=may_stop)
    for id_, begun in ((job_id, True), (again, False)):
        cancelled = await office.post(f"/jobs/{id_}/cancel", bearer=boss)
        assert cancelled.status_code == (200 if may_stop or not begun else 409), "what was begun is half done"
    if not may_stop:
        assert (await office.post(f"/jobs/{job_id}/retry", bearer=boss)).json()["state"] == "queued"
        assert (await office.post(f"/jobs/{job_id}/cancel", bearer=boss)).json()["code"] == "job_stays", "also while it waits again"
    assert "job_failed" not in (await office.get("/notices", boss)).text


@pytest.mark.parametrize("may_stop", [True, False])
async def test_a_wish_may_be_taken_back(office: Office, may_stop: bool) -> None:
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)
    log: list[tuple[UUID, int]] = []
    waiting, running = await want(office, 1, may_stop=may_stop), await want(office, 2, may_stop=may_stop)
    assert (await office.post(f"/jobs/{waiting}/cancel", bearer=boss)).json()["state"] == "cancelled"
    assert (await office.post(f"/jobs/{waiting}/cancel", bearer=boss)).status_code == 200
    answers: list[httpx.Response] = []

    async def breaks() -> None:
        if not answers:
            answers.append(await office.post(f"/jobs/{running}/cancel", bearer=boss))

    await Workshop(office.rt, {KIND: steps(log, breaks=breaks)}).work(office.world.a, KIND)
    state = "cancelled" if may_stop else "done"
    assert (answers[0].status_code, (await look(office, running)).state) == (200 if may_stop else 409, state)
    assert {job_id for job_id, _ in log} == {running} and len(log) == (1 if may_stop else 3)


async def test_a_file_is_there_for_a_week_for_who_may_have_it(office: Office) -> None:
    boss = await office.sign_in("boss@a.example", "owner", office.world.a)
    blobs = Blobs(office.rt.config.media_path)

    async def work(rt: Runtime, job: Row, _part: Slice) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield b'{"a":'
            yield b"1}"

        await blobs.write_archive(job.tenant_id, job.id, parts())
        await rt.db.transact(job.tenant_id, lambda tx: jobs.finish(tx, job, {}, rt.now(), rt.now() + jobs.KEEPS_FILE))

    job_id = await want(office)
    assert (await office.get(f"/jobs/{job_id}/file", boss)).status_code == 404
    await Workshop(office.rt, {KIND: work}).work(office.world.a, KIND)
    answer = await office.get(f"/jobs/{job_id}/file", boss)
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {"a": 1}, "application/json")
    assert answer.headers["content-disposition"] == f'attachment; filename="test-{job_id}.json"'
    assert (await office.get("/audit?limit=1", boss)).json()["items"][0]["action"] == "file_downloaded"
    path = blobs.archive(office.world.a, job_id)
    for days, is_there in ((6.9, True), (0.2, False)):
        office.later(days * 86_400)
        boss = (await office.login("boss@a.example")).json()["access_token"]
        await jobs.drop_files(office.rt.db, blobs, office.world.a, office.at)
        assert path.exists() == is_there and ((await office.get(f"/jobs/{job_id}/file", boss)).status_code == 200) == is_there
