"""Outgoing webhooks against a real receiver: each thing told until it is taken, under one id, whatever dies or fails (S31)."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiohttp import web
from msgspec.structs import replace

from atendeja import app, events, failpoints, webhooks
from atendeja.config import Secret
from atendeja.feed.shapes import ConsentDeclared, Noticed
from atendeja.runtime import Runtime
from atendeja.webhooks import rows, sending
from atendeja.webhooks.rows import Due
from atendeja.webhooks.sending import Courier
from tests import server, world
from tests.office import JWT, Office, open_office
from tests.webhooks.receiver import Receiver, receiving


class Shop(Office):
    """An office with a receiver next door, and a courier that goes when it is told to."""

    receiver: Receiver
    courier: Courier
    boss: str

    async def make(self, path: str = "/hook", **more: object) -> tuple[str, str]:
        """A webhook: its id and its secret."""
        answer = await self.post("/webhooks", {"url": self.receiver.url(path), **more}, self.boss)
        assert answer.status_code == 201, answer.text
        await self.rt.feed.audience.look()
        return answer.json()["webhook"]["id"], answer.json()["secret"]

    async def happens(self, *subjects: str, tenant_id: int | None = None) -> None:
        told = [Noticed("prova", subject, None) for subject in subjects]
        await self.rt.db.transact(tenant_id or self.world.a, lambda tx: self.rt.feed.tell(tx, told))

    async def go(self, courier: Courier | None = None) -> None:
        """Deliver all that is due."""
        courier = courier or self.courier
        await courier.work()
        async with asyncio.timeout(10):
            await courier.drain()
        self.later(0.2)  # so that the next look is not too early

    async def deliveries(self, webhook: str, query: str = "") -> list[dict[str, Any]]:
        answer = await self.get(f"/webhooks/{webhook}/deliveries{query}", self.boss)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def show(self, webhook: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.get(f"/webhooks/{webhook}", self.boss)).json()
        return found


@pytest.fixture
async def shop(cluster: server.Server, database: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with receiving() as receiver:
        trusted = f"127.0.0.1:{receiver.port}"
        config = world.make_config(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path, OUTSIDE_TRUSTED=trusted)
        async with (
            app.open_runtime(replace(config, jwt_secret=(Secret(JWT),))) as rt,
            open_office(rt, await world.found(rt.db, rt.config.secret_keys)) as office,
        ):
            made = Shop(rt, office.http, office.world)
            rt.clock, rt.monotonic = (lambda: made.at), (lambda: made.at.timestamp())
            made.receiver, made.courier = receiver, Courier(rt)
            made.boss = await made.sign_in("ana@a.example", "owner", made.world.a)
            yield made
            await made.courier.drain()


async def test_what_happens_is_told_signed_and_once(shop: Shop) -> None:
    """S31: what a receiver verifies; only what was asked for; the same event has the same id for all."""
    await shop.happens("before")
    hook, secret = await shop.make()
    some, _ = await shop.make("/some", types=["contact.consent"])
    await shop.happens("one", "two")
    declared = ConsentDeclared(UUID(int=1), "marketing", "out", "word")
    await shop.rt.db.transact(shop.world.a, lambda tx: shop.rt.feed.tell(tx, [declared]))
    await shop.happens("of b", tenant_id=shop.world.b)
    await shop.go()
    got = shop.receiver.at()
    assert sorted(g.body["data"].get("subject", "") for g in got) == ["", "one", "two"]
    assert all(g.is_signed_with(secret) and len(g.signatures) == 1 for g in got)
    assert all(g.body.keys() == {"id", "type", "timestamp", "data"} and g.body["id"] == g.id for g in got)
    (other,) = shop.receiver.at("/some")
    assert other.body["type"] == "contact.consent" and not other.is_signed_with(secret)
    assert other.id in {g.id for g in got}
    found = await shop.deliveries(hook)
    assert [(d["state"], d["tries"], d["due_at"]) for d in found] == [("delivered", 1, None)] * 3
    assert [(a["status"], a["answer"], a["error"]) for a in found[0]["attempts"]] == [(204, None, None)]
    assert len(await shop.deliveries(some)) == 1
    await shop.go()
    assert len(shop.receiver.got) == 4


async def test_a_suspended_business_tells_nothing_until_it_goes_on(shop: Shop) -> None:
    """Neither what happens meanwhile nor what is to be tried again; who serves it already claims nothing more."""
    hook, _ = await shop.make()
    shop.receiver.answers["/hook"] = lambda: web.Response(status=500)
    await shop.happens("before")
    await shop.go()
    shop.receiver.answers.clear()
    operator = await shop.sign_in("op@x.example", is_operator=True)
    assert (await shop.patch("/tenants/a", {"suspended_for": "não pagou"}, operator)).status_code == 200
    await shop.happens("meanwhile")
    shop.later(6)
    await shop.go()
    await shop.courier._serve_all(Due(shop.world.a, UUID(hook)))
    assert [got.body["data"]["subject"] for got in shop.receiver.got] == ["before"]
    assert (await shop.patch("/tenants/a", {"suspended_for": None}, operator)).status_code == 200
    await shop.go()
    assert sorted(got.body["data"]["subject"] for got in shop.receiver.got) == ["before", "before", "meanwhile"]


async def test_a_failure_is_tried_again_under_the_same_id_and_is_dead_after_three_days(shop: Shop) -> None:
    hook, _ = await shop.make()
    answer = "não: \0" + "x" * 5000
    shop.receiver.answers["/hook"] = lambda: web.Response(status=500, text=answer)
    await shop.happens("stubborn")
    began = shop.at
    for tries in range(1, 11):
        await shop.go()
        assert len(shop.receiver.got) == tries, "and not a try more before its time"
        (d,) = await shop.deliveries(hook)
        assert (d["state"], d["tries"]) == ("waiting" if tries < 10 else "dead", tries)
        if tries < 10:
            await shop.go()
            shop.at = max(shop.at, dt.datetime.fromisoformat(d["due_at"]) + dt.timedelta(seconds=1))
            shop.boss = (await shop.login("ana@a.example")).json()["access_token"]
    assert dt.timedelta(days=3) < shop.at - began < dt.timedelta(days=4)
    assert len({got.id for got in shop.receiver.got}) == 1
    assert {(a["status"], len(a["answer"].encode()) <= 1030) for a in d["attempts"]} == {(500, True)}
    shop.later(86_400)
    await shop.go()
    assert len(shop.receiver.got) == 10
    shop.boss = (await shop.login("ana@a.example")).json()["access_token"]
    assert (await shop.show(hook))["failing_since"] is not None
    shop.receiver.answers.clear()
    (dead,) = await shop.deliveries(hook, "?state=dead")
    replayed = await shop.post(f"/webhooks/{hook}/replay", {"delivery_id": dead["id"]}, shop.boss)
    assert (replayed.status_code, replayed.json()) == (200, {"deliveries": 1})
    await shop.go()
    assert len({got.id for got in shop.receiver.got}) == 1 and len(shop.receiver.got) == 11
    assert (await shop.deliveries(hook))[0]["state"] == "delivered" and (await shop.show(hook))["failing_since"] is None


async def test_a_delivery_whose_record_is_lost_is_repeated_with_its_id(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between the POST and its record: the claim lapses, and another process goes on."""
    hook, _ = await shop.make()
    await shop.happens("lost")
    failpoints.configure({"ATENDEJA_FAILPOINTS": "commit.before=raise?Courier._record"})
    try:
        shop.rt.stopping.set()  # it does not try again by itself
        shop.courier._begin(rows.Due(shop.world.a, UUID(hook)))
        shop.rt.stopping.clear()
        await shop.receiver.until(1)
        shop.rt.stopping.set()
        await shop.courier.drain()
    finally:
        failpoints.configure({})
        shop.rt.stopping.clear()
    assert [(d["state"], d["tries"]) for d in await shop.deliveries(hook)] == [("waiting", 0)]
    other = Courier(shop.rt)
    await shop.go(other)
    assert len(shop.receiver.got) == 1, "nobody else has it while the claim lasts"
    shop.later(31)
    await shop.go(other)
    assert len(shop.receiver.got) == 2 and len({got.id for got in shop.receiver.got}) == 1
    assert [(d["state"], d["tries"]) for d in await shop.deliveries(hook)] == [("delivered", 1)]


