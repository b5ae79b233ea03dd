import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.errors import Refused
from atendeja.flow import document
from atendeja.flow.model import Flow

from .conftest import HEAD, PERSON, flow_of

GOOD = f"{HEAD}\nnodes:\n  a: {{do: [{{end: {{}}}}]}}{PERSON}"


def wrong(text: str) -> str:
    with pytest.raises(Refused) as refused:
        document.load(text, "prova.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("18:30", "18:30"),
        ("no", "no"),
        ("0800", "0800"),
        ("2027-03-10", "2027-03-10"),
        ("1_000", "1_000"),
        ("~", "~"),
        (".5", ".5"),
        ("0x1F", "0x1F"),
        ("True", "True"),
        ("'1'", "1"),
        ("12", 12),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("null", None),
        ("", None),
        ("|\n  duas\n  linhas", "duas\nlinhas"),
    ],
)
def test_yaml_has_json_scalars_only(written: str, read: object) -> None:
    assert document.value(f"k: {written}") == {"k": read}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &x [1]\nb: *x", "anchors"),
        ("a: *x", "aliases"),
        ("&k a: 1", "anchors"),
        ("a: !!python/object:os.system x", "tags"),
        ("!!str a: 1", "tags"),
        ("a: 1\na: 2", "twice"),
        ("[a, b]: 1", "a key must be a word"),
        ("a: 1\n---\nb: 2", "more than one"),
        ("", "empty"),
        ("a: [1", "not YAML"),
        ("a: {b: 'x", "not YAML"),
        ("[" * 100, "nested"),
        ("a: " + "[" * 60 + "]" * 60, "nested"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "nested"),
        ('{"a": "\\u0000"}', "NUL"),
        ('a: "\\0"', "NUL"),
        ("a: " + "x" * 300_000, "larger"),
        ("a: 1e999", "too large"),
        ("a: \ud800", "character"),
        ("<<: {a: 1}\n<<: {b: 2}", "twice"),
    ],
)
def test_hostile_documents_are_one_clear_line(text: str, reason: str) -> None:
    with pytest.raises(document.DocumentError, match=reason):
        document.value(text)


@given(st.text(max_size=300))
def test_read_never_raises(text: str) -> None:
    flow, problems = document.read(text)
    assert (flow is None) == bool(problems)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4)))
