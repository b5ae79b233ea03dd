"""Sending by real processes that are told to stop, killed, or doubled: what went out, how often, and what the ledger says of it."""

import asyncio
import signal
from collections import Counter
from pathlib import Path
from uuid import UUID

import pytest

from atendeja import db, outbound
from atendeja.db import Tx
from atendeja.outbound import Fallback, Outgoing
from atendeja.runtime import fresh_id, utc_now
from atendeja.wa.content import Template, Text
from tests import server
from tests.journeys.town import Town, town

FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
nodes:
  oi: {do: [{say: {text: "Um"}}, {say: {text: "Dois"}}, {end: {}}]}
  pessoa: {do: [{handoff: {queue: balcao}}]}
"""
ANA = "5511900000001"
CUSTOMERS = [f"55119000001{i:02}" for i in range(30)]


async def states(made: Town) -> Counter[str]:
    return Counter(row["state"] for row in await made.rows("SELECT state FROM message"))


async def settled(made: Town, wanted: Counter[str], timeout_s: float = 20) -> None:
    found: Counter[str] = Counter()
    try:
        async with asyncio.timeout(timeout_s):
            while (found := await states(made)) != wanted:
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"wanted {wanted}, found {found}") from None


async def test_a_stop_under_load_finishes_what_is_on_the_wire_and_leaves_the_rest(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F24: exit 0, no POST without its answer recorded, nothing `sending`; the next process sends the rest, each once, in order."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        await made.sim("settings", {"latency_s": 0.5})
        child = await made.serve()
        await asyncio.gather(*(made.writes(sender, "oi") for sender in CUSTOMERS))
        async with asyncio.timeout(10):
            while not await made.posts():
                await asyncio.sleep(0.005)
        assert await child.stop() == 0
        posted = len(await made.posts())
        found = await states(made)
        assert not {"sending", "in_doubt"} & found.keys(), found
        assert {a["state"] for a in await made.rows("SELECT state FROM attempt")} == {"accepted"}
        assert len(await made.rows("SELECT id FROM attempt")) == posted < 2 * len(CUSTOMERS), "it was stopped in the middle"
        assert await made.rows("SELECT name FROM lease WHERE until > now()") == [], "another process may go on at once"
        await made.serve()
        await settled(made, Counter({"read": 2 * len(CUSTOMERS)}))
        posts = await made.posts()
        assert len(posts) == 2 * len(CUSTOMERS)
        for sender in CUSTOMERS:
            assert await made.replies(sender) == [("Um", "read"), ("Dois", "read")]


POINTS = (
    "digest.before_commit",
    "digest.after_commit",
    "turn.claimed",
    "turn.loaded",
    "turn.before_commit",
    "turn.after_commit",
    "send.before_claim",
    "send.after_claim",
    "send.before_post",
    "send.after_post",
    "send.before_record",
)


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_anywhere_and_what_was_pending_goes_on(
    point: str, cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F18, F30, F31: kill -9, start again in the same directory: one turn, no message lost and none posted twice.

    Only what was claimed and not posted stays in doubt, and holds its successor for a while.
    """
    wanted = ["in_doubt", "queued"] if point in ("send.after_claim", "send.before_post") else ["read", "read"]
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        child = await made.serve(FAILPOINTS=f"{point}=kill@1")
        await made.writes(ANA, "oi")
        assert await asyncio.wait_for(child.process.wait(), 15) == -signal.SIGKILL
        assert made.fired.read_text().startswith(f"{point} kill 1 ")
        await made.serve()
        await made.handled(ANA, 1)
        await settled(made, Counter(wanted))
        assert len(await made.posts()) == wanted.count("read")
        assert await made.rows("SELECT turn_no FROM conversation") == [{"turn_no": 1}]
        found = await made.rows("SELECT state FROM message ORDER BY seq")
        assert [row["state"] for row in found] == wanted


