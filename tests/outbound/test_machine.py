"""The send protocol in worlds too large to be visited whole, by chance: three senders, many deaths and pauses, all statuses."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.outbound.model.designs import REAL, Design, Policy
from tests.outbound.model.events import events
from tests.outbound.model.invariants import INVARIANTS, ended
from tests.outbound.model.step import step
from tests.outbound.model.world import STATUSES, Event, Limits, Scenario, begin

LIMITS = Limits(kills=4, pauses=3, cuts=2, lost=4, refusals=3, sick=2, holds=2, newer=1, closings=1)
BY_ITSELF = [
    *(
        "resume",
        "mend",
        "well",
        "unhold",
        "record",
        "answer",
        "write",
        "fence",
        "commit",
        "land",
        "no_answer",
        "lease_ends",
        "take",
    ),
    *("doubt", "resolve", "withdraw", "look"),
]
"""What happens when nothing more goes wrong, what waits longest first."""
SOON = 60


class Sending(RuleBasedStateMachine):
    """One message, from `queued` on."""

    design = REAL

    def __init__(self) -> None:
        super().__init__()
        self.before = self.world = begin(Scenario("at_most_once", LIMITS))

    @initialize(policy=st.sampled_from(["at_most_once", "at_least_once"]), prompt=st.booleans(), brief=st.booleans())
    def begin(self, policy: Policy, prompt: bool, brief: bool) -> None:
        self.before = self.world = begin(Scenario(policy, LIMITS, senders=3, statuses=STATUSES, prompt=prompt, brief=brief))

    @rule(data=st.data())
    def happen(self, data: st.DataObject) -> None:
        """Something, first its kind: else statuses would be most of all."""
        possible = list(events(self.world, self.design))
        if possible:
            kind = data.draw(st.sampled_from(sorted({event.kind for event in possible})))
            self.take(data.draw(st.sampled_from([event for event in possible if event.kind == kind])))

    def take(self, event: Event) -> None:
        self.before, self.world = self.world, step(self.world, event, self.design)

    def teardown(self) -> None:
        """It comes to an end by itself from wherever it was left."""
        world = self.world._replace(prompt=False)
        for _ in range(SOON):
            if ended(world):
                return
            possible = [event for event in events(world, self.design) if event.kind in BY_ITSELF]
            assert possible, f"nothing more happens: {world}"
            world = step(world, min(possible, key=_patience), self.design)
        raise AssertionError(f"no end is in sight: {world}")

    def holds(self, promise: str) -> None:
        assert INVARIANTS[promise](self.before, self.world), f"{promise} is broken: {self.before} → {self.world}"

    @invariant()
    def what_may_go_once_goes_once(self) -> None:
        self.holds("I5")

    @invariant()
    def a_reply_goes_again_only_for_want_of_knowledge(self) -> None:
        self.holds("I6")

    @invariant()
    def nothing_goes_without_an_attempt(self) -> None:
        self.holds("I7")

    @invariant()
    def a_state_only_rises(self) -> None:
        self.holds("I9")

    @invariant()
    def a_wamid_is_of_its_attempt(self) -> None:
        self.holds("I14")

    @invariant()
    def a_state_is_true(self) -> None:
        self.holds("honest")
        self.holds("shown")

    @invariant()
    def duplicates_are_counted(self) -> None:
        self.holds("counted")

    @invariant()
    def nothing_goes_again_when_the_conversation_moved_on(self) -> None:
        self.holds("moved on")


def _patience(event: Event) -> tuple[int, bool, int]:
    return BY_ITSELF.index(event.kind), event.what not in ("", "accepted", "passed"), event.n


def run(design: Design, examples: int, phases: Sequence[Phase] = tuple(Phase)) -> None:
    """So many runs under these rules."""
    machine = type("Sending", (Sending,), {"design": design})
    how = settings(max_examples=examples, stateful_step_count=50, deadline=None, database=None, phases=phases)
    run_state_machine_as_test(machine, settings=settings(how, suppress_health_check=list(HealthCheck)))


def test_every_promise_holds_by_chance_too() -> None:
    """F19, F30, F31, F32, F45: I5, I6, I7, I9, I14."""
    run(REAL, 80)


WRONG = {
    "honest is broken": Design(shown_before_answer=True),
    "shown is broken": Design(callback="none"),
}


@pytest.mark.parametrize(("found", "design"), WRONG.items(), ids=WRONG.keys())
def test_a_wrong_design_is_found_by_chance(found: str, design: Design) -> None:
    """Without looking for the smallest case: `test_exploration` has it."""
    with pytest.raises(AssertionError, match=found):
        run(design, 1000, [Phase.generate])
