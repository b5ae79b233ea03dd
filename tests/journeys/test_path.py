"""The whole way with real processes: signed webhook → stored → turn → reply → statuses; once as usual, once without the sweep."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import canary, server, world
from tests.chaos.proxy import Proxy
from tests.journeys.town import Town, town

FLOW = """
spec: 1
key: loja
language: pt-BR
start: oi
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
nodes:
  oi:
    do: [{say: {text: "O que deseja?", buttons: [{id: horario, label: Horário}, {id: servico, label: Serviço}]}}]
    wait: {reply: [button, text]}
    route: [{button: horario, to: horario}, {button: servico, to: servico}]
    else: {retry: "Toque num botão."}
  servico:
    do: [{say: {text: "Qual serviço?", list: {button: Ver, rows: [{id: freios, label: Freios}, {id: oleo, label: Óleo}]}}}]
    wait: {reply: [list, text]}
    route: [{button: freios, to: fim}, {button: oleo, to: fim}]
    else: {retry: "Escolha na lista."}
  horario: {do: [{say: {text: "Das 8 às 18."}}, {end: {}}]}
  fim: {do: [{say: {text: "Anotado."}}, {end: {}}]}
  pessoa: {do: [{handoff: {queue: balcao, say: "Já chamo alguém."}}]}
"""

_customers = (f"55119{n:08}" for n in itertools.count(1))


@pytest.fixture
def ana() -> str:
    """A customer of this test's own."""
    return next(_customers)


@pytest.fixture(scope="module", params=["", "sweep=skip"], ids=["usual", "without the sweep"])
async def loja(
    request: pytest.FixtureRequest,
    cluster: server.Server,
    template: str,
    tmp_path_factory: pytest.TempPathFactory,
    log_dir: Path,
) -> AsyncIterator[Town]:
    """One process that does everything, with the sweep and, for the same journeys again, without: wake-ups alone must do."""
    name = f"{template}_path_{bool(request.param)}".lower()
    cluster.create_database(name, template)
    async with town(cluster, name, tmp_path_factory.mktemp("state"), log_dir, FLOW) as made:
        child = await made.serve(FAILPOINTS=request.param)
        yield made
        assert await child.stop() == 0
        if request.param:
            assert "sweep skip" in made.fired.read_text()
    cluster.drop_database(name)


async def test_a_text_is_answered_and_the_reply_is_read(loja: Town, ana: str) -> None:
    await loja.writes(ana, "bom dia")
    await loja.hears(ana, "O que deseja?")
    (row,) = await loja.rows("SELECT state, turn_no FROM event e JOIN contact c ON c.id = e.contact_id WHERE c.wa_id = $1", ana)
    assert row == {"state": "handled", "turn_no": 1}
    times = await loja.rows(
        "SELECT accepted_at, sent_at, delivered_at, read_at FROM message m JOIN contact c ON c.id = contact_id WHERE c.wa_id = $1",
        ana,
    )
    assert all(times[0].values())


async def test_buttons_and_lists_are_tapped(loja: Town, ana: str) -> None:
    await loja.writes(ana, "oi")
    await loja.hears(ana, "O que deseja?")
    await loja.taps(ana, "button_reply", "servico")
    await loja.hears(ana, "O que deseja?", "Qual serviço?")
    await loja.taps(ana, "list_reply", "freios")
    await loja.hears(ana, "O que deseja?", "Qual serviço?", "Anotado.")


@pytest.mark.parametrize("before", [[], ["oi"], ["oi", "atendente"]], ids=["first", "asked", "with a person"])
async def test_sair_works_at_any_point(before: list[str], loja: Town, ana: str) -> None:
    """DESIGN promise 4: the receipt, the consent, the session over; with a person the bot says no more than that."""
    for text in before:
        await loja.writes(ana, text)
        await loja.handled(ana, before.index(text) + 1)
    said = len(await loja.replies(ana))
    await loja.writes(ana, "Sair.")
    await loja.handled(ana, len(before) + 1)
    assert len(await loja.replies(ana)) == said + 1
    consents = await loja.rows(
        "SELECT purpose, state, source FROM consent x JOIN contact c ON c.id = x.contact_id WHERE c.wa_id = $1", ana
    )  # fmt: skip
    assert consents == [{"purpose": "marketing", "state": "out", "source": "word"}]
    live = await loja.rows(
        "SELECT s.id FROM flow_session s JOIN conversation v ON v.id = s.conversation_id JOIN contact c ON c.id = v.contact_id "
        "WHERE c.wa_id = $1 AND s.state IN ('active', 'waiting')",
        ana,
    )
    assert live == []


