"""What may happen next, as a list."""

from collections.abc import Iterator

from tests.outbound.model import books as ledger
from tests.outbound.model.designs import Design
from tests.outbound.model.world import ANSWERED, IN_HAND, Event, Flight, Sender, World, owner


def events(world: World, design: Design) -> Iterator[Event]:
    """All that may happen next. What could no longer change anything for the message is left out."""
    for n, flight in enumerate(world.flights, 1):
        yield from _of_flight(world, n, flight, design)
    if world.books.state in ledger.FINAL and not any(f.hand in IN_HAND for f in world.flights):
        return
    yield from _of_senders(world, design)
    yield from _of_reconciler(world, design)
    yield from _of_people(world)


def _of_senders(world: World, design: Design) -> Iterator[Event]:
    """Only a sender that has the message in hand is stopped: others would go on as if nothing had been."""
    left = world.left
    if world.lease and _may_end(world, world.lease):
        yield Event("lease_ends")
    for n, sender in enumerate(world.senders):
        busy = sender.looked or any(f.sender == n and f.hand in IN_HAND for f in world.flights)
        if left.kills and busy:
            yield Event("kill", n)
        if sender.life != "up":
            yield Event("resume" if sender.life == "paused" else "mend", n)
            continue
        if left.pauses and busy:
            yield Event("pause", n)
        if left.cuts and busy:
            yield Event("cut", n)
        yield from _of_work(world, n, sender, design)


def _may_end(world: World, boot: int) -> bool:
    """A lease ends when who holds it has died, is stopped or cannot renew it."""
    holder = world.senders[owner(world, boot)]
    return holder.boot != boot or holder.life == "cut" or (holder.life == "paused" and not world.brief)


def _of_work(world: World, n: int, sender: Sender, design: Design) -> Iterator[Event]:
    """A running sender takes the lease when it is free or its own from before a restart, and claims."""
    if world.lease != sender.boot and (not world.lease or owner(world, world.lease) == n):
        yield Event("take", n)
    if sender.looked:
        yield Event("commit", n)
        return
    if world.books.state != "queued" or (design.leased and world.lease != sender.boot):
        return
    if world.books.policy == "at_least_once" and not world.window:
        yield Event("withdraw", n)
    elif not world.held and not (design.row_lock and any(s.looked for s in world.senders)):
        yield Event("look", n)


def _of_flight(world: World, n: int, flight: Flight, design: Design) -> Iterator[Event]:
    if world.senders[flight.sender].life in ("up", "cut"):
        yield from _of_hand(world, n, flight, design)
    if flight.meta == "flying":
        yield Event("land", n, "accepted")
        if world.left.refusals:
            yield Event("land", n, "refused")
            yield Event("land", n, "refused for now")
        if world.left.lost:
            yield Event("land", n, "lost")
    if flight.meta == "accepted" and world.healthy:
        for status in world.statuses:
            yield Event("status", n, status)


def _of_hand(world: World, n: int, flight: Flight, design: Design) -> Iterator[Event]:
    match flight.hand:
        case "held":
            if not (design.fence and flight.stale):
                yield Event("fence", n, "passed")
            if design.fence and (flight.stale or flight.slow):
                yield Event("fence", n, "abandoned")
        case "clear":
            yield Event("write", n)
            if world.left.refusals:
                yield Event("not_sent", n)
        case "open":
            if flight.meta in ANSWERED:
                yield Event("answer", n)
            if flight.meta == "lost" or world.left.lost:
                yield Event("no_answer", n)
        case "got":
            if world.senders[flight.sender].life == "up":
                yield Event("record", n)


def _of_reconciler(world: World, design: Design) -> Iterator[Event]:
    if world.books.state == "sending" and (not world.lease or (design.own_lease and world.books.rows[-1].boot != world.lease)):
        yield Event("doubt")
    if world.books.state == "in_doubt" and (world.healthy or not design.health) and _time_may_be_up(world):
        yield Event("resolve")


def _time_may_be_up(world: World) -> bool:
    """T is longer than a running sender takes from claim to record, when it has a database; a prompt status comes before."""
    for flight in world.flights:
        life = world.senders[flight.sender].life
        if life != "paused" and flight.hand in IN_HAND and (life == "up" or flight.hand != "got"):
            return False
        if world.prompt and world.healthy and (flight.meta == "flying" or (flight.meta == "accepted" and not flight.told)):
            return False
    return True


def _of_people(world: World) -> Iterator[Event]:
    """The customer, the clock of the window, the operator, and our door."""
    if world.left.newer:
        yield Event("newer")
    if world.left.closings:
        yield Event("close")
    if world.held:
        yield Event("unhold")
    elif world.left.holds:
        yield Event("hold")
    if not world.healthy:
        yield Event("well")
    elif world.left.sick:
        yield Event("sick")
