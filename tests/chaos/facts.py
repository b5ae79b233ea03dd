"""What the invariants are judged by: the database as its superuser sees it at one moment, and the simulator's log joined to it.

The log's lines are tied to attempts by the callback data alone, so that what the ledger says of an attempt proves nothing here.
"""

import base64
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar, cast
from uuid import UUID

import asyncpg
from msgspec import Struct, field

from atendeja import vault
from atendeja.simulator.witness import Line
from atendeja.wa import callback
from tests import world

KEYS = (vault.derive(base64.b64decode(world.SECRET_KEY), "callback"),)
"""MAC keys of the callback data, as `Runtime.callback_keys` derives them from the tests' SECRET_KEY."""

R = TypeVar("R", bound=Struct)


class Acknowledged(Struct, frozen=True):
    """A customer's text that some process answered 200: `at` in unix seconds, `number` its phone_number_id."""

    wamid: str
    sender: str
    number: str
    at: float


class Evidence(Struct):
    """What was seen from outside: the simulator's whole log, what was acknowledged, how often something was killed."""

    lines: list[Line]
    acknowledged: list[Acknowledged]
    kills: int = 0
    in_flight: int = 0
    lost: int = 0
    """POSTs, and answers, that were lost on the wire."""
    """The most POSTs that were open at a kill: with `kills` the bound of `unknown`."""


class Number(Struct, frozen=True):
    id: UUID
    phone_number_id: str
    rate: int


class Event(Struct, frozen=True):
    id: UUID
    tenant_id: int
    key: str
    phone_number_id: str | None
    contact_id: UUID | None
    conversation_id: UUID | None
    state: str
    turn_no: int | None
    arrival: int
    position: int
    received_at: dt.datetime
    kind: str
    said: str | None

    @property
    def place(self) -> tuple[int, int]:
        return self.arrival, self.position


class Conversation(Struct, frozen=True):
    id: UUID
    turn_no: int
    taken_at: dt.datetime | None
    silent_turns: int
    """Flow sessions that ended by running out of time: a turn, but one without a trace."""


class Step(Struct, frozen=True):
    id: UUID
    conversation_id: UUID
    flow_session_id: UUID
    turn_no: int
    step_no: int
    event: str
    says: int


class Message(Struct, frozen=True):
    id: UUID
    tenant_id: int
    conversation_id: UUID
    contact_id: UUID
    source: str
    source_id: UUID
    source_no: int
    ordinal: int
    category: str
    policy: str
    seq: int | None
    state: str
    reason: str | None
    created_at: dt.datetime
    accepted_at: dt.datetime | None
    sent_at: dt.datetime | None
    failed_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    played_at: dt.datetime | None


class Attempt(Struct, frozen=True):
    id: UUID
    message_id: UUID
    phone_number_id: str | None
    n: int
    state: str
    wamid: str | None
    claimed_at: dt.datetime


class OptOut(Struct, frozen=True):
    """A declaration about marketing; `effective_at` is a moment at which it had surely been committed."""

    contact_id: UUID
    state: str
    arrival: int
    position: int
    effective_at: dt.datetime

    @property
    def place(self) -> tuple[int, int]:
        return self.arrival, self.position


class Post(Struct, frozen=True):
    """A line of the log with the attempt that its callback data names; None when it names none that exists."""

    line: Line
    attempt_id: UUID | None
    attempt: Attempt | None

    @property
    def at(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.line.at, dt.UTC)


