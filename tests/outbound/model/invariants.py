"""What must hold in every state and at every step, by the names that the promises have in the design."""

from collections.abc import Callable

from atendeja.ledger import RANK
from tests.outbound.model.books import FINAL, SUCCESS
from tests.outbound.model.designs import REAL
from tests.outbound.model.world import World

MAY_GO_BACK = {("sending", "queued"), ("in_doubt", "queued")}


def acceptances(world: World) -> int:
    """How many times WhatsApp has taken the message."""
    return sum(flight.meta == "accepted" for flight in world.flights)


def ended(world: World) -> bool:
    """Whether the message has come to an end: a late status may still lift it."""
    return world.books.state in FINAL


def at_most_once(_: World, world: World) -> bool:
    """I5: what may go once is accepted at most once, under any crash."""
    return world.books.policy == "at_least_once" or acceptances(world) <= 1


def at_least_once(_: World, world: World) -> bool:
    """I6: not more often than it was sent again, each time for want of knowledge that nobody had, and at most three times."""
    again = min(world.books.resends, sum(flight.excused for flight in world.flights))
    return world.books.policy == "at_most_once" or acceptances(world) <= min(1 + again, REAL.posts)


def intent_first(_: World, world: World) -> bool:
    """I7: nothing is accepted without an attempt committed before."""
    return not any(f.meta == "accepted" and r.state == "absent" for f, r in zip(world.flights, world.books.rows, strict=True))


def upward(before: World, world: World) -> bool:
    """I9: a state only rises, except back into the queue from where the message may prove not to have left."""
    old, new = before.books.state, world.books.state
    return old == new or RANK[new] > RANK[old] or (old, new) in MAY_GO_BACK


def one_to_one(_: World, world: World) -> bool:
    """I14: a wamid is of the attempt that it was given for, and an attempt that is accepted has one."""
    return all(
        (row.wamid is None) == (row.state != "accepted") and row.wamid in (None, n) for n, row in enumerate(world.books.rows, 1)
    )


def honest(before: World, world: World) -> bool:
    """A state says what is so: no success that WhatsApp never accepted and reported, no failure when nothing was refused or
    reported as failed or when the latest attempt is known to be accepted, and `unknown` only when nobody has heard of some attempt.

    Not asked: that a success which an earlier attempt had is taken back when that one fails later and the latest was refused.
    """
    state, rows, told = world.books.state, world.books.rows, {flight.told for flight in world.flights}
    if state in SUCCESS:
        reported = max((RANK[t] for t in told if t), default=RANK["accepted"])
        return acceptances(world) > 0 and RANK[state] <= reported
    if state == "failed":
        latest_lives = rows[-1].state == "accepted" and world.flights[-1].told != "failed"
        return not latest_lives and ("failed" in told or any(flight.meta == "refused" for flight in world.flights))
    return state != "unknown" or before.books.state == "unknown" or any(row.state == "unknown" for row in rows)


def shown(_: World, world: World) -> bool:
    """What has been told, or answered and recorded, the message shows: at least that. (Not that an attempt failed which has a
    successor: that decides.)"""
    known = (
        flight.told or "accepted"
        for flight, row in zip(world.flights, world.books.rows, strict=True)
        if row.state == "accepted" or flight.told
    )
    latest = world.flights[-1].told if world.flights else ""
    return all(RANK[state] <= RANK[world.books.state] for state in known if state != "failed" or latest == "failed")


def counted(_: World, world: World) -> bool:
    """Duplicates are counted: every acceptance that was told, or answered and recorded, is an accepted attempt."""
    known = sum(bool(f.told) or (f.hand == "done" and f.outcome == "accepted") for f in world.flights)
    return sum(row.state == "accepted" for row in world.books.rows) == known


def moved_on(before: World, world: World) -> bool:
    """Nothing is queued again out of doubt when the conversation has moved on."""
    return world.books.resends == before.books.resends or (before.window and not before.newer)


Invariant = Callable[[World, World], bool]

INVARIANTS: dict[str, Invariant] = {
    "I5": at_most_once,
    "I6": at_least_once,
    "I7": intent_first,
    "I9": upward,
    "I14": one_to_one,
    "honest": honest,
    "shown": shown,
    "counted": counted,
    "moved on": moved_on,
}
"""Of a step: (before, after). `alive` is the one that is no matter of a step: from every state an end can be reached."""
