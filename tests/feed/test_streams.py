"""Live events over real HTTP: resumed without a gap, kept alive, of one tenant, ended in time, and cheap while they rest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from atendeja import app, feed
from atendeja.accounts.gate import KEEP_S
from atendeja.config import Config, Secret
from atendeja.db import Tx
from atendeja.endpoint import streaming
from atendeja.endpoint.serving import AT_ONCE
from atendeja.feed import hub, reading, writing
from atendeja.feed.shapes import ConsentDeclared, Noticed
from atendeja.runtime import Runtime
from tests import server, world
from tests.journeys import process
from tests.office import JWT, Office

SOON_S = 8.0
MIB = 1024 * 1024


class Event(msgspec.Struct, frozen=True):
    """One server-sent event."""

    id: int
    type: str
    data: dict[str, Any]

    @property
    def subject(self) -> str:
        return str(self.data["data"]["subject"])


class Listener:
    """A client that reads a stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer, self.beats = answer, 0
        self._pieces = self._read(answer.aiter_lines())

    async def _read(self, lines: AsyncIterator[str]) -> AsyncIterator[Event]:
        fields: dict[str, str] = {}
        async for line in lines:
            if line.startswith(":"):
                self.beats += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                yield Event(int(fields["id"]), fields["event"], msgspec.json.decode(fields["data"]))
                fields = {}

    async def next(self) -> Event:
        return await asyncio.wait_for(anext(self._pieces), SOON_S)

    async def ended(self) -> None:
        """Until the stream ends, and not because what the gate remembers is old by then; whatever comes before does not matter."""
        async with asyncio.timeout(KEEP_S - 1.5):
            async for _ in self._pieces:
                pass


class House(Office):
    """A process with its doors open, in the test's own loop."""

    @asynccontextmanager
    async def listen(self, bearer: str, query: str = "", last: int | str | None = None) -> AsyncIterator[Listener]:
        headers = {"Authorization": f"Bearer {bearer}"} | ({} if last is None else {"Last-Event-ID": str(last)})
        async with self.http.stream("GET", f"/v1/events{query}", headers=headers, timeout=SOON_S) as answer:
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            yield Listener(answer)

    async def happens(self, *subjects: str, tenant_id: int | None = None) -> None:
        """Told as the spine does."""
        told = [Noticed("prova", subject, None) for subject in subjects]
        await self.rt.db.transact(tenant_id or self.world.a, lambda tx: self.rt.feed.tell(tx, told))


@pytest.fixture
async def house(rt: Runtime) -> AsyncIterator[House]:
    rt.config = msgspec.structs.replace(rt.config, jwt_secret=(Secret(JWT),), port=process.free_port())
    sock = app.listen(rt.config.host, rt.config.port)
    serving = app.make_server(app.build(rt, "web"), rt.config, [rt.stop])
    task = asyncio.get_running_loop().create_task(serving.serve(sockets=[sock]))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{rt.config.port}") as http:
        while not serving.started:
            await asyncio.sleep(0.01)
        yield House(rt, http, await world.found(rt.db, rt.config.secret_keys))
        serving._stop()
        await asyncio.wait_for(task, SOON_S)
    sock.close()


async def test_it_is_told_as_it_happens_and_goes_on_where_it_was(house: House) -> None:
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    async with house.listen(ana) as stream:
        opened = await stream.next()
        assert (opened.type, opened.data) == ("open", {"type": "open"})
        assert stream.answer.headers["cache-control"] == "no-store"
        began = monotonic()
        await house.happens("one", "two")
        found = [await stream.next(), await stream.next()]
        assert monotonic() - began < hub.SWEEP_S / 2, "by the word of whoever told it, not by looking"
        assert [(e.type, e.subject, e.id) for e in found] == [("notice", "one", 1), ("notice", "two", 2)]
        assert found[0].data.keys() == {"id", "type", "timestamp", "data"}
    await house.happens("three")
    async with house.listen(ana, last=found[0].id) as stream:
        again = [await stream.next() for _ in range(3)]
        assert [(e.type, e.id) for e in again] == [("open", 1), ("notice", 2), ("notice", 3)]
        assert again[1] == found[1], "the same thing is told the same, its id too"


async def test_what_no_word_is_told_of_is_found(house: House) -> None:
    """The net: a word may be lost."""
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    async with house.listen(ana) as stream:
        await stream.next()

        async def work(tx: Tx) -> None:
            await feed.add(tx, house.rt.new_id, house.rt.now(), [Noticed("prova", "quiet", None)])

        await house.rt.db.transact(house.world.a, work)
        assert (await stream.next()).subject == "quiet"


