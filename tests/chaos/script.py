"""What a run will do, drawn from its seed: whom to kill when, how it comes back, at which failpoint its successor dies. Pure.

A seed repeats the choices, not the run: what is on the wire at a kill is the machine's business.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from atendeja import failpoints

Role = Literal["all", "web", "worker"]

ROLES: dict[int, Sequence[Role]] = {
    1: ("all",),
    2: ("all", "all"),
    3: ("all", "web", "worker"),
    4: ("all", "all", "web", "worker"),
}
RARE = ("Sender._take_over", "leases.take")
COMMITS = tuple(f"commit.{when}?{whose}" for when in ("before", "after") for whose in RARE)
"""Transactions too rare for a random pass of all, which whoever works comes by at its start."""
POINTS = tuple(sorted({*failpoints.NAMES, *COMMITS}))
"""Failpoints at which somebody is to die, some of them about one thing only: `name?about`."""
UPLOADS = ("upload.before_post", "upload.after_post")
PASSES = {
    "ring": 300,
    "sweep": 3,
    **dict.fromkeys(UPLOADS, 3),
    "commit.before": 400,
    "commit.after": 400,
    **dict.fromkeys(COMMITS, 3),
}
"""At a random pass up to this a failpoint kills: often enough passed to come within seconds, not always the first."""
USUAL_PASSES = 40
GAP_S = (0.3, 1.5)
SOON_S = (0.05, 0.5)
LATE_S = (7.0, 9.0)
"""Longer than a lease lasts without its holder: others must take over."""
ARMED, LATE, FRESH = 0.3, 0.25, 0.2


class Options(Struct, frozen=True):
    """How a run was asked for."""

    kills: int
    seed: int
    processes: int = 3
    doubt_s: float = 120.0
    """T: how long a send whose answer was lost waits for its status."""
    rate: float = 60.0
    """Texts per second."""
    postgres_every: int = 10
    """PostgreSQL is restarted after so many kills."""
    lost: float = 0.005
    """Share of the POSTs that never reach the simulator, and of the answers that never reach us."""
    failpoints: tuple[str, ...] = POINTS
    """At each of these some process dies at least once."""


class Arm(Struct, frozen=True):
    """A failpoint of POINTS that will kill at its nth pass."""

    point: str
    n: int

    @property
    def name(self) -> str:
        return self.point.partition("?")[0]

    @property
    def setting(self) -> str:
        """As ATENDEJA_FAILPOINTS wants it."""
        name, mark, about = self.point.partition("?")
        return f"{name}=kill{mark}{about}@{self.n}"

    def __str__(self) -> str:
        return f"{self.point}@{self.n}"


class Return(Struct, frozen=True):
    """How a killed process comes back: after how long, and whether with its directory or with an empty one."""

    rest_s: float
    fresh: bool = False


class Step(Struct, frozen=True):
    """A kill to come. `whom` (0 to 1) chooses among those who may be killed then."""

    gap_s: float
    whom: float
    armed: bool
    """Whether the next process is to die at a failpoint; while there is one at which none has died, every one is."""
    back: Return
    then: Return
    """How it comes back from its failpoint, when it was given one."""


def steps(seed: int) -> Iterator[Step]:
    """Kills without end."""
    dice = random.Random(f"steps {seed}")
    while True:
        yield Step(dice.uniform(*GAP_S), dice.random(), dice.random() < ARMED, _return(dice), _return(dice))


def _return(dice: random.Random) -> Return:
    late, fresh = dice.random() < LATE, dice.random() < FRESH
    return Return(dice.uniform(*(LATE_S if late else SOON_S)), fresh)


def arms(seed: int, names: Sequence[str]) -> Iterator[Arm]:
    """Each of these failpoints once, in any order, and again without end; without any there is none."""
    dice = random.Random(f"arms {seed}")
    while names:
        for point in dice.sample(names, len(names)):
            yield Arm(point, dice.randint(1, PASSES.get(point, USUAL_PASSES)))


def passes(role: Role, name: str) -> bool:
    """Whether a process of this role comes by this failpoint: what is taken in at the door, everything else behind it."""
    return role == "all" or (role == "web") == name.startswith("ingest.")
