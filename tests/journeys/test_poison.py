"""A contact whose turn kills the process, with real processes started again and again as a supervisor would."""

import asyncio
import itertools
import random
import signal
from collections import Counter
from pathlib import Path
from time import monotonic

from atendeja.turn import poison
from tests import server
from tests.journeys.house import ECHO
from tests.journeys.process import Child
from tests.journeys.town import Town, town

ANA = "5511900000001"
HEALTHY = [f"55119000002{n:02}" for n in range(50)]
KILLS = 30
WAITING = """
    (SELECT seq::text FROM delivery WHERE state = 'stored' LIMIT 1)
    UNION ALL (SELECT id::text FROM event WHERE state = 'unhandled' LIMIT 1)
"""


async def meet(made: Town) -> str:
    """Ana writes and is answered, like anybody; then everything is stopped. Her contact's id."""
    child = await made.serve()
    await made.writes(ANA, "oi")
    await made.hears(ANA, "Recebido.")
    assert await child.stop() == 0
    (row,) = await made.rows("SELECT id FROM contact")
    return str(row["id"])


async def fill(made: Town) -> None:
    """Ana and fifty others write while nobody works, so that they are one batch."""
    web = await made.serve("web")
    await asyncio.gather(*(made.writes(sender, "oi", wait=True) for sender in [*HEALTHY[:20], ANA, *HEALTHY[20:]]))
    assert await web.stop() == 0


async def wait_events(made: Town, timeout_s: float = 60) -> None:
    """Until everything that came is digested and every event closed."""
    async with asyncio.timeout(timeout_s):
        while await made.rows(WAITING):
            await asyncio.sleep(0.02)


async def supervise(made: Town, points: str) -> tuple[int, Child]:
    """Start a process in the same directory as often as it is killed, until nothing waits: how many deaths, and who is left."""
    for deaths in range(8):
        child = await made.serve(ready=False, FAILPOINTS=points)
        waiting, dying = asyncio.create_task(wait_events(made)), asyncio.create_task(child.process.wait())
        await asyncio.wait({waiting, dying}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done() and not dying.done():
            dying.cancel()
            await waiting
            return deaths, child
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)  # it has the connection that is used below
        assert await dying == -signal.SIGKILL, child.output.read_text()[-2000:]
        if deaths == 2:
            waits = await made.rows("SELECT wa_id FROM contact c JOIN event e ON e.contact_id = c.id WHERE e.state = 'unhandled'")
            assert waits == [{"wa_id": ANA}], "two deaths later all the others have been answered"
    raise AssertionError("a crash loop")


async def test_a_contact_that_kills_the_process_is_put_aside(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F21: one death in the batch, three alone; fifty others get one answer each; the conversation goes on."""
    async with town(cluster, database, tmp_path, log_dir, ECHO) as made:
        points = f"turn.loaded=kill?{await meet(made)}"
        await fill(made)
        deaths, child = await supervise(made, points)
        assert deaths == 4 == made.fired.read_text().count("turn.loaded kill")
        events = await made.rows("SELECT c.wa_id, e.state, e.reason, e.tries FROM event e JOIN contact c ON c.id = e.contact_id")
        (dead,) = [row for row in events if row["state"] != "handled"]
        assert dead == {"wa_id": ANA, "state": "dead", "reason": poison.KILLED, "tries": 3}
        assert all(row["tries"] <= 1 for row in events if row["state"] == "handled")
        for sender in HEALTHY:
            await made.hears(sender, "Recebido.", state="read", timeout_s=20)
        posts = Counter(post["to"] for post in await made.posts())
        assert set(posts.values()) == {1}, posts
        notices = [line for line in child.lines() if line.get("event") == "notice" and line.get("kind") == "event_dead"]
        assert len(notices) == 1
        assert await made.rows("SELECT state FROM flow_session WHERE state = 'failed'") == [{"state": "failed"}]
        assert await child.stop() == 0
        assert await made.rows("SELECT boot FROM running") == []
        await made.serve()
        await made.writes(ANA, "oi")
        await made.hears(ANA, "Recebido.", "Recebido.", timeout_s=20)


async def test_another_process_runs_the_suspects_alone(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F21, F25: it does not take them along before it knows that their process is dead, and that is within 6 s and a look."""
    async with town(cluster, database, tmp_path, log_dir, ECHO) as made:
        points = f"turn.loaded=kill?{await meet(made)}"
        await fill(made)
        first = await made.serve(ready=False, FAILPOINTS=points, STATE_DIR=str(tmp_path / "first"))
        assert await asyncio.wait_for(first.process.wait(), 60) == -signal.SIGKILL
        died = monotonic()
        other = await made.serve(STATE_DIR=str(tmp_path / "other"))
        await wait_events(made)
        assert monotonic() - died < 30
        found = [line["contacts"] for line in other.lines() if line.get("event") == "suspects_found"]
        (named,) = found
        tries = Counter(row["tries"] for row in await made.rows("SELECT tries FROM event e WHERE state = 'handled'"))
        assert isinstance(named, int) and tries[1] == named, "those and nobody else ran alone, each once"


async def test_random_deaths_under_load_harm_nobody(cluster: server.Server, database: str, tmp_path: Path, log_dir: Path) -> None:
    """F21: thirty kills at any moment, and nothing is dead: everybody who wrote has one answer to each message."""
    dice = random.Random(21)
    async with town(cluster, database, tmp_path, log_dir, ECHO) as made:
        web = await made.serve("web")
        written: list[str] = []
        stopping = asyncio.Event()

        async def customers() -> None:
            for n in itertools.count():
                if stopping.is_set():
                    return
                sender = f"55119100{n % 400:05}"
                await made.writes(sender, "oi", wait=True)
                written.append(sender)
                await asyncio.sleep(0.02)

        writing = asyncio.create_task(customers())
        full = 0
        for _ in range(KILLS):
            worker = await made.serve("worker")
            await asyncio.sleep(dice.uniform(0.0, 1.0))
            await worker.kill()
            full += bool(await made.rows("SELECT boot FROM running LIMIT 1"))
        stopping.set()
        await writing
        await made.serve("worker")
        await wait_events(made, timeout_s=120)
        states = Counter(row["state"] for row in await made.rows("SELECT state FROM event"))
        assert states == {"handled": len(written)}
        assert full >= KILLS // 2, "fewer than half of the kills found work"
        assert (await web.stop()) == 0