async def test_a_person_takes_over_and_gives_back(loja: Town, ana: str) -> None:
    """Handoff → the bot is silent → `conversation release` → it answers."""
    await loja.writes(ana, "oi")
    await loja.hears(ana, "O que deseja?")
    await loja.writes(ana, "atendente")
    await loja.hears(ana, "O que deseja?", "Já chamo alguém.")
    await loja.writes(ana, "alô?")
    await loja.handled(ana, 3)
    await loja.hears(ana, "O que deseja?", "Já chamo alguém.")
    (talk,) = await loja.rows(
        "SELECT v.id, v.owner, v.queue FROM conversation v JOIN contact c ON c.id = v.contact_id WHERE c.wa_id = $1", ana
    )  # fmt: skip
    assert (talk["owner"], talk["queue"]) == ("human", "balcao")
    status, _ = await loja.command("conversation", "release", str(talk["id"]))
    assert status == 0
    await loja.writes(ana, "oi de novo")
    await loja.hears(ana, "O que deseja?", "Já chamo alguém.", "O que deseja?")


async def test_a_request_to_be_erased_is_a_notice(loja: Town, ana: str) -> None:
    await loja.writes(ana, "apagar meus dados")
    await loja.handled(ana, 1)
    assert len(await loja.replies(ana)) == 1
    notices = [line for line in loja.children[0].lines() if line.get("event") == "notice" and line.get("kind") == "erasure_asked"]
    assert notices


async def test_the_customer_is_not_in_the_log(loja: Town) -> None:
    """S43: the canary writes; every file of this run is searched at its end. S45: nor are he and his tenant in the metrics."""
    await loja.writes(canary.CANARY_PHONE, canary.CANARY_TEXT)
    await loja.handled(canary.CANARY_PHONE, 1)
    async with loja.http.get(f"{loja.url}/metrics") as response:
        text = await response.text()
    families = list(text_string_to_metric_families(text))
    assert canary.find(text.encode()) is None and len(families) > 20
    values = {value for family in families for sample in family.samples for value in sample.labels.values()}
    assert not [value for value in values if not re.fullmatch(r"[a-z_]+|[0-9]+\.[0-9]+|\+Inf", value)], "no name, id or number"


async def test_metrics_and_health_answer(loja: Town, ana: str) -> None:
    await loja.writes(ana, "oi")
    await loja.hears(ana, "O que deseja?")
    async with loja.http.get(f"{loja.url}/metrics") as response:
        families = {family.name: family for family in text_string_to_metric_families(await response.text())}
    for name in ("deliveries_stored", "events_recorded", "turns_taken", "replies_queued", "posts", "statuses_applied"):
        assert sum(s.value for s in families[f"atendeja_{name}"].samples if s.name.endswith("_total")) > 0, name
    for name in ("ack", "store", "digest", "turn", "post"):
        assert any(s.value > 0 for s in families[f"atendeja_{name}_seconds"].samples if s.name.endswith("_count")), name
    for path in ("live", "ready"):
        async with loja.http.get(f"{loja.url}/health/{path}") as response:
            assert (response.status, (await response.json())["status"]) == (200, path)


# ── towns of their own ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_without_wake_ups_each_event_is_handled_within_five_seconds(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path, ana: str
) -> None:
    """F20: no bell is ever heard, no job rings one: the sweeps alone."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        await made.serve(FAILPOINTS="ring=skip")
        await asyncio.sleep(0.5)  # after the look at the start
        began = monotonic()
        await made.writes(ana, "oi", wait=True)
        await made.handled(ana, 1)
        assert monotonic() - began < 5
        assert "ring skip" in made.fired.read_text()


async def test_a_web_and_a_worker_process_share_the_work(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path, ana: str
) -> None:
    """The web process has no next stage to ring: a job wakes the worker. With the sweep off nothing else could."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        worker = await made.serve("worker", FAILPOINTS="sweep=skip")
        web = await made.serve("web")
        took = []
        for n in range(1, 4):
            sender, began = f"{ana[:-1]}{n}", monotonic()
            await made.writes(sender, "oi")
            await made.hears(sender, "O que deseja?")
            took.append(monotonic() - began)
            await asyncio.sleep(0.1)
        assert min(took) < 1
        async with asyncio.timeout(10):
            while made.unfired():  # the sweep is due when nobody has rung for a while
                await asyncio.sleep(0.05)
        assert await web.stop() == await worker.stop() == 0


async def test_without_a_database_it_lives_and_says_that_it_is_not_ready(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path, ana: str
) -> None:
    """F50: 503 with a reason, webhooks 503 and repeated; all is well when it is back, in the same process."""
    async with Proxy(cluster.dsn(database)) as proxy, town(cluster, database, tmp_path, log_dir, FLOW, dsn=proxy.url) as made:
        child = await made.serve()
        await proxy.close()
        async with made.http.get(f"{made.url}/health/ready") as response:
            assert response.status == 503
            assert any("the database is away" in reason for reason in (await response.json())["reasons"])
        async with made.http.get(f"{made.url}/health/live") as response:
            assert response.status == 200
        body = world.text("wamid.away", "oi", sender=ana)
        async with made.http.post(f"{made.url}/webhook", data=body, headers=world.sign(body)) as response:
            assert response.status == 503 and int(response.headers["Retry-After"]) > 0
        await made.writes(ana, "oi")
        await proxy.open()
        await made.hears(ana, "O que deseja?", timeout_s=20)
        async with made.http.get(f"{made.url}/health/ready") as response:
            assert response.status == 200
        assert await child.stop() == 0
