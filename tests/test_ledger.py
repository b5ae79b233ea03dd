"""The ledger's half of the way in: events once, statuses only upward whatever their order (F1, F6, F7, I9, I14)."""

import datetime as dt
import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from atendeja import ledger
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.inbound import events
from atendeja.ledger import RANK, Lift, NewEvent, NewMessage, Report, reduce_reports
from atendeja.numbers import Route
from atendeja.runtime import Runtime
from atendeja.wa import callback
from atendeja.wa.events import ApiError, Customer, ErrorData, Item, Pricing, StatusReported
from tests import world

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
STATUSES = ("sent", "delivered", "read", "played", "failed")
SOMEBODY = UUID(int=7)
Row = Any  # asyncpg has no types: a record, by index and by name


def report(wamid: str, status: str, *, number_id: UUID = SOMEBODY, second: int = 0, **more: Any) -> Report:  # Any: fields of Report
    at = NOON + dt.timedelta(seconds=second)
    return Report(number_id, wamid, more.pop("attempt_id", None), status, at, **more)  # type: ignore[arg-type]  # one of STATUSES


# ── pure ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

told = st.lists(st.tuples(st.sampled_from([1, 2]), st.sampled_from(STATUSES), st.integers(0, 9)), max_size=12)


@given(told, st.randoms(use_true_random=False))
def test_reduced_reports_are_the_highest_state_and_the_first_of_each_time_in_any_order(
    said: list[tuple[int, str, int]], dice: Any
) -> None:
    """F6, against a reference that sees them all at once."""
    told_of = [(UUID(int=m), 1 + n % 3, report("w", s, second=n)) for m, s, n in said]
    shuffled = dice.sample(told_of, len(told_of))
    for lift in reduce_reports(shuffled):
        mine = [r for m, _, r in told_of if m == lift.message_id]
        failed = [n for m, n, r in told_of if m == lift.message_id and r.status == "failed"]
        assert lift.failed_n == max(failed, default=None)
        assert lift.state == max((r.status for r in mine if r.status != "failed"), key=RANK.__getitem__, default="queued")
        for status in STATUSES:
            assert getattr(lift, f"{status}_at") == min((r.at for r in mine if r.status == status), default=None)
    assert {lift.message_id for lift in reduce_reports(shuffled)} == {m for m, *_ in told_of}


async def test_the_ranks_of_the_code_are_those_of_the_schema(rt: Runtime) -> None:
    async with rt.db.pool.acquire() as connection:
        for state, rank in RANK.items():
            assert await connection.fetchval("SELECT message_rank($1)", state) == rank, state


def arrived(status: StatusReported, number_id: UUID | None = SOMEBODY) -> events.Arrived:
    item = Item(0, "1", "2", "3", "messages", status)
    return events.Arrived(item, 1, NOON + dt.timedelta(hours=1), Route("number", "2", 1, number_id, "p"))


def status_of(status: str, **more: Any) -> StatusReported:
    return StatusReported(wamid="w", status=status, at=NOON, customer=Customer(), **more)


def test_a_status_that_must_change_nothing_is_no_report() -> None:
    assert events.report(arrived(status_of("deleted")), []) is None
    assert events.report(arrived(status_of("read", group_id="g")), []) is None
    assert events.report(arrived(status_of("read"), None), []) is None


def test_a_report_has_the_code_the_words_and_the_price() -> None:
    errors = [ApiError(code=131049, title="t", error_data=ErrorData(details="d"))]
    failed = events.report(arrived(status_of("failed", errors=errors)), [])
    sent = events.report(arrived(status_of("sent", pricing=Pricing(billable=True, category="marketing"))), [])
    assert failed is not None and (failed.code, failed.detail) == (131049, "d")
    assert sent is not None and msgspec.json.decode(sent.pricing or b"") == {"billable": True, "category": "marketing"}


