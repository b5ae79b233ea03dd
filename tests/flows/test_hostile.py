"""What customers and flow writers may try to make of a text: a program, a button, a regular expression, a pause of minutes."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import date
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atendeja.flow import document, engine, reading, words
from atendeja.flow.engine import Program
from atendeja.flow.inputs import KINDS
from atendeja.flow.session import Answer, Facts, Handoff, Input, Say
from atendeja.flow.text import TextError, parse
from atendeja.runtime import Runtime
from atendeja.wa import content as wa
from atendeja.wa import rules
from tests.flow.conftest import NOW
from tests.turn.shop import HEAD, PERSON, Shop, open_shop

LONGEST = 4096
"""Characters of a customer's text."""
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
    return engine.compile(document.load(f"{HEAD.format(key='hostil')}{more}nodes:{nodes}{PERSON}", "hostil"), "v")


SHAPED = program_of(SHAPES)
INJECTIONS = [
    *("{{ contact.phone }}", "{{contact.phone}}", "}}{{", "{{", "{% for x in y %}", "{0.__class__}", "{name}", "%s%n", "%(name)s"),
    *("${7*7}", "#{7*7}", "<%= 7*7 %>", "$(id)", "`id`", "\\1", "\\u0041", ".*", "(a+)+$", "'; DROP TABLE contact; --", "' OR 1=1"),
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
        "items",
        "keys",
        "upper",
        "format",
        "copy",
        "mro",
        "real",
        "vars.items",
        "contact.fields.keys",
        "nome.format",
        "session.vars",
    )
    (answer,) = hear(program_of(f"""
  a: {{do: [{{set: {{nome: x}}}}, {{say: {{text: "[{"".join(f"{{{{ {name} }}}}" for name in names)}]"}}}}, {{end: {{}}}}]}}
""", "vars: {nome: text}\n"), Facts(), "oi")  # fmt: skip
    assert [effect.content for effect in answer.effects if isinstance(effect, Say)] == [wa.Text("[]")]


UNITS = [
    *("1", "1.", "1,", "12/", "12/12/", "12/03 ", "1-", "1:", "1h", "9 ", "(", "+55 ", "000.", "1.111,", "3.3.", "0-", "0A."),
    *(
        "a.",
        "a@",
        "a-",
        "@",
        "a@a.",
        "R$",
        "1 de ",
        "da tarde ",
        "meio dia ",
        "sim ",
        "_",
        " ",
        "\n",
        "é",
        "ﷺ",
        "\u0301",
        "aA",
        "👍",
    ),
    *("{{", "}}", "{{ a | or: '", " | or: ''", "(a+)+", ".*", "'"),
]


def corpus() -> Iterator[str]:
    """Texts that make patterns go back and forth: each unit again and again, with an end that does not fit, and before another."""
    for unit, end in product(UNITS, ("", "!", "x", "1")):
        yield (unit * LONGEST)[: LONGEST - 1] + end
    for unit, other in zip(UNITS, UNITS[7:] + UNITS[:7], strict=True):
        yield ((unit + other) * LONGEST)[:LONGEST]
        yield (unit * LONGEST)[: LONGEST // 2] + (other * LONGEST)[: LONGEST // 2]


def tried(source: str) -> None:
    with suppress(TextError):
        parse.__wrapped__(source)


READERS: list[Callable[[str], object]] = [
    *(reading.number, reading.money_brl, reading.time, reading.email, reading.cpf, reading.cnpj, reading.cep, reading.phone),
    *(words.yes_no, words.reserved, words._fold, tried),
    lambda text: reading.date_br(text, date(2027, 3, 10)),
    lambda text: reading.spoken_day(text, date(2027, 3, 10)),
]


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_no_text_takes_long_to_read(reader: Callable[[str], object]) -> None:
    """S34: 50 ms at most for the longest text of a customer, whatever is in it."""
    for text in corpus():
        began = time.process_time()
        reader(text)
        assert time.process_time() - began < MOST_S, text[:40]


CASES = [
    *("number: {min: 1}", "money_br: {min: 1}", "date_br: {min: today}", "time: true", "email: true", "cpf: true", "cnpj: true"),
    *("cep: true", "phone: true", "yes_no: true", "any_word: ['.*', '(a+)+$', '[', '%s']", "phrase: 'a b c'", "all_words: [a, b]"),
]
ASKING = program_of(
    f"\n  a: {{wait: {{reply: [text]}}, save: x, route: [{', '.join(f'{{{case}, to: b}}' for case in CASES)}], else: {{to: b}}}}"
    "\n  b: {do: [{say: {text: \"<{{ x | or: '-' }}>\"}}], wait: {reply: [text]}, route: [{any: true, to: a}]}"
)


def test_no_turn_takes_long_and_no_text_ends_in_a_bug() -> None:
    """S34: a whole turn, in which every kind of test looks at the text."""
    for text in corpus():
        session = hear(ASKING, Facts(name=text), "oi")[0].session
        began = time.process_time()
        answer = engine.answer([ASKING], session, ASKING, Input("text", text), Facts(name=text), NOW, "s")
        assert time.process_time() - began < MOST_S, text[:40]
        assert not [effect for effect in answer.effects if isinstance(effect, Handoff)], text[:40]


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
    odd: list[dict[str, object] | None] = [
        None,
        {},
        {"id": None},
        {"latitude": "x"},
        {"referral": []},
        {"referral": {"source_id": {}}},
    ]
    for data in odd:
        engine.answer([ASKING], None, None, Input(kind, "", None, data), Facts(), NOW, "s")


@pytest.fixture
async def shop(rt: Runtime) -> AsyncIterator[Shop]:
    opened = await open_shop(rt)
    yield opened
    await opened.admin.close()


async def test_what_a_customer_writes_is_kept_and_sent_as_it_is(shop: Shop) -> None:
    """S34: from the webhook to the message's row and back, no text is part of a statement or a pattern."""
    await shop.publish("""
  a: {do: [{say: {text: "Oi?"}}], wait: {reply: [text]}, route: [{any: true, to: b}]}
  b: {do: [{say: {text: "<{{ input.text }}>"}}, {end: {}}]}
""")
    texts = [text for text in INJECTIONS if text.strip() and len(text) < 200][::3]
    for n, text in enumerate(texts):
        sender = f"55119{n:08}"
        await shop.asks("oi", sender)
        assert await shop.asks(text, sender) == [f"<{text}>"], text
