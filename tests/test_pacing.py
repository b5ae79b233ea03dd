"""The pace of a number and of a recipient: what may go out in any second, checked against every second there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.pacing import PAIR_BURST, PAIR_EVERY_S, Pair, Window

steps = st.lists(st.floats(0, 0.7, allow_nan=False), min_size=1, max_size=60)


@given(rate=st.integers(1, 20), waits=steps, wanted=st.integers(1, 30))
def test_no_sliding_second_holds_more_than_the_rate(rate: int, waits: list[float], wanted: int) -> None:
    window, now, taken = Window(rate), 1000.0, list[float]()
    for wait in waits:
        now += wait
        n = min(window.free(now), wanted)
        window.take(now, n)
        taken += [now] * n
    assert all(sum(start <= at < start + 1 for at in taken) <= rate for start in taken)


@given(rate=st.integers(1, 20), waits=steps)
def test_the_wait_of_a_full_window_is_neither_too_short_nor_too_long(rate: int, waits: list[float]) -> None:
    window, now = Window(rate), 1000.0
    for wait in waits:
        now += wait
        if (wait_s := window.wait_s(now)) > 0:
            assert window.free(now) == 0
            assert window.free(now + wait_s * 0.99 - 1e-6) == 0
            assert window.free(now + wait_s + 1e-6) > 0
        window.take(now, window.free(now))


def test_a_window_rebuilt_above_its_rate_waits_until_there_is_room() -> None:
    """F46: what the former sender sent counts, even when the rate has been lowered since."""
    window = Window(2)
    for at in (10.0, 10.1, 10.2, 10.3):
        window.take(at, 1)
    assert window.wait_s(10.4) == pytest.approx(0.8)
    assert window.free(11.21) == 1


def test_a_shut_window_stays_shut_and_an_earlier_order_does_not_open_it() -> None:
    """F35: 130429."""
    window = Window(5)
    window.shut(12.0)
    window.shut(11.0)
    assert (window.free(11.5), window.wait_s(11.5)) == (0, 0.5)
    assert window.free(12.0) == 5


def _post_greedily(pair: Pair, now: float, until: float) -> list[float]:
    sent = []
    while now < until:
        wait_s = pair.wait_s(now)
        if wait_s > 0:
            now += wait_s + 1e-9
            continue
        pair.take(now)
        sent.append(now)
    return sent


def test_a_recipient_gets_a_burst_of_ten_then_one_every_six_seconds() -> None:
    sent = _post_greedily(Pair(), 0.0, 60.0)
    assert sent[:PAIR_BURST] == [0.0] * 10
    assert sent[PAIR_BURST:] == pytest.approx([6.0 * i for i in range(1, 10)])


@given(st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=80))
def test_no_stretch_of_time_holds_more_than_a_burst_and_what_six_seconds_add(waits: list[float]) -> None:
    pair, now, sent = Pair(), 0.0, list[float]()
    for wait in waits:
        now += wait
        if pair.wait_s(now) == 0:
            pair.take(now)
            sent.append(now)
    for i, first in enumerate(sent):
        for j in range(i, len(sent)):
            assert j - i + 1 <= PAIR_BURST + (sent[j] - first) / PAIR_EVERY_S + 1e-6


def test_refusals_of_a_recipient_double_up_to_five_minutes() -> None:
    """F36: 131056 → 6 s × 2^n, at most 5 min; an accepted message begins anew."""
    pair, waits = Pair(), list[float]()
    for i in range(9):
        waits.append(pair.refused(1000.0 * i))
        assert pair.wait_s(1000.0 * i) == waits[-1]
    assert waits == [6, 12, 24, 48, 96, 192, 300, 300, 300]
    pair.accepted()
    assert pair.refused(50_000.0) == 6


def test_a_recipient_is_forgotten_only_when_nothing_is_known_of_it() -> None:
    pair = Pair()
    assert pair.idle(0.0)
    pair.take(0.0)
    assert not pair.idle(5.9)
    assert pair.idle(6.1)
    pair.refused(10.0)
    assert not pair.idle(1000.0), "the next refusal must wait longer"


def test_a_pair_whose_history_is_known_for_a_minute_only_gets_no_second_burst() -> None:
    """F46, I12: written to every 6 s, it may be written to again as it could before the change of hands, and no sooner."""
    known = [at for at in range(0, 240, 6) if at > 180]
    pair = Pair(240 - 60)
    for at in known:
        pair.take(at)
    before = Pair()
    for at in [0] * 10 + list(range(6, 240, 6)):
        before.take(at)
    assert pair.wait_s(240) == before.wait_s(240)
    quiet = Pair(240 - 60)
    for _ in range(10):
        assert quiet.wait_s(240) == 0
        quiet.take(240)
    assert quiet.wait_s(240) > 0
