"""Files over HTTP: what is taken, what is refused and how, for whom an id is good, and what is known of each afterwards."""

import asyncio
import hashlib
import time
from pathlib import Path

import msgspec
import pytest

from atendeja.cloud import Cloud
from atendeja.simulator import Simulator
from atendeja.simulator.bodies import Send, media_ids
from atendeja.simulator.bodies import read as read_body
from atendeja.wa import reply
from tests.files import JPEG, PDF, PNG
from tests.simulator.conftest import NUMBER, Api, Json

SAMPLES = Path(__file__).parents[1] / "wa" / "samples"
OTHER = "100000000000002"
MB = 1024 * 1024


@pytest.fixture
async def open_api(api: Api) -> Api:
    await api.sim("settings", window=False)
    return api


async def image(api: Api, media_id: str, number: str = NUMBER) -> int | None:
    """Send a picture: the code with which it is refused, None if it is not."""
    _, answer = await api.send(number=number, type="image", text=None, image={"id": media_id})
    return None if "error" not in answer else answer["error"]["code"]


async def test_a_file_is_taken_and_known_afterwards(api: Api) -> None:
    before = time.time()
    status, answer = await api.upload(PNG)
    assert (status, list(answer)) == (200, ["id"])
    assert answer["id"].isdecimal()
    [known] = await api.uploads()
    assert before <= known.pop("at") <= time.time()
    assert known == {
        "phone_number_id": NUMBER,
        "mime": "image/png",
        "filename": "cardápio.png",
        "size": len(PNG),
        "sha256": hashlib.sha256(PNG).hexdigest(),
        "id": answer["id"],
        "answer": "ok",
        "deleted": False,
    }
    assert (await api.get("/_sim/log"))["last"] == 0  # the witness is of messages


async def test_what_the_app_uploads_is_taken_as_it_is(api: Api, tmp_path: Path) -> None:
    (tmp_path / "nota").write_bytes(PDF)
    cloud = Cloud(api.url, "v24.0")
    done = await cloud.upload_media(NUMBER, "t", tmp_path / "nota", "application/pdf", "nota fiscal ção.pdf")
    await cloud.close()
    [known] = await api.uploads()
    assert done == reply.Uploaded(known["id"])
    assert (known["sha256"], known["filename"]) == (hashlib.sha256(PDF).hexdigest(), "nota fiscal ção.pdf")


@pytest.mark.parametrize(
    ("data", "mime", "fields", "code"),
    [
        (PNG, "image/gif", {}, 131053),
        (b"x" * (5 * MB + 1), "image/jpeg", {}, 131053),
        (b"x" * (500 * 1024 + 1), "image/webp", {}, 131053),
        (PNG, "image/png", {"messaging_product": None}, 100),
        (PNG, "image/png", {"messaging_product": "telegram"}, 100),
        (PNG, "image/png", {"type": "image/jpeg"}, 100),
        (b"", "image/png", {}, 100),
    ],
)
async def test_what_meta_refuses_is_refused(api: Api, data: bytes, mime: str, fields: dict[str, str | None], code: int) -> None:
    status, answer = await api.upload(data, mime, fields=fields)
    assert (status, answer["error"]["code"]) == (400, code)
    assert [(known["id"], known["answer"]) for known in await api.uploads()] == ([(None, "131053")] if code == 131053 else [])


async def test_the_largest_file_is_taken_and_a_larger_one_is_answered(api: Api) -> None:
    assert (await api.upload(b"x" * (16 * MB), "video/mp4"))[0] == 200
    status, answer = await api.upload(b"x" * (101 * MB), "application/pdf")
    assert (status, answer["error"]["code"]) == (400, 131053)


async def test_the_type_may_be_the_files_own(api: Api) -> None:
    assert (await api.upload(JPEG, "image/jpeg", fields={"type": None}))[0] == 200


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=a", "", "x"])
async def test_what_is_no_form_is_refused(api: Api, content_type: str) -> None:
    url, headers = f"{api.url}/v24.0/{NUMBER}/media", {"Content-Type": content_type}
    async with api.session.post(url, data=b'{"messaging_product": "whatsapp"}', headers=headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, 100)


async def test_tokens_and_numbers_are_checked(api: Api) -> None:
    await api.sim("settings", tokens=["certo"])
    status, answer = await api.upload(PNG, token="errado")
    assert (status, answer["error"]["code"]) == (401, 190)
    _, answer = await api.upload(PNG, token="certo", number="abc")
    assert (answer["error"]["code"], answer["error"]["error_subcode"]) == (100, 33)
    assert (await api.upload(PNG, token="certo"))[0] == 200


