"""S58: what a business keeps for so many days is empty afterwards, to the day; nothing else is, and all is counted as before."""

import datetime as dt
import io
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from atendeja import dead_letters, media, privacy, reporting
from atendeja.blobs import Blobs
from atendeja.privacy import retention
from atendeja.privacy.retention import Marks
from atendeja.runtime import Runtime, utc_now
from tests import server, world
from tests.cli.test_commands import Shell
from tests.files import PNG, png
from tests.turn.shop import Shop, open_shop

N = 30
DAY = dt.timedelta(days=1)
AGES = {"5511900000031": N + 1, "5511900000030": N, "5511900000029": N - 1, "5511900000001": 1}
LIVE, OPEN = "5511900000091", "5511900000092"
"""Somebody whose flow goes on, and somebody who has not been answered; both wrote long ago."""
TABLES = ("message", "event", "step", "flow_session", "media")
EVERYTHING = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS md5 FROM {} t"
LEFT = """
    SELECT c.phone AS who,
        (SELECT count(*) FROM message m WHERE m.contact_id = c.id AND m.content <> '{}' AND m.detail = 'W')::int AS messages,
        (SELECT count(*) FROM attempt a WHERE a.contact_id = c.id AND a.detail = 'W')::int AS attempts,
        (SELECT count(*) FROM event e WHERE e.contact_id = c.id AND e.content <> '{}')::int AS events,
        (SELECT count(*) FROM step s JOIN conversation v ON v.id = s.conversation_id WHERE v.contact_id = c.id)::int AS steps,
        (SELECT count(*) FROM flow_session s JOIN conversation v ON v.id = s.conversation_id
         WHERE v.contact_id = c.id AND s.memory <> '{}')::int AS sessions
    FROM contact c WHERE c.tenant_id = $1
"""


class Years:
    """A shop that has been open for a while; its clock stands where it is put."""

    def __init__(self, shop: Shop) -> None:
        self.shop, self.rt = shop, shop.rt
        self.blobs = Blobs(shop.rt.config.media_path)
        self.today = utc_now().replace(microsecond=0)
        self.at = self.today
        self.rt.clock = lambda: self.at

    async def keeps(self, *, messages: int | None = None, events: int | None = None, media: int | None = None) -> None:
        """What business A sets."""
        await self.shop.admin.execute(
            "UPDATE tenant SET messages_kept_days = $2, events_kept_days = $3, media_kept_days = $4 WHERE id = $1",
            self.shop.a, messages, events, media,
        )  # fmt: skip

    async def sweep(self, *, writes: bool = True, marks: Marks | None = None, tenant: int | None = None) -> dict[str, int]:
        """All of it; how many rows of each table."""
        found: dict[str, int] = {}
        marks = {} if marks is None else marks
        async for part in privacy.sweep(self.rt.db, self.blobs, tenant or self.shop.a, self.rt.now, marks, writes=writes):
            assert part.until == self.at - N * DAY
            found[part.table] = found.get(part.table, 0) + part.emptied
        return found

    async def left(self, tenant: int | None = None) -> dict[str, tuple[int, ...]]:
        """Of each person, how many messages, attempts, events, steps and sessions have something in them."""
        rows = await self.shop.rows(LEFT, tenant or self.shop.a)
        return {row["who"]: tuple(row.values())[1:] for row in rows}

    async def everything(self) -> list[str]:
        tables = (*TABLES, "attempt", "contact", "conversation", "media_upload")
        return [(await self.shop.row(EVERYTHING.format(table)))["md5"] for table in tables]

    async def counted(self) -> list[Any]:
        """What is told of the whole time: statistics and what was spent."""
        since, until = self.today - 400 * DAY, self.today + DAY
        async with self.rt.db.tenant(self.shop.a) as tx:
            spent = await reporting.load_spend(tx, "America/Sao_Paulo", since, until)
        rows = await self.shop.rows("SELECT state, count(*) FROM event WHERE tenant_id = $1 GROUP BY 1 ORDER BY 1", self.shop.a)
        states = await self.shop.rows("SELECT state, count(*) FROM message WHERE tenant_id = $1 GROUP BY 1 ORDER BY 1", self.shop.a)
        sessions = await self.shop.rows("SELECT state, count(*) FROM flow_session GROUP BY 1 ORDER BY 1")
        assert spent and rows and states and sessions, "else this test looks at nothing"
        return [spent, rows, states, sessions]

    async def finish(self) -> None:
        """All that is queued was sent, delivered and counted for the bill."""
        await self.shop.admin.execute(
            "WITH sent AS (UPDATE message SET state = 'delivered', delivered_at = message.created_at, detail = 'W',"
            ' pricing = \'{"billable": true, "category": "service", "type": "regular"}\' WHERE state = \'queued\' RETURNING *)'
            " INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, wamid, detail, claimed_at)"
            " SELECT tenant_id, gen_random_uuid(), id, number_id, contact_id, 1, gen_random_uuid(), 'accepted', 'wamid.' || id,"
            " 'W', created_at FROM sent"
        )


