"""The process that tries flows: it knows no secret, ends with us, and is ended when it takes too much."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from atendeja import trial
from atendeja.errors import Refused, Unavailable
from atendeja.trial import Trials
from atendeja.trial.work import Ask
from tests.flows.test_trying import HEAVY, MENU


@pytest.fixture
async def trials() -> AsyncIterator[Trials]:
    opened = Trials(cpu_s=0.5)
    yield opened
    await opened.close()


def pid(trials: Trials) -> int:
    assert trials._child is not None
    return trials._child.pid


async def test_one_process_serves_all_and_knows_no_secret(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "geheim-geheim")
    monkeypatch.setenv("DATABASE_URL", "postgresql://geheim")
    found = await asyncio.gather(*(trials.run(tenant, Ask(MENU)) for tenant in (1, 1, 2)))
    assert [(each.errors, each.flow is not None and each.flow.key) for each in found] == [(0, "menu")] * 3
    first = pid(trials)
    assert "geheim" not in Path(f"/proc/{first}/environ").read_text()
    assert os.getpriority(os.PRIO_PROCESS, first) > os.getpriority(os.PRIO_PROCESS, 0)
    await trials.run(1, Ask(MENU))
    assert pid(trials) == first


async def test_who_takes_too_long_or_too_much_is_refused_and_the_next_one_is_served(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused) as refused:
        await trials.run(1, Ask(HEAVY, tests=True))
    assert refused.value.code == trial.TOO_HEAVY
    assert (await trials.run(1, Ask(MENU))).errors == 0
    monkeypatch.setattr(trial, "WALL_S", 0.2)
    with pytest.raises(Unavailable):
        await trials.run(1, Ask(HEAVY, tests=True))
    monkeypatch.setattr(trial, "WALL_S", 20)
    assert (await trials.run(1, Ask(MENU))).errors == 0


async def test_a_few_wait_and_the_rest_come_again(trials: Trials) -> None:
    asked = [trials.run(tenant, Ask(MENU)) for tenant in (1, 1, 1, 2, 3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(each, Unavailable) for each in found] == [False, False, True, False, True]


async def test_a_bug_in_it_is_a_bug_and_one_that_was_killed_is_followed_by_another(trials: Trials) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        await trials._run(b"[]")
    await trials.run(1, Ask(MENU))
    os.kill(pid(trials), 9)
    with pytest.raises(Refused):  # what kills a process without a word is the memory that is not there
        await trials._run(b"[]")
    assert (await trials.run(1, Ask(MENU))).errors == 0


async def test_who_goes_away_leaves_no_answer_to_the_next(trials: Trials) -> None:
    await trials.run(1, Ask(MENU))
    going = asyncio.create_task(trials.run(1, Ask(HEAVY, tests=True)))
    await asyncio.sleep(0.05)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    found = await trials.run(1, Ask(MENU.replace("key: menu", "key: outra")))
    assert found.flow is not None and found.flow.key == "outra"


async def test_it_ends_when_nobody_needs_it(trials: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "IDLE_S", 0.01)
    await trials.run(1, Ask(MENU))
    child = trials._child
    assert child is not None
    async with asyncio.timeout(10):
        assert await child.wait() == 0
    assert (await trials.run(1, Ask(MENU))).errors == 0