def test_callback_data_with_a_foreign_mac_is_nobodys_attempt() -> None:
    ours, theirs = secrets.token_bytes(32), secrets.token_bytes(32)
    attempt_id = UUID(bytes=secrets.token_bytes(16))
    good = events.report(arrived(status_of("sent", callback=callback.make(attempt_id, ours))), [ours])
    bad = events.report(arrived(status_of("sent", callback=callback.make(attempt_id, theirs))), [ours])
    assert good is not None and good.attempt_id == attempt_id
    assert bad is not None and (bad.attempt_id, bad.wamid) == (None, "w")


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Books:
    """Tenant A with one conversation, and messages in it as they are wanted."""

    rt: Runtime
    world: world.World
    number_id: UUID
    contact_id: UUID
    conversation_id: UUID

    async def message(self, state: str = "sending", wamid: str | None = None, attempt_id: UUID | None = None, no: int = 0) -> UUID:
        """One that is in this state, with an attempt."""
        message_id = self.rt.new_id()
        new = NewMessage(
            message_id, self.number_id, self.contact_id, self.conversation_id, "turn", message_id, no, 0, "service",
            msgspec.Raw(b"{}"), b"", None,
        )  # fmt: skip
        async with self.rt.db.tenant(self.world.a) as tx:
            await ledger.queue_messages(tx, [new], self.rt.now(), self.rt.who.boot)
            await tx._connection.execute(
                "UPDATE message SET state = $2::text, doubt_at = CASE WHEN $2 = 'in_doubt' THEN now() END,"
                " code = CASE WHEN $2 = 'failed' THEN 131026 END, reason = CASE WHEN $2 = 'withdrawn' THEN 'human' END"
                " WHERE id = $1", message_id, state,
            )  # fmt: skip
            await tx._connection.execute(
                "INSERT INTO attempt (tenant_id, id, message_id, number_id, contact_id, n, boot, state, wamid, claimed_at)"
                " VALUES ($1, $2, $3, $4, $5, 1, $2, CASE WHEN $6::text IS NULL THEN 'claimed' ELSE 'accepted' END, $6, now())",
                self.world.a, attempt_id or self.rt.new_attempt_id(), message_id, self.number_id, self.contact_id, wamid,
            )  # fmt: skip
        return message_id

    async def apply(self, reports: Sequence[Report], tenant: int | None = None) -> int:
        async def work(tx: Tx) -> int:
            return (await ledger.apply_reports(tx, reports, self.rt.now())).messages

        return await self.rt.db.transact(tenant or self.world.a, work)

    def report(self, wamid: str, status: str, **more: Any) -> Report:
        return report(wamid, status, number_id=self.number_id, **more)

    async def rows(self, statement: str, *arguments: object, tenant: int | None = None) -> list[Row]:
        async with self.rt.db.tenant(tenant or self.world.a) as tx:
            found: list[Row] = await tx._connection.fetch(statement, *arguments)
            return found

    async def state(self, message_id: UUID) -> str:
        found: str = (await self.rows("SELECT state FROM message WHERE id = $1", message_id))[0][0]
        return found


@pytest.fixture
async def books(rt: Runtime) -> Books:
    made = await world.found(rt.db, rt.config.secret_keys)
    number_id = made.number_a
    assert isinstance(number_id, UUID)

    async def work(tx: Tx) -> tuple[UUID, UUID]:
        return await world.talk(tx, rt, Person("p", None, "5511900000001"), number_id)

    return Books(rt, made, number_id, *await rt.db.transact(made.a, work))


async def test_every_permutation_of_statuses_ends_in_the_same_row(books: Books) -> None:
    """F6, I9: one at a time, 120 messages side by side; no step down on the way."""
    orders = list(itertools.permutations(enumerate(STATUSES)))
    ids = [await books.message(wamid=f"w{n}", no=n) for n in range(len(orders))]
    rank = dict.fromkeys(ids, 0)
    for step in range(len(STATUSES)):
        await books.apply([books.report(f"w{n}", order[step][1], second=order[step][0]) for n, order in enumerate(orders)])
        for row in await books.rows("SELECT id, state FROM message"):
            assert RANK[row["state"]] >= rank[row["id"]]
            rank[row["id"]] = RANK[row["state"]]
    columns = "state, code, accepted_at IS NOT NULL, sent_at, delivered_at, read_at, played_at, failed_at"
    ends = {tuple(row) for row in await books.rows(f"SELECT {columns} FROM message")}
    assert {end[0] for end in ends} == {"played"}
    assert {end[3:] for end in ends} == {tuple(NOON + dt.timedelta(seconds=n) for n in range(5))}


