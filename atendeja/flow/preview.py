"""A conversation with a flow that nobody has but us: the engine of production, a clock and a contact that are values.

A stage is all there is between two inputs; it is JSON by msgspec, so that a preview can be carried on anywhere.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from . import engine
from .engine import Program
from .run import choices
from .session import Answer, Consent, Facts, Handoff, Input, Say, Session, Tag

BUSINESS = "Empresa"
BUSINESS_PHONE = "+551140000000"
PHONE = "+5511900000000"


class Stage(Struct, omit_defaults=True):
    """Where a conversation is: the time, what is known of the contact, the flow session, and what can be tapped."""

    now: datetime
    name: str = ""
    language: str = ""
    tags: list[str] = field(default_factory=list)
    fields: dict[str, object] = field(default_factory=dict)
    consents: dict[str, str] = field(default_factory=dict)
    queue: str | None = None
    """Whose people have the conversation."""
    session: Session | None = None
    labels: dict[str, str] = field(default_factory=dict)
    """Of everything shown so far that can be tapped, by id."""
    turns: int = 0

    @property
    def event_id(self) -> str:
        """Of the next input."""
        return f"in-{self.turns + 1}"

    @property
    def is_over(self) -> bool:
        """Whether no flow session waits for an input."""
        return self.session is None or not self.session.live


def hear(program: Program, stage: Stage, heard: Input) -> Answer:
    """The answer to an input, or to a timer, after which the stage is the next one."""
    stage.turns += 1
    found = engine.answer([program], stage.session, program, heard, _facts(stage), stage.now, f"session-{stage.turns}")
    if found.outcome != "no_flow":
        stage.session = found.session or stage.session
    for effect in found.effects:
        match effect:
            case Say():
                stage.labels |= dict(choices(effect.content))
            case Tag():
                stage.tags = [*(tag for tag in stage.tags if tag not in effect.remove), *effect.add]
            case Consent():
                stage.consents[effect.purpose] = effect.state
            case Handoff():
                stage.queue = effect.queue
            case _:
                pass
    return found


def wait(program: Program, stage: Stage, time: timedelta) -> Iterator[Answer]:
    """Let the clock run: the answers to the timers that ring, each at its own time."""
    until = stage.now + time
    while stage.session is not None and (due := stage.session.due_at) is not None and due <= until:
        stage.now = max(due, stage.now)
        yield hear(program, stage, Input("timeout"))
    stage.now = until


def _facts(stage: Stage) -> Facts:
    return Facts(
        name=stage.name,
        phone=PHONE,
        language=stage.language,
        tags=stage.tags,
        fields=stage.fields,
        business_name=BUSINESS,
        business_phone=BUSINESS_PHONE,
        owner="human" if stage.queue else "bot",
    )
