"""What is measured, a function a measurement: figure → value, None when the rate was not held; why not goes to `say`."""

import asyncio
import bisect
import contextlib
import datetime as dt
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import accumulate
from uuid import UUID

from atendeja.db import Tx, records
from atendeja.outbound.claiming import CLAIM, CLAIMABLE, Intent
from atendeja.pacing import EVEN
from atendeja.runtime import fresh_id, utc_now
from atendeja.simulator.witness import Line
from tests.bench import watch
from tests.bench.bodies import TALKATIVE, Texts, body, request
from tests.bench.load import Job, Result
from tests.bench.report import percentile
from tests.bench.stage import NUMBERS, Scene, Stage, port_of, send
from tests.journeys.process import Child

Values = dict[str, float | None]
Say = Callable[[str], None]
Measure = Callable[[Stage, Say], Awaitable[Values]]

CLOSED_S = 4.0
CLOSED_CONNECTIONS = 64
DRAINED = 6000
DRAIN_MOST_S = 60
LAG_MOST_MS = 50
FULL_RATE = 100
FULL_S = 600
PACES = (20, 80, 1000)
PACED_S = 12.0
CAMPAIGN = 100_000
OVERTAKING = 100
CROWD = (100, *(1,) * 100)
"""How many numbers each tenant has."""
CROWD_RATE = 50
CROWD_EACH = 800
SETTLING_S = 10.0
SHARED_S = 30.0
FEW, MANY = 1000, 1_000_000
CLAIMS = 100
CLAIMED = 4
CLAIM_KINDS = (("marketing", True), ("service", True), ("service", False))
"""What is claimed, and whether marketing is looked for: it is not while its share of the pace is used up."""
PACED_LATENCY_S = 0.1
WARMING = 20
WARM = 200
STATS_S = 12.0
"""A backend of PostgreSQL that goes idle tells what it did after at most ten seconds."""


async def acks(stage: Stage, say: Say) -> Values:
    """Row 1: ours and the two others, one after the other, the same requests from the same generator."""
    rates = {}
    for kind in ("hmac", "transaction"):
        async with stage.rival(kind) as port:
            rates[kind] = await _rate(port, say, kind)
    async with stage.scene() as scene, scene.serving("web", statuses=False) as app:
        ours = await _rate(port_of(app), say, "serve --role web")
    return {
        "acks": ours,
        "acks_hmac": rates["hmac"],
        "acks_transaction": rates["transaction"],
        "acks_to_hmac": ratio(ours, rates["hmac"]),
        "acks_to_transaction": ratio(ours, rates["transaction"]),
    }


async def _rate(port: int, say: Say, who: str) -> float | None:
    result = await send(Job("closed", port, Texts(0, 20_000, 5000), CLOSED_CONNECTIONS, seconds=CLOSED_S))
    if result.failed:
        say(f"{who}: {result.failed} requests failed")
        return None
    return result.answered / result.seconds


def ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one / other


async def commits(stage: Stage, say: Say) -> Values:
    """Row 1b: what 200 POSTs at once cost in commits, less what as long an idle stretch costs; every row must be stored."""
    async with stage.scene() as scene, scene.serving("web", statuses=False) as app:
        await send(Job("closed", port_of(app), Texts(0, 50, 50), 1))
        await asyncio.sleep(STATS_S)
        marks = [await stage.commits(scene.database)]
        await asyncio.sleep(STATS_S)
        marks.append(await stage.commits(scene.database))
        result = await send(Job("closed", port_of(app), Texts(50, 200, 200), 200))
        await asyncio.sleep(STATS_S)
        marks.append(await stage.commits(scene.database))
        async with scene.looking() as admin:
            stored = int(await admin.fetchval("SELECT count(*) FROM delivery")) - 50
    if result.failed or stored != 200:
        say(f"of 200 concurrent POSTs {result.failed} failed, {stored} are stored")
        return {"commits": None}
    return {"commits": marks[2] - marks[1] - (marks[1] - marks[0])}


