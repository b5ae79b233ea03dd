"""Files and their uploads: kept once, each number's id as long as it is good, nobody else's."""

import asyncio
import datetime as dt
import io
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import pytest

from atendeja import media
from atendeja.blobs import Blobs
from atendeja.db import Tx
from atendeja.endpoint import serving
from atendeja.endpoint.serving import STREAMS_AT_ONCE, STREAMS_OF_A_TENANT
from atendeja.errors import AtendejaError, Refused, Unavailable
from atendeja.media import Stored
from atendeja.runtime import Runtime
from atendeja.wa import media as rules
from tests import world
from tests.files import JPEG, PDF, PNG, png
from tests.office import Office

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


# ── by API ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def send(office: Office, bearer: str, data: object, mime: str, name: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": mime}
    params = {} if name is None else {"filename": name}
    return await office.http.post("/v1/media", content=data, headers=headers, params=params)  # type: ignore[arg-type]  # bytes, or pieces of them


async def agent(office: Office) -> str:
    return await office.sign_in("bia@a.example", "agent", office.world.a)


async def test_a_file_comes_goes_out_as_an_attachment_and_is_had_no_more(office: Office) -> None:
    """S38."""
    bia = await agent(office)
    kept = (await send(office, bia, PDF, "application/pdf; x=y", "orçamento.pdf")).json()
    assert (kept["type"], kept["size"], kept["filename"], kept["sent_as"]) == (
        "application/pdf",
        len(PDF),
        "orçamento.pdf",
        ["document"],
    )
    assert (await send(office, bia, PDF, "application/pdf", "orçamento.pdf")).json() == kept, "the same is the same"
    office.later(0.01)  # ids are in the order of time
    other = (await send(office, bia, PDF, "application/pdf", "outro.pdf")).json()
    assert [item["id"] for item in (await office.get("/media", bia)).json()["items"]] == [other["id"], kept["id"]]
    content = await office.get(f"/media/{kept['id']}/content", bia)
    assert (content.content, content.headers["content-type"]) == (PDF, "application/pdf")
    assert (
        content.headers["content-disposition"].startswith("attachment") and "sandbox" in content.headers["content-security-policy"]
    )
    assert content.headers["x-content-type-options"] == "nosniff"
    for one, left in ((kept, 1), (other, 0)):
        assert (await office.delete(f"/media/{one['id']}", bia)).status_code == 204
        assert (await office.get(f"/media/{one['id']}", bia)).status_code == 404
        assert len(files(office.rt.config.media_path)) == left, "the bytes stay while another name has them"
    assert (await office.delete(f"/media/{kept['id']}", bia)).status_code == 404


HTML, SVG = b"<!DOCTYPE html><script>alert(1)</script>", b'<?xml version="1.0"?><svg onload="alert(1)"/>'
BAD = [
    (HTML, "text/html", 415, "file_type"),
    (HTML, "text/plain", 415, "file_type"),
    (SVG, "image/png", 415, "file_type"),
    (b"  \n" + SVG, "text/plain", 415, "file_type"),
    (PDF, "image/jpeg", 415, "file_type"),
    (PDF, "text/plain", 415, "file_type"),
    (b"MZ\x90\0", "text/plain", 415, "file_type"),
    (PNG, "", 415, "file_type"),
    (b"", "text/plain", 422, "file_empty"),
    (b"oi", "text/plain\t", 201, None),
]


async def test_what_is_not_what_it_is_called_is_not_kept(office: Office) -> None:
    """S38: polyglots by their first bytes, pages and pictures that run scripts."""
    bia = await agent(office)
    for data, mime, status, code in BAD:
        answer = await send(office, bia, data, mime)
        assert (answer.status_code, answer.json().get("code")) == (status, code), (data, mime)
    assert (await send(office, bia, PNG, "image/png", "a" * 241)).status_code == 422
    compressed = {"Authorization": f"Bearer {bia}", "Content-Type": "image/png", "Content-Encoding": "gzip"}
    assert (await office.http.post("/v1/media", content=PNG, headers=compressed)).json()["code"] == "compressed"
    assert len(files(office.rt.config.media_path)) == 1


