from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atendeja.flow import document, engine
from atendeja.flow.examples import examples
from atendeja.flow.session import Close, Consent, Erasure, Facts, Handoff, Input, Notice, Say, Session, Tag

from .conftest import NOW, Customer, flow_of

Make = Callable[..., Customer]

MENU = """
  a:
    do: [{say: {text: "Oi, {{ contact.first_name | or: 'você' }}", buttons: [{id: um, label: Opção um}, {id: dois, label: Dois}]}}]
    wait: {reply: [button, text], timeout: 2h}
    route:
      - {button: um, to: um}
      - {button: dois, to: dois}
      - {any_word: [direto], to: um}
      - {timeout: true, to: lembra}
    else: {retry: [Como?, "De novo?"]}
  um: {do: [{say: {text: "Um. Nome?"}}], wait: {reply: [text]}, save: nome, route: [{any: true, to: fim}]}
  dois: {do: [{say: {text: "Dois?"}}], wait: {reply: [text]}, route: [{yes_no: true, to: fim}], else: {to: fim}}
  lembra: {do: [{say: {text: "Ainda aí?"}}], wait: {reply: [text]}, route: [{any: true, to: a}]}
  fim: {do: [{say: {text: "Tchau, {{ nome | or: 'você' }}"}}, {end: {}}]}
"""
VARS = "vars: {nome: text, n: number, s: text, l: list}"


def test_opening_says_the_start(customer: Make) -> None:
    ana = customer(MENU, VARS, name="ANA")
    assert ana.writes("oi") == ["Oi, Ana"]
    assert (ana.state, ana.node) == ("waiting", "a")
    assert ana.last.session is not None
    assert ana.last.session.version_id == "v1"
    assert ana.last.due_at == NOW + timedelta(hours=2)


def test_opening_takes_a_case_the_input_satisfies(customer: Make) -> None:
    ana = customer(MENU, VARS)
    assert ana.writes("vai direto") == ["Um. Nome?"]
    assert customer(MENU, VARS).taps("dois") == ["Dois?"]


def test_opening_does_not_take_any_or_an_unwanted_kind(customer: Make) -> None:
    nodes = "  a: {do: [{say: {text: Nome?}}], wait: {reply: [text]}, route: [{any: true, to: b}]}\n  b: {do: [{end: {}}]}"
    assert customer(nodes).writes("oi") == ["Nome?"]
    kinds = nodes.replace("any: true", "any_word: [foto]")
    assert customer(kinds).hears(Input("image", "foto")) == ["Nome?"]


def test_opening_with_atendente_goes_to_a_person(customer: Make) -> None:
    ana = customer(MENU, VARS)
    assert ana.writes("Atendente!") == []
    assert ana.last.effects == [Handoff("gente")]


@pytest.mark.parametrize(
    ("starts", "heard", "opens"),
    [
        ("{any: true}", Input("text", "x"), True),
        ("{any_word: [orçamento]}", Input("text", "um ORCAMENTO"), True),
        ("{any_word: [orçamento]}", Input("text", "oi"), False),
        ("{phrase: bom dia}", Input("text", "Bom dia!"), True),
        ("{payload: promo}", Input("button", "Quero", "promo"), True),
        ("{payload: promo}", Input("button", "Quero", "outra"), False),
        ("{referral: true}", Input("text", "oi", data={"referral": {"source_id": "77"}}), True),
        ("{referral: '77'}", Input("text", "oi", data={"referral": {"source_id": "77"}}), True),
        ("{referral: '78'}", Input("text", "oi", data={"referral": {"source_id": "77"}}), False),
        ("{referral: true}", Input("text", "oi"), False),
    ],
)
def test_starts(customer: Make, starts: str, heard: Input, opens: bool) -> None:
    ana = customer(MENU, f"{VARS}\nstarts: [{starts}]")
    ana.hears(heard)
    assert ana.last.outcome == ("handled" if opens else "no_flow")
    assert (ana.session is not None) is opens


def test_the_first_flow_that_starts_opens() -> None:
    shop = engine.compile(flow_of(MENU, f"{VARS}\nstarts: [{{any_word: [loja]}}]"), "v-shop")
    rest = engine.compile(flow_of(MENU, VARS), "v-rest")
    for text, version in (("a loja", "v-shop"), ("oi", "v-rest")):
        found = engine.answer([shop, rest], None, None, Input("text", text), Facts(), NOW, "s")
        assert found.session is not None
        assert found.session.version_id == version


