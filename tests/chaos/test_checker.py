"""The checker finds nothing where all is well, and each broken promise where one is broken by hand: that one, and no other."""

import base64
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from uuid import UUID

import asyncpg
import pytest
from msgspec import Struct
from msgspec.structs import replace

from atendeja import app
from atendeja.simulator import Settings, Simulator
from atendeja.simulator.witness import Line
from atendeja.wa import callback
from tests import server, world
from tests.chaos import checker, outward
from tests.chaos.checker import EXAMPLES, Acknowledged, Evidence, check
from tests.chaos.facts import KEYS
from tests.outbound.office import ANA, BIA, CAI, Office

NEW = UUID(int=7)
"""The id of an attempt that a case makes up."""


class Stage(Struct):
    """A database in which everything went well, and what was seen from outside."""

    dsn: str
    evidence: Evidence

    async def broken(self) -> dict[str, str]:
        """Invariant → what is said of it."""
        return {finding.invariant: finding.detail for finding in await check(self.dsn, self.evidence)}

    async def sql(self, statements: str) -> None:
        """Do this to the database, whatever its keys say."""
        admin = await asyncpg.connect(self.dsn)
        async with admin.transaction():
            await admin.execute("SET LOCAL session_replication_role = replica")
            await admin.execute(FREE)
            await admin.execute(statements)
        await admin.close()


FREE = """
    DO $$ DECLARE k record; BEGIN
        FOR k IN SELECT conrelid::regclass AS t, conname FROM pg_constraint WHERE contype = 'u' AND conparentid = 0
                 AND conrelid = ANY ('{event,message,attempt}'::regclass[]) LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', k.t, k.conname);
        END LOOP;
    END $$
"""


async def play(office: Office) -> list[Acknowledged]:
    """Two customers write twice and are answered, one opts out; two replies and a promotion go out by the API; all is read."""
    acknowledged = []

    async def says(text: str, sender: str) -> None:
        wamid = await office.says(text, sender)
        acknowledged.append(Acknowledged(wamid, sender, world.A.phone_number_id, office.now.timestamp()))
        await office.turn()
        await office.open()
        await office.until("accepted", timeout_s=30)

    await office.publish()
    for text in ("oi", "oi"):
        for sender in (ANA, BIA):
            await says(text, sender)
    await office.put("promo", to=BIA, category="marketing")
    await office.put("um", "dois", to=ANA)
    await says("SAIR", CAI)
    for line in office.posts:
        for status in ("sent", "delivered", "read"):
            await office.status(line, status)
    return acknowledged


@pytest.fixture(scope="module")
async def played(
    cluster: server.Server, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, Evidence]]:
    """A database to be copied."""
    name = f"atd_played_{secrets.token_hex(4)}"
    cluster.create_database(name, template)
    simulator = Simulator(Settings(port=0, window=False, pair=False, rate=None))
    await simulator.start()
    config = world.make_config(
        cluster.dsn(name), cluster.dsn(name, "postgres"), tmp_path_factory.mktemp("played"), WA_API_BASE=simulator.url
    )
    async with app.open_runtime(config) as rt:
        admin = await asyncpg.connect(config.admin_url.reveal())
        office = Office(rt, await world.found(rt.db, config.secret_keys), admin, simulator)
        acknowledged = await play(office)
        evidence = Evidence(office.posts, acknowledged)
        await office.close()
        await admin.close()
    await simulator.stop()
    yield name, evidence
    cluster.drop_database(name)


@pytest.fixture
def stage(cluster: server.Server, played: tuple[str, Evidence]) -> Iterator[Stage]:
    name = f"atd_{secrets.token_hex(6)}"
    cluster.create_database(name, played[0])
    seen = played[1]
    yield Stage(cluster.dsn(name, "postgres"), Evidence([*seen.lines], [*seen.acknowledged]))
    cluster.drop_database(name)


async def test_nothing_is_found_where_all_is_well(stage: Stage) -> None:
    assert len(stage.evidence.lines) == 8
    assert await stage.broken() == {}


def test_the_key_is_the_one_that_a_runtime_signs_with() -> None:
    opaque = callback.make(NEW, KEYS[0])
    assert callback.read(opaque, KEYS) == NEW
    assert base64.b64decode(world.SECRET_KEY) not in KEYS


# ── what is wrong in the rows ────────────────────────────────────────────────────────────────────────────────────────────

