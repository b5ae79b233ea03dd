"""What the tests of flows share: a small flow from text, and a customer who writes to it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from atendeja.flow import document, engine
from atendeja.flow.examples import examples
from atendeja.flow.model import Flow
from atendeja.flow.session import Answer, Facts, Handoff, Input, Say, Session

NOW = datetime(2027, 3, 10, 13, tzinfo=UTC)

HEAD = """
spec: 1
key: prova
language: pt-BR
start: a
defaults: {tries: 2, after_tries: pessoa, expires: 20h}
"""
PERSON = "\n  pessoa: {do: [{handoff: {queue: gente}}]}\n"


def flow_of(nodes: str, head: str = "") -> Flow:
    """A flow of these nodes and one that hands off; `head` adds keys."""
    return document.load(f"{HEAD}{head}\nnodes:\n{nodes}{PERSON}", "prova")


class Customer:
    """A contact in conversation with one flow; what the engine wants is done to the facts, as production does."""

    def __init__(self, flow: Flow, **facts: object) -> None:
        self.program = engine.compile(flow, "v1")
        self.facts = msgspec.convert(facts, Facts)
        self.session: Session | None = None
        self.now = NOW
        self.last = Answer(None)

    def hears(self, heard: Input) -> list[str]:
        """The bot's messages after this input."""
        self.last = engine.answer([self.program], self.session, self.program, heard, self.facts, self.now, "s1")
        self.session = self.last.session
        if any(isinstance(effect, Handoff) for effect in self.last.effects):
            self.facts = msgspec.structs.replace(self.facts, owner="human")
        return [effect.content.body for effect in self.last.effects if isinstance(effect, Say)]

    def writes(self, text: str) -> list[str]:
        """The bot's messages after this text."""
        return self.hears(Input("text", text))

    def taps(self, choice: str, kind: str = "button") -> list[str]:
        """The bot's messages after a tap."""
        return self.hears(Input(kind, "", choice))

    def waits(self, **dur: float) -> list[str]:
        """The bot's messages when its next timer rings this much later."""
        self.now += timedelta(**dur)
        return self.hears(Input("timeout"))

    @property
    def state(self) -> str | None:
        """The session's state, None if there is none."""
        return self.session.state if self.session else None

    @property
    def node(self) -> str | None:
        """The node the session is at."""
        return self.session.node if self.session else None

    @property
    def vars(self) -> dict[str, object]:
        """The session's variables."""
        return self.session.vars if self.session else {}


@pytest.fixture
def customer() -> Callable[..., Customer]:
    """A customer of a flow made of these nodes."""

    def make(nodes: str, head: str = "", **facts: object) -> Customer:
        return Customer(flow_of(nodes, head), **facts)

    return make


@pytest.fixture(scope="session")
def shipped() -> dict[str, Flow]:
    """The example flows by key."""
    return {key: document.load(text, key) for key, text in examples().items()}
