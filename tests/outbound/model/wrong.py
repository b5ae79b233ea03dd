"""Designs that must be found out: each leaves out or gets wrong one rule, and breaks a promise in a small world."""

from typing import NamedTuple

from tests.outbound.model.books import Status
from tests.outbound.model.designs import Design
from tests.outbound.model.world import Limits, Scenario


class Wrong(NamedTuple):
    """A design that must break this promise in this scenario."""

    name: str
    design: Design
    breaks: str
    scenario: Scenario


def _marketing(*statuses: Status, senders: int = 1, **limits: int) -> Scenario:
    return Scenario("at_most_once", Limits(**limits), senders, statuses)


def _reply(*statuses: Status, senders: int = 1, **limits: int) -> Scenario:
    return Scenario("at_least_once", Limits(**limits), senders, statuses)


WRONG = [
    Wrong("time-outs are retried at once", Design(doubt_waits=False), "I5", _marketing(lost=1)),
    Wrong("time-outs of replies are retried at once", Design(doubt_waits=False), "I6", _reply(lost=1)),
    Wrong("no fence", Design(fence=False), "I6", _reply(pauses=1, senders=2)),
    Wrong("posted before the claim is committed", Design(intent_first=False), "I7", _marketing()),
    Wrong("shown as accepted before it is posted", Design(shown_before_answer=True), "honest", _marketing()),
    Wrong("marketing is sent again", Design(resend_by_policy=False), "I5", _marketing(kills=1)),
    Wrong("sent again without end", Design(posts=4), "I6", _reply(kills=3)),
    Wrong("sent again although the customer wrote", Design(moved_on=False), "moved on", _reply(kills=1, newer=1)),
    Wrong("sent again although the window closed", Design(moved_on=False), "moved on", _reply(kills=1, closings=1)),
    Wrong("statuses by wamid alone", Design(callback="none"), "I6", _reply("sent", kills=1)),
    Wrong("statuses by wamid alone, marketing", Design(callback="none"), "shown", _marketing("sent", kills=1)),
    Wrong("one callback id a message", Design(callback="message"), "I14", _reply("sent", kills=1)),
    Wrong("a status may lower the message", Design(upward=False), "I9", _marketing("sent", "delivered")),
    Wrong("an old attempt's answer moves the message", Design(latest_moves=False), "I6", _reply(pauses=1, refusals=1, senders=2)),
    Wrong("an old attempt's failure ends the message", Design(latest_fails=False), "honest", _reply("failed", kills=1)),
    Wrong("only the latest attempt's acceptance shows", Design(acceptance_lifts=False), "shown", _reply(pauses=1, senders=2)),
    Wrong("a late answer is thrown away", Design(truth_kept=False), "counted", _reply(pauses=1, senders=2)),
    Wrong("the time in doubt runs while statuses cannot reach us", Design(health=False), "I6", _reply("sent", kills=1, sick=1)),
    Wrong("no lease and no lock", Design(leased=False, row_lock=False), "I5", _marketing(senders=2)),
    Wrong(
        "doubt asks for the number's lease, whoever has it",
        Design(own_lease=False),
        "alive",
        _marketing(pauses=1, kills=1, senders=2),
    ),
]
