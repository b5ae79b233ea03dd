"""Who is who: the pure decision, and the rows under two transactions at once."""

import asyncio
import datetime as dt
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from atendeja import contacts
from atendeja.contacts import Contact, Person, keys, match, match_all, unite
from atendeja.db import LostRace, Tx
from atendeja.errors import Unavailable
from atendeja.runtime import Runtime
from tests import world

P = "300000000000001"
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
ANA = "5511900000001"


def person(user_id: str | None = None, wa_id: str | None = None, name: str | None = None) -> Person:
    return Person(P, user_id, wa_id, name)


def contact(n: int, user_id: str | None = None, phone: str | None = None, name: str | None = None) -> Contact:
    return Contact(UUID(int=n), P if user_id else None, user_id, phone, phone, name, None, NOW)


def known(*those: Contact) -> dict[str, Contact]:
    return {key: c for c in those for key in keys(c)}


# ── pure ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_unite_gathers_what_each_shows_and_the_later_word_wins() -> None:
    united = unite(
        [person("u1", None, "Ana"), person(None, "553190000002", "Bia"), person("u1", ANA), person(None, ANA, "Ana Maria")]
    )
    ana, bia = united[f"{P}/u1"], united["5531990000002"]
    assert ana is united[ANA]
    assert (ana.user_id, ana.wa_id, ana.name) == ("u1", ANA, "Ana Maria")
    assert (bia.user_id, bia.wa_id, bia.name) == (None, "553190000002", "Bia")


@given(
    st.lists(st.tuples(st.sampled_from([None, "u1", "u2", "u3"]), st.sampled_from([None, "1", "2", "3"])).filter(any), max_size=12)
)
def test_united_people_share_no_key_and_nobody_is_lost(shown: list[tuple[str | None, str | None]]) -> None:
    people = [person(u, w) for u, w in shown]
    united = unite(people)
    assert united.keys() == {key for p in people for key in keys(p)}
    for p in people:
        assert len({united[key] for key in keys(p)}) == 1
    whole = list(dict.fromkeys(united.values()))
    names = [key for p in whole for key in keys(p)]
    assert len(names) == len(set(names))


def test_unite_takes_time_in_proportion() -> None:
    """1,000 messages of one person, and of 1,000: neither is squared."""

    def took(people: list[Person]) -> float:
        started = time.perf_counter()
        unite(people)
        return time.perf_counter() - started

    for one in (True, False):
        small, large = (
            min(
                took([person(f"u{0 if one else n}", ANA if one else f"55119{n:08}", str(n)) for n in range(size)]) for _ in range(3)
            )
            for size in (500, 5000)
        )
        assert large < small * 40


def test_nobody_is_matched_to_nobody() -> None:
    assert match(person("u1", ANA), {}) is None


def test_a_phone_links_to_the_contact_of_a_bsuid_and_back() -> None:
    by_user = match(person("u1", ANA), known(contact(1, "u1")))
    by_phone = match(person("u1", ANA), known(contact(1, None, ANA)))
    assert by_user is not None and (by_user.described.user_id, by_user.described.phone) == ("u1", ANA)
    assert by_phone is not None and (by_phone.described.user_id, by_phone.described.portfolio_id) == ("u1", P)


def test_a_bsuid_without_a_phone_is_merged_into_the_phone() -> None:
    found = match(person("u1", ANA), known(contact(1, "u1"), contact(2, None, ANA)))
    assert found is not None and found.merged is not None
    assert (found.contact.id.int, found.merged.id.int, found.described.user_id) == (2, 1, "u1")


def test_a_bsuid_with_another_phone_keeps_it_and_nobody_is_merged() -> None:
    found = match(person("u1", ANA), known(contact(1, "u1", "5511900000009"), contact(2, None, ANA)))
    assert found is not None and found.merged is None
    assert (found.contact.id.int, found.described.phone) == (1, "5511900000009")


def test_a_new_bsuid_replaces_the_old_one_but_not_that_of_another_portfolio() -> None:
    here = match(person("u2", ANA), known(contact(1, "u1", ANA)))
    there = match(replace(person("u2", ANA), portfolio_id="another"), known(contact(1, "u1", ANA)))
    assert here is not None and here.described.user_id == "u2"
    assert there is not None and (there.described.user_id, there.described.portfolio_id) == ("u1", P)


def test_one_after_the_other_what_one_shows_counts_for_the_next() -> None:
    """Two people of a batch who share no key lead to one contact: the last word on each field stands, none is lost."""
    found = match_all([person("u1", None, "Ana"), person(None, ANA)], [contact(1, "u1", ANA)])
    assert [m.described.name for m in found.values()] == ["Ana", "Ana"]
    merged = match_all([person("u1", ANA), person(None, "5511900000002")], [contact(1, "u1"), contact(2, None, ANA)])
    assert len(merged) == 1


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def tenant(rt: Runtime) -> int:
    return (await world.found(rt.db, rt.config.secret_keys)).a


