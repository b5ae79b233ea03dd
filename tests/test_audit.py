"""What was changed is written with the change, by whom and from where, and cannot be changed itself (S26)."""

import json

import asyncpg
import pytest

from atendeja import audit
from atendeja.audit import Actor
from atendeja.runtime import Runtime
from tests import world
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
