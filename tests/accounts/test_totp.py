"""Codes of authenticator apps are those of RFC 6238, each taken once, for half a minute and one to either side (S22)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.accounts import totp

SEED = b"12345678901234567890"
VECTORS = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
"""RFC 6238, appendix B, SHA-1: of its eight digits the last six."""


@pytest.mark.parametrize(("at", "wanted"), VECTORS.items())
def test_the_codes_are_the_standards(at: int, wanted: str) -> None:
    assert totp.code(SEED, at // 30) == wanted


@given(st.integers(10_000, 4_000_000_000), st.integers(-200, 200))
def test_a_code_holds_for_half_a_minute_and_one_to_either_side(now: int, shift: int) -> None:
    step = now // 30 + shift
    found = totp.find_step(SEED, totp.code(SEED, step), now, 0)
    alike = {near for near in range(now // 30 - 1, now // 30 + 2) if totp.code(SEED, near) == totp.code(SEED, step)}
    assert found == max(alike, default=None) and (abs(shift) <= 1) <= (step in alike)


def test_none_is_taken_that_is_not_later_than_the_last() -> None:
    code = totp.code(SEED, 100)
    assert [totp.find_step(SEED, code, 100 * 30, last) for last in (98, 99, 100, 101)] == [100, 100, None, None]


def test_a_recovery_code_is_the_same_however_it_is_typed() -> None:
    code = totp.recovery_code(bytes(range(10)))
    assert code == "aaaq-eaye-auda-ocaj" and not totp.is_code(totp.normal(code))
    assert {totp.digest(typed) for typed in (code, code.upper(), code.replace("-", " "), f" {code.replace('-', '')} ")} == {
        totp.digest(code)
    }
    assert totp.is_code(totp.normal("287 082")) and not totp.is_code("٢٨٧٠٨٢")


def test_an_app_is_told_all_it_needs() -> None:
    assert totp.uri(SEED, "ana+x@a.example") == (
        "otpauth://totp/AtendeJ%C3%A1:ana%2Bx%40a.example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=AtendeJ%C3%A1"
        "&algorithm=SHA1&digits=6&period=30"
    )