async def test_a_status_lifts_from_any_state_and_never_lowers(books: Books) -> None:
    """A late `delivered` beats `failed`, a late `sent` does not; `unknown` and `withdrawn` are lifted. Twice is as once."""
    states = ["queued", "sending", "in_doubt", "unknown", "withdrawn", "accepted", "failed"]
    cases = {f"{state} {status}": (state, status) for state in states for status in STATUSES}
    ids = {wamid: await books.message(state, wamid, no=no) for no, (wamid, (state, _)) in enumerate(cases.items())}
    for _ in range(2):
        await books.apply(
            [books.report(w, status, code=131026 if status == "failed" else None) for w, (_, status) in cases.items()]
        )
        found = {row["id"]: row["state"] for row in await books.rows("SELECT id, state FROM message")}
        for wamid, (state, status) in cases.items():
            assert found[ids[wamid]] == (status if RANK[status] > RANK[state] else state), wamid


async def test_failed_keeps_code_and_words_unless_it_was_delivered(books: Books) -> None:
    failed, delivered = await books.message("accepted", "w1", no=1), await books.message("delivered", "w2", no=2)
    await books.apply([books.report(w, "failed", code=131049, detail="d") for w in ("w1", "w2")])
    rows = {row["id"]: tuple(row)[1:] for row in await books.rows("SELECT id, state, code, detail, failed_at FROM message")}
    assert rows[failed] == ("failed", 131049, "d", NOON)
    assert rows[delivered] == ("delivered", None, None, NOON)


async def test_a_status_with_our_callback_comes_before_the_answer_of_the_post(books: Books) -> None:
    """F6, F31: the attempt has no wamid yet, and has it afterwards."""
    attempt_id = books.rt.new_attempt_id()
    message_id = await books.message("sending", attempt_id=attempt_id)
    assert await books.apply([books.report("w1", "sent", attempt_id=attempt_id)]) == 1
    assert await books.state(message_id) == "sent"
    assert tuple((await books.rows("SELECT state, wamid FROM attempt"))[0]) == ("accepted", "w1")
    assert await books.apply([books.report("w1", "read")]) == 1
    assert await books.state(message_id) == "read"


async def test_the_price_is_kept_once_and_is_not_overwritten(books: Books) -> None:
    await books.message("accepted", "w1")
    await books.apply([books.report("w1", "delivered", pricing=b'{"category": "service"}')])
    await books.apply([books.report("w1", "sent", pricing=b'{"category": "marketing"}'), books.report("w1", "read")])
    row = (await books.rows("SELECT pricing, state FROM message"))[0]
    assert (msgspec.json.decode(row["pricing"]), row["state"]) == ({"category": "service"}, "read")


async def test_an_orphan_is_kept_once_and_joined_when_its_message_is_known(books: Books) -> None:
    """F6."""
    orphans = [books.report("w1", "delivered", second=2), books.report("w1", "sent", second=1)]
    assert await books.apply(orphans) == await books.apply(orphans) == 0
    assert len(await books.rows("SELECT 1 FROM status_orphan")) == 2
    message_id = await books.message("accepted", "w1")
    async with books.rt.db.session() as session:
        found = await ledger.find_known_orphans(session)
    assert {(tenant, key) for tenant, keys in found.items() for key in keys} == {(books.world.a, (books.number_id, "w1"))}

    async def join(tx: Tx) -> int:
        return (await ledger.join_orphans(tx, found[books.world.a], books.rt.now())).messages

    assert await books.rt.db.transact(books.world.a, join) == 1
    assert await books.rows("SELECT 1 FROM status_orphan") == []
    row = (await books.rows("SELECT state, sent_at, delivered_at FROM message WHERE id = $1", message_id))[0]
    assert tuple(row) == ("delivered", NOON + dt.timedelta(seconds=1), NOON + dt.timedelta(seconds=2))


async def test_another_tenants_attempt_is_not_touched(books: Books) -> None:
    """F7, S3, I13: B's webhook carries A's attempt id and A's wamid; it stays an orphan of B."""
    attempt_id = books.rt.new_attempt_id()
    message_id = await books.message("sending", attempt_id=attempt_id)
    number_b = books.world.number_b
    assert isinstance(number_b, UUID)
    theirs = replace(books.report("w1", "read", attempt_id=attempt_id), number_id=number_b)
    assert await books.apply([theirs], books.world.b) == 0
    assert await books.state(message_id) == "sending"
    assert len(await books.rows("SELECT 1 FROM status_orphan", tenant=books.world.b)) == 1


