"""What was changed is written with the change, by whom and from where, and cannot be changed itself (S26)."""

import json

import asyncpg
import pytest

from atendeja import audit
from atendeja.audit import Actor
from atendeja.runtime import Runtime
from tests import world


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
