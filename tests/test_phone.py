"""The two spellings of a Brazilian mobile, BSUIDs, and what a log may show of a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.phone import canonical, digits, is_bsuid, mask, variants


@pytest.mark.parametrize(
    ("given_digits", "key"),
    [
        ("553190000002", "5531990000002"),
        ("5531990000002", "5531990000002"),
        ("551160000000", "5511960000000"),
        ("551150000000", "551150000000"),
        ("551140000001", "551140000001"),
        ("551120000000", "551120000000"),
        ("550190000002", "550190000002"),
        ("553090000002", "553090000002"),
        ("55319000000", "55319000000"),
        ("15559000000", "15559000000"),
        ("525590000002", "525590000002"),
        ("BR.553190000002", "BR.553190000002"),
        ("", ""),
    ],
)
def test_canonical(given_digits: str, key: str) -> None:
    assert canonical(given_digits) == key


@pytest.mark.parametrize(
    ("one", "all_of_them"),
    [
        ("553190000002", ["5531990000002", "553190000002"]),
        ("5531990000002", ["5531990000002", "553190000002"]),
        ("5511900000001", ["5511900000001"]),
        ("551140000001", ["551140000001"]),
        ("5215512345678", ["5215512345678"]),
    ],
)
def test_variants(one: str, all_of_them: list[str]) -> None:
    assert variants(one) == all_of_them


@given(st.from_regex(r"55[1-9]{2}9?[0-9]{8}", fullmatch=True))
def test_every_variant_has_the_same_key(number: str) -> None:
    assert {canonical(one) for one in variants(number)} == {canonical(number)}
    assert number in variants(number)


@pytest.mark.parametrize(
    ("written", "found"), [("+55 (31) 99000-0002", "5531990000002"), ("5531", "5531"), ("٣a", ""), ("²", ""), ("", "")]
)
def test_digits(written: str, found: str) -> None:
    assert digits(written) == found


@pytest.mark.parametrize("text", ["BR.1", "BR.10000000000000000001", "US.ENT.abcDEF09", "BR." + "a" * 128])
def test_bsuid(text: str) -> None:
    assert is_bsuid(text)


@pytest.mark.parametrize("text", ["", "BR", "BR.", "br.1", "BRA.1", "BR.ENT.", "BR.1\n", " BR.1", "BR.a-b", "BR." + "a" * 129])
def test_not_a_bsuid(text: str) -> None:
    assert not is_bsuid(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("5511900000001", "…0001"),
        ("de 5511900000001 para +5531990000002.", "de …0001 para …0002."),
        ("+55 11 4000-0001", "…0001"),
        ("+55 (11) 94000-0001 ok", "…0001 ok"),
        ("40000001", "…0001"),
        ("pedido 1234567", "pedido 1234567"),
        ("2026-11-23T20:37:07Z", "2026-11-23T20:37:07Z"),
        ("nada", "nada"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked
