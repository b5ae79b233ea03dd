"""Files of our own: uploaded once for each number, known until Meta forgets them, and never in anybody's way."""

import asyncio
import io
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from atendeja import media, numbers, reporting, tenants
from atendeja.blobs import Blobs
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.outbound import protocol
from atendeja.outbound.files import BELIEVE_AFTER_S, Files
from atendeja.outbound.sender import REREAD_S
from atendeja.reconcile import Reconciler
from atendeja.simulator.uploads import Upload
from atendeja.wa import reply
from atendeja.wa.content import Button, Buttons, File, Media, Slide, Template
from tests import world
from tests.files import PDF, PNG, png
from tests.outbound.office import ANA, BIA, CAI, Office
from tests.outbound.test_protocol import message

LINK = "https://loja.example/bolo.png"


async def keep(office: Office, data: bytes = PNG, mime: str = "image/png", name: str | None = None) -> UUID:
    place = Blobs(office.rt.config.media_path)
    stored = await media.add(
        office.rt.db, place, office.a, io.BytesIO(data), mime=mime, filename=name, media_id=office.rt.new_id(), now=office.now
    )
    return stored.id


def uploads(office: Office) -> list[Upload]:
    return office.simulator.board.world.uploads


def spoil(office: Office, do: str, value: float | None = None, times: int | None = 1) -> None:
    office.fault(do, value, times=times, path="media")


async def test_uploaded_once_for_all_its_messages_and_all_that_wait_go(office: Office) -> None:
    file = await keep(office)
    for who in (ANA, BIA, CAI):
        await office.put(Media("image", file=file, caption="Bolo"), to=who)
    await office.open()
    await office.until("accepted")
    await office.put(Media("image", file=file), to=ANA)
    await office.until("accepted")
    (upload,) = uploads(office)
    assert (upload.mime, upload.answer) == ("image/png", "ok")
    assert (await office.row("SELECT meta_id FROM media_upload"))["meta_id"] == upload.id
    assert len(office.posts) == 4


async def test_a_restart_knows_it_until_it_has_grown_old(office: Office) -> None:
    file = await keep(office)
    await office.put(Media("image", file=file))
    await office.open()
    await office.until("accepted")
    await office.crash()
    await office.put(Media("image", file=file))
    await office.open()
    await office.until("accepted")
    assert len(uploads(office)) == 1
    await office.admin.execute("UPDATE media_upload SET expires_at = now()")
    await office.crash()
    await office.put(Media("image", file=file))
    await office.open()
    await office.until("accepted")
    assert len(uploads(office)) == 2


async def test_another_number_uploads_it_for_itself(office: Office) -> None:
    second = replace(world.A, phone_number_id="100000000000009", display_number="+551140000009")
    async with office.rt.db.session() as session:
        owner = await tenants.find(session, "a")

    async def add(tx: Tx) -> UUID:
        return await numbers.add(tx, owner, office.rt.config.secret_keys, second, office.rt.new_id(), office.now)

    await office.rt.db.transact(office.a, add)
    file = await keep(office)
    await office.says("oi", BIA, second)
    await office.put(Media("image", file=file), to=ANA)
    await office.put(Media("image", file=file), to=BIA)
    await office.open()
    await office.until("accepted")
    assert {upload.phone_number_id for upload in uploads(office)} == {world.A.phone_number_id, second.phone_number_id}
    assert len(await office.rows("SELECT FROM media_upload")) == 2


async def test_others_go_meanwhile_and_its_conversation_keeps_its_order(office: Office) -> None:
    spoil(office, "delay", 1.5)
    await office.put(Media("image", file=await keep(office)), "e o texto", to=ANA)
    await office.put("oi", to=BIA)
    await office.open()
    await office.until("accepted", BIA)
    assert await office.states(ANA) == ["queued", "queued"]
    lines = await reporting.explain(office.rt.db, str((await office.messages(ANA))[0]["id"]), office.now)
    assert "  why: a file of it has to be uploaded to WhatsApp first, which its sender does" in lines
    await office.until("accepted", ANA)
    assert [line.to.lstrip("+") for line in office.posts] == [BIA, ANA, ANA]
    rows = await office.rows("SELECT accepted_at, content->>'type' AS type FROM message WHERE seq > 0 ORDER BY accepted_at")
    assert [row["type"] for row in rows] == ["text", "media", "text"]


