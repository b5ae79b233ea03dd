"""Writes `atendeja/client/generated.py` of the API's document: its structs, and every operation as a method of both clients.

The client must not import the server, whose structs lie beside its tables; what is generated has the same names and types, and a
test says when it is not what would be generated. Bodies are taken apart into arguments: `client.invite_user(email=…, role=…)`.
"""

import keyword
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from atendeja.client.drive import Sync

Json = Mapping[str, Any]  # Any: a document

REF = "#/components/schemas/"
OURS = {"Trouble", "Fault"}
"""Those that the client has by hand."""
FORMATS = {"uuid": "UUID", "date-time": "dt.datetime", "date": "dt.date", "time": "dt.time"}
KINDS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
WIDTH = 120
HEAD = '''"""The API's structs and operations. Generated of its document: `pytest --update tests/client` writes this anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, cast
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, field

from atendeja.client.drive import Async, AsyncPages, Pages, Sync
from atendeja.client.exchange import Content, Fault, Operation, Page
from atendeja.client.feed import ServerEvent
'''


def write(document: Json) -> str:
    """The module's text, to be formatted."""
    schemas = document["components"]["schemas"]
    operations = [
        _Operation(path, method, told, schemas) for path, methods in document["paths"].items() for method, told in methods.items()
    ]
    tagged = {one.gives for one in operations if one.is_tagged}
    structs = {
        _python(name): _struct(name, schema, is_tagged=_python(name) in tagged)
        for name, schema in sorted(schemas.items())
        if name not in OURS and not _is_page(schema)
    }
    table = "".join(f"    {one.row},\n" for one in operations)
    parts = [f"OPERATIONS = {{one.name: one for one in [\n{table}]}}\n"]
    for name, base, is_async in (("Client", "Sync", False), ("AsyncClient", "Async", True)):
        methods = "\n".join(one.method(is_async=is_async) for one in operations)
        parts.append(f"class {name}({base}):\n    operations = OPERATIONS\n\n{methods}")
    used = _reach(structs, "\n".join(parts))
    return "\n\n".join([HEAD, *(text for name, text in structs.items() if name in used), *parts])


def _reach(structs: Mapping[str, str], text: str) -> set[str]:
    """The structs that a text names, and those that they name: bodies are taken apart."""
    found, new = set[str](), {*re.findall(r"\w+", re.sub(r'"""[\s\S]*?"""', "", text))} & {*structs}
    while new:
        found |= new
        new = {word for name in new for word in re.findall(r"\w+", structs[name]) if word in structs} - found
    return found


class _Operation:
    """One operation, taken apart."""

    def __init__(self, path: str, method: str, told: Json, schemas: Json) -> None:
        self._path, self._method, self._told, self._schemas = path, method.upper(), told, schemas
        self.name: str = told["operationId"]
        if hasattr(Sync, self.name):
            raise ValueError(f"the client has a {self.name} of its own")
        parameters = told.get("parameters", [])
        self._ids = {p["name"]: p["schema"] for p in parameters if p["in"] == "path"}
        self._query = {p["name"]: p for p in parameters if p["in"] == "query"}
        self._headers = {p["name"] for p in parameters if p["in"] == "header"}
        success = next(answer for status, answer in told["responses"].items() if status < "300")
        self.is_tagged = "ETag" in success.get("headers", {})
        content = success.get("content", {})
        self._is_stream = "text/event-stream" in content
        events = content.get("text/event-stream", {}).get("schema", {}).get("x-events", {})
        self._kinds = {name: _kind(kind, schemas) for name, kind in events.items()}
        schema = content.get("application/json", {}).get("schema")
        self.gives = _kind(schema, schemas) if schema else "bytes" if content else "None"
        self._is_page = self.gives.startswith("Page[")
        self._body = told.get("requestBody", {}).get("content", {})

    @property
    def row(self) -> str:
        once, public = "Idempotency-Key" in self._headers, not self._told.get("security")
        more = (", once=True" if once else "") + (", public=True" if public else "")
        return f'Operation("{self.name}", "{self._method}", "{self._path}"{more})'

    def method(self, *, is_async: bool) -> str:
        start, wait = ("async def", "await ") if is_async else ("def", "")
        pages, iterator = ("AsyncPages", "AsyncIterator") if is_async else ("Pages", "Iterator")
        gives, call, what = self.gives, f"return {wait}self._call", self.gives
        if self._is_page:
            start, gives, call = "def", pages + gives.removeprefix("Page"), "return self._pages"
        elif self._is_stream:
            start, gives, call = (
                "def",
                f"{iterator}[ServerEvent[{' | '.join(self._kinds.values()) or 'Any'}]]",
                "return self._events",
            )
            what = f"{{{', '.join(f'{name!r}: {kind}' for name, kind in self._kinds.items())}}}, last_event_id"
        elif gives == "None":
            call, what = f"{wait}self._call", "type(None)"
        elif " | " in gives or gives == "Any":
            what = f'cast("type[{gives}]", {gives})'
        positional, named, given = self._arguments()
        signature = ", ".join(["self", *positional, *(["*", *named] if named else [])])
        says = _says(f"{self._told['summary']}\n\n{self._told['description']}", 8)
        inner = ", ".join([f'"{self.name}"', what, *given])
        return f"    {start} {self.name}({signature}) -> {gives}:\n{says}\n        {call}({inner})\n"

    def _arguments(self) -> tuple[list[str], list[str], list[str]]:
        """Those by place, those by name, and how they are handed on."""
        positional = [f"{name}: {_kind(schema, self._schemas)}" for name, schema in self._ids.items()]
        named: list[str] = []
        given = [_dict("ids", self._ids)] if self._ids else []
        query = {name: p for name, p in self._query.items() if not (self._is_page and name == "cursor")}
        named += [_argument(name, p["schema"], self._schemas, is_wanted=p["required"]) for name, p in query.items()]
        given += [_dict("query", query)] if query else []
        if "application/json" in self._body:
            schema = _resolve(self._body["application/json"]["schema"], self._schemas)
            fields = schema.get("properties")
            if fields is None or {*fields} & {*self._ids}:
                positional.append(f"body: {_kind(self._body['application/json']['schema'], self._schemas)}")
                given.append("body=body")
            else:
                wanted = schema.get("required", [])
                named += [_argument(name, part, self._schemas, is_wanted=name in wanted) for name, part in fields.items()]
                given.append(_dict("body", fields))
        elif self._body:
            positional.append("content: Content")
            named.append("content_type: str")
            given += ["content=content", "content_type=content_type"]
        for header, name in (("If-Match", "if_match"), ("Idempotency-Key", "idempotency_key")):
            if header in self._headers:
                named.append(f"{name}: str | None = None")
                given.append(f"{name}={name}")
        if self._is_stream:
            named.append("last_event_id: str | None = None")
        return positional, named, given


