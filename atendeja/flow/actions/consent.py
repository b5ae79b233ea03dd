"""`consent`: record that the contact agreed to something, or no longer does."""

from typing import Literal

from msgspec import UNSET, UnsetType

from atendeja.flow import session
from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run
from atendeja.flow.text import render
from atendeja.flow.types import Id, Text


class Terms(Grammar):
    """`{purpose: Id, state: in | out, text: Text?}`: `text` is the wording the contact was shown, kept as evidence."""

    purpose: Id
    state: Literal["in", "out"]
    text: Text | UnsetType = UNSET


class Consent(Grammar):
    """`consent: {purpose, state, text?}`: record a consent, with the last input as evidence."""

    consent: Terms

    def run(self, run: Run) -> None:
        """Record it. Raises FlowError."""
        terms = self.consent
        text = "" if terms.text is UNSET else render(terms.text, run.scope)
        run.add(session.Consent(terms.purpose, terms.state, text))
