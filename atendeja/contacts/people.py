"""Who is who: people as payloads show them, against the contacts that we know. Pure.

A person is known by the business-scoped user id (BSUID) within a portfolio, by the phone in canonical form, or by both. A
first message may show only one of them and a later one the other: then we link. When the two lead to two contacts and the
one known by BSUID has no phone yet, they are one person: that contact is merged into the one known by phone, under both
locks; its history stays where it is, its consents count for both. When it has another phone, both stay as they are. A new
BSUID on a known phone replaces the old one: for a shop the phone is the person.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from atendeja import phone


class Person(Struct, frozen=True):
    """Somebody as a payload shows him. At least one of `user_id` and `wa_id`."""

    portfolio_id: str
    user_id: str | None
    wa_id: str | None
    """Digits as WhatsApp writes them; may lack Brazil's ninth digit."""
    name: str | None = None
    username: str | None = None
    phone: str | None = None
    """`wa_id` in canonical form: filled in."""

    def __post_init__(self) -> None:
        force_setattr(self, "phone", phone.canonical(self.wa_id) if self.wa_id else None)


class Contact(Struct, frozen=True):
    id: UUID
    portfolio_id: str | None
    user_id: str | None
    phone: str | None
    wa_id: str | None
    name: str | None
    username: str | None
    created_at: dt.datetime
    is_named: bool = False
    """Somebody here gave the name: what WhatsApp calls him does not change it."""


def keys(person: Person | Contact) -> list[str]:
    """The names under which this person is one person: `portfolio/BSUID` and the canonical phone."""
    found = [] if person.user_id is None else [f"{person.portfolio_id}/{person.user_id}"]
    return found if person.phone is None else [*found, person.phone]


class _Group(Struct, eq=False):
    person: Person
    keys: dict[str, None]


def unite(people: Iterable[Person]) -> dict[str, Person]:
    """One person for all who share a key, with everything that any of them shows, under each key; the later word wins."""
    groups: dict[str, _Group] = {}
    for person in people:
        group = _Group(person, dict.fromkeys(keys(person)))
        for other in dict.fromkeys(groups[k] for k in keys(person) if k in groups):
            group = _Group(_join(other.person, group.person), other.keys | group.keys)
        groups |= dict.fromkeys(group.keys, group)
    return {key: group.person for key, group in groups.items()}


def _join(old: Person, new: Person) -> Person:
    return Person(
        new.portfolio_id if new.user_id or not old.user_id else old.portfolio_id,
        new.user_id or old.user_id,
        new.wa_id or old.wa_id,
        new.name or old.name,
        new.username or old.username,
    )


class Match(Struct, frozen=True):
    """Which contact a person is, what its row should say now, and who turned out to be the same."""

    contact: Contact
    described: Contact
    merged: Contact | None = None


def match(person: Person, known: Mapping[str, Contact]) -> Match | None:
    """Decide who this is among the contacts, known by each of their keys; None when it is nobody of them."""
    by_user = known.get(f"{person.portfolio_id}/{person.user_id}") if person.user_id else None
    by_phone = known.get(person.phone) if person.phone else None
    merged = None
    if by_user and by_phone and by_user.id != by_phone.id and by_user.phone is None:
        by_user, merged = None, by_user
    contact = by_user or by_phone
    if contact is None:
        return None
    return Match(contact, _describe(contact, person, may_take_phone=by_phone is None or by_phone.id == contact.id), merged)


def _describe(contact: Contact, person: Person, *, may_take_phone: bool) -> Contact:
    takes_user = person.user_id is not None and contact.portfolio_id in (None, person.portfolio_id)
    takes_phone = person.phone is not None and may_take_phone and contact.phone in (None, person.phone)
    return replace(
        contact,
        portfolio_id=person.portfolio_id if takes_user else contact.portfolio_id,
        user_id=person.user_id if takes_user else contact.user_id,
        phone=person.phone if takes_phone else contact.phone,
        wa_id=person.wa_id if takes_phone else contact.wa_id,
        name=contact.name if contact.is_named else person.name or contact.name,
        username=person.username or contact.username,
    )


def match_all(people: Iterable[Person], contacts: Iterable[Contact]) -> dict[Person, Match]:
    """Each person's match, one after the other: what one shows of a contact counts for the next. Who is nobody is absent."""
    known = _by_key(contacts)
    matches: dict[Person, Match] = {}
    for person in people:
        if (found := match(person, known)) is not None:
            matches[person] = found
            same = [found.contact, found.described, *([found.merged] if found.merged else [])]
            known |= dict.fromkeys((key for c in same for key in keys(c)), found.described)
    return matches


def _by_key(contacts: Iterable[Contact]) -> dict[str, Contact]:
    return {key: c for c in contacts for key in keys(c)}
