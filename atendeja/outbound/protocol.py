"""The send protocol's decisions, pure: may this message go now, and what does an answer make of it.

A POST has no idempotency key and nobody can be asked afterwards. So: the intent is committed before the POST (claim), a
claim older than the fence is not posted, each claim is posted once, and an answer that is lost leaves the message in doubt
until a status with our callback data settles it or the time is up. Then a service reply may be sent again: the one place where a
customer may see a message twice, and it is counted.
"""

import datetime as dt
from typing import Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from atendeja.wa.reply import Accepted, Misconfigured, Throttled, Unavailable, Undeliverable, Unsettled, Verdict

FENCE_S = 2.0
"""A claim is posted within this of its commit or given back: whoever took over may count on it."""
DOUBT_HOLDS_S = 10.0
"""A message in doubt holds its successor in the conversation this long: then order gives way to life."""
BACKOFF_S = (1, 2, 4, 8, 16, 32, 60)
MOST_POSTS = 3
"""A message in doubt is posted no more often than this."""
GIVE_UP_AFTER = dt.timedelta(hours=24)
GIVE_UP_TRIES = 20
"""What is refused for a day is given up, but not at its first tries: it may have been held, or its number stopped, for as long."""
FILE_FAILS_S = 3600.0
"""A file that could not be uploaded for so long ends messages that are a day old."""
SLOW_S = 1.0
"""A number that is told to slow down pauses so long, and as much again by chance."""
NUMBER_STOP_S = 60
"""After a refusal that concerns the number the next message is tried this much later, as a probe."""
MARKETING_STOP_S = 3600
"""After a refusal that concerns the number's marketing one more is tried this much later."""
STALE_AFTER = dt.timedelta(minutes=10)
"""A one-time code is of no use to anybody later: as long as Meta itself keeps one for a telephone that is off."""
WRONG_PARAMETERS = frozenset({132000, 132018})
"""Codes by which a template is at odds with this message's parameters: others of it may be right, this one never is."""
FORGOTTEN_FILE = frozenset({100, 131009})
"""Codes by which Meta may say that it has no such file: a parameter is wrong."""


class Candidate(Struct, frozen=True):
    """A queued message that is due, locked, with the facts that decide whether it may go."""

    id: UUID
    conversation_id: UUID
    contact_id: UUID
    source: str
    category: str
    content: bytes
    created_at: dt.datetime
    attempt_no: int
    not_before: dt.datetime
    phone: str | None
    user_id: str | None
    taken_at: dt.datetime | None
    window_until: dt.datetime | None
    doubtful: bool = False
    """An earlier attempt may have gone out: whatever keeps this one back, nobody may say that it was not sent."""
    opted_out: bool = False
    """The person has said no to marketing, and this is marketing."""
    queued_at: dt.datetime | None = None
    """When it was last put into the queue by somebody, where that is not when it was written."""
    closed: bool = False
    """Meta has said (131047) that the window is closed, after the customer's last message."""


WithdrawalReason = Literal["human", "newer_message", "opted_out", "cancelled", "window_closed", "stale", "operator"]


def withdrawal(message: Candidate, now: dt.datetime) -> WithdrawalReason | None:
    """Why this message must not go any more; None when it may.

    Marketing is withdrawn when the person has opted out, a bot's reply when somebody took the conversation over after it was
    written, a free-form message when the 24 hours are over, by our clock or by Meta's, a one-time code when it is stale.
    """
    if message.opted_out:
        return "opted_out"
    if message.category == "authentication" and now - (message.queued_at or message.created_at) >= STALE_AFTER:
        return "stale"
    if message.source == "turn" and message.taken_at is not None and message.taken_at >= message.created_at:
        return "human"
    if message.category == "service" and (message.closed or message.window_until is None or message.window_until <= now):
        return "window_closed"
    return None


class Doubt(Struct, frozen=True):
    """A message of which nobody may know whether it went out, with the facts that decide what becomes of it."""

    id: UUID
    number_id: UUID
    state: str
    doubt_at: dt.datetime | None
    policy: Literal["at_most_once", "at_least_once"]
    posts: int
    """Attempts that may have gone out; those that certainly did not do not count."""
    source: str
    created_at: dt.datetime
    taken_at: dt.datetime | None
    window_until: dt.datetime | None
    overtaken: bool
    """The customer has written since."""


End = Literal["unknown", "queued", "newer_message"]
"""Of a doubt: given up, another attempt, or withdrawn for that reason."""


def resolve(doubt: Doubt, before: dt.datetime, now: dt.datetime) -> End | None:
    """What becomes of a doubt since before `before`; None while its time is not up.

    Only a service reply is sent again, twice at most, while its window is open and no person stepped in. All else is `unknown`:
    it may have gone out, and nobody can say.
    """
    if doubt.state != "in_doubt" or doubt.doubt_at is None or doubt.doubt_at > before:
        return None
    if doubt.policy == "at_most_once" or doubt.posts >= MOST_POSTS:
        return "unknown"
    if doubt.overtaken:
        return "newer_message"
    taken_over = doubt.source == "turn" and doubt.taken_at is not None and doubt.taken_at >= doubt.created_at
    closed = doubt.window_until is None or doubt.window_until <= now
    return "unknown" if taken_over or closed else "queued"


