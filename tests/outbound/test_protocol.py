"""The send protocol as tables: may this message go now, and what does an answer make of it."""

import datetime as dt
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from atendeja.outbound import protocol
from atendeja.outbound.protocol import GIVE_UP_TRIES, Candidate, Settlement, settle, withdrawal
from atendeja.wa import reply
from atendeja.wa.codes import CODES

NOW = dt.datetime(2027, 3, 10, 13, tzinfo=dt.UTC)
MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=24)
MESSAGE = Candidate(
    UUID(int=1), UUID(int=2), UUID(int=3), "turn", "service", b"{}", NOW - MINUTE, 0, NOW, "5511900000001", None, None, NOW + DAY
)  # fmt: skip


def message(**changes: object) -> Candidate:
    return replace(MESSAGE, **changes)


# ── withdrawal ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

WITHDRAWN: list[tuple[str, Candidate, str | None]] = [
    ("nothing stands against it", message(), None),
    ("a person took over after it was written", message(taken_at=NOW - MINUTE / 2), "human"),
    ("at the very instant", message(taken_at=NOW - MINUTE), "human"),
    ("a person had taken over before, and gave it back", message(taken_at=NOW - 2 * MINUTE), None),
    ("the window has closed", message(window_until=NOW), "window_closed"),
    ("there never was a window", message(window_until=None), "window_closed"),
    ("Meta says that it has closed", message(closed=True), "window_closed"),
    ("a template needs no window", message(category="utility", window_until=None), None),
    ("marketing needs no window", message(category="marketing", source="campaign", window_until=None), None),
    ("a person's own message is not withdrawn by the takeover", message(source="agent", taken_at=NOW), None),
    ("nor one of the API", message(source="api", taken_at=NOW), None),
]


@pytest.mark.parametrize(("case", "candidate", "wanted"), WITHDRAWN, ids=[case for case, *_ in WITHDRAWN])
def test_withdrawal(case: str, candidate: Candidate, wanted: str | None) -> None:
    """The bot's own words of a handoff go out: a handoff sets no `taken_at`, only a takeover does."""
    assert withdrawal(candidate, NOW) == wanted


# ── verdict → settlement ───────────────────────────────────────────────────────────────────────────────────────────────────

SETTLED: list[tuple[reply.Verdict, Settlement]] = [
    (reply.Accepted("wamid.1"), Settlement("accepted", "accepted", wamid="wamid.1")),
    (reply.Accepted("wamid.1", held=True), Settlement("accepted", "accepted", wamid="wamid.1", held=True)),
    (reply.Unsettled("timeout"), Settlement("unknown", "in_doubt", None, "timeout")),
    (reply.Unsettled("server error", 131000), Settlement("unknown", "in_doubt", 131000, "server error")),
    (reply.Undeliverable(131047, "refused", "window"), Settlement("refused", "failed", 131047, "window")),
    (reply.Undeliverable(100, "bug", "parameter"), Settlement("refused", "failed", 100, "parameter")),
    (reply.Undeliverable(131050, "opt_out", "stopped"), Settlement("refused", "failed", 131050, "stopped")),
    (reply.Misconfigured("template", 132015, "paused"), Settlement("refused", "failed", 132015, "paused")),
    (reply.Misconfigured("campaign", 131048, "spam"), Settlement("refused", "failed", 131048, "spam", stop_marketing=True)),
    (reply.Misconfigured("number", 190, "token"), Settlement("refused", "queued", 190, "token", retry_s=60.0, stop_number=True)),
    (reply.Unavailable("refused"), Settlement("not_sent", "queued", None, "refused", retry_s=1.0)),
    (reply.Unavailable("maintenance", 2494100), Settlement("refused", "queued", 2494100, "maintenance", retry_s=1.0)),
    (reply.Unavailable("link", 131014, tries=1), Settlement("refused", "queued", 131014, "link", retry_s=1.0)),
    (reply.Throttled("number", 130429), Settlement("refused", "queued", 130429, "number", retry_s=1.0, slow_number_s=1.5)),
    (reply.Throttled("pair", 131056), Settlement("refused", "queued", 131056, "pair", retry_s=1.0, slow_pair=True)),
]


@pytest.mark.parametrize(("verdict", "wanted"), SETTLED, ids=lambda value: repr(value)[:60])
def test_each_verdict_has_its_settlement(verdict: reply.Verdict, wanted: Settlement) -> None:
    assert settle(verdict, MESSAGE, NOW, 0.5) == wanted


def test_what_stops_marketing_keeps_the_message_that_it_refused() -> None:
    """F37: an hour later it, or another, is the probe."""
    verdict = reply.Misconfigured("campaign", 131048, "spam")
    found = settle(verdict, message(category="marketing"), NOW, 0.5)
    assert found == Settlement("refused", "queued", 131048, "spam", retry_s=3600.0, stop_marketing=True)


def test_a_refusal_with_a_limit_fails_after_it() -> None:
    verdict = reply.Unavailable("link", 131014, tries=1)
    assert settle(verdict, message(attempt_no=1), NOW, 0.5).message == "failed"


@pytest.mark.parametrize("verdict", [reply.Unavailable("refused"), reply.Throttled("pair", 131056), reply.Throttled("number", 4)])
def test_the_back_off_grows_to_a_minute_and_ends_after_a_day(verdict: reply.Verdict) -> None:
    waits = [settle(verdict, message(attempt_no=n), NOW, 0.5).retry_s for n in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert settle(verdict, message(created_at=NOW - DAY + MINUTE, attempt_no=99), NOW, 0.5).message == "queued"
    given_up = settle(verdict, message(created_at=NOW - DAY, attempt_no=GIVE_UP_TRIES), NOW, 0.5)
    assert (given_up.message, given_up.retry_s) == ("failed", None)


def test_what_waited_for_a_day_is_not_given_up_at_its_first_tries() -> None:
    """Its campaign was held, or its number stopped."""
    found = settle(reply.Throttled("number", 130429), message(created_at=NOW - 3 * DAY, attempt_no=GIVE_UP_TRIES - 1), NOW, 0.5)
    assert found.message == "queued"


@given(jitter=st.floats(0, 1), attempt_no=st.integers(0, 500))
def test_jitter_spreads_a_wait_by_a_quarter(jitter: float, attempt_no: int) -> None:
    wait_s = settle(reply.Unavailable("refused"), message(attempt_no=attempt_no), NOW, jitter).retry_s
    middle = protocol.BACKOFF_S[min(attempt_no, 6)]
    assert wait_s is not None and 0.75 * middle <= wait_s <= 1.25 * middle


@pytest.mark.parametrize("code", sorted(code for code, row in CODES.items() if row.kind == "U"))
def test_what_may_have_gone_out_is_never_tried_again_here(code: int) -> None:
    """F41: 1, 2, 131000, 131016, 133004, 134102, with a 500 and with a 400."""
    body = b'{"error":{"message":"x","code":%d}}' % code
    for status in (400, 500):
        settlement = settle(reply.read(status, {}, body), MESSAGE, NOW, 0.5)
        assert (settlement.attempt, settlement.message, settlement.retry_s) == ("unknown", "in_doubt", None)


def test_an_unlisted_refusal_is_final() -> None:
    """DESIGN 4, rule 3."""
    settlement = settle(reply.read(400, {}, b'{"error":{"message":"x","code":987654}}'), MESSAGE, NOW, 0.5)
    assert (settlement.attempt, settlement.message, settlement.code) == ("refused", "failed", 987654)


def test_an_abandoned_claim_goes_back_at_once() -> None:
    assert protocol.abandon() == Settlement("abandoned", "queued", retry_s=0.0)
