"""The errors that answer "what now?". A class's docstring says what its catcher does about it.

What the Cloud API answers to a send is not an error but a value: see `atendeja.wa.reply`. Bugs are ordinary exceptions.
"""


class AtendejaError(Exception):
    """One of ours: its text is a clear line for the person who reads it."""


class Refused(AtendejaError):
    """The caller's fault, nothing was written: show the line, exit 1 or answer 4xx with `code`."""

    def __init__(self, code: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}\n  {hint}")
        self.code = code


class Unavailable(AtendejaError):
    """Something we need is away (usually the database) and nothing happened: try again later, or answer 503."""


class WireError(AtendejaError):
    """Bytes from outside that cannot be read at all: keep them as they came, with `reason` as a short snake_case word."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.reason = reason