EVENT = "(SELECT id FROM event ORDER BY arrival LIMIT 1)"
STEP = "(SELECT id FROM step ORDER BY at, step_no LIMIT 1)"
TALK = f"(SELECT conversation_id FROM event WHERE id = {EVENT})"
REPLY = "(SELECT id FROM message WHERE source = 'turn' ORDER BY created_at LIMIT 1)"
LAST = "(SELECT id FROM message WHERE content->>'body' = 'dois')"
PROMO = "(SELECT id FROM message WHERE category = 'marketing')"
B = f"(SELECT id FROM number WHERE phone_number_id = '{world.B.phone_number_id}')"
TURNED = (
    f"UPDATE event SET turn_no = 3 - turn_no WHERE conversation_id = {TALK};"
    f"UPDATE step SET turn_no = 3 - turn_no WHERE conversation_id = {TALK};"
    f"UPDATE message SET source_no = 3 - source_no WHERE source = 'turn' AND conversation_id = {TALK}"
)
TAKEN = (
    f"UPDATE message SET created_at = created_at - interval '1 hour' WHERE id = {REPLY};"
    f"UPDATE conversation SET taken_at = created_at - interval '30 min' WHERE id = {TALK}"
)
TIMELESS = "accepted_at = NULL, sent_at = NULL, delivered_at = NULL, read_at = NULL"


def copied(table: str, which: str, **columns: str) -> str:
    """The statement that copies a row with some columns changed."""
    changes = ", ".join(f"'{name}', {value}" for name, value in columns.items())
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), {changes}))).* "
        f"FROM {table} t WHERE {which}"
    )


def unheard(message: str, state: str, more: str = "doubt_at = NULL", attempt: str = "unknown") -> str:
    """A message of which nobody ever heard that it was accepted."""
    return (
        f"UPDATE attempt SET state = '{attempt}', wamid = NULL WHERE message_id = {message};"
        f"UPDATE message SET state = '{state}', {TIMELESS}, {more} WHERE id = {message}"
    )


ROWS = (
    ("I1", "a key that is two events", copied("event", f"id = {EVENT}", state="'ignored'", reason="'x'", turn_no="NULL")),
    ("I1 I2", "an event that is gone", f"DELETE FROM event WHERE id = {EVENT}"),
    ("I2", "an event that has not ended", f"UPDATE event SET state = 'unhandled', turn_no = NULL WHERE id = {EVENT}"),
    (
        "I2",
        "an event that two turns answered",
        copied("step", f"id = {STEP}", turn_no="2", step_no="99", trace=f"jsonb_build_object('event', {EVENT})"),
    ),
    ("I3", "a gap", f"UPDATE conversation SET turn_no = 5 WHERE id = {TALK}"),
    ("I3", "a turn beyond the last", f"UPDATE conversation SET turn_no = 1 WHERE id = {TALK}"),
    ("I3", "a step that was taken twice", copied("step", f"id = {STEP}", trace="'{}'::jsonb")),
    (
        "I3",
        "what came first was answered last",
        TURNED,
    ),
    (
        "I3",
        "what came first of what was stored together was answered last",
        f"{TURNED}; UPDATE event SET received_at = (SELECT min(received_at) FROM event)",
    ),
    ("I4 I7", "a reply that is missing", f"DELETE FROM message WHERE id = {REPLY}"),
    (
        "I4",
        "a reply that its turn did not say",
        copied("message", f"id = {REPLY}", ordinal="1", seq="NULL", state="'withdrawn'", reason="'stale'")
        + f"; UPDATE message SET {TIMELESS} WHERE state = 'withdrawn'",
    ),
    (
        "I3 I4",
        "replies of a turn that never was",
        copied("message", f"id = {REPLY}", source_no="99", seq="NULL", state="'withdrawn'", reason="'stale'")
        + f"; UPDATE message SET {TIMELESS} WHERE state = 'withdrawn'",
    ),
    ("I4", "a reply that is not its turn's first", f"UPDATE message SET ordinal = 1 WHERE id = {REPLY}"),
    ("I4", "a reply under another's name", f"UPDATE message SET source_id = id WHERE id = {REPLY}"),
    ("I7", "a claim that was made after its POST", f"UPDATE attempt SET claimed_at = claimed_at + '1h' WHERE message_id = {LAST}"),
    ("I7", "an attempt that is gone", f"DELETE FROM attempt WHERE message_id = {LAST}"),
    ("I8", "a message that waits", unheard(LAST, "queued")),
    ("I8", "a message on the wire", unheard(LAST, "sending", attempt="claimed")),
    ("I8", "a message in doubt", unheard(LAST, "in_doubt", "doubt_at = now()")),
    ("I8", "a message that nobody knows, without a kill", unheard(LAST, "unknown")),
    (
        "I8",
        "a delivery that waits",
        "INSERT INTO delivery (day, lane, received_at, body) VALUES (current_date, 0, now(), 'x')",
    ),
    ("I9", "a status that fell", f"UPDATE message SET state = 'sent' WHERE id = {LAST}"),
    ("I9", "a failure that was forgotten", f"UPDATE message SET state = 'sent', {TIMELESS}, failed_at = now() WHERE id = {LAST}"),
    (
        "I9",
        "an attempt that was accepted, a message that was not",
        f"UPDATE message SET state = 'unknown', {TIMELESS} WHERE id = {LAST}",
    ),
    ("I11", "an opt-out that was not written down", "DELETE FROM consent"),
    (
        "I11",
        "marketing after an opt-out",
        copied(
            "consent",
            "true",
            contact_id=f"(SELECT contact_id FROM message WHERE id = {PROMO})",
            arrival="-1",
            at="t.at - interval '1 hour'",
        ),
    ),
    (
        "I11",
        "a bot's reply after a takeover",
        TAKEN,
    ),
    ("I11", "a message that was withdrawn and accepted", unheard(LAST, "withdrawn", "reason = 'stale'")),
    ("I13", "a table that everybody may read", "ALTER TABLE message DISABLE ROW LEVEL SECURITY"),
    ("I13", "a row that names another tenant's", f"UPDATE message SET contact_id = {B} WHERE id = {LAST}"),
    ("I14", "a wamid that was never given", f"UPDATE attempt SET wamid = 'wamid.x' WHERE message_id = {LAST}"),
    ("I14", "a wamid on two attempts", f"UPDATE attempt SET wamid = (SELECT min(wamid) FROM attempt) WHERE message_id = {LAST}"),
    (
        "I14",
        "an attempt that was accepted, and abandoned as it says",
        f"UPDATE attempt SET state = 'abandoned', wamid = NULL WHERE message_id = {LAST}",
    ),
    ("order", "a reply that overtook another", "UPDATE message SET seq = 7 - seq WHERE source = 'api' AND seq IS NOT NULL"),
)