async def drain(stage: Stage, say: Say) -> Values:
    """Row 2: a backlog of as many new customers, worked off by a worker that starts when all is stored; no statuses meanwhile."""
    async with stage.scene() as scene:
        async with scene.serving("web", statuses=False) as web:
            stored = await send(Job("closed", port_of(web), Texts(0, DRAINED, DRAINED), CLOSED_CONNECTIONS))
        if stored.failed:
            say(f"{stored.failed} of the backlog were not stored")
            return {"drain": None}
        async with scene.serving("worker", statuses=False) as worker:
            deadline = time.monotonic() + DRAIN_MOST_S
            while await scene.accepted() < DRAINED and time.monotonic() < deadline:
                await asyncio.sleep(0.2)
            replies, began = await scene.replies(), _started_at(worker)
    if len(replies) != DRAINED:
        say(f"{len(replies)} replies to {DRAINED} texts after {DRAIN_MOST_S} s")
        return {"drain": None}
    return {"drain": DRAINED / (max(line.at for line in replies) - began)}


def _started_at(child: Child) -> float:
    """When the process said that its loops run, the first claim being the next thing they do."""
    line = next(line for line in child.lines() if line.get("event") == "started")
    return dt.datetime.fromisoformat(str(line["timestamp"])).timestamp()


async def steady(stage: Stage, say: Say) -> Values:
    """Rows 3 and 8: 300 a second."""
    async with stage.scene() as scene, scene.serving() as app:
        await warm(scene, app)
        idle = watch.pss_mib(app.process.pid)
        async with watch.memory(app.process.pid) as samples:
            latencies = await exchange(scene, app, say, rate=300, count=3600, customers=1200)
    return {
        "p99_at_300": _at(latencies, 0.99),
        "p50_at_300": _at(latencies, 0.5),
        "pss_idle": idle,
        "pss_at_300": max(samples),
    }


async def hurried(stage: Stage, say: Say) -> Values:
    """Row 3's goal: 600 a second."""
    async with stage.scene() as scene, scene.serving() as app:
        await warm(scene, app)
        return {"p99_at_600": _at(await exchange(scene, app, say, rate=600, count=6000, customers=2000), 0.99)}


async def slow(stage: Stage, say: Say) -> Values:
    """Row 4: 10 a second."""
    async with stage.scene() as scene, scene.serving() as app:
        await warm(scene, app)
        latencies = await exchange(scene, app, say, rate=10, count=300, customers=100)
    return {"p50_at_10": _at(latencies, 0.5), "p99_at_10": _at(latencies, 0.99)}


async def thrift(stage: Stage, say: Say) -> Values:
    """Row 5: CPU from the first webhook until the last status is recorded."""
    async with stage.scene() as scene, scene.serving() as app:
        await warm(scene, app)
        count = 2400
        before, before_app = _cpu_s(stage, app), watch.cpu_s(app.process.pid)
        latencies = await exchange(scene, app, say, rate=200, count=count, customers=800)
        used, used_app = _cpu_s(stage, app) - before, watch.cpu_s(app.process.pid) - before_app
    if latencies is None:
        return {"cpu_ms": None, "cpu_app_ms": None}
    return {"cpu_ms": used / count * 1000, "cpu_app_ms": used_app / count * 1000}


async def full(stage: Stage, say: Say) -> Values:
    """Row 6: one number at 100 texts a second, each answered with three messages of three statuses each, for ten minutes."""
    texts = Texts(0, FULL_RATE * FULL_S, 3000, TALKATIVE)
    async with stage.scene() as scene, scene.serving() as app:
        await warm(scene, app)
        before = await scene.accepted()
        result = await send(Job("open", port_of(app), texts, rate=FULL_RATE))
        left = await scene.left()
        unanswered = texts.count * 3 - (await scene.accepted() - before)
    if faults := _faults(result, left, unanswered=max(0, unanswered), unexpected=max(0, -unanswered)):
        say(f"{FULL_RATE}/s for {FULL_S} s not held: {'; '.join(faults)}")
        return {"ack_at_full": None}
    return {"ack_at_full": percentile(result.acks, 0.99) * 1000}


