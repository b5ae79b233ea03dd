"""The start of a process: whom it serves as, and what stops it with a clear line."""

import asyncio
import random
import secrets
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
import structlog.testing
from msgspec.structs import replace

from atendeja import app, leases
from atendeja.config import Config, Dsn, Secret
from atendeja.errors import Refused
from tests import server, world
from tests.journeys import process


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("postgresql://ana%40loja:x@one:1,two:2/db", "ana@loja"),
        ("postgresql:///db?host=/run/postgresql&user=ana&password=x", "ana"),
        ("postgresql:///db?host=/run/postgresql", None),
    ],
)
def test_the_login_that_will_serve_is_read_from_every_form_of_address(url: str, login: str | None, tmp_path: Path) -> None:
    assert app.serving_login(world.make_config(url, url, tmp_path)) == login


async def test_an_address_for_notifications_that_does_not_work_stops_the_start(config: Config) -> None:
    wrong = urlsplit(config.database_url.reveal())._replace(path="/there_is_no_such_database").geturl()
    with pytest.raises(Refused, match=r"the login of DATABASE_LISTEN_URL: .*there_is_no_such_database"):
        await app.wait_for_database(replace(config, database_listen_url=Dsn(wrong)))


async def test_two_addresses_of_two_databases_stop_the_start(cluster: server.Server, config: Config) -> None:
    name = f"atd_{secrets.token_hex(6)}"
    cluster.create_database(name)
    try:
        with pytest.raises(Refused, match=r"lacks 0001_.*\n.*must name the database of DATABASE_URL"):
            await app.wait_for_database(replace(config, database_url=Dsn(cluster.dsn(name))))
    finally:
        cluster.drop_database(name)


async def test_a_database_that_goes_away_during_the_start_is_waited_for(config: Config) -> None:
    """Whatever it is asked for at that moment: every connection is cut again and again, for three seconds."""
    admin = await asyncpg.connect(config.admin_url.reveal())
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    await admin.fetch(others)

    async def cut() -> None:
        async with asyncio.timeout(3):
            while True:
                await admin.fetch(others)
                await asyncio.sleep(random.uniform(0, 0.05))

    cutting = asyncio.ensure_future(cut())
    for _ in range(3):
        async with app.open_runtime(config) as rt:
            assert rt.guard.hold is None
    with pytest.raises(TimeoutError):
        await cutting
    await admin.close()


def test_a_host_that_is_not_of_this_machine_is_refused() -> None:
    with pytest.raises(Refused, match=r"cannot listen on 192\.0\.2\.1:.*\n.*--host or HOST"):
        app.listen("192.0.2.1", process.free_port())


async def test_of_two_that_wait_for_the_database_on_one_port_the_second_is_refused(config: Config) -> None:
    """Both may bind it, as long as neither listens; what the second has started is put away."""
    port = process.free_port()
    with closing(app.listen("127.0.0.1", port)) as mine, closing(app.listen("127.0.0.1", port)) as theirs:
        theirs.listen()
        config = replace(config, port=port)
        async with app.open_runtime(config) as rt:
            with pytest.raises(Refused, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
                await app.make_server(app.build(rt, "all"), config, [rt.stop]).serve(sockets=[mine])
            async with rt.db.session() as session:
                other = leases.Leases(replace(rt.who, boot=rt.new_id(), holder=rt.new_id()))
                assert await other.take(session, "digest:0", 0.0) is not None


async def test_the_api_is_open_only_with_a_key_and_a_start_says_what_is_missing(config: Config) -> None:
    """No default secret: without JWT_SECRET /v1 answers 503, and everything else as ever."""
    for secret, role, wanted, said in (
        ((), "all", 503, "api_closed"),
        ((Secret("kid:" + "x" * 32),), "web", 401, "no_account_yet"),
        ((Secret("kid:" + "x" * 32),), "worker", 404, None),
    ):
        with structlog.testing.capture_logs() as lines:
            async with app.open_runtime(replace(config, jwt_secret=secret)) as rt:
                application = app.build(rt, role)  # type: ignore[arg-type]  # a Role
                transport = httpx.ASGITransport(application)
                async with application.router.lifespan_context(application), httpx.AsyncClient(transport=transport) as http:
                    assert (await http.get("http://app/v1/me")).status_code == wanted
                    assert (await http.get("http://app/health/live")).status_code == 200
        assert {line["event"] for line in lines} & {"api_closed", "no_account_yet"} == ({said} if said else set())


async def test_a_process_that_takes_webhooks_says_so_as_long_as_it_does(config: Config) -> None:
    """The worker that waits for a status must know whether one could come: `door` is held by `web` and `all`, not by `worker`."""
    doors = "SELECT name, until > now() AS held FROM lease WHERE name LIKE 'door:%'"
    for role, wanted in (("worker", 0), ("web", 1), ("all", 1)):
        async with app.open_runtime(config) as rt:
            application = app.build(rt, role)  # type: ignore[arg-type]  # a Role
            async with application.router.lifespan_context(application), asyncio.timeout(10):
                while len(await rt.db.pool.fetch(doors)) != wanted:
                    await asyncio.sleep(0.02)
                if role == "worker":
                    await asyncio.sleep(0.3)
                    assert await rt.db.pool.fetch(doors) == []
