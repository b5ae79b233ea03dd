"""All that was said to and by a person, in one line over conversations, page after page without a gap."""

import datetime as dt
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.inbox.timeline import Order, Row, merge
from tests import world
from tests.office import Office

AT = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def row(what: Literal["event", "message"], place: int, second: int) -> Row:
    at = AT + dt.timedelta(seconds=second)
    return Row(what, UUID(int=second), at, UUID(int=0), UUID(int=0), place, 0, "text", "handled", None, None, b"{}", None)


@pytest.mark.parametrize("order", ["newest", "oldest"])
@given(st.lists(st.integers(0, 9), max_size=6), st.lists(st.integers(0, 9), max_size=6))
def test_each_keeps_its_own_order_and_none_is_lost(order: Order, ins: list[int], outs: list[int]) -> None:
    """Also where clocks and arrivals disagree. Where they agree, so do the times, and an answer is after what it answers."""
    came = [row("event", n, second) for n, second in enumerate(ins)]
    went = [row("message", 0, second) for second in sorted(outs, reverse=order == "newest")]
    merged = list(merge([*went, *came], order))
    assert [r for r in merged if r.what == "event"] == came and [r for r in merged if r.what == "message"] == went
    if ins == sorted(ins, reverse=order == "newest"):
        told = [(r.at, r.what) for r in merged]
        assert told == sorted(told, reverse=order == "newest")


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_it_is_whole_in_pages_of_any_size(office: Office, limit: int) -> None:
    viewer = await office.sign_in("viewer@a.example", "viewer", office.world.a)

    async def work(tx: Tx) -> UUID:
        ids = []
        for n, person in enumerate(
            [Person(world.A.portfolio_id, None, "5511900000001"), Person(world.A.portfolio_id, "BR.1", None)]
        ):
            contact_id, talk_id = await world.talk(tx, office.rt, person, office.world.number_a)  # type: ignore[arg-type]  # a UUID
            ids.append(contact_id)
            for i in range(5):
                at = AT + dt.timedelta(minutes=i, seconds=n)
                await tx._connection.execute(
                    "INSERT INTO event (tenant_id, id, number_id, contact_id, conversation_id, key, kind, arrival, position,"
                    " content, sent_at, received_at, state, turn_no)"
                        " VALUES ($1, $2, $3, $4, $5, $6, 'text', $7, 0, $8, $9, $9, 'handled', 1)",
                    tx.tenant_id, office.rt.new_id(), office.world.number_a, contact_id, talk_id, f"{n}.{i}", i * 10 + n,
                    b'{"content": {"type": "text", "body": "oi"}}', at,
                )  # fmt: skip
                for ordinal in range(2):  # of one turn: at one time
                    await tx._connection.execute(
                        "INSERT INTO message (tenant_id, id, number_id, contact_id, conversation_id, source, source_id, source_no,"
                        " ordinal, category, policy, content, content_sha256, state, not_before, created_at) VALUES"
                        " ($1, $2, $3, $4, $5, 'turn', $5, $6, $7, 'service', 'at_least_once', '{}', '', 'read', $8, $8)",
                        tx.tenant_id, office.rt.new_id(), office.world.number_a, contact_id, talk_id, i, ordinal,
                        at + dt.timedelta(milliseconds=5),
                    )  # fmt: skip
        await world.meet(tx, office.rt, Person(world.A.portfolio_id, "BR.1", "5511900000001"))  # one person, it turns out
        return ids[0]

    contact_id = await office.rt.db.transact(office.world.a, work)
    said: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = (await office.get(f"/contacts/{contact_id}/timeline{query}", viewer)).json()
        assert len(page["items"]) == limit or page["next_cursor"] is None
        said, cursor = said + page["items"], page["next_cursor"]
    assert len(said) == len({one["id"] for one in said}) == 2 * 5 * 3
    times = [dt.datetime.fromisoformat(str(one["at"])) for one in said]
    assert times == sorted(times, reverse=True)
    assert [one["what"] for one in said] == ["message", "message", "event"] * 10
    assert said[2]["content"] == {"content": {"type": "text", "body": "oi"}} and len({one["conversation_id"] for one in said}) == 2
