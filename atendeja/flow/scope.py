"""What a flow's texts and conditions can see, by dotted path."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .session import Facts, Input, Session
from .words import fold

ROOTS: Final[Mapping[str, frozenset[str] | None]] = {
    "vars": None,
    "contact": frozenset({"name", "first_name", "phone", "language", "tags", "fields"}),
    "business": frozenset({"name", "phone"}),
    "session": frozenset({"id", "started_at"}),
    "input": frozenset({"kind", "text", "id", "status"}),
    "now": frozenset(),
    "today": frozenset(),
}
"""The first word of a path and what may follow it; any other first word is a variable."""


def first_name(name: str) -> str:
    """The first word of a name, with a capital letter; empty for an empty name."""
    word = next(iter(name.split()), "")
    return word[:1].upper() + (word[1:].lower() if word.isupper() else word[1:])


class Scope:
    """The values at one moment of one run. Unknown paths are None; nothing raises."""

    def __init__(self, session: Session, facts: Facts, heard: Input, now: datetime, languages: tuple[str, ...]) -> None:
        self.vars = session.vars
        self.tags = list(facts.tags)
        self.languages = languages
        """The contact's language first, then the flow's."""
        self.input = heard
        self._session = session
        self._facts = facts
        self._now = now

    @cached_property
    def now(self) -> datetime:
        """This moment in the business's time zone (in UTC if that zone is unknown)."""
        try:
            return self._now.astimezone(ZoneInfo(self._facts.timezone))
        except (ZoneInfoNotFoundError, ValueError):
            return self._now

    @cached_property
    def words(self) -> str:
        """The input's text, folded."""
        return fold(self.input.text)

    @property
    def language(self) -> str:
        """The language texts are said in."""
        return self.languages[0]

    def get(self, path: str) -> object:
        """The value at a path such as `servico`, `reserva.codigo` or `contact.fields.cidade`."""
        root, *rest = path.split(".")
        value: object = self.vars.get(root) if root not in ROOTS else self._root(root)
        for part in rest:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _root(self, root: str) -> object:
        facts = self._facts
        match root:
            case "vars":
                return self.vars
            case "contact":
                return {
                    "name": facts.name or None,
                    "first_name": first_name(facts.name) or None,
                    "phone": facts.phone or None,
                    "language": facts.language or None,
                    "tags": self.tags,
                    "fields": facts.fields,
                }
            case "business":
                return {"name": facts.business_name or None, "phone": facts.business_phone or None}
            case "session":
                return {"id": self._session.id, "started_at": self._session.started_at.isoformat()}
            case "input":
                return {"kind": self.input.kind, "text": self.input.text, "id": self.input.id}
            case "now":
                return self.now.isoformat(timespec="seconds")
            case _:
                return self.now.date().isoformat()
