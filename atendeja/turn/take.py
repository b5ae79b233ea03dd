"""Taking turns: the contacts that are due, many in one transaction, each under its lock.

Lock, then load in later statements (what committed while we waited is seen), decide without I/O, write once.
A contact whose turn fails by a bug, or kills the process, is found and put aside (`poison`): nobody else waits for it.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from typing import Literal
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from atendeja import consent, contacts, failpoints, outbound, queue
from atendeja.db import Tx, query, records
from atendeja.feed.shapes import Changed
from atendeja.flow import session as flow
from atendeja.flow.engine import Program
from atendeja.flows import Programs
from atendeja.ledger import AttemptId
from atendeja.notify import notice
from atendeja.outbound import Lending, Outgoing, Ready
from atendeja.outbound.senders import Senders
from atendeja.runtime import Runtime
from atendeja.turn.decide import Decision, Situation, Talk, Trace, Unhandled, Verdict, decide
from atendeja.turn.poison import Suspects

log = structlog.get_logger(__name__)

MOST_DUE = 400
MOST_A_TURN = 100
TENANTS_AT_ONCE = 4
LOOK_EVERY_S = 0.5
"""Digest's hints are all that it made due; timers, and what others left, are found by asking the table this often at least."""
LATELY = dt.timedelta(seconds=60)


class DueContact(Struct, frozen=True):
    tenant_id: int
    contact_id: UUID


class FactRow(Struct, frozen=True):
    id: UUID
    contact_id: UUID
    number_id: UUID
    state: str
    owner: str
    queue: str | None
    human_at: dt.datetime | None
    turn_no: int
    seq: int
    window_until: dt.datetime | None
    taken_at: dt.datetime | None
    name: str | None
    phone: str | None
    user_id: str | None
    language: str | None
    tags: list[str]
    fields: bytes
    business_phone: str
    business_name: str
    timezone: str
    flow_version_id: UUID | None
    memory: bytes | None
    sent_lately: int
    """Messages of the flows in the last minute: the runaway guard."""
    must_queue: bool
    """Something unfinished stands before what would be said now, a hold is on it, or Meta has closed the window."""
    waiting: bytes | None
    """JSON: the events that wait for an answer, in the order of arrival."""
    published: bytes | None
    """JSON: the flows that may open, in the order in which they are asked: a number's own before the tenant's, then by age."""


class Published(Struct, frozen=True):
    number_id: UUID | None
    version_id: UUID


DUE = query("turn.due", DueContact)
FACTS = query("turn.facts", FactRow)
SAVE = query("turn.save", AttemptId)

_session = msgspec.json.Decoder(flow.Session)
_fields = msgspec.json.Decoder(dict[str, object])
_waiting = msgspec.json.Decoder(list[Unhandled])
_published = msgspec.json.Decoder(list[Published])