@pytest.mark.parametrize("point", ["commit.before", "commit.after"])
@pytest.mark.parametrize(
    ("first", "whose"), [("send.before_post=kill@1", "Reconciler._settle"), ("turn.loaded=kill@1", "Suspects._accuse")]
)
async def test_a_kill_at_a_commit_that_is_rare(
    first: str, whose: str, point: str, cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F19, F31: a process dies with a reply in doubt, or in a turn; the next one at the commit that settles the doubt, or that
    counts the try of a suspect; the third answers, each message once."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        for failpoint in (first, f"{point}=kill?{whose}"):
            child = await made.serve(ready=False, FAILPOINTS=failpoint, IN_DOUBT_S="1")
            if failpoint == first:
                await made.writes(ANA, "oi")
            assert await asyncio.wait_for(child.process.wait(), 30) == -signal.SIGKILL
        await made.serve(IN_DOUBT_S="1")
        await settled(made, Counter({"read": 2}))
        assert len(await made.posts()) == 2


async def test_a_kill_between_the_commit_of_a_lent_claim_and_its_post(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F30: the second reply is claimed in its turn's transaction; killed before the POST it stays in doubt, and is not posted."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        child = await made.serve(FAILPOINTS="turn.after_commit=kill@2")
        await made.writes(ANA, "oi")
        await settled(made, Counter({"read": 2}))
        await made.writes(ANA, "oi de novo")
        assert await asyncio.wait_for(child.process.wait(), 15) == -signal.SIGKILL
        claimed = await made.rows("SELECT m.seq FROM attempt a JOIN message m ON m.id = a.message_id WHERE a.state = 'claimed'")
        assert claimed == [{"seq": 3}]
        await made.serve()
        await settled(made, Counter({"read": 2, "in_doubt": 1, "queued": 1}))
        assert len(await made.posts()) == 2


async def test_two_workers_do_each_thing_once_and_in_order(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """F22, F25: one web and two worker processes with directories of their own share the load."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        workers = [await made.serve("worker", STATE_DIR=str(tmp_path / name)) for name in ("w1", "w2")]
        web = await made.serve("web")
        for _ in range(2):
            await asyncio.gather(*(made.writes(sender, "oi") for sender in CUSTOMERS))
            await asyncio.sleep(0.3)
        await settled(made, Counter({"read": 4 * len(CUSTOMERS)}))
        posts = await made.posts()
        assert len(posts) == len({post["opaque"] for post in posts}) == 4 * len(CUSTOMERS)
        for sender in CUSTOMERS:
            order = await made.rows(
                "SELECT a.claimed_at FROM attempt a JOIN message m ON m.id = a.message_id JOIN contact c ON c.id = m.contact_id "
                "WHERE c.wa_id = $1 ORDER BY m.seq", sender
            )  # fmt: skip
            times = [row["claimed_at"] for row in order]
            assert len(times) == 4 and times == sorted(times)
        chains = {row["turn_no"] for row in await made.rows("SELECT turn_no FROM conversation")}
        assert chains <= {1, 2}
        assert [await child.stop() for child in (web, *workers)] == [0, 0, 0]


async def test_a_worker_that_is_killed_hands_its_numbers_to_the_other(
    cluster: server.Server, database: str, tmp_path: Path, log_dir: Path
) -> None:
    """DESIGN row 11: another instance goes on within 8 s, when the lease has ended."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        first = await made.serve(STATE_DIR=str(tmp_path / "w1"))
        await made.writes(ANA, "oi")
        await made.hears(ANA, "Um", "Dois")
        await made.serve("worker", STATE_DIR=str(tmp_path / "w2"))
        await first.kill()
        await made.serve("web")
        await made.writes(ANA, "oi")
        await made.hears(ANA, "Um", "Dois", "Um", "Dois", timeout_s=12)


@pytest.mark.parametrize(
    ("case", "failpoint", "ends", "instead"),
    [
        ("withdrawn", "commit.before=kill?Sender._record_and_claim@1", {"read": 3, "withdrawn": 1}, ["read"]),
        ("withdrawn", "commit.after=kill?Sender._record_and_claim@1", {"read": 3, "withdrawn": 1}, ["read"]),
        # the answer is lost: the message may have arrived, so that nothing goes in its place
        ("refused", "commit.before=kill?Sender._record_and_claim@2", {"read": 2, "failed": 1}, []),
        # the template is claimed in the same commit, and dies with its sender: once at the most
        ("refused", "commit.after=kill?Sender._record_and_claim@2", {"read": 2, "failed": 1, "unknown": 1}, ["unknown"]),
    ],
)
async def test_a_kill_around_the_commit_that_queues_a_fallback(
    case: str,
    failpoint: str,
    ends: dict[str, int],
    instead: list[str],
    cluster: server.Server,
    database: str,
    tmp_path: Path,
    log_dir: Path,
) -> None:
    """The window is closed, by our clock before the post or by WhatsApp's word: never two templates in the message's place, and
    none only where somebody may say why."""
    async with town(cluster, database, tmp_path, log_dir, FLOW) as made:
        first = await made.serve()
        await made.writes(ANA, "oi")
        await settled(made, Counter({"read": 2}))
        assert await first.stop() == 0
        if case == "withdrawn":
            await made.admin.execute("UPDATE conversation SET window_until = now()")
        else:
            await made.sim("fault", {"match": {"contains": "Ainda"}, "do": "code", "value": 131047, "times": None})
        await put_with_fallback(made)
        child = await made.serve(ready=False, FAILPOINTS=failpoint, IN_DOUBT_S="1")
        assert await asyncio.wait_for(child.process.wait(), 30) == -signal.SIGKILL
        await made.serve(IN_DOUBT_S="1")
        await settled(made, Counter(ends))
        assert [row["state"] for row in await made.rows("SELECT state FROM message WHERE ordinal < 0")] == instead


async def put_with_fallback(made: Town) -> None:
    """By another process than the one that sends."""
    (talk,) = await made.rows("SELECT tenant_id, number_id, contact_id, id FROM conversation")
    fallback = Fallback(Template("lembrete", "pt_BR"), "utility")
    message = Outgoing(
        talk["number_id"], talk["contact_id"], talk["id"], "api", UUID(int=1), 0, 0, Text("Ainda está aí?"), fallback=fallback
    )
    database = await db.connect(made.dsn, size=1)

    async def work(tx: Tx) -> None:
        await outbound.put(tx, [message], utc_now(), fresh_id)

    await database.transact(talk["tenant_id"], work)
    await database.close()
