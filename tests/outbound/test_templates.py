"""A template that WhatsApp has stopped: its messages wait, all others go, a probe decides. Over restarts, for the whole account."""

import asyncio
import datetime as dt
from typing import Any

import pytest

from atendeja import reporting
from atendeja.outbound import templates
from atendeja.outbound.protocol import STALE_AFTER
from atendeja.reconcile import Reconciler
from atendeja.wa.content import Template, Value, authentication
from tests.outbound.office import ANA, BIA, CAI, Office

OFFER, OTHER = Template("oferta", "pt_BR", body=[Value("Ana")]), Template("oferta", "en", body=[Value("Ana")])
DAN, EVA = "5511900000004", "5511900000005"


async def stops(office: Office) -> list[dict[str, Any]]:
    return await office.rows(
        "SELECT name, language, code, refusals, until FROM template_stop WHERE lifted_at IS NULL ORDER BY name, language"
    )


async def stop(office: Office, code: int = 132015) -> None:
    """The template's first message is refused, and its second one waits."""
    office.fault("code", code, to=ANA)
    await office.put(OFFER, to=ANA, category="marketing")
    await office.open()
    await rows(office, 1)
    await office.put(OFFER, to=BIA, category="marketing")
    await deferred(office, BIA)


async def rows(office: Office, n: int) -> None:
    async with asyncio.timeout(5):
        while len(await stops(office)) != n:
            await asyncio.sleep(0.01)


async def deferred(office: Office, to: str) -> None:
    async with asyncio.timeout(5):
        while (await office.messages(to))[-1]["not_before"] <= office.now:
            await asyncio.sleep(0.01)


async def go_on(office: Office, **span: float) -> None:
    """The clock has moved on; the senders look."""
    office.later(**span)
    office.ring()


async def test_its_messages_wait_all_others_go_and_one_notice_tells(office: Office) -> None:
    """F39 by its codes: paused. Another language is another template."""
    await stop(office)
    await office.put(OTHER, to=CAI, category="marketing")
    await office.put("oi", to=DAN)
    await office.until("accepted", CAI)
    await office.until("accepted", DAN)
    assert await office.states(ANA) == ["queued"] == await office.states(BIA)
    assert [(s["name"], s["language"], s["code"], s["refusals"]) for s in await stops(office)] == [("oferta", "pt_BR", 132015, 1)]
    assert office.notices("template_stopped") == 1
    assert len(office.posts) == 3


async def test_after_a_while_one_goes_as_a_probe_and_all_follow(office: Office) -> None:
    await stop(office)
    for who in (CAI, DAN, EVA):
        await office.put(OFFER, to=who, category="marketing")
        await deferred(office, who)
    await go_on(office, seconds=templates.FIRST_S + 1)
    async with asyncio.timeout(5):
        while len(office.posts) < 2:
            await asyncio.sleep(0.01)
    await rows(office, 0)
    await go_on(office, seconds=templates.BEHIND_PROBE_S + 60)
    await office.until("accepted")
    assert len(office.posts) == 6 and office.notices("template_stopped") == 1


async def test_a_probe_that_is_refused_waits_twice_as_long_and_is_not_told_again(office: Office) -> None:
    await stop(office)
    office.fault("code", 132015, times=None)
    await go_on(office, seconds=templates.FIRST_S + 1)
    async with asyncio.timeout(5):
        while (await stops(office))[0]["refusals"] == 1:
            await asyncio.sleep(0.01)
    (kept,) = await stops(office)
    assert kept["refusals"] == 2
    assert kept["until"] - office.now > dt.timedelta(seconds=1.8 * templates.FIRST_S)
    assert len(office.posts) == 2, "one probe"
    assert office.notices("template_stopped") == 1


async def test_it_holds_over_a_restart(office: Office) -> None:
    await stop(office)
    await office.crash()
    await office.put(OFFER, to=CAI, category="marketing")
    await office.open()
    await deferred(office, CAI)
    assert len(office.posts) == 1


async def test_who_knows_of_it_from_the_row_alone_waits_too(office: Office) -> None:
    """Another number of the account was told."""
    await office.admin.execute(
        "INSERT INTO template_stop (tenant_id, waba_id, name, language, code, refusals, until) "
        "SELECT tenant_id, waba_id, 'oferta', 'pt_BR', 132016, 1, now() + interval '1 hour' FROM number"
    )
    await office.put(OFFER, to=ANA, category="marketing")
    await office.open()
    await deferred(office, ANA)
    assert office.posts == []
    await office.admin.execute("DELETE FROM template_stop")
    await office.admin.execute("UPDATE message SET not_before = now()")
    office.rt.bells.change_number((await office.talk(ANA))["number_id"])
    await office.until("accepted")