@pytest.mark.parametrize(("wanted", "sql"), [(wanted, sql) for wanted, _, sql in ROWS], ids=[f"{w}: {what}" for w, what, _ in ROWS])
async def test_wrong_rows_are_found(wanted: str, sql: str, stage: Stage) -> None:
    """I1 to I14: exactly the promises that the rows break, and each said with something to look for."""
    if "unknown" in sql and wanted != "I8":
        stage.evidence.kills, stage.evidence.in_flight = 1, 1
    await stage.sql(sql)
    found = await stage.broken()
    assert " ".join(sorted(found)) == wanted, found
    for detail in found.values():
        assert re.match(r"\d+: ", detail) and re.search(r"wamid|[0-9a-f]{8}-|tenant \d|\d deliver", detail), detail


# ── what is wrong in the log ─────────────────────────────────────────────────────────────────────────────────────────────


def again(evidence: Evidence, line: Line, **changes: object) -> None:
    """The log ends with this line once more, a little different."""
    evidence.lines.append(replace(line, **{"seq": len(evidence.lines) + 1, **changes}))


def twice(evidence: Evidence) -> None:
    again(evidence, evidence.lines[-1], wamid=None, answer="131000")


def same_wamid(evidence: Evidence) -> None:
    evidence.lines[-1] = replace(evidence.lines[-1], wamid=evidence.lines[0].wamid)


def unsigned(evidence: Evidence) -> None:
    again(evidence, evidence.lines[-1], opaque=None, wamid="wamid.x")


def no_attempt(evidence: Evidence) -> None:
    again(evidence, evidence.lines[-1], opaque=callback.make(NEW, KEYS[0]), wamid="wamid.x")


def other_number(evidence: Evidence) -> None:
    evidence.lines[-1] = replace(evidence.lines[-1], phone_number_id=world.B.phone_number_id)


def lost(evidence: Evidence) -> None:
    evidence.acknowledged.append(Acknowledged("wamid.lost", ANA, world.A.phone_number_id, 0.0))


def misrouted(evidence: Evidence) -> None:
    evidence.acknowledged[0] = replace(evidence.acknowledged[0], number=world.B.phone_number_id)


def too_fast(evidence: Evidence) -> None:
    for n in range(1001):
        again(evidence, evidence.lines[0], to=f"5511{n:09}", opaque=None, wamid=None, at=2e9)


