"""`say`: a message, alone or with buttons or a list."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from atendeja.flow.grammar import Grammar
from atendeja.flow.run import Run
from atendeja.flow.scope import Scope
from atendeja.flow.text import render, shorten
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
    rows: Annotated[list[RowOf], Meta(min_length=1)]


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
        run.say(content(self.say, run.scope))


def content(message: Message, scope: Scope, body: str | None = None) -> wa.Text | wa.Buttons | wa.Options:
    """The message as it goes out, each part cut to what WhatsApp takes; `body` replaces its text. Raises FlowError."""
    if message.buttons is UNSET and message.list is UNSET:
        return wa.Text(render(message.text, scope) if body is None else body)
    limit = limits.INTERACTIVE_BODY if message.list is UNSET else limits.LIST_BODY
    text = render(message.text, scope, limit) if body is None else shorten(body, limit)
    header = None if message.header is UNSET else render(message.header, scope, limits.HEADER)
    footer = None if message.footer is UNSET else render(message.footer, scope, limits.FOOTER)
    if message.list is not UNSET:
        button = render(message.list.button, scope, limits.LIST_BUTTON)
        return wa.Options(text, button, _sections(message.list, scope), header, footer)
    buttons = [wa.Button(each.id, render(each.label, scope, limits.BUTTON_TITLE)) for each in message.buttons or []]
    return wa.Buttons(text, buttons, header, footer)


def _sections(rows: ListOf, scope: Scope) -> list[wa.Section]:
    sections: list[wa.Section] = []
    for row in rows.rows:
        title = None if row.section is UNSET else render(row.section, scope, limits.SECTION_TITLE)
        if not sections or sections[-1].title != title:
            sections.append(wa.Section([], title))
        sections[-1].rows.append(_row(row, scope))
    return sections


def _row(row: RowOf, scope: Scope) -> wa.Row:
    description = None if row.description is UNSET else render(row.description, scope, limits.ROW_DESCRIPTION)
    return wa.Row(row.id, render(row.label, scope, limits.ROW_TITLE), description or None)