@pytest.mark.parametrize("upload", [reply.Uploaded("1"), reply.Undeliverable(100, "refused", "too big")], ids=["done", "refused"])
def test_a_look_that_was_begun_before_an_upload_ended_uploads_nothing_again(upload: reply.Upload) -> None:
    file, files = UUID(int=9), Files()
    waiting = message(content=msgspec.json.encode(Media("image", file=file)))
    files.ask(waiting, 0.0)
    assert files.take(0.0, 1) == [file]
    files.ask(waiting, 0.1)
    files.learn(file, upload, 0.2)
    assert files.take(0.2, 1) == []


async def test_in_headers_and_slides_too(office: Office) -> None:
    one, two = await keep(office), await keep(office, png(7))
    await office.put(Buttons("Quer?", [Button("s", "Sim")], header=File("image", file=one)), to=ANA)
    await office.put(
        Template("vitrine", "pt_BR", slides=[Slide(File("image", file=two)), Slide(File("image", file=one))]),
        to=BIA,
        category="marketing",
    )
    await office.open()
    await office.until("accepted")
    assert {upload.sha256 for upload in uploads(office)} == {row["sha256"] for row in await office.rows("SELECT sha256 FROM media")}
    assert len(uploads(office)) == 2


async def test_a_document_goes_under_its_own_name(office: Office) -> None:
    file = await keep(office, PDF, "application/pdf", "nota fiscal.pdf")
    await office.put(Media("document", file=file))
    (message,) = await office.messages()
    assert msgspec.json.decode(message["content"])["filename"] == "nota fiscal.pdf"


async def test_what_meta_has_forgotten_is_uploaded_anew(office: Office) -> None:
    """131009 about a message with a file of ours, which was not uploaded just now."""
    file = await keep(office)
    await office.put(Media("image", file=file))
    await office.open()
    await office.until("accepted")
    office.simulator.board.change(replace(office.simulator.board.settings, media_s=0))
    office.later(seconds=BELIEVE_AFTER_S + 1)
    await office.put(Media("image", file=file))
    async with asyncio.timeout(8):
        while len(office.posts) < 2:
            await asyncio.sleep(0.01)
    office.simulator.board.change(replace(office.simulator.board.settings, media_s=3600))
    await office.until("accepted")
    assert len(uploads(office)) == 2 and await office.attempts() == ["accepted", "refused", "accepted"]


async def test_a_parameter_that_is_wrong_for_another_reason_ends_it(office: Office) -> None:
    office.fault("code", 131009, times=None)
    await office.put(Media("image", file=await keep(office)))
    await office.open()
    await office.until("failed")
    assert len(office.posts) == 1 == len(uploads(office)) and (await office.messages())[0]["code"] == 131009


async def test_a_file_that_meta_refuses_ends_its_messages_with_its_words_or_goes_by_its_link(office: Office) -> None:
    spoil(office, "code", 131053, times=None)
    file = await keep(office)
    await office.put(Media("image", file=file), to=ANA)
    await office.put("oi", to=BIA)
    await office.put(Media("image", file=file, link=LINK), to=CAI)
    await office.open()
    await office.until(["failed", "accepted", "accepted"])
    (failed, *_) = await office.messages()
    assert (failed["code"], failed["attempt_no"]) == (131053, 0) and failed["failed_at"] is not None
    assert office.notices("message_failed") == 1
    assert len(uploads(office)) == 1, "it is not tried again"


async def test_uploads_that_fail_are_tried_again_and_give_way_to_a_link(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "BACKOFF_S", (0.1, 0.1, 0.1))
    spoil(office, "5xx_before", 503, times=3)
    file = await keep(office)
    await office.put(Media("image", file=file, link=LINK), to=ANA)
    await office.put(Media("image", file=file), to=BIA)
    await office.open()
    await office.until("accepted", timeout_s=15)
    assert [upload.answer for upload in uploads(office)] == ["5xx_before"] * 3 + ["ok"]
    assert office.posts[0].to.lstrip("+") == ANA, "by its link, after the first"


async def test_after_a_day_without_its_file_it_has_failed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "FILE_FAILS_S", 2.0)
    spoil(office, "5xx_before", 503, times=None)
    await office.put(Media("image", file=await keep(office)), category="marketing")
    await office.admin.execute("UPDATE message SET created_at = now() - interval '2 days'")
    await office.open()
    await office.until("failed", timeout_s=12)
    (message,) = await office.messages()
    assert "503" in message["detail"] and message["attempt_no"] == 0
    lines = await reporting.explain(office.rt.db, str(message["id"]), office.now)
    assert lines[2].endswith(f": failed ({message['detail']})")
    assert lines[3] == "  why: it could not be sent: nothing of it left us"


async def test_a_message_that_waited_for_days_has_its_file_uploaded_first(office: Office) -> None:
    """Its number was stopped, or its campaign held: nothing of that is the file's fault."""
    await office.put(Media("image", file=await keep(office)), category="marketing")
    await office.admin.execute("UPDATE message SET created_at = now() - interval '3 days'")
    await office.open()
    await office.until("accepted")


