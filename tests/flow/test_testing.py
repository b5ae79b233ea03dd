import msgspec
import pytest

from atendeja.flow import document, testing
from atendeja.flow.model import Flow

from .conftest import flow_of

NODES = """
  a:
    do:
      - say: {text: "Oi, {{ contact.first_name | or: 'você' }}"}
      - say: {text: Cor?, buttons: [{id: azul, label: Azul}, {id: verde, label: Verde}]}
    wait: {reply: [button, text], timeout: 1h}
    save: cor
    route: [{any: true, to: b}, {timeout: true, to: c}]
  b: {do: [{tag: [fim]}, {consent: {purpose: avisos, state: in}}, {say: {text: "{{ cor }}!"}}, {handoff: {queue: vendas}}]}
  c: {do: [{say: {text: sumiu}}, {end: {}}]}
"""


def outcome(steps: str, extra: str = "") -> testing.Outcome:
    flow = flow_of(NODES, f"vars: {{cor: text}}\ntests: [{{name: t, {extra}steps: [{steps}]}}]")
    plain, saved = testing.run(flow), testing.run(flow, saved=True)
    assert plain == saved
    return plain[0]


@pytest.mark.parametrize(
    "steps",
    [
        "{in: {text: oi}}, {out: {equals: 'Oi, você'}}, {out: {kind: buttons, buttons: [azul, verde]}}, {nothing: true}",
        "{in: {text: oi}}, {out: {contains: Cor}}, {in: {button: azul}}, {out: {equals: azul!}}, {state: {queue: vendas}}",
        "{in: {text: oi}}, {in: {button: azul}}, {state: {ended: true, tags: [fim]}}",
        "{in: {text: oi}}, {in: {button: verde}}, {consent: {avisos: in}}, {state: {node: b, vars: {cor: verde}}}",
        "{in: {text: oi}}, {pass: 59m}, {nothing: true}, {pass: 1m}, {out: {equals: sumiu}}, {state: {ended: true}}",
        "{in: {text: oi}}, {in: {text: SAIR}}, {consent: {marketing: out}}, {state: {ended: true}}",
        "{in: {text: oi}}, {in: {button: azul}}, {in: {text: alô}}, {nothing: true}",
        "{state: {ended: true}}",
    ],
)
def test_passes(steps: str) -> None:
    assert str(outcome(steps)) == "ok      t"


def test_contact() -> None:
    assert outcome("{in: {text: oi}}, {out: {equals: 'Oi, Ana'}}", "contact: {name: ana lima}, ").passed


@pytest.mark.parametrize(
    ("steps", "failure"),
    [
        (
            "{in: {text: oi}}, {out: {equals: Olá}}",
            "step 2: expected a message with equals 'Olá', got Oi, você | Cor? [Azul | Verde]",
        ),
        ("{out: {contains: x}}", "step 1: expected a message with contains 'x', got no message"),
        ("{in: {text: oi}}, {out: {kind: list}}", "step 2: expected a message with kind 'list', got"),
        ("{in: {text: oi}}, {out: {buttons: [verde]}}", "step 2: expected a message with buttons ['verde'], got"),
        ("{in: {text: oi}}, {nothing: true}", "step 2: expected no message, got Oi, você"),
        ("{in: {text: oi}}, {consent: {marketing: out}}", "step 2: expected consent {'marketing': 'out'}, got {'marketing': None}"),
        ("{in: {text: oi}}, {state: {node: b}}", "step 2: expected node 'b', got 'a'"),
        ("{in: {text: oi}}, {state: {ended: true}}", "step 2: expected ended True, got False"),
        ("{in: {text: oi}}, {state: {queue: x}}", "step 2: expected queue 'x', got None"),
        ("{in: {text: oi}}, {state: {tags: [x]}}", "step 2: expected the tags x, got none"),
        ("{in: {text: oi}}, {state: {vars: {cor: x}}}", "step 2: expected vars {'cor': 'x'}, got {'cor': None}"),
    ],
)
def test_fails_readably(steps: str, failure: str) -> None:
    found = outcome(steps)
    assert not found.passed
    assert found.failure is not None
    assert found.failure.startswith(failure)
    assert str(found).startswith("FAILED  t\n  step")


def test_the_transcript_shows_both_sides() -> None:
    found = outcome("{in: {text: oi}}, {in: {button: azul}}")
    assert found.transcript == [
        "> oi",
        "< Oi, você",
        "< Cor? [Azul | Verde]",
        "> [button: azul]",
        "  * tags +fim",
        "  * consent avisos: in",
        "< azul!",
        "  * handed off to vendas",
    ]


@pytest.mark.parametrize("saved", [False, True])
def test_shipped_conversations_pass(shipped: dict[str, Flow], saved: bool) -> None:
    for flow in shipped.values():
        assert len(flow.tests) >= 4
        assert [str(found) for found in testing.run(flow, saved=saved) if not found.passed] == []


def test_one_broken_reply_in_a_shipped_flow_fails(shipped: dict[str, Flow]) -> None:
    flow = shipped["oficina_atendimento"]
    text = document.canonical(flow).decode()
    assert text.count("Qual é a placa do carro?") == 2
    broken = document.load(text.replace("Qual é a placa do carro?", "Placa?", 1), "broken")
    assert [found.test for found in testing.run(broken) if not found.passed] == ["como está meu carro"]


def test_each_shipped_flow_can_be_played_live(shipped: dict[str, Flow]) -> None:
    for flow in shipped.values():
        playable = [name for name, steps in testing.conversations(flow) if not testing.needs_clock(steps)]
        assert len(playable) >= 2
    first, steps = testing.conversations(shipped["oficina_atendimento"])[0]
    assert first == "agenda feliz"
    assert "Quero AGENDÁR" in msgspec.json.encode(steps[0]).decode()
