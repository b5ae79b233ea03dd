"""The client's generated part is what the API's document says today."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import msgspec
import respx
from msgspec.structs import replace

from atendeja import app, client, openapi
from atendeja.client import drive
from atendeja.dev.client import write
from tests.client.conftest import Either, Make
from tests.client.odd import load

FILE = Path(client.__file__).with_name("generated.py")
ROOT = Path(__file__).parents[2]


def generate() -> str:
    """As `ruff` would have it."""
    text = write(openapi.document(app.ENDPOINTS))
    for command in (["check", "--fix-only"], ["format"]):
        arguments = [str(Path(sys.executable).with_name("ruff")), *command, "--quiet", "--stdin-filename", str(FILE), "-"]
        text = subprocess.run(arguments, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    return text


def test_it_is_what_would_be_generated(update: bool) -> None:
    if update:
        FILE.write_text(generate(), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == generate(), "`pytest --update tests/client/test_generated.py` writes it anew"


def test_it_imports_nothing_of_the_server() -> None:
    """Nor what only a server needs: `pip install atendeja[client]` is for programs elsewhere."""
    script = "import sys, atendeja.client; print(*sys.modules)"
    seen = {*subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()}
    assert {name for name in seen if name.startswith("atendeja.") and not name.startswith("atendeja.client")} == set()
    assert {"httpx", "msgspec"} <= seen
    assert seen & {"asyncpg", "psycopg", "starlette", "uvicorn", "aiohttp", "structlog", "procrastinate", "jwt", "argon2"} == set()


async def test_whatever_a_declaration_may_hold_becomes_a_method_that_works(make: Make, tmp_path: Path, naps: list[float]) -> None:
    """Unions by their tag, names that are words of Python, what is nothing and what is not given, files, streams."""
    odd = load(tmp_path)
    kind = odd.Client if isinstance(make("http://x").client, drive.Sync) else odd.AsyncClient
    api = Either(kind("http://api.example"))
    letter = {
        "from": "you",
        "content": {"type": "text", "body": "oi", "parts": [{"type": "place", "at": [1.5, 2], "new": 1}]},
        "id": 3,
    }
    with respx.mock(base_url="http://api.example") as wire:
        route = wire.post("/v1/letters").respond(201, json=letter, headers={"ETag": '"e"'})
        place = odd.Place(at=(1.0, 2.0), when=dt.date(2026, 3, 4), note=None)
        got = await api.do("send", to="ana", content=place, class_=None)
        assert msgspec.json.decode(route.calls.last.request.content) == {
            "to": "ana", "class": None, "content": {"type": "place", "at": [1.0, 2.0], "when": "2026-03-04", "note": None},
        }  # fmt: skip
        assert (got.from_, got.content.parts[0], got.etag) == ("you", odd.Place(at=(1.5, 2.0)), '"e"')
        await api.do("send", to="ana", content=odd.Text(body="oi"))
        assert route.calls.last.request.content == b'{"to":"ana","content":{"type":"text","body":"oi"}}'
        put = wire.put("/v1/letters/3").respond(204)
        assert await api.do("put", 3, odd.Letter(content=odd.Text(body="oi"))) is None
        assert put.calls.last.request.content == b'{"content":{"type":"text","body":"oi"}}'
        upload = wire.post("/v1/files").respond(json=letter)
        await api.do("upload", b"\x89PNG", content_type="image/png")
        assert (upload.calls.last.request.content, upload.calls.last.request.headers["content-type"]) == (b"\x89PNG", "image/png")
        wire.get("/v1/either").respond(json=letter["content"])
        assert (await api.do("either")).body == "oi"
        wire.get("/v1/files/3").respond(content=b"\x00\xff")
        assert await api.do("download", 3) == b"\x00\xff"
        told = (
            b"retry: 10\nid: 1\nevent: open\ndata: {}\n\nid: 2\nevent: new.letter\ndata: " + msgspec.json.encode(letter) + b"\n\n"
        )
        watch = wire.get("/v1/feed").respond(content=told)
        events = await api.take("watch", 3, last_event_id="0")
        assert [(event.name, event.id, event.told) for event in events[:2]] == [
            ("open", "1", None),
            ("new.letter", "2", replace(got, etag=None)),
        ]
        assert [call.request.headers["last-event-id"] for call in watch.calls] == ["0", "2"]
    await api.do("close")