async def test_an_id_is_good_for_its_number_only(open_api: Api) -> None:
    media_id = (await open_api.upload(PNG))[1]["id"]
    assert await image(open_api, media_id) is None
    assert await image(open_api, media_id, OTHER) == 131009
    assert await image(open_api, "300000000000050", OTHER) is None  # never given here
    assert (await open_api.get("/_sim/log"))["lines"][1]["answer"] == "131009"


async def test_an_id_grows_old(open_api: Api) -> None:
    media_id = (await open_api.upload(PNG))[1]["id"]
    await open_api.sim("settings", media_s=0)
    assert await image(open_api, media_id) == 131009


async def test_a_deleted_file_is_gone(open_api: Api) -> None:
    media_id = (await open_api.upload(PNG))[1]["id"]
    url = f"{open_api.url}/v24.0/{media_id}"
    async with open_api.session.delete(url) as response:
        assert await response.json() == {"success": True}
    async with open_api.session.delete(url) as response:
        assert (await response.json())["error"]["error_subcode"] == 33
    assert await image(open_api, media_id) == 131009


async def test_a_reset_forgets_files(open_api: Api) -> None:
    await open_api.upload(PNG)
    await open_api.sim("reset")
    assert await open_api.uploads() == []


FILE = {"id": "7"}
HEADER = {"type": "image", "image": FILE}
TEMPLATE = {"type": "header", "parameters": [HEADER]}


@pytest.mark.parametrize(
    "content",
    [
        {"type": "sticker", "sticker": FILE},
        {"type": "interactive", "interactive": {"type": "cta_url", "body": {"text": "a"}, "header": HEADER}},
        {"type": "template", "template": {"name": "a", "language": {"code": "pt_BR"}, "components": [TEMPLATE]}},
        {
            "type": "template",
            "template": {
                "name": "a",
                "language": {"code": "pt_BR"},
                "components": [{"type": "carousel", "cards": [{"card_index": 0, "components": [TEMPLATE]}]}],
            },
        },
    ],
)
def test_an_id_is_found_wherever_it_stands(content: Json) -> None:
    send = read_body(msgspec.json.encode({"messaging_product": "whatsapp", "to": "+5511900000001"} | content))
    assert isinstance(send, Send)
    assert media_ids(send) == ["7"]


def test_other_ids_are_none_of_a_file() -> None:
    for case, ids in {"request-send-interactive-buttons": [], "request-send-image-by-id": ["300000000000050"]}.items():
        send = read_body((SAMPLES / f"{case}.json").read_bytes())
        assert isinstance(send, Send)
        assert media_ids(send) == ids


@pytest.mark.parametrize("do", ["rst_before", "5xx_before", "code", "drop_answer", "rst_after", "5xx_after", "html", "truncate"])
async def test_an_upload_can_be_spoiled_and_the_next_one_is_not(api: Api, tmp_path: Path, do: str) -> None:
    """As the app sees it: nothing but a code is final, and what was taken all the same is known."""
    (tmp_path / "a").write_bytes(PNG)
    await api.sim("fault", do=do, match={"path": "media"}, value=131053 if do == "code" else None)
    cloud = Cloud(api.url, "v24.0")
    first, second = [await cloud.upload_media(NUMBER, "t", tmp_path / "a", "image/png", "a.png") for _ in range(2)]
    await cloud.close()
    assert isinstance(first, reply.Undeliverable if do == "code" else reply.Unavailable)
    assert isinstance(second, reply.Uploaded)
    taken = do in ("drop_answer", "rst_after", "5xx_after", "html", "truncate")
    assert [(known["answer"], known["id"] is not None) for known in await api.uploads()] == [(do, taken), ("ok", True)]


async def test_an_upload_can_be_delayed_and_sends_are_not(open_api: Api) -> None:
    await open_api.sim("fault", do="delay", value=0.3, match={"path": "media"})
    uploading = asyncio.create_task(open_api.upload(PNG))
    await asyncio.sleep(0.1)
    assert (await open_api.send())[0] == 200
    assert not uploading.done()
    assert (await uploading)[0] == 200


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /v24.0/{NUMBER}/media HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    await writer.drain()
    writer.close()
    await asyncio.sleep(0.05)
    assert await api.uploads() == []
    assert "Exception" not in capsys.readouterr().err


async def test_the_feed_shows_an_upload_without_its_bytes(api: Api, simulator: Simulator) -> None:
    await api.upload(PNG)
    [seen] = simulator.board.feed.snapshot([]).traffic
    assert (seen.title, seen.status) == (f"POST /v24.0/{NUMBER}/media", 200)
    assert len(bytes(seen.request)) < 40
