"""How fast somebody may ask (S27)."""

import httpx
from starlette.applications import Starlette

from atendeja import accounts, app
from atendeja.endpoint import Api
from atendeja.endpoint.rates import MOST_KEPT, Rates
from atendeja.endpoint.serving import OF_A_TENANT, STRANGERS_RATE
from tests.office import Office


def test_a_burst_goes_and_the_rest_evenly() -> None:
    rates, now = Rates(10), 1000.0
    for _ in range(20):
        assert rates.wait_s("a", now) == 0
        rates.take("a", now)
    assert rates.wait_s("a", now) == 1 and rates.wait_s("b", now) == 0
    assert rates.wait_s("a", now + 0.05) == 1 and rates.wait_s("a", now + 0.11) == 0
    rates.take("a", now + 0.11)
    assert rates.wait_s("a", now + 0.11) == 1


def test_its_memory_has_an_end() -> None:
    rates = Rates(1)
    for n in range(3 * MOST_KEPT):
        rates.take(n, float(n))
    assert len(rates._full_at) <= MOST_KEPT


async def test_who_asks_too_fast_waits_and_others_do_not(office: Office) -> None:
    """S27: by person, by business, by place of strangers; with Retry-After, and nothing is done."""
    owner = await office.sign_in("owner@a.example", "owner", office.world.a)
    others = [await office.sign_in(f"{n}@a.example", "owner", office.world.a) for n in range(OF_A_TENANT)]
    far = await office.sign_in("owner@b.example", "owner", office.world.b)
    slow = Api(office.rt, app.ENDPOINTS, accounts.Gate(office.rt), office.rt.config.secret_keys, rate=2)
    transport = httpx.ASGITransport(Starlette(routes=slow.routes()), client=("198.51.100.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://app/v1") as http:

        async def ask(bearer: str) -> httpx.Response:
            return await http.get("/me", headers={"Authorization": f"Bearer {bearer}"})

        answers = [await ask(owner) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [429]
        assert (answers[-1].json()["code"], answers[-1].headers["retry-after"]) == ("too_fast", "1")
        assert [(await ask(other)).status_code for other in others for _ in range(4)].count(429) == 4  # 16 in all for the business
        assert (await ask(far)).status_code == 200
        office.later(1)
        assert (await ask(owner)).status_code == 200
        found = [(await ask("atj_nobody")).status_code for _ in range(2 * STRANGERS_RATE + 1)]
        assert found == [401] * 2 * STRANGERS_RATE + [429]
        tries = [await http.post("/auth/refresh", json={"refresh_token": "atr_x"}) for _ in range(5)]
        assert [answer.status_code for answer in tries] == [401] * 4 + [429]
