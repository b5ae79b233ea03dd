"""What a run plays with: a PostgreSQL of its own, the simulator as witness, the processes under test, and the customers.

The simulator is a process that nobody kills. Nothing here looks into the processes under test: what they hold shows in the
database, what they did in the simulator's log.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec

import aiohttp
import msgspec
from msgspec import Struct

from atendeja import migrate
from atendeja.blobs import Blobs
from atendeja.dev.postgres import LOGIN, SUPERUSER, Cluster
from atendeja.simulator.webhooks import Counts
from tests import world
from tests.bench import bodies, stage
from tests.chaos import script
from tests.chaos.campaign import Campaign
from tests.chaos.checker import Finding
from tests.chaos.crew import Crew, tail
from tests.chaos.crowd import FLOW, Crowd
from tests.chaos.proxy import Proxy
from tests.chaos.script import Options
from tests.chaos.watch import Tail, Watch
from tests.journeys import process
from tests.journeys.process import Child

DATABASE = "chaos"
LATENCY_S = 0.25
"""How long the simulator takes to answer a POST: what keeps enough of them open."""
SIMULATOR = {
    "rate": None, "pair": False, "window": False, "latency_s": LATENCY_S, "sent_s": 0.1, "delivered_s": 0.5, "read_s": None,
    "retry_first_s": 0.2, "retry_most_s": 5.0,
}  # fmt: skip
DISORDER = {"duplicate": 0.05, "reorder": 0.1, "batch": 10, "delay_s": 0.05}
TURN_S = 1.0
"""Statuses go to another web port after so long."""
BEHIND_S = 10.0
"""With more than so many seconds' texts undigested nobody is killed for a while, and no customer comes."""

Say = Callable[[str], None]
P = ParamSpec("P")


class State(Struct):
    """What of the simulator's state is of use here."""

    webhooks: Counts


@dataclass
class Scene:
    """`say` is told what happens as it happens; `findings` is all that was wrong."""

    options: Options
    folder: Path
    cluster: Cluster
    say: Say
    dsn: str
    watch: Watch
    tail: Tail
    crew: Crew
    crowd: Crowd
    campaign: Campaign
    simulator: Child
    wire: Proxy
    """Between the processes and the simulator."""
    http: aiohttp.ClientSession
    coming: "asyncio.Future[None]"
    """The customers, done when the last has said all."""
    findings: list[Finding] = field(default_factory=list)

    def find(self, what: str, detail: str) -> None:
        """Something is wrong."""
        self.findings.append(Finding(what, detail))
        self.say(f"FINDING {what}: {detail}")

    def check(self) -> None:
        """Raises what ended a part of the scene."""
        if (error := self.crew.failure) is not None:
            raise error
        if self.coming.done():
            self.coming.result()
        assert self.simulator.alive, f"the simulator ended: {tail(self.simulator.output)}"

    async def tell(self, what: str, body: object) -> None:
        """Tell the simulator's control side something."""
        async with self.http.post(f"{self.simulator.url}/_sim/{what}", data=msgspec.json.encode(body)) as response:
            assert response.status == 200, await response.text()

    async def left(self) -> dict[str, int]:
        """What is still to be done, by kind: on the way to us, and in the database."""
        texts = 0 if self.coming.done() else max(1, self.crowd.unanswered)
        async with self.http.get(f"{self.simulator.url}/_sim/state") as response:
            state = msgspec.json.decode(await response.read(), type=State)
        outside = {"texts to come": texts, "statuses to come": state.webhooks.waiting}
        return {kind: n for kind, n in outside.items() if n} | await self.watch.left()

    async def turn_about(self) -> None:
        """For ever: statuses go to the web processes in turn, alive or not; the simulator posts again."""
        dice = random.Random(f"doors {self.options.seed}")
        while True:
            await self.tell("settings", {"webhook_url": f"http://127.0.0.1:{dice.choice(self.crew.web_ports)}/webhook"})
            await asyncio.sleep(TURN_S)

    async def spare(self) -> None:
        """For ever: let no customer come while they are far behind: a machine shared with others may be too slow for the rate."""
        while True:
            self.crowd.hold = self.watch.stored > BEHIND_S * self.options.rate
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def setting(options: Options, folder: Path, cluster: Cluster, say: Say) -> AsyncIterator[Scene]:
    """Eight shops, the simulator, and processes that are not started yet; whatever was started has ended at the end."""
    await whole(cluster.start)
    await whole(cluster.create_database, DATABASE)
    dsn = cluster.dsn(DATABASE, SUPERUSER)
    await migrate.run(dsn, login=LOGIN)
    await stage.furnish(cluster.dsn(DATABASE), [FLOW] * bodies.SHOPS)
    log = folder / "simulator.jsonl"
    async with (
        process.simulating(folder, witness=log) as simulator,
        Proxy(simulator.url, options.seed) as wire,
        aiohttp.ClientSession() as http,
    ):
        wire.up.late = wire.down.lost = options.lost
        more = {
            "WA_API_BASE": wire.url,
            "IN_DOUBT_S": str(options.doubt_s),
            "DATABASE_WAIT_S": "60",
            "MEDIA_DIR": str(folder / "media"),
        }
        environ = world.environ(cluster.dsn(DATABASE), dsn, folder, **more)
        crew = Crew(script.ROLES[options.processes], folder, environ)
        crowd = Crowd(crew.web_ports, options.rate, options.seed)
        nobody = asyncio.get_running_loop().create_future()
        campaign = Campaign(dsn, cluster.dsn(DATABASE), options.seed, Blobs(folder / "media"))
        looks = Watch(dsn), Tail(log)
        made = Scene(options, folder, cluster, say, dsn, *looks, crew, crowd, campaign, simulator, wire, http, nobody)
        await made.tell("settings", SIMULATOR)
        await made.tell("webhooks", {**DISORDER, "seed": options.seed})
        try:
            yield made
        finally:
            await crew.end()
            made.tail.read()
            made.tail.close()


@contextlib.asynccontextmanager
async def crowded(scene: Scene) -> AsyncIterator[None]:
    """Customers come, statuses are delivered, until the end of this."""
    scene.coming = asyncio.create_task(scene.crowd.run())
    works = scene.watch.follow(), scene.turn_about(), scene.spare(), scene.campaign.run()
    tasks = [scene.coming, *(asyncio.create_task(work) for work in works)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def whole(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Do it in a thread, to its end also when we are cancelled: half a restart would leave a server that nobody stops."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
