"""What customers and flow writers may try to make of a text: a program, a button, a regular expression, a pause of minutes.

What customers write is data: it is never read as a template (S33), and no text makes a reader slow (S34).
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atendeja import phone
from atendeja.flow import engine, reading, words
from atendeja.flow.engine import Program
from atendeja.flow.inputs import KINDS
from atendeja.flow.scope import Scope
from atendeja.flow.session import Answer, Facts, Handoff, Input, Say, Session
from atendeja.flow.text import TextError, parse, render
from atendeja.wa import content as wa
from atendeja.wa import rules
from tests.flow.conftest import NOW, flow_of

LONGEST = 4096
"""Characters of a text that WhatsApp delivers."""
MOST_S = 0.05

SHAPES = """
  a:
    do:
      - say:
          text: "Oi, {{ contact.name | or: 'você' }}! {{ contact.fields.nota }}"
          header: "Para {{ contact.name }}"
          footer: "{{ contact.fields.nota | upper }}"
          buttons:
            - {id: um, label: "{{ contact.name }}"}
            - {id: dois, label: "2 {{ contact.fields.nota }}"}
            - {id: tres, label: Três}
    wait: {reply: [button, text, list]}
    route: [{button: um, to: b}, {button: dois, to: b}, {button: tres, to: b}]
    else: {retry: "De novo, {{ contact.name | first_name }}: {{ input.text }}"}
  b:
    do:
      - say:
          text: "{{ contact.fields.nota | or: 'Escolha' }}"
          list:
            button: "Ver {{ contact.name }}"
            rows:
              - {id: x, label: "{{ contact.name }}", description: "{{ contact.fields.nota }}", section: "{{ contact.name }}"}
              - {id: y, label: "Y {{ contact.fields.nota | lower }}"}
    wait: {reply: [list, text]}
    route: [{button: x, to: pessoa}]
    else: {to: pessoa}
"""


def program_of(nodes: str, more: str = "") -> Program:
    return engine.compile(flow_of(nodes, more), "v")


SHAPED = program_of(SHAPES)
INJECTIONS = [
    *("{{ contact.phone }}", "{{contact.phone}}", "}}{{", "{{", "{% for x in y %}", "{0.__class__}", "{name}", "%s%n", "%(name)s"),
    *("${7*7}", "#{7*7}", "<%= 7*7 %>", "$(id)", "`id`", "\\1", "\\u0041", ".*", "(a+)+$", "'; DROP TABLE contact; --", "' OR 1=1"),
    *("{{ dito }}", "}} {{ business.name }} {{", "{{ dito.__class__.__mro__ }}", "{% for x in y %}{% endfor %}"),
    *("${business.name} %(name)s {0.__class__} %s %n", "<script>alert(1)</script>", "\\{\\{ contact.phone \\}\\}"),
    *("https://golpe.example/x", "wa.me/5511", "[botão](https://golpe.example)", "<a href='x'>", "*negrito*", "~x~", "```x```"),
    *('","buttons":[{"id":"z"}]', '"}]}', "\n\n\nBotão", "\r\n", "\t", "\u2028", "\u202e", "\u200b", "\u0301" * 50),
    *("👩‍👩‍👧‍👦" * 20, "ß" * 80, "ﷺ" * 80),
    *("x" * 5000, " " * 5000, "\n" * 5000, "", " "),
]  # fmt: skip


def hear(program: Program, facts: Facts, *texts: str) -> list[Answer]:
    session, found = None, []
    for text in texts:
        found.append(engine.answer([program], session, program, Input("text", text), facts, NOW, "s"))
        session = found[-1].session
    return found


def check(answers: list[Answer]) -> None:
    """Each message is within WhatsApp's limits and has the buttons, rows and nothing else that the flow gives it; or a person is
    asked, with nothing said that WhatsApp would refuse."""
    for answer in answers:
        for effect in answer.effects:
            match effect:
                case Say(wa.Buttons() as said):
                    assert [button.id for button in said.buttons] == ["um", "dois", "tres"] and rules.problems(said) == []
                case Say(wa.Options() as said):
                    assert [row.id for section in said.sections for row in section.rows] == ["x", "y"] and rules.problems(
                        said
                    ) == []
                case Say(said):
                    assert rules.problems(said) == [] and not (isinstance(said, wa.Text) and said.preview_url)


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_value_is_said_as_it_is_and_adds_nothing(value: str) -> None:
    """S33: what a customer is called, or wrote, is never read again: not as `{{ }}`, not as a button, not as a link."""
    said = hear(program_of("""
  a: {do: [{say: {text: "Oi, {{ contact.name | or: 'você' }}."}}], wait: {reply: [text]}, save: nome, route: [{any: true, to: b}]}
  b: {do: [{say: {text: "<{{ nome }}>"}}, {end: {}}]}
