"""What customers write is data: it is never read as a template (S33), and no text makes a reader slow (S34)."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja import phone
from atendeja.flow import reading, words
from atendeja.flow.scope import Scope
from atendeja.flow.session import Facts, Input, Session
from atendeja.flow.text import TextError, parse, render

NOW = datetime(2027, 3, 10, 13, 5, tzinfo=UTC)
DAY = date(2027, 3, 10)
LONG = 4096
"""Characters of a text that WhatsApp delivers."""
MOST_S = 0.05
SHORTS = (
    *(
        "a",
        "1",
        " ",
        ".",
        "-",
        ",",
        "@",
        ":",
        "/",
        "(",
        "+",
        "{{",
        "}}",
        "{{a|",
        "é",
        "´",
        "🙂",
        "\u200b",
        "\u0301",
        "SAIR ",
        "de ",
    ),
    *("a.", "a-", "a@", "a@a.", "1.", "1,", "1-", "11/", "1/1", "000.", "1h", "12:", "0 ", "(1", "+1", "1 de ", "{{ a | or: '"),
    *("aA1.", "sim"),
)
ENDS = ("", "!", "@", "x", "1", "\0", "\n")
READERS: dict[str, Callable[[str], object]] = {
    "number": reading.number,
    "money_brl": reading.money_brl,
    "date_br": lambda text: reading.date_br(text, DAY),
    "spoken_day": lambda text: reading.spoken_day(text, DAY),
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
def test_no_text_makes_a_reader_slow(reader: str) -> None:
    """S34: of whatever is repeated up to the longest text there is, ended so that nothing fits after all."""
    read = READERS[reader]
    slow = []
    for short in SHORTS:
        for end in ENDS:
            text = (short * LONG)[: LONG - len(end)] + end
            spent = min(_spend(read, text) for _ in range(2)) if _spend(read, text) > MOST_S else 0.0
            if spent > MOST_S:
                slow.append((short, end, round(spent, 3)))
    assert slow == []


def _spend(read: Callable[[str], object], text: str) -> float:
    began = time.process_time()
    read(text)
    return time.process_time() - began


def scope(value: object, name: str = "Ana") -> Scope:
    session = Session("s1", "f", "v", "a", NOW, NOW, vars={"dito": value})
    return Scope(session, Facts(name=name, business_name="Oficina Sol"), Input("text", str(value)), NOW, ("pt-BR",))


INJECTIONS = (
    "{{ contact.phone }}",
    "{{ dito }}",
    "}} {{ business.name }} {{",
    "{{ dito.__class__.__mro__ }}",
    "{% for x in y %}{% endfor %}",
    "${business.name} %(name)s {0.__class__} %s %n",
    "<script>alert(1)</script>",
    "'; DROP TABLE contact; --",
    "{{",
    "\\{\\{ contact.phone \\}\\}",
)


@pytest.mark.parametrize("said", INJECTIONS)
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
