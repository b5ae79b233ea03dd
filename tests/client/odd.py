"""A document with all that a declaration may hold, and the client that is generated of it."""

import datetime as dt
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from atendeja import openapi
from atendeja.dev.client import Json, write
from atendeja.endpoint import Endpoint


class Text(Struct, frozen=True, tag_field="type", tag="text"):
    """Words."""

    body: str
    parts: list["Text | Place"] = []


class Place(Struct, frozen=True, tag_field="type", tag="place"):
    at: tuple[float, float]
    when: dt.date | None = None
    more: dict[str, int] = {}
    note: str | UnsetType | None = UNSET


class Letter(Struct, frozen=True, rename={"from_": "from"}):
    content: Text | Place
    from_: str = "us"
    id: int = 0


class Sending(Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    to: str
    content: Text | Place
    class_: Annotated[str | None, Meta(description="Which.")] | UnsetType = UNSET


async def run(rt: object, call: object) -> None: ...


LONG = "What happens, " + "on and on " * 30 + "as \\n and " + '"""' + ' show."'

ODD = [
    Endpoint("POST", "/v1/letters", "send", run, who=None, takes=Sending, gives=Letter, status=201, is_tagged=True, says="Send."),
    Endpoint("PUT", "/v1/letters/{id}", "put", run, who=None, takes=Letter, says="Body and path both have an id."),
    Endpoint("GET", "/v1/feed", "watch", run, who=None, gives=Letter, says=LONG),
    Endpoint("POST", "/v1/files", "upload", run, who=None, takes=Sending, gives=Letter, says="A file."),
    Endpoint("GET", "/v1/either", "either", run, who=None, gives=Letter, says="One or the other."),
    Endpoint("GET", "/v1/files/{id}", "download", run, who=None, gives=Letter, says="A file."),
]


def document() -> Json:
    """What our own declarations do not say yet, or only in part."""
    made = openapi.document(ODD)
    operations = {told["operationId"]: told for methods in made["paths"].values() for told in methods.values()}
    letter = {"$ref": "#/components/schemas/Letter"}
    operations["watch"]["responses"]["200"]["content"] = {
        "text/event-stream": {"schema": {"type": "string", "x-events": {"new.letter": letter}}}
    }
    operations["upload"]["requestBody"]["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    either = {"anyOf": [{"$ref": "#/components/schemas/Place"}, {"$ref": "#/components/schemas/Text"}]}
    operations["either"]["responses"]["200"]["content"] = {"application/json": {"schema": either}}
    operations["download"]["responses"]["200"]["content"] = {"application/octet-stream": {}}
    return made


def load(folder: Path) -> ModuleType:
    """The generated module."""
    (folder / "odd.py").write_text(write(document()), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("odd", folder / "odd.py")
    assert spec is not None and spec.loader is not None
    odd = sys.modules["odd"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(odd)
    return odd