class Turns:
    """The resident loop's work of the turn stage."""

    def __init__(self, rt: Runtime, senders: Senders | None = None) -> None:
        self._rt = rt
        self._senders = senders or Senders(rt)
        self._programs = Programs()
        self.suspects = Suspects(rt, self._take_alone)
        self._idle = False
        """Whether the last look found nothing."""
        self._looked_at = float("-inf")
        """When the table was last asked who is due, on the monotonic clock."""

    async def work(self) -> bool:
        """Answer a batch of due contacts, then some that must run alone. True when there may be more."""
        await self.suspects.begin()
        hints, self._rt.bells.due = self.suspects.clear_of_suspects(self._rt.bells.due), set()
        due = {DueContact(*hint) for hint in islice(hints, MOST_DUE)}
        look = not hints or self._rt.monotonic() - self._looked_at > LOOK_EVERY_S
        if look:
            due |= set(await self._look())
        answered = await self._take_all(due) if due else 0
        idle, self._idle = self._idle, not due
        more = await self.suspects.work()
        if idle and self._idle:  # at the second look that finds nothing: the first comes after each batch
            await self.suspects.rest()
        # who was hinted at and answered was all there was to ring for; who was not (somebody had the lock) is looked for again
        return more or (answered > 0 if look else answered < max(len(due), len(hints)))

    async def _look(self) -> list[DueContact]:
        self._looked_at = self._rt.monotonic()
        async with self._rt.db.session() as session:
            return await session.all(DUE, at=self._rt.now(), most=MOST_DUE, boot=self._rt.who.boot)

    async def _take_all(self, due: set[DueContact]) -> int:
        """Answer these, at most some tenants at a time. Returns how many were ours to answer."""
        failpoints.reach("turn.claimed")
        by_tenant: dict[int, list[UUID]] = {}
        for d in due:
            by_tenant.setdefault(d.tenant_id, []).append(d.contact_id)
        gate = asyncio.Semaphore(TENANTS_AT_ONCE)
        chunks = [(t, sorted(ids)[i : i + MOST_A_TURN]) for t, ids in by_tenant.items() for i in range(0, len(ids), MOST_A_TURN)]
        async with self.suspects.named([(d.tenant_id, d.contact_id) for d in due]) as named:
            takes = (self._take_batch(gate, tenant_id, ids, named) for tenant_id, ids in chunks)
            found = await asyncio.gather(*takes, return_exceptions=True)  # all have ended before others are named
        total = 0
        for answered in found:
            if isinstance(answered, BaseException):
                raise answered
            total += answered
        return total

    async def _take_batch(
        self, gate: asyncio.Semaphore, tenant_id: int, contact_ids: list[UUID], named: Callable[[], Awaitable[None]]
    ) -> int:
        """Answer these contacts of a tenant; those that fail alone are counted. Returns how many were ours to answer."""
        answered = 0

        async def take_some(some: Sequence[UUID]) -> None:
            nonlocal answered
            answered += await self.take(tenant_id, some, named)

        async with gate:
            for contact_id, error in await queue.halve(contact_ids, take_some):
                await self.suspects.count_failure(tenant_id, contact_id, error)
                answered += 1
        return answered

    async def _take_alone(self, tenant_id: int, contact_ids: Sequence[UUID]) -> int:
        return await self.take(tenant_id, contact_ids)

    async def take(self, tenant_id: int, contact_ids: Sequence[UUID], named: Callable[[], Awaitable[None]] | None = None) -> int:
        """Answer these contacts: everything unanswered so far, in one commit. Returns how many were due and not locked.

        `named` is awaited between load and decision.
        """
        rt, started = self._rt, self._rt.monotonic()

        async def work(tx: Tx) -> list[Verdict]:
            lending.recall()  # of a run that failed
            locked = [row.id for row in await tx.all(contacts.LOCK_DUE, ids=list(contact_ids), now=rt.now(), boot=rt.who.boot)]
            if not locked:
                return []
            situations = await self._load(tx, locked)
            if named is not None:
                await named()
            failpoints.reach("turn.loaded", about=locked)
            verdicts = [decide(s, rt.now(), rt.new_id) for s in situations]
            await apply(tx, rt, verdicts, lending if durable else None)
            failpoints.reach("turn.before_commit")
            lending.sealed_at = rt.monotonic()
            return verdicts

        with self._senders.lending() as lending:
            # with a sender here a claim may be in it, which must be on the disk before its POST; else the sender's own commit will
            # carry this one along
            durable = self._senders.send_for(tenant_id)
            verdicts = await rt.db.transact(tenant_id, work, durable=durable)
            failpoints.reach("turn.after_commit")
            on_their_way = lending.launch()
        self._announce(tenant_id, verdicts, on_their_way)
        rt.meter.observe("turn_seconds", rt.monotonic() - started)
        return len(verdicts)

    async def _load(self, tx: Tx, contact_ids: list[UUID]) -> list[Situation]:
        """The facts of these contacts, in statements that began after the lock was ours."""
        now = self._rt.now()
        rows = await tx.all(FACTS, contact_ids=contact_ids, since=now - LATELY)
        published = _published.decode(rows[0].published) if rows and rows[0].published else []
        pinned = [r.flow_version_id for r in rows if r.flow_version_id is not None]
        programs = await self._programs.load(tx, [*pinned, *(p.version_id for p in published)])
        talks: dict[UUID, list[FactRow]] = {id_: [] for id_ in contact_ids}
        for row in rows:
            talks[row.contact_id].append(row)
        return [Situation(id_, _facts(mine), [_talk(row, published, programs) for row in mine]) for id_, mine in talks.items()]

    def _announce(self, tenant_id: int, verdicts: Sequence[Verdict], on_their_way: set[UUID]) -> None:
        """After the COMMIT: ring the senders of what is not on its way, say what people should know, look again when something
        is due. What follows a reply that is on its way is found when that is recorded."""
        rt = self._rt
        decisions = [d for v in verdicts for d in v.decisions]
        for number_id in {d.talk.number_id for d in decisions if d.says and d.talk.id not in on_their_way}:
            rt.bells.ring_number(number_id)
        for d in decisions:
            for kind, detail in d.notices:
                notice(rt.meter, kind, tenant_id=tenant_id, conversation_id=str(d.talk.id), detail=detail)  # type: ignore[arg-type]  # kinds of notify.Kind, from decide
            if d.turn_no is not None:
                log.info(
                    "turn_taken",
                    tenant_id=tenant_id,
                    conversation_id=str(d.talk.id),
                    turn_no=d.turn_no,
                    events=len(d.closings),
                    replies=len(d.says),
                )
        rt.meter.count("turns_taken", sum(d.turn_no is not None for d in decisions))
        rt.meter.count("replies_queued", sum(len(d.says) for d in decisions))
        now = rt.now()
        for v in verdicts:
            if v.due_at is not None and v.due_at - now < dt.timedelta(seconds=queue.SWEEP_S):
                rt.bells.turn.ring_in((v.due_at - now).total_seconds())


