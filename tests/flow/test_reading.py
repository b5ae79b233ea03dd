from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.flow import reading

TODAY = date(2027, 3, 10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        ("uns 3 carros", 3),
        ("1.234", 1234),
        ("1.234,5", 1234.5),
        ("2.5", 2.5),
        ("-4", -4),
        ("12,50", 12.5),
        ("", None),
        ("três", None),
        ("3 ou 4", None),
        ("a3", None),
        ("1" * 40, None),
    ],
)
def test_number(text: str, expected: float | None) -> None:
    assert reading.number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("R$ 1.234,50", 123450),
        ("R$150", 15000),
        ("150 reais", 15000),
        ("12,5", 1250),
        ("0,29", 29),
        ("r$ 10,999", None),
        ("grátis", None),
    ],
)
def test_money(text: str, expected: int | None) -> None:
    assert reading.money_brl(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12/03", date(2027, 3, 12)),
        ("pode ser dia 12/3?", date(2027, 3, 12)),
        ("09/03", date(2028, 3, 9)),
        ("10-03", TODAY),
        ("12.03.2027", date(2027, 3, 12)),
        ("12/03/27", date(2027, 3, 12)),
        ("2027-03-12", date(2027, 3, 12)),
        ("12 de março", date(2027, 3, 12)),
        ("1º de abril de 2027", date(2027, 4, 1)),
        ("29/02", date(2028, 2, 29)),
        ("31/02", None),
        ("45/13", None),
        ("12/03 ou 13/03", None),
        ("12", None),
        ("sexta", None),
    ],
)
def test_date(text: str, expected: date | None) -> None:
    assert reading.date_br(text, TODAY) == expected


@pytest.mark.parametrize(
    ("text", "days"), [("hoje", 0), ("Amanhã!", 1), ("pode ser depois de amanhã", 2), ("amanhãzinha", None), ("ontem", None)]
)
def test_spoken_day(text: str, days: int | None) -> None:
    found = reading.spoken_day(text, TODAY)
    assert (found - TODAY).days == days if found else days is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14h30", "14:30"),
        ("14:30", "14:30"),
        ("9h", "09:00"),
        ("às 15", "15:00"),
        ("as 9 horas", "09:00"),
        ("3 da tarde", "15:00"),
        ("8 da noite", "20:00"),
        ("9 da manhã", "09:00"),
        ("meio-dia", "12:00"),
        ("Meia noite", "00:00"),
        ("25h", None),
        ("12:75", None),
        ("14h ou 15h", None),
        ("12/03", None),
        ("cedo", None),
        ("9", "09:00"),
        ("dia 12/03 às 9", "09:00"),
        ("quero 2 vagas", None),
    ],
)
def test_time(text: str, expected: str | None) -> None:
    assert reading.time(text) == expected


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (reading.email, "meu email é Ana.Souza+x@Mail.com.br!", "ana.souza+x@mail.com.br"),
        (reading.email, "ana@", None),
        (reading.email, "a@b.co c@d.co", None),
        (reading.email, "ana..b@x.com", None),
        (reading.cpf, "529.982.247-25", "52998224725"),
        (reading.cpf, "cpf 52998224725 ok", "52998224725"),
        (reading.cpf, "529.982.247-26", None),
        (reading.cpf, "111.111.111-11", None),
        (reading.cnpj, "11.222.333/0001-81", "11222333000181"),
        (reading.cnpj, "11222333000182", None),
        (reading.cnpj, "12.abc.345/01de-35", "12ABC34501DE35"),
        (reading.cnpj, "00000000000000", None),
        (reading.cep, "01310-100", "01310100"),
        (reading.cep, "cep 01310100", "01310100"),
        (reading.cep, "0131010", None),
        (reading.phone, "(11) 98765-4321", "+5511987654321"),
        (reading.phone, "011 8765-4321", "+5511987654321"),
        (reading.phone, "+1 415 555 0100", "+14155550100"),
        (reading.phone, "5511987654321", "+5511987654321"),
        (reading.phone, "98765-4321", None),
        (reading.phone, "ligue", None),
    ],
)
def test_documents(read: Callable[[str], str | None], text: str, expected: str | None) -> None:
    assert read(text) == expected


@given(st.text())
def test_nothing_raises(text: str) -> None:
    for read in (
        reading.number,
        reading.money_brl,
        reading.time,
        reading.email,
        reading.cpf,
        reading.cnpj,
        reading.cep,
        reading.phone,
    ):
        read(text)
    reading.date_br(text, TODAY)
    reading.spoken_day(text, TODAY)
