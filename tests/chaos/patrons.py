"""Customers who each write once, through webhooks that are repeated until they are answered 200, as Meta repeats them."""

import asyncio
import contextlib
import io
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import aiohttp

from tests import server, world
from tests.chaos.postgres import NAME
from tests.journeys import tables
from tests.journeys.process import Child
from tests.journeys.town import Town, town

FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
nodes:
  oi: {do: [{say: {text: "Um"}}, {end: {}}]}
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
REPEAT_S = 0.3
PATIENCE_S = 60
"""How long all that was acknowledged may take to be answered and read: for a machine that does much else."""

_phones = (f"5511{n:09}" for n in itertools.count(900_000_000))


@dataclass(frozen=True)
class Answer:
    """One POST of a webhook: when it was begun, how long it took, what was answered (0: nothing)."""

    at: float
    took_s: float
    status: int


@dataclass
class Patrons:
    """`acknowledged` are the customers whose message was answered 200; `answers` is every try."""

    made: Town
    acknowledged: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    async def serve(self, **more: str) -> Child:
        """A process for them, in which what is in doubt is not waited for as long as usual."""
        return await self.made.serve("all", ready=True, port=None, **{"IN_DOUBT_S": "10", **more})

    @contextlib.asynccontextmanager
    async def writing(self, per_s: float = 25) -> AsyncIterator[None]:
        """A new customer so many times a second; at the end all who wrote are waited for, at most a minute."""
        tasks: set[asyncio.Task[None]] = set()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            coming = asyncio.ensure_future(self._come(http, tasks, 1 / per_s))
            try:
                yield
                coming.cancel()
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.gather(*tasks)
            finally:
                for task in [coming, *tasks]:
                    task.cancel()
                await asyncio.gather(coming, *tasks, return_exceptions=True)

    async def _come(self, http: aiohttp.ClientSession, tasks: set[asyncio.Task[None]], every_s: float) -> None:
        while True:
            tasks.add(asyncio.ensure_future(self.write(http, next(_phones))))
            await asyncio.sleep(every_s)

    async def write(self, http: aiohttp.ClientSession, sender: str) -> None:
        """Until it is acknowledged."""
        body = world.text(f"wamid.{sender}", "oi", sender=sender)
        while await self.post(http, body) != 200:
            await asyncio.sleep(REPEAT_S)
        self.acknowledged.append(sender)

    async def post(self, http: aiohttp.ClientSession, body: bytes) -> int:
        """Once; the status, 0 for none."""
        began, status = monotonic(), 0
        with contextlib.suppress(aiohttp.ClientError):
            async with http.post(f"{self.made.url}/webhook", data=io.BytesIO(body), headers=world.sign(body)) as response:
                status = response.status
        self.answers.append(Answer(began, monotonic() - began, status))
        return status

    def statuses(self, since: float = 0, until: float = float("inf")) -> Counter[int]:
        """Of the tries begun in this time."""
        return Counter(answer.status for answer in self.answers if since <= answer.at < until)

    async def first_after(self, instant: float, status: int = 200, timeout_s: float = PATIENCE_S) -> float:
        """Seconds from `instant` until a webhook that was begun later was answered so."""
        async with asyncio.timeout(timeout_s):
            while True:
                found = [a.at + a.took_s - instant for a in self.answers if a.at >= instant and a.status == status]
                if found:
                    return min(found)
                await asyncio.sleep(0.01)

    async def answered_once(self, *, duplicates: bool = False, killed: bool = False) -> None:
        """Everybody who was acknowledged has one reply, read, and the simulator was sent it once; nobody else has any.

        With `duplicates` some may have been sent again, whose outcome was lost; after a kill some may stay unknown.
        """
        wanted, final = sorted(self.acknowledged), {"read", "unknown"} if killed else {"read"}
        found: list[tuple[str, str]] = []
        async with tables.looking(self.made.admin_dsn) as admin:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    while not _well(found := await _replies(admin), wanted, final):
                        await asyncio.sleep(0.1)
        assert len(wanted) == len(set(wanted)) > 0
        assert _well(found, wanted, final), _difference(found, wanted)
        posts = Counter(post["to"].lstrip("+") for post in await self.made.posts() if post["wamid"])
        assert posts.keys() >= {sender for sender, state in found if state == "read"} and posts.keys() <= {*wanted}
        assert duplicates or max(posts.values()) == 1, [to for to, n in posts.items() if n > 1]


def _well(found: list[tuple[str, str]], wanted: list[str], final: set[str]) -> bool:
    return [sender for sender, _ in found] == wanted and {state for _, state in found} <= final


async def _replies(admin: object) -> list[tuple[str, str]]:
    rows = await admin.fetch(  # type: ignore[attr-defined]  # asyncpg has no types
        "SELECT c.wa_id, m.state FROM message m JOIN contact c ON c.id = m.contact_id ORDER BY c.wa_id"
    )
    return [(row["wa_id"], row["state"]) for row in rows]


def _difference(found: list[tuple[str, str]], wanted: list[str]) -> str:
    states, have = Counter(state for _, state in found), Counter(sender for sender, _ in found)
    return f"{states}, lost {sorted(set(wanted) - have.keys())}, twice {[s for s, n in have.items() if n > 1]}"


@contextlib.asynccontextmanager
async def shop(
    cluster: server.Server, state_dir: Path, log_dir: Path, *, dsn: str | None = None, name: str = NAME
) -> AsyncIterator[tuple[Town, Patrons]]:
    """A town whose simulator sends to everybody, and its customers; processes are the test's to start."""
    async with town(cluster, name, state_dir, log_dir, FLOW, dsn=dsn) as made:
        await made.sim("settings", {"window": False})
        yield made, Patrons(made)
