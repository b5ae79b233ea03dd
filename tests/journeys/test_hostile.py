"""What a stranger, a broken sender or a dying database can do to the webhook of a real `serve`: never a lost or a doubled
message, never an answer 200 without its row, never a process that ends."""

import asyncio
import gzip
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests import canary, server, world
from tests.journeys import process, tables
from tests.journeys.house import ECHO, House, running

TOO_LARGE = 5 * 1024 * 1024


@pytest.fixture(scope="module")
async def house(
    cluster: server.Server, template: str, tmp_path_factory: pytest.TempPathFactory, log_dir: Path
) -> AsyncIterator[House]:
    """One process for all tests here; each uses customers of its own. Its replies reach a simulator."""
    name = f"{template}_hostile"
    cluster.create_database(name, template)
    async with (
        process.simulating(log_dir) as simulator,
        running(cluster, name, tmp_path_factory.mktemp("state"), log_dir, flow=ECHO, WA_API_BASE=simulator.url) as house,
    ):
        async with house.http.post(
            f"{simulator.url}/_sim/settings", json={"window": False, "rate": None, "pair": False}
        ) as response:
            assert response.status == 200
        yield house
        assert house.child.alive
        assert await house.child.stop() == 0
    cluster.drop_database(name)


async def send(house: House, body: bytes, headers: dict[str, str] | list[tuple[str, str]]) -> int:
    async with house.http.post(house.webhook, data=body, headers=headers) as response:
        return response.status


async def test_an_unsigned_or_wrongly_signed_body_is_401_and_leaves_nothing(house: House) -> None:
    """F8, S8: missing, of other bytes, of another secret, malformed, and a good one doubled; the log shows no text of it."""
    body = world.text("wamid.unsigned", canary.CANARY_TEXT, sender=canary.CANARY_PHONE)
    good = world.sign(body)["X-Hub-Signature-256"]
    before = await house.count("delivery")
    wrong: list[dict[str, str] | list[tuple[str, str]]] = [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": good.replace("sha256=", "sha1=")},
        {"X-Hub-Signature-256": good[:-1]},
        {"X-Hub-Signature-256": world.sign(body + b" ")["X-Hub-Signature-256"]},
        {"X-Hub-Signature": good},
        [("X-Hub-Signature-256", good), ("X-Hub-Signature-256", good)],
        [("X-Hub-Signature-256", good), ("X-Hub-Signature-256", "sha256=" + "0" * 64)],
        {"X-Hub-Signature-256": f"{good}, {good}"},
    ]
    assert [await send(house, body, headers) for headers in wrong] == [401] * len(wrong)
    assert await house.count("delivery") == before


async def test_a_body_of_5_mib_is_413_and_leaves_nothing(house: House) -> None:
    """F11, S12: with its length announced, and in chunks without one; both are signed. Who is still writing may find the connection
    ended before he can read why."""
    body = b" " * TOO_LARGE

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, TOO_LARGE, 65536):
            yield body[start : start + 65536]

    before = await house.count("delivery")
    for data in (io.BytesIO(body), chunks()):
        try:
            async with house.http.post(house.webhook, data=data, headers=world.sign(body)) as response:
                assert response.status == 413
        except aiohttp.ClientOSError:
            pass
    assert await house.count("delivery") == before


async def test_a_body_of_3_mib_is_taken(house: House) -> None:
    """F11: Meta sends up to 3 MB; chunked too."""
    body = world.text("wamid.3mib", "oi", sender="5511900010001").ljust(3 * 1024 * 1024)

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    async with house.http.post(house.webhook, data=chunks(), headers=world.sign(body)) as response:
        assert response.status == 200
    await house.quiet()
    assert await house.count("event", "key = 'wamid.3mib' AND state = 'handled'") == 1


def message(body: str) -> bytes:
    """A delivery with this JSON as its one message's text."""
    return world.text("wamid.%s", "%t", sender="5511900020001").replace(b'"%t"', body.encode())