def test_a_label_or_its_number_is_a_tap(customer: Make) -> None:
    for text in ("Opção um", "opcao UM", "1", "1."):
        ana = customer(MENU, VARS)
        ana.writes("oi")
        assert ana.writes(text) == ["Um. Nome?"], text
    ana = customer(MENU, VARS)
    ana.writes("oi")
    assert ana.writes("3") == ["Como?"]


def test_save_and_filters(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    ana.taps("um")
    assert ana.writes("{{ contact.phone }}") == ["Tchau, {{ contact.phone }}"]
    assert ana.vars == {"nome": "{{ contact.phone }}"}
    assert ana.state == "ended"


def test_retries_then_after_tries(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    assert ana.writes("?") == ["Como?"]
    said = ana.last.effects[0]
    assert isinstance(said, Say)
    assert said.content.__class__.__name__ == "Buttons"
    assert ana.writes("??") == ["De novo?"]
    assert ana.taps("dois") == ["Dois?"]
    ana = customer(MENU, VARS)
    for text in ("oi", "?", "??", "???"):
        ana.writes(text)
    assert ana.last.effects == [Handoff("gente")]
    assert ana.state == "handed_off"


def test_a_kind_that_was_not_asked_for(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    (said,) = ana.hears(Input("audio", data={"id": "m"}))
    assert said == "Ainda não consigo ler esse tipo de mensagem por aqui.\nComo?"
    assert ana.last.session is not None
    assert ana.last.session.tries == 1
    own = customer(MENU, f"{VARS}\nintents: {{texts: {{not_understood_kind: 'Só texto.'}}}}")
    own.writes("oi")
    assert own.hears(Input("sticker")) == ["Só texto.\nComo?"]


def test_a_kind_that_was_not_asked_for_where_any_text_goes(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    ana.taps("um")
    assert ana.hears(Input("image")) == ["Ainda não consigo ler esse tipo de mensagem por aqui."]
    assert ana.writes("Ana") == ["Tchau, Ana"]


def test_else_to_goes_at_once(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    ana.taps("dois")
    assert ana.writes("hein") == ["Tchau, você"]


def test_intents_between_words_and_any(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    ana.taps("um")
    assert ana.writes("menu") == ["Oi, você"]
    ana.taps("um")
    assert ana.writes("Voltar") == ["Oi, você"]
    ana.taps("um")
    assert ana.writes("atendente") == []
    assert ana.state == "handed_off"


def test_cases_that_name_words_go_before_intents(customer: Make) -> None:
    ana = customer(
        "  a: {wait: {reply: [text]}, route: [{any_word: [menu], to: b}], else: {retry: x}}\n"
        "  b: {do: [{say: {text: cardápio}}, {end: {}}]}"
    )
    ana.writes("oi")
    assert ana.writes("menu") == ["cardápio"]


def test_voltar_goes_back_question_by_question_and_can_be_off(customer: Make) -> None:
    chain = "\n".join(
        f"  {a}: {{do: [{{say: {{text: {a}}}}}], wait: {{reply: [text]}}, route: [{{any: true, to: {b}}}]}}"
        for a, b in ("ab", "bc", "ca")
    )
    ana = customer(chain)
    for text in ("oi", "x", "x"):
        ana.writes(text)
    assert [ana.writes("voltar") for _ in range(3)] == [["b"], ["a"], ["a"]]
    off = customer(chain, "intents: {voltar: false}")
    off.writes("oi")
    assert off.writes("voltar") == ["b"]


def test_own_words_and_nodes_of_intents(customer: Make) -> None:
    ana = customer(MENU, f"{VARS}\nintents: {{menu: lembra, words: {{menu: [cardápio], atendente: [chefe]}}}}")
    ana.writes("oi")
    assert ana.writes("cardapio") == ["Ainda aí?"]
    ana.writes("chefe")
    assert ana.state == "handed_off"


@pytest.mark.parametrize("text", ["SAIR", "parar!", "stop", "Descadastrar"])
def test_opt_out_in_any_state(customer: Make, text: str) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    assert ana.writes(text) == ["Pronto: você não vai mais receber nossas ofertas. Se precisar de algo, é só escrever."]
    assert ana.last.effects[0] == Consent("marketing", "out")
    assert ana.state == "ended"
    assert ana.last.due_at is None
    assert ana.writes("oi") == ["Oi, você"]


def test_opt_out_without_a_session_and_without_a_flow(customer: Make) -> None:
    found = engine.answer([], None, None, Input("text", "sair"), Facts(language="en"), NOW, "s")
    assert found.outcome == "handled"
    assert found.session is None
    assert [type(effect) for effect in found.effects] == [Consent, Say]
    assert customer(MENU, f"{VARS}\nintents: {{texts: {{opted_out: 'Feito.'}}}}").writes("sair") == ["Feito."]


def test_opt_out_while_a_person_has_the_conversation(customer: Make) -> None:
    ana = customer(MENU, VARS, owner="human")
    assert len(ana.writes("sair")) == 1
    assert ana.last.effects[0] == Consent("marketing", "out")


def test_opt_out_is_recorded_when_we_have_said_too_much(customer: Make) -> None:
    ana = customer(MENU, VARS, recent_out=20)
    assert ana.writes("sair") == []
    assert ana.last.effects == [Consent("marketing", "out")]


def test_cancelar_opts_out_only_when_nothing_waits(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("Cancelar")
    assert ana.last.effects[0] == Consent("marketing", "out")
    ana.writes("oi")
    assert ana.writes("cancelar") == ["Como?"]
    ana.now += timedelta(days=2)
    ana.writes("cancelar")
    assert ana.last.effects[0] == Consent("marketing", "out")


def test_erasure_leaves_the_session(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    (said,) = ana.writes("Apague meus dados")
    assert "apagar seus dados" in said
    assert ana.last.effects[0] == Erasure()
    assert ana.taps("um") == ["Um. Nome?"]


def test_a_person_has_the_conversation(customer: Make) -> None:
    ana = customer(MENU, VARS, owner="human")
    assert ana.writes("oi") == []
    assert (ana.last.outcome, ana.last.effects, ana.session) == ("human", [], None)


def test_time_out_takes_its_case(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    assert ana.waits(hours=1) == []
    assert ana.node == "a"
    assert ana.waits(hours=1) == ["Ainda aí?"]
    assert ana.node == "lembra"


def test_time_out_without_a_case_ends_silently(customer: Make) -> None:
    ana = customer("  a: {wait: {reply: [text], timeout: 1h}, route: [{any: true, to: pessoa}]}")
    ana.writes("oi")
    assert ana.waits(hours=1) == []
    assert ana.state == "ended"


def test_expiry_counts_from_the_last_input_and_is_silent(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    ana.now += timedelta(hours=19)
    ana.taps("um")
    assert ana.waits(hours=19) == []
    assert ana.state == "waiting"
    assert ana.waits(hours=1) == []
    assert ana.state == "expired"
    assert ana.waits(hours=1) == []


def test_an_input_after_expiry_opens_anew(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    ana.taps("um")
    ana.now += timedelta(hours=21)
    assert ana.writes("Ana") == ["Oi, você"]


def test_a_timer_only_node_ignores_inputs_but_not_intents(customer: Make) -> None:
    ana = customer("  a: {wait: {timeout: 1h}, route: [{timeout: true, to: b}]}\n  b: {do: [{say: {text: hora}}, {end: {}}]}")
    ana.writes("oi")
    assert ana.writes("oi?") == []
    assert ana.state == "waiting"
    assert ana.waits(hours=1) == ["hora"]


def test_actions(customer: Make) -> None:
    ana = customer(
        """
  a:
    do:
      - set: {n: {add: [1, 2]}, s: {concat: [a, b]}}
      - tag: [novo]
      - untag: [velho]
      - consent: {purpose: avisos, state: in, text: "Posso avisar, {{ s }}?"}
      - say: {text: "{{ n }} {{ s }}"}
    route: [{tag: velho, to: pessoa}, {if: {all: [{tag: novo}, {var: n, eq: 3}]}, to: b}]
    else: {to: pessoa}
  b: {do: [{close: {}}, {say: {text: nunca}}]}
""",
        VARS,
        tags=["velho"],
    )
    assert ana.writes("oi") == ["3 ab"]
    assert [effect for effect in ana.last.effects if not isinstance(effect, Say)] == [
        Tag(["novo"], []),
        Tag([], ["velho"]),
        Consent("avisos", "in", "Posso avisar, ab?"),
        Close(),
    ]
    assert ana.last.trace[1].effects == ["tag#0", "tag#1", "consent#2", "say#3"]
    assert ana.last.trace[1].vars_set == ["n", "s"]
    assert (ana.last.trace[1].test, ana.last.trace[1].took) == ("if", "b")


def test_handoff_says_and_hands_over(customer: Make) -> None:
    ana = customer(
        "  a: {do: [{handoff: {queue: vendas, reason: 'Cliente {{ contact.name }}', sla: 15m, say: Já vai}}]}", name="Ana"
    )
    assert ana.writes("oi") == ["Já vai"]
    assert ana.last.effects[1] == Handoff("vendas", "Cliente Ana", 900)
    assert ana.last.due_at is None


def test_set_reads_all_before_it_writes_any(customer: Make) -> None:
    ana = customer("  a: {do: [{set: {n: 1}}, {set: {n: 2, s: {concat: [{var: n}, x]}}}, {end: {}}]}", VARS)
    ana.writes("oi")
    assert ana.vars == {"n": 2, "s": "1x"}


@pytest.mark.parametrize(
    "do",
    [
        "set: {n: {add: [a, 1]}}",
        "set: {n: texto}",
        "set: {l: {append: [x, 1]}}",
        'say: {text: "{{ s | money_brl }}"}',
        "say: {text: \"{{ falta | or: '' }}\"}",
        'say: {text: oi, buttons: [{id: a, label: "{{ n }}"}, {id: b, label: "{{ n }}"}]}',
    ],
)
def test_a_type_error_goes_to_on_error(do: str) -> None:
    flow = flow_of(
        f"  a: {{do: [{{set: {{s: x, n: 1}}}}, {{say: {{text: antes}}}}, {{{do}}}, {{say: {{text: nunca}}}}],"
        " route: [{any: true, to: b}]}\n"
        "  b: {do: [{end: {}}]}\n  erro: {do: [{say: {text: desculpe}}, {handoff: {queue: apoio}}]}",
        VARS,
    )
    flow = msgspec.structs.replace(flow, defaults=msgspec.structs.replace(flow.defaults, on_error="erro"))
    ana = Customer(flow)
    assert ana.writes("oi") == ["antes", "desculpe"]
    assert any(isinstance(effect, Notice) and effect.kind == "flow_error" for effect in ana.last.effects)
    assert ana.last.effects[-1] == Handoff("apoio")
    assert ana.last.trace[1].error


def test_an_error_in_on_error_goes_to_a_person() -> None:
    flow = flow_of("  a: {do: [{set: {n: texto}}, {end: {}}]}", VARS)
    ana = Customer(msgspec.structs.replace(flow, defaults=msgspec.structs.replace(flow.defaults, on_error="a")))
    ana.writes("oi")
    assert ana.last.effects[-1] == Handoff("safety", "flow_error")
    assert ana.state == "failed"


def test_no_case_and_no_else_goes_to_on_error(customer: Make) -> None:
    ana = customer("  a: {route: [{tag: x, to: pessoa}]}")
    ana.writes("oi")
    assert [type(effect) for effect in ana.last.effects] == [Notice, Handoff]


def test_steps_of_a_turn_are_capped(customer: Make) -> None:
    ana = customer("  a: {route: [{any: true, to: b}]}\n  b: {route: [{any: true, to: a}]}")
    ana.writes("oi")
    assert ana.last.effects == [Notice("runaway", "more than 50 steps in one turn"), Handoff("safety", "runaway")]
    assert ana.state == "handed_off"


def test_entries_by_timers_are_capped(customer: Make) -> None:
    ana = customer("  a: {wait: {timeout: 1m}, route: [{timeout: true, to: a}]}")
    ana.writes("oi")
    for _ in range(6):
        assert ana.waits(minutes=1) == []
        assert ana.state == "waiting"
    ana.waits(minutes=1)
    assert ana.state == "handed_off"


def test_slow_timers_are_not_capped(customer: Make) -> None:
    ana = customer("  a: {wait: {timeout: 15m}, route: [{timeout: true, to: a}]}")
    ana.writes("oi")
    for _ in range(12):
        ana.waits(minutes=15)
    assert ana.state == "waiting"


def test_the_same_text_three_times_goes_to_a_person(customer: Make) -> None:
    ana = customer(
        "  a: {do: [{say: {text: Oi}}], wait: {reply: [text]}, tries: 9, route: [{number: true, to: a}], else: {retry: Número?}}"
    )
    ana.writes("x")
    assert ana.writes("x") == ["Número?"]
    assert ana.writes("x") == ["Número?"]
    assert ana.writes("x") == []
    assert ana.last.effects[-1] == Handoff("safety", "runaway")


def test_valid_inputs_start_the_count_again(customer: Make) -> None:
    ana = customer("  a: {do: [{say: {text: Oi}}], wait: {reply: [text]}, route: [{any: true, to: a}]}")
    assert [ana.writes("x") for _ in range(9)] == [["Oi"]] * 9


def test_messages_of_a_minute_are_capped(customer: Make) -> None:
    nodes = "  a: {do: [{say: {text: um}}, {say: {text: dois}}, {say: {text: três}}], route: [{any: true, to: pessoa}]}"
    ana = customer(nodes, recent_out=18)
    assert ana.writes("oi") == ["um", "dois"]
    assert ana.last.effects[-1] == Handoff("safety", "runaway")
    assert customer(nodes, recent_out=17).writes("oi") == ["um", "dois", "três"]


def test_variables_are_bounded(customer: Make) -> None:
    ana = customer("  a: {wait: {reply: [text]}, save: s, route: [{any: true, to: b}]}\n  b: {do: [{end: {}}]}", VARS)
    ana.writes("oi")
    ana.writes("x" * 10_000)
    assert len(str(ana.vars["s"])) == 4096


def test_a_session_that_grows_too_large_goes_to_a_person(customer: Make) -> None:
    names = [f"v{index}" for index in range(20)]
    nodes = "  a: {wait: {reply: [text]}, save: v0, route: [{any: true, to: b}]}\n  b: {do: ["
    nodes += (
        ", ".join(f"{{set: {{{name}: {{var: v0}}}}}}" for name in names) + "], wait: {reply: [text]}, route: [{any: true, to: a}]}"
    )
    ana = customer(nodes, "vars: {" + ", ".join(f"{name}: text" for name in names) + "}")
    ana.writes("oi")
    ana.writes("x" * 4096)
    assert ana.state == "failed"
    assert ana.vars == {}


def test_a_version_that_is_gone_goes_to_a_person(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.writes("oi")
    found = engine.answer([], ana.session, None, Input("text", "oi"), ana.facts, NOW, "s2")
    assert found.session is not None
    assert found.session.state == "failed"
    assert found.effects[-1] == Handoff("safety", "flow_error")


def test_languages(customer: Make) -> None:
    nodes = "  a: {do: [{say: {text: {pt-BR: Olá, en: Hello}}}], wait: {reply: [text]}, route: [{any: true, to: pessoa}]}"
    assert customer(nodes, language="en").writes("x") == ["Hello"]
    assert customer(nodes, language="fr").writes("x") == ["Olá"]
    assert customer(nodes).writes("x") == ["Olá"]


def test_the_session_given_is_not_changed(customer: Make) -> None:
    for taps in ([], ["um"]):
        ana = customer(MENU, VARS)
        ana.writes("oi")
        for choice in taps:
            ana.taps(choice)
        before = msgspec.json.encode(ana.session)
        for heard in (Input("button", "x", "um"), Input("text", "Ana"), Input("text", "sair"), Input("image"), Input("timeout")):
            engine.answer([ana.program], ana.session, ana.program, heard, ana.facts, NOW + timedelta(hours=3), "s2")
            assert msgspec.json.encode(ana.session) == before


def test_the_trace_of_a_turn(customer: Make) -> None:
    ana = customer(MENU, VARS)
    ana.hears(Input("text", "oi", event_id="e1"))
    ana.hears(Input("button", "Opção um", "um", event_id="e2"))
    rows = [(row.step, row.node, row.event, row.test, row.took, row.effects) for row in ana.last.trace]
    assert rows == [(3, "a", "e2", "button", "um", []), (4, "um", "e2", None, None, ["say#0"])]


PROGRAMS = [engine.compile(document.load(text, key), key) for key, text in examples().items()]
HEARD = st.one_of(
    st.builds(
        Input,
        st.just("text"),
        st.text(max_size=80) | st.sampled_from(["oi", "1", "sim", "12/03", "amanhã", "14h", "voltar", "menu", "sair"]),
    ),
    st.builds(
        Input, st.sampled_from(["button", "list"]), st.just("x"), st.sampled_from(["agendar", "oleo", "consulta", "sim", "nada"])
    ),
    st.builds(Input, st.sampled_from(["image", "location", "order", "que"]), data=st.none() | st.just({"id": "m"})),
    st.just(Input("timeout")),
)


@given(st.sampled_from(PROGRAMS), st.lists(st.tuples(HEARD, st.integers(0, 7200)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_no_conversation_raises_and_every_session_can_be_saved(program: engine.Program, talk: list[tuple[Input, int]]) -> None:
    session, now = None, NOW
    for heard, passed in talk:
        now += timedelta(seconds=passed)
        found = engine.answer([program], session, program, heard, Facts(name="Ana"), now, "s")
        again = engine.answer([program], session, program, heard, Facts(name="Ana"), now, "s")
        assert msgspec.json.encode(found) == msgspec.json.encode(again)
        saved = msgspec.json.encode(found.session)
        session = msgspec.json.decode(saved, type=Session | None)
        assert session == found.session
        assert not any(isinstance(effect, Notice) and effect.kind == "flow_error" for effect in found.effects)
