"""The checker: joins the simulator's log, the list of acknowledged webhooks and the database, and says which promises were broken.

Run it when all is quiet, some time after the last fault. It judges by what can be seen at the end: rows, log lines, times. It
trusts neither the ledger (the log is tied to attempts by the callback data alone) nor the schema (a key that is missing shows as
two rows). What it cannot see is said beside each rule.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import asyncpg
from msgspec import Struct

from tests.chaos import inward, outward, restraint, tenancy
from tests.chaos.facts import KEYS, Acknowledged, Evidence, Facts, load

__all__ = ["Acknowledged", "Evidence", "Finding", "check"]

EXAMPLES = 5

Rule = Callable[[Facts], Iterable[str]]

RULES: Sequence[tuple[str, Rule]] = (
    ("I1", inward.acknowledged_once),
    ("I2", inward.one_outcome),
    ("I3", inward.turns_in_a_chain),
    ("I4", inward.replies_with_their_turn),
    ("I5", outward.at_most_once),
    ("I6", outward.at_least_once),
    ("I7", outward.intent_before_effect),
    ("I8", outward.at_rest),
    ("I9", outward.only_up),
    ("I11", restraint.silent_after_a_no),
    ("I12", restraint.in_pace),
    ("I14", outward.one_wamid_an_attempt),
    ("order", outward.in_their_order),
)


class Finding(Struct, frozen=True):
    """A promise that was broken: `invariant` as FAULTS numbers them, or `order`; `detail` says how often, with rows and times."""

    invariant: str
    detail: str


async def sums(dsn_superuser: str, evidence: Evidence, *, keys: Sequence[bytes] = KEYS) -> dict[str, tuple[int, int]]:
    """State → (messages in the ledger, of them accepted in the simulator's log)."""
    connection = await asyncpg.connect(dsn_superuser)
    try:
        return outward.sums(await load(connection, evidence, keys, 10.0))
    finally:
        await connection.close()


async def check(dsn_superuser: str, evidence: Evidence, *, keys: Sequence[bytes] = KEYS, doubt_s: float = 10.0) -> list[Finding]:
    """Everything that is wrong, a finding for each invariant; nothing when all is well.

    `keys` are those of the callback data; `doubt_s` is the T that ran (a shorter one is never wrong, only less strict).
    """
    connection = await asyncpg.connect(dsn_superuser)
    try:
        facts = await load(connection, evidence, keys, doubt_s)
        found = [(name, list(rule(facts))) for name, rule in RULES]
        found.append(("I13", await tenancy.found(connection)))
    finally:
        await connection.close()
    return [Finding(name, _describe(faults)) for name, faults in found if faults]


def _describe(faults: Sequence[str]) -> str:
    more = len(faults) - EXAMPLES
    return f"{len(faults)}: " + "; ".join(islice(faults, EXAMPLES)) + (f"; and {more} more" if more > 0 else "")