def test_any_value_in_the_place_of_nodes(value: object) -> None:
    document.read(GOOD.replace("nodes:", f"ui: {msgspec.json.encode(value).decode()}\nnodes:"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("spec: 1", "spec: 2"), "spec: this release reads `spec: 1`, not `2`"),
        (("key: prova", "key: Prova"), "key: lower case letters, digits and `_`, at most 40 is expected here, not `Prova`"),
        (("key: prova", "key: Prova"), "did you mean `prova`?"),
        (("key: prova", "chave: prova"), "`key` is missing"),
        (("key: prova", "kei: prova"), "unknown key `kei` (did you mean `key`?)"),
        (("spec: 1", "spec: 1\ndebounce: 2s"), "debounce: `debounce` is not supported yet"),
        (("expires: 20h", "expires: 20 horas"), "defaults.expires: a duration"),
        (("{end: {}}", "{http: {connection: x, op: y}}"), "nodes.a.do[0].http: `http` is not supported yet"),
        (("{end: {}}", "{sai: {text: oi}}"), "nodes.a.do[0]: an action needs one of `say`"),
        (("{end: {}}", "{sai: {text: oi}}"), "did you mean `say`?"),
        (("{end: {}}", "{end: {}, close: {}}"), "an action has exactly one of its keys, not `close`, `end`"),
        (("{end: {}}", "{say: {text: oi, media: {kind: image}}}"), "nodes.a.do[0].say.media: `media` is not supported yet"),
        (("{end: {}}", "{say: {txt: oi}}"), "`text` is missing"),
        (("{end: {}}", "{say: oi}"), "keys such as `text` are expected here, not `oi`"),
        (("{end: {}}", "{say: {text: 5}}"), "nodes.a.do[0].say.text: a text is expected here, not `5`"),
        (("{end: {}}", "{say: {text: oi, header: x}}"), "`header` and `footer` need"),
        (("{end: {}}", "{say: {text: oi, buttons: [], list: {button: x, rows: [{id: a, label: b}]}}}"), "not both"),
        (("do: [{end: {}}]", "wait: {}"), "a wait needs `reply` or `timeout`"),
        (("do: [{end: {}}]", "wait: {until: now}"), "`until` is not supported yet"),
        (("do: [{end: {}}]", "wait: {reply: [texto]}"), "nodes.a.wait.reply[0]: one of `text`, `button`"),
        (("do: [{end: {}}]", "else: {}"), "`else` needs `retry` or `to`"),
        (("do: [{end: {}}]", "route: [{http: ok, to: a}]"), "nodes.a.route[0].http: `http` is not supported yet"),
        (("do: [{end: {}}]", "route: [{hours: x, to: a}]"), "`hours` is not supported yet"),
        (("do: [{end: {}}]", "route: [{any: true}]"), "nodes.a.route[0]: `to` is missing"),
        (("do: [{end: {}}]", "route: [{any: yes, to: a}]"), "one of `true` is expected here, not `yes`"),
        (("do: [{end: {}}]", "route: [{var: x, to: a}]"), "`var` needs exactly one of eq"),
        (("do: [{end: {}}]", "route: [{var: x, eq: 1, ne: 2, to: a}]"), "`var` needs exactly one of eq"),
        (
            ("do: [{end: {}}]", "route: [{if: {not: {hours: x}}, to: a}]"),
            "nodes.a.route[0].if.not.hours: `hours` is not supported yet",
        ),
        (("do: [{end: {}}]", "route: [{number: {min: 3, max: 1}, to: a}]"), "`min` is above `max`"),
        (("do: [{end: {}}]", "route: [{date_br: {min: amanhã}, to: a}]"), "an instant: `now`"),
        (("do: [{end: {}}]", "route: {any: true, to: a}"), "nodes.a.route: a list is expected here, not keys (write it as `[…]`)"),
        (("{end: {}}", "{set: {x: {soma: [1, 2]}}}"), "nodes.a.do[0].set.x: a value needs one of `var`"),
        (("{end: {}}", "{set: {x: {add: [1]}}}"), "a list of 2 is expected here"),
        (("{end: {}}", "{field: {x: 1}}"), "`field` is not supported yet"),
        (("start: a", "start: a\nstarts: [{any: true, phrase: x}]"), "a start has exactly one of"),
        (("start: a", "start: a\nstarts: [{any: true, numbers: ['1']}]"), "`numbers` is not supported yet"),
        (("start: a", "start: a\ntests: [{name: x, steps: [{http: {}}]}]"), "tests[0].steps[0].http: `http` is not supported yet"),
        (("start: a", "start: a\ntests: [{name: x, now: 2027-03-10T10:00:00, steps: []}]"), "needs a zone"),
        (("start: a", "start: a\ntests: [{name: x, steps: [{in: {text: a, list: b}}]}]"), "`in` has exactly one of"),
        (("start: a", "start: a\nintents: {texts: {opted_in: x}}"), "`opted_in` is not supported yet"),
    ],
)
def test_mistakes_of_form_have_path_and_remedy(change: tuple[str, str], expected: str) -> None:
    assert expected in wrong(GOOD.replace(*change))


def test_all_mistakes_are_named_at_once() -> None:
    said = wrong(GOOD.replace("{end: {}}", "{sai: 1}, {http: {}}").replace("key: prova", "key: 5"))
    assert "3 problem(s)" in said
    assert "prova.yaml" in said


def test_problems_know_their_node() -> None:
    _, problems = document.read(GOOD.replace("{end: {}}", "{sai: 1}"))
    assert [problem.node for problem in problems] == ["a"]


def test_canonical_is_the_same_for_the_same_flow(shipped: dict[str, Flow]) -> None:
    for flow in shipped.values():
        text = document.canonical(flow).decode()
        again = document.load(text, flow.key)
        assert again == flow
        assert document.canonical(again) == text.encode()
        assert document.sha256(again) == document.sha256(flow)


def test_canonical_does_not_depend_on_the_order_of_keys() -> None:
    one = flow_of("  a: {do: [{end: {}}]}\n  b: {wait: {reply: [text]}, route: [{any: true, to: a}]}")
    two = flow_of("  b: {route: [{to: a, any: true}], wait: {reply: [text]}}\n  a: {do: [{end: {}}]}")
    assert document.canonical(one) == document.canonical(two)
    assert document.sha256(one) != document.sha256(flow_of("  a: {do: [{close: {}}]}"))


def test_ui_is_kept() -> None:
    flow = document.load(GOOD + "\nui: {a: {x: 10, y: [1, {z: null}]}}", "prova")
    assert document.load(document.canonical(flow).decode(), "prova").ui == {"a": {"x": 10, "y": [1, {"z": None}]}}
