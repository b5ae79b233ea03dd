"""What was changed is written with the change, by whom and from where, and cannot be changed itself (S26)."""

import asyncio
import json

import asyncpg
import pytest

from atendeja import accounts, audit
from atendeja.audit import Actor, Head
from atendeja.db import Tx
from atendeja.runtime import Runtime
from tests import server, world
from tests.office import Office


async def test_a_change_is_written_with_who_made_it_and_is_gone_with_it(rt: Runtime) -> None:
    made = await world.found(rt.db, rt.config.secret_keys)
    who, request = rt.new_id(), rt.new_id()
    async with rt.db.tenant(made.a) as tx:
        by = Actor(account_id=who, address="10.0.0.7", request_id=request)
        await audit.add(tx, rt.new_id(), rt.now(), by, "user_changed", who, before={"role": "owner"}, after={"role": "agent"})
    with pytest.raises(ZeroDivisionError):
        async with rt.db.tenant(made.a) as tx:
            await audit.add(tx, rt.new_id(), rt.now(), audit.COMMAND, "user_changed", who)
            raise ZeroDivisionError
    async with rt.db.tenant(made.a) as tx:
        (row,) = await tx._connection.fetch("SELECT * FROM audit")
        assert (row["account_id"], row["key_id"], row["address"], row["request_id"]) == (who, None, "10.0.0.7", request)
        assert (row["action"], row["subject"]) == ("user_changed", str(who))
        assert (json.loads(row["before"]), json.loads(row["after"])) == ({"role": "owner"}, {"role": "agent"})
    for change in ("UPDATE audit SET action = ''", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with rt.db.tenant(made.a) as tx:
                await tx._connection.execute(change)
    async with rt.db.tenant(made.b) as tx:
        assert await tx._connection.fetch("SELECT * FROM audit") == []


async def test_every_change_is_listed_with_what_was_and_what_is_but_no_secret(office: Office) -> None:
    boss = await office.sign_in("ana@a.example", "owner", office.world.a)
    invited = (await office.post("/users", {"email": "bia@a.example", "role": "agent"}, boss)).json()
    bia = invited["user"]["id"]
    await office.patch(f"/users/{bia}", {"role": "viewer"}, boss)
    await office.patch(f"/users/{bia}", {"role": "viewer"}, boss)  # nothing changes
    made = (await office.post("/keys", {"name": "ERP", "scopes": ["audit:read"]}, boss)).json()
    await office.delete(f"/keys/{made['key']['id']}", boss)
    seen: list[dict[str, object]] = []
    url: str | None = "/audit?limit=2"
    while url:
        page = (await office.get(url, boss)).json()
        seen += page["items"]
        url = f"/audit?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else None
    told = [(line["action"], line["subject"], line["before"], line["after"]) for line in reversed(seen)]
    ana, key = (await office.get("/me", boss)).json()["account_id"], {"name": "ERP", "scopes": ["audit:read"], "expires_at": None}
    assert sorted(told, key=str) == sorted(
        [
            ("user_appointed", ana, None, {"email": "ana@a.example", "role": "owner"}),
            ("user_joined", ana, None, {"email": "ana@a.example"}),
            ("user_invited", bia, None, {"email": "bia@a.example", "role": "agent"}),
            ("user_changed", bia, {"role": "agent", "state": "invited"}, {"role": "viewer", "state": "invited"}),
            ("key_made", made["key"]["id"], None, key),
            ("key_dropped", made["key"]["id"], key, None),
        ],
        key=str,
    )
    assert {(line["user_id"], line["address"]) for line in seen} == {(ana, "10.0.0.7"), (None, None)}
    assert invited["token"] not in str(seen) and made["secret"] not in str(seen)


TAMPERINGS = {
    "tenant_id = 2": "line 3 is missing",
    "id = gen_random_uuid()": "line 3 (",
    "at = at + interval '1 microsecond'": "line 3 (",
    "account_id = gen_random_uuid()": "line 3 (",
    "account_id = NULL, key_id = account_id": "line 3 (",
    "action = 'user_joined'": "line 3 (",
    "subject = subject || ' '": "line 3 (",
    "before = NULL": "line 3 (",
    """after = '{"n": 3.0}'""": "line 3 (",
    "address = NULL": "line 3 (",
    "request_id = NULL": "line 3 (",
    "hash = sha256(hash)": "line 3 (",
    "number = 99": "line 3 is missing",
    "number = NULL, hash = NULL": "line 3 is missing",
}
"""What the owner of the table does to line 3 of five, and what is said of it."""
OTHERS = {
    "DELETE FROM audit WHERE tenant_id = 1 AND number = 1": "line 1 is missing",
    "DELETE FROM audit WHERE tenant_id = 1 AND number = 3": "line 3 is missing",
    "DELETE FROM audit WHERE tenant_id = 1 AND number > 3": "line 4 is missing",
    "DELETE FROM audit WHERE tenant_id = 1": "line 1 is missing",
    "UPDATE audit SET number = number + 10 WHERE tenant_id = 1 AND number > 2; UPDATE audit SET number = CASE number WHEN 13 THEN 4"
    " WHEN 14 THEN 3 ELSE number - 10 END WHERE tenant_id = 1 AND number > 10": "line 3 (",
    "UPDATE audit a SET after = b.after FROM audit b WHERE b.tenant_id = 1 AND b.number = 7 - a.number AND a.tenant_id = 1"
    " AND a.number IN (3, 4)": "line 3 (",
    "INSERT INTO audit (tenant_id, id, at, action, subject, number, hash)"
    " SELECT tenant_id, gen_random_uuid(), at, action, subject, 6, hash FROM audit WHERE tenant_id = 1 AND number = 5": "line 6 (",
    "UPDATE audit_head SET number = 3 WHERE tenant_id = 1": "line 3 (",
    "UPDATE audit_head SET hash = sha256(hash) WHERE tenant_id = 1": "line 5 (",
    "DELETE FROM audit_head": "line 5 is beyond the end",
}


async def add_lines(rt: Runtime, tenant_id: int, count: int) -> None:
    """Lines in which every column says something."""
    for n in range(count):
        async with rt.db.tenant(tenant_id) as tx:
            by = Actor(account_id=rt.new_id(), address="10.0.0.7", request_id=rt.new_id())
            await audit.add(tx, rt.new_id(), rt.now(), by, "key_made", rt.new_id(), before={"n": n, "á": 0.1}, after={"n": n + 1})


async def test_whatever_is_done_to_a_line_is_found_and_the_line_named(rt: Runtime, cluster: server.Server, database: str) -> None:
    """S26: as the table's own owner."""
    made = await world.found(rt.db, rt.config.secret_keys)
    assert (made.a, made.b) == (1, 2)
    await add_lines(rt, 1, 5)
    sound = await audit.verify(rt.db, 1)
    assert (sound.head.number, sound.unchained, sound.fault) == (5, 0, None)
    owner = await asyncpg.connect(cluster.dsn(database, "postgres"))
    await owner.execute(
        "SET ROLE atendeja_owner; CREATE TEMP TABLE lines AS TABLE audit; CREATE TEMP TABLE ends AS TABLE audit_head"
    )
    updates = {f"UPDATE audit SET {what} WHERE tenant_id = 1 AND number = 3": fault for what, fault in TAMPERINGS.items()}
    for deed, fault in (updates | OTHERS).items():
        await owner.execute(deed)
        verdict = await audit.verify(rt.db, 1)
        assert verdict.fault is not None and verdict.fault.startswith(fault), (deed, verdict.fault)
        await owner.execute(
            "TRUNCATE audit, audit_head; ALTER TABLE audit DROP CONSTRAINT audit_chained; INSERT INTO audit TABLE lines;"
            " INSERT INTO audit_head TABLE ends; ALTER TABLE audit ADD CONSTRAINT audit_chained CHECK (number > 0) NOT VALID"
        )
    assert await audit.verify(rt.db, 1) == sound
    await owner.close()


async def test_a_chain_that_was_written_anew_or_cut_is_known_by_who_kept_a_hash(
    rt: Runtime, cluster: server.Server, database: str
) -> None:
    """S26: what the chain alone cannot tell."""
    await world.found(rt.db, rt.config.secret_keys)
    await add_lines(rt, 1, 3)
    kept = (await audit.verify(rt.db, 1)).head
    assert audit.parse_head(str(kept)) == kept
    await add_lines(rt, 1, 2)
    assert (await audit.verify(rt.db, 1, [kept])).fault is None, "it holds for what came before it"
    owner = await asyncpg.connect(cluster.dsn(database, "postgres"))
    await owner.execute(
        "DELETE FROM audit WHERE number > 2;"
        " UPDATE audit_head h SET (number, hash) = (SELECT number, hash FROM audit a WHERE a.number = 2)"
    )
    assert (await audit.verify(rt.db, 1)).fault is None
    assert (await audit.verify(rt.db, 1, [kept])).fault == "line 3 is missing"
    await add_lines(rt, 1, 2)
    assert str((await audit.verify(rt.db, 1, [kept])).fault).endswith("is not the one that was expected")
    await owner.execute(
        "ALTER TABLE audit DROP CONSTRAINT audit_chained; UPDATE audit SET number = NULL, hash = NULL; DELETE FROM audit_head"
    )
    assert await audit.verify(rt.db, 1) == audit.Verdict(Head(0, bytes(32)), 4, None), "lines from before there was a chain"
    await owner.close()


async def test_changes_at_once_make_one_chain_and_wait_for_nobody_in_a_circle(rt: Runtime) -> None:
    """S26: whatever each locks after it has told what it did, and also when a change is repeated that was kept."""
    await world.found(rt.db, rt.config.secret_keys)
    line_id = rt.new_id()

    async def change(n: int) -> None:
        async def work(tx: Tx) -> None:
            for is_telling in (n % 2 == 0, n % 2 == 1):
                if is_telling:
                    await audit.add(tx, rt.new_id(), rt.now(), audit.COMMAND, "changed", n)
                else:
                    await tx._connection.execute("SELECT FROM tenant WHERE slug = 'a' FOR NO KEY UPDATE")

        await rt.db.transact(1 + n % 3 // 2, work)

    await asyncio.gather(*(change(n) for n in range(60)))
    assert rt.db.retries == 0
    for _ in range(2):
        async with rt.db.tenant(1) as tx:
            await audit.add(tx, line_id, rt.now(), audit.COMMAND, "changed", "twice")
    verdicts = [await audit.verify(rt.db, tenant_id) for tenant_id in (1, 2)]
    assert [(v.head.number, v.fault) for v in verdicts] == [(41, None), (20, None)]


async def test_what_operators_do_is_in_the_installations_own_log(office: Office) -> None:
    """S26."""
    boss = await office.sign_in("op@host.example", is_operator=True)
    owner = await office.sign_in("ana@a.example", "owner", office.world.a)
    for what in (accounts.disable, accounts.enable, accounts.demote):
        await office.switch(what, "ana@a.example")
    told = (await office.get("/audit", boss)).json()["items"]
    actions = ["operator_demoted", "account_enabled", "account_disabled", "password_set", "user_appointed"]
    assert [(line["action"], line["number"]) for line in told] == list(zip(actions, range(5, 0, -1), strict=True))
    assert told[0]["hash"] == (await audit.verify(office.rt.db, 0)).head.hash.hex()
    assert told[3]["user_id"] == told[4]["subject"] and told[4]["after"] == {
        "email": "op@host.example",
        "role": None,
        "operator": True,
    }
    assert await ask_actions(office, owner) == []  # her sign-in was ended
    owner = (await office.login("ana@a.example")).json()["access_token"]
    assert await ask_actions(office, owner) == ["user_joined", "user_appointed"]


async def ask_actions(office: Office, bearer: str) -> list[str]:
    office.later(5)
    return [line["action"] for line in (await office.get("/audit", bearer)).json().get("items", [])]
