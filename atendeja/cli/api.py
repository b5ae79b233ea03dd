"""`api`: any operation of the API from a shell, by its operationId, through our own client. Nothing here knows one by name.

The key is in the environment, never among the arguments, which every user of the machine can read; so are no passwords and tokens.
"""

import difflib
import json
import mimetypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from atendeja import app as application
from atendeja import openapi
from atendeja.errors import Refused

if TYPE_CHECKING:
    from atendeja.client import Client

Json = Mapping[str, Any]  # Any: a document

KEY, URL, HERE = "ATENDEJA_API_KEY", "ATENDEJA_URL", "http://127.0.0.1:8000"
USAGE = f"""atendeja api OPERATION [--NAME VALUE ...] [--json '{{...}}' | --data FILE]

  --NAME VALUE        an id, a parameter or a field of the body; several of a list: the option again
  --json '{{...}}'      the body, to which fields are added
  --data FILE         the same from a file, or a file to be sent as it is; - reads standard input
  --content-type T    what such a file is, where its name does not say it
  --all               every page of a list, one object a line
  --if-match TAG      change only what still has this `etag`
  --idempotency-key K the same as in an earlier try, so that it is done once
  --last-event-id ID  of events: those behind it
  --url URL           the server ({URL}, {HERE})
  --help              what an operation takes

{KEY} holds an API key, or the access token that `login` gives. Operations:
"""
HEADERS = ("if-match", "idempotency-key", "last-event-id")
OPTIONS = ("json", "data", "content-type", "url", *HEADERS)


class Usage(Exception):
    """What was typed cannot be meant: exit 2."""


@dataclass
class Typed:
    """What was typed, taken apart."""

    values: dict[str, list[str]] = field(default_factory=dict)
    """Of the operation's own names."""
    options: dict[str, str] = field(default_factory=dict)
    pages: bool = False
    help: bool = False


@dataclass(frozen=True)
class Described:
    """An operation as the document has it."""

    name: str
    told: Json
    schemas: Json

    @property
    def parameters(self) -> dict[str, Json]:
        """Ids and those of the query."""
        return {one["name"]: one for one in self.told.get("parameters", []) if one["in"] != "header"}

    @property
    def body(self) -> Json | None:
        """The schema of a body that is JSON."""
        content = self.told.get("requestBody", {}).get("content", {})
        return self.resolve(content["application/json"]["schema"]) if "application/json" in content else None

    @property
    def fields(self) -> Json:
        found: Json = (self.body or {}).get("properties", {})
        return found

    @property
    def success(self) -> Json:
        """What a good answer holds, by its kind."""
        found: Json = next(answer.get("content", {}) for status, answer in self.told["responses"].items() if status < "300")
        return found

    def resolve(self, schema: Json) -> Json:
        found: Json = self.schemas[schema["$ref"].removeprefix(openapi.REF)] if "$ref" in schema else schema
        return found

    def schema(self, name: str) -> Json:
        """Of an id, a parameter or a field."""
        found: Json = self.parameters[name]["schema"] if name in self.parameters else self.fields[name]
        return self.resolve(found)


def add_to(app: App) -> None:
    app.command(api, help_flags=(), version_flags=())


def api(*words: Annotated[str, Parameter(allow_leading_hyphen=True)]) -> int:
    """Ask the API of a server for anything it does. Alone it lists what that is; `atendeja api OPERATION --help` tells more."""
    document = openapi.document(application.ENDPOINTS)
    told = [one for methods in document["paths"].values() for one in methods.values()]
    described = {one["operationId"]: Described(one["operationId"], one, document["components"]["schemas"]) for one in told}
    try:
        name, rest = _split(words)
        if name is None:
            width = max(map(len, described))
            print(USAGE + "\n".join(f"  {one.name:{width}}  {one.told['summary']}" for one in described.values()))
            return 0
        if name not in described:
            raise Usage(f"there is no operation {name}{_like(name, described)}; `atendeja api` lists them")
        typed = _read(rest, described[name])
        if typed.help:
            print("\n".join(_explain(described[name])))
            return 0
        return _ask(described[name], typed)
    except Usage as error:
        print(error, file=sys.stderr)
        return 2


