"""A business from its making to the forgetting of a person: by somebody who has nothing but the API's document and a key, and by
the lines that README.md gives for it."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from atendeja.cli import run
from tests import readme, server, world
from tests.journeys import process
from tests.journeys.house import ECHO
from tests.office import JWT, PASSWORD

SCOPES = [
    *("numbers:write", "flows:write", "contacts:read", "contacts:erase", "messages:read", "messages:send", "jobs:read"),
]
ANA, BIA = "5511900000001", "5511900000002"
PATIENCE_S = 30


class Reader:
    """Calls operations by their ids, as the document describes them, and believes nothing that is not in it."""

    def __init__(self, http: httpx.AsyncClient, document: dict[str, Any], bearer: str = "") -> None:
        self._http, self._document, self._bearer = http, document, bearer
        self._operations = {
            operation["operationId"]: (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def with_bearer(self, bearer: str) -> "Reader":
        return Reader(self._http, self._document, bearer)

    async def __call__(self, operation_id: str, body: object = None, **parameters: str) -> Any:
        """What an operation gives; it has to be what the document says that it may. Raises AssertionError when it is refused."""
        path, method, operation = self._operations[operation_id]
        known = {p["name"]: p["in"] for p in operation.get("parameters", [])}
        assert parameters.keys() <= known.keys()
        url = re.sub(r"{(\w+)}", lambda m: parameters[m[1]], path)
        query = {name: value for name, value in parameters.items() if known[name] == "query"}
        headers = {"Authorization": f"Bearer {self._bearer}"} if operation["security"] else {}
        answer = await self._http.request(
            method.upper(), url + ("?" + urlencode(query) if query else ""), json=body, headers=headers
        )
        assert str(answer.status_code) in operation["responses"], (operation_id, answer.text)
        assert answer.status_code < 400, (operation_id, answer.text)
        return answer.json() if answer.content else None

    async def until(self, operation_id: str, wanted: Any, **parameters: str) -> Any:
        """What it gives as soon as that is what is wanted."""
        deadline = monotonic() + PATIENCE_S
        while not wanted(found := await self(operation_id, **parameters)):
            assert monotonic() < deadline, (operation_id, found)
            await asyncio.sleep(0.1)
        return found


@pytest.fixture
async def simulator(log_dir: Path) -> AsyncIterator[process.Child]:
    async with process.simulating(log_dir) as child:
        yield child


@pytest.fixture
async def host(
    cluster: server.Server,
    database: str,
    tmp_path: Path,
    log_dir: Path,
    simulator: process.Child,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A new installation that talks to the simulator, and the one-time token of its operator."""
    urls = cluster.dsn(database), cluster.dsn(database, "postgres")
    for name, value in world.environ(*urls, tmp_path / "state").items():
        monkeypatch.setenv(name, value)
    assert await asyncio.to_thread(run, ["admin", "create", "--email", "op@host.example", "--operator"]) == 0
    token = capsys.readouterr().out.partition("for a day: ")[2].split()[0]
    more = {"JWT_SECRET": JWT, "WA_API_BASE": simulator.url}
    one = process.serving(*urls, tmp_path / "serve", log_dir, more=more)
    async with one as child, httpx.AsyncClient(base_url=child.url) as http, httpx.AsyncClient(base_url=simulator.url) as control:
        await control.post("/_sim/settings", json={"webhook_url": f"{child.url}/webhook"})
        yield http, token