async def test_one_byte_too_many_is_refused_announced_or_not_and_leaves_nothing(office: Office) -> None:
    """S12: what is announced before it is read, what is not while it is."""
    bia, most = await agent(office), rules.most_bytes("image/webp")
    webp = b"RIFF0000WEBP"

    async def pieces(size: int) -> AsyncIterator[bytes]:
        yield webp
        for at in range(len(webp), size, 50_000):
            yield b"x" * min(50_000, size - at)

    assert (await send(office, bia, pieces(most), "image/webp")).json()["size"] == most
    for data in (pieces(most + 1), webp + b"x" * most):
        answer = await send(office, bia, data, "image/webp")
        assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert len(files(office.rt.config.media_path)) == 1


async def test_who_goes_away_in_the_midst_leaves_nothing_and_too_many_at_once_are_told(office: Office) -> None:
    """A business has some of the places; the others are other businesses'."""
    bia, gate = await agent(office), asyncio.Event()
    beto = await office.sign_in("beto@b.example", "agent", office.world.b)
    assert STREAMS_OF_A_TENANT < STREAMS_AT_ONCE

    async def slow() -> AsyncIterator[bytes]:
        yield b"oi " * 400
        await gate.wait()
        yield b"tchau"

    sending = [asyncio.ensure_future(send(office, bia, slow(), "text/plain")) for _ in range(STREAMS_OF_A_TENANT)]
    await asyncio.sleep(0.3)
    refused = await send(office, bia, b"oi", "text/plain")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert (await office.get("/media", bia)).status_code == 200, "they keep nobody from the database"
    assert (await send(office, beto, b"oi", "text/plain")).status_code == 201
    sending[0].cancel()
    gate.set()
    ends = await asyncio.gather(*sending, return_exceptions=True)
    assert [end.status_code for end in ends[1:] if isinstance(end, httpx.Response)] == [201] * (STREAMS_OF_A_TENANT - 1)
    assert len(files(office.rt.config.media_path)) == 2


async def test_a_body_that_never_ends_is_given_up(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """S12: however steadily it comes; its place is free again."""
    monkeypatch.setattr(serving, "STREAM_S", 0.2)
    bia = await agent(office)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b"oi"
            await asyncio.sleep(0.01)

    for _ in range(STREAMS_OF_A_TENANT + 1):
        answer = await send(office, bia, drip(), "text/plain")
        assert (answer.status_code, answer.json()["code"], answer.headers["connection"]) == (408, "too_slow", "close")
    assert files(office.rt.config.media_path) == []


async def test_a_file_stays_while_a_message_needs_it(office: Office) -> None:
    bia = await agent(office)
    file = (await send(office, bia, PNG, "image/png")).json()["id"]
    header = {"type": "file", "kind": "image", "file": file}
    content = {"type": "template", "name": "promo", "language": "pt_BR", "header": header}
    body = {"to": {"phone": "5511900000001"}, "content": content, "category": "utility"}
    message = (await office.post("/messages", body, bia)).json()["id"]
    refused = await office.delete(f"/media/{file}", bia)
    assert (refused.status_code, refused.json()["code"]) == (409, "file_needed")
    assert (await office.get(f"/media/{file}/content", bia)).content == PNG
    await office.post(f"/messages/{message}/withdraw", None, bia)
    assert (await office.delete(f"/media/{file}", bia)).status_code == 204
    assert (await office.post("/messages", body, bia)).json()["errors"][0]["path"] == "$.content.file"


async def test_whoever_deletes_waits_for_a_message_that_is_being_written(office: Office) -> None:
    bia = await agent(office)
    file = (await send(office, bia, PNG, "image/png")).json()["id"]
    async with office.rt.db.tenant(office.world.a) as tx:
        await media.hold(tx, [UUID(file)])
        deleting = asyncio.ensure_future(office.delete(f"/media/{file}", bia))
        await asyncio.sleep(0.3)
        assert not deleting.done()
    assert (await deleting).status_code == 204
