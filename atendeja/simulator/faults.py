"""What can be made to go wrong with a send, by rules that match POSTs and count what they did."""

from typing import Annotated, Literal, get_args

from msgspec import Meta, Struct

from atendeja.simulator.bodies import Send

Before = Literal["code", "rst_before", "5xx_before"]
After = Literal["drop_answer", "delay", "rst_after", "5xx_after", "html", "truncate", "failed", "held"]
Do = Literal[Before, After]
BEFORE: frozenset[Do] = frozenset(get_args(Before))
"""Faults of messages that are *not* accepted; the others strike after acceptance."""


class Match(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which POSTs: all that is given must hold. `contains` is looked for in the raw body."""

    path: Literal["messages", "media"] = "messages"
    """Sends, or uploads of files, which are `to` nobody."""
    phone_number_id: str | None = None
    to: str | None = None
    """Phone (with or without `+`) or BSUID."""
    contains: str | None = None
    nth: Annotated[int, Meta(ge=1)] = 1
    """Start at the nth POST that matches otherwise."""


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do to them, `times` times (None: for ever).

    `value`: `code` Meta's code; `failed` the code of the failed status; `5xx_*` and `html` the HTTP status (500, 200);
    `delay` seconds before the answer; `drop_answer` seconds of silence before the connection closes (0);
    `held` seconds that it waits for its quality to be judged, its statuses that much later (60).
    An upload has no statuses: it can be neither `failed` nor `held`.
    """

    do: Do
    match: Match = Match()
    value: float | None = None
    times: Annotated[int, Meta(ge=1)] | None = 1

    def __post_init__(self) -> None:
        if self.match.path == "media" and self.do in ("failed", "held"):
            raise ValueError(f"an upload has no statuses: {self.do} is for sends")


class Rule(Struct):
    """A fault at work."""

    fault: Fault
    seen: int = 0
    """POSTs that matched, among them those before the nth."""
    hits: int = 0
    """POSTs it struck."""

    def strikes(self, phone_number_id: str, send: Send | None, raw: bytes) -> bool:
        """Whether this POST is struck; counts it."""
        match, times = self.fault.match, self.fault.times
        if not _matches(match, phone_number_id, send, raw):
            return False
        self.seen += 1
        if self.seen < match.nth or (times is not None and self.hits >= times):
            return False
        self.hits += 1
        return True


class Faults:
    """The rules in force; the first that strikes wins."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, fault: Fault) -> None:
        self.rules.append(Rule(fault))

    def take(self, phone_number_id: str, send: Send | None, raw: bytes, *, accepted: bool) -> Fault | None:
        """The fault that strikes this POST (of a file when there is no `send`), of those that strike before or after acceptance."""
        for rule in self.rules:
            if (rule.fault.do in BEFORE) != accepted and rule.strikes(phone_number_id, send, raw):
                return rule.fault
        return None


def _matches(match: Match, phone_number_id: str, send: Send | None, raw: bytes) -> bool:
    to = "" if send is None else (send.to or send.recipient or "").lstrip("+")
    return (
        match.path == ("media" if send is None else "messages")
        and match.phone_number_id in (None, phone_number_id)
        and (match.to is None or match.to.lstrip("+") == to)
        and (match.contains is None or match.contains.encode() in raw)
    )
