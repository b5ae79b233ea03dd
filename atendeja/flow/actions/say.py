"""`say`: a message, alone or with buttons or a list."""

from collections.abc import Callable

from msgspec import UNSET, UnsetType

from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run
from atendeja.flow.scope import Scope
from atendeja.flow.text import render
from atendeja.flow.types import Id, Text
from atendeja.wa import content as wa
from atendeja.wa import limits


class ButtonOf(Grammar):
    """`{id: Id, label: Text}`: a reply button; the label has at most 20 characters."""

    id: Id
    label: Text


class RowOf(Grammar):
    """`{id: Id, label: Text, description: Text?, section: Text?}`: a row of a list; label ≤ 24, description ≤ 72, section ≤ 24.

    Rows that follow each other with the same section stand under one title."""

    id: Id
    label: Text
    description: Text | UnsetType = UNSET
    section: Text | UnsetType = UNSET


class ListOf(Grammar):
    """`{button: Text, rows: [row]}`: a list of 1 to 10 rows behind a button with at most 20 characters."""

    button: Text
    rows: list[RowOf]


class Message(Grammar):
    """`text: Text`, `header: Text?`, `footer: Text?`, and at most one of `buttons` (1 to 3) and `list` (1 to 10 rows).

    A header or a footer (≤ 60) needs buttons or a list. A text has at most 4,096 characters, with buttons 1,024."""

    later = ("media", "cta_url", "ask_location")
    text: Text
    header: Text | UnsetType = UNSET
    footer: Text | UnsetType = UNSET
    buttons: list[ButtonOf] | UnsetType = UNSET
    list: ListOf | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Buttons or a list, and a frame only around those."""
        if self.buttons is not UNSET and self.list is not UNSET:
            return "a message has `buttons` or a `list`, not both"
        if self.buttons is UNSET and self.list is UNSET and (self.header is not UNSET or self.footer is not UNSET):
            return "`header` and `footer` need `buttons` or a `list`"
        return None


class Say(Grammar):
    """`say: {text, header?, footer?, buttons? | list?}`: send a message."""

    say: Message

    def run(self, run: Run) -> None:
        """Send it. Raises FlowError, Trip."""
        run.say(content(self.say, filler(run.scope)))


Fill = Callable[[Text, int], str]
"""How a text becomes a string of at most so many characters."""


def filler(scope: Scope) -> Fill:
    """Texts rendered for a contact, cut to what WhatsApp takes."""
    return lambda text, limit: render(text, scope, limit)


def content(message: Message, fill: Fill, body: Text | None = None) -> wa.Text | wa.Buttons | wa.Options:
    """The message as it goes out; `body` stands in for its text. Raises what `fill` raises."""
    body = message.text if body is None else body
    if message.buttons is UNSET and message.list is UNSET:
        return wa.Text(fill(body, limits.TEXT_BODY))
    header = None if message.header is UNSET else fill(message.header, limits.HEADER)
    footer = None if message.footer is UNSET else fill(message.footer, limits.FOOTER)
    if message.list is not UNSET:
        button = fill(message.list.button, limits.LIST_BUTTON)
        return wa.Options(fill(body, limits.LIST_BODY), button, _sections(message.list, fill), header, footer)
    buttons = [wa.Button(each.id, fill(each.label, limits.BUTTON_TITLE)) for each in message.buttons or []]
    return wa.Buttons(fill(body, limits.INTERACTIVE_BODY), buttons, header, footer)


def _sections(rows: ListOf, fill: Fill) -> list[wa.Section]:
    sections: list[wa.Section] = []
    for row in rows.rows:
        title = None if row.section is UNSET else fill(row.section, limits.SECTION_TITLE)
        if not sections or sections[-1].title != title:
            sections.append(wa.Section([], title))
        description = "" if row.description is UNSET else fill(row.description, limits.ROW_DESCRIPTION)
        sections[-1].rows.append(wa.Row(row.id, fill(row.label, limits.ROW_TITLE), description or None))
    return sections
