"""One message and its attempts as the ledger keeps them, and what each of its statements makes of them."""

from typing import Literal, NamedTuple

from atendeja.ledger import RANK
from tests.outbound.model.designs import Design, Policy

OUTCOMES = {
    "accepted": ("accepted", "accepted"),
    "refused": ("refused", "failed"),
    "refused for now": ("refused", "queued"),
    "not sent": ("not_sent", "queued"),
    "abandoned": ("abandoned", "queued"),
    "no answer": ("unknown", "in_doubt"),
}
"""What came of an attempt → (its end, what that makes of the message)."""
FINAL = frozenset({"unknown", "withdrawn", "accepted", "sent", "failed", "delivered", "read"})
SUCCESS = frozenset({"accepted", "sent", "delivered", "read"})

Status = Literal["sent", "delivered", "read", "failed"]


class Row(NamedTuple):
    """An attempt. Its number is its place; `boot` is the run of the process that claimed it."""

    boot: int
    state: str
    wamid: int | None = None
    """The number of the attempt that WhatsApp gave this id for: one that is not its own is a defect."""


class Books(NamedTuple):
    """The message, its attempts, and how often it was queued again out of doubt."""

    policy: Policy
    state: str = "queued"
    reason: str = ""
    rows: tuple[Row, ...] = ()
    resends: int = 0


def claim(books: Books, boot: int, design: Design) -> Books:
    """The intent: a new attempt, and the message on its way."""
    shown = "accepted" if design.shown_before_answer else "sending"
    return books._replace(state=shown, rows=(*books.rows, Row(boot, "claimed" if design.intent_first else "absent")))


def record(books: Books, n: int, outcome: str, design: Design) -> Books:
    """What came of attempt `n`. What is known of an attempt is kept; an acceptance lifts the message, all else moves it only where
    it is the latest attempt's and nothing has ended the message since."""
    ended, moved = OUTCOMES[outcome]
    latest = n == len(books.rows) or not design.latest_moves
    if not design.truth_kept and not (latest and books.state in ("sending", "in_doubt")):
        return books
    books = _end(books, n, ended)
    if ended == "accepted":
        lifts = design.acceptance_lifts or (latest and books.state in ("sending", "in_doubt", "unknown"))
        return _lift(books, "accepted") if lifts else books
    if moved == "in_doubt" and not design.doubt_waits:
        moved = "queued"
    return books._replace(state=moved) if latest and books.state in ("sending", "in_doubt") else books


def hear(books: Books, n: int, status: Status, design: Design) -> Books:
    """A status of what attempt `n` sent: up, never down; it settles the attempt, whatever has become of the message.
    A failure of an attempt that is not the latest says nothing of what was sent since."""
    if design.callback == "none" and books.rows[n - 1].wamid is None:
        return books
    named = 1 if design.callback == "message" else n
    row = books.rows[named - 1]
    books = _put(books, named, row._replace(state="accepted", wamid=n if row.wamid is None else row.wamid))
    if status == "failed" and named < len(books.rows) and design.latest_fails:
        return books
    return _lift(books, status) if design.upward else books._replace(state=status, reason="")


def doubt(books: Books, design: Design) -> Books:
    """Its sender is gone: nobody will tell us what came of its attempt."""
    if books.state != "sending":
        return books
    n, last = len(books.rows), books.rows[-1]
    ended = last._replace(state="unknown") if last.state == "claimed" and design.doubt_ends else last
    return _put(books, n, ended)._replace(state="in_doubt")


def resolve(books: Books, newer: bool, window: bool, design: Design) -> Books:
    """The time in doubt is up."""
    state, reason = _resolution(books, newer, window, design)
    return books._replace(state=state, reason=reason, resends=books.resends + (state == "queued"))


def withdraw(books: Books, reason: str) -> Books:
    """It must not go any more."""
    return books._replace(state="withdrawn", reason=reason)


def _resolution(books: Books, newer: bool, window: bool, design: Design) -> tuple[str, str]:
    posts = sum(row.state not in ("refused", "not_sent", "abandoned") for row in books.rows)
    if posts >= design.posts or (books.policy == "at_most_once" and design.resend_by_policy):
        return "unknown", ""
    if newer and design.moved_on:
        return "withdrawn", "newer_message"
    return ("queued" if window or not design.moved_on else "unknown"), ""


def _end(books: Books, n: int, ended: str) -> Books:
    row = books.rows[n - 1]
    if row.state == "accepted":
        return books
    return _put(books, n, row._replace(state=ended, wamid=n if ended == "accepted" else None))


def _put(books: Books, n: int, row: Row) -> Books:
    return books._replace(rows=(*books.rows[: n - 1], row, *books.rows[n:]))


def _lift(books: Books, state: str) -> Books:
    return books._replace(state=state, reason="") if RANK[state] > RANK[books.state] else books
