"""Cursors that nobody can make or carry elsewhere, and tags that show whether something was changed."""

from datetime import UTC, datetime

import pytest
from msgspec import Struct

from atendeja.endpoint import Cursors, Problem, tag
from atendeja.endpoint.pages import check_tag

NEW, OLD = b"n" * 32, b"o" * 32


class After(Struct, frozen=True):
    at: datetime
    name: str


AFTER = After(datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC), "São João")


def refused(cursors: Cursors, place: str, cursor: str) -> None:
    with pytest.raises(Problem) as caught:
        cursors.read(place, cursor, After)
    assert (caught.value.status, caught.value.code) == (400, "bad_cursor")


def test_a_cursor_comes_back_as_it_went_and_survives_a_change_of_keys() -> None:
    written = Cursors([OLD]).write("list/1", AFTER)
    assert Cursors([NEW, OLD]).read("list/1", written, After) == AFTER
    refused(Cursors([NEW]), "list/1", written)


def test_a_cursor_of_another_list_or_tenant_is_refused() -> None:
    cursors = Cursors([NEW])
    written = cursors.write("list/1", AFTER)
    refused(cursors, "list/2", written)
    refused(cursors, "other/1", written)


def test_a_cursor_that_was_tampered_with_is_refused_wherever_it_was() -> None:
    cursors = Cursors([NEW])
    written = cursors.write("list/1", AFTER)
    for i in range(len(written) - 1):  # the last character has bits to spare
        refused(cursors, "list/1", written[:i] + ("A" if written[i] != "A" else "B") + written[i + 1 :])
    for other in ("", "x", "é", "=", written[:-4], written + "AAAA", "../../etc/passwd"):
        refused(cursors, "list/1", other)


def test_a_tag_is_of_what_was_shown() -> None:
    now, before = {"name": "Ana"}, {"name": "Bia"}
    for given in (None, "*", tag(now), f'"x", {tag(now)}'):
        check_tag(given, now)
    for given in (tag(before), '"x"', "", tag(now)[1:-1], f"W/{tag(now)}"):
        with pytest.raises(Problem) as caught:
            check_tag(given, now)
        assert (caught.value.status, caught.value.code) == (412, "changed_meanwhile")
