"""How the grammar's structs are read from plain JSON values, key by key, so that every mistake gets its path and its remedy.

msgspec alone would stop at the first mistake and cannot tell apart structs without a tag, while here `{tag: [x]}` and
`{say: {…}}` are told apart by their key. So the walk is ours, and the leaves (ids, numbers, patterns) are msgspec's.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .words import fold

T = TypeVar("T")


class Problem(Struct, frozen=True, omit_defaults=True):
    """What is wrong with a flow, where, and what to write instead. A `warning` does not keep it from being published."""

    severity: Literal["error", "warning"]
    path: str
    message: str
    suggestion: str | None = None

    @property
    def node(self) -> str | None:
        """The node the path leads into, if any."""
        parts = self.path.split(".")
        return parts[1].split("[")[0] if parts[0] == "nodes" and len(parts) > 1 else None

    def __str__(self) -> str:
        """One line: the path, the message, the suggestion."""
        where = f"{self.path}: " if self.path else ""
        remedy = f" ({self.suggestion})" if self.suggestion else ""
        return f"{self.severity}: {where}{self.message}{remedy}"


class OneOf(Struct, frozen=True):
    """Marks a union of structs that are told apart by their keys; `later` are keys of the grammar that are not built yet."""

    what: str
    later: tuple[str, ...] = ()


class Grammar(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every struct of the language. Its docstring is its entry in the reference."""

    later: ClassVar[tuple[str, ...]] = ()
    """Keys of the full grammar that this release does not know yet."""

    def flaw(self) -> str | None:
        """What is wrong with the struct as a whole though each key is right; None if nothing."""
        return None


class Key(Struct, frozen=True):
    """A key of a struct: as written, as the attribute is called, its type, and whether it must be there."""

    written: str
    name: str
    type: Any  # a type as `typing` hands it out: a class, a union, an Annotated
    required: bool


@cache
def keys(struct: type[Struct]) -> dict[str, Key]:
    """The keys of a struct by their written form."""
    hints = get_type_hints(struct, include_extras=True)
    return {
        field.encode_name: Key(field.encode_name, field.name, hints[field.name], field.required)
        for field in msgspec.structs.fields(struct)
    }


@cache
def name_of(struct: type[Struct]) -> str:
    """The key by which a struct is known among its kind: the first it cannot do without (but `to`, which all cases have)."""
    return next(key.written for key in keys(struct).values() if key.required and key.written != "to")


def members(union: object) -> tuple[object, ...]:
    """The types of a union without "absent"; a type that is no union alone."""
    if get_origin(union) in (Union, types.UnionType):
        return tuple(part for part in get_args(union) if part is not UnsetType)
    return (union,)


def strip(annotated: object) -> tuple[object, OneOf | None]:
    """A type without its `OneOf` mark, and the mark."""
    if get_origin(annotated) is Annotated:
        inner, *marks = get_args(annotated)
        mark = next((mark for mark in marks if isinstance(mark, OneOf)), None)
        return (inner, mark) if mark else (annotated, None)
    parts = members(annotated)
    return strip(parts[0]) if len(parts) == 1 and parts[0] is not annotated else (annotated, None)


class Bad:
    """Stands where a value could not be read; the problem is already noted."""


BAD: Final = Bad()