def _dict(of: str, names: Any) -> str:  # Any: of names
    return f"{of}={{{', '.join(f'{name!r}: {_python(name)}' for name in names)}}}"


def _argument(name: str, schema: Json, schemas: Json, *, is_wanted: bool) -> str:
    kind = _kind(schema, schemas)
    return f"{_python(name)}: {kind}" if is_wanted else f"{_python(name)}: {kind} | UnsetType = UNSET"


def _struct(name: str, schema: Json, *, is_tagged: bool) -> str:
    wanted, lines = schema.get("required", []), list[str]()
    tag = _tag(schema)
    for key, part in schema["properties"].items():
        if key != tag:
            lines += _field(key, part, is_wanted=key in wanted)
    if is_tagged:
        lines += ["    etag: str | None = None", _says("For `if_match`, when it was shown by itself: what has been seen.", 4)]
    options = "frozen=True, kw_only=True, omit_defaults=True"
    if tag is not None:
        options += f', tag_field="{tag}", tag="{schema["properties"][tag]["enum"][0]}"'
    told = [_says(schema["description"], 4), ""] if "description" in schema else []
    return f"class {_python(name)}(Struct, {options}):\n" + "\n".join([*told, *(lines or ["    pass"])]) + "\n"


def _field(key: str, part: Json, *, is_wanted: bool) -> Iterator[str]:
    kind, name = _kind(part, {}), _python(key)
    default = "" if is_wanted else "UNSET"
    if not is_wanted and "default" in part:
        default = {"[]": "field(default_factory=list)", "{}": "field(default_factory=dict)"}.get(
            repr(part["default"]), repr(part["default"]) if not isinstance(part["default"], list | dict) else "UNSET"
        )
        if default == "field(default_factory=list)" and name != key:
            default = "UNSET"
    if default == "UNSET":
        kind += " | UnsetType"
    if name != key:
        default = f'field(name="{key}")' if is_wanted else f'field(name="{key}", default={default})'
    yield f"    {name}: {kind}" + (f" = {default}" if default else "")
    if "description" in part:
        yield _says(part["description"], 4)


def _says(text: str, indent: int) -> str:
    """A docstring."""
    plain = text.strip().replace("\\", "\\\\").replace('"""', "'''")
    lines = [line for given in plain.split("\n") for line in textwrap.wrap(given, WIDTH - indent) or [""]]
    end = "\n" if len(lines) > 1 else " " if plain.endswith('"') else ""
    return textwrap.indent('"""' + "\n".join(lines) + end + '"""', " " * indent)


def _tag(schema: Json) -> str | None:
    """By which field a union tells this struct from the others."""
    first = next(iter(schema["properties"].items()), None)
    if first is None or len(first[1].get("enum", [])) != 1 or "default" in first[1]:
        return None
    return first[0] if first[0] in ("type", "kind") else None


def _kind(schema: Json, schemas: Json) -> str:
    """The type of a value."""
    if "$ref" in schema:
        return _class(schema["$ref"].removeprefix(REF), schemas)
    if "enum" in schema:
        return f"Literal[{', '.join(repr(one) for one in schema['enum'])}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_kind(one, schemas) for one in schema["anyOf"]))
    match schema.get("type"):
        case "array" if "prefixItems" in schema:
            return f"tuple[{', '.join(_kind(one, schemas) for one in schema['prefixItems'])}]"
        case "array":
            return f"list[{_kind(schema.get('items') or {}, schemas)}]"
        case "object":
            more = schema.get("additionalProperties")
            return f"dict[str, {_kind(more, schemas) if isinstance(more, Mapping) else 'Any'}]"
        case "string" if "contentEncoding" in schema:
            return "bytes"
        case None:
            return "Any"
        case kind:
            return FORMATS.get(schema.get("format", ""), KINDS[kind])


def _class(name: str, schemas: Json) -> str:
    schema = schemas.get(name, {})
    return f"Page[{_kind(schema['properties']['items']['items'], schemas)}]" if _is_page(schema) else _python(name)


def _is_page(schema: Json) -> bool:
    return str(schema.get("title", "")).startswith("Page[")


def _resolve(schema: Json, schemas: Json) -> Json:
    return schemas[schema["$ref"].removeprefix(REF)] if "$ref" in schema else schema


def _python(name: str) -> str:
    """As a name in Python."""
    plain = re.sub(r"\W", "_", name)
    return f"{plain}_" if keyword.iskeyword(plain) else plain
