"""`atendeja dev`: everything on this machine, no Meta account. Database, simulator, example flows, their conversations, the page.

What it keeps lies in `.dev/`: the database, secrets made at the first start, the process's state. `--fresh` forgets it.
"""

import asyncio
import base64
import contextlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
from msgspec import Struct
from starlette.routing import BaseRoute, Mount

from atendeja import accounts, app, config, flows, log, numbers, reporting, tenants
from atendeja.accounts import Opening, tokens
from atendeja.config import Config
from atendeja.db import Tx
from atendeja.dev import play, report
from atendeja.dev.play import Played, Rehearsal
from atendeja.dev.postgres import Cluster
from atendeja.errors import Refused
from atendeja.flow import document, testing
from atendeja.flow.examples import examples
from atendeja.flow.model import Flow
from atendeja.numbers import NewNumber
from atendeja.runtime import Runtime, fresh_id
from atendeja.simulator import Number, Settings, Simulator

DATABASE = "atendeja_dev"
TOKEN = "token-do-simulador"  # noqa: S105  (any token opens the simulator)
SETTLED_S = 5.0
OWNER, OPERATOR = "ana@oficina.example", "op@host.example"


class Shop(Struct, frozen=True):
    """A pretended business: its tenant, number and flow."""

    slug: str
    name: str
    flow: str
    number: NewNumber


def _number(n: int, display: str) -> NewNumber:
    return NewNumber(f"10000000000000{n}", f"20000000000000{n}", f"30000000000000{n}", display, TOKEN)


SHOPS = (
    Shop("oficina", "Oficina Sol", "oficina_atendimento", _number(1, "+551140000001")),
    Shop("clinica", "Clínica Vida", "clinica_agenda", _number(2, "+552130000002")),
)

FREE = Number("100000000000003", verified_name="Loja nova")
"""Nobody's yet: for who tries how a business begins."""


def load_examples() -> dict[str, Flow]:
    """The shipped flows by key. Raises Refused when one has a mistake of form."""
    return {key: document.load(text, f"{key}.yaml") for key, text in examples().items()}


async def run(folder: Path, *, once: bool, as_json: bool, fresh: bool, port: int) -> int:
    """Start everything, play the conversations, print how they went; stay up unless `once`. 0 when all went as it should."""
    started = time.monotonic()
    if fresh:
        await asyncio.to_thread(_forget, folder)
    secret = await asyncio.to_thread(_keep_secrets, folder)
    with (folder / "atendeja.log").open("a", encoding="utf-8") as lines:
        log.configure("INFO", "console", lines)
        return await _run(folder, secret, started, once=once, as_json=as_json, port=port)


async def _run(folder: Path, secret: dict[str, str], started: float, *, once: bool, as_json: bool, port: int) -> int:
    with contextlib.closing(app.listen("127.0.0.1", port)) as sock:
        async with _open_simulator(secret["WA_APP_SECRET"], port) as simulator, _open_database(folder) as urls:
            settings = _settings(urls | secret, folder, simulator.url, port)
            async with app.open_runtime(settings) as rt:
                await _open_shops(rt)
                extra: list[BaseRoute] = [Mount("/simulator", simulator.phone_app)]
                server = app.make_server(app.build(rt, "all", extra), settings, [rt.stop, simulator.board.feed.close])
                serving = asyncio.get_running_loop().create_task(server.serve(sockets=[sock]))
                await _until(lambda: server.started or serving.done(), 30)
                status = await _play_all(rt, simulator, started, as_json=as_json)
                if once:
                    server.should_exit = True
                elif not as_json:
                    print(f"phone page  http://127.0.0.1:{port}/simulator   (Ctrl+C ends)")
                    print(f"the API     http://127.0.0.1:{port}/docs   (README.md, The API: what these one-time tokens are for)")
                    for email, of in ((OWNER, SHOPS[0].slug), (OPERATOR, None)):
                        print(f"  {email:19}  {await _appoint(rt, email, of)}", flush=True)
                await serving
    return status


def _forget(folder: Path) -> None:
    """Wipe the folder, and the database wherever it lies. Raises Refused while another process uses it."""
    Cluster(folder / "postgres").destroy()
    shutil.rmtree(folder, ignore_errors=True)