@pytest.fixture
async def years(rt: Runtime) -> AsyncIterator[Years]:
    """People of each age have talked to a flow that is over; two who wrote longest ago are not done with."""
    shop = await open_shop(rt)
    made = Years(shop)
    for tenant in (shop.a, shop.b):
        await shop.publish(tenant=tenant)
    made.at = made.today - 40 * DAY
    for text in ("oi", "fim", "oi de novo"):
        await shop.asks(text, LIVE)
    await made.finish()
    await shop.asks("oi", OPEN)
    await shop.says("alguém?", OPEN)
    await shop.admin.execute("UPDATE contact SET due_at = NULL")  # else their turn comes
    for number in (world.A, world.B):
        for sender, age in AGES.items():
            made.at = made.today - age * DAY
            for text in ("oi", "fim"):
                await shop.says(text, sender, number)
                await shop.turn()
    await shop.admin.execute(  # of OPEN nothing is finished
        "UPDATE message m SET state = 'in_doubt', doubt_at = m.created_at FROM contact c WHERE c.id = contact_id AND c.phone = $1",
        OPEN,
    )
    await made.finish()
    made.at = made.today
    yield made
    await shop.admin.close()


async def test_to_the_day_and_nothing_that_is_unfinished_or_anybody_elses(years: Years) -> None:
    """Rows of 1, N-1, N and N+1 days; a dry run says what the run then does and changes nothing; a second run has nothing to do."""
    full = await years.left()
    of_b, counted = await years.left(years.shop.b), await years.counted()
    assert all(min(left) > 0 for who, left in full.items() if who != OPEN), full
    await years.keeps(messages=N, events=N, media=N)
    before = await years.everything()
    foretold = await years.sweep(writes=False)
    assert await years.everything() == before
    assert await years.sweep() == foretold and all(foretold[table] for table in TABLES[:4]), foretold
    after = await years.left()
    assert after.pop("5511900000031") == (0, 0, 0, 0, 0)
    live = after.pop(LIVE)
    assert all(0 < now < was for now, was in zip(live, full[LIVE], strict=True)), "of his first flow all, of the live one nothing"
    assert after == {who: left for who, left in full.items() if who in after} and len(after) == 4
    assert (await years.left(years.shop.b), await years.counted()) == (of_b, counted)
    before = await years.everything()
    assert not any((await years.sweep()).values()) and await years.everything() == before
    assert await years.sweep(tenant=years.shop.b) == {}


async def test_each_setting_is_of_its_own_rows_and_a_very_long_time_is_no_short_one(years: Years) -> None:
    await years.keeps(events=N)
    assert (await years.sweep(writes=False)).keys() == {"event", "step", "flow_session"}
    await years.keeps(media=N)
    assert (await years.sweep(writes=False)).keys() == {"media"}
    await years.keeps(messages=36500, events=36500, media=36500)
    before = await years.everything()
    for table in [
        part.table async for part in privacy.sweep(years.rt.db, years.blobs, years.shop.a, years.rt.now, {}, writes=True)
    ]:
        assert table in TABLES
    assert await years.everything() == before


