"""Named statements, bound to the structs of their rows: `sql/queries/<concept>.sql` as the code sees it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

R = TypeVar("R")


@cache
def sql_dir() -> Path:
    """Where the SQL lies: beside the source tree, else inside the installed package."""
    here = Path(__file__).parents[1]
    for folder in (here.parent / "sql", here / "_sql"):
        if (folder / "migrations").is_dir():
            return folder
    raise FileNotFoundError("the sql folder is neither beside the package nor inside it")


@dataclass(frozen=True)
class Query(Generic[R]):
    """A named statement: `text` with $n, the names in the order of n, and the struct its rows become."""

    name: str
    text: str
    params: tuple[str, ...]
    row: type[R]

    def arguments(self, given: dict[str, object]) -> list[object]:
        if given.keys() != set(self.params):
            missing, extra = set(self.params) - given.keys(), given.keys() - set(self.params)
            raise TypeError(f"{self.name}: missing {sorted(missing)}, not wanted {sorted(extra)}")
        return [given[p] for p in self.params]


REGISTRY: dict[str, Query[Any]] = {}  # Any: each entry has a row type of its own
"""Every statement the code has bound, by `concept.name`."""

_NAME = re.compile(r"^-- (name|part): (\w+)$", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\w+)\.(\w+)$", re.MULTILINE)
_PARAM = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::\w+|:([a-z_][a-z0-9_]*)")


def statements(concept: str) -> dict[str, str]:
    """The named statements of one file of `sql/queries/`, as written."""
    return _read(concept)["name"]


@cache
def _read(concept: str) -> dict[str, dict[str, str]]:
    """name → the statements of a file, part → the common tables that `-- include: concept.part` puts into several."""
    pieces = _NAME.split((sql_dir() / "queries" / f"{concept}.sql").read_text(encoding="utf-8"))
    found: dict[str, dict[str, str]] = {"name": {}, "part": {}}
    for kind, name, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        found[kind][name] = text.strip()
    return found


def _complete(text: str) -> str:
    return _INCLUDE.sub(lambda match: _read(match[1])["part"][match[2]], text)


def number(text: str) -> tuple[str, tuple[str, ...]]:
    """Replace `:name` by `$n`, the same name by the same n, leaving strings, comments and casts alone."""
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if (name := match[1]) is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _PARAM.sub(replace, text), tuple(names)


def query(name: str, row: type[R]) -> Query[R]:
    """Bind `concept.statement` to the struct of its rows; `None` for a statement that returns none."""
    concept, statement = name.split(".")
    bound = Query(name, *number(_complete(statements(concept)[statement])), row)
    REGISTRY[name] = bound
    return bound


def columns(rows: Iterable[msgspec.Struct], without: frozenset[str] = frozenset()) -> dict[str, list[object]]:
    """Structs as the arrays that `unnest` takes, a list per field, named in the plural: id → ids, key → keys, policy → policies.

    Values of jsonb fields must be bytes or dicts: asyncpg takes a list in an array for another dimension.
    """
    found = list(rows)
    fields = [name for name in found[0].__struct_fields__ if name not in without] if found else []
    return {plural(name): [getattr(row, name) for row in found] for name in fields}


@cache
def plural(name: str) -> str:
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


def records(structs: Iterable[object]) -> bytes:
    """Structs as the one JSON array that `json_to_recordset` takes. For wide rows: asyncpg spends about 1 µs on each element of an
    array parameter, and this is made in one call. A field that is JSON already must be a msgspec.Raw; bytes go as base64."""
    return msgspec.json.encode(list(structs))


class Nothing(msgspec.Struct):
    """The row type of a statement that returns no rows."""