async def paced(stage: Stage, say: Say) -> Values:
    """Row 7: a queue for one number that its pace takes so many seconds for, at three rates; by the simulator's log, which is
    written a tenth of a second before it answers."""
    seconds, sliding, late, used_up, cpu_send = [0.0], [0.0], dict[int, float](), [1.0], 0.0
    for rate in PACES:
        async with stage.scene() as scene, scene.serving(statuses=False) as app:
            await scene.ask("settings", {"latency_s": PACED_LATENCY_S})
            await _send_queued(scene, rate, WARMING)
            await asyncio.sleep(2)
            count, used = int(rate * PACED_S), _cpu_s(stage, app)
            await _send_queued(scene, rate, count)
            used = _cpu_s(stage, app) - used
            ats = [line.at for line in (await scene.replies())[WARMING:]]
        if len(ats) != count:
            say(f"{len(ats)} of {count} messages after {PACED_S * 2:g} s at {rate}/s")
            return dict.fromkeys(("pace_second", "pace_sliding", "pace_used", "late_at_80", "late_at_1000", "cpu_send"))
        seconds.append(max(Counter(int(at) for at in ats).values()) / rate)
        sliding.append(_fullest(ats) / rate)
        cpu_send = used / count * 1000
        used_up.append((count - 1) / (ats[-1] - ats[0]) / rate)
        late[rate] = percentile(lateness(ats[rate:], rate * EVEN), 0.99) * 1000  # the first second has a burst to pay back
    return {
        "pace_second": max(seconds),
        "pace_sliding": max(sliding),
        "pace_used": min(used_up),
        "late_at_80": late[80],
        "late_at_1000": late[1000],
        "cpu_send": cpu_send,
    }


def lateness(ats: Sequence[float], pace: float) -> list[float]:
    """How much later each comes than at so many a second, on from whichever before it was earliest. (Not at all of the number's
    rate: a part of it is left unused, or whatever is a moment late on its way would make one too many of the next second.)"""
    ahead = [at - n / pace for n, at in enumerate(ats)]
    return [at - earliest for at, earliest in zip(ahead, accumulate(ahead, min), strict=True)]


async def _send_queued(scene: Scene, rate: int, count: int) -> None:
    """Queue so many, and wait until they are sent, but not for ever."""
    before, deadline = await scene.accepted(), time.monotonic() + PACED_S * 2
    await scene.queue(rate, count)
    while await scene.accepted() < before + count and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


def _cpu_s(stage: Stage, app: Child) -> float:
    """CPU seconds that the process and the server have used."""
    running = stage.cluster.running()
    assert running is not None
    return watch.cpu_s(app.process.pid) + watch.cpu_s(running.pid)


async def overtaken(stage: Stage, say: Say) -> Values:
    """Row 7b: replies on a number that has a campaign of 100,000 in its queue, at its usual rate."""
    texts = Texts(0, OVERTAKING, OVERTAKING, 0)
    async with stage.scene() as scene, scene.serving() as app:
        await warm(scene, app)
        await scene.queue(80, CAMPAIGN, "marketing")
        await asyncio.sleep(3)
        before = await scene.accepted()
        result = await send(Job("open", port_of(app), texts, rate=5))
        await asyncio.sleep(3)
        latencies = match(texts.senders, result.intended, (await scene.replies())[before:])
    if result.failed or len(latencies) != texts.count:
        say(f"{len(latencies)} replies to {texts.count} texts beside a campaign, {result.failed} failed")
        return {"overtake": None}
    return {"overtake": percentile(latencies, 0.99) * 1000}


