"""What a node can do. To add an action: a file here with its struct and its `run`, and its name in the union below."""

from typing import Annotated

from atendeja.flow.grammar import OneOf

from .close import Close, End
from .consent import Consent
from .handoff import Handoff
from .say import Say
from .set import Set
from .tag import Tag, Untag

__all__ = ["ENDS", "Action", "AnyAction", "Close", "Consent", "End", "Handoff", "Say", "Set", "Tag", "Untag"]

AnyAction = Say | Set | Tag | Untag | Consent | Handoff | Close | End
Action = Annotated[
    AnyAction,
    OneOf("an action", later=("template", "react", "field", "note", "http", "call", "start_later", "emit", "pause_bot")),
]
ENDS = (Handoff, Close, End)
"""Actions after which the run is over."""
