"""`handoff`: give the conversation to a person."""

from msgspec import UNSET, UnsetType

from atendeja.flow import session
from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run
from atendeja.flow.text import render
from atendeja.flow.types import Dur, Id, Text, duration
from atendeja.wa import content as wa


class Desk(Grammar):
    """`{queue: Id, reason: Text?, sla: Dur?, say: Text?}`: `say` is told to the contact first, `sla` is how soon someone should
    answer."""

    queue: Id
    reason: Text | UnsetType = UNSET
    sla: Dur | UnsetType = UNSET
    say: Text | UnsetType = UNSET


class Handoff(Grammar):
    """`handoff: {queue, reason?, sla?, say?}`: people answer from here on; the bot is silent and the run is over."""

    handoff: Desk

    def run(self, run: Run) -> None:
        """Say what is to be said and hand over. Raises FlowError, Trip."""
        desk = self.handoff
        if desk.say is not UNSET:
            run.say(wa.Text(render(desk.say, run.scope)))
        reason = "" if desk.reason is UNSET else render(desk.reason, run.scope)
        sla_s = None if desk.sla is UNSET else int(duration(desk.sla).total_seconds())
        run.add(session.Handoff(desk.queue, reason, sla_s))
        run.finish("handed_off")
