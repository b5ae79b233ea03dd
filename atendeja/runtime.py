"""What every entry point is given (`rt`): configuration, database, network, bells, time, ids, randomness, counters.

The only module that reads the clock and draws random numbers; everything else gets them as arguments, so that a test or a
replay decides what time it is.
"""

import asyncio
import contextlib
import datetime as dt
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from atendeja import broadcast, queue, vault
from atendeja.broadcast import Broadcast
from atendeja.cloud import Cloud
from atendeja.config import Config
from atendeja.db import Database, query
from atendeja.feed import WORD, Feed
from atendeja.gathering import Gathering
from atendeja.guard import Guard
from atendeja.ids import uuid7
from atendeja.leases import Identity, Leases
from atendeja.outside import Outside
from atendeja.queue import Bell
from atendeja.trial import Trials

KEEP_TIME_EVERY_S = 30.0
TRIP_S = 0.5
"""A question after the time that took longer is asked again later: its answer may be as old."""
LOOK_S = 0.2
"""How often a stop that waits looks whether it was told not to."""


def utc_now() -> dt.datetime:
    """The time of day, for what runs without a Runtime."""
    return dt.datetime.now(dt.UTC)


def fresh_id() -> UUID:
    """A UUIDv7 of now, for what is named before there is a Runtime."""
    return uuid7(time.time_ns() // 1_000_000, secrets.randbits(74))


class Time(Struct):
    at: dt.datetime


TIME = query("db.time", Time)


class Clock:
    """The time of day by the database's clock, carried on by the monotonic one; this machine's until it is first set.

    So all processes on a database agree on when something is due, and a clock here that is wrong, or put back, moves nothing.
    """

    def __init__(self) -> None:
        self._at, self._instant = utc_now(), time.monotonic()

    def __call__(self) -> dt.datetime:
        return self._at + dt.timedelta(seconds=time.monotonic() - self._instant)

    def set(self, at: dt.datetime, trip_s: float) -> None:
        """The database just said that it is `at`, give or take the time that its answer took. Moves only by more than that."""
        if abs(at - self()) > dt.timedelta(seconds=trip_s):
            self._at, self._instant = at, time.monotonic()


@dataclass
class Meter:
    """Counters and durations of this process. `metrics.py` says which exist and what they mean."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(name, label value) → how many."""
    spans: dict[str, list[float]] = field(default_factory=dict)
    """name → [count, sum of seconds, bucket counts …] over BUCKETS_S."""

    BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

    def count(self, name: str, n: int = 1, label: str = "") -> None:
        self.counts[name, label] += n

    def observe(self, name: str, seconds: float) -> None:
        span = self.spans.get(name)
        if span is None:
            span = self.spans[name] = [0.0] * (2 + len(self.BUCKETS_S))
        span[0] += 1
        span[1] += seconds
        for i, bound in enumerate(self.BUCKETS_S):
            if seconds <= bound:
                span[2 + i] += 1
                break


def number_word(number_id: UUID) -> str:
    """The word that says that a number's row has been changed."""
    return f"number:{number_id}"


class Tell(Protocol):
    """Says a word to all processes; with `n` that so many more are meant."""

    def __call__(self, word: str, n: int = 0, /) -> None: ...


class Bells:
    """One bell a stage, and one for every number that has a sender. `tell` says a word to all processes."""

    def __init__(self, tell: Tell = lambda word, n=0: None) -> None:
        self._tell = tell
        self.digest = Bell(lambda: tell("digest"))
        self.statuses = Bell(lambda: tell("statuses"))
        self.turn = Bell(lambda: tell("turn"))
        self.send = Bell(lambda: tell("send"))
        self.webhooks = Bell()
        self.numbers: dict[UUID, Bell] = {}
        """Also of those whose sender is known to be in another process."""
        self.heard: Counter[UUID] = Counter()
        """How many messages digest found on each number since its sender, if it is here, last asked: they count for its pace."""
        self.changed: set[UUID] = set()
        """Numbers whose row has perhaps been changed by others: their senders, if they are here, read it again."""
        self.hear_else: Callable[[str, str], None] = lambda what, about: None
        """Is given the words that are not of a stage or a number; an empty one when some may have been missed."""
        self.due: set[tuple[int, UUID]] = set()
        """(tenant, contact) that digest has just made due: the turn stage need not look for them. Hints only: what is due is in the
        tables, and is asked again under the lock."""

    def ring_number(self, number_id: UUID) -> None:
        """There is something to send for this number: its sender's bell, or the one that starts senders."""
        self.numbers.get(number_id, self.send).ring()

    def came_in(self, number_id: UUID, n: int) -> None:
        """So many messages came in on this number: its sender is to know, wherever it is."""
        if self._here(number_id):
            self.heard[number_id] += n
        else:
            self._tell(f"heard:{number_id}", n)

    def _here(self, number_id: UUID) -> bool:
        """Whether no other process is known to send for this number."""
        bell = self.numbers.get(number_id)
        return bell is None or not bell.is_elsewhere

    def send_elsewhere(self, number_id: UUID) -> None:
        """Another process has this number's sender, and is told: now, and at every ring from now on."""
        bell = self.numbers[number_id] = Bell(lambda: self._tell(f"send:{number_id}"))
        bell.elsewhere(math.inf)
        bell.ring()

    def work_elsewhere(self) -> None:
        """This process only stores: what it rings for is for others."""
        for bell in (self.digest, self.statuses, self.turn, self.send):
            bell.elsewhere(math.inf)

    def hear(self, word: str) -> None:
        """A process told this word. One that means nothing to us is of another release, or of somebody else."""
        stages = {"digest": self.digest, "statuses": self.statuses, "turn": self.turn, "send": self.send}
        if word == broadcast.EVERYTHING:
            self._look_everywhere(stages.values())
            self.hear_else("", "")
        elif bell := stages.get(word):
            bell.hear()
        else:
            what, id_, n, *_ = (*word.split(":"), "", "0")
            self.hear_else(what, id_)
            with contextlib.suppress(ValueError):
                self._hear_of_number(what, UUID(id_), int(n or 0))

    def _hear_of_number(self, what: str, number_id: UUID, n: int) -> None:
        bell = self.numbers.get(number_id)
        if what == "heard" and bell is not None and self._here(number_id):
            self.heard[number_id] += n
        if what == "number":
            self.changed.add(number_id)
            bell = bell or self.send  # it may have been stopped
        if bell is not None and what in ("send", "number"):
            bell.hear()

    def change_number(self, number_id: UUID) -> None:
        """Its row is another one now: its sender is to read it, wherever it is."""
        self.changed.add(number_id)
        self._tell(number_word(number_id))

    def _look_everywhere(self, stages: Iterable[Bell]) -> None:
        for number_id in [number_id for number_id, bell in self.numbers.items() if bell.is_elsewhere]:
            del self.numbers[number_id]
        self.changed |= self.numbers.keys()
        for bell in (*stages, *self.numbers.values()):
            bell.perhaps_here()
            bell.hear()


@dataclass
class Runtime:
    config: Config
    db: Database
    cloud: Cloud
    who: Identity
    leases: Leases = field(init=False)
    broadcast: Broadcast = field(init=False)
    bells: Bells = field(init=False)
    meter: Meter = field(default_factory=Meter)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    stop_by: float = math.inf
    """Until when, on the monotonic clock, what is in flight at a stop has time."""
    beats: dict[str, float] = field(default_factory=dict)
    """Loop → when it last came round, on the monotonic clock."""
    clock: Callable[[], dt.datetime] = field(default_factory=Clock)
    monotonic: Callable[[], float] = time.monotonic
    guard: Guard = field(init=False)
    feed: Feed = field(init=False)
    outside: Outside = field(init=False)
    trials: Trials = field(default_factory=Trials)
    dice: random.Random = field(default_factory=lambda: random.Random(secrets.randbits(128)))  # noqa: S311  (ids and jitter; secrets come from `secrets`)

    def __post_init__(self) -> None:
        self.leases = Leases(self.who)
        self.broadcast = Broadcast(self.db)
        self.bells = Bells(self.broadcast.tell)
        self.guard = Guard(self.config.state_dir)
        self.feed = Feed(self, lambda: self.monotonic(), self.broadcast.tell)
        self.outside = Outside(self.config.outside_trusted)
        self.bells.hear_else = self._hear

    def stop(self) -> None:
        """The order to stop: nothing new is begun, what is in flight has SHUTDOWN_GRACE_S in all; a second order ends that."""
        self.stop_by = self.monotonic() + (0 if self.stopping.is_set() else self.config.shutdown_grace_s)
        self.stopping.set()
        self.feed.hub.end()

    def _hear(self, what: str, about: str) -> None:
        """A word that is not of a stage or a number."""
        self.feed.hear(what, about)
        if what in (WORD, ""):
            self.bells.webhooks.hear()

    async def grant(self, task: asyncio.Task[None]) -> None:
        """After `stop`: wait for what is in flight while its time lasts, then cancel it. Does not wait for that."""
        left_s = 1.0
        while left_s > 0 and not task.done():
            left_s = max(0.0, self.stop_by - self.monotonic())
            await asyncio.wait({task}, timeout=min(left_s, LOOK_S))
        task.cancel()

    async def gather(self, gathering: Gathering) -> None:
        """Wait until a round is to begin, but not beyond the order to stop."""
        if (wait_s := gathering.wait_s(self.monotonic())) > 0:
            await queue.pause(self.stopping, wait_s)

    async def keep_time(self) -> None:
        """Set our clock by the database's. Raises Unavailable."""
        began = time.monotonic()
        async with self.db.session() as session:
            said = await session.one(TIME)
        trip_s = time.monotonic() - began
        if said is not None and isinstance(self.clock, Clock) and trip_s < TRIP_S:
            self.clock.set(said.at, trip_s)

    def now(self) -> dt.datetime:
        """The time of day, UTC, by the database's clock."""
        return self.clock()

    def new_id(self) -> UUID:
        """A UUIDv7 of now."""
        return uuid7(int(self.clock().timestamp() * 1000), self.dice.getrandbits(74))

    def new_attempt_id(self) -> UUID:
        """128 random bits that nobody can guess: they travel in the callback data."""
        return UUID(bytes=secrets.token_bytes(16))

    def secret(self) -> bytes:
        """32 random bytes that nobody can guess."""
        return secrets.token_bytes(32)

    def nonce(self) -> bytes:
        return secrets.token_bytes(vault.NONCE_BYTES)

    @cached_property
    def callback_keys(self) -> list[bytes]:
        """MAC keys of the callback data: the first signs, all are accepted."""
        return [vault.derive(key, "callback") for key in self.config.secret_keys]