def _facts(rows: Sequence[FactRow]) -> flow.Facts:
    row = rows[0] if rows else None
    return flow.Facts(
        name=(row and row.name) or "",
        phone=(row and row.phone) or "",
        language=(row and row.language) or "",
        tags=row.tags if row else [],
        fields=_fields.decode(row.fields) if row else {},
        business_name=row.business_name if row else "",
        business_phone=row.business_phone if row else "",
        timezone=row.timezone if row else "UTC",
        recent_out=sum(r.sent_lately for r in rows),
    )


def _talk(row: FactRow, published: Sequence[Published], programs: dict[UUID, Program]) -> Talk:
    book = [programs[p.version_id] for p in published if p.number_id in (None, row.number_id) and p.version_id in programs]
    session = _session.decode(row.memory) if row.memory is not None else None
    pinned = programs.get(row.flow_version_id) if row.flow_version_id is not None else None
    return Talk(
        row.id,
        row.contact_id,
        row.number_id,
        row.state,
        row.owner,
        row.queue,
        row.human_at,
        row.turn_no,
        row.seq,
        session,
        pinned,
        book,
        _waiting.decode(row.waiting) if row.waiting else [],
        None if row.must_queue else Ready(row.phone, row.user_id, row.taken_at, row.window_until),
    )


# ── writing a turn: every effect has its place here ──────────────────────────────────────────────────────────────────────


class ConversationRow(Struct):
    id: UUID
    state: str
    owner: str
    queue: str | None
    human_at: dt.datetime | None
    turn_no: int
    seq: int


class SessionRow(Struct):
    """A flow session as it is saved: the engine's Session whole, and beside it what queries ask for."""

    id: str
    conversation_id: UUID
    flow_version_id: str
    state: str
    node: str
    due_at: dt.datetime | None
    memory: flow.Session
    started_at: dt.datetime
    ended_at: dt.datetime | None


class StepRow(Struct):
    """A node visited, as it is kept."""

    id: UUID
    flow_session_id: UUID
    conversation_id: UUID
    turn_no: int
    step_no: int
    node: str
    trace: flow.TraceRow


class ContactRow(Struct):
    id: UUID
    due_at: dt.datetime | None
    tags: list[str] | None
    """None: as they were."""


