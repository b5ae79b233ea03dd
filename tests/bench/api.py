"""The rows of the API: what asking costs beside the path of a message, sends in batches, and streams that are left open."""

import asyncio
import contextlib
import time
from collections import defaultdict
from uuid import UUID

import aiohttp
import msgspec

from atendeja import accounts, app
from atendeja.dev.postgres import SUPERUSER
from atendeja.endpoint import Access
from tests import world
from tests.bench import asking, grown, rows, watch
from tests.bench.asking import Answer
from tests.bench.report import percentile
from tests.bench.rows import Say, Values
from tests.bench.stage import NUMBERS, Scene, Stage
from tests.office import JWT

RATE, SECONDS = 100, 30
SENDS, BATCH = 10_000, 1000
STREAMS = 500
CHECKS, CHECKS_RATE = 1000, 100


async def asked(stage: Stage, say: Say) -> Values:
    """Row A: every read at 100/s beside 100 exchanges/s, with a year's messages in the tables, and the exchanges alone."""
    async with stage.scene() as scene:
        key, things = await _furnish(scene, say)
        async with scene.serving(more={"JWT_SECRET": JWT, "API_RATE": "1000"}) as process:
            await rows.warm(scene, process)
            await asking.ask(process.url, key, things, RATE / 2, 5 * RATE)
            alone = await rows.exchange(scene, process, say, rate=RATE, count=RATE * SECONDS, customers=RATE * 10)
            task = asyncio.create_task(asking.ask(process.url, key, things, RATE, RATE * SECONDS))
            count = RATE * SECONDS
            beside = await rows.exchange(scene, process, say, rate=RATE, count=count, customers=RATE * 10, first=count)
            answers = await task
    failed = [a for a in answers if a.status != 200]
    if failed:
        say(f"{len(failed)} of {len(answers)} were not answered 200: {sorted({(a.operation, a.status) for a in failed})[:5]}")
    _tell(answers, say)
    lists, reads = ([a.seconds for a in answers if a.is_list is kind] for kind in (True, False))
    p99s = [None if found is None else percentile(found, 0.99) for found in (beside, alone)]
    return {
        "list_p99": None if failed else percentile(lists, 0.99) * 1000,
        "read_p99": None if failed else percentile(reads, 0.99) * 1000,
        "beside_to_alone": rows.ratio(*p99s),
    }


async def _furnish(scene: Scene, say: Say) -> tuple[str, dict[str, list[UUID]]]:
    """A key of the first shop, which has been busy for a year, and what is there."""
    async with scene.looking() as admin:
        number = (await admin.fetch(NUMBERS, "loja-0"))[0]
        began = time.monotonic()
        await grown.grow(admin, number["tenant_id"], number["id"])
        say(f"a year of a shop written in {time.monotonic() - began:.0f} s")
        things = await asking.find_things(admin, number["tenant_id"])
    database = await scene.connect()
    try:
        return await asking.make_key(database, number["tenant_id"]), things
    finally:
        await database.close()


def _tell(answers: list[Answer], say: Say) -> None:
    """The slowest operations, for whoever has to make one faster."""
    spans = defaultdict[str, list[float]](list)
    for answer in answers:
        spans[answer.operation].append(answer.seconds * 1000)
    slowest = sorted(((percentile(found, 0.99), name) for name, found in spans.items()), reverse=True)[:6]
    say("slowest, p99: " + ", ".join(f"{name} {ms:.1f} ms" for ms, name in slowest))


async def let_in(stage: Stage, _say: Say) -> Values:
    """Row A2: who asks and whether he may, of a key at 100/s, in this process: what is remembered and what is asked anew."""
    async with stage.scene() as scene:
        urls = stage.cluster.dsn(scene.database), stage.cluster.dsn(scene.database, SUPERUSER)
        config = world.make_config(*urls, stage.folder / "gate", JWT_SECRET=JWT)
        async with scene.looking() as admin:
            number = (await admin.fetch(NUMBERS, "loja-0"))[0]
        async with app.open_runtime(config) as rt:
            key = await asking.make_key(rt.db, number["tenant_id"])
            gate, access = accounts.Gate(rt), Access(app.ENDPOINTS)
            endpoint = next(e for e in app.ENDPOINTS if e.operation == "list_users")
            spent = 0.0
            for _ in range(CHECKS):
                began = time.perf_counter()
                caller = await gate(key)
                assert caller is not None and access.allows(caller, endpoint)
                spent += time.perf_counter() - began
                await asyncio.sleep(1 / CHECKS_RATE)
    return {"let_in": spent / CHECKS * 1000}


async def sent(stage: Stage, say: Say) -> Values:
    """Row A3: 10,000 templates by the API, a thousand a request, each to somebody new."""
    async with stage.scene() as scene, scene.serving(more={"JWT_SECRET": JWT}, statuses=False) as process:
        async with scene.looking() as admin:
            number = (await admin.fetch(NUMBERS, "loja-0"))[0]
        database = await scene.connect()
        key = await asking.make_key(database, number["tenant_id"])
        await database.close()
        async with aiohttp.ClientSession(process.url, headers={"Authorization": f"Bearer {key}"}) as http:
            began, done = time.perf_counter(), 0
            for first in range(0, SENDS, BATCH):
                batch = [_template(n) for n in range(first, first + BATCH)]
                headers = {"Content-Type": "application/json", "Idempotency-Key": f"lote {first}"}
                async with http.post(
                    "/v1/messages/batch", data=msgspec.json.encode({"messages": batch}), headers=headers
                ) as response:
                    answer = msgspec.json.decode(await response.read())
                    done += answer.get("sent", 0)
                    if response.status >= 300:
                        say(f"a batch was answered {response.status}: {answer}")
            seconds = time.perf_counter() - began
    if done != SENDS:
        say(f"{done} of {SENDS} are on their way")
    return {"sends": seconds if done == SENDS else None}


def _template(n: int) -> dict[str, object]:
    content = {"type": "template", "name": "pedido_saiu", "language": "pt_BR"}
    return {"to": {"phone": f"+5541{900_000_000 + n}"}, "content": content, "category": "utility"}


async def streams(stage: Stage, say: Say) -> Values:
    """Row A4: what 500 open streams of events weigh."""
    async with stage.scene() as scene, scene.serving(more={"JWT_SECRET": JWT, "API_RATE": "10000"}) as process:
        async with scene.looking() as admin:
            found = await admin.fetch(NUMBERS, "loja-%")
        database = await scene.connect()
        each = [await asking.make_key(database, number["tenant_id"]) for number in found]
        await database.close()
        await rows.warm(scene, process)
        before = watch.pss_mib(process.process.pid)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(process.url, connector=connector) as http, contextlib.AsyncExitStack() as opened:
            refused = 0
            for n in range(STREAMS):
                headers = {"Authorization": f"Bearer {each[n % len(each)]}"}
                response = await opened.enter_async_context(http.get("/v1/events", headers=headers))
                refused += response.status != 200
            await asyncio.sleep(5)
            weight = watch.pss_mib(process.process.pid) - before
    if refused:
        say(f"{refused} of {STREAMS} streams were refused")
    return {"streams": None if refused else weight}


MEASURES: dict[str, tuple[rows.Measure, ...]] = {"A": (asked,), "A2": (let_in,), "A3": (sent,), "A4": (streams,)}
