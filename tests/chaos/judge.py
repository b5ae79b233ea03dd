"""The checker, as a run of kills calls it."""

import importlib
import importlib.util
from collections.abc import Sequence

import asyncpg
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
    """Every promise that was broken; without the checker only whether each acknowledged text is one event."""
    if importlib.util.find_spec("tests.chaos.checker") is None:
        return await _check_events(dsn, evidence)
    checker = importlib.import_module("tests.chaos.checker")
    acknowledged = [checker.Acknowledged(a.wamid, a.sender, a.number, a.at) for a in evidence.acknowledged]
    given = checker.Evidence(evidence.lines, acknowledged, evidence.kills, evidence.in_flight)
    return [Finding(f.invariant, f.detail) for f in await checker.check(dsn, given, doubt_s=doubt_s)]


async def _check_events(dsn: str, evidence: Evidence) -> list[Finding]:
    connection = await asyncpg.connect(dsn)
    try:
        events = {row["key"]: row["n"] for row in await connection.fetch("SELECT key, count(*) AS n FROM event GROUP BY key")}
    finally:
        await connection.close()
    wrong = [f"{a.wamid} is {events.get(a.wamid, 0)} events" for a in evidence.acknowledged if events.get(a.wamid) != 1]
    return [Finding("I1", f"{len(wrong)}: {'; '.join(wrong[:5])}")] if wrong else []
