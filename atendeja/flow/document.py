"""Flow documents: YAML or JSON text in, a `Flow` out, and back as canonical JSON.

YAML is read from the parser's events, with JSON's scalars only: `18:30`, `no` and `0800` stay what was written, and there is
no anchor, alias or tag to blow up or to call anything.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

import msgspec
import yaml

from atendeja.errors import Refused

from . import grammar
from .grammar import Problem
from .model import Flow

LARGEST: Final = 256 * 1024
"""Bytes of a document."""
DEEPEST: Final = 40

_JSON_SCALAR = re.compile(r"null|true|false|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str, name: str) -> Flow:
    """The flow that a document describes; `name` is what to call the document in errors.

    Raises Refused with every mistake of form, one per line; whether ids, variables and texts make sense is `check.check`'s.
    """
    flow, problems = read(text)
    if flow is None:
        raise _malformed(problems, name)
    return flow


def _malformed(problems: list[Problem], name: str) -> Refused:
    return Refused("flow_malformed", "\n".join([f"{name}: {len(problems)} problem(s)", *(f"  {problem}" for problem in problems)]))


def read(text: str) -> tuple[Flow | None, list[Problem]]:
    """The flow of a document, or None with all that is wrong with its form. Never raises."""
    problems: list[Problem] = []
    try:
        raw = value(text)
    except DocumentError as error:
        return None, [Problem("error", "", str(error))]
    if not isinstance(raw, dict):
        return None, [Problem("error", "", "a flow is a document with keys such as `spec`, `key` and `nodes`")]
    if "spec" in raw and raw["spec"] != 1:
        return None, [Problem("error", "spec", f"this release reads `spec: 1`, not `{str(raw['spec'])[:20]}`")]
    return grammar.read(Flow, raw, "", problems), problems


def stored(definition: str | bytes, name: str) -> Flow:
    """The flow that `canonical` wrote, which may have grown: JSON says some things longer than they were written.

    Raises Refused when this release cannot read it.
    """
    problems: list[Problem] = []
    flow = grammar.read(Flow, msgspec.json.decode(definition), "", problems)
    if flow is None:
        raise _malformed(problems, name)
    return flow


def canonical(flow: Flow) -> bytes:
    """The flow as JSON that is the same for the same flow, whatever it was written in; `load` reads it back."""
    return msgspec.json.encode(flow, order="deterministic")


def sha256(flow: Flow) -> str:
    """The hex digest of the canonical form: the identity of a version's content."""
    return hashlib.sha256(canonical(flow)).hexdigest()


class DocumentError(ValueError):
    """A document that is neither JSON nor the YAML we take; says why and where."""


def value(text: str) -> object:
    """The plain value of a JSON or YAML document. Raises DocumentError."""
    if len(text) > LARGEST or len(text.encode(errors="replace")) > LARGEST:
        raise DocumentError(f"the document is larger than {LARGEST // 1024} KiB")
    found = _json(text) if text.lstrip().startswith("{") else None
    if found is None:
        found = _yaml(text)
    if any(_UNSTORABLE.search(each) for each in _texts(found, 0)):
        raise DocumentError("a text holds a NUL or half a character, which cannot be stored")
    return found


