from importlib.resources import files

import msgspec

from atendeja.flow import document, reference
from atendeja.flow.actions import AnyAction
from atendeja.flow.grammar import keys, members, strip
from atendeja.flow.inputs import AnyCase
from atendeja.flow.model import Flow, Node


def test_the_page_is_fresh() -> None:
    page = (files("atendeja.flow") / "LANGUAGE.md").read_text("utf-8")
    assert page == reference.language(), "run `python -m atendeja.flow.reference`"


def test_every_struct_of_the_language_has_an_entry() -> None:
    page = reference.language()
    for struct in [*members(AnyAction), *members(strip(AnyCase)[0])]:
        assert isinstance(struct, type)
        assert f"- **{struct.__name__}** `" in page
        assert struct.__doc__


def test_the_schema_says_one_of() -> None:
    defs = msgspec.convert(reference.schema()["$defs"], dict[str, dict[str, object]])
    node = msgspec.convert(defs["model.Node"]["properties"], dict[str, dict[str, object]])
    assert set(node) == set(keys(Node))
    actions = msgspec.convert(node["do"]["items"], dict[str, list[dict[str, str]]])
    assert [each["$ref"] for each in actions["oneOf"]][:2] == ["#/$defs/say.Say", "#/$defs/set.Set"]
    assert defs["model.Node"]["additionalProperties"] is False


def test_every_reference_of_the_schema_is_there() -> None:
    schema = reference.schema()
    text = msgspec.json.encode(schema).decode()
    defs = msgspec.convert(schema["$defs"], dict[str, object])
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named == set(defs)


def test_the_shipped_flows_name_only_keys_of_the_schema(shipped: dict[str, Flow]) -> None:
    properties = msgspec.convert(reference.schema()["$defs"], dict[str, dict[str, object]])["model.Flow"]["properties"]
    known = msgspec.convert(properties, dict[str, object])
    for flow in shipped.values():
        assert set(msgspec.json.decode(document.canonical(flow), type=dict[str, object])) <= set(known)
