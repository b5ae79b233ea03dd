"""/metrics: every counter of the code is declared, the text is Prometheus', and not everybody is answered."""

import re
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import atendeja
from atendeja import metrics
from atendeja.config import Config
from atendeja.runtime import Runtime

CODE = "\n".join(path.read_text() for path in Path(atendeja.__file__).parent.rglob("*.py") if "simulator" not in path.parts)


async def scrape(rt: Runtime, client: tuple[str, int] = ("127.0.0.1", 1), token: bytes | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(Starlette(routes=metrics.routes(rt)), client=client)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        return await http.get("/metrics", headers=[] if token is None else [(b"authorization", token)])


def test_what_the_code_counts_is_declared_and_what_is_declared_is_counted() -> None:
    counted = set(re.findall(r'meter\.count\(\s*"(\w+)"', CODE))
    observed = set(re.findall(r'meter\.observe\(\s*"(\w+)"', CODE))
    assert counted == set(metrics.COUNTERS)
    assert observed == set(metrics.DURATIONS)


async def test_counts_and_durations_are_shown(rt: Runtime) -> None:
    rt.meter.count("posts", 3, label="accepted")
    rt.meter.count("turns_taken", 2)
    for seconds in (0.002, 0.002, 99.0):
        rt.meter.observe("turn_seconds", seconds)
    answer = await scrape(rt)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    found = {
        s.name + str(sorted(s.labels.values())): s.value for f in text_string_to_metric_families(answer.text) for s in f.samples
    }
    assert found["atendeja_posts_total['accepted']"] == 3
    assert found["atendeja_turns_taken_total[]"] == 2
    assert found["atendeja_turn_seconds_bucket['0.001']"] == 0
    assert found["atendeja_turn_seconds_bucket['0.0025']"] == found["atendeja_turn_seconds_bucket['10.0']"] == 2
    assert found["atendeja_turn_seconds_count[]"] == found["atendeja_turn_seconds_bucket['+Inf']"] == 3
    assert found["atendeja_deliveries_stored_total[]"] == 0, "what never happened is shown as 0"
    assert found["atendeja_database_connections['open']"] >= 1


async def test_no_label_names_a_tenant_or_a_phone(rt: Runtime) -> None:
    """S45."""
    labels = {counted.label for counted in metrics.COUNTERS.values()} - {None}
    assert labels == {"why", "outcome", "reason", "kind", "loop"}


@pytest.mark.parametrize(("client", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.0.0.7", 403)])
async def test_without_a_token_only_this_machine_is_answered(client: str, status: int, rt: Runtime) -> None:
    assert (await scrape(rt, (client, 1))).status_code == status


@pytest.mark.parametrize(
    ("given", "status"), [("Bearer senha", 200), ("Bearer errada", 401), ("senha", 401), ("", 401), ("Bearer sénha", 401)]
)
async def test_with_a_token_everybody_must_show_it(given: str, status: int, rt: Runtime, config: Config) -> None:
    rt.config = replace(config, metrics_token=type(config.database_url)("senha"))
    answer = await scrape(rt, ("10.0.0.7", 1), given.encode())
    assert answer.status_code == status
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
