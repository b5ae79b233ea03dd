"""What the phone page shows: bubbles with their ticks, and the JSON that went each way. Bounded, newest kept.

Watchers are told of everything as it happens; one that cannot keep up is cut off and starts again from a snapshot, so a
page that sleeps costs nothing.
"""

import asyncio
import time
from collections import OrderedDict, deque
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw, Struct

from atendeja.simulator.settings import Number
from atendeja.simulator.world import Customer

BUBBLES = 2_000
TRAFFIC = 100
BACKLOG = 500
"""Events a watcher may lag behind."""

Side = Literal["customer", "business"]
Tick = Literal["", "accepted", "sent", "delivered", "read", "failed"]
RANK: dict[Tick, int] = {"": 0, "accepted": 1, "sent": 2, "delivered": 3, "read": 4, "failed": 5}


class Bubble(Struct):
    """A message in a chat."""

    wamid: str
    customer: str
    phone_number_id: str
    by: Side
    message: Raw
    """Meta's object: `type`, the object named like it, perhaps `context`."""
    at: float
    tick: Tick = ""


class Person(Struct):
    """A customer as the page shows him."""

    key: str
    name: str
    phone: str | None


class Traffic(Struct):
    """One HTTP exchange between the app and us."""

    at: float
    kind: Literal["webhook", "graph"]
    title: str
    request: Raw
    status: int | None
    """None: no answer."""
    answer: Raw | None = None


class Ticked(Struct):
    """A bubble's tick moved."""

    wamid: str
    tick: Tick


class Snapshot(Struct):
    """Everything, for a page that starts."""

    numbers: list[Number]
    people: list[Person]
    bubbles: list[Bubble]
    traffic: list[Traffic]


class Exchange(NamedTuple):
    """An HTTP exchange as it is kept: made readable only when somebody looks."""

    at: float
    kind: Literal["webhook", "graph"]
    title: str
    request: bytes
    status: int | None
    answer: bytes | None

    def readable(self) -> Traffic:
        answer = None if self.answer is None else _json(self.answer)
        return Traffic(self.at, self.kind, self.title, _json(self.request), self.status, answer)


Event = Bubble | Person | Traffic | Ticked
Watcher = asyncio.Queue[Event | None]
"""What one who watches reads from; None is the end."""


class Feed:
    """The newest bubbles and exchanges, and who is watching."""

    def __init__(self) -> None:
        self._bubbles: OrderedDict[str, Bubble] = OrderedDict()
        self.people: OrderedDict[str, Person] = OrderedDict()
        """Who is shown, by key."""
        self._traffic: deque[Exchange] = deque(maxlen=TRAFFIC)
        self._watchers: set[Watcher] = set()

    def reset(self) -> None:
        """Forget everything; watchers start again."""
        self._bubbles.clear()
        self.people.clear()
        self._traffic.clear()
        self.close()

    def close(self) -> None:
        """End every watcher's stream."""
        for watcher in list(self._watchers):
            self._dismiss(watcher)

    def meet(self, customer: Customer) -> Person:
        """Show this customer, by the name known now."""
        person = self.people.get(customer.key)
        if person is None or person.name != customer.name:
            person = self.people[customer.key] = Person(customer.key, customer.name, customer.wa_id)
            self._tell(person)
            if len(self.people) > BUBBLES:
                self.people.popitem(last=False)
        return person

    def add(self, customer: Customer, bubble: Bubble) -> None:
        """Show one more message."""
        self.meet(customer)
        self._bubbles[bubble.wamid] = bubble
        if len(self._bubbles) > BUBBLES:
            self._bubbles.popitem(last=False)
        self._tell(bubble)

    def tick(self, wamid: str, tick: Tick) -> None:
        """Raise a message's tick; never lowers one."""
        bubble = self._bubbles.get(wamid)
        if bubble is not None and RANK[tick] > RANK[bubble.tick]:
            bubble.tick = tick
            self._tell(Ticked(wamid, tick))

    def exchange(
        self, kind: Literal["webhook", "graph"], title: str, request: bytes, status: int | None, answer: bytes | None = None
    ) -> None:
        """Show one HTTP exchange."""
        self._traffic.append(Exchange(time.time(), kind, title, request, status, answer))
        if self._watchers:
            self._tell(self._traffic[-1].readable())

    def snapshot(self, numbers: list[Number]) -> Snapshot:
        """Everything kept, oldest first."""
        traffic = [exchange.readable() for exchange in self._traffic]
        return Snapshot(numbers, list(self.people.values()), list(self._bubbles.values()), traffic)

    def watch(self) -> Watcher:
        """A queue of everything from now on; it ends with None when its reader is too slow or the feed closes."""
        watcher: Watcher = asyncio.Queue(BACKLOG)
        self._watchers.add(watcher)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Watch no longer."""
        self._watchers.discard(watcher)

    def _tell(self, event: Event) -> None:
        for watcher in list(self._watchers):
            if watcher.full():
                self._dismiss(watcher)
            else:
                watcher.put_nowait(event)

    def _dismiss(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        while not watcher.empty():
            watcher.get_nowait()
        watcher.put_nowait(None)


def _json(data: bytes) -> Raw:
    """The bytes if they are JSON, else a JSON string of them."""
    try:
        msgspec.json.decode(data, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return Raw(msgspec.json.encode(data.decode(errors="replace")))
    return Raw(data)
