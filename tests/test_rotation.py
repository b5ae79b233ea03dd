"""SECRET_KEY is changed while everything runs (S41): nothing fails, a kill leaves nothing half done, the old key can go."""

import asyncio
import base64
import secrets
from base64 import b32decode
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from atendeja import accounts, numbers, rotation, tenants, vault
from atendeja.accounts import totp
from atendeja.config import Config, Secret
from atendeja.db import Database, Tx
from atendeja.runtime import Runtime, fresh_id, utc_now
from tests import server, world
from tests.cli.test_commands import Shell
from tests.office import Office

OLD, NEW = world.SECRET_KEY, base64.b64encode(b"n" * 32).decode()
MANY = 130
"""More than are renewed in one transaction."""


def with_keys(config: Config, *keys: str) -> Config:
    return replace(config, secret_key=tuple(map(Secret, keys)))


async def add_tenants(db: Database, keys: list[bytes], prefix: str, count: int) -> None:
    async def work(tx: Tx) -> None:
        for n in range(count):
            slug = f"{prefix}-{n}"
            await tenants.add(tx, keys, slug=slug, name="x", timezone="America/Sao_Paulo", language="en", now=utc_now())

    await db.transact(None, work)


async def open_everything(rt: Runtime) -> list[str]:
    """The token of every number there is, each tenant's data key having been opened."""
    async with rt.db.session() as session:
        everyone = await session.all(tenants.EVERYONE)
    found = []
    for tenant in everyone:
        tenants.data_key(tenant, rt.config.secret_keys)
        async with rt.db.tenant(tenant.id) as tx:
            found += [numbers.read_token(tenant, n, rt.config.secret_keys) for n in await tx.all(numbers.EVERYONE)]
    return found