async def test_a_content_that_cannot_be_read_keeps_nobody_from_sending(office: Office) -> None:
    """Of a newer release, with a file in it."""
    await office.put(Media("image", file=await keep(office)), to=ANA)
    await office.admin.execute('UPDATE message SET content = content || \'{"kind": "hologram"}\'')
    await office.put("oi", to=BIA)
    await office.open()
    await office.until("accepted", BIA)
    await office.until("failed", ANA)
    assert "it cannot be built" in (await office.messages(ANA))[0]["detail"]


async def test_bytes_that_cannot_be_read_for_now_are_tried_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is not mounted, no more open files: that is no reason to fail."""
    monkeypatch.setattr(protocol, "BACKOFF_S", (0.1,))
    await office.put(Media("image", file=await keep(office)))
    (path,) = [path for path in office.rt.config.media_path.rglob("*") if path.is_file()]
    path.unlink()
    path.mkdir()
    await office.open()
    await asyncio.sleep(0.5)
    assert await office.states() == ["queued"] and office.posts == []
    path.rmdir()
    path.write_bytes(PNG)
    await office.until("accepted")


async def test_what_was_unfit_is_asked_again_when_it_has_been_mended(office: Office) -> None:
    spoil(office, "code", 131053)
    file = await keep(office)
    await office.put(Media("image", file=file))
    await office.open()
    await office.until("failed")
    office.later(seconds=REREAD_S + 1)
    await office.put(Media("image", file=file))
    await office.until(["failed", "accepted"])


async def test_a_conversation_goes_on_while_a_file_cannot_be_uploaded(office: Office) -> None:
    spoil(office, "5xx_before", 503, times=None)
    await office.put(Media("image", file=await keep(office)), "e o texto", to=ANA)
    await office.open()
    await office.until(["queued", "accepted"])


async def test_a_refusal_of_the_number_stops_it_with_one_notice_and_a_probe_goes_on(office: Office) -> None:
    """F38 met by an upload: nothing is lost."""
    spoil(office, "code", 190)
    await office.put(Media("image", file=await keep(office)))
    await office.open()
    async with asyncio.timeout(5):
        while (await office.row("SELECT stopped_code FROM number WHERE tenant_id = $1", office.a))["stopped_code"] != 190:
            await asyncio.sleep(0.01)
    assert office.notices("number_stopped") == 1 and office.posts == []
    office.later(seconds=protocol.NUMBER_STOP_S + 1)
    async with asyncio.timeout(8):
        while not office.posts:
            await office.open()
            await asyncio.sleep(0.1)
    await office.until("accepted")
    assert (await office.row("SELECT stopped_code FROM number WHERE tenant_id = $1", office.a))["stopped_code"] is None


async def test_bytes_that_are_gone_end_its_messages(office: Office) -> None:
    file = await keep(office)
    await office.put(Media("image", file=file))
    for path in office.rt.config.media_path.rglob("*"):
        if path.is_file():
            path.unlink()
    await office.open()
    await office.until("failed")
    (message,) = await office.messages()
    assert message["detail"] == "our own file is gone"


async def test_after_a_doubt_nobody_says_that_it_was_not_sent(office: Office) -> None:
    """Its file cannot be had any more when a second attempt is due."""
    office.fault("5xx_after", 500)
    await office.put(Media("image", file=await keep(office)))
    await office.open()
    await office.until("in_doubt")
    await office.crash()
    await office.admin.execute("DELETE FROM media_upload")
    spoil(office, "code", 131053, times=None)
    office.later(seconds=office.rt.config.in_doubt_s + 60)
    reconciler = Reconciler(office.rt)
    reconciler._healthy_since -= (office.now - reconciler._healthy_since) + protocol.GIVE_UP_AFTER
    await reconciler.work()
    assert await office.states() == ["queued"]
    await office.open()
    await office.until("unknown")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("video", "file.type: image/png is none that goes as video"),
        ("document", "file.type: image/png"),
        (None, "there is no file"),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_anything_is_written(kind: Any, why: str, office: Office) -> None:
    file = await keep(office)
    with pytest.raises(Refused, match=why):
        await office.put(Media(kind or "image", file=file if kind else office.rt.new_id()))
    assert await office.messages() == []


async def test_a_file_of_another_tenant_is_none(office: Office) -> None:
    file = await keep(office)
    await office.admin.execute("UPDATE media SET tenant_id = $1", office.b)
    with pytest.raises(Refused, match="there is no file"):
        await office.put(Media("image", file=file))