async def test_what_is_reported_or_repeated_later_finds_its_row_and_nothing_empty_is_sent_again(years: Years) -> None:
    old = "5511900000031"
    shop = years.shop
    mine = "SELECT m.* FROM message m JOIN contact c ON c.id = m.contact_id WHERE m.tenant_id = $1 AND c.phone = $2 ORDER BY m.id"
    first, second = await shop.rows(mine, shop.a, old)
    await shop.admin.execute("UPDATE message SET state = 'failed', code = 131026 WHERE id = $1", first["id"])
    dead = await shop.row("SELECT e.id FROM event e JOIN contact c ON c.id = e.contact_id WHERE c.phone = $1 AND e.tenant_id = $2"
                          " ORDER BY e.id LIMIT 1", old, shop.a)  # fmt: skip
    await shop.admin.execute("UPDATE event SET state = 'dead', reason = 'crash', turn_no = NULL WHERE id = $1", dead["id"])
    event = await shop.row("SELECT key FROM event WHERE id = $1", dead["id"])
    await years.keeps(messages=N, events=N)
    await years.sweep()
    async with years.rt.db.tenant(shop.a) as tx:
        assert await dead_letters.newest(tx, 10) == ([], 0)
    status = {"id": f"wamid.{second['id']}", "status": "read", "timestamp": str(int(years.at.timestamp())), "recipient_id": old}
    await shop.hear(world.envelope(world.A, {"statuses": [status]}), world.text(event["key"], "oi", sender=old))
    assert (await shop.row("SELECT state FROM message WHERE id = $1", second["id"]))["state"] == "read"
    assert len(await shop.rows("SELECT 1 FROM event WHERE key = $1", event["key"])) == 1
    await shop.admin.execute("UPDATE message SET state = 'failed' WHERE id = $1", second["id"])  # a report that comes last
    await shop.admin.execute("UPDATE event SET discarded_at = NULL WHERE id = $1", dead["id"])
    ids = [second["id"], dead["id"]]
    assert [m async for m in dead_letters.replay(years.rt.db, shop.a, ids, years.at, may_repeat=True)] == [[]]
    assert [{m.id for m in batch} async for batch in dead_letters.discard(years.rt.db, shop.a, ids, years.at)] == [set(ids)]


