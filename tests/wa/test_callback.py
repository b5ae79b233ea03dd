"""The callback data of an attempt, ours and others' (F7)."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.wa import limits
from atendeja.wa.callback import make, read

ID = UUID("019aa0c1-7b3e-7000-8000-0123456789ab")
KEY = b"k" * 32
OURS = make(ID, KEY)


def test_shape() -> None:
    assert "a1.agnkbql3hzyabaaaaerukz4jvm." + OURS[-8:] == OURS
    assert len(OURS) == 38 < limits.CALLBACK


@given(st.uuids(), st.binary(min_size=1, max_size=40))
def test_round_trip(attempt_id: UUID, key: bytes) -> None:
    assert read(make(attempt_id, key), [b"outra", key]) == attempt_id


@pytest.mark.parametrize(
    "text",
    ["", "m:000042", OURS[:-1], OURS + "a", OURS.upper(), "a2" + OURS[2:], OURS.replace(".", "-"), "a1." + "1" * 35, "é" * 38],
)
def test_others(text: str) -> None:
    assert read(text, [KEY]) is None


@given(st.integers(3, 37), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567."))
def test_one_character_changed(place: int, char: str) -> None:
    changed = OURS[:place] + char + OURS[place + 1 :]
    assert (read(changed, [KEY]) == ID) == (changed == OURS)


def test_another_key_and_none() -> None:
    assert read(OURS, [b"x" * 32]) is None
    assert read(OURS, []) is None
