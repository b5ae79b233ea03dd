from collections.abc import Callable

import msgspec
import pytest

from atendeja.flow import document
from atendeja.flow.check import check
from atendeja.flow.model import Flow

from .conftest import HEAD, PERSON, flow_of

END = "do: [{end: {}}]"
TAP = "do: [{say: {text: x, buttons: [{id: um, label: Um}]}}]"
ASK = "wait: {reply: [text]}"


def problems(nodes: str, head: str = "") -> list[str]:
    return [str(problem) for problem in check(flow_of(nodes, head))]


def test_shipped_flows_have_no_problem(shipped: dict[str, Flow]) -> None:
    for flow in shipped.values():
        assert check(flow) == []


def test_a_small_flow_has_no_problem() -> None:
    assert problems(f"  a: {{{ASK}, route: [{{any_word: [tchau], to: b}}], else: {{retry: Como?}}}}\n  b: {{{END}}}") == []


@pytest.mark.parametrize(
    ("nodes", "head", "expected"),
    [
        (
            f"  a: {{{ASK}, route: [{{any: true, to: pesoa}}]}}",
            "",
            "error: nodes.a.route[0].to: there is no node `pesoa` (did you mean `pessoa`?)",
        ),
        (
            f"  a: {{{ASK}, route: [{{any: true, to: pessoa}}], after_tries: x}}",
            "",
            "error: nodes.a.after_tries: there is no node `x`",
        ),
        (f"  a: {{{END}}}", "intents: {menu: oi}", "error: intents.menu: there is no node `oi`"),
        (f"  a: {{{END}}}\n  b: {{{END}}}", "", "error: nodes.b: no way leads here"),
        (
            "  a: {route: [{any: true, to: b}]}\n  b: {route: [{any: true, to: a}]}",
            "",
            "error: nodes.a: leads back to itself without ever waiting",
        ),
        ("  a: {do: [{say: {text: oi}}]}", "", "error: nodes.a: neither waits, leads on, ends nor hands off"),
        (f"  a: {{{ASK}, route: [{{any_word: [x], to: pessoa}}]}}", "", "error: nodes.a: `else` is missing"),
        ("  a: {route: [{tag: x, to: pessoa}]}", "", "error: nodes.a: `else` is missing"),
        ("  a: {route: [{tag: x, to: pessoa}], else: {retry: x}}", "", "error: nodes.a.else.retry: nothing can be tried again"),
        ("  a: {route: [{any_word: [x], to: pessoa}], else: {to: pessoa}}", "", "error: nodes.a.route[0]: looks at a reply"),
        ("  a: {route: [{timeout: true, to: pessoa}], else: {to: pessoa}}", "", "error: nodes.a.route: `timeout` never happens"),
        (
            f"  a: {{{ASK}, route: [{{timeout: true, to: pessoa}}], else: {{retry: x}}}}",
            "",
            "error: nodes.a.route: `timeout` never happens",
        ),
        (
            "  a: {wait: {reply: [text], timeout: 21h}, route: [{any: true, to: pessoa}]}",
            "",
            "error: nodes.a.wait.timeout: is longer than",
        ),
        (
            f"  a: {{{ASK}, route: [{{any: true, to: pessoa}}, {{any_word: [x], to: pessoa}}]}}",
            "",
            "error: nodes.a.route[1]: is never reached",
        ),
        (
            f"  a: {{{ASK}, route: [{{kind: image, to: pessoa}}], else: {{retry: x}}}}",
            "",
            "error: nodes.a.route[0]: never holds: `image`",
        ),
        (
            "  a: {wait: {reply: [image]}, route: [{email: true, to: pessoa}], else: {retry: x}}",
            "",
            "warning: nodes.a.route[0]: reads a text",
        ),
        (
            f"  a: {{{ASK}, route: [{{any_word: [sair], to: pessoa}}], else: {{retry: x}}}}",
            "",
            "warning: nodes.a.route[0]: `sair` alone",
        ),
        (
            f"  a: {{{ASK}, route: [{{any_word: ['?'], to: pessoa}}], else: {{retry: x}}}}",
            "",
            "error: nodes.a.route[0]: `?` has no letter",
        ),
        ("  a: {do: [{end: {}}, {say: {text: x}}]}", "", "error: nodes.a.do[1]: is never done"),
        (
            "  a: {do: [{end: {}}], route: [{any: true, to: pessoa}]}",
            "",
            "error: nodes.a: `wait`, `route` and `else` are never reached",
        ),
        (
            f"  a: {{{TAP}, wait: {{reply: [text]}}, route: [{{button: um, to: pessoa}}], else: {{retry: x}}}}",
            "",
            "error: nodes.a.wait: shows something to tap, but `button`",
        ),
        (
            f"  a: {{{TAP}, wait: {{reply: [button]}}, route: [{{button: uma, to: pessoa}}], else: {{retry: x}}}}",
            "",
            "warning: nodes.a.route[0]: `uma` is not shown here (did you mean `um`?)",
        ),
        (
            f"  a: {{{TAP}, wait: {{reply: [button]}}, route: [{{button: uma, to: pessoa}}], else: {{retry: x}}}}",
            "",
            "warning: nodes.a: `um` can be tapped but no case takes it",
        ),
        (
            f"  a: {{do: [{{say: {{text: x, buttons: [{{id: um, label: {'x' * 21}}}]}}}}, {{end: {{}}}}]}}",
            "",
            "nodes.a.do[0].say.buttons[0].label: 21",
        ),
        (
            f"  a: {{do: [{{say: {{text: {'x' * 1025}, buttons: [{{id: um, label: x}}]}}}}, {{end: {{}}}}]}}",
            "",
            "nodes.a.do[0].say.text: 1025",
        ),
        ("  a: {do: [{say: {text: ''}}, {end: {}}]}", "", "error: nodes.a.do[0].say.text: must not be empty"),
        (f"  a: {{do: [{{say: {{text: {{pt-BR: oi, en: {'x' * 4097}}}}}}}, {{end: {{}}}}]}}", "", "nodes.a.do[0].say.text: 4097"),
        (
            "  a: {do: [{say: {text: {en: hi}}}, {end: {}}]}",
            "",
            "error: nodes.a.do[0].say.text: there is no text in the flow's language, pt-BR",
        ),
        (
            f"  a: {{{ASK}, route: [{{any: true, to: pessoa}}], else: {{retry: [ok, '']}}}}",
            "",
            "error: nodes.a.else.retry: must not be empty",
        ),
        (
            "  a: {do: [{say: {text: '{{ nome }}'}}, {end: {}}]}",
            "vars: {nom: text}",
            "error: nodes.a.do[0].say.text: no variable `nome` (did you mean `nom`?)",
        ),
        (
            "  a: {do: [{say: {text: '{{ contact.nome }}'}}, {end: {}}]}",
            "",
            "error: nodes.a.do[0].say.text: `contact` has no `nome` (did you mean `name`?)",
        ),
        ("  a: {do: [{say: {text: '{{ nome | x }}'}}, {end: {}}]}", "", "error: nodes.a.do[0].say.text: no filter `x`"),
        ("  a: {do: [{say: {text: '{{ nome }'}}, {end: {}}]}", "", "error: nodes.a.do[0].say.text: `{{` and `}}` do not match"),
        (
            "  a: {do: [{say: {text: '{{ n }}'}}, {end: {}}]}",
            "vars: {n: text}",
            "warning: nodes.a.do[0].say.text: `n` may not be set yet",
        ),
        (
            "  a: {do: [{say: {text: x, list: {button: x, rows: [{id: u, label: '{{ y }}'}]}}}, {end: {}}]}",
            "",
            "nodes.a.do[0].say.list.rows[0].label: no variable `y`",
        ),
        (
            f"  a: {{do: [{{say: {{text: x, list: {{button: x, rows: [{{id: u, label: {'x' * 25}}}]}}}}}}, {{end: {{}}}}]}}",
            "",
            "nodes.a.do[0].say.list.sections[0].rows[0].label: 25",
        ),
        (f"  a: {{{END}}}", "vars: {n: text}", "warning: vars.n: is never read"),
        (f"  a: {{{END}}}", "vars: {contact: text}", "error: vars.contact: `contact` is a word of the language"),
        (
            f"  a: {{{ASK}, save: n, route: [{{any: true, to: pessoa}}]}}",
            "",
            "error: nodes.a.save: no variable `n` (declare it in `vars`)",
        ),
        ("  a: {do: [{set: {n: 1}}, {end: {}}]}", "", "error: nodes.a.do[0].set: no variable `n`"),
        (
            f"  a: {{{ASK}, route: [{{cpf: true, save: n, to: pessoa}}], else: {{retry: x}}}}",
            "vars: {n: number}",
            "nodes.a.route[0]: saves a text into `n`",
        ),
        (
            "  a: {route: [{if: {all: [{var: n, eq: 1}]}, to: pessoa}], else: {to: pessoa}}",
            "",
            "error: nodes.a.route[0].if.all[0].var: no variable `n`",
        ),
        (
            "  a: {do: [{set: {n: {add: [{var: x}, 1]}}}, {end: {}}]}",
            "vars: {n: number}",
            "error: nodes.a.do[0].set.n.add[0].var: no variable `x`",
        ),
        (
            f"  a: {{{ASK}, route: [{{date_br: {{min: '{{{{ d }}}} + 1d'}}, to: pessoa}}], else: {{retry: x}}}}",
            "",
            "nodes.a.route[0].date_br.min: no variable `d`",
        ),
        (
            "  a: {do: [{set: {n: '{{ s }}'}}, {end: {}}]}",
            "vars: {n: text}",
            "warning: nodes.a.do[0].set.n: `{{ }}` is not read here",
        ),
        (f"  a: {{{END}}}", "intents: {words: {menu: [parar]}}", "error: intents.words.menu: `parar` opts out"),
        (
            f"  a: {{{END}}}",
            "intents: {texts: {erasing: 'oi {{ contact.name }}'}}",
            "error: intents.texts.erasing: `{{ }}` is not read here",
        ),
        (f"  a: {{{END}}}", "intents: {atendente: a}", "error: intents.atendente: `a` does not lead to a person"),
    ],
)
def test_problem(nodes: str, head: str, expected: str) -> None:
    found = problems(nodes, head)
    assert any(expected in problem for problem in found), found


