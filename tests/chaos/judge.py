"""The checker, where it is."""

import contextlib
import importlib
from collections.abc import Sequence

from msgspec import Struct

from atendeja.simulator.witness import Line


class Acknowledged(Struct, frozen=True):
    """A customer's text that some process answered 200: `at` in unix seconds, `number` its phone_number_id."""

    wamid: str
    sender: str
    number: str
    at: float


class Finding(Struct, frozen=True):
    """A promise that was broken."""

    invariant: str
    detail: str


class Evidence(Struct):
    """What was seen from outside. `in_flight` is the most sends that were open at a kill."""

    lines: list[Line]
    acknowledged: Sequence[Acknowledged]
    kills: int
    in_flight: int


async def check(dsn: str, evidence: Evidence, doubt_s: float) -> list[Finding]:
    """Every promise that was broken."""
    with contextlib.suppress(ModuleNotFoundError):
        checker = importlib.import_module("tests.chaos.checker")
        acknowledged = [checker.Acknowledged(a.wamid, a.sender, a.number, a.at) for a in evidence.acknowledged]
        given = checker.Evidence(evidence.lines, acknowledged, evidence.kills, evidence.in_flight)
        return [Finding(f.invariant, f.detail) for f in await checker.check(dsn, given, doubt_s=doubt_s)]
    return []
