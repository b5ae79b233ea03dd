"""The bench a turn is worked out on: the session being rewritten, what it can see, the effects and the trace so far.

Actions know nothing else. The caps against runaway flows live here, because every message and every variable passes.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from atendeja.wa import content as wa
from atendeja.wa import rules

from .inputs import VarType
from .scope import Scope
from .session import Effect, Facts, Input, Say, Session, State, Tag, TraceRow
from .types import LONGEST_TEXT, FlowError

MOST_STEPS: Final = 50
"""Nodes entered in one turn."""
MOST_ENTRIES: Final = 6
"""Entries into one node within an hour that no input of the customer caused."""
MOST_SENT: Final = 20
"""Our messages to one contact within a minute."""
MOST_REPEATS: Final = 3
"""The identical text that would go out for this time in a row, without a valid input in between, goes to a person instead."""
MOST_VARS: Final = 200
_HOUR = timedelta(hours=1)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ISO_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")


class Trip(Exception):
    """A cap was reached: the run stops and a person takes over. The text names the cap."""


class Run:
    """One turn of one session. Its session is the caller's own copy; effects and rows are in order."""

    def __init__(
        self, session: Session, languages: tuple[str, ...], types: Mapping[str, VarType], facts: Facts, heard: Input, now: datetime
    ) -> None:
        self.session = session
        self.scope = Scope(session, facts, heard, now, languages)
        self.effects: list[Effect] = []
        self.trace: list[TraceRow] = []
        self.shown: list[tuple[str, str]] = []
        """The choices said since the present node was entered, as (id, label)."""
        self._types = types
        self._now = now
        self._sent = facts.recent_out
        self._steps = 0

    def step(self, node: str) -> TraceRow:
        """Begin a row of the trace."""
        self.session.step_no += 1
        row = TraceRow(self.session.step_no, node, self.scope.input.event_id)
        self.trace.append(row)
        return row

    def enter(self, node: str) -> TraceRow:
        """Be in a node now, on a new row of the trace. Raises Trip for a run that goes round and round."""
        session = self.session
        session.node, session.tries, session.wait, self.shown = node, 0, None, []
        row = self.step(node)
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise Trip(f"more than {MOST_STEPS} steps in one turn")
        if self.scope.input.kind == "timeout":
            recent = [at for at in session.entered.get(node, []) if self._now - at < _HOUR]
            session.entered = {**session.entered, node: [*recent, self._now]}
            if len(recent) >= MOST_ENTRIES:
                raise Trip(f"`{node}` was entered more than {MOST_ENTRIES} times in an hour without an input")
        return row

    def add(self, effect: Effect) -> None:
        """Want this done, after all that was wanted before."""
        self.trace[-1].effects.append(label(effect, len(self.effects)))
        self.effects.append(effect)

    def say(self, content: wa.Text | wa.Buttons | wa.Options) -> None:
        """Send this. Raises FlowError for what WhatsApp would refuse, Trip for what would be too much."""
        if flaws := rules.problems(content):
            raise FlowError("; ".join(flaws))
        session = self.session
        session.said_times = session.said_times + 1 if content.body == session.last_said else 1
        session.last_said = content.body
        if session.said_times >= MOST_REPEATS:
            raise Trip(f"the same text {MOST_REPEATS} times in a row")
        if self._sent >= MOST_SENT:
            raise Trip(f"more than {MOST_SENT} messages in a minute")
        self._sent += 1
        self.shown += choices(content)
        self.add(Say(content))

    def understood(self) -> None:
        """Note that the input was a valid one: repeated texts count from here again."""
        self.session.said_times = 0

    def set(self, name: str, value: object) -> None:
        """Keep a variable. Raises FlowError if the value is too large or not of the declared type."""
        declared = self._types.get(name)
        if value is not None and declared is not None and not fits(value, declared):
            raise FlowError(f"`{name}` is declared as {declared}")
        if size(value) > LONGEST_TEXT:
            raise FlowError(f"`{name}` would grow beyond {LONGEST_TEXT} characters")
        self.session.vars[name] = value
        if len(self.session.vars) > MOST_VARS:
            raise FlowError(f"more than {MOST_VARS} variables")
        self.trace[-1].vars_set.append(name)

    def tag(self, add: list[str], remove: list[str]) -> None:
        """Put tags on the contact, take tags off; the rest of the turn sees it."""
        kept = [tag for tag in self.scope.tags if tag not in remove and tag not in add]
        self.scope.tags = [*kept, *add]
        self.add(Tag(add, remove))

    def finish(self, state: State) -> None:
        """Bring the session to its end."""
        self.session.state = state
        self.session.wait = None


def label(effect: Effect, index: int) -> str:
    """How the trace names an effect: its kind and its place in the turn."""
    return f"{effect.__struct_config__.tag}#{index}"


def choices(content: wa.Text | wa.Buttons | wa.Options) -> list[tuple[str, str]]:
    """What can be tapped in a message, as (id, label)."""
    match content:
        case wa.Buttons():
            return [(button.id, button.title) for button in content.buttons]
        case wa.Options():
            return [(row.id, row.title) for section in content.sections for row in section.rows]
        case _:
            return []


def size(value: object) -> int:
    """Characters of a text, bytes as JSON of a list or an object, 0 for the rest."""
    if isinstance(value, str):
        return len(value)
    return len(msgspec.json.encode(value)) if isinstance(value, list | dict) else 0


def fits(value: object, declared: VarType) -> bool:
    """Whether a value (not null) is of a declared type."""
    match declared:
        case "text":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "money":
            return isinstance(value, int) and not isinstance(value, bool)
        case "date":
            return isinstance(value, str) and _ISO_DATE.fullmatch(value) is not None
        case "time":
            return isinstance(value, str) and _ISO_TIME.fullmatch(value) is not None
        case "list":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
