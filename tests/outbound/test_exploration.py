"""The send protocol, every run of it: what may happen in any order to one message, two senders, the wire and WhatsApp.

Each scenario is explored whole, breadth first. The rules that must fail are explored with it: that they are found out is what
makes the silence about ours worth something.
"""

import pytest

from tests.outbound.model.books import SUCCESS, Status
from tests.outbound.model.designs import REAL, Policy
from tests.outbound.model.explore import Explored, explore, trace
from tests.outbound.model.invariants import INVARIANTS, acceptances, ended
from tests.outbound.model.world import Limits, Scenario
from tests.outbound.model.wrong import WRONG, Wrong

SENT: tuple[Status, ...] = ("sent",)
ALL: tuple[Status, ...] = ("sent", "delivered", "failed")

SCENARIOS = {
    "marketing, killed and frozen": Scenario("at_most_once", Limits(kills=2, pauses=1, lost=2, holds=1), statuses=ALL),
    "marketing, cut off and refused": Scenario("at_most_once", Limits(kills=1, cuts=1, lost=1, refusals=1, sick=1), statuses=SENT),
    "reply, killed": Scenario("at_least_once", Limits(kills=2, lost=2), statuses=SENT),
    "reply, killed and failed": Scenario("at_least_once", Limits(kills=1, lost=1, newer=1), statuses=ALL),
    "reply, frozen": Scenario("at_least_once", Limits(pauses=1, lost=1, closings=1, sick=1), statuses=SENT),
    "reply, frozen twice": Scenario("at_least_once", Limits(pauses=2), statuses=SENT),
    "reply, cut off and refused": Scenario("at_least_once", Limits(kills=1, cuts=1, refusals=1), statuses=SENT),
}
"""Small enough to be explored whole. A process that is killed starts again; a pause may outlast lease, fence and time in doubt."""

CALM = Limits(kills=2, pauses=1, lost=1)


def show(found: Explored) -> str:
    return f"{found.states} states\n{found.broken}"


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS.keys())
def test_every_promise_holds_in_every_state(scenario: Scenario) -> None:
    """F30, F31, F32, F45, F19: I5, I6, I7, I9, I14, an honest state always, and an end in reach from everywhere."""
    found = explore(scenario, REAL)
    print(f"{found.states} states")
    assert found.broken is None, show(found)
    assert found.states > 1000, "it went wrong in too few ways to prove anything"
    ends = {world.books.state for world in found.came if ended(world)}
    wanted = {"accepted", "sent", *({"unknown"} if scenario.policy == "at_most_once" else ())}
    assert wanted <= ends, f"an end that no run comes to: {wanted - ends}"


def test_a_reply_is_accepted_three_times_at_most_and_at_worst() -> None:
    """I6 says no more than it must: the bound is reached."""
    found = explore(Scenario("at_least_once", Limits(kills=2), senders=1, statuses=()), REAL)
    assert max(acceptances(world) for world in found.came) == REAL.posts, show(found)


@pytest.mark.parametrize("policy", ["at_most_once", "at_least_once"])
def test_in_time_means_once(policy: Policy) -> None:
    """I6: when each status comes before the time in doubt is up and no pause outlasts a lease, nobody gets a message twice; and
    what is shown as a success was accepted once."""
    found = explore(Scenario(policy, CALM, statuses=("sent",), prompt=True, brief=True), REAL, alive=False)
    assert found.broken is None, show(found)
    for world in found.came:
        assert acceptances(world) <= 1, "\n".join(trace(found.came, world))
        assert acceptances(world) == 1 or world.books.state not in SUCCESS
    assert policy == "at_most_once" or not any(w.books.state == "unknown" and acceptances(w) for w in found.came)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_design_is_found_out(wrong: Wrong) -> None:
    """By the promise it breaks; the same world under our rules breaks none."""
    asked = {wrong.breaks: INVARIANTS[wrong.breaks]} if wrong.breaks in INVARIANTS else {}
    found = explore(wrong.scenario, wrong.design, asked, alive=wrong.breaks == "alive")
    assert found.broken is not None, f"{wrong.breaks} holds in {found.states} states"
    print(found.broken)
    ours = explore(wrong.scenario, REAL)
    assert ours.broken is None, show(ours)
