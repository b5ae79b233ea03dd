"""What surrounds the books of one message: senders that die and freeze, the wire, WhatsApp, time. No clock, no chance: what may
happen next is a list (`events`), and whatever is on it happens in some run (`step`).

A sender looks (locks what is queued), commits its claim, passes the fence, writes, is answered, records. Time shows only where it
decides: a claim is *slow* when its sender was stopped, *stale* when it is surely older than the fence; the time in doubt is up
only when a sender that runs has nothing in hand any more (fence and time-out together are far shorter).
"""

from typing import NamedTuple, get_args

from tests.outbound.model.books import Books, Status
from tests.outbound.model.designs import Policy

IN_HAND = frozenset({"held", "clear", "open", "got"})
STATUSES: tuple[Status, ...] = get_args(Status)
ANSWERED = frozenset({"accepted", "refused", "refused for now"})
"""What WhatsApp answers; a sender calls it by the same name."""


class Limits(NamedTuple):
    """How often the world may go wrong."""

    kills: int = 0
    pauses: int = 0
    """Senders stopped and gone on (SIGSTOP, SIGCONT), for however long."""
    cuts: int = 0
    """Senders cut off from the database."""
    lost: int = 0
    """Requests or answers lost on the way, answers too late."""
    refusals: int = 0
    sick: int = 0
    """Times that statuses cannot reach us."""
    holds: int = 0
    newer: int = 0
    """Newer messages of the customer."""
    closings: int = 0
    """Times that the window closes: for good."""


class Scenario(NamedTuple):
    """What is explored."""

    policy: Policy
    limits: Limits
    senders: int = 2
    statuses: tuple[Status, ...] = ("sent", "delivered", "failed")
    """Those that WhatsApp may report of what it accepted: in any order, twice, late or never."""
    prompt: bool = False
    """Every status is at our door before the time in doubt is up."""
    brief: bool = False
    """No pause outlasts a lease."""


class Sender(NamedTuple):
    """A process, which starts again when it is killed. `boot` is its run: a number above 0."""

    boot: int
    life: str = "up"  # up, paused, cut
    looked: bool = False
    """In a transaction that found the message queued."""


class Flight(NamedTuple):
    """An attempt outside the ledger: where its sender has come to with it, and what WhatsApp made of it."""

    sender: int
    hand: str = "held"  # held, clear (past the fence), open (written), got (an answer), done, gone
    outcome: str = ""
    meta: str = ""  # flying, accepted, refused, refused for now, lost
    told: str = ""
    """The highest status of it that we were told."""
    slow: bool = False
    stale: bool = False
    excused: bool = False
    """When the message was queued again, nobody could know what became of this."""


class World(NamedTuple):
    """A state of everything."""

    books: Books
    senders: tuple[Sender, ...]
    left: Limits
    statuses: tuple[Status, ...]
    prompt: bool
    brief: bool
    lease: int = 0
    """Whose run has the number's lease; 0 when it has ended."""
    flights: tuple[Flight, ...] = ()
    healthy: bool = True
    newer: bool = False
    window: bool = True
    held: bool = False


class Event(NamedTuple):
    """Something that happens, to a sender (from 0), an attempt (from 1) or to all."""

    kind: str
    n: int = -1
    what: str = ""

    def __str__(self) -> str:
        return " ".join([self.kind, str(self.n) if self.n >= 0 else "", self.what]).strip()


FAIR = frozenset({
    "resume", "mend", "lease_ends", "take", "look", "commit", "fence", "write", "land", "no_answer", "answer", "record", "doubt",
    "resolve", "withdraw", "well", "unhold",
})  # fmt: skip
"""What happens by itself when nothing more goes wrong and nobody helps: an end must be reachable by these."""


def begin(scenario: Scenario) -> World:
    """One message is queued; the first sender has the lease."""
    senders = tuple(Sender(n + 1) for n in range(scenario.senders))
    return World(Books(scenario.policy), senders, scenario.limits, scenario.statuses, scenario.prompt, scenario.brief, lease=1)


def owner(world: World, boot: int) -> int:
    """Which sender's run this is."""
    return (boot - 1) % len(world.senders)