async def test_two_couriers_at_once_tell_each_thing_once_and_all_of_it(shop: Shop) -> None:
    await shop.make()
    await shop.happens(*(str(n) for n in range(230)))
    other = Courier(shop.rt)
    await asyncio.gather(shop.courier.work(), other.work())
    await asyncio.gather(shop.courier.drain(), other.drain())
    assert sorted(int(g.body["data"]["subject"]) for g in shop.receiver.got) == list(range(230))


async def test_who_is_slow_or_dead_delays_nobody(shop: Shop) -> None:
    """The slow one has all that it may on the wire; the others are told meanwhile."""
    slow, _ = await shop.make("/slow")
    shop.receiver.holding["/slow"] = asyncio.Event()
    await shop.happens(*(f"before {n}" for n in range(20)))
    await shop.courier.work()
    await shop.receiver.until(sending.AT_ONCE, "/slow")
    await shop.make("/quick")
    await shop.happens("now")
    shop.later(1)
    await shop.courier.work()
    await shop.receiver.until(1, "/quick")
    assert len(shop.receiver.at("/slow")) == sending.AT_ONCE
    shop.receiver.answers["/slow"] = 503
    shop.receiver.holding.pop("/slow").set()
    await shop.courier.drain()
    assert (await shop.show(slow))["failing_since"] is not None
    assert len(shop.receiver.at("/slow")) == 21, "one at a time from then on, each once"