def _split(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The operation, and all the rest; None when none is named."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at].removeprefix("--") in OPTIONS else 1
    return (words[at], [*words[:at], *words[at + 1 :]]) if at < len(words) else (None, [])


def _read(words: Sequence[str], operation: Described) -> Typed:
    typed, left = Typed(), iter(words)
    known = {*operation.parameters, *operation.fields}
    for word in left:
        name, is_given, value = word.removeprefix("--").partition("=")
        field_name = name if name in known else name.replace("-", "_")
        if not word.startswith("--"):
            raise Usage(f"{word} is no option: --NAME VALUE")
        if name in ("help", "all") and field_name not in known:
            typed.help, typed.pages = typed.help or name == "help", typed.pages or name == "all"
            continue
        if field_name not in known and name not in OPTIONS:
            raise Usage(f"{operation.name} takes no --{name}{_like(name, [*known, *OPTIONS])}; --help says what it takes")
        if not is_given and (value := next(left, "")) == "" and words[-1] == word:
            raise Usage(f"--{name} needs a value")
        if field_name in known:
            _keep_secret(operation, field_name)
            typed.values.setdefault(field_name, []).append(value)
        else:
            typed.options[name] = value
    return typed


def _keep_secret(operation: Described, name: str) -> None:
    if operation.schema(name).get("format") == "password":
        raise Usage(f"{name} would be seen by everybody on this machine: say it with --data FILE, or --data - to type it")


def _like(name: str, names: Any) -> str:  # Any: of names
    close = difflib.get_close_matches(name, list(names), 1)
    return f", is it {close[0]}?" if close else ""


def _ask(operation: Described, typed: Typed) -> int:
    """Have it done and print what comes of it. Raises Usage, Refused."""
    try:
        import httpx  # it comes with the extra `client`, which a server need not have

        from atendeja.client import ApiError, Client
    except ModuleNotFoundError as error:
        raise Refused("client_missing", f"{error.name} is not installed", hint="pip install 'atendeja[client]'") from error
    given, url = _given(operation, typed), typed.options.get("url") or os.environ.get(URL) or HERE
    try:
        with Client(url, key=os.environ.get(KEY, "").strip() or None) as client:
            for line in _answers(client, operation, given, pages=typed.pages):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
    except BrokenPipeError:  # who reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except ApiError as error:
        raise Refused(error.code, str(error), hint="\n  ".join(_why(error.errors, error.request_id)) or None) from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise Refused("no_answer", f"no answer from {url}: {error}", hint=f"--url or {URL} says where the server is") from error
    return 0


def _why(faults: Any, request_id: object) -> list[str]:  # Any: of our client, which may not be installed
    told = [f"{fault.path}: {fault.reason}" for fault in faults]
    return [*told, f"the server's log has it under {request_id}"] if request_id else told


def _given(operation: Described, typed: Typed) -> dict[str, Any]:  # Any: what a request may have
    """What the client is to be given. Raises Usage for what is missing, and for what is no JSON."""
    named = {name: _value(texts, operation.schema(name)) for name, texts in typed.values.items()}
    parameters = operation.parameters
    given: dict[str, Any] = {
        kind: {name: named.pop(name) for name in [*named] if name in parameters and parameters[name]["in"] == where}
        for kind, where in (("ids", "path"), ("query", "query"))
    }
    if operation.body is not None:
        given["body"] = {**_body(operation, typed), **named}
    elif "requestBody" in operation.told:
        given |= _file(operation, typed)
    wanted = [name for name, one in parameters.items() if one["required"] and name not in given["ids"] | given["query"]]
    if missing := [*wanted, *(name for name in (operation.body or {}).get("required", []) if name not in given["body"])]:
        raise Usage(f"{operation.name} needs {', '.join(f'--{name}' for name in missing)}; --help says what it takes")
    headers = {
        option.replace("-", "_"): typed.options[option]
        for option in ("if-match", "idempotency-key", "last-event-id")
        if option in typed.options
    }
    return given | headers


def _value(texts: list[str], schema: Json) -> object:
    """What was typed, as the schema has it; what cannot be that is sent as it is, and the server says so."""
    kinds = [one.get("type", "string") for one in schema.get("anyOf", [schema])]
    if "array" in kinds and not texts[0].startswith("["):
        part = next(one for one in schema.get("anyOf", [schema]) if one.get("type") == "array").get("items", {})
        return [_value([text], part) for text in texts]
    if "string" not in kinds:
        with suppress(ValueError):
            return json.loads(texts[-1])
    return texts[-1]


def _body(operation: Described, typed: Typed) -> dict[str, Any]:  # Any: JSON
    text = typed.options.get("json") or (_open(typed.options["data"]).decode(errors="replace") if "data" in typed.options else "{}")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Usage(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Usage("the body is not an object: {...}")
    if "json" in typed.options:
        for name in found.keys() & operation.fields.keys():
            _keep_secret(operation, name)
    return found


def _file(operation: Described, typed: Typed) -> dict[str, Any]:  # Any: what a request may have
    if "data" not in typed.options:
        raise Usage(f"{operation.name} needs --data FILE")
    data = typed.options["data"]
    kind = typed.options.get("content-type") or mimetypes.guess_type(data)[0]
    if kind is None:
        raise Usage(f"{data} does not say what it is: --content-type image/png, for example")
    return {"content": _open(data) if data == "-" or not Path(data).is_file() else Path(data), "content_type": kind}


def _open(data: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if data == "-" else Path(data).read_bytes()
    except OSError as error:
        raise Refused("file", f"{data} cannot be read: {error.strerror}") from error


def _answers(client: "Client", operation: Described, given: dict[str, Any], *, pages: bool) -> Iterator[bytes]:  # Any: as above
    """What is to be printed, piece by piece."""
    if "text/event-stream" in operation.success:
        for event in getattr(client, operation.name)(**given["query"], last_event_id=given.get("last_event_id")):
            yield _line({"id": event.id, "event": event.name, "data": json.loads(event.data)})
        return
    while True:
        answer = client.request(operation.name, **given)
        if "application/json" not in operation.success:
            yield answer.content
            return
        found = answer.json()
        if not pages or "next_cursor" not in found:
            shown = found | {"etag": answer.headers["etag"]} if "etag" in answer.headers else found
            yield json.dumps(shown, ensure_ascii=False, indent=2).encode() + b"\n"
            return
        yield b"".join(_line(item) for item in found["items"])
        if found["next_cursor"] is None:
            return
        given["query"] = given["query"] | {"cursor": found["next_cursor"]}


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _explain(operation: Described) -> Iterator[str]:
    """What an operation does and takes."""
    wanted = {name for name, one in operation.parameters.items() if one["required"]} | {*(operation.body or {}).get("required", [])}
    names = [*operation.parameters, *operation.fields]
    width = max(map(len, names), default=0) + 2
    yield f"{operation.told['summary']}\n{operation.told['description']}\n"
    for name in names:
        schema = operation.schema(name)
        note = "with --data only" if schema.get("format") == "password" else "needed" if name in wanted else ""
        told = "; ".join(part for part in (_kind(operation, schema), note, schema.get("description", "")) if part)
        yield f"  {'--' + name:{width}}  {told}"
    if operation.body is None and "requestBody" in operation.told:
        yield "  --data FILE is sent as it is"
    if operation.body is not None:
        yield f"\nA body: {json.dumps(openapi.example(dict(operation.body), operation.schemas), ensure_ascii=False)}"


def _kind(operation: Described, schema: Json) -> str:
    """In a few words."""
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_kind(operation, operation.resolve(one)) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {_kind(operation, operation.resolve(schema.get('items') or {}))}"
    return str(schema.get("title") or schema.get("format") or schema.get("type", "anything"))
