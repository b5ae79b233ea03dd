"""S56: all that is kept of a person in one JSON file, whole, his own only, and gone when he is forgotten."""

import asyncio
from uuid import UUID

from atendeja.blobs import Blobs
from atendeja.privacy.subject import EXPORTED, NOT_EXPORTED
from atendeja.worker import Worker
from tests.canary import CANARY_PHONE, CANARY_TEXT
from tests.privacy.scene import NAME, WAMID, Scene


async def test_the_archive_holds_every_row_of_his_and_none_of_anybody_elses(scene: Scene) -> None:
    job_id = await scene.job("export")
    assert await scene.job("export") == job_id, "wanted twice before it is begun: one job"
    await scene.work(1, 60, "export")
    job = await scene.look(job_id)
    assert (job["state"], job["subject_id"]) == ("done", scene.contact_id)
    answer = await scene.office.get(f"/jobs/{job_id}/file", scene.boss)
    archive = answer.json()
    assert list(archive["tables"]) == list(EXPORTED) and archive["left_out"] == NOT_EXPORTED
    tables = archive["tables"]
    counts = {table: len(rows) for table, rows in tables.items()}
    assert counts == job["result"]["rows"] and min(counts.values()) > 0, counts  # type: ignore[index]  # JSON
    for table, column in (("event", "contact_id"), ("message", "contact_id"), ("consent", "contact_id"), ("contact", "id")):
        where = "contact_id" if column == "contact_id" else "id"
        wanted = await scene.shop.row(f"SELECT count(*) AS n FROM {table} WHERE {where} = $1", UUID(scene.contact_id))
        assert len(tables[table]) == wanted["n"] and {row[column] for row in tables[table]} == {scene.contact_id}, table
    text = answer.text
    assert all(word in text for word in (CANARY_PHONE, CANARY_TEXT, NAME, WAMID)) and "5511900000002" not in text
    assert all(message["attempts"] for message in tables["message"])


async def test_an_export_that_was_interrupted_is_whole_in_the_end_and_a_cancelled_one_leaves_nothing(scene: Scene) -> None:
    job_id = await scene.job("export")
    blobs = Blobs(scene.office.rt.config.media_path)
    path = blobs.archive(scene.office.world.a, UUID(job_id))
    path.parent.mkdir(parents=True)
    path.with_suffix(".new").write_bytes(b'{"half of it"' * 100_000)  # as a death leaves it
    await scene.work(1, 60, "export")
    assert (await scene.office.get(f"/jobs/{job_id}/file", scene.boss)).json()["contact_id"] == scene.contact_id
    assert not path.with_suffix(".new").exists()
    other = await scene.job("export")
    unfinished = blobs.archive(scene.office.world.a, UUID(other)).with_suffix(".new")
    unfinished.write_bytes(b"{")  # as another death leaves it
    assert (await scene.office.post(f"/jobs/{other}/cancel", bearer=scene.boss)).status_code == 200
    assert not unfinished.exists()
    await scene.work(1, 60, "export")
    assert (await scene.office.get(f"/jobs/{other}/file", scene.boss)).status_code == 404


async def test_a_worker_finds_the_wish_and_does_it(scene: Scene) -> None:
    """The way through Procrastinate, whose job names the business and the kind."""
    worker = Worker(scene.office.rt)
    worker.start()
    try:
        job_id = await scene.job("export")
        async with asyncio.timeout(20):
            while (await scene.look(job_id))["state"] != "done":
                await asyncio.sleep(0.1)
    finally:
        scene.office.rt.stop()
        await worker.stop()