async def test_while_it_fails_little_is_made_for_it_and_the_rest_waits_in_the_feed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MOST_WAITING", 12)
    monkeypatch.setattr(sending, "PAGE", 5)
    hook, _ = await shop.make()
    shop.receiver.answers["/hook"] = 500
    await shop.happens(*(str(n) for n in range(40)))
    await shop.go()
    assert len(await shop.deliveries(hook, "?limit=200")) <= 12
    shop.receiver.answers.clear()
    for _ in range(4):
        shop.later(90_000)
        await shop.go()
    seen = [int(g.body["data"]["subject"]) for g in shop.receiver.got]
    assert sorted(set(seen)) == list(range(40))


async def test_one_that_is_gone_is_disabled_at_once_and_one_that_fails_for_days_too(shop: Shop) -> None:
    """S31: with a notice, which the others are told."""
    gone, _ = await shop.make("/gone")
    failing, _ = await shop.make("/failing")
    await shop.make()
    shop.receiver.answers |= {"/gone": 410, "/failing": 500}
    await shop.happens("one")
    await shop.go()
    assert ((await shop.show(gone))["state"], (await shop.show(gone))["disabled_why"]) == ("disabled", "gone")
    assert (await shop.show(failing))["state"] == "enabled"
    await shop.happens("two")
    await shop.go()
    assert len(shop.receiver.at("/gone")) == 1
    told = [g.body["data"] for g in shop.receiver.at() if g.body["data"]["kind"] == "webhook_disabled"]
    assert told == [{"kind": "webhook_disabled", "subject": gone, "detail": "gone"}]
    for _ in range(6):
        shop.later(86_400)
        await shop.happens("again")
        await shop.go()
    shop.boss = (await shop.login("ana@a.example")).json()["access_token"]
    assert ((await shop.show(failing))["state"], (await shop.show(failing))["disabled_why"]) == ("disabled", "failing")
    assert shop.rt.meter.counts["notices", "webhook_disabled"] == 2


async def test_one_that_is_enabled_again_is_told_what_happens_from_then_on(shop: Shop) -> None:
    hook, _ = await shop.make()
    assert (await shop.patch(f"/webhooks/{hook}", {"enabled": False}, shop.boss)).json()["state"] == "disabled"
    await shop.happens("meanwhile")
    await shop.go()
    for path in ("test", "replay"):
        answer = await shop.post(
            f"/webhooks/{hook}/{path}", {"since": "2026-01-01T00:00:00Z"} if path == "replay" else None, shop.boss
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled")
    assert (await shop.patch(f"/webhooks/{hook}", {"enabled": True}, shop.boss)).json()["state"] == "enabled"
    await shop.happens("since")
    await shop.go()
    assert [g.body["data"]["subject"] for g in shop.receiver.got] == ["since"]


async def test_a_secret_is_changed_without_a_stop(shop: Shop) -> None:
    """S31: both sign during the overlap, then the new one alone."""
    hook, old = await shop.make()
    answer = await shop.post(f"/webhooks/{hook}/secret", {"overlap_s": 3600}, shop.boss)
    new = answer.json()["secret"]
    assert answer.status_code == 200 and new != old and answer.json()["webhook"]["old_secret_until"] is not None
    await shop.happens("both")
    await shop.go()
    shop.later(3601)
    shop.boss = (await shop.login("ana@a.example")).json()["access_token"]
    await shop.happens("one")
    await shop.go()
    both, one = shop.receiver.got
    assert both.is_signed_with(old) and both.is_signed_with(new) and len(both.signatures) == 2
    assert one.is_signed_with(new) and not one.is_signed_with(old) and len(one.signatures) == 1
    assert (await shop.show(hook))["old_secret_until"] is None
    at_once = (await shop.post(f"/webhooks/{hook}/secret", {"overlap_s": 0}, shop.boss)).json()["secret"]
    await shop.happens("now")
    await shop.go()
    assert shop.receiver.got[-1].is_signed_with(at_once) and len(shop.receiver.got[-1].signatures) == 1


async def test_no_secret_lies_open_nor_is_shown_again(shop: Shop, database: str, cluster: server.Server) -> None:
    """S31, S41: the row is sealed, the log and the audit log do not have it; the query of an address is not told either."""
    hook, secret = await shop.make("/hook?token=geheim")
    answer = await shop.get(f"/webhooks/{hook}", shop.boss)
    assert secret not in answer.text and "geheim" in answer.text, "the address is its maker's to see"
    changes = (await shop.get("/audit", shop.boss)).text
    assert "webhook_made" in changes and secret not in changes and "geheim" not in changes
    async with shop.rt.db.tenant(shop.world.a) as tx:
        row = await tx._connection.fetchrow("SELECT * FROM webhook")
        assert secret.removeprefix("whsec_") not in str(dict(row)) and len(row["secret"]) > 32


async def test_a_test_is_told_to_that_one_only(shop: Shop) -> None:
    hook, secret = await shop.make()
    await shop.make("/other")
    made = await shop.post(f"/webhooks/{hook}/test", bearer=shop.boss)
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    await shop.go()
    (got,) = shop.receiver.got
    assert got.body == {"id": got.id, "type": "webhook.test", "timestamp": got.body["timestamp"], "data": {"webhook_id": hook}}
    assert got.is_signed_with(secret) and got.id == made.json()["event_id"]
    assert (await shop.deliveries(hook))[0]["state"] == "delivered"


async def test_all_that_is_dead_since_a_time_is_told_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "DELAYS_S", ())
    hook, _ = await shop.make()
    shop.receiver.answers["/hook"] = 500
    await shop.happens("old")
    await shop.go()
    shop.later(60)
    since = shop.at
    await shop.happens("new", "newer")
    await shop.go()
    assert [d["state"] for d in await shop.deliveries(hook)] == ["dead"] * 3
    shop.receiver.answers.clear()
    answer = await shop.post(f"/webhooks/{hook}/replay", {"since": since.isoformat()}, shop.boss)
    assert answer.json() == {"deliveries": 2}
    await shop.go()
    assert sorted(d["state"] for d in await shop.deliveries(hook)) == ["dead", "delivered", "delivered"]
    for wrong in ({}, {"since": since.isoformat(), "delivery_id": hook}):
        assert (await shop.post(f"/webhooks/{hook}/replay", wrong, shop.boss)).json()["code"] == "replay_what"
    assert (await shop.post(f"/webhooks/{hook}/replay", {"delivery_id": hook}, shop.boss)).status_code == 404


