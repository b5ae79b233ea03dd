"""Small stories with real processes, each apt to show one mistake. On sound code the checker finds nothing after any of them.

A story ends at rest: all that was acknowledged is answered and sent, or the patience is over.
"""

import asyncio
import datetime as dt
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
import msgspec

from atendeja.simulator.witness import Line
from tests import world
from tests.chaos.checker import Acknowledged, Evidence
from tests.journeys.process import Child
from tests.journeys.town import Town

ANA, BIA = "5511900000001", "5511900000002"
FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 1, after_tries: pessoa, expires: 1h}
nodes:
  oi:
    do: [{say: {text: "Um"}}, {say: {text: "Dois"}}]
    wait: {reply: [text], timeout: 1h}
    route: [{phrase: atendente, to: pessoa}, {any: true, to: oi}]
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
WAITING = """
    SELECT (SELECT count(*) FROM delivery WHERE state = 'stored') + (SELECT count(*) FROM event WHERE state = 'unhandled')
         + (SELECT count(*) FROM message WHERE state IN ('queued', 'sending', 'in_doubt'))
         + (SELECT count(*) FROM unnest($1::text[]) AS k WHERE NOT EXISTS (SELECT FROM event WHERE key = k))
"""
IN_QUESTION = "EXISTS (SELECT FROM message WHERE state = 'in_doubt') OR (SELECT count(*) FROM attempt) > 1"
"""Nobody knows of a message, or somebody thinks he does."""
SURE_S = 60.0
PUT = "INSERT INTO delivery (day, received_at, lane, body) VALUES ($1, $2, 0, $3)"