async def shared(stage: Stage, say: Say) -> Values:
    """Row 7c: numbers that each want more than the machine gives, half of them one tenant's, when all of them send; by the
    simulator's log."""
    async with stage.scene() as scene:
        await scene.crowd(CROWD)
        async with scene.serving(statuses=False):
            await scene.ask("settings", {"latency_s": PACED_LATENCY_S})
            await scene.queue(CROWD_RATE, CROWD_EACH, shops="muitas-%")
            await asyncio.sleep(SETTLING_S + SHARED_S)
            replies = await scene.replies()
    until = replies[-1].at
    all_counts = Counter(line.phone_number_id for line in replies)
    counts = Counter(line.phone_number_id for line in replies if until - SHARED_S <= line.at)
    say(f"{len(counts)} numbers sent {min(counts.values())} to {max(counts.values())} each in {SHARED_S:g} s")
    dry = sum(n >= CROWD_EACH for n in all_counts.values())
    if dry or len(counts) < sum(CROWD):
        say(f"of {sum(CROWD)} numbers {sum(CROWD) - len(counts)} sent nothing, {dry} had nothing left")
    held = not dry and len(counts) == sum(CROWD)
    return {"unequal": deviation(list(counts.values())) if held else None, "shared": counts.total() / SHARED_S}


def deviation(counts: Sequence[int]) -> float:
    """How far the one that is farthest from the mean is from it, as a part of it."""
    mean = sum(counts) / len(counts)
    return max(abs(n - mean) for n in counts) / mean


async def claims(stage: Stage, say: Say) -> Values:
    """Row 7d: claims beside few and beside many queued messages of marketing, by turns, before and after the planner has heard of
    them."""
    async with stage.scene() as few, stage.scene() as many:
        for scene, count in ((few, FEW), (many, MANY)):
            began = time.monotonic()
            await scene.queue(80, count, "marketing")
            say(f"{count:,} messages queued in {time.monotonic() - began:.0f} s")
        found = []
        for analyzed in (False, True):
            for category, marketing in CLAIM_KINDS:
                few_ms, many_ms = await _claim_by_turns((few, many), category, marketing=marketing, analyzed=analyzed)
                how = f"{'marketing too' if marketing else 'no marketing'}, {'' if analyzed else 'not '}analyzed"
                say(f"{category} ({how}): {few_ms:.2f} ms beside few, {many_ms:.2f} beside many")
                found.append((many_ms / few_ms, many_ms))
    return {"claim_to_few": max(ratio for ratio, _ in found), "claim_ms": max(ms for _, ms in found)}


async def _claim_by_turns(scenes: Sequence[Scene], category: str, *, marketing: bool, analyzed: bool) -> list[float]:
    """Milliseconds that a claim of this category takes in each, marketing being looked for too or not; the median."""
    spans: list[list[float]] = [[] for _ in scenes]
    async with contextlib.AsyncExitStack() as stack:
        claimers = []
        for scene in scenes:
            if category != "marketing":
                await scene.queue(80, CLAIMS * CLAIMED, category)
            async with scene.looking() as admin:
                if analyzed:
                    await admin.execute("ANALYZE")
                number = (await admin.fetch(NUMBERS, "loja-0"))[0]
            database = await scene.connect()
            stack.push_async_callback(database.close)
            claimers.append((database, number["tenant_id"], number["id"]))
        for _ in range(CLAIMS):
            for its, (database, tenant_id, number_id) in zip(spans, claimers, strict=True):
                span, claimed = await database.transact(tenant_id, partial(_claim, number_id, marketing))
                its.append(span)
                assert claimed == [category] * CLAIMED
    return [percentile(its, 0.5) * 1000 for its in spans]


async def _claim(number_id: UUID, marketing: bool, tx: Tx) -> tuple[float, list[str]]:
    """The statements of a sender that has nothing to record: seconds that they took, COMMIT left out (it is the disk's), and the
    categories of what was claimed."""
    now, began = utc_now(), time.perf_counter()
    found = await tx.all(CLAIMABLE, number_id=number_id, now=now, doubt_before=now, marketing=marketing, most=CLAIMED, seen=0)
    intents = [Intent(message.id, fresh_id(), message.contact_id, 1) for message in found]
    await tx.run(CLAIM, claims=records(intents), number_id=number_id, boot=number_id, now=now)
    return time.perf_counter() - began, [message.category for message in found]