def read(kind: type[T], raw: object, path: str, problems: list[Problem]) -> T | None:
    """The value as this struct, or None with everything that is wrong added to `problems`."""
    found = _read(kind, raw, path, problems)
    return None if isinstance(found, Bad) else cast("T", found)


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, as a question."""
    near = get_close_matches(word, list(known), 1, 0.6) or get_close_matches(fold(word).replace(" ", "_"), list(known), 1, 0.6)
    return f"did you mean `{near[0]}`?" if near else None


def _note(problems: list[Problem], path: str, message: str, suggestion: str | None = None) -> Bad:
    problems.append(Problem("error", path, message, suggestion))
    return BAD


def _read(kind: object, raw: object, path: str, problems: list[Problem]) -> object:
    inner, mark = strip(kind)
    parts = members(inner)
    structs = [part for part in parts if isinstance(part, type) and issubclass(part, Struct)]
    if mark is None and len(parts) == 1:
        return _one(parts[0], raw, path, problems)
    if isinstance(raw, dict) and structs:
        struct = _chosen(structs, raw, mark or OneOf("a value"), path, problems) if mark else structs[0]
        return _struct(struct, raw, path, problems) if struct else BAD
    for origin, shape in ((list, list), (dict, dict)):
        container = next((part for part in parts if get_origin(part) is origin), None)
        if container is not None and isinstance(raw, shape):
            return _one(container, raw, path, problems)
    leaves = tuple(part for part in parts if part not in structs and get_origin(part) not in (list, dict))
    if not leaves:
        what = mark.what if mark else "a list or an object"
        return _note(problems, path, f"{what} is expected here, not {_said(raw)}")
    return _leaf(Union[leaves], raw, path, problems)  # noqa: UP007 built at run time


def _one(kind: object, raw: object, path: str, problems: list[Problem]) -> object:
    origin = get_origin(kind)
    if origin is list:
        return _list(get_args(kind)[0], raw, path, problems)
    if origin is tuple:
        return _tuple(get_args(kind), raw, path, problems)
    if origin is dict:
        return _dict(get_args(kind), raw, path, problems)
    if isinstance(kind, type) and issubclass(kind, Struct):
        if not isinstance(raw, dict):
            return _note(problems, path, f"keys such as `{next(iter(keys(kind)))}` are expected here, not {_said(raw)}")
        return _struct(kind, raw, path, problems)
    return _leaf(kind, raw, path, problems)


def _list(item: object, raw: object, path: str, problems: list[Problem]) -> object:
    if not isinstance(raw, list):
        return _note(problems, path, f"a list is expected here, not {_said(raw)}", "write it as `[…]`")
    items = [_read(item, each, f"{path}[{index}]", problems) for index, each in enumerate(raw)]
    return BAD if any(each is BAD for each in items) else items


def _tuple(kinds: tuple[object, ...], raw: object, path: str, problems: list[Problem]) -> object:
    if not isinstance(raw, list) or len(raw) != len(kinds):
        return _note(problems, path, f"a list of {len(kinds)} is expected here, not {_said(raw)}")
    items = [_read(kind, each, f"{path}[{index}]", problems) for index, (kind, each) in enumerate(zip(kinds, raw, strict=True))]
    return BAD if any(each is BAD for each in items) else tuple(items)


def _dict(kinds: tuple[object, ...], raw: object, path: str, problems: list[Problem]) -> object:
    if not isinstance(raw, dict):
        return _note(problems, path, f"keys are expected here, not {_said(raw)}")
    found = {}
    for key, value in raw.items():
        under = f"{path}.{key}" if path else str(key)
        name = _leaf(kinds[0], key, under, problems)
        found[name] = _read(kinds[1], value, under, problems)
    return BAD if any(each is BAD for pair in found.items() for each in pair) else found


def _chosen(
    structs: list[type[Struct]], raw: Mapping[str, object], mark: OneOf, path: str, problems: list[Problem]
) -> type[Struct] | None:
    """The struct whose own key stands in the object."""
    named = {name_of(struct): struct for struct in structs}
    there = [name for name in named if name in raw]
    if len(there) == 1:
        return named[there[0]]
    if there:
        _note(problems, path, f"{mark.what} has exactly one of its keys, not {_listed(there)}")
    elif later := [key for key in raw if key in mark.later]:
        _note(problems, f"{path}.{later[0]}", f"`{later[0]}` is not supported yet")
    else:
        suggestion = next(filter(None, (suggest(key, named) for key in raw)), None)
        _note(problems, path, f"{mark.what} needs one of {_listed(named)}, not {_listed(raw) or 'nothing'}", suggestion)
    return None


def _struct(struct: type[Struct], raw: Mapping[str, object], path: str, problems: list[Problem]) -> object:
    known = keys(struct)
    before = len(problems)
    later: tuple[str, ...] = getattr(struct, "later", ())
    given = {}
    for written, value in raw.items():
        under = f"{path}.{written}" if path else str(written)
        if written in known:
            given[known[written].name] = _read(known[written].type, value, under, problems)
        elif written in later:
            _note(problems, under, f"`{written}` is not supported yet")
        else:
            _note(problems, under, f"unknown key `{written}`", suggest(str(written), known) or f"there are {_listed(known)}")
    for key in known.values():
        if key.required and key.written not in raw:
            _note(problems, path, f"`{key.written}` is missing")
    if len(problems) > before:
        return BAD
    made = struct(**given)
    check: Callable[[], str | None] | None = getattr(made, "flaw", None)
    flaw = check() if check else None
    return _note(problems, path, flaw) if flaw else made


def _leaf(kind: object, raw: object, path: str, problems: list[Problem]) -> object:
    try:
        return msgspec.convert(raw, cast("type[object]", kind))
    except msgspec.ValidationError as error:
        wanted = _described(kind)
        if wanted is None:
            return _note(problems, path, str(error).replace("Expected", "expected").split(" - at")[0])
        guess = fold(raw).replace(" ", "_") if isinstance(raw, str) else ""
        fits = bool(guess) and guess != raw and _fits(kind, guess)
        return _note(problems, path, f"{wanted} is expected here, not {_said(raw)}", f"did you mean `{guess}`?" if fits else None)


def _fits(kind: object, raw: object) -> bool:
    try:
        msgspec.convert(raw, cast("type[object]", kind))
    except msgspec.ValidationError:
        return False
    return True


_PLAIN: Final[Mapping[type, str]] = {str: "a text", bool: "`true` or `false`", int: "a whole number", float: "a number"}


def _described(kind: object) -> str | None:
    """The description of a leaf's pattern, or the choices of a literal, or None if msgspec's own words will do."""
    if get_origin(kind) is Annotated:
        return next((mark.description for mark in get_args(kind) if isinstance(mark, Meta) and mark.description), None)
    if isinstance(kind, type) and kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) is Literal:
        return "one of " + _listed(str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in get_args(kind))
    return None


def _listed(words: Iterable[object]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _said(raw: object) -> str:
    """A raw value, short enough for a line."""
    match raw:
        case None:
            return "nothing"
        case dict():
            return "keys"
        case list():
            return "a list"
        case bool():
            return f"`{str(raw).lower()}`"
        case _:
            text = str(raw)
            return f"`{text[:40]}{'…' if len(text) > 40 else ''}`"


class Leaf(Struct, frozen=True):
    """A value at the end of a path in a struct, with the type its key declares."""

    path: str
    kind: Any  # a type as `typing` hands it out
    value: object


def leaves(made: Struct, path: str = "") -> Iterator[Leaf]:
    """Every value in a struct, however deep; lists and maps of texts are taken apart, maps whose type is one value are not."""
    for key in keys(type(made)).values():
        value = getattr(made, key.name)
        if value is not UNSET:
            yield from _leaves(key.type, value, f"{path}.{key.written}" if path else key.written)


def _leaves(kind: object, value: object, path: str) -> Iterator[Leaf]:
    parts = members(strip(kind)[0])
    if isinstance(value, Struct):
        yield from leaves(value, path)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(_item(parts, index), item, f"{path}[{index}]")
    elif isinstance(value, dict) and str not in parts and any(get_origin(part) is dict for part in parts):
        inside = next(get_args(part)[1] for part in parts if get_origin(part) is dict)
        for name, item in value.items():
            yield from _leaves(inside, item, f"{path}.{name}")
    else:
        yield Leaf(path, parts[0] if len(parts) == 1 else kind, value)


def _item(parts: tuple[object, ...], index: int) -> object:
    """The type of an item of a list or a tuple; of a plain value's list, any."""
    for part in parts:
        if get_origin(part) is list:
            return get_args(part)[0]
        if get_origin(part) is tuple:
            return get_args(part)[index]
    return object