@dataclass
class Story:
    """A town whose processes run from `tree`, and what was acknowledged. `patience_s` bounds every wait for what should come."""

    town: Town
    tree: Path
    patience_s: float
    acknowledged: list[Acknowledged] = field(default_factory=list)

    async def serve(self, role: str = "all", **more: str) -> Child:
        return await self.town.serve(role, ready=True, port=None, PYTHONPATH=str(self.tree), **more)

    async def until_dead(self, child: Child) -> None:
        """It kills itself at its failpoint."""
        assert await asyncio.wait_for(child.process.wait(), SURE_S) == -signal.SIGKILL

    async def hears(self, wamid: str, text: str = "oi", sender: str = ANA) -> bool:
        """A customer's message is posted as Meta posts it; whether it was answered 200."""
        body = world.text(wamid, text, sender=sender)
        try:
            async with self.town.http.post(f"{self.town.url}/webhook", data=body, headers=world.sign(body)) as response:
                stored = response.status == 200
        except aiohttp.ClientError:
            stored = False
        if stored:
            self.acknowledge(wamid, sender)
        return stored

    def acknowledge(self, wamid: str, sender: str = ANA) -> None:
        self.acknowledged.append(Acknowledged(wamid, sender, world.A.phone_number_id, time.time()))

    async def silence(self) -> None:
        """WhatsApp reports nothing by itself any more: see `report`."""
        await self.town.sim("settings", {"sent_s": None, "delivered_s": None, "read_s": None})

    async def report(self) -> None:
        """WhatsApp reports on all that it has accepted."""
        lines = [line for line in (await self.evidence()).lines if line.wamid is not None]
        now = str(int(time.time()))
        statuses = [
            {
                "id": line.wamid,
                "status": "delivered",
                "timestamp": now,
                "recipient_id": ANA,
                "biz_opaque_callback_data": line.opaque,
            }
            for line in lines
        ]
        body = world.envelope(world.A, {"statuses": statuses})
        async with self.town.http.post(f"{self.town.url}/webhook", data=body, headers=world.sign(body)) as response:
            assert response.status == 200

    async def see(self, condition: str) -> None:
        """Wait until this is true of the database, as it must become on any tree."""
        assert await self._wait(partial(self._holds, condition), SURE_S), condition

    async def _holds(self, condition: str) -> bool:
        return bool(await self.town.admin.fetchval(f"SELECT {condition}"))

    async def rest(self) -> bool:
        """Wait until nothing that was acknowledged waits."""
        keys = [ack.wamid for ack in self.acknowledged]

        async def quiet() -> bool:
            return bool(await self.town.admin.fetchval(WAITING, keys) == 0)

        return await self._wait(quiet, self.patience_s)

    async def _wait(self, done: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not await done():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def evidence(self) -> Evidence:
        return Evidence(msgspec.convert(await self.town.posts(), list[Line]), self.acknowledged)


async def killed_before_a_commit(story: Story) -> None:
    """F1: kill -9 before the first COMMIT. What was not answered 200 comes again."""
    child = await story.serve(FAILPOINTS="ingest.before_commit=kill@1")
    stored = await story.hears("wamid.1")
    await story.until_dead(child)
    await story.serve()
    if not stored:
        assert await story.hears("wamid.1")
    await story.rest()


async def delivered_twice(story: Story) -> None:
    """F3: the same message again, of somebody we know."""
    await story.serve()
    for n, wamid in enumerate(("wamid.1", "wamid.2", "wamid.2"), 1):
        assert await story.hears(wamid)
        await story.see(f"(SELECT count(*) FROM delivery WHERE state = 'digested' AND lane = 0) = {n}")
    await story.rest()


async def committed_late(story: Story) -> None:
    """A delivery that drew its place before another and was committed after it, as a slow process's would be."""
    await story.serve()
    slow = await asyncpg.connect(story.town.admin_dsn)
    now = dt.datetime.now(dt.UTC)
    async with slow.transaction():
        await slow.execute(PUT, now.date(), now, world.text("wamid.1", "oi"))
        assert await story.hears("wamid.2", sender=BIA)
        await story.see("EXISTS (SELECT FROM delivery WHERE state = 'digested')")
    story.acknowledge("wamid.1")
    await slow.close()
    await story.rest()


async def stopped_in_a_digest(story: Story) -> None:
    """F22, F25: one of two workers is stopped with a delivery in its hands; the customer writes again; it goes on."""
    first = await story.serve("worker", STATE_DIR=str(story.town.state_dir / "w1"), FAILPOINTS="digest.claimed=stop@1")
    second = await story.serve("worker", STATE_DIR=str(story.town.state_dir / "w2"))
    await story.serve("web")
    second.process.send_signal(signal.SIGSTOP)
    assert await story.hears("wamid.1")
    async with asyncio.timeout(SURE_S):
        while not story.town.fired.exists():
            await asyncio.sleep(0.02)
    second.process.send_signal(signal.SIGCONT)
    assert await story.hears("wamid.2")
    await story.see("EXISTS (SELECT FROM event WHERE key = 'wamid.2' AND state = 'handled')")
    first.process.send_signal(signal.SIGCONT)
    await story.see("(SELECT count(*) FROM event WHERE state = 'handled') = 2")
    await story.rest()


async def an_answer_is_lost(story: Story) -> None:
    """F31: WhatsApp has the message, and its answer never comes; its status comes after a while."""
    await story.silence()
    await story.town.sim("fault", {"do": "drop_answer", "times": 1})
    await story.serve()
    assert await story.hears("wamid.1")
    await story.see(IN_QUESTION)
    await story.see("NOT EXISTS (SELECT FROM message WHERE state = 'sending')")
    await story.report()
    await story.rest()


async def killed_after_a_post(story: Story) -> None:
    """F30: kill -9 between the POST and its record; its status comes after a while."""
    await story.silence()
    child = await story.serve(FAILPOINTS="send.after_post=kill@1")
    assert await story.hears("wamid.1")
    await story.until_dead(child)
    await story.serve()
    await story.see(IN_QUESTION)
    await story.see("NOT EXISTS (SELECT FROM message WHERE state = 'sending')")
    await story.report()
    await story.rest()


async def a_reply_is_refused_for_now(story: Story) -> None:
    """F35: the first reply is refused for now and is tried again; the second waits for it."""
    await story.town.sim("fault", {"do": "code", "value": 130429, "times": 1})
    await story.serve()
    assert await story.hears("wamid.1")
    await story.see("(SELECT count(*) FROM message WHERE state NOT IN ('queued', 'sending')) = 2")
    await story.rest()


async def a_turn_crashes(story: Story) -> None:
    """A customer opts out in a conversation whose turns cannot be taken."""
    await story.serve()
    assert await story.hears("wamid.1")
    await story.see("EXISTS (SELECT FROM flow_session)")
    await story.town.admin.execute("UPDATE flow_session SET memory = '{}'")
    assert await story.hears("wamid.2", "SAIR")
    await story.see("EXISTS (SELECT FROM event WHERE state = 'dead')")
    await story.rest()


async def statuses_out_of_order(story: Story) -> None:
    """F36: `sent` is the last to come."""
    await story.town.sim("settings", {"sent_s": 2, "delivered_s": 0.02, "read_s": 0.05})
    await story.serve()
    assert await story.hears("wamid.1")
    await story.see("(SELECT count(*) FROM message WHERE sent_at IS NOT NULL AND read_at IS NOT NULL) = 2")
    await story.rest()


async def a_job_is_lost(story: Story) -> None:
    """F20: stored, and nobody was told, while all was quiet."""
    await story.serve()
    assert await story.hears("wamid.0")
    await story.rest()
    await story.see("NOT EXISTS (SELECT FROM message WHERE state <> 'read')")
    await story.see("NOT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))")
    await story.see("NOT EXISTS (SELECT FROM delivery WHERE state = 'stored')")
    now = dt.datetime.now(dt.UTC)
    await story.town.admin.execute(PUT, now.date(), now, world.text("wamid.1", "oi"))
    story.acknowledge("wamid.1")
    await story.rest()


STORIES: dict[str, Callable[[Story], Awaitable[None]]] = {
    story.__name__: story
    for story in (
        killed_before_a_commit,
        delivered_twice,
        committed_late,
        stopped_in_a_digest,
        an_answer_is_lost,
        killed_after_a_post,
        a_reply_is_refused_for_now,
        a_turn_crashes,
        statuses_out_of_order,
        a_job_is_lost,
    )
}
