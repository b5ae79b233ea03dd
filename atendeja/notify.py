"""Notices: what a person of the shop or the operator should know. Today a log line and a counter."""

from typing import Literal

import structlog

from atendeja.guard import Hold
from atendeja.runtime import Meter

log = structlog.get_logger(__name__)

Kind = Literal[
    "handoff",
    "erasure_asked",
    "event_dead",
    "number_stopped",
    "marketing_stopped",
    "template_stopped",
    "message_failed",
    "flow_trouble",
    "delivery_quarantined",
    "account",
    "runaway",
    "sending_held",
    "webhook_disabled",
]


def notice(meter: Meter, kind: Kind, **ids: object) -> None:
    """Say it once, with ids and codes only: never a customer's words."""
    meter.count("notices", label=kind)
    log.warning("notice", kind=kind, **ids)


def tell_hold(meter: Meter, hold: Hold) -> None:
    """Nobody sends, and only a person can change that."""
    notice(meter, "sending_held", since=hold.at.isoformat(), why=str(hold))