""", "vars: {nome: text}\n"), Facts(name=value, phone="+5511900000001"), "oi", value)  # fmt: skip
    bodies = [effect.content for answer in said for effect in answer.effects if isinstance(effect, Say)]
    assert bodies[0] == wa.Text((f"Oi, {value or 'você'}.")[:4095] + ("…" if len(value) > 4090 else ""))
    if not words.reserved(value):
        assert bodies[1].body[:4000] == f"<{value}>"[:4000] and "+5511900000001" not in str(bodies)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(INJECTIONS) | st.text(max_size=80), st.sampled_from(INJECTIONS) | st.text(max_size=80), st.booleans())
def test_no_value_makes_a_message_more_or_other_than_the_flow_says(name: str, note: str, taps: bool) -> None:
    """S33: however long or odd, the buttons, rows and ids are the flow's, and the lengths are WhatsApp's."""
    check(hear(SHAPED, Facts(name=name, fields={"nota": note}), "oi", "3" if taps else note, note, name))


@pytest.mark.parametrize(
    "source",
    [
        *("{{ contact.__class__ }}", "{{ nome.__init__.__globals__ }}", "{{ contact['name'] }}", "{{ nome.upper() }}", "{{ 7*7 }}"),
        *("{{ ''.join }}", "{{ self }}{{ }}", "{{ contact.name | eval }}", "{{ contact.name | attr: 'x' }}", "{{ {{ nome }} }}"),
        *("{{ nome | or: nome }}", "{{ nome | or: 'a' if 1 else 'b' }}", "{{ lambda: 1 }}", "{{ nome;import os }}", "{{ Nome }}"),
    ],
)
def test_a_text_cannot_compute_or_reach_into_anything(source: str) -> None:
    """S33: no attribute, no call, no operator: such a text is not even read."""
    with pytest.raises(TextError):
        parse(source)


@pytest.mark.parametrize("source", ["{% x %}", "${7*7}", "#{7}", "%s %(a)s {0} {x!r}", "<%= 7 %>", "\\g<0>", "$1"])
def test_other_languages_templates_are_words(source: str) -> None:
    assert parse(source) == (source,)


def test_what_python_has_is_no_variable() -> None:
    """S33: a path leads through what is there as data, never through what Python hangs on it."""
    names = (
        *("items", "keys", "upper", "format", "copy", "mro", "real"),
        *("vars.items", "contact.fields.keys", "nome.format", "session.vars"),
    )
    (answer,) = hear(program_of(f"""
  a: {{do: [{{set: {{nome: x}}}}, {{say: {{text: "[{"".join(f"{{{{ {name} }}}}" for name in names)}]"}}}}, {{end: {{}}}}]}}
""", "vars: {nome: text}\n"), Facts(), "oi")  # fmt: skip
    assert [effect.content for effect in answer.effects if isinstance(effect, Say)] == [wa.Text("[]")]


def scope(value: object, name: str = "Ana") -> Scope:
    session = Session("s1", "f", "v", "a", NOW, NOW, vars={"dito": value})
    return Scope(session, Facts(name=name, business_name="Oficina Sol"), Input("text", str(value)), NOW, ("pt-BR",))


@pytest.mark.parametrize("said", [value for value in INJECTIONS if len(value) < LONGEST])
def test_what_is_filled_in_is_never_read_again(said: str) -> None:
    """S33: whatever it is, it comes out as it went in; from a variable, the input and the contact's own name."""
    assert render("Você disse: {{ dito }}.", scope(said)) == f"Você disse: {said}."
    assert render("{{ input.text }}", scope(said)) == said
    assert render("{{ contact.name }}", scope("", name=said)) == said
    assert render("{{ dito }}{{ business.name }}", scope(said)) == f"{said}Oficina Sol"


