from datetime import UTC, datetime

import pytest

from atendeja.flow.scope import Scope
from atendeja.flow.session import Facts, Input, Session
from atendeja.flow.text import TextError, parse, render, sketch
from atendeja.flow.types import FlowError

NOW = datetime(2027, 3, 10, 13, 5, tzinfo=UTC)
VARS: dict[str, object] = {
    "nome": "ana MARIA",
    "cidade": "são paulo",
    "n": 1,
    "m": 3,
    "preco": 123456,
    "media": 1234.5,
    "dia": "2027-03-12",
    "hora": "14:30",
    "quando": "2027-03-12T18:00:00+00:00",
    "fone": "+5511987654321",
    "itens": ["óleo", "filtro"],
    "nada": None,
    "sim": True,
    "obj": {"codigo": "A17"},
    "mau": "{{ contact.phone }}",
}


def scope(*languages: str) -> Scope:
    session = Session("s1", "f", "v", "a", NOW, NOW, vars=dict(VARS))
    facts = Facts(name="ANA souza", phone="+5511900000000", tags=["vip"], fields={"cor": "azul"}, business_name="Oficina Sol")
    return Scope(session, facts, Input("text", "oi"), NOW, languages or ("pt-BR",))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("sem buraco", "sem buraco"),
        ("{{nome}}", "ana MARIA"),
        ("{{ vars.nome | first_name }}", "Ana"),
        ("{{ contact.first_name }}, {{ business.name }}", "Ana, Oficina Sol"),
        ("{{ contact.fields.cor | upper }}", "AZUL"),
        ("{{ contact.tags | join: '/' }}", "vip"),
        ("{{ nome | lower }}", "ana maria"),
        ("{{ cidade | capitalize }}", "São paulo"),
        ("{{ nada | or: 'x' }}{{ falta.de.tudo | or: 'y' }}", "xy"),
        ("{{ nada }}{{ nada | upper }}", ""),
        ("{{ dia | date: 'EEEE, d de MMMM' }}", "sexta-feira, 12 de março"),
        ("{{ dia | date: 'dd/MM/yyyy' }} {{ dia | date: 'd/M/yy' }}", "12/03/2027 12/3/27"),
        ("{{ quando | date: 'dd/MM HH:mm' }}", "12/03 15:00"),
        ("{{ quando | date: 'HHhmm' }}", "15h00"),
        ("{{ hora | time }} {{ quando | time }}", "14:30 15:00"),
        ("{{ preco | money_brl }}", "R$ 1.234,56"),
        ("{{ media }} {{ media | number: 2 }} {{ m }}", "1.234,5 1.234,50 3"),
        ("{{ fone | phone }}", "(11) 98765-4321"),
        ("{{ itens | join: ', ' }}", "óleo, filtro"),
        ("{{ n | plural: 'um', 'vários' }} {{ m | plural: 'um','vários' }}", "um vários"),
        ("{{ sim }}", "sim"),
        ("{{ obj.codigo }}", "A17"),
        ("{{ mau }}", "{{ contact.phone }}"),
        ("{{ today }} {{ now | time }}", "2027-03-10 10:05"),
        ("{{ input.kind }} {{ session.id }}", "text s1"),
    ],
)
def test_render(source: str, expected: str) -> None:
    assert render(source, scope()) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ nome | money_brl }}",
        "{{ itens }}",
        "{{ obj }}",
        "{{ nome | date: 'dd' }}",
        "{{ m | upper }}",
        "{{ nome | join: 'x' }}",
        "{{ media | money_brl }}",
        "{{ sim | number: 1 }}",
    ],
)
def test_wrong_types_are_errors(source: str) -> None:
    with pytest.raises(FlowError):
        render(source, scope())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ nome", "do not match"),
        ("nome }}", "do not match"),
        ("{{ }}", "does not start"),
        ("{{ Nome }}", "does not start"),
        ("{{ nome | maiuscula }}", "no filter"),
        ("{{ nome | uper }}", "did you mean `upper`"),
        ("{{ nome | or }}", "takes 'text'"),
        ("{{ nome | number: 'x' }}", "takes number"),
        ("{{ nome | plural: 'a' }}", "takes 'text', 'text'"),
        ("{{ nome.__class__ }}", "cannot be read"),
        ("{{ 1 + 1 }}", "does not start"),
    ],
)
def test_unreadable(source: str, reason: str) -> None:
    with pytest.raises(TextError, match=reason.replace("'", ".")):
        parse(source)


def test_languages() -> None:
    text = {"pt-BR": "oi", "en": "hello {{ m }}"}
    assert render(text, scope("en", "pt-BR")) == "hello 3"
    assert render(text, scope("de", "pt-BR")) == "oi"
    assert render("{{ media }} {{ sim }}", scope("en")) == "1,234.5 yes"


def test_long_texts_are_cut() -> None:
    assert render("x" * 5000, scope()) == "x" * 4095 + "…"
    assert len(render("{{ nome }}" * 600, scope())) == 4096


def test_sketch_is_short() -> None:
    assert sketch("Oi {{ nome | first_name }}!") == "Oi x!"
