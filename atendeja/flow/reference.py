"""The language as it is built: LANGUAGE.md, written from the structs' docstrings, and a JSON Schema from their types.

`python -m atendeja.flow.reference` rewrites LANGUAGE.md; a test fails while it is stale.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path as FilePath
from typing import Any, get_args, get_origin

import msgspec
from msgspec import Struct

from . import golden, inputs, model, types, values, words
from .actions import Action, AnyAction
from .actions.close import Ending
from .actions.consent import Terms
from .actions.handoff import Desk
from .actions.say import ButtonOf, ListOf, Message, RowOf
from .conditions import Condition
from .filters import FILTERS
from .grammar import keys, members, strip
from .scope import ROOTS

_LATER_HOLDERS: list[type[Struct]] = [model.Flow, model.Start, model.IntentTexts, model.Wait, Message, golden.Expected, golden.Test]


def language() -> str:
    """The text of LANGUAGE.md."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield from ["# The flow language", "", "<!-- Written by `python -m atendeja.flow.reference`; do not edit. -->", ""]
    yield "What this release reads. `?` marks what may be left out, `[x]` a list, `=` a default. A document is YAML with"
    yield "JSON's scalars (so `18:30` and `no` stay texts; no anchors, no tags), or JSON. An unknown key is an error."
    yield from ["", "## Words", ""]
    for name in ("Id", "Dur", "Path", "Moment"):
        described = get_args(getattr(types, name))[1].description
        yield f"- **{'Instant' if name == 'Moment' else name}**: {described}"
    yield "- **Text**: a text with `{{ }}`, or `{language: text}`; a language that is missing is the flow's"
    yield "- **Value**: a JSON literal, or one of the computed values below"
    yield from _structs("Flow", [model.Flow, model.Defaults, model.Start, model.Intents, model.Words, model.IntentTexts])
    yield from ["", "Variables have a type:", "", *(f"- `{name}`: {what}" for name, what in inputs.TYPES.items())]
    yield from _structs("Node", [model.Node, model.Wait, model.Else])
    yield from _structs("Actions", [*get_args(AnyAction), Message, ButtonOf, ListOf, RowOf, Terms, Desk, Ending])
    yield from _structs("Cases: the tests of a route", [*get_args(inputs.InputCase), inputs.Timeout, *get_args(inputs.StateCase)])
    yield from _structs("Ranges", [inputs.NumberRange, inputs.DateRange, inputs.TimeRange])
    yield from _structs("Conditions", list(members(strip(Condition)[0])))
    yield from _structs("Computed values", list(get_args(values.Expression)))
    yield from ["", "## Texts", "", "`{{ path | filter: 'argument' }}`. The first word of a path is a variable or one of:", ""]
    yield from (
        f"- `{root}`" + (f": {', '.join(f'`{each}`' for each in sorted(known))}" if known else "") for root, known in ROOTS.items()
    )
    yield from ["", "Filters:", "", *(f"- `{name}`: {each.help}" for name, each in FILTERS.items())]
    yield from _reserved()
    yield from _structs(
        "Tests", [golden.Test, golden.Person, *members(strip(golden.Step)[0]), golden.Sent, golden.Expected, golden.Expectation]
    )
    yield from ["", "## Not supported yet", "", "Keys of the full language that are refused by name:", ""]
    yield from (f"- {where}: {', '.join(f'`{key}`' for key in later)}" for where, later in _later())


def _structs(title: str, structs: list[Any]) -> Iterator[str]:
    yield from ["", f"## {title}", ""]
    for struct in structs:
        text = " ".join((struct.__doc__ or "").split())
        yield f"- **{struct.__name__}** {text}"


def _reserved() -> Iterator[str]:
    yield from ["", "## Words no flow can take away", ""]
    yield "As whole messages, before anything else and in any state: `sair`, `parar`, `stop`, `descadastrar` opt out of marketing"
    yield "and end the run (`cancelar` does too, but only when no run waits); `apague meus dados`, `apagar meus dados`,"
    yield "`excluir meus dados` ask for erasure. Each is confirmed. Then, after the cases that name words or ids, before `any`:"
    yield ""
    yield from (f"- `{intent}`: {', '.join(f'`{word}`' for word in common)}" for intent, common in words.INTENTS.items())


def _later() -> Iterator[tuple[str, tuple[str, ...]]]:
    for union in (Action, inputs.AnyCase, Condition, golden.Step):
        mark = strip(union)[1]
        if mark is not None:
            yield mark.what, mark.later
    yield from ((f"`{struct.__name__}`", struct.later) for struct in _LATER_HOLDERS if hasattr(struct, "later"))


def schema() -> dict[str, object]:
    """The JSON Schema (2020-12) of a flow. Leaves are msgspec's; unions that a key tells apart are `oneOf`."""
    defs: dict[str, object] = {}
    top = _schema(model.Flow, defs)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": defs}


def _schema(kind: Any, defs: dict[str, object]) -> dict[str, object]:  # a type as `typing` hands it out
    inner, mark = strip(kind)
    parts = members(inner)
    if len(parts) > 1:
        structs, others = _parted(parts)
        choices = [_schema(part, defs) for part in structs] + [_schema(part, defs) for part in others]
        return {"oneOf" if mark or not others else "anyOf": choices}
    part: Any = parts[0]
    match get_origin(part):
        case origin if origin is list:
            return {"type": "array", "items": _schema(get_args(part)[0], defs)}
        case origin if origin is tuple:
            return {"type": "array", "prefixItems": [_schema(each, defs) for each in get_args(part)], "items": False}
        case origin if origin is dict:
            key, value = get_args(part)
            return {"type": "object", "propertyNames": _schema(key, defs), "additionalProperties": _schema(value, defs)}
    if isinstance(part, type) and issubclass(part, Struct):
        return _struct_schema(part, defs)
    return msgspec.json.schema(part) if part is not object else {}


def _parted(parts: tuple[object, ...]) -> tuple[list[type[Struct]], list[object]]:
    structs = [part for part in parts if isinstance(part, type) and issubclass(part, Struct)]
    return structs, [part for part in parts if part not in structs]


def _struct_schema(struct: type[Struct], defs: dict[str, object]) -> dict[str, object]:
    """A reference to the struct's own schema, which is made once."""
    name = f"{struct.__module__.rsplit('.', 1)[-1]}.{struct.__name__}"
    if name not in defs:
        defs[name] = {}
        known = keys(struct)
        defs[name] = {
            "type": "object",
            "description": " ".join((struct.__doc__ or "").split()),
            "properties": {written: _schema(key.type, defs) for written, key in known.items()},
            "required": [written for written, key in known.items() if key.required],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    FilePath(str(files(__package__) / "LANGUAGE.md")).write_text(language(), "utf-8")
