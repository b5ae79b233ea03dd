"""Whom an element is about, whatever Meta calls him."""

import msgspec
import pytest
from msgspec import Raw

from atendeja.wa.events import Customer
from atendeja.wa.identity import contact, customer, ids, people

ANA = Customer(phone="5511900000001", user_id="BR.1", name="Ana")
BIA = Customer(phone="553190000002", user_id="BR.2", name="Bia", username="bia")
CAIO = Customer(user_id="BR.3", name="Caio")
KNOWN = people([BIA, ANA, CAIO])


def raw(value: object) -> Raw:
    return Raw(msgspec.json.encode(value))


@pytest.mark.parametrize(
    ("number", "user_id", "found"),
    [
        ("5511900000001", "BR.1", ("5511900000001", "BR.1")),
        ("+5511900000001", None, ("5511900000001", None)),
        (5511900000001, None, ("5511900000001", None)),
        ("BR.1", None, (None, "BR.1")),
        ("BR.1", "BR.1", (None, "BR.1")),
        ("", "", (None, None)),
        ("desconhecido", None, (None, None)),
        (None, "BR.ENT.1", (None, "BR.ENT.1")),
    ],
)
def test_ids(number: str | int | None, user_id: str | None, found: tuple[str | None, str | None]) -> None:
    assert ids(number, user_id) == found


@pytest.mark.parametrize(
    ("number", "user_id", "who"),
    [
        ("5511900000001", "BR.1", ANA),
        ("5511900000001", None, ANA),
        (None, "BR.1", ANA),
        ("BR.1", None, ANA),
        ("553190000002", None, BIA),
        ("5531990000002", None, msgspec.structs.replace(BIA, phone="5531990000002")),
        (None, "BR.3", CAIO),
        ("5511900000003", "BR.3", msgspec.structs.replace(CAIO, phone="5511900000003")),
        ("5511900000001", "BR.9", Customer(phone="5511900000001", user_id="BR.9")),
        ("5511900000009", "BR.9", Customer(phone="5511900000009", user_id="BR.9")),
        (None, None, Customer()),
    ],
)
def test_customer_is_found_by_ids_never_by_position(number: str | None, user_id: str | None, who: Customer) -> None:
    assert customer(KNOWN, number, user_id) == who


def test_what_the_element_says_wins() -> None:
    found = customer(people([Customer("5511900000001", "BR.1", "BR.ENT.1", identity_key_hash="a")]), None, "BR.1", "BR.ENT.2", "b")
    assert found == Customer("5511900000001", "BR.1", "BR.ENT.2", identity_key_hash="b")


@pytest.mark.parametrize(
    ("card", "who"),
    [
        ({}, Customer()),
        ({"profile": None, "wa_id": None}, Customer()),
        ({"profile": "?", "wa_id": "1"}, Customer(phone="1")),
        ({"profile": {"name": 7}, "user_id": "BR.1"}, Customer(user_id="BR.1", name="7")),
        ({"wa_id": "BR.1"}, Customer(user_id="BR.1")),
    ],
)
def test_contact(card: object, who: Customer) -> None:
    assert contact(raw(card)) == who