async def test_nothing_fails_while_it_is_changed_and_the_old_key_can_go(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """S41: under writers of tokens, tenants and second factors, readers, and people who sign in."""
    monkeypatch.setattr(rotation, "AT_ONCE", 7)
    rt = office.rt
    await add_tenants(rt.db, rt.config.secret_keys, "old", 60)
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    seed = b32decode((await office.post("/me/totp", bearer=boss)).json()["secret"])
    given = await office.post("/me/totp/activate", {"code": totp.code(seed, int(office.at.timestamp()) // 30)}, boss)
    codes = given.json()["recovery_codes"]
    rt.config = with_keys(rt.config, NEW, OLD)
    done = asyncio.Event()
    rounds = dict.fromkeys(("read", "write", "found", "enrol", "enter"), 0)

    async def again(what: str, work: Callable[[int], Awaitable[None]]) -> None:
        while not done.is_set() or not rounds[what]:
            await work(rounds[what])
            rounds[what] += 1
            await asyncio.sleep(0)

    async def read(_n: int) -> None:
        assert len(await open_everything(rt)) == 2

    async def write(n: int) -> None:
        async with rt.db.session() as session:
            tenant = await tenants.find(session, "a")
        new = replace(world.A, token=f"token-{n}")
        await rt.db.transact(tenant.id, lambda tx: numbers.add(tx, tenant, rt.config.secret_keys, new, fresh_id(), utc_now()))

    async def enter(n: int) -> None:
        if n < 3:
            answer = await office.login("ana@a.example", code=codes[n])
            assert answer.status_code == 200, answer.text

    async def enrol(_n: int) -> None:
        answer = await office.post("/me/totp", bearer=bia)
        assert answer.status_code == 201, answer.text

    bia = await office.sign_in("bia@a.example", "admin", office.world.a)
    load = [
        *(asyncio.ensure_future(again("read", read)) for _ in range(2)),
        asyncio.ensure_future(again("write", write)),
        asyncio.ensure_future(again("found", lambda n: add_tenants(rt.db, rt.config.secret_keys, f"new{n}", 1))),
        asyncio.ensure_future(again("enrol", enrol)),
        asyncio.ensure_future(again("enter", enter)),
    ]
    counts = [await rotation.renew(rt.db, store, rt.config.secret_keys, writes=True) for store in (tenants.KEYS, accounts.SEEDS)]
    done.set()
    await asyncio.gather(*load)
    assert counts[0].renewed == 62 and counts[1].renewed >= 1 and all(rounds.values())
    assert [count.lost for count in counts] == [[], []]
    rt.config = with_keys(rt.config, NEW)
    for store in (tenants.KEYS, accounts.SEEDS):
        count = await rotation.renew(rt.db, store, rt.config.secret_keys, writes=False)
        assert (count.renewed, count.lost) == (0, []) and count.kept >= 2
    assert sorted(await open_everything(rt))[0].startswith("token-")
    office.later(60)
    answer = await office.login("ana@a.example", code=totp.code(seed, int(office.at.timestamp()) // 30))
    assert answer.status_code == 200
    rows = [bytes(row["data_key"]) for row in await rt.db.pool.fetch("SELECT data_key FROM tenant")]
    nonces = [row[1 : 1 + vault.NONCE_BYTES] for row in rows]
    assert len({*nonces}) == len(rows) > 60, "none is used twice"


async def test_a_row_that_was_changed_meanwhile_is_left_as_it_is(rt: Runtime) -> None:
    await world.found(rt.db, rt.config.secret_keys)
    async with rt.db.session() as session:
        stale = (await session.all(tenants.KEYS.page, after=0, most=1))[0]
    await rt.db.pool.execute("UPDATE tenant SET data_key = 'newer' WHERE id = $1", stale.id)
    await rotation._save(rt.db, tenants.KEYS, [(stale, b"older")])
    assert await rt.db.pool.fetchval("SELECT data_key FROM tenant WHERE id = $1", stale.id) == b"newer"


async def test_who_is_killed_midway_goes_on_and_what_no_key_opens_is_named(
    rt: Runtime, cluster: server.Server, database: str, tmp_path: Path
) -> None:
    """S41, as the command: kill -9 before a commit and after one."""
    await add_tenants(rt.db, rt.config.secret_keys, "loja", MANY)
    urls = cluster.dsn(database), cluster.dsn(database, "postgres")
    shell = Shell(tmp_path, **world.environ(*urls, tmp_path / "state", SECRET_KEY=f"{NEW},{OLD}"))

    async def run(*arguments: str, **more: str) -> tuple[int, str]:
        done = await asyncio.to_thread(shell, *arguments, **more)
        return done.returncode, done.stdout

    async def count_kept() -> int:
        keys = [base64.b64decode(NEW)]
        return (await rotation.renew(rt.db, tenants.KEYS, keys, writes=False)).kept

    assert (await run("secrets", "rotate", "--check"))[0] == 1
    for failpoint, kept in (("commit.before=kill?_save", 0), ("commit.after=kill?_save", 100)):
        assert (await run("secrets", "rotate", ATENDEJA_FAILPOINTS=failpoint))[0] == -9
        assert await count_kept() == kept
    status, said = await run("secrets", "rotate", "--check")
    assert (status, said.splitlines()[0]) == (1, "data keys of tenants: 100 under the first key, 30 under another")
    status, said = await run("secrets", "rotate")
    assert (status, said.splitlines()[0]) == (0, "data keys of tenants: 100 under the first key, 30 sealed anew")
    assert "nothing stored needs the other keys" in said and await count_kept() == MANY
    assert (await run("secrets", "rotate", "--check", SECRET_KEY=NEW))[0] == 0
    status, said = await run("secrets", "rotate", SECRET_KEY=base64.b64encode(secrets.token_bytes(32)).decode())
    assert status == 1 and "no key of SECRET_KEY opens the data key of tenant loja-0" in said
    with psycopg.connect(urls[1]) as admin:
        assert admin.execute("SELECT count(DISTINCT data_key) FROM tenant").fetchone() == (MANY,)
    rt.config = with_keys(rt.config, NEW)
    assert await open_everything(rt) == []
