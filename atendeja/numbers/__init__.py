"""WhatsApp numbers: which tenant answers on which, with which token, at what rate, and whether Meta sees it as we do.

number: the row, its token, and whose is which · checks: what Meta says of a number · endpoints: what a business does with its own.
"""

from atendeja.numbers.checks import CLAIMED, Check, Verification, require, verify
from atendeja.numbers.endpoints import ROUTES
from atendeja.numbers.number import (
    BY_IDS,
    EVERYONE,
    GO_ON,
    GO_ON_WITH_MARKETING,
    STOP,
    STOP_MARKETING,
    Directory,
    NewNumber,
    Number,
    Route,
    add,
    admit,
    choose_rate,
    load,
    problems,
    raise_rate,
    read_token,
)

__all__ = [
    "BY_IDS",
    "CLAIMED",
    "EVERYONE",
    "GO_ON",
    "GO_ON_WITH_MARKETING",
    "ROUTES",
    "STOP",
    "STOP_MARKETING",
    "Check",
    "Directory",
    "NewNumber",
    "Number",
    "Route",
    "Verification",
    "add",
    "admit",
    "choose_rate",
    "load",
    "problems",
    "raise_rate",
    "read_token",
    "require",
    "verify",
]