@given(st.text(max_size=200))
def test_no_text_of_a_customer_changes_what_is_around_it(said: str) -> None:
    """S33, as a property: the length is what it must be, and nothing of ours is lost."""
    assert render("<{{ dito }}>", scope(said)) == f"<{said}>"


@given(st.text(alphabet="{}|:.' _abc0-9\n", max_size=60))
def test_a_template_is_a_path_with_filters_or_it_is_none(source: str) -> None:
    """S33: nothing in it computes, calls or reaches an attribute: what does not read is an error where the flow is checked."""
    try:
        parts = parse(source)
    except TextError:
        return
    paths = [part.path for part in parts if not isinstance(part, str)]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", path) for path in paths)


@pytest.mark.parametrize(
    "path", ["dito.__class__", "contact.__dict__", "_session", "vars.__class__", "contact._facts", "business.token"]
)
def test_no_path_reaches_what_is_not_meant_to_be_seen(path: str) -> None:
    """S33: a name with a leading underscore cannot be written, and what is not listed is not there."""
    try:
        assert render(f"[{{{{ {path} }}}}]", scope("x")) == "[]"
    except TextError:
        assert "_" in path


UNITS = [
    *("1", "1.", "1,", "1-", "1:", "1/1", "11/", "12/", "12:", "12/12/", "12/03 ", "1h", "9 ", "0 ", "0-", "0A.", "aA1.", "000."),
    *("(", "(1", "+", "+1", "+55 ", "1.111,", "3.3.", "1 de ", "de ", "da tarde ", "meio dia ", "sim", "sim ", "SAIR ", "R$"),
    *("a", "a.", "a@", "a-", "aA", "@", "a@a.", ".", "-", ",", ":", "/", "_", " ", "\n", "'", "(a+)+", ".*"),
    *("é", "´", "ﷺ", "\u0301", "\u200b", "👍", "🙂"),
    *("{{", "}}", "{{a|", "{{ a | or: '", " | or: ''"),
]
ENDS = ("", "!", "@", "x", "1", "\0", "\n")


