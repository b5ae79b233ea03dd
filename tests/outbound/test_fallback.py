"""A template in the place of a message whose window is closed: one, whoever finds out, and only where the first did not go."""

from uuid import UUID

import pytest

from atendeja import reporting
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.outbound import Fallback
from atendeja.outbound.fallback import fall_back
from atendeja.reconcile import Reconciler
from atendeja.wa.content import Template, Text, Value
from tests.outbound.office import ANA, BIA, Office
from tests.outbound.test_put import outgoing, put

REMINDER = Template("lembrete_consulta", "pt_BR", body=[Value("Ana"), Value("amanhã às 9 h")])
UTILITY, MARKETING = Fallback(REMINDER, "utility"), Fallback(REMINDER, "marketing")


async def found(office: Office) -> list[tuple[str, str | None, str, int, str]]:
    """(state, reason, category, ordinal, type) of each message, the first one first."""
    rows = await office.rows("SELECT *, content->>'type' AS type FROM message ORDER BY created_at, ordinal DESC")
    return [(m["state"], m["reason"], m["category"], m["ordinal"], m["type"]) for m in rows]


async def test_withdrawn_before_it_costs_a_call_and_the_template_goes(office: Office) -> None:
    await office.put("oi", fallback=UTILITY)
    office.later(hours=25)
    await office.open()
    await office.until(["accepted", "withdrawn"])
    assert sorted(await found(office)) == [
        ("accepted", None, "utility", -1, "template"),
        ("withdrawn", "window_closed", "service", 0, "text"),
    ]
    assert len(office.posts) == 1
    row = await office.row("SELECT policy, seq FROM message WHERE ordinal = -1")
    assert (row["policy"], row["seq"]) == ("at_most_once", 1)


async def test_while_the_window_is_open_it_is_not_used(office: Office) -> None:
    await office.put("oi", fallback=UTILITY)
    await office.open()
    await office.until("accepted")
    assert len(await office.messages()) == 1


async def test_what_meta_refuses_as_closed_is_replaced_and_needs_nobody(office: Office) -> None:
    """131047 in the answer: it has failed, and is no dead letter."""
    office.fault("code", 131047)
    await office.put("oi", fallback=MARKETING)
    await office.open()
    await office.until(["accepted", "failed"])
    assert (await found(office))[0] == ("failed", None, "service", 0, "text")
    assert (await office.row("SELECT seq, category FROM message WHERE ordinal = -1"))["category"] == "marketing"
    assert await office.rows("SELECT FROM dead_letter") == []


@pytest.mark.parametrize("callback", [True, False])
async def test_what_a_status_reports_as_closed_is_replaced_once(callback: bool, office: Office) -> None:
    await office.put("oi", fallback=UTILITY)
    await office.open()
    await office.until("accepted")
    for _ in range(2):
        await office.status(office.posts[0], "failed", code=131047, callback=callback)
    office.ring()
    await office.until(["accepted", "failed"])
    assert len(office.posts) == 2


async def test_a_status_that_came_before_we_knew_the_message(office: Office) -> None:
    """Without our callback data, and the answer to the POST was lost: kept, and joined when the attempt is known."""
    office.fault("drop_answer")
    await office.put("oi", fallback=UTILITY)
    await office.open()
    await office.until("in_doubt")
    line = office.posts[0]
    await office.status(line, "failed", code=131047, callback=False)
    assert await office.states() == ["in_doubt"]
    await office.admin.execute("UPDATE attempt SET wamid = $1, state = 'accepted'", line.wamid)
    await Reconciler(office.rt).work()
    await office.until(["accepted", "failed"])


async def test_after_a_doubt_nothing_goes_in_its_place(office: Office) -> None:
    """The first may have arrived: nobody knows, and that is what it ends as."""
    office.fault("5xx_after", 500)
    await office.put("oi", fallback=UTILITY)
    await office.open()
    await office.until("in_doubt")
    await office.admin.execute("UPDATE message SET state = 'queued', not_before = now()")
    office.later(hours=25)
    office.ring()
    await office.until("unknown")
    assert len(await office.messages()) == 1


