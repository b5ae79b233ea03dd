"""How a reply finds the text that it answers."""

from atendeja.simulator.witness import Line
from tests.bench import rows


def reply(to: str, at: float) -> Line:
    return Line(1, at, "100000000000001", to, "", None, "wamid.x", "ok")


def test_the_nth_reply_to_somebody_answers_the_nth_text() -> None:
    replies = [reply("+551", 10.5), reply("552", 10.75), reply("551", 12.0)]
    assert rows.match(["551", "552", "551"], [10.0, 10.5, 11.0], replies) == [0.5, 0.25, 1.0]


def test_a_reply_too_many_answers_nothing() -> None:
    assert rows.match(["551"], [10.0], [reply("551", 10.5), reply("551", 10.75), reply("559", 11.0)]) == [0.5]


def test_a_text_without_a_reply_has_no_latency() -> None:
    assert rows.match(["551", "552"], [10.0, 10.0], [reply("552", 10.5)]) == [0.5]


def test_every_row_of_the_design_is_measured() -> None:
    assert set(rows.MEASURES) == {"1", "1b", "2", "3", "4", "5", "6", "7", "7b", "7c", "7d", "8", "9"}


def test_the_fullest_second_may_begin_anywhere() -> None:
    assert rows._fullest([0.0, 0.6, 0.7, 1.2, 1.59, 1.6, 3.0]) == 4
    assert rows._fullest([5.0]) == 1


def test_a_share_is_as_far_from_the_mean_as_the_farthest() -> None:
    assert rows.deviation([10, 10, 10]) == 0
    assert rows.deviation([8, 10, 11, 11]) == 0.2


def test_late_is_later_than_an_even_pace_from_whichever_was_earliest() -> None:
    assert rows.lateness([10.0, 10.75, 11.0, 11.5, 12.25], 2) == [0, 0.25, 0, 0, 0.25]
