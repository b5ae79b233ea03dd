"""`tag` and `untag`: mark the contact."""

from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run
from atendeja.flow.types import Id


class Tag(Grammar):
    """`tag: [Id]`: put these tags on the contact."""

    tag: list[Id]

    def run(self, run: Run) -> None:
        """Put them on."""
        run.tag(self.tag, [])


class Untag(Grammar):
    """`untag: [Id]`: take these tags off the contact."""

    untag: list[Id]

    def run(self, run: Run) -> None:
        """Take them off."""
        run.tag([], self.untag)
