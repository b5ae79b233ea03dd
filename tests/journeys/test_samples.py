"""Every webhook body we know, posted to a real `serve`: answered 200 and recorded as the golden beside it says, and posted
a second time it changes nothing. `pytest --update` rewrites the goldens in `recorded/`; git diff reviews."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import pytest

from atendeja import app
from tests import server, world
from tests.journeys import process, tables

GOLDEN = Path(__file__).parent / "recorded"
WEBHOOKS = re.compile(r"(inbound|status|value-errors|batch|webhook)-.*")
CASES = sorted(path.stem for path in world.SAMPLES.glob("*.json") if WEBHOOKS.fullmatch(path.stem))


@dataclass
class House:
    """A running `serve` with tenants A and B, and a way to look at its database."""

    child: process.Child
    http: aiohttp.ClientSession
    admin: asyncpg.Connection
    tenants: dict[int, str]
    numbers: dict[str, str]

    async def post(self, body: bytes) -> int:
        async with self.http.post(f"{self.child.url}/webhook", data=body, headers=world.sign(body)) as response:
            return response.status

    async def recorded(self) -> dict[str, object]:
        """What is in the tables now, for a golden file."""
        shown = tables.readable(await tables.dump(self.admin), self.tenants, self.numbers)
        came = [{k: v for k, v in d.items() if k in ("state", "reason", "unrouted") and v} for d in await tables.deliveries(self.admin)]
        return {"delivery": came, **shown}


@pytest.fixture(scope="module")
async def house(
    cluster: server.Server, template: str, tmp_path_factory: pytest.TempPathFactory, log_dir: Path
) -> AsyncIterator[House]:
    name, state = f"{template}_samples", tmp_path_factory.mktemp("state")
    cluster.create_database(name, template)
    config = world.make_config(cluster.dsn(name), cluster.dsn(name, "postgres"), state)
    async with app.open_runtime(config) as rt:
        made = await world.found(rt.db, config.secret_keys)
    numbers = {str(made.number_a): "number a", str(made.number_b): "number b"}
    async with (
        tables.looking(cluster.dsn(name, "postgres")) as admin,
        process.serving(cluster.dsn(name), cluster.dsn(name, "postgres"), state, log_dir) as child,
        aiohttp.ClientSession() as http,
    ):
        yield House(child, http, admin, {made.a: "a", made.b: "b"}, numbers)
        assert await child.stop() == 0
    cluster.drop_database(name)


def test_there_are_86_bodies_and_a_golden_for_each() -> None:
    assert len(CASES) == 86
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == CASES


@pytest.mark.parametrize("case", CASES)
async def test_a_body_is_recorded_as_its_golden_says_and_once_only(case: str, house: House, update: bool) -> None:
    """F1: 200, the rows of the golden, and a redelivery that changes no row of any tenant's table."""
    body = (world.SAMPLES / f"{case}.json").read_bytes()
    await tables.wipe(house.admin)
    assert await house.post(body) == 200
    await tables.quiet(house.admin)
    golden, found = GOLDEN / f"{case}.json", await house.recorded()
    if update:
        golden.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    assert found == msgspec.json.decode(golden.read_bytes())

    before = await tables.dump(house.admin)
    assert await house.post(body) == 200
    await tables.quiet(house.admin)
    assert await tables.dump(house.admin) == before
    assert [d["state"] for d in await tables.deliveries(house.admin)] == ["digested", "digested"]


async def test_all_bodies_together_and_again_in_reverse_change_nothing(house: House) -> None:
    """F1, F17: the whole week once more, the last day first, against tables in which everything has happened already."""
    await tables.wipe(house.admin)
    bodies = [(world.SAMPLES / f"{case}.json").read_bytes() for case in CASES]
    for body in bodies:
        assert await house.post(body) == 200
    await tables.quiet(house.admin)
    before = await tables.dump(house.admin)
    for body in reversed(bodies):
        assert await house.post(body) == 200
    await tables.quiet(house.admin)
    assert await tables.dump(house.admin) == before