def too_often(evidence: Evidence) -> None:
    for n in range(13):
        again(evidence, evidence.lines[0], opaque=None, wamid=None, at=2e9 + n)


SEEN: tuple[tuple[str, Callable[[Evidence], None]], ...] = (
    ("I1", lost),
    ("I1", misrouted),
    ("I12", too_fast),
    ("I12", too_often),
    ("I14", same_wamid),
    ("I14", twice),
    ("I7", no_attempt),
    ("I7", other_number),
    ("I7", unsigned),
)


@pytest.mark.parametrize(("wanted", "change"), SEEN, ids=[f"{wanted}: {change.__name__}" for wanted, change in SEEN])
async def test_a_wrong_log_is_found(wanted: str, change: Callable[[Evidence], None], stage: Stage) -> None:
    change(stage.evidence)
    assert list(await stage.broken()) == [wanted]


@pytest.mark.parametrize(
    ("wanted", "message", "after", "wamid"),
    [
        ("I5", PROMO, "1 hour", "'wamid.again'"),
        ("I6", LAST, "1 second", "'wamid.again'"),  # before its time was up
        ("I6", LAST, "1 hour", "NULL"),  # and not counted
        ("", LAST, "1 hour", "'wamid.again'"),
    ],
)
async def test_a_second_acceptance(wanted: str, message: str, after: str, wamid: str, stage: Stage) -> None:
    """I5, I6: never of what goes out at most once; of a service reply only after a doubt that lasted, and counted."""
    await stage.sql(
        copied(
            "attempt", f"message_id = {message}", id=f"'{NEW}'::uuid", n="2", state="'unknown'", wamid=wamid,
            claimed_at=f"claimed_at + interval '{after}'",
        )
    )  # fmt: skip
    of = next(line for line in stage.evidence.lines if line.to.endswith(BIA if message == PROMO else ANA))
    again(stage.evidence, of, opaque=callback.make(NEW, KEYS[0]), wamid="wamid.again", at=of.at + 7200)
    assert " ".join(await stage.broken()) == wanted


# ── what is no fault ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_as_many_as_were_on_the_wire_at_the_kills_may_be_unknown(stage: Stage) -> None:
    await stage.sql(unheard(LAST, "unknown"))
    stage.evidence.kills, stage.evidence.in_flight = 1, 1
    assert await stage.broken() == {}


async def test_marketing_after_a_renewed_consent(stage: Stage) -> None:
    bia = f"(SELECT contact_id FROM message WHERE id = {PROMO})"
    await stage.sql(
        copied("consent", "true", contact_id=bia, arrival="-2", at="t.at - interval '1 hour'")
        + "; "
        + copied("consent", "arrival > 0", contact_id=bia, arrival="-1", state="'in'", at="t.at - interval '1 hour'")
    )
    assert await stage.broken() == {}


async def test_who_was_in_doubt_for_ten_seconds_may_be_overtaken(stage: Stage) -> None:
    """FAULTS 2.4, Ordering: liveness over order."""
    await stage.sql(
        "UPDATE message SET seq = 7 - seq WHERE source = 'api' AND seq IS NOT NULL;"
        + copied(
            "attempt", f"message_id = {LAST}", n="9", state="'unknown'", wamid="NULL", claimed_at="claimed_at - interval '11 s'"
        )
    )
    assert await stage.broken() == {}


async def test_a_finding_says_how_many_there_are_and_shows_a_few(stage: Stage) -> None:
    stage.evidence.acknowledged = [Acknowledged(f"wamid.{n}", ANA, world.A.phone_number_id, 0.0) for n in range(100, 120)]
    found = await stage.broken()
    assert found["I1"].startswith("20: wamid.100 of") and found["I1"].endswith(f"and {20 - EXAMPLES} more")


async def test_the_sums_per_state_are_those_of_the_log(stage: Stage) -> None:
    found = await checker.sums(stage.dsn, stage.evidence)
    assert found and list(outward.unlike(found)) == []
    assert {log for _, log in found.values()} == {ledger for ledger, _ in found.values()}
    await stage.sql("UPDATE message SET state = 'withdrawn', reason = 'operator'")
    assert list(outward.unlike(await checker.sums(stage.dsn, stage.evidence)))
    await stage.sql("UPDATE message SET state = 'delivered', reason = NULL")
    assert list(outward.unlike(await checker.sums(stage.dsn, stage.evidence))) == []
    del stage.evidence.lines[0]
    (told,) = outward.unlike(await checker.sums(stage.dsn, stage.evidence))
    assert re.fullmatch(r"\d+ messages are delivered, and \d+ of them were accepted", told)
