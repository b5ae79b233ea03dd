"""`close` and `end`: the run is over."""

from atendeja.flow import session
from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run


class Nothing(Grammar):
    """`{}`"""


class Ending(Grammar):
    """`{quiet: bool = false}`: `quiet` is for runs that end because nobody answered."""

    quiet: bool = False


class Close(Grammar):
    """`close: {}`: close the conversation and end the run; the next message opens both anew."""

    close: Nothing

    def run(self, run: Run) -> None:
        """Close and end."""
        run.add(session.Close())
        run.finish("ended")


class End(Grammar):
    """`end: {quiet?}`: end the run; the next message starts a new one."""

    end: Ending

    def run(self, run: Run) -> None:
        """End."""
        run.finish("ended")
