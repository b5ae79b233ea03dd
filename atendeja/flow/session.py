"""What goes into the engine and what comes out, as values: inputs, facts, the session, effects, the trace.

All of it is JSON by msgspec, so that it can be stored, replayed and shown.
"""

from datetime import datetime
from typing import Final, Literal

from msgspec import Struct, field

from atendeja.wa import content as wa

LARGEST_SESSION: Final = 64 * 1024
"""Bytes of a session as JSON; one that grows beyond goes to a person."""

State = Literal["active", "waiting", "ended", "expired", "handed_off", "failed"]


class Input(Struct, frozen=True, omit_defaults=True):
    """One thing the customer did, or a timer that rang (`timeout`).

    `text` is what was written, the label tapped, or a caption; `id` the id of the tapped button, row or payload; `data` what
    else came with it: `{id}` of media, `{latitude, longitude}`, a card, a form's answers, `{referral: {source_id}}` of an ad.
    """

    kind: str
    text: str = ""
    id: str | None = None
    data: dict[str, object] | None = None
    event_id: str = ""


class Facts(Struct, frozen=True, omit_defaults=True):
    """What is known of the contact and the business, loaded before; `recent_out` counts our messages to them in the last minute."""

    name: str = ""
    phone: str = ""
    language: str = ""
    tags: list[str] = []
    fields: dict[str, object] = {}
    business_name: str = ""
    business_phone: str = ""
    timezone: str = "America/Sao_Paulo"
    owner: Literal["bot", "human"] = "bot"
    recent_out: int = 0


class Waiting(Struct, omit_defaults=True):
    """What a session waits for: a reply, or only a timer; until `due_at` if that is set. `shown` are the choices on the screen,
    as (id, label)."""

    kind: Literal["reply", "timer"]
    due_at: datetime | None = None
    shown: list[tuple[str, str]] = []


class Session(Struct, omit_defaults=True):
    """One run of a flow with one contact, whole: saved between turns, and all the engine remembers."""

    id: str
    flow: str
    version_id: str
    node: str
    started_at: datetime
    expires_at: datetime
    state: State = "active"
    vars: dict[str, object] = {}
    step_no: int = 0
    tries: int = 0
    wait: Waiting | None = None
    trail: list[str] = []
    """The nodes that waited, the present one last: the way back for `voltar`."""
    last_said: str = ""
    said_times: int = 0
    """How often in a row `last_said` went out without a valid input in between."""
    entered: dict[str, list[datetime]] = {}
    """When timers, not the customer, led into a node during the last hour."""

    @property
    def live(self) -> bool:
        """Whether an input may still reach it."""
        return self.state in ("active", "waiting")

    @property
    def due_at(self) -> datetime | None:
        """When to look at it again without an input: its timer or its expiry, whichever is first; None when it is over."""
        if not self.live:
            return None
        due = self.wait.due_at if self.wait else None
        return self.expires_at if due is None else min(due, self.expires_at)


class Say(Struct, frozen=True, tag="say"):
    """Send this to the contact."""

    content: wa.Text | wa.Buttons | wa.Options


class Tag(Struct, frozen=True, tag="tag", omit_defaults=True):
    """Put tags on the contact, take tags off."""

    add: list[str] = []
    remove: list[str] = []


class Consent(Struct, frozen=True, tag="consent", omit_defaults=True):
    """Record a consent; `text` is the wording the contact saw (the evidence), empty when it was their own word."""

    purpose: str
    state: Literal["in", "out"]
    text: str = ""


class Handoff(Struct, frozen=True, tag="handoff", omit_defaults=True):
    """Give the conversation to the people of a queue, who should answer within `sla_s` seconds."""

    queue: str
    reason: str = ""
    sla_s: int | None = None


class Close(Struct, frozen=True, tag="close"):
    """Close the conversation; the next message opens it again."""


class Erasure(Struct, frozen=True, tag="erasure"):
    """Record the contact's request to be erased."""


class Notice(Struct, frozen=True, tag="notice"):
    """Tell the operator: `kind` is `runaway` or `flow_error`, `detail` what happened, without any text of the customer."""

    kind: Literal["runaway", "flow_error"]
    detail: str


Effect = Say | Tag | Consent | Handoff | Close | Erasure | Notice


class TraceRow(Struct, omit_defaults=True):
    """One step: the node, which input or timer was read there, the test that held and where it led,
    what it set and caused, and why it could not go on (`error`)."""

    step: int
    node: str
    event: str = ""
    test: str | None = None
    took: str | None = None
    vars_set: list[str] = []
    effects: list[str] = []
    error: str | None = None


class Answer(Struct):
    """What to do about one input: write the session (None: there is none), carry out the effects in their order, keep the trace.

    `no_flow` means that nothing opens on this input, `human` that a person has the conversation: both leave all as it is.
    """

    session: Session | None
    effects: list[Effect] = field(default_factory=list)
    trace: list[TraceRow] = field(default_factory=list)
    outcome: Literal["handled", "no_flow", "human"] = "handled"

    @property
    def due_at(self) -> datetime | None:
        """When the session wants a `timeout` input, if no other comes first."""
        return self.session.due_at if self.session else None