HOSTILE = {
    "not_json": (b"this is not JSON", "not_json"),
    "empty": (b"", "not_json"),
    "array": (b"[1, 2]", "not_an_object"),
    "bad_utf8": (b'{"object": "whatsapp_business_account", "entry": "\xff\xfe"}', "bad_utf8"),
    "deep": (b'{"object": "whatsapp_business_account", "entry": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
    "deep_text": (message("[" * 100_000 + "]" * 100_000), None),
    "nul": (message(r'"a\u0000b"'), None),
    "surrogate": (message(r'"a\ud800b"'), None),
    "nan": (message("NaN"), None),
    "huge_int": (message("9" * 5000), None),
    "infinity": (message("1e999999"), None),
    "entry_is_text": (b'{"object": "whatsapp_business_account", "entry": "no"}', None),
    "gzip_bomb": (gzip.compress(b" " * 1_000_000), None),
    "another_object": (b'{"object": "page", "entry": []}', None),
}
"""A signed body, and why it is quarantined; None: whatever the parser says of it, without a stop."""


@pytest.mark.parametrize("case", HOSTILE)
async def test_a_hostile_body_is_200_and_the_next_good_message_is_answered(house: House, case: str) -> None:
    """F9, S12."""
    body, reason = HOSTILE[case]
    number = list(HOSTILE).index(case)
    body = body.replace(b"wamid.%s", f"wamid.{case}".encode()).replace(b"5511900020001", f"55119000200{number:02}".encode())
    assert await house.post(body) == 200
    assert await house.post(world.text(f"wamid.after-{case}", "oi", sender=f"55119000210{number:02}")) == 200
    await house.quiet()
    assert await house.count("event", f"key = 'wamid.after-{case}' AND state = 'handled'") == 1
    row = await house.admin.fetchrow(
        "SELECT state, reason, octet_length(body) AS size FROM delivery ORDER BY seq DESC OFFSET 1 LIMIT 1"
    )
    assert row["size"] == len(body)
    assert row["state"] == ("quarantined" if row["reason"] else "digested")
    if reason:
        assert row["reason"] == reason


async def test_4096_emoji_are_kept_whole(house: House) -> None:
    text = "😀" * 4096
    assert await house.post(world.text("wamid.emoji", text, sender="5511900030001")) == 200
    await house.quiet()
    kept = await house.admin.fetchval("SELECT content->'content'->>'body' FROM event WHERE key = 'wamid.emoji'")
    assert kept == text


async def replies(house: House, phone: str) -> int:
    return await house.count("message", f"contact_id = (SELECT id FROM contact WHERE phone = '{phone}')")


async def test_the_same_message_twice_in_one_body_is_one_event_and_one_reply(house: House) -> None:
    """F2."""
    value = msgspec.json.decode(world.text("wamid.twice", "oi", sender="5511900040001"))["entry"][0]["changes"][0]["value"]
    twice = world.envelope(world.A, {"contacts": value["contacts"], "messages": value["messages"] * 2})
    assert await house.post(twice) == 200
    await house.quiet()
    assert await house.count("event", "key = 'wamid.twice'") == 1
    assert await replies(house, "5511900040001") == 1


async def test_the_same_message_on_50_connections_at_once_is_one_event_and_one_reply(house: House) -> None:
    """F3."""
    bodies = [world.text(f"wamid.fifty-{n}", "oi", sender=f"55119000500{n:02}") for n in range(4)]
    statuses = await asyncio.gather(*(house.post(body) for _ in range(50) for body in bodies))
    assert statuses == [200] * 200
    await house.quiet()
    for n in range(4):
        assert await house.count("event", f"key = 'wamid.fifty-{n}'") == 1
        assert await replies(house, f"55119000500{n:02}") == 1


async def test_two_tenants_in_one_body_get_their_own_each(house: House) -> None:
    """F4: and one broken element between them costs neither."""
    parts = [
        msgspec.json.decode(world.text(f"wamid.mixed-{number.phone_number_id}", "oi", sender="5511900060001", number=number))
        for number in (world.A, world.B)
    ]
    broken = {
        "id": "1",
        "changes": [{"field": "messages", "value": {"metadata": {"phone_number_id": world.A.phone_number_id}, "messages": [7]}}],
    }
    entries = [parts[0]["entry"][0], broken, parts[1]["entry"][0]]
    assert await house.post(msgspec.json.encode({"object": "whatsapp_business_account", "entry": entries})) == 200
    await house.quiet()
    rows = await house.admin.fetch("SELECT tenant_id, key, state FROM event WHERE key LIKE 'wamid.mixed-%' ORDER BY key")
    assert [(house.tenants[r["tenant_id"]], r["key"][-1], r["state"]) for r in rows] == [
        ("a", "1", "handled"),
        ("b", "2", "handled"),
    ]
    assert await house.count("contact", "phone = '5511900060001'") == 2


async def test_an_unknown_number_is_200_and_noted_on_its_delivery(house: House) -> None:
    """F10."""
    stranger = msgspec.structs.replace(world.A, phone_number_id="999", waba_id="998")
    before = await house.count("event")
    assert await house.post(world.text("wamid.stranger", "oi", sender="5511900070001", number=stranger)) == 200
    await house.quiet()
    noted = await house.admin.fetchval("SELECT unrouted::text FROM delivery ORDER BY seq DESC LIMIT 1")
    assert msgspec.json.decode(noted) == [{"position": 0, "reason": "unknown_number", "phone_number_id": "999", "waba_id": "998"}]
    assert await house.count("event") == before


async def test_200_at_once_are_all_stored_and_answered(house: House) -> None:
    """F4."""
    bodies = [world.text(f"wamid.many-{n}", "oi", sender=f"5511900{80000 + n}") for n in range(200)]
    assert await asyncio.gather(*map(house.post, bodies)) == [200] * 200
    await house.quiet()
    assert await house.count("event", "key LIKE 'wamid.many-%' AND state = 'handled'") == 200


async def test_a_full_queue_is_503_and_a_200_has_its_row(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F16: with room for 3 only, and the table locked so that nothing leaves; every 200 is in the table afterwards."""
    async with running(cluster, database, tmp_path, log_dir, INBOX_MAX_REQUESTS="3", MIGRATE="off") as house:
        async with house.admin.transaction():
            await house.admin.execute("LOCK TABLE delivery IN ACCESS EXCLUSIVE MODE")
            posts = [asyncio.create_task(answered(house, world.text(f"wamid.full-{n}", "oi"))) for n in range(40)]
            await asyncio.wait(posts, timeout=1)
            early = [post.result() for post in posts if post.done()]
        late = [await post for post in posts]
        refused = [headers for status, headers in early if status == 503]
        assert len(refused) >= 30
        assert all(headers["Retry-After"] == "5" for headers in refused)
        stored = [status for status, _ in late].count(200)
        assert stored == await house.count("delivery") >= 3
        assert await house.post(world.text("wamid.after", "oi")) == 200


async def answered(house: House, body: bytes) -> tuple[int, dict[str, str]]:
    async with house.http.post(house.webhook, data=body, headers=world.sign(body)) as response:
        return response.status, dict(response.headers)


async def test_while_the_database_is_away_it_is_503_and_afterwards_200_and_answered(tmp_path: Path, log_dir: Path) -> None:
    """F50: stopped at once in the middle of traffic; the process lives, and what was answered 200 is there."""
    own = server.embedded()
    try:
        await asyncio.to_thread(own.start)
        await asyncio.to_thread(own.create_database, "atd")
        async with running(own, "atd", tmp_path, log_dir, flow=ECHO) as house:
            assert await house.post(world.text("wamid.before", "oi")) == 200
            await asyncio.to_thread(own.stop, "immediate")
            async with asyncio.timeout(20):
                assert [await house.post(world.text(f"wamid.away-{n}", "oi")) for n in range(5)] == [503] * 5
            async with (
                house.http.get(f"{house.child.url}/health/live") as live,
                house.http.get(f"{house.child.url}/health/ready") as ready,
            ):
                assert (live.status, ready.status) == (200, 503)
            await asyncio.to_thread(own.start)
            async with asyncio.timeout(20):
                while await house.post(world.text("wamid.back", "oi")) != 200:
                    await asyncio.sleep(0.1)
            await until_handled(own.dsn("atd", "postgres"), {"wamid.before", "wamid.back"})
            assert house.child.alive
    finally:
        await asyncio.to_thread(own.destroy)


async def until_handled(dsn: str, keys: set[str]) -> None:
    """F50: self-healed within seconds of the return."""
    async with tables.looking(dsn) as admin, asyncio.timeout(15):
        while {row["key"] for row in await admin.fetch("SELECT key FROM event WHERE state = 'handled'")} != keys:
            await asyncio.sleep(0.05)


async def test_the_challenge_is_echoed_for_the_right_token_only(house: House) -> None:
    """S10."""
    params = {"hub.mode": "subscribe", "hub.verify_token": world.VERIFY_TOKEN, "hub.challenge": "<b>1</b>"}
    async with house.http.get(house.webhook, params=params) as response:
        assert (response.status, await response.text(), response.content_type) == (200, "<b>1</b>", "text/plain")
    async with house.http.get(house.webhook, params={**params, "hub.verify_token": "another"}) as response:
        assert response.status == 403