async def apply(tx: Tx, rt: Runtime, verdicts: Sequence[Verdict], lending: Lending | None = None) -> None:
    """Write these decisions: all in one statement but the consents. What people are sent has been through outbound's door."""
    now, lending = rt.now(), lending or Lending()
    decisions = [d for v in verdicts for d in v.decisions]
    taken = [d for d in decisions if d.turn_no is not None]
    messages = outbound.prepare([m for d in taken for m in _messages(d)], now, rt.new_id, lending)
    consents = await _consents(tx, rt, taken, now)
    await consent.put(tx, consents)
    claimed = await tx.all(
        SAVE,
        messages=records(messages),
        boot=lending.boot,
        seen=lending.seen,
        now=now,
        conversations=records(_conversation(d) for d in taken),
        sessions=records(_session_row(d, s, now) for d in taken for s in d.sessions.values()),
        steps=records(_step(d, t, rt.new_id()) for d in taken for t in d.traces),
        closings=records(c for d in decisions for c in d.closings),
        contacts=records(ContactRow(v.contact_id, v.due_at, v.tags) for v in verdicts),
    )
    await contacts.index(tx, [v.contact_id for v in verdicts if v.tags is not None])
    lending.keep({row.id for row in claimed})
    if rt.feed.wants(tx.tenant_id) and (told := [*consent.tell(consents), *(c for d in taken for c in _changes(d))]):
        await rt.feed.tell(tx, told)


def _changes(d: Decision) -> Iterator[Changed]:
    """What whoever listens is told of a conversation: whose it is now, and that it is over."""
    talk = d.talk
    owner: Literal["bot", "human"] = "human" if d.owner == "human" else "bot"
    if owner != talk.owner:
        yield Changed(talk.id, talk.contact_id, talk.number_id, "handed_off" if owner == "human" else "released", owner, d.queue)
    if d.state == "closed" != talk.state:
        yield Changed(talk.id, talk.contact_id, talk.number_id, "closed", owner, d.queue)


def _messages(d: Decision) -> list[Outgoing]:
    """The turn's replies; each draws its place among the conversation's service messages."""
    assert d.turn_no is not None
    talk, made = d.talk, []
    for ordinal, say in enumerate(d.says):
        d.seq += 1
        made.append(
            Outgoing(
                talk.number_id,
                talk.contact_id,
                talk.id,
                "turn",
                talk.id,
                d.turn_no,
                ordinal,
                say.content,
                d.seq,
                ready=talk.ready if ordinal == 0 else None,  # the others wait for their predecessor
            )
        )
    return made


def _conversation(d: Decision) -> ConversationRow:
    assert d.turn_no is not None
    return ConversationRow(d.talk.id, d.state, d.owner, d.queue, d.human_at, d.turn_no, d.seq)


def _session_row(d: Decision, s: flow.Session, now: dt.datetime) -> SessionRow:
    ended_at = None if s.live else now
    return SessionRow(s.id, d.talk.id, s.version_id, s.state, s.node, s.due_at, s, s.started_at, ended_at)


def _step(d: Decision, t: Trace, id_: UUID) -> StepRow:
    assert d.turn_no is not None
    return StepRow(id_, t.session_id, d.talk.id, d.turn_no, t.row.step, t.row.node, t.row)


async def _consents(tx: Tx, rt: Runtime, taken: Sequence[Decision], now: dt.datetime) -> list[consent.Entry]:
    """What flows asked to record; what stands already (an opt-out that digest wrote) is not written twice."""
    asked = [(d, c, event, version) for d in taken for c, event, version in d.consents]
    if not asked:
        return []
    standing = await consent.load(tx, [d.talk.contact_id for d, *_ in asked])
    entries = []
    for d, c, event, version in asked:
        key = d.talk.contact_id, c.purpose
        if standing.get(key) != c.state:
            standing[key] = c.state
            evidence: dict[str, object] = {"wamid": event.key if event else None, "text": c.text, "flow_version": version}
            arrival, position = (event.arrival, event.position) if event else (None, 0)
            entries.append(consent.Entry(rt.new_id(), *key, c.state, "flow", evidence, arrival, position, now))
    return entries