async def test_after_a_doubt_that_was_tried_again_too(office: Office) -> None:
    """The second attempt meets a closed window: the first may have arrived all the same."""
    office.fault("5xx_after", 500)
    await office.put("oi", fallback=UTILITY)
    await office.open()
    await office.until("in_doubt")
    office.fault("code", 131047)
    await office.admin.execute("UPDATE message SET state = 'queued', not_before = now()")
    office.ring()
    await office.until("failed")
    assert len(await office.messages()) == 1


async def test_a_fallback_that_cannot_be_read_keeps_nobody_from_sending(office: Office) -> None:
    await office.put("oi", fallback=UTILITY, to=ANA)
    await office.admin.execute("""UPDATE message SET fallback = '{"category": "utility", "template": {"name": 1}}'""")
    office.later(hours=25)
    await office.put("oi", to=BIA)
    await office.open()
    await office.until("accepted", BIA)
    await office.until("withdrawn", ANA)


async def test_who_has_a_person_already_gets_none(office: Office) -> None:
    """Posted, taken over, and then reported as closed."""
    await office.put("oi", source="turn", fallback=UTILITY)
    await office.open()
    await office.until("accepted")
    await office.admin.execute("UPDATE conversation SET taken_at = now()")
    await office.status(office.posts[0], "failed", code=131047)
    assert await office.states() == ["failed"]


async def test_the_order_of_the_first_ones_is_kept(office: Office) -> None:
    await office.put("oi", "e mais", fallback=UTILITY)
    office.later(hours=25)
    await office.open()
    await office.until(["accepted", "accepted", "withdrawn", "withdrawn"])
    rows = await office.rows("SELECT ordinal, seq, accepted_at FROM message WHERE ordinal < 0 ORDER BY seq")
    assert [(row["ordinal"], row["seq"]) for row in rows] == [(-1, 1), (-2, 2)]
    assert rows[0]["accepted_at"] <= rows[1]["accepted_at"]


async def test_a_person_who_took_over_ends_it_too(office: Office) -> None:
    await office.put("oi", source="turn", fallback=UTILITY)
    await office.admin.execute("UPDATE message SET state = 'withdrawn', reason = 'window_closed'")
    ids = [row["id"] for row in await office.messages()]
    await office.rt.db.transact(office.a, lambda tx: fall_back(tx, ids, office.now, office.rt.new_id))
    await office.admin.execute("UPDATE conversation SET taken_at = now() + interval '1 second'")
    await office.open()
    await office.until("withdrawn")
    assert {(m["ordinal"], m["reason"]) for m in await office.messages()} == {(0, "window_closed"), (-1, "human")}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"fallback": Fallback(Template("Nome", "pt_BR"), "utility")}, "fallback.template.name"),
        ({"fallback": UTILITY, "category": "utility"}, "fallback: only a service message"),
        ({"content": REMINDER}, "category: a template is sent as utility, authentication or marketing"),
    ],
)
async def test_what_cannot_be_is_refused_before_anything_is_written(given: dict[str, object], why: str, office: Office) -> None:
    with pytest.raises(Refused, match=why):
        await put(office, await outgoing(office, **given))
    assert await office.messages() == []


async def test_asked_for_twice_there_is_one(office: Office) -> None:
    await office.put("oi", fallback=UTILITY)
    await office.admin.execute("UPDATE message SET state = 'withdrawn', reason = 'window_closed'")
    ids = [row["id"] for row in await office.messages()]

    async def work(tx: Tx) -> set[UUID]:
        return await fall_back(tx, ids, office.now, office.rt.new_id)

    assert [len(await office.rt.db.transact(office.a, work)) for _ in range(2)] == [1, 1]
    assert len(await office.messages()) == 2


async def test_explain_tells_of_both(office: Office) -> None:
    await office.put(Text("oi"), fallback=UTILITY)
    office.later(hours=25)
    await office.open()
    await office.until(["accepted", "withdrawn"])
    second, first = await office.messages(ANA)
    lines = await reporting.explain(office.rt.db, str(first["id"]), office.now)
    assert f"  why: a template went in its place: message {second['id']}" in lines
    lines = await reporting.explain(office.rt.db, str(second["id"]), office.now)
    assert lines[2].startswith(f"message {second['id']} utility of api in place of message {first['id']}, queued ")
