"""What an event makes of the world."""

from atendeja.ledger import RANK
from tests.outbound.model import books as ledger
from tests.outbound.model.books import Status
from tests.outbound.model.designs import Design
from tests.outbound.model.world import IN_HAND, STATUSES, Event, Flight, Sender, World, owner


def step(world: World, event: Event, design: Design) -> World:
    """The world after this event, which is one of `events(world, design)`."""
    if event.kind in ("land", "status", "fence", "write", "not_sent", "answer", "no_answer", "record"):
        return _fly(world, event, design)
    if event.kind in ("lease_ends", "doubt", "resolve", "newer", "close", "hold", "unhold", "sick", "well"):
        return _pass(world, event.kind, design)
    return _work(world, event, design)


def _work(world: World, event: Event, design: Design) -> World:
    n, sender = event.n, world.senders[event.n]
    match event.kind:
        case "kill":
            return _put(_spend(_drop(world, n), "kills"), n, Sender(sender.boot + len(world.senders)))
        case "pause":
            return _put(_spend(_age(world, n, slow=True), "pauses"), n, sender._replace(life="paused"))
        case "cut":
            return _put(_spend(world, "cuts"), n, sender._replace(life="cut", looked=False))
        case "resume" | "mend":
            return _put(world, n, sender._replace(life="up"))
        case "take":
            return world._replace(lease=sender.boot, books=ledger.doubt(world.books, design))
        case "look":
            return _put(world, n, sender._replace(looked=True))
        case "withdraw":
            return world._replace(books=ledger.withdraw(world.books, "window_closed"))
    assert event.kind == "commit"
    world = _put(world, n, sender._replace(looked=False))
    if design.row_lock and world.books.state != "queued":  # it was another's first: the lock says so
        return world
    return world._replace(books=ledger.claim(world.books, sender.boot, design), flights=(*world.flights, Flight(n)))


def _fly(world: World, event: Event, design: Design) -> World:
    n, flight = event.n, world.flights[event.n - 1]
    match event.kind, event.what:
        case "land", what:
            world = _spend(world, "lost" if what == "lost" else "refusals") if what != "accepted" else world
            return _put_flight(world, n, flight._replace(meta=what))
        case "status", status:
            told = max(flight.told, status, key=lambda s: RANK.get(s, -1))
            world = _put_flight(world, n, flight._replace(told=told))
            return world._replace(books=ledger.hear(world.books, n, _status(status), design))
        case "fence", "passed":
            return _put_flight(world, n, flight._replace(hand="clear", slow=False, stale=False))
        case "fence", _:
            return _put_flight(world, n, flight._replace(hand="got", outcome="abandoned", slow=False, stale=False))
        case "write", _:
            return _put_flight(world, n, flight._replace(hand="open", meta="flying"))
        case "not_sent", _:
            return _put_flight(_spend(world, "refusals"), n, flight._replace(hand="got", outcome="not sent"))
        case "answer", _:
            return _put_flight(world, n, flight._replace(hand="got", outcome=flight.meta))
        case "no_answer", _:
            world = world if flight.meta == "lost" else _spend(world, "lost")
            return _put_flight(world, n, flight._replace(hand="got", outcome="no answer"))
    assert event.kind == "record"
    world = _put_flight(world, n, flight._replace(hand="done"))
    return world._replace(books=ledger.record(world.books, n, flight.outcome, design))


def _pass(world: World, kind: str, design: Design) -> World:
    match kind:
        case "lease_ends":
            holder = owner(world, world.lease)
            return (_age(world, holder, stale=True) if world.senders[holder].life == "paused" else world)._replace(lease=0)
        case "doubt":
            return world._replace(books=ledger.doubt(world.books, design))
        case "newer":
            return _spend(world, "newer")._replace(newer=True)
        case "close":
            return _spend(world, "closings")._replace(window=False)
        case "hold":
            return _spend(world, "holds")._replace(held=True)
        case "unhold":
            return world._replace(held=False)
        case "sick":
            return _spend(world, "sick")._replace(healthy=False)
        case "well":
            return world._replace(healthy=True)
    assert kind == "resolve"
    resolved = ledger.resolve(world.books, world.newer, world.window, design)
    flights = tuple(_outlive(world, f, again=resolved.state == "queued") for f in world.flights)
    return world._replace(books=resolved, flights=flights)


def _outlive(world: World, flight: Flight, *, again: bool) -> Flight:
    """T has passed: what was not posted until now never will be, if there is a fence.

    A second sending is excused by an attempt that WhatsApp may have and has not told us of although it could, or that stands frozen
    behind the fence.
    """
    silent = world.healthy and (flight.meta == "flying" or (flight.meta == "accepted" and not flight.told))
    frozen = flight.hand == "clear" and world.senders[flight.sender].life == "paused"
    return flight._replace(stale=flight.stale or flight.hand == "held", excused=flight.excused or (again and (silent or frozen)))


def _status(text: str) -> Status:
    return next(s for s in STATUSES if s == text)


def _spend(world: World, what: str) -> World:
    return world._replace(left=world.left._replace(**{what: getattr(world.left, what) - 1}))


def _put(world: World, n: int, sender: Sender) -> World:
    return world._replace(senders=(*world.senders[:n], sender, *world.senders[n + 1 :]))


def _put_flight(world: World, n: int, flight: Flight) -> World:
    return world._replace(flights=(*world.flights[: n - 1], flight, *world.flights[n:]))


def _drop(world: World, sender: int) -> World:
    """All that this process had in memory is gone; what is on the wire is not."""
    lost = (
        f._replace(hand="gone", outcome="", slow=False, stale=False) if f.sender == sender and f.hand in IN_HAND else f
        for f in world.flights
    )
    return world._replace(flights=tuple(lost))


def _age(world: World, sender: int, *, slow: bool = False, stale: bool = False) -> World:
    aged = (
        f._replace(slow=f.slow or slow, stale=f.stale or stale) if f.sender == sender and f.hand == "held" else f
        for f in world.flights
    )
    return world._replace(flights=tuple(aged))
