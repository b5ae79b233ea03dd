"""S57: whoever is forgotten is found nowhere, others are, and what he refused stays refused."""

import asyncio
import re
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from atendeja import consent, privacy, tenants
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.endpoint import idempotency
from atendeja.jobs import MOST_TRIES, Workshop
from atendeja.outbound.claiming import CLAIMABLE
from atendeja.privacy import erasure
from atendeja.privacy.erasure import needles
from atendeja.privacy.subject import load
from atendeja.runtime import fresh_id
from atendeja.wa import callback
from tests import server, world
from tests.canary import CANARY_PHONE
from tests.privacy.scene import BIA, NAME, WAMID, Scene, traces


@pytest.fixture
def folders(scene: Scene) -> list[Path]:
    return [scene.office.rt.config.media_path, scene.office.rt.config.state_dir]


async def states(scene: Scene, phone: str) -> dict[str, str]:
    """What somebody with this number has said to purposes."""
    async with scene.office.rt.db.tenant(scene.office.world.a) as tx:
        (contact_id,) = await world.meet(tx, scene.office.rt, Person(world.A.portfolio_id, None, phone))
        return {purpose: state for (_, purpose), state in (await consent.load(tx, [contact_id])).items()}


async def test_no_byte_of_his_is_left_and_a_neighbour_keeps_all(
    scene: Scene, cluster: server.Server, database: str, folders: list[Path], log_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job dies after every commit of its; one more process goes on each time. Large bodies and answers come one by one."""
    monkeypatch.setattr(erasure, "DELIVERIES_BYTES", 1)
    monkeypatch.setattr(idempotency, "CHUNK_BYTES", 1)
    await scene.job("export")
    await scene.work(1, 60, "export")
    before = await traces(cluster, database, *folders)
    assert len(before["dump"]) > 15 and before["files"], "else this test looks at nothing"
    neighbour = "SELECT row(t.*)::text FROM {} t WHERE {} IN (SELECT {} FROM contact WHERE phone = $1)"
    kept = [
        await scene.shop.rows(neighbour.format(table, column, "id"), BIA)
        for table, column in (("contact", "id"), ("event", "contact_id"), ("message", "contact_id"), ("conversation", "contact_id"))
    ]
    job_id = await scene.job("erase")
    assert await scene.job("erase") == job_id
    await scene.work()
    job = await scene.look(job_id)
    assert job["state"] == "done", job
    assert await traces(cluster, database, *folders, log_dir) == {}
    assert kept == [
        await scene.shop.rows(neighbour.format(table, column, "id"), BIA)
        for table, column in (("contact", "id"), ("event", "contact_id"), ("message", "contact_id"), ("conversation", "contact_id"))
    ]
    erased = job["result"]["erased"]  # type: ignore[index]  # JSON
    assert {name for name, n in erased.items() if n > 0} >= {
        *("contact", "contact_term", "event", "message", "attempt", "step", "flow_session", "consent", "delivery", "archive"),
        "idempotency_key",
    }, erased
    assert await scene.shop.rows("SELECT 1 FROM delivery WHERE convert_from(body, 'UTF8') LIKE '%' || $1 || '%'", BIA) != []
    for path in ("", "/timeline", "/consents"):
        assert (await scene.office.get(f"/contacts/{scene.contact_id}{path}", scene.boss)).status_code == 404
    log = (await scene.office.get("/audit?limit=200", scene.boss)).json()["items"]
    receipt = next(line for line in log if line["action"] == "contact_erased")
    assert receipt["subject"] == scene.contact_id and receipt["after"] == job["result"] and receipt["user_id"] is not None
    assert len((await scene.office.get("/contacts", scene.boss)).json()["items"]) == 1


async def test_who_writes_again_is_somebody_new_who_has_still_said_no(scene: Scene) -> None:
    job_id = await scene.job("erase")
    await scene.work()
    await scene.says("oi de novo", wamid="wamid.new")
    (new,) = [c for c in (await scene.office.get("/contacts", scene.boss)).json()["items"] if c["phone"] == f"+{CANARY_PHONE}"]
    assert new["id"] != scene.contact_id and new["fields"] == {} and new["tags"] == []
    assert await states(scene, CANARY_PHONE) == {"marketing": "out"}
    (said,) = (await scene.office.get(f"/contacts/{new['id']}/consents", scene.boss)).json()["items"]
    assert (said["source"], said["evidence"].keys()) == ("tombstone", {"erased_at"})
    told = "SELECT data->>'state' AS state FROM feed_new WHERE data->>'contact_id' = $1 AND data->>'source' = 'tombstone'"
    assert [row["state"] for row in await scene.shop.rows(told, new["id"])] == ["out"]
    assert await states(scene, "5511900000003") == {}
    assert (await scene.look(job_id))["state"] == "done"
    again = await scene.job("erase", new["id"])
    await scene.work()
    assert (await scene.look(again))["state"] == "done"
    made = await scene.office.post("/contacts", {"phone": f"+{CANARY_PHONE[:4]}{CANARY_PHONE[5:]}"}, scene.boss)
    assert (made.status_code, [c["state"] for c in made.json()["consents"]]) == (201, ["out"]), "entered, without the ninth digit"


async def test_who_writes_while_he_is_forgotten_is_somebody_new_and_what_waits_is_not_sent(
    scene: Scene, cluster: server.Server, database: str
) -> None:
    """A message of before that was not read yet belongs to before; one that comes when he is nobody any more is another's."""
    await scene.shop.store(world.text(WAMID + "3", "antes", sender=CANARY_PHONE, name=NAME))
    await scene.shop.admin.execute(
        "UPDATE message SET state = 'queued' WHERE contact_id = $1 AND ordinal = 0", UUID(scene.contact_id)
    )
    job_id = await scene.job("erase")
    await scene.work(MOST_TRIES + 2)
    assert (await scene.look(job_id))["state"] == "running", "to wait is no try that came to nothing"
    assert len((await scene.office.get("/contacts", scene.boss)).json()["items"]) == 2, "not before all of before is read"
    await scene.shop.hear()
    while (await scene.office.get(f"/contacts/{scene.contact_id}", scene.boss)).status_code == 200:
        await scene.work(1)
    await scene.says("depois", wamid="wamid.depois", name="Outra Pessoa")
    async with scene.office.rt.db.tenant(scene.office.world.a) as tx:
        claimable = await tx.all(
            CLAIMABLE, number_id=scene.office.world.number_a, marketing=True, now=scene.office.at, seen=0,
            doubt_before=scene.office.at, most=100,
        )  # fmt: skip
    assert UUID(scene.contact_id) not in {candidate.contact_id for candidate in claimable}
    await scene.work()
    assert (await scene.look(job_id))["state"] == "done"
    texts = await scene.shop.rows("SELECT content->'content'->>'body' AS body FROM event WHERE contact_id IS NOT NULL")
    assert "depois" in {row["body"] for row in texts} and "antes" not in {row["body"] for row in texts}
    found = (await traces(cluster, database)).get("dump", [])
    assert found and not any(word in line for line in found for word in (NAME, WAMID, "canario")), "only his number, of afterwards"


async def test_what_is_on_its_way_is_waited_for_and_comes_back_to_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.shop.admin.execute(
        "UPDATE message SET state = 'sending', attempt_no = 1 WHERE contact_id = $1 AND ordinal = 0", UUID(scene.contact_id)
    )
    await scene.shop.admin.execute("DELETE FROM attempt WHERE message_id IN (SELECT id FROM message WHERE state = 'sending')")
    job_id = await scene.job("erase")
    await scene.work(8)
    monkeypatch.setattr(erasure, "LOOK_S", 0.0)
    async with asyncio.timeout(20):
        await scene.work(1, 60)  # makes room for others long before its slice is over
    assert (await scene.look(job_id))["state"] == "running"
    assert await scene.shop.rows("SELECT 1 FROM message WHERE contact_id = $1 AND content = '{}'", UUID(scene.contact_id)) == []
    await scene.shop.admin.execute("UPDATE message SET state = 'queued' WHERE state = 'sending'")  # a refusal worth another try
    await scene.work()
    assert (await scene.look(job_id))["state"] == "done"
    rows = await scene.shop.rows("SELECT state, content::text FROM message WHERE contact_id = $1", UUID(scene.contact_id))
    assert {row["state"] for row in rows} <= {"withdrawn", "sent"} and {row["content"] for row in rows} == {"{}"}


async def test_both_of_a_merge_are_forgotten_and_merges_and_turns_in_between_do_not_deadlock(scene: Scene) -> None:
    rt = scene.office.rt

    async def work(tx: Tx) -> UUID:
        (other,) = await world.meet(tx, rt, Person(world.A.portfolio_id, "BR.417", None, NAME))
        await world.talk(tx, rt, Person(world.A.portfolio_id, "BR.417", None), scene.office.world.number_a)  # type: ignore[arg-type]  # a UUID
        return other

    other = await rt.db.transact(scene.office.world.a, work)
    job_id = await scene.job("erase")
    merge = scene.office.post(f"/contacts/{other}/merge", {"into": scene.contact_id}, scene.boss)
    turns = asyncio.gather(*(scene.says("oi", wamid=f"wamid.{n}") for n in range(3)))
    merged, *_ = await asyncio.gather(merge, Workshop(rt, privacy.KINDS).work(scene.office.world.a, "erasure"), turns)
    await scene.work()
    assert (await scene.look(job_id))["state"] == "done"
    assert merged.status_code in (200, 404)
    if merged.status_code == 200:
        async with rt.db.tenant(scene.office.world.a) as tx:
            erased_at = await tx._connection.fetchval("SELECT erased_at FROM contact WHERE id = $1", other)
        assert (erased_at is not None) == ((await scene.office.get(f"/contacts/{other}", scene.boss)).status_code == 404)


async def test_who_is_merged_into_another_while_the_wish_waits_is_exported_and_forgotten_whole(
    scene: Scene, cluster: server.Server, database: str
) -> None:
    rt = scene.office.rt
    (other,) = await rt.db.transact(
        scene.office.world.a, lambda tx: world.meet(tx, rt, Person(world.A.portfolio_id, "BR.417", None, NAME))
    )
    export, erase = await scene.job("export", str(other)), await scene.job("erase", str(other))
    await scene.work(1)
    merged = await scene.office.post(f"/contacts/{other}/merge", {"into": scene.contact_id}, scene.boss)
    assert merged.status_code == 200, merged.text
    await scene.work(1, 60, "export")
    tables = (await scene.office.get(f"/jobs/{export}/file", scene.boss)).json()["tables"]
    assert {row["id"] for row in tables["contact"]} == {str(other), scene.contact_id} and tables["message"]
    await scene.work()
    assert (await scene.look(erase))["state"] == "done"
    assert await traces(cluster, database) == {}
    await scene.says("oi de novo", wamid="wamid.new")
    assert await states(scene, CANARY_PHONE) == {"marketing": "out"}


async def test_nothing_of_who_was_forgotten_is_answered_or_sent_again(scene: Scene) -> None:
    """Not while he is being forgotten, either. His dead letters are none any more, and another's are tried again beside them."""
    execute, his = scene.shop.admin.execute, UUID(scene.contact_id)
    await execute("UPDATE event SET state = 'dead', reason = 'x', turn_no = NULL WHERE kind = 'text'")
    await execute("UPDATE message SET state = 'failed', failed_at = now() WHERE contact_id = $1", his)
    await execute("UPDATE conversation SET owner = 'human', human_at = now()")
    letters = (await scene.office.get("/dead-letters", scene.boss)).json()["items"]
    theirs = {str(row["id"]) for row in await scene.shop.rows("SELECT id FROM event WHERE contact_id <> $1", his)}
    job_id = await scene.job("erase")
    while (await scene.office.get(f"/contacts/{his}", scene.boss)).status_code == 200:
        await scene.work(1)
    (talk,) = await scene.shop.rows("SELECT id FROM conversation WHERE contact_id = $1", his)
    assert (await scene.office.post(f"/conversations/{talk['id']}/release", bearer=scene.boss)).status_code == 200
    wanted = {"ids": [letter["id"] for letter in letters], "may_repeat": True}
    answer = await scene.office.post("/dead-letters/replay", wanted, scene.boss)
    assert answer.status_code == 200 and {*answer.json()["moved"]} == theirs < {letter["id"] for letter in letters}, answer.text
    await scene.work()
    assert (await scene.look(job_id))["state"] == "done"
    assert (await scene.office.get("/dead-letters", scene.boss)).json()["items"] == []


async def test_what_may_have_gone_is_unknown_and_a_late_status_brings_no_number_back(scene: Scene) -> None:
    """Of two that wait to be sent once more, one was on the wire before, and WhatsApp tells of it when all is forgotten."""
    execute, his = scene.shop.admin.execute, UUID(scene.contact_id)
    await execute("UPDATE message SET state = 'queued' WHERE contact_id = $1", his)
    first, *others = await scene.shop.rows("SELECT id, message_id FROM attempt WHERE contact_id = $1 ORDER BY id", his)
    assert others
    await execute(
        "UPDATE attempt SET wamid = NULL, state = CASE id WHEN $2 THEN 'unknown' ELSE 'refused' END WHERE contact_id = $1",
        his,
        first["id"],
    )
    job_id = await scene.job("erase")
    await scene.work()
    assert (await scene.look(job_id))["state"] == "done"
    rows = await scene.shop.rows("SELECT id, state FROM message WHERE contact_id = $1", his)
    assert {row["state"] for row in rows if row["id"] == first["message_id"]} == {"unknown"}
    assert {row["state"] for row in rows if row["id"] != first["message_id"]} == {"withdrawn"}
    data = callback.make(first["id"], scene.office.rt.callback_keys[0])
    status = {
        "id": WAMID + "9",
        "status": "delivered",
        "timestamp": str(int(scene.office.at.timestamp())),
        "recipient_id": CANARY_PHONE,
    }
    await scene.shop.hear(world.envelope(world.A, {"statuses": [status | {"biz_opaque_callback_data": data}]}))
    (row,) = await scene.shop.rows("SELECT state FROM message WHERE id = $1", first["message_id"])
    assert row["state"] == "delivered", "else the status was of nobody"
    assert await scene.shop.rows("SELECT 1 FROM attempt WHERE wamid LIKE 'wamid.%' AND contact_id = $1", his) == []


async def test_a_restored_backup_forgets_again_and_refuses_at_once(
    scene: Scene, cluster: server.Server, database: str, folders: list[Path]
) -> None:
    """The file beside the database has hashes only; the rows of before come back, as from a backup, and go again."""
    rt, admin = scene.office.rt, scene.shop.admin
    kept = {table: await admin.fetch(f"SELECT * FROM {table} WHERE id = $1", UUID(scene.contact_id)) for table in ("contact",)}
    await scene.job("erase")
    await scene.work()
    stones = await privacy.read(rt.config)
    for path in erasure.stone_files(rt.config):
        kept_line = path.read_bytes()
        path.unlink()
        assert await privacy.read(rt.config) == stones, "another process's STATE_DIR, or a MEDIA_DIR from the backup, does no harm"
        path.write_bytes(kept_line)
    assert len(stones) == 1 and re.fullmatch(rb'[\w":,\[\]{}. +-]*', msgspec.json.encode(stones[0]))
    row = kept["contact"][0]
    await admin.execute(
        "UPDATE contact SET phone = $2, wa_id = $3, name = $4, erased_at = NULL WHERE id = $1",
        row["id"], row["phone"], row["wa_id"], row["name"],
    )  # fmt: skip
    await admin.execute("DELETE FROM tombstone")
    async with rt.db.session() as session:
        everyone = await session.all(tenants.EVERYONE)
    scene.office.later(1)
    for _ in range(2):
        again = [await privacy.forget_again(rt.db, t, rt.config.secret_keys, stones, scene.office.at, fresh_id) for t in everyone]
        assert again == [1, 0]
        assert await states(scene, CANARY_PHONE) == {"marketing": "out"}
    await scene.work()
    assert await traces(cluster, database, *folders) == {}


async def test_needles_are_whole_texts(scene: Scene) -> None:
    async with scene.office.rt.db.tenant(scene.office.world.a) as tx:
        found = needles((await load(tx, UUID(scene.contact_id))).family)
    assert set(found) == {f'"{CANARY_PHONE}"', f'"{CANARY_PHONE[:4]}{CANARY_PHONE[5:]}"'}, "with the ninth digit and without"


async def test_large_deliveries_and_answers_are_looked_through_one_by_one(scene: Scene) -> None:
    """However large, the next one is looked at; never more than the bound and one."""
    headers = {"Authorization": f"Bearer {scene.boss}", "Idempotency-Key": "another"}
    await scene.office.http.post("/v1/contacts", json={"phone": f"+{BIA[:-1]}9"}, headers=headers)
    stored = await scene.shop.rows("SELECT day, seq FROM delivery ORDER BY day, seq")
    async with scene.office.rt.db.tenant(scene.office.world.a) as tx:
        for most_bytes, deliveries, answers in ((1, 1, 1), (2**20, len(stored), 2)):
            held = await tx.one(
                erasure.HOLDING, day=stored[0]["day"], after=0, mark=2**60, needles=[b""], most=500, most_bytes=most_bytes
            )
            assert held is not None and held.seqs == [row["seq"] for row in stored][:deliveries] and held.last == max(held.seqs)
            found = await tx.all(idempotency.ANSWERS, after_caller=UUID(int=0), after_key="", most=200, most_bytes=most_bytes)
            assert len([one for one in found if one.answer]) == answers