def corpus() -> Iterator[str]:
    """Texts that make patterns go back and forth: each unit again and again, with an end that does not fit, and before another."""
    for unit, end in product(UNITS, ENDS):
        yield (unit * LONGEST)[: LONGEST - len(end)] + end
    for unit, other in zip(UNITS, UNITS[7:] + UNITS[:7], strict=True):
        yield ((unit + other) * LONGEST)[:LONGEST]
        yield (unit * LONGEST)[: LONGEST // 2] + (other * LONGEST)[: LONGEST // 2]


def spend(read: Callable[[str], object], text: str) -> float:
    """CPU seconds. What seems slow is tried twice more, shorter by a character: of the same text the words are remembered."""

    def once(said: str) -> float:
        began = time.process_time()
        read(said)
        return time.process_time() - began

    first = once(text)
    return first if first <= MOST_S else min(first, once(text[1:]), once(text[2:]))


def tried(source: str) -> None:
    with suppress(TextError):
        parse.__wrapped__(source)


READERS: dict[str, Callable[[str], object]] = {
    "number": reading.number,
    "money_brl": reading.money_brl,
    "date_br": lambda text: reading.date_br(text, NOW.date()),
    "spoken_day": lambda text: reading.spoken_day(text, NOW.date()),
    "time": reading.time,
    "email": reading.email,
    "cpf": reading.cpf,
    "cnpj": reading.cnpj,
    "cep": reading.cep,
    "phone": reading.phone,
    "fold": words.fold,
    "has_phrase": lambda text: words.has_phrase(words.fold(text), "quero falar com alguém"),
    "reserved": words.reserved,
    "cancels": words.cancels,
    "yes_no": words.yes_no,
    "mask": phone.mask,
    "digits": phone.digits,
    "parse": tried,
}


@given(st.text(alphabet="0123456789.,+-R$ hdeà/:", max_size=30) | st.text(max_size=60))
def test_no_text_is_too_much_for_a_reader(said: str) -> None:
    """What cannot be read is None, and no error that would end a customer's turn."""
    for read in READERS.values():
        read(said)


@pytest.mark.parametrize("written", ["1.234.5", "R$ 1.000.50", "1.000.000.000.000.000.000", "1,2,3", "1.234,5.6"])
def test_what_is_almost_a_number_is_none(written: str) -> None:
    assert (reading.number(written), reading.money_brl(written)) == (None, None)


@pytest.mark.parametrize("reader", READERS)
def test_no_text_takes_long_to_read(reader: str) -> None:
    """S34: 50 ms at most for the longest text of a customer, whatever is in it."""
    assert [(text[:40], text[-1:]) for text in corpus() if spend(READERS[reader], text) > MOST_S] == []


CASES = [
    *("number: {min: 1}", "money_br: {min: 1}", "date_br: {min: today}", "time: true", "email: true", "cpf: true", "cnpj: true"),
    *("cep: true", "phone: true", "yes_no: true", "any_word: ['.*', '(a+)+$', '[', '%s']", "phrase: 'a b c'", "all_words: [a, b]"),
]
ASKING = program_of(
    f"\n  a: {{wait: {{reply: [text]}}, save: x, route: [{', '.join(f'{{{case}, to: b}}' for case in CASES)}], else: {{to: b}}}}"
    "\n  b: {do: [{say: {text: \"<{{ x | or: '-' }}>\"}}], wait: {reply: [text]}, route: [{any: true, to: a}]}"
)


def turn(session: Session | None, text: str) -> Answer:
    return engine.answer([ASKING], session, ASKING, Input("text", text), Facts(name=text), NOW, "s")


def test_no_turn_takes_long_and_no_text_ends_in_a_bug() -> None:
    """S34: a whole turn, in which every kind of test looks at the text."""
    for text in corpus():
        session = hear(ASKING, Facts(name=text), "oi")[0].session
        assert spend(partial(turn, session), text) < MOST_S, text[:40]
        assert not [effect for effect in turn(session, text).effects if isinstance(effect, Handoff)], text[:40]


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1.234.5678", "9" * 400, "-" + "9." * 300]
)
def test_odd_numbers_and_dates_go_to_a_person_and_not_to_a_bug(text: str) -> None:
    program = program_of("""
  a:
    wait: {reply: [text]}
    route: [{number: {max: 9}, to: b}]
    else: {to: b}
  b: {do: [{say: {text: "{{ input.text | date: 'dd/MM/yyyy' }} {{ input.text | time }}"}}, {end: {}}]}
""")
    answers = hear(program, Facts(), "oi", text)
    assert isinstance(answers[1].effects[-1], Handoff)


def test_words_of_a_flow_are_words_and_no_patterns() -> None:
    """S34: neither side of a comparison is a regular expression."""
    program = program_of("""
  a: {do: [{say: {text: Diga}}], wait: {reply: [text]}, route: [{any_word: ['o.o', 'x+'], to: b}], else: {to: c}}
  b: {do: [{say: {text: sim}}, {end: {}}]}
  c: {do: [{say: {text: nada}}, {end: {}}]}
""")
    for text, said in (("o.o", "sim"), ("ovo", "nada"), ("xx", "sim"), ("xxy", "nada"), (".*", "nada"), ("o o", "sim")):
        answers = hear(program, Facts(), "ola", text)
        assert [e.content.body for e in answers[1].effects if isinstance(e, Say)] == [said], text


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_of_any_kind_with_nothing_in_it_is_answered(kind: str) -> None:
    odd: list[dict[str, object]] = [{}, {"id": None}, {"latitude": "x"}, {"referral": []}, {"referral": {"source_id": {}}}]
    for data in (None, *odd):
        engine.answer([ASKING], None, None, Input(kind, "", None, data), Facts(), NOW, "s")
