"""Reading Meta's JSON liberally: what every parser of this package shares.

Problem: Meta sends ids as numbers, numbers as strings, nulls for absent keys, and people send NUL and half surrogate pairs,
which Postgres refuses in text and jsonb. Choice: bytes are cleaned once before they are decoded; every element is decoded
alone, by a typed decoder, and only if that fails a second time with every number turned into text, nulls dropped and each
field taking the type it wants. Refused: walking dictionaries for every element (five times slower), and decoding the whole
delivery at once (one broken element would lose its neighbours).
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw, ValidationError

MAX_DEPTH = 64
"""How deeply a kept value may be nested: what is deeper is kept as text."""

MAX_ID = 512
"""Characters of an id: Postgres refuses index entries of more than about 2,700 bytes, and Meta's are under 200."""

ABSENT = Raw(b"null")
"""The default of an element that is not there."""

UNREADABLE = (ValueError, RecursionError)
"""What reading a foreign element may raise (msgspec's errors and Unicode errors are ValueErrors)."""

Loose = str | int | None
"""A text or an id, which may come as a number."""

Moment = str | int | float | None
"""A Unix time, in seconds or milliseconds, which may come as text."""

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Finite = Annotated[float, Meta(ge=-1e15, le=1e15)]

T_co = TypeVar("T_co", covariant=True)

_NEEDS_CLEANING = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|[\]}]', re.DOTALL)
_MILLISECONDS_FROM = 100_000_000_000
_REPLACEMENT = "\ufffd"


def clean(body: bytes) -> bytes:
    """The JSON with every NUL and every lone surrogate replaced by U+FFFD, so that Postgres can hold what it says.

    Raises `UnicodeDecodeError` if the bytes are not UTF-8. Anything else that is not JSON passes through.
    """
    if not body.isascii():
        body.decode()
    if b"\0" in body:
        body = body.replace(b"\0", _REPLACEMENT.encode())
    if _NEEDS_CLEANING.search(body) is None:
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], body)


class Reader(Generic[T_co]):
    """Reads one element as `kind`, liberally. Calling it raises one of `UNREADABLE` if that is impossible."""

    def __init__(self, kind: type[T_co]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind, strict=False).decode

    def __call__(self, raw: Raw | bytes) -> T_co:
        """The element, or the same element read with numbers as text and without nulls."""
        try:
            return self._decode(raw)
        except ValidationError:
            value = _as_text(msgspec.json.decode(raw))
            config = getattr(self._kind, "__struct_config__", None)
            if config is not None and config.tag_field and isinstance(value, dict):
                value.pop(config.tag_field, None)
            return msgspec.convert(value, self._kind, strict=False)

    def part(self, raw: Raw) -> T_co | None:
        """An optional part of an element: None if it is absent or cannot be read, so that it never costs us the whole."""
        if raw is ABSENT:
            return None
        try:
            return self(raw)
        except UNREADABLE:
            return None


def _as_text(value: object) -> object:
    """The value with its numbers as text and without keys that are null; the lax conversion turns them back where wanted."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def depth(raw: bytes) -> int:
    """How deeply this JSON is nested, without decoding it."""
    level = deepest = 0
    for token in _TOKEN.finditer(raw):
        if token[1]:
            level += 1
            deepest = max(deepest, level)
        elif token[0] in b"]}":
            level -= 1
    return deepest


def too_deep(raw: bytes) -> bool:
    """Whether it is nested deeper than `MAX_DEPTH`. Cheap for all that is small."""
    return raw.count(b"{") + raw.count(b"[") > MAX_DEPTH and depth(raw) > MAX_DEPTH


def keep(raw: Raw | bytes) -> object:
    """The element as a plain value that can be stored and encoded again; its JSON text if even that is impossible."""
    data = bytes(raw)
    try:
        value: object = data.decode(errors="replace") if too_deep(data) else msgspec.json.decode(data)
    except UNREADABLE:
        value = data.decode(errors="replace")
    return value


def text(value: Loose) -> str | None:
    """A text or id as text; None if it is absent or empty."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else str(value)


def identifier(value: Loose) -> str:
    """An id that must be there. Raises `ValueError` if it is not, or is longer than `MAX_ID`."""
    found = optional_id(value)
    if found is None:
        raise ValueError("no id")
    return found


def optional_id(value: Loose) -> str | None:
    """An id that may be absent. Raises `ValueError` if it is longer than `MAX_ID`."""
    found = text(value)
    if found is not None and len(found) > MAX_ID:
        raise ValueError("an id is too long")
    return found


def instant(value: Moment) -> datetime:
    """The moment of a Unix time in seconds, or in milliseconds if it would otherwise be after the year 5138.

    Raises `ValueError` if it is absent or not a time.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) < 20):
            raise ValueError("not a timestamp")
        value = int(value)
    if value is None or not 0 <= value < _MILLISECONDS_FROM * 1000:
        raise ValueError("not a timestamp")
    return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)


def maybe_instant(value: Moment) -> datetime | None:
    """The same for a time we can do without: None instead of an error."""
    try:
        return instant(value)
    except ValueError:
        return None