class Facts(Struct, dict=True):
    """One moment of the database, and the log."""

    evidence: Evidence
    keys: Sequence[bytes]
    doubt_s: float
    numbers: list[Number] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    conversations: list[Conversation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    opt_outs: list[OptOut] = field(default_factory=list)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    stored: int = 0
    """Deliveries that wait to be digested."""

    @cached_property
    def posts(self) -> list[Post]:
        """Every line, in the order of the log."""
        by_id = {attempt.id: attempt for attempt in self.attempts}
        found = []
        for line in self.evidence.lines:
            id_ = callback.read(line.opaque, self.keys) if line.opaque else None
            found.append(Post(line, id_, by_id.get(id_) if id_ else None))
        return found

    @cached_property
    def accepted(self) -> list[Post]:
        return [post for post in self.posts if post.line.wamid is not None]

    @cached_property
    def message_of(self) -> dict[UUID, Message]:
        return {message.id: message for message in self.messages}

    @cached_property
    def attempts_of(self) -> dict[UUID, list[Attempt]]:
        """A message's attempts, the first first."""
        found = defaultdict(list)
        for attempt in sorted(self.attempts, key=lambda attempt: attempt.n):
            found[attempt.message_id].append(attempt)
        return found

    @cached_property
    def acceptances(self) -> dict[UUID, list[Post]]:
        """Message → what of it was accepted, in the order of the log."""
        found = defaultdict(list)
        for post in self.accepted:
            if post.attempt is not None:
                found[post.attempt.message_id].append(post)
        return found

    def who(self, contact_id: UUID) -> UUID:
        """The contact that this one was merged into, or itself."""
        return self.merged.get(contact_id, contact_id)


NUMBERS = "SELECT id, phone_number_id, rate FROM number"
EVENTS = """
    SELECT e.id, e.tenant_id, e.key, n.phone_number_id, e.contact_id, e.conversation_id, e.state::text, e.turn_no,
           e.arrival, e.position, e.received_at, e.kind,
           CASE e.kind WHEN 'text' THEN e.content->'content'->>'body' WHEN 'button' THEN e.content->'content'->>'text' END
    FROM event e LEFT JOIN number n ON n.tenant_id = e.tenant_id AND n.id = e.number_id ORDER BY e.arrival, e.position
"""
CONVERSATIONS = """
    SELECT v.id, v.turn_no, v.taken_at, (
        SELECT count(*) FROM flow_session s
        WHERE s.tenant_id = v.tenant_id AND s.conversation_id = v.id AND s.state IN ('expired', 'failed')
    ) FROM conversation v ORDER BY v.id
"""
STEPS = """
    SELECT id, conversation_id, flow_session_id, turn_no, step_no, coalesce(trace->>'event', ''),
           (SELECT count(*) FROM jsonb_array_elements_text(coalesce(trace->'effects', '[]')) AS e WHERE e LIKE 'say#%')
    FROM step ORDER BY conversation_id, turn_no, step_no
"""
MESSAGES = """
    SELECT id, tenant_id, conversation_id, contact_id, source::text, source_id, source_no, ordinal, category::text, policy::text,
           seq, state::text, reason, created_at, accepted_at, sent_at, failed_at, delivered_at, read_at, played_at
    FROM message ORDER BY created_at, id
"""
ATTEMPTS = """
    SELECT a.id, a.message_id, n.phone_number_id, a.n, a.state::text, a.wamid, a.claimed_at
    FROM attempt a LEFT JOIN number n ON n.tenant_id = a.tenant_id AND n.id = a.number_id ORDER BY a.claimed_at
"""
OPT_OUTS = """
    SELECT c.contact_id, c.state, c.arrival, c.position, coalesce(d.digested_at, c.at + interval '1 minute')
    FROM consent c LEFT JOIN delivery d ON d.seq = c.arrival WHERE c.purpose = 'marketing' ORDER BY c.arrival, c.position
"""
MERGED = "SELECT id, merged_into FROM contact WHERE merged_into IS NOT NULL"
STORED = "SELECT count(*) FROM delivery WHERE state = 'stored'"


async def load(connection: asyncpg.Connection, evidence: Evidence, keys: Sequence[bytes], doubt_s: float) -> Facts:
    """All of it, of one moment. The connection's user must see every row."""

    async def rows(sql: str, kind: type[R]) -> list[R]:
        return [kind(*row) for row in await connection.fetch(sql)]

    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return Facts(
            evidence,
            keys,
            doubt_s,
            numbers=await rows(NUMBERS, Number),
            events=await rows(EVENTS, Event),
            conversations=await rows(CONVERSATIONS, Conversation),
            steps=await rows(STEPS, Step),
            messages=await rows(MESSAGES, Message),
            attempts=await rows(ATTEMPTS, Attempt),
            opt_outs=await rows(OPT_OUTS, OptOut),
            merged={row["id"]: row["merged_into"] for row in await connection.fetch(MERGED)},
            stored=cast("int", await connection.fetchval(STORED)),
        )
