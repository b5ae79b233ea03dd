"""Every webhook body we know, posted to a real `serve`: answered 200 and recorded as the golden beside it says, and posted
a second time it changes nothing. `pytest --update` rewrites the goldens in `recorded/`; git diff reviews."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests import server, world
from tests.journeys import tables
from tests.journeys.house import House, running

GOLDEN = Path(__file__).parent / "recorded"
WEBHOOKS = re.compile(r"(inbound|status|value-errors|batch|webhook)-.*")
CASES = sorted(path.stem for path in world.SAMPLES.glob("*.json") if WEBHOOKS.fullmatch(path.stem))


@pytest.fixture(scope="module")
async def house(
    cluster: server.Server, template: str, tmp_path_factory: pytest.TempPathFactory, log_dir: Path
) -> AsyncIterator[House]:
    name = f"{template}_samples"
    cluster.create_database(name, template)
    async with running(cluster, name, tmp_path_factory.mktemp("state"), log_dir) as house:
        yield house
        assert await house.child.stop() == 0
    cluster.drop_database(name)


async def recorded(house: House) -> dict[str, object]:
    """What is in the tables now, for a golden file."""
    shown = tables.readable(await tables.dump(house.admin), house.tenants, house.numbers)
    came = [{k: d[k] for k in ("state", "reason", "unrouted") if d[k]} for d in await tables.deliveries(house.admin)]
    return {"delivery": came, **shown}


def test_there_are_86_bodies_and_a_golden_for_each() -> None:
    assert len(CASES) == 86
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == CASES


@pytest.mark.parametrize("case", CASES)
async def test_a_body_is_recorded_as_its_golden_says_and_once_only(case: str, house: House, update: bool) -> None:
    """F1: 200, the rows of the golden, and a redelivery that changes no row of any tenant's table."""
    body = (world.SAMPLES / f"{case}.json").read_bytes()
    await tables.wipe(house.admin)
    assert await house.post(body) == 200
    await house.quiet()
    golden, found = GOLDEN / f"{case}.json", await recorded(house)
    if update:
        golden.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    assert found == msgspec.json.decode(golden.read_bytes())

    before = await tables.dump(house.admin)
    assert await house.post(body) == 200
    await house.quiet()
    assert await tables.dump(house.admin) == before
    assert [d["state"] for d in await tables.deliveries(house.admin)] == ["digested", "digested"]


async def test_all_bodies_together_and_again_in_reverse_change_nothing(house: House) -> None:
    """F1, F17: the whole week once more, the last day first, against tables in which everything has happened already."""
    await tables.wipe(house.admin)
    bodies = [(world.SAMPLES / f"{case}.json").read_bytes() for case in CASES]
    for body in bodies:
        assert await house.post(body) == 200
    await house.quiet()
    before = await tables.dump(house.admin)
    for body in reversed(bodies):
        assert await house.post(body) == 200
    await house.quiet()
    assert await tables.dump(house.admin) == before
