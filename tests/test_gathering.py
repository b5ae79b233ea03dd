"""Gathering a batch: only while it is to be expected, and never longer than the window."""

import pytest

from atendeja.gathering import Gathering


def waits(rate: float, window_s: float = 0.05, seconds: float = 3) -> list[float]:
    """What each of these rounds would wait: one event every 1/rate seconds, each round taking all that came meanwhile."""
    gathering, now, taken, found = Gathering(window_s), 100.0, 0, []
    while now < 100 + seconds:
        if came := int((now - 100) * rate) - taken:
            gathering.came(came, now)
            taken += came
        found.append(gathering.wait_s(now))
        now += max(found[-1], 0.001)
    return found


@pytest.mark.parametrize("rate", [0.5, 10, 30])
def test_where_little_comes_nothing_waits(rate: float) -> None:
    assert set(waits(rate)) == {0.0}


@pytest.mark.parametrize("rate", [60, 200, 1000])
def test_where_much_comes_rounds_are_a_window_apart(rate: float) -> None:
    last = [wait_s for wait_s in waits(rate) if wait_s > 0][-20:]
    assert len(last) == 20 and max(last) <= 0.05 and min(last) > 0.04


def test_a_rush_that_is_over_is_forgotten() -> None:
    gathering = Gathering(0.05)
    gathering.came(500, 1.0)
    assert gathering.wait_s(1.01) == pytest.approx(0.04)
    assert gathering.wait_s(1.06) == 0.0, "the window has passed"
    gathering.came(1, 3.0)
    assert gathering.wait_s(3.01) > 0.0, "it is remembered for some seconds"
    gathering.came(1, 15.0)
    assert gathering.wait_s(15.01) == 0.0


def test_before_anything_came_nothing_waits() -> None:
    assert Gathering(0.05).wait_s(0.0) == 0.0