def test_no_way_to_a_person() -> None:
    flow = flow_of(f"  a: {{{END}}}")
    flow.nodes["pessoa"] = flow.nodes["a"]
    assert [problem.message for problem in check(flow)] == ["no way leads to a person"]


def test_the_window(expiring: Callable[[str], Flow]) -> None:
    assert check(expiring("20h")) == []
    (problem,) = check(expiring("30h"))
    assert problem.path == "nodes.c.do"
    assert "24 hours" in problem.message


@pytest.fixture
def expiring() -> Callable[[str], Flow]:
    """A flow that speaks after two waits of 15 hours, and expires after the given time."""

    def make(expires: str) -> Flow:
        wait = "wait: {reply: [text], timeout: 15h}"
        nodes = "\n".join(
            f"  {a}: {{do: [{{say: {{text: {a}}}}}], {wait}, route: [{{timeout: true, to: {b}}}], else: {{to: pessoa}}}}"
            for a, b in ("ab", "bc")
        )
        text = f"{HEAD.replace('20h', expires)}\nnodes:\n{nodes}\n  c: {{do: [{{say: {{text: c}}}}, {{end: {{}}}}]}}{PERSON}"
        return document.load(text, "prova")

    return make


def test_errors_come_first_and_once() -> None:
    found = check(flow_of("  a: {do: [{say: {text: '{{ x }}'}}, {end: {}}]}", "vars: {n: text}"))
    assert [problem.severity for problem in found] == sorted(problem.severity for problem in found)
    assert len(found) == len(set(map(str, found)))
    assert found[0].node == "a"


def test_a_variable_set_on_every_way_is_set() -> None:
    nodes = """
  a: {wait: {reply: [text]}, route: [{any_word: [x], save: n, to: b}, {any: true, save: n, to: b}]}
  b: {do: [{say: {text: '{{ n }}'}}, {end: {}}]}
"""
    assert problems(nodes, "vars: {n: text}") == []
    assert problems(nodes.replace("any: true, save: n", "any: true"), "vars: {n: text}") != []


def test_any_node_may_be_missing(shipped: dict[str, Flow]) -> None:
    for flow in shipped.values():
        for name in flow.nodes:
            rest = {key: node for key, node in flow.nodes.items() if key != name}
            found = check(msgspec.structs.replace(flow, nodes=rest))
            assert any(f"there is no node `{name}`" in problem.message for problem in found)