async def test_a_document_and_a_key_are_enough(host: tuple[httpx.AsyncClient, str], simulator: process.Child) -> None:
    http, token = host
    api = Reader(http, (await http.get("/openapi.json")).json())
    operator = api.with_bearer(await operators_key(api, token))

    made = await operator("make_tenant", {"slug": "sol", "name": "Oficina Sol", "owner": "ana@sol.example"})
    await api("accept", {"token": made["owner"]["token"], "password": PASSWORD, "name": "Ana"})
    owner = api.with_bearer((await api("login", {"email": "ana@sol.example", "password": PASSWORD}))["access_token"])
    shop = api.with_bearer((await owner("make_key", {"name": "tudo", "scopes": SCOPES}))["secret"])
    number = (await shop("add_number", msgspec.to_builtins(world.A)))["number"]
    flow = await shop("make_flow", {"source": ECHO})
    await shop("publish_flow", {"version_id": flow["draft"]["id"], "skip_tests": True}, id=flow["id"])

    async with httpx.AsyncClient(base_url=simulator.url) as control:
        said = {"type": "text", "text": {"body": "Oi, tudo bem?"}}
        incoming = {"from": ANA, "phone_number_id": number["phone_number_id"], "content": said, "name": "Ana Cliente"}
        assert (await control.post("/_sim/message", json=incoming)).status_code == 200
        await shop.until("list_messages", lambda page: [m["state"] for m in page["items"]] == ["read"])
        (contact,) = (await shop("search_contacts", {"text": "ana cli"}))["items"]
        lines = (await shop("show_contact_timeline", id=contact["id"]))["items"]
        assert ["Recebido." in str(line["content"]) for line in lines] == [True, False]

        template = {"type": "template", "name": "pedido_saiu", "language": "pt_BR"}
        sent = await shop("send_message", {"to": {"contact_id": contact["id"]}, "content": template, "category": "utility"})
        await shop.until("show_message", lambda whole: whole["message"]["state"] == "read", id=sent["id"])

        await control.post("/_sim/fault", json={"match": {"to": BIA}, "do": "code", "value": 131026})
        lost = await shop("send_message", {"to": {"phone": BIA}, "content": template, "category": "utility"})
        await shop.until("show_message", lambda whole: whole["message"]["state"] == "failed", id=lost["id"])
        assert "131026" in str(await shop("explain_message", id=lost["id"]))

    job = await shop("erase_contact", id=contact["id"])
    done = await shop.until("show_job", lambda job: job["state"] in ("done", "failed"), id=job["id"])
    assert done["state"] == "done", done
    assert (await shop("search_contacts", {"text": "ana cli"}))["items"] == []


async def test_the_lines_of_the_readme_are_enough(host: tuple[httpx.AsyncClient, str], simulator: process.Child) -> None:
    """The first key by its commands, all else by its client; the customer's telephone is the simulator's."""
    http, token = host
    url = str(http.base_url).rstrip("/")
    known = {"URL": url, "ATENDEJA_URL": url, "TOKEN": token, "PASSWORD": PASSWORD, "WHATSAPP_TOKEN": "any"}
    shell = 'atendeja() { "$PYTHON" -c "from atendeja.cli import main; main()" "$@"; }\n' + readme.block("/v1/auth/accept")
    told, _ = await say(["bash", "-euc", f"{shell}\necho KEY=$KEY"], known)
    assert told.count('"items"') == 1 and "title" not in told, told
    (key,) = re.findall(r"^KEY=(atj_\S+)$", told, re.MULTILINE)

    async def write() -> None:
        async with httpx.AsyncClient(base_url=simulator.url) as control:
            await control.post("/_sim/fault", json={"match": {"to": BIA}, "do": "code", "value": 131026})
            said = {"type": "text", "text": {"body": "Quero agendar"}}
            incoming = {"from": ANA, "phone_number_id": "100000000000003", "content": said, "name": "Caio"}
            assert (await control.post("/_sim/message", json=incoming)).status_code == 200

    told, after = await say([sys.executable, "-c", readme.block("erase_contact")], known | {"OPERATORS_KEY": key}, write)
    timeline, why, receipt = after.splitlines()
    assert "Quero agendar" in timeline and "Qual serviço" in timeline
    assert "not on WhatsApp" in why
    assert re.search(r"'event': [1-9]", receipt), receipt


async def say(
    command: list[str], environ: dict[str, str], when_asked: Callable[[], Awaitable[None]] | None = None
) -> tuple[str, str]:
    """What a command of the reader's prints before, and after, it has asked for Enter."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=readme.ROOT,
        env={**kept, "PYTHON": sys.executable, "PYTHONPATH": str(readme.ROOT), "PYTHONUTF8": "1", **environ},
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        async with asyncio.timeout(2 * PATIENCE_S):
            before = b""
            if when_asked is not None:
                before = await child.stdout.readuntil(b"press Enter: ")
                await when_asked()
                child.stdin.write(b"\n")
            after, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    assert child.returncode == 0, (before + after).decode()
    return ((before or after).decode(), after.decode())


async def operators_key(api: Reader, token: str) -> str:
    """A key of who has the machine: the one thing that is not in the document."""
    await api("accept", {"token": token, "password": PASSWORD, "name": "Op"})
    operator = api.with_bearer((await api("login", {"email": "op@host.example", "password": PASSWORD}))["access_token"])
    return str((await operator("make_key", {"name": "tudo", "scopes": ["tenants:write"]}))["secret"])
