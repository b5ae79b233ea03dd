"""What WhatsApp counts for its bill, by day, category and campaign; and the free days after an ad."""

import datetime as dt
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from atendeja import outbound, reporting
from atendeja.db import Tx
from atendeja.outbound import Outgoing
from atendeja.reporting import Spent
from atendeja.wa.content import Template
from tests import world
from tests.outbound.office import ANA, BIA, Office
from tests.world import SAMPLES

ZONE = ZoneInfo("America/Sao_Paulo")
CAMPAIGN = UUID(int=77)


async def spent(office: Office, since: dt.date, until: dt.date) -> list[Spent]:
    begin, end = (dt.datetime.combine(day, dt.time(), ZONE) for day in (since, until))
    async with office.rt.db.tenant(office.a) as tx:
        return await reporting.load_spend(tx, "America/Sao_Paulo", begin, end)


async def price(
    office: Office, at: dt.datetime, category: str, kind: str = "regular", *, billable: bool = True, of: int = -1
) -> None:
    """WhatsApp reports the message as delivered, and what it counts as."""
    report: dict[str, Any] = office._report(office.posts[of], "delivered", True, None)
    report["timestamp"] = str(int(at.timestamp()))
    report["pricing"] = {"billable": billable, "pricing_model": "PMP", "type": kind, "category": category}
    await office.hear(world.envelope(world.A, {"statuses": [report]}))


async def test_spend_by_day_category_and_campaign(office: Office) -> None:
    """The day is the tenant's: what was delivered at 23:30 in São Paulo is of that day, whatever the date elsewhere."""
    talks = []
    for who in (ANA, BIA):
        await office.says("oi", who)
        talks.append(await office.talk(who))

    async def campaign(tx: Tx) -> None:
        offer = Template("oferta", "pt_BR")
        messages = [
            Outgoing(t["number_id"], t["contact_id"], t["id"], "campaign", CAMPAIGN, n, 0, offer, None, "marketing")
            for n, t in enumerate(talks)
        ]
        await outbound.put(tx, messages, office.now, office.rt.new_id)

    await office.rt.db.transact(office.a, campaign)
    await office.open()
    await office.until("accepted")
    await office.put("claro")
    await office.until("accepted")
    today = office.now.astimezone(ZONE).date() + dt.timedelta(days=1)
    office.later(days=4)
    late = dt.datetime.combine(today, dt.time(23, 30), ZONE)
    await price(office, late, "marketing", of=0)
    await price(office, late + dt.timedelta(hours=1), "marketing", of=1)
    await price(office, late, "service", "free_customer_service", billable=False)
    tomorrow = today + dt.timedelta(days=1)
    assert await spent(office, today, tomorrow) == [
        Spent(today, "marketing", "regular", "campaign", CAMPAIGN, 1, 1),
        Spent(today, "service", "free_customer_service", "api", None, 1, 0),
    ]
    assert [(s.day, s.messages) for s in await spent(office, tomorrow, tomorrow + dt.timedelta(days=1))] == [(tomorrow, 1)]
    async with office.rt.db.tenant(office.b) as tx:
        assert await reporting.load_spend(tx, "UTC", late - dt.timedelta(days=9), late + dt.timedelta(days=9)) == []


async def test_who_comes_by_an_ad_and_is_answered_is_free_for_three_days(office: Office) -> None:
    """The answer begins the 72 hours; before it, and without an ad, there are none."""
    body = msgspec.json.decode((SAMPLES / "inbound-text-referral-ctwa-ad.json").read_bytes())
    message = body["entry"][0]["changes"][0]["value"]["messages"][0]
    message["timestamp"] = str(int(office.now.timestamp()))
    await office.says("oi", BIA)
    await office.hear(msgspec.json.encode(body))
    (free,) = await office.rows("SELECT * FROM free_entry")
    assert (free["answered_at"], free["free_until"]) == (None, None)
    assert abs(free["entry_at"] - office.now) < dt.timedelta(seconds=5)
    who = message["from"]
    await office.put("claro", to=who)
    await office.open()
    await office.until("accepted")
    (free,) = await office.rows("SELECT * FROM free_entry")
    (answer,) = await office.messages(who)
    assert free["free_until"] == answer["accepted_at"] + dt.timedelta(hours=72)
    lines = await reporting.explain(office.rt.db, str(answer["id"]), office.now)
    assert any("came by an ad" in line and "free until" in line for line in lines)
