"""How long a stop takes: SHUTDOWN_GRACE_S once for all that is in flight, and a few seconds when the database does not answer."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from tests import server, world
from tests.chaos.proxy import Proxy
from tests.journeys.town import Town, town

FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
nodes:
  oi: {do: [{say: {text: "Um"}}, {end: {}}]}
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
ANA = "5511900000001"


async def begin_a_webhook(made: Town) -> asyncio.StreamWriter:
    """A request whose body does not come."""
    _, writer = await asyncio.open_connection("127.0.0.1", made.port)
    body = world.text("wamid.half", "oi", sender=ANA)
    writer.write(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1) + body)
    await writer.drain()
    return writer


async def begin_a_send(made: Town) -> None:
    """A POST that is answered in 15 s."""
    await made.sim("settings", {"latency_s": 15})
    await made.writes(ANA, "oi")
    async with asyncio.timeout(10):
        while not await made.posts():
            await asyncio.sleep(0.01)


async def test_requests_and_sends_have_the_same_grace(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> None:
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        child = await made.serve(SHUTDOWN_GRACE_S="2")
        await begin_a_send(made)
        writer = await begin_a_webhook(made)
        began = monotonic()
        assert await child.stop() == 0
        assert 2 <= monotonic() - began < 3.5
        writer.close()


@pytest.mark.parametrize("requests", [0, 1])
async def test_a_second_signal_does_not_wait(
    requests: int, cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """Whatever the first is waiting for; leases go back all the same."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        child = await made.serve()
        await begin_a_send(made)
        writers = [await begin_a_webhook(made) for _ in range(requests)]
        child.process.terminate()
        await asyncio.sleep(0.5)
        began = monotonic()
        assert child.alive
        assert await child.stop() == 0
        assert monotonic() - began < 2
        assert await made.rows("SELECT name FROM lease WHERE until > now()") == []
        for writer in writers:
            writer.close()


async def test_a_database_that_hangs_does_not_hold_the_stop(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    async with Proxy(cluster.dsn(database)) as proxy, town(cluster, database, tmp_path, log_dir, FLOW, proxy.url) as made:
        child = await made.serve(SHUTDOWN_GRACE_S="1")
        proxy.down.hole = True
        await asyncio.sleep(2.5)  # every loop has come to ask it something
        began = monotonic()
        assert await child.stop() == 0
        assert monotonic() - began < 1 + 5 + 1
