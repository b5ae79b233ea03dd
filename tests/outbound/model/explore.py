"""Every state that can be reached, breadth first, so that the way to a broken promise is the shortest there is."""

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from tests.outbound.model.designs import Design
from tests.outbound.model.events import events
from tests.outbound.model.invariants import INVARIANTS, Invariant, ended
from tests.outbound.model.step import step
from tests.outbound.model.world import FAIR, Event, Scenario, World, begin


class Broken(NamedTuple):
    """A promise that does not hold, and how it comes to that."""

    promise: str
    trace: list[str]

    def __str__(self) -> str:
        return "\n  ".join([f"{self.promise} is broken after {len(self.trace)} steps:", *self.trace])


class Explored(NamedTuple):
    """All states (each with how it was first reached), or as far as the first broken promise."""

    came: dict[World, tuple[World, Event] | None]
    broken: Broken | None

    @property
    def states(self) -> int:
        return len(self.came)


def explore(
    scenario: Scenario, design: Design, invariants: Mapping[str, Invariant] = INVARIANTS, *, alive: bool = True
) -> Explored:
    """Explore it all, or until one of these promises is broken; `alive` is asked at the end."""
    start = begin(scenario)
    came: dict[World, tuple[World, Event] | None] = {start: None}
    leads: dict[World, list[World]] = {}
    queue = deque([start])
    while queue:
        before = queue.popleft()
        for event in events(before, design):
            world = step(before, event, design)
            if world is before or world == before:
                continue
            new = world not in came
            if new:
                came[world] = (before, event)
                queue.append(world)
            if alive and event.kind in FAIR:
                leads.setdefault(world, []).append(before)
            for promise, holds in invariants.items():
                if not holds(before, world):
                    return Explored(came, Broken(promise, [*trace(came, before), _line(event, world)]))
    stranded = _stranded(came, leads) if alive else None
    return Explored(came, None if stranded is None else Broken("alive", trace(came, stranded)))


def _stranded(came: Mapping[World, object], leads: Mapping[World, list[World]]) -> World | None:
    """The first state from which no end can be reached unless something else happens."""
    ending = {world for world in came if ended(world)}
    queue = deque(ending)
    while queue:
        for before in leads.get(queue.popleft(), ()):
            if before not in ending:
                ending.add(before)
                queue.append(before)
    return next((world for world in came if world not in ending), None)


def trace(came: Mapping[World, tuple[World, Event] | None], world: World) -> list[str]:
    """How this state is reached, a line a step."""
    lines: list[str] = []
    while (step_ := came[world]) is not None:
        lines.append(_line(step_[1], world))
        world = step_[0]
    return lines[::-1]


def _line(event: Event, world: World) -> str:
    attempts = ", ".join(f"{row.state}/{f.meta or '-'}" for row, f in zip(world.books.rows, world.flights, strict=True))
    return f"{event!s:<24} {world.books.state:<10} {attempts}"
