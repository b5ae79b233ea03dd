"""The API on real processes: the first person comes in by a command; what one process ends the other knows within 5 s (S18)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import monotonic

import httpx
import pytest

from atendeja.cli import run
from tests import server, world
from tests.journeys import process
from tests.office import JWT, PASSWORD

EMAIL = "ana@a.example"


@pytest.fixture
async def token(
    cluster: server.Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What the command prints."""
    for name, value in world.environ(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path / "state").items():
        monkeypatch.setenv(name, value)
    appoint = ["admin", "create", "--email", EMAIL, "--tenant", "a", "--role", "owner"]
    for arguments in (["tenant", "add", "--slug", "a", "--name", "A"], appoint):
        assert await asyncio.to_thread(run, arguments) == 0
    return capsys.readouterr().out.partition("for a day: ")[2].split()[0]


Serving = Callable[[str], AbstractAsyncContextManager[tuple[process.Child, httpx.AsyncClient]]]


@pytest.fixture
def serving(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> Serving:
    """A process of this name on the test's database, and a client of it."""

    @asynccontextmanager
    async def start(name: str) -> AsyncIterator[tuple[process.Child, httpx.AsyncClient]]:
        dsns, more = (cluster.dsn(database), cluster.dsn(database, "postgres")), {"JWT_SECRET": JWT, "MIGRATE": "off"}
        one = process.serving(*dsns, tmp_path / name, log_dir, role="web", more=more)
        async with one as child, httpx.AsyncClient(base_url=child.url) as http:
            yield child, http

    return start


async def test_the_first_person_comes_in_and_is_out_of_every_process_within_five_seconds(serving: Serving, token: str) -> None:
    async with serving("one") as (one, http), serving("two") as (two, other):
        accepted = await http.post("/v1/auth/accept", json={"token": token, "password": PASSWORD, "name": "Ana"})
        assert accepted.status_code == 204, accepted.text
        said = (await other.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})).json()
        headers = {"Authorization": f"Bearer {said['access_token']}"}
        for client in (http, other):
            assert (await client.get("/v1/me", headers=headers)).json()["email"] == EMAIL
        assert (await http.post("/v1/auth/logout", headers=headers)).status_code == 204
        began = monotonic()
        for client in (http, other):
            while (await client.get("/v1/me", headers=headers)).status_code == 200:
                assert monotonic() - began < 5
                await asyncio.sleep(0.1)
        assert (await http.post("/v1/auth/refresh", json={"refresh_token": said["refresh_token"]})).status_code == 401
        large = await http.post("/v1/auth/login", content=b"[" * 1_000_000, headers={"Content-Type": "application/json"})
        assert (large.status_code, large.json()["code"]) == (413, "too_large")
        written = one.output.read_text() + two.output.read_text()
    served = [line["operation"] for line in one.lines() if line.get("event") == "request_served"]
    assert served[:2] == ["accept", "me"]
    for secret in (token, PASSWORD, said["access_token"], said["refresh_token"], EMAIL):
        assert secret not in written, "in the log"


async def test_a_sign_in_survives_the_process(serving: Serving, token: str) -> None:
    async with serving("one") as (child, http):
        await http.post("/v1/auth/accept", json={"token": token, "password": PASSWORD})
        said = (await http.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})).json()
        await child.kill()
    async with serving("one") as (_, http):
        renewed = await http.post("/v1/auth/refresh", json={"refresh_token": said["refresh_token"]})
        assert renewed.status_code == 200
        headers = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
        assert (await http.get("/v1/me", headers=headers)).json()["role"] == "owner"
