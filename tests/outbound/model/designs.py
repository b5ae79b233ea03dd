"""Rule sets for sending: REAL is ours; each of `wrong.WRONG` leaves a rule out or gets it wrong."""

from typing import Literal, NamedTuple

Policy = Literal["at_most_once", "at_least_once"]


class Design(NamedTuple):
    """The rules. Each field's value here is the real one."""

    intent_first: bool = True
    """The claim is committed before the POST."""
    row_lock: bool = True
    """A claim locks the message: nobody else claims what has been claimed."""
    leased: bool = True
    """Only who believes to have the number's lease claims."""
    fence: bool = True
    """A claim that has become old is given back, not posted."""
    doubt_waits: bool = True
    """What was not answered is in doubt; it is not queued again at once."""
    shown_before_answer: bool = False
    """A message is shown as accepted when it is claimed."""
    resend_by_policy: bool = True
    """Only what may go twice is sent again."""
    posts: int = 3
    """What has been posted so often, as far as anybody knows, is not sent again."""
    moved_on: bool = True
    """Nothing is sent again after a newer message of the customer or when the window has closed."""
    doubt_ends: bool = True
    """A doubt ends the attempt too: its sender will not tell."""
    health: bool = True
    """The time in doubt runs only while statuses can reach us."""
    callback: Literal["attempt", "message", "none"] = "attempt"
    """What the callback data of a POST names; none: a status is known by its wamid alone."""
    upward: bool = True
    """A status never lowers a message."""
    latest_moves: bool = True
    """A refusal or a doubt moves the message only when it is of its latest attempt."""
    latest_fails: bool = True
    """That an attempt failed ends the message only when it is the latest."""
    acceptance_lifts: bool = True
    """An accepted attempt shows on the message, whichever it is and wherever the message has gone since."""
    truth_kept: bool = True
    """What is known of an attempt is recorded although the message has moved on."""
    own_lease: bool = True
    """`sending` is in doubt when the lease of the sender that claimed it has ended, whoever has the number's lease now."""


REAL = Design()
