"""Files and their uploads: kept once, each number's id as long as it is good, nobody else's."""

import asyncio
import datetime as dt
import io
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from atendeja import media
from atendeja.blobs import Blobs
from atendeja.db import Tx
from atendeja.errors import AtendejaError, Refused, Unavailable
from atendeja.media import Stored
from atendeja.runtime import Runtime
from tests import world
from tests.files import JPEG, PDF, PNG, png

NOW = dt.datetime(2026, 9, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
async def made(rt: Runtime) -> world.World:
    return await world.found(rt.db, rt.config.secret_keys)


@pytest.fixture
def blobs(rt: Runtime) -> Blobs:
    return Blobs(rt.config.media_path)


async def add(
    rt: Runtime, tenant_id: int, data: bytes = PNG, mime: str = "image/png", filename: str | None = "a.png", now: dt.datetime = NOW
) -> Stored:
    place = Blobs(rt.config.media_path)
    return await media.add(rt.db, place, tenant_id, io.BytesIO(data), mime=mime, filename=filename, media_id=rt.new_id(), now=now)


async def newest(rt: Runtime, tenant_id: int, most: int = 50) -> list[Stored]:
    async with rt.db.tenant(tenant_id) as tx:
        return await media.newest(tx, most)


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_a_file_is_kept_and_found_by_its_id(rt: Runtime, made: world.World, blobs: Blobs) -> None:
    stored = await add(rt, made.a, JPEG, "image/jpeg", "foto.jpg")
    assert (stored.mime, stored.size, stored.filename, stored.created_at) == ("image/jpeg", len(JPEG), "foto.jpg", NOW)
    assert blobs.path(made.a, stored.sha256).read_bytes() == JPEG
    async with rt.db.tenant(made.a) as tx:
        assert await media.load(tx, [rt.new_id(), stored.id]) == [stored]


async def test_the_same_bytes_type_and_name_are_one_file_and_another_name_is_another(rt: Runtime, made: world.World) -> None:
    first = await add(rt, made.a)
    assert await add(rt, made.a, now=NOW + DAY) == first
    nameless = await add(rt, made.a, filename=None)
    assert await add(rt, made.a, filename=None) == nameless
    others = [nameless, await add(rt, made.a, filename="b.png"), await add(rt, made.a, png(1))]
    assert len({stored.id for stored in (first, *others)}) == 4
    assert len(files(rt.config.media_path)) == 2
    assert [stored.id for stored in await newest(rt, made.a, 2)] == [others[2].id, others[1].id]


async def test_two_at_once_get_the_same_id(rt: Runtime, made: world.World) -> None:
    found = await asyncio.gather(*(add(rt, made.a) for _ in range(8)))
    assert len({stored.id for stored in found}) == 1
    assert len(await newest(rt, made.a)) == len(files(rt.config.media_path)) == 1


async def test_another_tenants_file_is_not_found_and_the_same_bytes_are_a_file_of_ones_own(rt: Runtime, made: world.World) -> None:
    ours, theirs = await add(rt, made.a), await add(rt, made.b)
    assert ours.id != theirs.id
    assert len(files(rt.config.media_path)) == 2
    async with rt.db.tenant(made.b) as tx:
        assert await media.load(tx, [ours.id, theirs.id]) == [theirs]


@pytest.mark.parametrize(
    ("data", "mime", "filename", "error", "says"),
    [
        (b"GIF89a", "image/gif", "a.gif", Refused, "image/gif cannot be sent on WhatsApp; what can: image/jpeg, image/png, "),
        (b"", "image/png", "a.png", Refused, "the file is empty"),
        (b"x" * (5 * 1024 * 1024 + 1), "image/png", "a.png", Refused, "more than 5242880 bytes"),
        (PDF, "application/pdf", "", Refused, "1 to 240 characters"),
        (PDF, "application/pdf", "a\0.pdf", Refused, "1 to 240 characters"),
        (PDF, "application/pdf", "\udcff.pdf", Refused, "1 to 240 characters"),
        (PDF, "application/pdf", "x" * 241, Refused, "1 to 240 characters"),
    ],
)
async def test_what_cannot_be_sent_is_not_kept(
    rt: Runtime, made: world.World, data: bytes, mime: str, filename: str, error: type[AtendejaError], says: str
) -> None:
    with pytest.raises(error, match=says):
        await add(rt, made.a, data, mime, filename)
    assert await newest(rt, made.a) == []
    assert files(rt.config.media_path) == []


async def test_a_name_from_outside_is_never_a_path(rt: Runtime, made: world.World) -> None:
    stored = await add(rt, made.a, PDF, "application/pdf", "../../nota.pdf")
    assert stored.filename == "../../nota.pdf"
    assert [path.name for path in files(rt.config.media_path)] == [stored.sha256]


async def test_without_a_place_for_the_bytes_there_is_no_row(rt: Runtime, made: world.World) -> None:
    rt.config.media_path.write_text("a file where the directory should be")
    with pytest.raises(Unavailable, match="is MEDIA_DIR ours"):
        await add(rt, made.a)
    assert await newest(rt, made.a) == []


async def uploads(rt: Runtime, tenant_id: int, number_id: object, ids: list[UUID], now: dt.datetime) -> dict[UUID, str]:
    assert isinstance(number_id, UUID)
    async with rt.db.tenant(tenant_id) as tx:
        return await media.uploads(tx, number_id, ids, now)


async def record(rt: Runtime, tenant_id: int, number_id: object, media_id: UUID, meta_id: str, now: dt.datetime) -> None:
    assert isinstance(number_id, UUID)
    async with rt.db.tenant(tenant_id) as tx:
        await media.record_upload(tx, media_id, number_id, meta_id, now)


async def test_an_upload_is_good_for_29_days_and_for_its_number(rt: Runtime, made: world.World) -> None:
    first_id, second_id = [(await add(rt, made.a, png(n))).id for n in (1, 2)]
    both = [first_id, second_id]
    assert await uploads(rt, made.a, made.number_a, both, NOW) == {}
    await record(rt, made.a, made.number_a, first_id, "300", NOW)
    await record(rt, made.a, made.number_a, second_id, "301", NOW + DAY)
    late = NOW + 29 * DAY
    assert await uploads(rt, made.a, made.number_a, both, late - DAY / 100) == {first_id: "300", second_id: "301"}
    assert await uploads(rt, made.a, made.number_a, both, late) == {second_id: "301"}
    assert await uploads(rt, made.a, made.number_a, [first_id], NOW) == {first_id: "300"}
    assert await uploads(rt, made.a, made.number_b, both, NOW) == {}
    assert await uploads(rt, made.b, made.number_a, both, NOW) == {}


async def test_a_new_upload_takes_the_place_of_the_old_one(rt: Runtime, made: world.World) -> None:
    stored = await add(rt, made.a)
    await record(rt, made.a, made.number_a, stored.id, "300", NOW)
    await record(rt, made.a, made.number_a, stored.id, "400", NOW + 29 * DAY)
    assert await uploads(rt, made.a, made.number_a, [stored.id], NOW + 57 * DAY) == {stored.id: "400"}


async def test_what_meta_has_forgotten_is_forgotten_here(rt: Runtime, made: world.World) -> None:
    kept, gone = await add(rt, made.a, png(1)), await add(rt, made.a, png(2))
    for stored in (kept, gone):
        await record(rt, made.a, made.number_a, stored.id, "300", NOW)
    assert isinstance(made.number_a, UUID)
    async with rt.db.tenant(made.b) as tx:
        await media.forget_uploads(tx, made.number_a, {kept.id: "300"})
    async with rt.db.tenant(made.a) as tx:
        await media.forget_uploads(tx, made.number_a, {gone.id: "300", kept.id: "an id of before"})
    assert await uploads(rt, made.a, made.number_a, [kept.id, gone.id], NOW) == {kept.id: "300"}


async def test_nobody_uploads_another_tenants_file(rt: Runtime, made: world.World) -> None:
    stored = await add(rt, made.a)

    async def work(tx: Tx) -> None:
        assert isinstance(made.number_b, UUID)
        await media.record_upload(tx, stored.id, made.number_b, "300", NOW)

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await rt.db.transact(made.b, work)