def _json(text: str) -> object:
    """The value, or None if it is not JSON (it may still be YAML)."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _texts(found: object, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise DocumentError(f"the document is nested more than {DEEPEST} deep")
    match found:
        case str():
            yield found
        case dict():
            for key, under in found.items():
                yield key
                yield from _texts(under, depth + 1)
        case list():
            for under in found:
                yield from _texts(under, depth + 1)


def _yaml(text: str) -> object:
    try:
        events = _Events(text)
        return events.document()
    except yaml.YAMLError as error:
        raise DocumentError(f"the document is not YAML: {_readable(error)}") from error
    except UnicodeError as error:
        raise DocumentError("the document holds half a character, which cannot be stored") from error


def _readable(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark
        return f"{error.problem}{_at(mark)}"
    return str(error).splitlines()[0]


class _Mark(Protocol):
    """A place in a document, counted from 0; the two parsers have a class each."""

    line: int
    column: int


def _at(mark: _Mark | None) -> str:
    return f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""


class _Events:
    """The parser's events, turned into one plain value."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=_PARSER)

    def document(self) -> object:
        next(self._events)
        start = next(self._events)
        if isinstance(start, yaml.StreamEndEvent):
            raise DocumentError("the document is empty")
        found = self._value(next(self._events), 0)
        next(self._events)
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise DocumentError("there is more than one document")
        return found

    def _value(self, event: yaml.Event, depth: int) -> object:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise DocumentError(f"anchors and aliases are not allowed{_at(event.start_mark)}")
        if getattr(event, "tag", None) is not None:
            raise DocumentError(f"tags are not allowed{_at(event.start_mark)}")
        if depth > DEEPEST:
            raise DocumentError(f"the document is nested more than {DEEPEST} deep{_at(event.start_mark)}")
        match event:
            case yaml.MappingStartEvent():
                return self._mapping(depth)
            case yaml.SequenceStartEvent():
                return self._sequence(depth)
            case _:
                return _scalar(event)

    def _mapping(self, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise DocumentError(f"a key must be a word{_at(event.start_mark)}")
            key = str(event.value)
            if key in found:
                raise DocumentError(f"the key `{key}` stands here twice{_at(event.start_mark)}")
            self._refuse_anchor(event)
            found[key] = self._value(next(self._events), depth + 1)
        return found

    def _refuse_anchor(self, event: yaml.ScalarEvent) -> None:
        if event.anchor is not None or event.tag is not None:
            raise DocumentError(f"anchors and tags are not allowed{_at(event.start_mark)}")

    def _sequence(self, depth: int) -> list[object]:
        found = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, depth + 1))
        return found


def _scalar(event: yaml.Event) -> object:
    if not isinstance(event, yaml.ScalarEvent):
        raise DocumentError(f"this cannot be read{_at(event.start_mark)}")
    text = str(event.value)
    if event.style or not (text == "" or _JSON_SCALAR.fullmatch(text)):
        return text
    if text == "":
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise DocumentError(f"the number is too large{_at(event.start_mark)}") from error


class _Place:
    """Where a value begins, and where those in it do."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.inside: dict[str, _Place] = {}


_STEP = re.compile(r"\[([0-9]+)\]|([^.\[]+)")


def lines(text: str, paths: Iterable[str]) -> list[int | None]:
    """The line, from 1, in which each of these places of a document begins, or the nearest place around it that is written there;
    none for a document that cannot be read."""
    try:
        top = _place(text)
    except (yaml.YAMLError, UnicodeError, DocumentError):
        return [None for _ in paths]
    return [_line(top, path) for path in paths]


def _line(place: _Place, path: str) -> int:
    for step in _STEP.finditer(path):
        inside = place.inside.get(step[1] or step[2])
        if inside is None:
            break
        place = inside
    return place.line


def _place(text: str) -> _Place:
    """The places of a document that `_Events` has read."""
    events = yaml.parse(text, Loader=_PARSER)
    top = _Place(1)
    around: list[tuple[_Place, bool]] = []
    """The mappings (True) and lists that are open, the innermost last."""
    key: str | None = None
    for event in events:
        match event:
            case yaml.CollectionEndEvent():
                around.pop()
                continue
            case yaml.NodeEvent():
                pass
            case _:
                continue
        line = event.start_mark.line + 1 if event.start_mark else 1
        if around and around[-1][1] and key is None:
            if not isinstance(event, yaml.ScalarEvent):
                raise DocumentError("a key must be a word")
            key = str(event.value)
            around[-1][0].inside[key] = _Place(line)
            continue
        if not around:
            place = top = _Place(line)
        elif around[-1][1]:
            place, key = around[-1][0].inside[str(key)], None
        else:
            place = around[-1][0].inside[str(len(around[-1][0].inside))] = _Place(line)
        if isinstance(event, yaml.CollectionStartEvent):
            around.append((place, isinstance(event, yaml.MappingStartEvent)))
    return top