async def test_streams_of_two_processes_hear_what_either_does(house: House, config: Config, tmp_path: Path) -> None:
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    other = msgspec.structs.replace(config, state_dir=tmp_path / "other")
    async with house.listen(ana) as stream, app.open_runtime(other) as rt:
        await stream.next()
        began = monotonic()
        await rt.db.transact(house.world.a, lambda tx: rt.feed.tell(tx, [Noticed("prova", "from afar", None)]))
        assert (await stream.next()).subject == "from afar"
        assert monotonic() - began < hub.SWEEP_S / 2


async def test_only_what_was_asked_for_and_only_of_ones_own(house: House) -> None:
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    bia = await house.sign_in("bia@b.example", "owner", house.world.b)
    async with house.listen(ana, "?types=contact.consent,flow.published") as some, house.listen(bia) as others:
        await some.next()
        await others.next()
        await house.happens("not asked for")
        await house.happens("of b", tenant_id=house.world.b)
        declared = ConsentDeclared(UUID(int=1), "marketing", "out", "word")
        await house.rt.db.transact(house.world.a, lambda tx: house.rt.feed.tell(tx, [declared]))
        assert (await some.next()).type == "contact.consent"
        assert (await others.next()).subject == "of b"
        await house.happens("again", tenant_id=house.world.b)
        assert (await others.next()).subject == "again", "and nothing of a in between"


@pytest.mark.parametrize("last", ["99", "0", "-1", "x", "9" * 40])
async def test_who_may_have_missed_something_is_told_so(house: House, last: str) -> None:
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)

    async def forget(tx: Tx) -> None:
        await reading.listen(tx, house.rt.now(), house.rt.now())
        await feed.add(tx, house.rt.new_id, house.rt.now(), [Noticed("prova", s, None) for s in "ab"])
        await reading.number(tx)
        await reading.listen(tx, house.rt.now(), house.rt.now())  # nobody listened meanwhile: 3 is left out

    await house.rt.db.transact(house.world.a, forget)
    async with house.listen(ana, last=last) as stream:
        began = await stream.next()
        assert began.type == "reset"
        await house.happens("from here on")
        assert (await stream.next()).id == began.id + 1
    async with house.listen(ana, last=began.id) as stream:
        assert (await stream.next()).type == "open"


async def test_what_no_bell_told_of_is_found_while_another_business_is_busy(house: House) -> None:
    """The word of b's news is lost; a's bell rings all the time."""
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    bia = await house.sign_in("bia@b.example", "viewer", house.world.b)

    async def ring() -> None:
        while True:
            house.rt.feed.hub.hear(house.world.a)
            await asyncio.sleep(hub.SWEEP_S / 40)

    async with house.listen(ana), house.listen(bia) as stream:
        await stream.next()
        busy = asyncio.get_running_loop().create_task(ring())
        told = [Noticed("prova", "unheard", None)]
        await house.rt.db.transact(house.world.b, lambda tx: writing.add(tx, house.rt.new_id, house.rt.now(), told))
        assert (await stream.next()).subject == "unheard"
        busy.cancel()


async def test_a_client_far_behind_gets_all_of_it_and_nobody_keeps_it_for_him(house: House) -> None:
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    async with house.listen(ana) as first:
        await first.next()
        subjects = [str(n) for n in range(hub.MOST_KEPT + 300)]
        await house.happens(*subjects)
        assert [(await first.next()).subject for _ in subjects] == subjects
        async with house.listen(ana, last=0) as late:
            await late.next()
            assert [(await late.next()).subject for _ in subjects] == subjects
        channel = house.rt.feed.hub._channels[house.world.a]
        assert len(channel._kept) <= hub.MOST_KEPT
    async with asyncio.timeout(SOON_S):
        while house.rt.feed.hub._channels:
            await asyncio.sleep(0.01)  # who has gone leaves nothing behind


async def test_a_stream_that_rests_lives_and_holds_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BEAT_S", 0.05)
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    async with contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(house.listen(ana, "?types=flow.published")) for _ in range(AT_ONCE + 8)]
        for stream in streams:
            await stream.next()
        assert (await house.get("/me", ana)).status_code == 200, "all turns are free"
        pool = house.rt.db.pool
        assert pool.get_size() - pool.get_idle_size() <= 2
        waiting = asyncio.get_running_loop().create_task(streams[0].next())
        async with asyncio.timeout(SOON_S):
            while streams[0].beats < 3:
                await asyncio.sleep(0.01)
        waiting.cancel()