async def test_a_process_that_dies_after_any_chunk_leaves_the_rest_to_the_next(
    years: Years, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CHUNK", 1)
    await years.keeps(messages=N, events=N)
    full, foretold = await years.left(), await years.sweep(writes=False)
    done: dict[str, int] = {}
    for _ in range(sum(foretold.values())):
        async with aclosing(privacy.sweep(years.rt.db, years.blobs, years.shop.a, years.rt.now, {}, writes=True)) as parts:
            async for part in parts:
                if part.emptied:
                    done[part.table] = done.get(part.table, 0) + part.emptied
                    break
    assert done == {table: rows for table, rows in foretold.items() if rows}
    assert not any((await years.sweep()).values())
    assert (await years.left())["5511900000030"] == full["5511900000030"]


async def test_a_process_goes_on_where_it_was_and_comes_back_to_what_was_unfinished(
    years: Years, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second day looks at nothing that was empty on the first but behind what was passed over, which goes when it is over."""
    monkeypatch.setattr(retention, "CHUNK", 1)
    await years.keeps(messages=N, events=N)
    marks: Marks = {}
    await years.sweep(marks=marks)
    (first,) = await years.shop.rows("SELECT id FROM message WHERE content <> '{}' ORDER BY tenant_id, id LIMIT 1")
    assert marks[years.shop.a, "message"] == UUID(int=first["id"].int - 1)
    await years.shop.admin.execute("UPDATE message SET state = 'delivered'")
    await years.shop.admin.execute("UPDATE event SET state = 'ignored', reason = 'x' WHERE state = 'unhandled'")
    await years.shop.admin.execute(
        "UPDATE flow_session SET state = 'expired', due_at = NULL, ended_at = started_at WHERE ended_at IS NULL"
    )
    await years.sweep(marks=marks)
    assert {who for who, left in (await years.left()).items() if any(left)} == AGES.keys() - {"5511900000031"}
    chunks = [part async for part in privacy.sweep(years.rt.db, years.blobs, years.shop.a, years.rt.now, marks, writes=True)]
    assert [part.emptied for part in chunks] == [0] * 4, "one look at each table"


async def test_files_go_with_their_bytes_unless_a_message_waits_for_one(years: Years) -> None:
    ids = {}
    for name, age, data in (
        ("needed", 40, PNG),
        ("old", N + 1, png(1)),
        ("twin", N + 1, png(2)),
        ("same", 1, png(2)),
        ("day", N, png(3)),
    ):
        years.at = years.today - age * DAY
        stored = await media.add(
            years.rt.db,
            years.blobs,
            years.shop.a,
            io.BytesIO(data),
            mime="image/png",
            filename=f"{name}.png",
            media_id=years.rt.new_id(),
            now=years.at,
        )
        ids[name] = stored
    years.at = years.today
    await years.shop.admin.execute(
        "UPDATE message m SET state = 'queued', content = jsonb_build_object('file', $1::text) FROM contact c"
        " WHERE c.id = m.contact_id AND c.phone = $2", str(ids["needed"].id), OPEN,
    )  # fmt: skip
    await years.keeps(media=N)
    assert await years.sweep(writes=False) == await years.sweep() == {"media": 2}
    assert {row["id"] for row in await years.shop.rows("SELECT id FROM media")} == {
        ids[name].id for name in ("needed", "same", "day")
    }
    kept = {name: await years.blobs.has(years.shop.a, stored.sha256) for name, stored in ids.items()}
    assert kept == {"needed": True, "old": False, "twin": True, "same": True, "day": True}
    await years.shop.admin.execute("UPDATE message SET state = 'delivered' WHERE state = 'queued'")
    assert await years.sweep() == {"media": 1}


async def test_the_daily_job_counts_what_it_did_and_does_nothing_while_the_process_stops(years: Years) -> None:
    await years.keeps(messages=N, events=N)
    foretold = await years.sweep(writes=False)
    years.rt.stopping.set()
    await privacy.Retention(years.rt).work()
    assert await years.sweep(writes=False) == foretold
    years.rt.stopping.clear()
    await privacy.Retention(years.rt).work()
    counts = {label: n for (name, label), n in years.rt.meter.counts.items() if name == "rows_emptied"}
    assert counts == foretold and not any((await years.sweep(writes=False)).values())


async def test_the_command_says_what_would_go_and_goes_on_after_a_kill(
    years: Years, cluster: server.Server, database: str, tmp_path: Path
) -> None:
    """kill -9 right after the commit of its first chunk; the next run takes the rest."""
    await years.keeps(messages=N, events=N)
    years.at = utc_now()  # as it is for a command: what was N days old has become older
    foretold = await years.sweep(writes=False)
    shell = Shell(tmp_path, **world.environ(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path))

    def told(said: str) -> dict[str, int]:
        """Of business A, by table."""
        words = [line.split() for line in said.splitlines()]
        return {line[1]: int(line[5]) for line in words if line[0] == "a"}

    said = shell.done("retention", "--dry-run")
    assert told(said) == foretold and "b  everything is kept for ever" in said and "to be emptied" in said
    killed: subprocess.CompletedProcess[str] = shell("retention", "--tenant", "a", ATENDEJA_FAILPOINTS="commit.after=kill?_chunk@1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert told(shell.done("retention", "--tenant", "a")) == foretold | {"message": 0}
    assert "there is no tenant 'x'" in shell.refused("retention", "--tenant", "x")