class Settlement(Struct, frozen=True):
    """What an answer makes of the attempt, the message, the recipient and the number."""

    attempt: Literal["accepted", "refused", "not_sent", "abandoned", "unknown"]
    message: Literal["accepted", "queued", "in_doubt", "failed"]
    code: int | None = None
    detail: str | None = None
    wamid: str | None = None
    held: bool = False
    retry_s: float | None = None
    """Seconds until the message may be claimed again."""
    slow_number_s: float | None = None
    """The whole number pauses this long."""
    stop_number: bool = False
    """The number cannot send until something about it changes: a notice, and probes."""
    stop_marketing: bool = False
    """The number's marketing waits, and nothing else: a notice, and probes."""
    stop_template: bool = False
    """The account's messages of this template wait: a notice, and probes."""
    slow_pair: bool = False
    stale_uploads: bool = False
    """Meta may not know its files any more: they are to be uploaded anew."""


def abandon() -> Settlement:
    """The fence came down before the POST: nothing left us, and the message goes back in its place."""
    return Settlement("abandoned", "queued", retry_s=0.0)


def unbuilt(detail: str) -> Settlement:
    """Its content is none that can be sent: nothing left us, and trying again would not help."""
    return Settlement("not_sent", "failed", detail=f"it cannot be built: {detail}")


def settle(verdict: Verdict, message: Candidate, now: dt.datetime, jitter: float, *, forgotten: bool = False) -> Settlement:
    """What this verdict means for this message at its attempt `message.attempt_no + 1`. `jitter` is 0 to 1; `forgotten`: Meta may
    not know its files any more.

    A definite refusal that may pass is tried again after 1, 2, 4 … 60 s until a day has passed; then it has failed with
    its code. What left us and was not answered is in doubt, never tried again here.
    """
    match verdict:
        case Accepted(wamid=wamid, held=held):
            return Settlement("accepted", "accepted", wamid=wamid, held=held)
        case Unsettled(reason=reason, code=code):
            return Settlement("unknown", "in_doubt", code, reason)
        case Undeliverable(code=code, detail=detail) if forgotten and code in FORGOTTEN_FILE:
            return _again(Settlement("refused", "queued", code, detail, stale_uploads=True), message, now, jitter)
        case Undeliverable(code=code, detail=detail):
            return Settlement("refused", "failed", code, detail)
        case Misconfigured(scope="number", code=code, detail=detail):
            return Settlement("refused", "queued", code, detail, retry_s=float(NUMBER_STOP_S), stop_number=True)
        case Misconfigured(scope="campaign", code=code, detail=detail) if message.category == "marketing":
            return Settlement("refused", "queued", code, detail, retry_s=float(MARKETING_STOP_S), stop_marketing=True)
        case Misconfigured(scope="campaign", code=code, detail=detail):
            return Settlement("refused", "failed", code, detail, stop_marketing=True)
        case Misconfigured(scope="template", code=code, detail=detail) if message.category != "service":
            if code in WRONG_PARAMETERS:
                return Settlement("refused", "failed", code, detail, stop_template=True)
            if is_old(message, now):
                return Settlement("refused", "failed", code, detail, stop_template=True)
            return _again(Settlement("refused", "queued", code, detail, stop_template=True), message, now, jitter)
        case Misconfigured(code=code, detail=detail):
            return Settlement("refused", "failed", code, detail)
        case Unavailable(reason=reason, code=code, tries=tries) if tries is not None and message.attempt_no >= tries:
            return Settlement("refused", "failed", code, reason)
        case Unavailable(reason=reason, code=code):
            attempt: Literal["refused", "not_sent"] = "not_sent" if code is None else "refused"
            return _again(Settlement(attempt, "queued", code, reason), message, now, jitter)
        case Throttled(scope="pair", code=code):
            return _again(Settlement("refused", "queued", code, "pair", slow_pair=True), message, now, jitter)
        case Throttled(code=code):
            pause_s = SLOW_S * (1.0 + jitter)
            return _again(Settlement("refused", "queued", code, "number", slow_number_s=pause_s), message, now, jitter)


def is_old(message: Candidate, now: dt.datetime) -> bool:
    return now - (message.queued_at or message.created_at) >= GIVE_UP_AFTER


def _again(settlement: Settlement, message: Candidate, now: dt.datetime, jitter: float) -> Settlement:
    if is_old(message, now) and message.attempt_no >= GIVE_UP_TRIES:
        return replace(settlement, message="failed")
    wait_s = BACKOFF_S[min(message.attempt_no, len(BACKOFF_S) - 1)] * (0.75 + jitter / 2)
    return replace(settlement, retry_s=wait_s)
