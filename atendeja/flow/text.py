"""Texts with `{{ path | filter: arg }}`: parsed once, rendered often. What is filled in is never read again for `{{ }}`.

No template engine: tenants' texts must not be able to compute, loop or grow.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import lru_cache

from msgspec import Struct

from .filters import FILTERS, Arg, show
from .scope import Scope
from .types import LONGEST_TEXT, Text, in_language

_PATH = re.compile(r"[a-z][a-z0-9_]{0,39}(\.[a-z][a-z0-9_]{0,39}){0,4}")
_FILTER = re.compile(r"\s*\|\s*([a-z_]+)\s*(:\s*(?:'[^']*'|-?[0-9]+(?:\.[0-9]+)?)(?:\s*,\s*(?:'[^']*'|-?[0-9]+(?:\.[0-9]+)?))*)?")
_ARG = re.compile(r"'([^']*)'|(-?[0-9]+(?:\.[0-9]+)?)")


class Hole(Struct, frozen=True):
    """One `{{ }}`: a path and the filters its value goes through."""

    path: str
    filters: tuple[tuple[str, tuple[Arg, ...]], ...]

    def fill(self, scope: Scope) -> str:
        """The value as text. Raises FlowError where a filter meets a value of another type."""
        value = scope.get(self.path)
        for name, args in self.filters:
            if value is not None or name == "or":
                value = FILTERS[name].run(value, scope, args)
        return show(value, scope.language)


class TextError(ValueError):
    """A text whose `{{ }}` cannot be read; says why."""


@lru_cache(maxsize=8192)
def parse(source: str) -> tuple[str | Hole, ...]:
    """The literal parts and holes of a text, in order. Raises TextError."""
    parts: list[str | Hole] = []
    at = 0
    while (begin := source.find("{{", at)) >= 0 and (end := source.find("}}", begin)) >= 0:
        parts += [source[at:begin], _hole(source[begin + 2 : end].strip())]
        at = end + 2
    parts.append(source[at:])
    if any(isinstance(part, str) and ("{{" in part or "}}" in part) for part in parts):
        raise TextError("`{{` and `}}` do not match")
    return tuple(part for part in parts if part)


def _hole(inner: str) -> Hole:
    path = _PATH.match(inner)
    if path is None:
        raise TextError(f"`{inner}` does not start with a variable's name")
    filters = []
    at = path.end()
    while at < len(inner):
        found = _FILTER.match(inner, at)
        if found is None:
            raise TextError(f"`{inner[at:].strip()}` cannot be read: a filter looks like `| or: 'text'`")
        filters.append(_checked(found[1], tuple(_args(found[2] or ""))))
        at = found.end()
    return Hole(path[0], tuple(filters))


def _args(source: str) -> Iterator[Arg]:
    for found in _ARG.finditer(source):
        if found[2] is None:
            yield found[1]
        else:
            yield float(found[2]) if "." in found[2] else int(found[2])


def _checked(name: str, args: tuple[Arg, ...]) -> tuple[str, tuple[Arg, ...]]:
    known = FILTERS.get(name)
    if known is None:
        near = get_close_matches(name, FILTERS, 1)
        raise TextError(f"no filter `{name}`" + (f", did you mean `{near[0]}`?" if near else f"; there are {', '.join(FILTERS)}"))
    if len(args) != len(known.args) or not all(isinstance(arg, kind) for arg, kind in zip(args, known.args, strict=True)):
        wanted = ", ".join({str: "'text'", int: "number"}[kind] for kind in known.args) or "no argument"
        raise TextError(f"the filter `{name}` takes {wanted}")
    return name, args


def render(text: Text, scope: Scope, limit: int = LONGEST_TEXT) -> str:
    """The text in the contact's language with its holes filled, cut to `limit` characters. Raises FlowError."""
    source = in_language(text, scope.languages)
    if "{{" not in source:
        return shorten(source, limit)
    filled = [part if isinstance(part, str) else part.fill(scope) for part in parse(source)]
    return shorten("".join(filled), limit)


def shorten(text: str, limit: int) -> str:
    """The text, with an ellipsis at the limit if it is longer."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def paths(source: str) -> Iterator[Hole]:
    """The holes of a text. Raises TextError."""
    return (part for part in parse(source) if isinstance(part, Hole))


def sketch(source: str) -> str:
    """The text with an `x` in each hole, which is about the shortest it can become. Raises TextError."""
    return "".join(part if isinstance(part, str) else "x" for part in parse(source))
