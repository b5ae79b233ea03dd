"""`set`: keep variables."""

from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run
from atendeja.flow.types import Id
from atendeja.flow.values import Value, value_of


class Set(Grammar):
    """`set: {Id: Value}`: keep these variables; null forgets one. All values are worked out before any is kept, so their
    order does not matter. A value of another than the declared type goes to `on_error`."""

    set: dict[Id, Value]

    def run(self, run: Run) -> None:
        """Keep them. Raises FlowError."""
        values = {name: value_of(value, run.scope) for name, value in self.set.items()}
        for name, value in values.items():
            run.set(name, value)
