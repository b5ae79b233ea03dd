"""The small words of the grammar: ids, durations, paths, texts. Each is a string with a shape that msgspec checks."""

import re
from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="lower case letters, digits and `_`, at most 40")]
Dur = Annotated[str, Meta(pattern=r"^[0-9]{1,4}[smhd]$", description="a duration: `30s`, `15m`, `2h`, `60d`")]
Path = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39}){0,4}$",
        description="dotted ids, at most 5 parts: `contact.fields.cidade`",
    ),
]
Moment = Annotated[
    str,
    Meta(
        pattern=r"^(now|today|\{\{ *[a-z][a-z0-9_.]* *\}\})( *[+-] *[0-9]{1,4}[smhd])?( [0-9]{2}:[0-9]{2})?$",
        description="an instant: `now`, `today`, `today+60d`, `{{ dia }} - 1d 09:00`",
    ),
]
Text = str | dict[str, str]
"""A text with `{{ }}`, or one per language: `{pt-BR: …, en: …}` (a missing language is the flow's)."""

LONGEST_TEXT: Final = 4096
"""Characters of a rendered text and of a variable."""

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(dur: str) -> timedelta:
    """How long a `Dur` is. Its shape was checked when the flow was read."""
    return timedelta(**{_UNITS[dur[-1]]: int(dur[:-1])})


class FlowError(Exception):
    """A flow met a value it cannot work with (adding text to a number): the run goes to `on_error`, with a trace."""


def in_language(text: Text, languages: tuple[str, ...]) -> str:
    """The text of the first of these languages that it has, else its first one."""
    if isinstance(text, str):
        return text
    for language in languages:
        if language in text:
            return text[language]
    return next(iter(text.values()), "")


_HOLE = re.compile(r"^\{\{ *([a-z][a-z0-9_.]*) *\}\}$")


def hole(text: str) -> str | None:
    """The path of a text that is exactly one `{{ path }}`, else None."""
    found = _HOLE.match(text)
    return found[1] if found else None
