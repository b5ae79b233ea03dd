"""Several processes on one database: customers who write to any of their doors, and what must be true of it all afterwards."""

import asyncio
import io
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from atendeja import vault
from atendeja.config import key_bytes
from atendeja.numbers import NewNumber
from atendeja.wa import callback
from tests import server, world
from tests.journeys import process
from tests.journeys.process import Child
from tests.journeys.town import Json, Town, town

FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
nodes:
  oi: {do: [{say: {text: "Eco {{ input.text }}"}}, {end: {}}]}
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
"""Answers each message once, with a reply of its own."""

UNREAD = """
    SELECT m.state::text, a.state::text AS attempt, a.code FROM message m
    LEFT JOIN attempt a ON a.tenant_id = m.tenant_id AND a.message_id = m.id WHERE m.state <> 'read' OR a.state = 'claimed'
"""
UNHANDLED = "SELECT FROM delivery WHERE state = 'stored' UNION ALL SELECT FROM event WHERE state = 'unhandled'"
ACCEPTED = "SELECT count(*) FROM message WHERE state IN ('accepted', 'sent', 'delivered', 'read')"
_wamids = itertools.count(1)


@dataclass
class Hosts:
    """`sent` is what was answered 200: customer → wamids, in the order in which they were answered."""

    town: Town
    sent: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    async def serve(self, role: str, name: str, *, points: str = "") -> Child:
        """A process with a directory of its own. The first with a door has the town's port, to which statuses go."""
        taken = {child.url for child in self.town.children if child.alive}
        port = self.town.port if role != "worker" and self.town.url not in taken else process.free_port()
        return await self.town.serve(role, port=port, STATE_DIR=str(self.town.state_dir / name), FAILPOINTS=points)

    async def say(self, door: Child, sender: str, *, number: NewNumber = world.A) -> bool:
        """A customer writes once through this door; False when it was not answered 200, and perhaps stored."""
        wamid = f"wamid.hosts.{next(_wamids)}"
        return await self.post(door, sender, wamid, world.text(wamid, f"n{len(self.sent[sender])}", sender=sender, number=number))

    async def post(self, door: Child, sender: str, wamid: str, body: bytes) -> bool:
        """As Meta would, once; a door that is closed or refuses is False."""
        try:
            async with self.town.http.post(f"{door.url}/webhook", data=io.BytesIO(body), headers=world.sign(body)) as response:
                taken = response.status == 200
        except aiohttp.ClientError:
            return False
        if taken:
            self.sent[sender].append(wamid)
        return taken

    async def insist(self, doors: Sequence[Child], sender: str, first: int) -> None:
        """One message, repeated through the doors in turn until it is answered 200, as Meta does to whatever is up."""
        wamid = f"wamid.hosts.{next(_wamids)}"
        body = world.text(wamid, f"n{len(self.sent[sender])}", sender=sender)
        for n in itertools.count(first):
            if await self.post(doors[n % len(doors)], sender, wamid, body):
                return
            await asyncio.sleep(0.02)

    async def alternate(self, doors: Sequence[Child], sender: str, n: int, first: int = 0) -> None:
        """So many messages of a customer, each through the next door when the one before has been answered."""
        for i in range(first, first + n):
            assert await self.say(doors[i % len(doors)], sender)

    # ── afterwards ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def answered(self, timeout_s: float = 30) -> None:
        """Until each message has its reply, accepted; fails with what is missing."""
        wanted = sum(map(len, self.sent.values()))
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (found := await self._accepted()) < wanted:
            assert asyncio.get_running_loop().time() < deadline, f"{found} of {wanted} are answered: {await self._left()}"
            await asyncio.sleep(0.02)

    async def handled(self, timeout_s: float = 40) -> None:
        """Until each message is digested and answered or queued to be."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while await self.town.rows(UNHANDLED):
            assert asyncio.get_running_loop().time() < deadline, await self._left()
            await asyncio.sleep(0.05)

    async def check(self) -> None:
        """Each event once, in the order of the answers, in one turn; each reply once, in that order, at the simulator, and read."""
        await self.check_events()
        deadline = asyncio.get_running_loop().time() + 30
        while left := await self.town.rows(UNREAD):
            assert asyncio.get_running_loop().time() < deadline, left[:5]
            await asyncio.sleep(0.05)
        await self._check_posts()

    async def check_events(self) -> None:
        rows = await self.town.rows(
            "SELECT c.wa_id, e.key, e.state::text, e.turn_no, v.turn_no AS last FROM event e JOIN contact c ON c.id = e.contact_id "
            "JOIN conversation v ON v.id = e.conversation_id ORDER BY e.arrival, e.position"
        )
        found: dict[str, list[Json]] = defaultdict(list)
        for row in rows:
            found[row["wa_id"]].append(row)
        assert {sender: [row["key"] for row in mine] for sender, mine in found.items()} == self.sent
        assert {row["state"] for row in rows} == {"handled"}
        for sender, mine in found.items():
            turns = [row["turn_no"] for row in mine]
            assert turns == sorted(turns) and {*turns} == {*range(1, mine[0]["last"] + 1)}, (sender, turns)

    async def _check_posts(self) -> None:
        posted = await self._posted()
        for sender, wamids in self.sent.items():
            assert [row["body"] for row in posted[sender]] == [f"Eco n{n}" for n in range(len(wamids))], sender

    async def check_posted(self) -> None:
        """When nothing waits any more: no message was posted twice, and each customer's in their order. One that was in doubt holds
        the next for 10 s only, and may come after it when it turns out not to have been posted."""
        deadline = asyncio.get_running_loop().time() + 40
        while await self.town.rows("SELECT id FROM message WHERE state IN ('queued', 'sending')"):
            assert asyncio.get_running_loop().time() < deadline, await self._left()
            await asyncio.sleep(0.1)
        for sender, rows in (await self._posted()).items():
            places = [row["seq"] for row in rows]
            at_first = [row["seq"] for row in rows if row["n"] == 1]
            assert len(places) == len({*places}) and at_first == sorted(at_first), (sender, places)

    async def _posted(self) -> dict[str, list[Json]]:
        """What the simulator was sent, by customer, in its order: each POST is of an attempt of its own that we know of."""
        rows = await self.town.rows(
            "SELECT a.id, a.n, c.wa_id, m.seq, m.content->>'body' AS body FROM attempt a "
            "JOIN message m ON m.id = a.message_id JOIN contact c ON c.id = m.contact_id"
        )
        attempts = {row["id"]: row for row in rows}
        key = vault.derive(key_bytes(world.SECRET_KEY), "callback")
        ids = [callback.read(post["opaque"], [key]) for post in await self.town.posts()]
        assert len(ids) == len({*ids}), "an attempt is one POST"
        posted: dict[str, list[Json]] = defaultdict(list)
        for row in (attempts[id_] for id_ in ids if id_ is not None):
            posted[row["wa_id"]].append(row)
        return posted

    async def _accepted(self) -> int:
        found: int = await self.town.admin.fetchval(ACCEPTED)
        return found

    async def _left(self) -> list[Json]:
        return await self.town.rows(
            "SELECT (SELECT count(*) FROM delivery WHERE state = 'stored') AS stored, "
            "(SELECT count(*) FROM event WHERE state = 'unhandled') AS unhandled, "
            "(SELECT count(*) FROM message WHERE state = 'queued') AS queued, "
            "(SELECT count(*) FROM message WHERE state IN ('sending', 'in_doubt')) AS in_doubt, "
            "(SELECT json_agg(name ORDER BY name)::text FROM lease) AS leases"
        )


@asynccontextmanager
async def hosts(cluster: server.Server, name: str, state_dir: Path, log_dir: Path) -> AsyncIterator[Hosts]:
    async with town(cluster, name, state_dir, log_dir, FLOW) as made:
        await made.sim("settings", {"window": False})  # it has not seen what our customers write
        yield Hosts(made)
