"""UUIDv7: right bits, right order."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from atendeja.ids import uuid7

MOMENTS = st.integers(0, 2**48 - 1)
RANDOM = st.integers(0, 2**74 - 1)


def test_the_example_of_the_rfc() -> None:
    """RFC 9562, appendix A.6."""
    assert uuid7(0x017F22E279B0, (0xCC3 << 62) | 0x18C4DC0C0C07398F) == UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")


@given(MOMENTS, RANDOM)
def test_keeps_time_and_all_random_bits(unix_ms: int, random_bits: int) -> None:
    made = uuid7(unix_ms, random_bits)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == unix_ms
    assert ((made.int >> 64 & 0xFFF) << 62) | (made.int & 0x3FFF_FFFF_FFFF_FFFF) == random_bits


@given(MOMENTS, MOMENTS, RANDOM, RANDOM)
def test_sorts_by_the_millisecond(first: int, second: int, one: int, other: int) -> None:
    if first < second:
        assert uuid7(first, one) < uuid7(second, other)


def test_more_random_bits_than_fit_do_not_spill() -> None:
    assert uuid7(5, 2**74 + 3) == uuid7(5, 3)