@pytest.mark.parametrize("code", [132000, 132018])
async def test_parameters_that_are_wrong_end_the_one_and_three_in_a_row_stop_the_template(code: int, office: Office) -> None:
    for n, who in enumerate((ANA, BIA, CAI), 1):
        office.fault("code", code, to=who)
        await office.put(OFFER, to=who, category="marketing")
        await office.open()
        await office.until("failed", who)
        if n < 3:
            assert await stops(office) == []
    await rows(office, 1)
    await office.put(OFFER, to=DAN, category="marketing")
    await deferred(office, DAN)
    await go_on(office, seconds=templates.FIRST_S + 1)
    await office.until("accepted", DAN)


async def test_one_that_is_right_between_them_shows_that_it_is_not_the_template(office: Office) -> None:
    office.fault("code", 132000, to=ANA, times=None)
    for who in (ANA, ANA, BIA, ANA, ANA):
        await office.put(OFFER, to=who, category="marketing")
        await office.open()
        await office.until("accepted" if who == BIA else "failed", who)
    await office.put(OFFER, to=CAI, category="marketing")
    await office.until("accepted", CAI)
    assert await stops(office) == []


async def test_after_a_day_a_probe_that_is_refused_has_failed(office: Office) -> None:
    await stop(office)
    office.fault("code", 132016, times=None)
    await go_on(office, hours=25)
    await office.until(["failed", "queued"])
    assert (await office.messages())[0]["code"] in (132015, 132016)


async def test_a_conversation_goes_on_without_it(office: Office) -> None:
    """A utility template has its place in the conversation, and gives it up when it has to wait."""
    office.fault("code", 132015, to=ANA)
    await office.put(OFFER, "e aí?", to=ANA, category="utility")
    await office.open()
    await rows(office, 1)
    await go_on(office, seconds=3)
    await office.until(["queued", "accepted"], ANA)


async def test_a_one_time_code_is_not_sent_when_nobody_wants_it_any_more(office: Office) -> None:
    await office.put(authentication("codigo", "pt_BR", "123456"), category="authentication")
    await go_on(office, seconds=STALE_AFTER.total_seconds())
    await office.open()
    await office.until("withdrawn")
    assert (await office.messages())[0]["reason"] == "stale" and office.posts == []


async def test_explain_says_that_the_template_is_stopped(office: Office) -> None:
    await stop(office)
    (message,) = await office.messages(BIA)
    lines = await reporting.explain(office.rt.db, str(message["id"]), office.now)
    assert any(line.startswith("  why: the template is stopped by code 132015, and tried again at ") for line in lines)


@pytest.mark.parametrize("known", [True, False])
async def test_a_status_that_reports_it_stops_it_too(known: bool, office: Office) -> None:
    """Dropped after it was held for its quality: 132015 comes as a status, perhaps before we know the message."""
    office.fault("drop_answer" if not known else "held")
    await office.put(OFFER, to=ANA, category="marketing")
    await office.open()
    await office.until("accepted" if known else "in_doubt")
    line = office.posts[0]
    for _ in range(2):
        await office.status(line, "failed", code=132015, callback=known)
    if not known:
        assert await stops(office) == []
        await office.admin.execute("UPDATE attempt SET wamid = $1, state = 'accepted'", line.wamid)
        await Reconciler(office.rt).work()
    (stopped,) = await stops(office)
    assert (stopped["code"], stopped["refusals"]) == (132015, 1)
    assert await office.states() == ["failed"] and office.notices("template_stopped") == 1
    await office.put(OFFER, to=BIA, category="marketing")
    await deferred(office, BIA)
    assert len(office.posts) == 1


async def test_one_that_is_stopped_again_soon_after_it_went_on_waits_longer_each_time(office: Office) -> None:
    """WhatsApp accepts the probe and reports it as failed: else each minute would cost what goes until the report is here."""
    await office.put(OFFER, to=ANA, category="marketing")
    await office.open()
    await office.until("accepted")
    await office.status(office.posts[0], "failed", code=132015)
    for n, who in enumerate((BIA, CAI), 2):
        await office.put(OFFER, to=who, category="marketing")
        await deferred(office, who)
        await go_on(office, seconds=(templates.FIRST_S << n - 2) + 1)
        await office.until("accepted", who)
        await rows(office, 0)
        await office.status(office.posts[-1], "failed", code=132015)
        (stopped,) = await stops(office)
        assert stopped["refusals"] == n
        assert stopped["until"] - office.now > dt.timedelta(seconds=0.9 * (templates.FIRST_S << n - 1))
    assert office.notices("template_stopped") == 1, "told once in all that"


async def test_a_status_of_a_message_that_is_no_template_stops_nothing(office: Office) -> None:
    await office.put("oi")
    await office.open()
    await office.until("accepted")
    await office.status(office.posts[0], "failed", code=132015)
    assert await stops(office) == [] and await office.states() == ["failed"]