def _fullest(ats: Sequence[float], span_s: float = 1.0) -> int:
    """How many of these instants, in order, the fullest second holds, wherever it begins."""
    return max(bisect.bisect_left(ats, at + span_s) - n for n, at in enumerate(ats))


async def first_reply(stage: Stage, say: Say) -> Values:
    """Row 9: from the start of the process to the reply to a text that is posted as soon as it listens."""
    async with stage.scene() as scene:
        began = time.time()
        async with scene.serving(ready=False, statuses=False) as app:
            await _post_first(port_of(app))
            deadline = time.monotonic() + 20
            while not await scene.accepted() and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            replies = await scene.replies()
    if not replies:
        say("no reply 20 s after the start")
    return {"first_reply": replies[0].at - began if replies else None}


async def _post_first(port: int) -> None:
    """Connect as soon as somebody listens, and post."""
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        assert time.monotonic() < deadline, "it does not listen"
        await asyncio.sleep(0.005)
    writer.write(request(body(0, 0)))
    assert b" 200 " in await reader.readline()
    writer.close()


# ── exchanges ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def warm(scene: Scene, app: Child) -> None:
    """Statements prepared, leases taken, connections open: the start is row 9's. Other customers than those who count."""
    await send(Job("open", port_of(app), Texts(10_000_000, WARM, WARM), rate=100))
    assert not await scene.left(20), "it does not come to rest"
    await asyncio.sleep(1)


async def exchange(
    scene: Scene, app: Child, say: Say, *, rate: float, count: int, customers: int, first: int = 0
) -> list[float] | None:
    """Seconds from when each text was to go to its reply at the simulator; None when the rate was not held.

    A second run begins at another `first`: a text that came before is answered by nobody.
    """
    texts = Texts(first, count, customers)
    before = await scene.accepted()
    result = await send(Job("open", port_of(app), texts, rate=rate))
    left = await scene.left()
    lines = (await scene.replies())[before:]
    latencies = match(texts.senders, result.intended, lines)
    if faults := _faults(result, left, unanswered=count - len(latencies), unexpected=len(lines) - len(latencies)):
        say(f"{rate:g}/s not held: {'; '.join(faults)}")
        return None
    return latencies


def match(senders: Sequence[str], intended: Sequence[float], replies: Sequence[Line]) -> list[float]:
    """The n-th reply to somebody answers the n-th text: seconds from when that was to go. What is too many is left out."""
    open_texts: dict[str, deque[float]] = defaultdict(deque)
    for sender, at in zip(senders, intended, strict=True):
        open_texts[sender].append(at)
    return [line.at - waiting.popleft() for line in replies if (waiting := open_texts[line.to.lstrip("+")])]


def _faults(result: Result, left: str, *, unanswered: int, unexpected: int) -> list[str]:
    lag_ms = percentile(result.lags, 0.99) * 1000
    found = [f"{n} {what}" for n, what in ((result.failed, "failed"), (unanswered, "unanswered"), (unexpected, "unexpected")) if n]
    if lag_ms > LAG_MOST_MS:
        found.append(f"the generator lagged {lag_ms:.0f} ms")
    return [*found, left] if left else found


def _at(latencies: list[float] | None, share: float) -> float | None:
    return None if latencies is None else percentile(latencies, share) * 1000


MEASURES: dict[str, tuple[Measure, ...]] = {
    "1": (acks,),
    "1b": (commits,),
    "2": (drain,),
    "3": (steady, hurried),
    "4": (slow,),
    "5": (thrift,),
    "6": (full,),
    "7": (paced,),
    "7b": (overtaken,),
    "7c": (shared,),
    "7d": (claims,),
    "8": (steady,),
    "9": (first_reply,),
}
"""Row → how it is measured. Rows 1b and 7d are measured once, the others once a round."""

LONG = ("6",)
"""Only when asked for: each takes ten minutes."""