async def meet(rt: Runtime, tenant: int, *people: Person) -> list[UUID]:
    async def work(tx: Tx) -> list[UUID]:
        return await world.meet(tx, rt, *people)

    return await rt.db.transact(tenant, work)


async def everybody(rt: Runtime, tenant: int) -> list[tuple[object, ...]]:
    async with rt.db.tenant(tenant) as tx:
        rows = await tx._connection.fetch(
            "SELECT user_id, phone, name FROM contact WHERE merged_into IS NULL ORDER BY phone, user_id"
        )
        return [tuple(row) for row in rows]


async def test_ids_come_back_in_the_order_given(rt: Runtime, tenant: int) -> None:
    a, b, again = await meet(rt, tenant, person(None, ANA), person("u2"), person("u1", ANA))
    assert a == again != b
    assert await meet(rt, tenant, person("u2"), person("u1")) == [b, a]


async def test_two_people_of_a_batch_who_are_one_contact_write_it_once(rt: Runtime, tenant: int) -> None:
    await meet(rt, tenant, person("u1", ANA))
    first, second = await meet(rt, tenant, person("u1", None, "Ana"), person(None, ANA))
    assert first == second
    assert await everybody(rt, tenant) == [("u1", ANA, "Ana")]


async def test_first_messages_of_one_person_from_many_transactions_make_one_contact(rt: Runtime, tenant: int) -> None:
    """F3, F54: each shows another part of him, or all; no duplicate, no deadlock, nobody is turned away."""
    shown = [person("u1", ANA), person(None, ANA), person("u1"), person("u1", ANA, "Ana")]
    for round_ in range(10):
        mine = [replace(p, user_id=p.user_id and f"u{round_}", wa_id=p.wa_id and f"55119{round_:08}") for p in shown]
        met = await asyncio.gather(*(meet(rt, tenant, p) for p in [*mine, *mine]))
        await meet(rt, tenant, mine[0])
        assert len(met) == 8
    found = await everybody(rt, tenant)
    assert [(u, p) for u, p, _ in found] == [(f"u{n}", f"55119{n:08}") for n in range(10)]
    assert await deadlocks(rt) == 0


async def test_many_new_people_in_opposite_orders_do_not_deadlock(rt: Runtime, tenant: int) -> None:
    """F54: sorted inside, whatever the order outside. Each round 600 whom nobody knew, from two transactions at once."""
    for round_ in range(4):
        people = [person(f"u{round_}-{n}", f"55119{round_}{n:07}") for n in range(600)]
        await asyncio.gather(meet(rt, tenant, *people), meet(rt, tenant, *reversed(people)))
    assert len(await everybody(rt, tenant)) == 2400
    assert await deadlocks(rt) == 0


async def deadlocks(rt: Runtime) -> int:
    async with rt.db.pool.acquire() as connection:
        await connection.execute("SELECT pg_stat_force_next_flush()")
        found: int = await connection.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return found


async def test_a_name_that_was_given_away_meanwhile_is_a_race_to_run_again(rt: Runtime, tenant: int) -> None:
    """Another transaction makes a contact with the BSUID that we are about to write on the phone's row: the second run merges."""
    await meet(rt, tenant, person(None, ANA))
    runs = 0

    async def work(tx: Tx) -> list[UUID]:
        nonlocal runs
        runs += 1
        meeting = await contacts.meet(tx, [person("u1", ANA)])
        if runs == 1:
            await meet(rt, tenant, person("u1"))
        return (await contacts.settle(tx, meeting, rt.now(), rt.new_id)).ids

    await rt.db.transact(tenant, work)
    assert runs == 2
    assert await everybody(rt, tenant) == [("u1", ANA, None)]


async def test_a_lost_race_that_never_ends_is_said(rt: Runtime, tenant: int) -> None:
    async def work(_tx: Tx) -> None:
        raise LostRace

    with pytest.raises(Unavailable, match="LostRace"):
        await rt.db.transact(tenant, work)


async def test_a_released_conversation_is_the_bots_and_another_tenants_is_not_ours(rt: Runtime, tenant: int) -> None:
    async with rt.db.tenant(tenant) as tx:
        number_id = await tx._connection.fetchval("SELECT id FROM number")
        contact_id, conversation_id = await world.talk(tx, rt, person(None, ANA), number_id)
        assert (contact_id, conversation_id) == await world.talk(tx, rt, person(None, ANA), number_id)
        assert not await contacts.release(tx, conversation_id, rt.now())
        await tx._connection.execute("UPDATE conversation SET owner = 'human', human_at = now()")
        assert await contacts.release(tx, conversation_id, rt.now())
    async with rt.db.tenant(tenant + 1) as tx:
        assert not await contacts.release(tx, conversation_id, rt.now())
