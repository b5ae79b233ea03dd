"""Notices: what keeps a business from working, as long as it does; of it alone, and without a notice when all is well."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from atendeja.flows.trying import SMALL
from tests import server
from tests.office import Office

CAUSES = {
    "number_stopped": ("UPDATE number SET stopped_code = 190, stopped_until = now() + interval '1 hour' WHERE id = $1", "190"),
    "number_paused": ("UPDATE number SET paused_at = now(), paused_for = 'férias' WHERE id = $1", "férias"),
    "number_quality": ("UPDATE number SET quality = 'RED', checked_at = now() WHERE id = $1", "RED"),
    "marketing_stopped": ("UPDATE number SET marketing_code = 131048, marketing_until = now() WHERE id = $1", "131048"),
    "template_stopped": (
        """INSERT INTO template_stop (tenant_id, waba_id, name, language, code, refusals, until)
        SELECT tenant_id, waba_id, 'oferta', 'pt_BR', 132015, 1, now() FROM number WHERE id = $1""",
        "oferta (pt_BR)",
    ),
    "webhook_disabled": (
        """INSERT INTO webhook (tenant_id, id, url, description, types, secret, place, disabled_at, disabled_why, created_at)
        SELECT tenant_id, id, 'https://a.example/h', '', '{}', '', 0, now(), 'failing', now() FROM number WHERE id = $1""",
        "https://a.example/h",
    ),
    "tenant_suspended": (
        "UPDATE tenant SET suspended_at = now(), suspended_for = 'conta' WHERE id = (SELECT tenant_id FROM number WHERE id = $1)",
        "conta",
    ),
    "sending_held": (
        """UPDATE guard SET held_at = now(), held_reason = 'x', held_mark = 1, held_arrival = 1, seen_mark = 2
        WHERE $1::uuid IS NOT NULL""",
        "lost commits",
    ),
}  # fmt: skip
EVENTS = """
    INSERT INTO event (tenant_id, id, number_id, key, kind, arrival, position, content, sent_at, received_at, state, reason)
    SELECT tenant_id, gen_random_uuid(), id, n::text, 'text', n, 0, '{}', now(), now(), 'dead', 'x'
    FROM number, generate_series(1, $2) AS n WHERE id = $1
"""


@pytest.fixture
async def admin(cluster: server.Server, database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(cluster.dsn(database, "postgres"))
    yield connection
    await connection.close()


async def notices(office: Office, bearer: str) -> dict[str, dict[str, object]]:
    answer = await office.get("/notices", bearer)
    assert answer.status_code == 200, answer.text
    found = answer.json()["notices"]
    assert [notice["severity"] for notice in found] == sorted(notice["severity"] for notice in found)
    return {notice["kind"]: notice for notice in found}


async def test_a_new_business_is_told_what_it_lacks_until_it_has_it(office: Office) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    found = await notices(office, owner)
    assert set(found) == {"no_flow"} and found["no_flow"]["subject_id"] == str(office.world.number_a)
    flow = (await office.post("/flows", {"source": SMALL}, owner)).json()
    published = await office.post(f"/flows/{flow['id']}/publish", {"version_id": flow["draft"]["id"], "skip_tests": True}, owner)
    assert published.status_code == 200, published.text
    assert await notices(office, owner) == {}


@pytest.mark.parametrize("kind", CAUSES)
async def test_a_cause_is_told_with_what_ends_it_and_to_nobody_else(kind: str, office: Office, admin: asyncpg.Connection) -> None:
    """S7."""
    viewer = await office.sign_in("viewer@a.example", "viewer", office.world.a)
    other = await office.sign_in("owner@b.example", "owner", office.world.b)
    statement, word = CAUSES[kind]
    if kind == "tenant_suspended":
        await notices(office, viewer)  # who was let in a moment ago is let in still
    await admin.execute(statement, office.world.number_a)
    notice = (await notices(office, viewer))[kind]
    assert word in str(notice["says"]) and notice["todo"]
    assert (kind in await notices(office, other)) == (kind == "sending_held")


async def test_dead_letters_are_counted_up_to_a_bound(office: Office, admin: asyncpg.Connection) -> None:
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    for count, said in ((3, "3 messages or events"), (1200, "1000 or more")):
        await admin.execute("DELETE FROM event")
        await admin.execute(EVENTS, office.world.number_a, count)
        assert said in str((await notices(office, owner))["dead_letters"]["says"])