def _keep_secrets(folder: Path) -> dict[str, str]:
    """Secrets of this directory, made at the first start."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "secrets.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    made = {
        "WA_VERIFY_TOKEN": secrets.token_urlsafe(24),
        "WA_APP_SECRET": secrets.token_hex(16),
        "SECRET_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "JWT_SECRET": f"dev:{secrets.token_urlsafe(32)}",
    }
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(made))
    return made


@contextlib.asynccontextmanager
async def _open_database(folder: Path) -> AsyncIterator[dict[str, str]]:
    """The database of DATABASE_URL when it is set, else an embedded one in the folder."""
    if url := os.environ.get("DATABASE_URL"):
        yield {"DATABASE_URL": url, "DATABASE_ADMIN_URL": os.environ.get("DATABASE_ADMIN_URL", url)}
        return
    cluster = Cluster(folder / "postgres")
    await asyncio.to_thread(cluster.start)
    try:
        if not await asyncio.to_thread(cluster.has_database, DATABASE):
            await asyncio.to_thread(cluster.create_database, DATABASE)
        yield {"DATABASE_URL": cluster.dsn(DATABASE), "DATABASE_ADMIN_URL": cluster.dsn(DATABASE, "postgres")}
    finally:
        await asyncio.to_thread(cluster.stop)


@contextlib.asynccontextmanager
async def _open_simulator(app_secret: str, port: int) -> AsyncIterator[Simulator]:
    ours = (Number(s.number.phone_number_id, s.number.waba_id, s.number.display_number.lstrip("+"), s.name) for s in SHOPS)
    hook = f"http://127.0.0.1:{port}/webhook"
    simulator = Simulator(Settings(hook, app_secret, tokens=(TOKEN,), numbers=(*ours, FREE), port=port + 1))
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


def _settings(given: dict[str, str], folder: Path, cloud_url: str, port: int) -> Config:
    return config.load(
        {**given, "WA_API_BASE": cloud_url, "STATE_DIR": str(folder / "state"), "PORT": str(port), "LOG_FORMAT": "console"}
    )


async def _open_shops(rt: Runtime) -> None:
    """The pretended businesses: made at the first start, their flows published again when they changed."""
    flow_of = load_examples()
    for shop in SHOPS:
        flow = flow_of[shop.flow]
        if failed := [o for o in testing.run(flow) if not o.passed]:
            raise Refused("flow_tests_fail", "\n".join(map(str, failed)))
        tenant_id = await _open_shop(rt, shop)

        async def publish(tx: Tx, flow: Flow = flow) -> None:
            await flows.publish(tx, flow, number_id=None, author="dev", now=rt.now(), new_id=rt.new_id)

        await rt.db.transact(tenant_id, publish)


async def _open_shop(rt: Runtime, shop: Shop) -> int:
    keys = rt.config.secret_keys
    async with rt.db.session() as session:
        known = {t.slug: t for t in await session.all(tenants.EVERYONE)}
    if shop.slug in known:
        return known[shop.slug].id

    async def add_tenant(tx: Tx) -> int:
        return await tenants.add(
            tx, keys, slug=shop.slug, name=shop.name, timezone="America/Sao_Paulo", language="pt-BR", now=rt.now()
        )

    tenant_id = await rt.db.transact(None, add_tenant)
    async with rt.db.session() as session:
        tenant = await tenants.find(session, shop.slug)

    async def add_number(tx: Tx) -> None:
        await numbers.add(tx, tenant, keys, shop.number, fresh_id(), rt.now())

    await rt.db.transact(tenant_id, add_number)
    return tenant_id


async def _appoint(rt: Runtime, email: str, slug: str | None) -> str:
    """A one-time token for the owner of a business, or without one for the operator."""
    async with rt.db.session() as session:
        tenant_id = tenants.INSTALLATION if slug is None else (await tenants.find(session, slug)).id
    token, opening = tokens.opaque("ato", rt.secret()), Opening(email, None if slug is None else "owner", slug is None)
    ids = rt.new_id(), rt.new_id()
    await rt.db.transact(tenant_id, lambda tx: accounts.appoint(tx, opening, token, ids, rt.now()))
    return token


async def _until(true: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.005)
    return True


# ── the conversations ────────────────────────────────────────────────────────────────────────────────────────────────────


async def _play_all(rt: Runtime, simulator: Simulator, started: float, *, as_json: bool) -> int:
    """Play what can be played live and say how it went. 0 when nothing was missing, unexpected or left without an end."""
    todo, left_out = _rehearse_all(rt)
    first_reply_s, done = None, list[Played]()
    for n, (shop, rehearsal) in enumerate(todo, 1):
        played = await play.play(simulator, shop.number.phone_number_id, rehearsal)
        done.append(played)
        if first_reply_s is None and played.replies:
            first_reply_s = time.monotonic() - started
        print(report.as_json(played) if as_json else report.transcript(n, len(todo), played), flush=True)
    trouble = await _find_trouble(rt, done)
    if not todo:
        trouble.append("no conversation could be played")
    summary = report.summarize(done, left_out, trouble, first_reply_s or 0.0)
    print(msgspec.json.encode(summary).decode() if as_json else report.closing(summary), flush=True)
    return 0 if not trouble and all(p.good for p in done) else 1


def _rehearse_all(rt: Runtime) -> tuple[list[tuple[Shop, Rehearsal]], list[str]]:
    """What can be played live today, and the names of what cannot."""
    flow_of = load_examples()
    todo, left_out = list[tuple[Shop, Rehearsal]](), list[str]()
    for shop in SHOPS:
        for test in flow_of[shop.flow].tests:
            name = test.contact.name or play.NAMES[len(todo) % len(play.NAMES)]
            rehearsal = play.rehearse(flow_of[shop.flow], test, shop.name, shop.number.display_number, name, rt.now())
            if rehearsal is None:
                left_out.append(f"{shop.flow} · {test.name}")
            else:
                todo.append((shop, rehearsal))
    return todo, left_out


async def _find_trouble(rt: Runtime, done: list[Played]) -> list[str]:
    """What the database says against it: a message without an end, a status that the simulator gave and we do not have."""
    ticks = {g.wamid: g.tick for p in done for g in p.replies}
    deadline = time.monotonic() + SETTLED_S
    while True:
        trouble, states = list[str](), dict[str, str]()
        async with rt.db.session() as session:
            everyone = await session.all(tenants.EVERYONE)
        for tenant in everyone:
            async with rt.db.tenant(tenant.id) as tx:
                trouble += [
                    f"{n} messages of {tenant.slug} are left {state}" for state, n in (await reporting.load_unfinished(tx)).items()
                ]
                states |= await reporting.load_states(tx, list(ticks))
        trouble += [
            f"{wamid} is {tick or 'without a status'} at the simulator, {states.get(wamid)} here"
            for wamid, tick in ticks.items()
            if states.get(wamid) != tick or not tick
        ]
        if not trouble or time.monotonic() > deadline:
            return trouble
        await asyncio.sleep(0.02)