REFUSED = ["http://example.com/", "https://127.0.0.1/", "https://10.0.0.1/hook", "https://[::1]/", "https://example.com:22/", "x"]


async def test_where_it_may_lead_and_how_many_there_may_be(shop: Shop) -> None:
    """S30 at the door: what can be seen of an address is refused with the reason; the rest when it is called."""
    for url in REFUSED:
        answer = await shop.post("/webhooks", {"url": url}, shop.boss)
        assert (answer.status_code, answer.json()["code"]) == (422, "webhook_refused"), url
    hook, _ = await shop.make()
    assert (await shop.patch(f"/webhooks/{hook}", {"url": REFUSED[0]}, shop.boss)).json()["code"] == "webhook_refused"
    assert (await shop.post("/webhooks", {"url": shop.receiver.url(), "types": ["x"]}, shop.boss)).status_code == 422
    for _ in range(19):
        await shop.make()
    answer = await shop.post("/webhooks", {"url": shop.receiver.url()}, shop.boss)
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")
    assert (await shop.delete(f"/webhooks/{hook}", shop.boss)).status_code == 204
    assert (await shop.get(f"/webhooks/{hook}", shop.boss)).status_code == 404
    assert len((await shop.get("/webhooks?limit=200", shop.boss)).json()["items"]) == 19


async def test_the_same_request_twice_makes_one(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {shop.boss}", "Idempotency-Key": "k"}
    body = {"url": shop.receiver.url()}
    answers: list[httpx.Response] = await asyncio.gather(
        *(shop.http.post("/v1/webhooks", json=body, headers=headers) for _ in range(2))
    )
    assert answers[0].json() == answers[1].json() and answers[0].status_code == 201
    assert len((await shop.get("/webhooks", shop.boss)).json()["items"]) == 1


async def test_two_tabs_change_one_thing(shop: Shop) -> None:
    hook, _ = await shop.make()
    seen = (await shop.get(f"/webhooks/{hook}", shop.boss)).headers["etag"]
    first, second = [await shop.patch(f"/webhooks/{hook}", {"description": d}, shop.boss, seen) for d in ("x", "y")]
    assert (first.status_code, second.status_code) == (200, 412)


async def test_deliveries_are_forgotten_with_the_feed(shop: Shop) -> None:
    hook, _ = await shop.make()
    await shop.happens("old")
    await shop.go()
    shop.later(8 * 86_400)
    await shop.happens("new")
    await shop.go()
    await webhooks.forget(shop.rt, events.KEPT)
    await events.drop_old(shop.rt)
    shop.boss = (await shop.login("ana@a.example")).json()["access_token"]
    assert len(await shop.deliveries(hook)) == 1


def test_nothing_else_is_named(rt: Runtime) -> None:
    """Without a word of the deployment nobody in its network is called."""
    assert rt.config.outside_trusted == ()
