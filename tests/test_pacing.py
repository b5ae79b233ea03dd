"""The pace of a number and of a recipient: what may go out in any second, checked against every second there is."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.pacing import BURST_S, EVEN, HEARD_SHARE, MARKETING_SHARE, PAIR_BURST, PAIR_EVERY_S, Pace, Pair, Window

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


def _greedily(pace: Pace, now: float, until: float, *, marketing: bool = False) -> list[float]:
    """When each goes that may, from a queue that never ends."""
    sent = list[float]()
    while now < until:
        n = pace.free_for_marketing(now) if marketing else pace.free(now)
        pace.take(now, n, marketing=n if marketing else 0)
        sent += [now] * n
        now += max(1e-6, pace.marketing_wait_s(now) if marketing else pace.wait_s(now))
    return sent


@given(rate=st.integers(1, 1000), start=st.floats(0, 10, allow_nan=False))
def test_a_number_goes_at_its_rate_evenly_and_never_above(rate: int, start: float) -> None:
    """I12: at most the rate in any second, all but a hundredth of it in the long run, and a tenth of it at once at most."""
    sent = _greedily(Pace(rate), start, start + 5)
    for i, first in enumerate(sent):
        assert i + rate >= len(sent) or sent[i + rate] > first + 1 - 1e-9
    assert len(sent) >= rate * 5 * EVEN - 1
    assert max(Counter(sent).values()) <= math.ceil(rate * BURST_S)


@pytest.mark.parametrize("rate", [20, 80, 1000])
def test_a_burst_is_not_repeated_each_second(rate: int) -> None:
    """It is paid back in the second after it: what arrives a moment later than another still fits into a second with it."""
    sent = _greedily(Pace(rate), 0.0, 5.0)
    late = [at + (0.009 if n < rate * BURST_S else 0.0) for n, at in enumerate(sent)]  # the first of them meet a cold connection
    assert max(sum(start <= at < start + 1 for at in late) for start in late) <= rate
    assert max(Counter(at for at in sent if at > 0).values()) <= max(2, rate * 0.02)


def test_a_moment_in_which_it_was_late_is_made_up_for() -> None:
    """A window alone would be late by it for ever."""
    pace = Pace(80)
    _greedily(pace, 0.0, 4.0)
    n = len(_greedily(pace, 4.05, 6.0))
    assert n >= 80 * 2 * EVEN - 2


def test_marketing_gets_three_quarters_and_leaves_the_rest_to_replies() -> None:
    """A campaign at full pace: 60 of 80, and a reply goes at once at any time of it."""
    pace = Pace(80)
    sent = _greedily(pace, 0.0, 3.0, marketing=True)
    assert sum(1 <= at < 2 for at in sent) == 80 * MARKETING_SHARE
    busy = Pace(80)
    for tick in range(400):  # marketing takes all it may, and every 50 ms somebody is answered
        now = tick * 0.01
        busy.take(now, n := busy.free_for_marketing(now), marketing=n)
        if tick % 5 == 0:
            assert busy.wait_s(now) <= 0.1
            if busy.free(now):
                busy.take(now, 1)


def test_what_comes_in_counts_and_leaves_something_to_answer_with() -> None:
    pace = Pace(80)
    pace.heard(0.0, 30)
    assert len(_greedily(pace, 0.0, 0.95)) == 50
    flooded = Pace(80)
    flooded.heard(0.0, 500)
    assert len(_greedily(flooded, 0.0, 0.95)) == 80 - 80 * HEARD_SHARE
    assert Pace(1).free(0.0) == 1


def test_a_number_told_to_slow_down_pauses_goes_on_more_slowly_and_recovers() -> None:
    """F35, F46: 130429. All refusals within a second are one; the next slows it down further."""
    pace = Pace(80)
    for at in (10.0, 10.2, 10.4):
        pace.refused(at, 1.5)
    assert pace.wait_s(10.4) == pytest.approx(1.5)
    assert len(_greedily(pace, 11.9, 12.9)) == pytest.approx(80 * 0.75, abs=4)
    pace.refused(13.0, 1.0)
    assert len(_greedily(pace, 14.0, 15.0)) < 80 * 0.7
    assert len(_greedily(pace, 100.0, 101.0)) == 80  # with the burst


def test_the_slowest_number_still_goes() -> None:
    pace = Pace(1)
    for at in range(0, 100, 2):
        pace.refused(float(at), 1.0)
    assert len(_greedily(pace, 101.0, 104.0)) == 3


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