async def test_there_is_an_end_to_how_many(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await house.sign_in("ana@a.example", "viewer", house.world.a)
    bia = await house.sign_in("bia@b.example", "viewer", house.world.b)
    monkeypatch.setattr(hub, "MOST_OF_TENANT", 2)
    monkeypatch.setattr(hub, "MOST_STREAMS", 3)
    async with house.listen(ana), house.listen(ana), house.listen(bia):
        for bearer, expected in ((ana, (429, "too_many_streams")), (bia, (503, "unavailable"))):
            answer = await house.get("/events", bearer)
            assert (answer.status_code, answer.json()["code"]) == expected and answer.headers["retry-after"] == "30"


async def test_who_is_put_out_hears_nothing_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """By sign-out, by a key that is dropped, by being disabled; the others' streams go on."""
    assert streaming.ASK_EVERY_S <= 4
    monkeypatch.setattr(streaming, "ASK_EVERY_S", 0.1)
    boss = await house.sign_in("boss@a.example", "owner", house.world.a)
    made = (await house.post("/keys", {"name": "x", "scopes": ["events:read"]}, boss)).json()
    out = await house.sign_in("out@a.example", "viewer", house.world.a)
    gone = await house.sign_in("gone@a.example", "agent", house.world.a)
    gone_id = (await house.get("/me", gone)).json()["account_id"]
    async with (
        house.listen(boss) as stays,
        house.listen(out) as one,
        house.listen(made["secret"]) as two,
        house.listen(gone) as three,
    ):
        await house.post("/auth/logout", bearer=out)
        await one.ended()
        await house.delete(f"/keys/{made['key']['id']}", boss)
        await two.ended()
        await house.patch(f"/users/{gone_id}", {"disabled": True}, boss)
        await three.ended()
        await stays.next()
        await house.happens("still here")
        assert (await stays.next()).subject == "still here"
        assert not house.rt.stopping.is_set()


Serving = Callable[[], AbstractAsyncContextManager[tuple[process.Child, httpx.AsyncClient, dict[int, str]]]]


@pytest.fixture
def serving(rt: Runtime, cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> Serving:
    """A real process, and a key for the streams of each tenant."""

    @asynccontextmanager
    async def start() -> AsyncIterator[tuple[process.Child, httpx.AsyncClient, dict[int, str]]]:
        made = await world.found(rt.db, rt.config.secret_keys)
        dsns, more = (
            (cluster.dsn(database), cluster.dsn(database, "postgres")),
            {"JWT_SECRET": JWT, "MIGRATE": "off", "API_RATE": "10000"},
        )
        limits = httpx.Limits(max_connections=None)
        async with (
            process.serving(*dsns, tmp_path / "child", log_dir, role="web", more=more) as child,
            httpx.AsyncClient(base_url=child.url, limits=limits, timeout=30) as http,
        ):
            house, keys = House(rt, http, made), {}
            for tenant_id in (made.a, made.b):
                boss = await house.sign_in(f"boss@{tenant_id}.example", "owner", tenant_id)
                keys[tenant_id] = (await house.post("/keys", {"name": "x", "scopes": ["events:read"]}, boss)).json()["secret"]
            yield child, http, keys

    return start


async def open_stream(child: process.Child, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(child.url.rpartition(":")[2]))
    writer.write(f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    while (line := await asyncio.wait_for(reader.readline(), SOON_S)) and not line.startswith(b"event: open"):
        pass
    assert line
    return reader, writer


async def test_five_hundred_that_rest_cost_little_hear_it_all_and_are_not_waited_for(serving: Serving, rt: Runtime) -> None:
    """50 MiB at most; a process that is told to stop ends them at once."""

    def pss() -> int:
        rollup = Path(f"/proc/{child.process.pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) * 1024

    async with serving() as (child, _, keys):
        one = [await open_stream(child, key) for key in keys.values()]
        before = pss()
        streams = one
        for _ in range(249):
            streams += await asyncio.gather(*(open_stream(child, key) for key in keys.values()))
        cost = pss() - before
        assert cost <= 50 * MIB, cost / MIB
        began = monotonic()
        for tenant_id in keys:
            await rt.db.transact(tenant_id, lambda tx: rt.feed.tell(tx, [Noticed("prova", "all", None)]))
        for reader, _ in streams:
            while b'"all"' not in await asyncio.wait_for(reader.readline(), SOON_S):
                pass
        assert monotonic() - began < SOON_S
        began = monotonic()
        assert await child.stop() == 0
        assert monotonic() - began < 3
        for _, writer in streams:
            writer.close()