async def test_an_attempt_of_another_number_of_the_same_tenant_is_not_touched(books: Books) -> None:
    """F7: the callback data alone is not believed."""
    attempt_id = books.rt.new_attempt_id()
    message_id = await books.message("sending", attempt_id=attempt_id)
    async with books.rt.db.tenant(books.world.a) as tx:
        other: UUID = await tx._connection.fetchval(
            "INSERT INTO number (tenant_id, id, phone_number_id, waba_id, portfolio_id, display_number, token, created_at)"
            " VALUES ($1, $2, '9', '9', '9', '9', '', now()) RETURNING id", books.world.a, books.rt.new_id(),
        )  # fmt: skip
    assert await books.apply([replace(books.report("w1", "read", attempt_id=attempt_id), number_id=other)]) == 0
    assert await books.state(message_id) == "sending"


# ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def event(books: Books, key: str, arrival: int = 1, reason: str | None = None) -> NewEvent:
    return NewEvent(
        books.rt.new_id(), books.number_id, books.contact_id, books.conversation_id, key, "text", arrival, 0, msgspec.Raw(b"{}"),
        NOON, NOON, reason,
    )  # fmt: skip


async def test_an_event_is_recorded_once_by_its_key(books: Books) -> None:
    """F1, I1: the second insert returns nothing, and that is how it is known; a key of no number is one too."""
    async with books.rt.db.tenant(books.world.a) as tx:
        first, second = event(books, "w1"), event(books, "w1")
        account = replace(event(books, "h1", reason="recorded"), number_id=None)
        assert await ledger.record_events(tx, [first], NOON) == {first.id}
        assert await ledger.record_events(tx, [second], NOON) == set()
        assert await ledger.record_events(tx, [account], NOON) == {account.id}
        assert await ledger.record_events(tx, [replace(account, id=books.rt.new_id())], NOON) == set()
        assert await ledger.load_known(tx, [(books.number_id, "w1"), (books.number_id, "w2")]) == {(books.number_id, "w1")}
        assert await ledger.load_known(tx, []) == set()


async def test_what_wants_an_answer_opens_its_conversation_and_asks_for_a_turn(books: Books) -> None:
    """An older message does not shorten the 24 hours, and one that is only recorded opens nothing."""
    later = NOON + dt.timedelta(hours=1)
    async with books.rt.db.tenant(books.world.a) as tx:
        await tx._connection.execute("UPDATE conversation SET state = 'closed'")
        await ledger.record_events(tx, [event(books, "w0", reason="system")], NOON)
        closed = await tx._connection.fetchrow("SELECT state, window_until FROM conversation")
        await ledger.record_events(
            tx, [event(books, "w1", 2), replace(event(books, "w2", 3), sent_at=NOON - dt.timedelta(hours=3))], NOON
        )
        await ledger.record_events(tx, [event(books, "w1", 4)], later)
        row = await tx._connection.fetchrow(
            "SELECT v.state, window_until, due_at FROM conversation v JOIN contact c ON c.id = contact_id"
        )
    assert tuple(closed) == ("closed", None)
    assert tuple(row) == ("open", NOON + dt.timedelta(hours=24), NOON)


async def test_the_oldest_event_is_dead_after_three_tries_alone(books: Books) -> None:
    """F21: and the next one lives."""
    async with books.rt.db.tenant(books.world.a) as tx:
        await ledger.record_events(tx, [event(books, "w1", 1), event(books, "w2", 2)], NOON)
        tried = [await ledger.count_try(tx, books.contact_id, "r") for _ in range(3)]
        assert [t.state for t in tried if t] == ["unhandled", "unhandled", "dead"]
        rows = await tx._connection.fetch("SELECT key FROM event WHERE state = 'unhandled'")
        assert [row["key"] for row in rows] == ["w2"]
        assert await ledger.count_try(tx, books.number_id, "r") is None


def test_a_lift_of_nothing_lifts_nothing() -> None:
    assert RANK[Lift(SOMEBODY).state] == 0
    assert reduce_reports([]) == []
