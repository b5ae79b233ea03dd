"""The table of codes is whole and means what the reference says."""

import pytest

from atendeja.wa.codes import CODES, lookup


@pytest.mark.parametrize("code", [1, 2, 131000, 131016, 133004, 134102])
def test_the_codes_that_leave_it_open(code: int) -> None:
    assert CODES[code].kind == "U"


def test_no_other_code_leaves_it_open() -> None:
    assert sorted(code for code, row in CODES.items() if row.kind == "U") == [1, 2, 131000, 131016, 133004, 134102]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *[(4, "S"), (80007, "S"), (130429, "S"), (131056, "pair"), (190, "N"), (250, "N"), (368, "N"), (131048, "P")],
        *[(131050, "O"), (131047, "D"), (131026, "D"), (131250, "D"), (100, "B"), (131008, "B"), (132015, "P"), (131053, "R")],
        *[(131052, "show"), (133000, "show"), (138012, "show"), (2593109, "show")],
    ],
)
def test_kinds(code: int, kind: str) -> None:
    assert CODES[code].kind == kind


def test_what_is_stopped_has_a_scope_and_nothing_else_has() -> None:
    assert all((row.kind == "P") == (row.scope is not None) for row in CODES.values())


def test_the_subcode_of_an_unknown_number() -> None:
    assert lookup(100, 33) == CODES[33]
    assert lookup(100, 2388023) == CODES[100]
    assert lookup(999999) is None
