"""`atendeja api` against the real API, and against a wire that is played where the API has nothing of the kind."""

import asyncio
import io
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import respx
from httpx import Response

from atendeja import app, client, openapi
from atendeja.cli.api import api
from atendeja.errors import Refused
from tests.cli.test_commands import NOBODY, Shell, bare
from tests.client import odd
from tests.office import PASSWORD, Office, serve_office

__all__ = ["bare"]

ANA = "ana@a.example"
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """The command in this process: its status, and what it prints."""
    monkeypatch.delenv("ATENDEJA_API_KEY", raising=False)

    def say(*words: str, stdin: str = "", key: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        monkeypatch.setenv("ATENDEJA_API_KEY", key)
        status = api(*words)
        return (status, *capsys.readouterr())

    return say


@pytest.fixture
async def url(office: Office) -> AsyncIterator[str]:
    await office.settle(ANA, "owner", office.world.a)
    async with serve_office(office) as url:
        yield url


async def test_a_business_is_run_from_a_shell(say: Say, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATENDEJA_URL", url)

    async def done(*words: str, stdin: str = "", key: str = "") -> str:
        status, printed, _ = await asyncio.to_thread(say, *words, stdin=stdin, key=key)
        assert status == 0
        return printed

    said = await done("login", "--data", "-", "--email", ANA, stdin=json.dumps({"password": PASSWORD}))
    key = json.loads(said)["access_token"]
    user = json.loads(await done("invite_user", "--email=bia@a.example", "--role", "agent", key=key))["user"]
    shown = json.loads(await done("show_user", "--id", user["id"], key=key))
    assert shown == user | {"etag": shown["etag"]}
    change = ("change_user", "--id", user["id"], "--if-match", shown["etag"])
    assert json.loads(await done(*change, "--json", '{"role": "viewer"}', "--disabled", "true", key=key))["state"] == "disabled"
    with pytest.raises(Refused, match=r"412 changed_meanwhile: .*\n  the server's log has it under [0-9a-f-]{36}"):
        await done(*change, "--role", "agent", key=key)
    with pytest.raises(Refused, match=r"422 invalid: .*\n  \$\.email: .*\n  the server"):
        await done("invite_user", "--email", "x", "--role", "agent", key=key)
    make = ("make_key", "--name", "ERP", "--scopes", "users:read", "--scopes", "audit:read", "--expires-at", "2030-01-01T00:00:00Z")
    made = [json.loads(await done(*make, "--idempotency-key", "1", key=key)) for _ in range(2)]
    assert made[0] == made[1] and made[0]["key"]["scopes"] == ["audit:read", "users:read"]
    pages = (await done("list_users", "--limit", "1", "--all", key=made[0]["secret"])).splitlines()
    assert sorted(json.loads(line)["email"] for line in pages) == [ANA, "bia@a.example"]
    first = json.loads(await done("list_users", "--limit", "1", key=made[0]["secret"]))
    assert len(first["items"]) == 1 and first["next_cursor"]
    assert await done("drop_key", "--id", made[0]["key"]["id"], key=key) == ""
    with pytest.raises(Refused, match="401 not_signed_in"):
        await done("me")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("lst_users",), "no operation lst_users, is it list_users?"),
        (("list_users", "--lim", "3"), "takes no --lim, is it limit?"),
        (("list_users", "--limit"), "--limit needs a value"),
        (("show_user",), "needs --id"),
        (("invite_user", "--email", "x"), "needs --role"),
        (("invite_user", "x"), "x is no option"),
        (("make_key", "--json", "["), "the body is not JSON"),
        (("make_key", "--json", "[]"), "the body is not an object"),
        (("login", "--email", "x", "--password", "y"), "password would be seen by everybody"),
        (("login", "--json", '{"password": "y"}'), "password would be seen by everybody"),
        (("--url", "http://x", "nothing"), "no operation nothing"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(words: tuple[str, ...], told: str, say: Say) -> None:
    """S42: no secret among the arguments."""
    status, printed, line = say(*words)
    assert (status, printed) == (2, "") and told in line


def test_every_operation_is_listed_and_explained(say: Say) -> None:
    _, listed, _ = say()
    assert say("--help") == (0, listed, "")
    for endpoint in app.ENDPOINTS:
        assert f"  {endpoint.operation} " in listed and endpoint.says in listed
        status, told, _ = say(endpoint.operation, "--help")
        assert status == 0 and endpoint.says in told
    assert re.search(r"--role +admin \| agent \| owner \| viewer\n", say("change_user", "--help")[1])
    assert re.search(r"--password +password; with --data only\n", say("login", "--help")[1])


def test_files_go_up_and_down_and_events_are_lines(say: Say, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    document = odd.document()
    monkeypatch.setattr(openapi, "document", lambda _endpoints: document)
    monkeypatch.setattr(client, "Client", odd.load(tmp_path).Client)
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with respx.mock(base_url="http://127.0.0.1:8000") as wire:
        route = wire.post("/v1/files").respond(json={"id": 1})
        assert say("upload", "--data", str(tmp_path / "a.png"))[0] == 0
        assert say("upload", "--data", "-", "--content-type", "text/plain", stdin="olá")[0] == 0
        sent = [(call.request.content, call.request.headers["content-type"]) for call in route.calls]
        assert sent == [(b"\x89PNG", "image/png"), ("olá".encode(), "text/plain")]
        assert "does not say what it is" in say("upload", "--data", "-")[2] and "needs --data FILE" in say("upload")[2]
        with pytest.raises(Refused, match=r"gone\.png cannot be read: No such file"):
            say("upload", "--data", "gone.png")
        wire.get(f"/v1/files/{NOBODY}").respond(content="olá".encode())
        assert say("download", "--id", NOBODY)[1] == "olá"
        told = 'id: 2\nevent: new.letter\ndata: {"from": "x", "content": {"type": "text", "body": "é"}}\n\n'
        wire.get("/v1/feed").mock(side_effect=[Response(200, text=told), Response(403, json={"code": "forbidden"})])
        with pytest.raises(Refused, match="403 forbidden"):
            say("watch", "--last-event-id", "1")
        assert [call.request.headers["last-event-id"] for call in wire.routes[-1].calls] == ["1", "2"]


def test_without_the_extra_it_says_what_to_install(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(Refused, match=r"httpx is not installed\n  pip install"):
        say("me")


def test_a_process_ends_as_all_our_commands_do(bare: Shell) -> None:
    assert bare("api", "nothing").returncode == 2
    said = bare.refused("api", "me", "--url", "ftp://127.0.0.1", ATENDEJA_API_KEY="atj_segredo")
    assert "no answer from ftp://127.0.0.1" in said and "atj_segredo" not in said
