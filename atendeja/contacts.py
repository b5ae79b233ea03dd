"""Contacts and their conversations: who wrote, on which of our numbers. Holds the one lock, the contact row.

A person is known by the business-scoped user id (BSUID) within a portfolio, by the phone in canonical form, or by both. A
first message may show only one of them and a later one the other: then we link. When the two lead to two contacts and the
one known by BSUID has no phone yet, they are one person: that contact is merged into the one known by phone, under both
locks; its history stays where it is, its consents count for both. When it has another phone, both stay as they are. A new
BSUID on a known phone replaces the old one: for a shop the phone is the person.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

import msgspec
import structlog
from asyncpg import UniqueViolationError
from msgspec import Struct
from msgspec.structs import force_setattr, replace

from atendeja import consent, phone
from atendeja.db import LostRace, Nothing, Tx, columns, query, records

log = structlog.get_logger(__name__)


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


class MetContact(Contact, frozen=True):
    """A contact under its lock, with its conversations (JSON, None when there are none)."""

    talks: bytes | None


class TalkKey(Struct, frozen=True):
    """A conversation of a contact."""

    id: UUID
    number_id: UUID


class Conversation(Struct, frozen=True):
    id: UUID
    contact_id: UUID
    number_id: UUID


class Taken(Conversation, frozen=True):
    """A conversation that a person has stepped into."""

    queue: str | None
    was: str
    """Whose it was until then."""


class ContactId(Struct, frozen=True):
    id: UUID


class OfConversation(Struct, frozen=True):
    contact_id: UUID


MEET = query("contacts.meet", MetContact)
INSERT = query("contacts.insert", Contact)
LOCK = query("contacts.lock", ContactId)
LOCK_DUE = query("contacts.lock_due", ContactId)
DESCRIBE = query("contacts.describe", Nothing)
RELEASE_IDENTITY = query("contacts.release_identity", Nothing)
CARRY_OWNER = query("contacts.carry_owner", Nothing)
LOOK_AGAIN = query("contacts.look_again", Nothing)
CONVERSATIONS = query("contacts.conversations", Conversation)
INSERT_CONVERSATIONS = query("contacts.insert_conversations", ContactId)
READDRESS = query("contacts.readdress", Nothing)
TAKE_OVER = query("contacts.take_over", Taken)
CONVERSATION_CONTACT = query("contacts.conversation_contact", OfConversation)
RELEASE = query("contacts.release", Conversation)

_talks = msgspec.json.Decoder(list[TalkKey])


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
        name=person.name or contact.name,
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


class Meeting(Struct, frozen=True):
    """People as they were shown, and the locked contacts that they may be: `contacts`, and their conversations by
    (contact, number)."""

    people: Sequence[Person]
    contacts: Sequence[Contact]
    talks: dict[tuple[UUID, UUID], UUID]
    united: dict[str, Person]
    matches: dict[Person, Match]

    @property
    def wanted(self) -> list[Person]:
        """Each person once."""
        return list(dict.fromkeys(self.united.values()))

    @property
    def missing(self) -> list[Person]:
        """Who is nobody we know."""
        return [p for p in self.wanted if p not in self.matches]

    @property
    def brings_news(self) -> bool:
        """Whether somebody is new, is known by something else now, or has another name."""
        return bool(self.missing) or any(m.merged or m.described != m.contact for m in self.matches.values())

    @property
    def ids(self) -> list[UUID]:
        """Which contact each of the people is, in the order given. All of them must have a match."""
        return [self.matches[self.united[keys(p)[0]]].contact.id for p in self.people]


def compare(people: Sequence[Person], contacts: Sequence[Contact], talks: dict[tuple[UUID, UUID], UUID]) -> Meeting:
    """Find out who of these contacts each is."""
    united = unite(people)
    return Meeting(people, contacts, talks, united, match_all(dict.fromkeys(united.values()), contacts))


async def meet(tx: Tx, people: Sequence[Person]) -> Meeting:
    """Look for these people and lock whoever they may be. Nothing is written: see `settle`."""
    if not people:
        return compare([], [], {})
    wanted = dict.fromkeys(unite(people).values())
    with_user = [p for p in wanted if p.user_id]
    rows = await tx.all(
        MEET,
        phones=[p.phone for p in wanted if p.phone],
        portfolio_ids=[p.portfolio_id for p in with_user],
        user_ids=[p.user_id for p in with_user],
    )
    talks = {(row.id, talk.number_id): talk.id for row in rows if row.talks for talk in _talks.decode(row.talks)}
    return compare(people, [_contact(row) for row in rows], talks)


async def settle(tx: Tx, meeting: Meeting, now: dt.datetime, new_id: Callable[[], UUID]) -> Meeting:
    """Make, link or merge what the meeting found out, and return it with a match for everybody.

    Raises LostRace in the unlikely case that others make the same people meanwhile: the transaction is to be repeated, because
    looking again with these locks in hand would deadlock.
    """
    if missing := meeting.missing:
        made = await _insert(tx, missing, now, new_id)
        meeting = compare(meeting.people, [*meeting.contacts, *made], meeting.talks)
    if meeting.missing:
        raise LostRace("somebody else was just given the same name")
    await _write(tx, list(meeting.matches.values()))
    return meeting


def _contact(row: MetContact) -> Contact:
    return Contact(row.id, row.portfolio_id, row.user_id, row.phone, row.wa_id, row.name, row.username, row.created_at)


def _by_key(contacts: Iterable[Contact]) -> dict[str, Contact]:
    return {key: c for c in contacts for key in keys(c)}


async def _insert(tx: Tx, people: Sequence[Person], now: dt.datetime, new_id: Callable[[], UUID]) -> list[Contact]:
    made = [
        Contact(new_id(), p.portfolio_id if p.user_id else None, p.user_id, p.phone, p.wa_id, p.name, p.username, now)
        for p in people
    ]
    return await tx.all(INSERT, records=records(made))


async def _write(tx: Tx, matches: Sequence[Match]) -> None:
    last = {m.contact.id: m.described for m in matches}
    changed = dict.fromkeys(m.contact.id for m in matches if m.described != m.contact)
    try:
        await _merge(tx, [m for m in matches if m.merged is not None])
        if changed:
            await tx.run(DESCRIBE, **columns([last[id_] for id_ in changed], without=frozenset({"created_at"})))
    except UniqueViolationError as error:
        raise LostRace("somebody else was just given the same name") from error


async def _merge(tx: Tx, matches: Sequence[Match]) -> None:
    for m in matches:
        if m.merged is not None:
            await tx.run(RELEASE_IDENTITY, id=m.merged.id, winner_id=m.contact.id)
            await tx.run(consent.CARRY, winner_id=m.contact.id, loser_id=m.merged.id)
            await tx.run(CARRY_OWNER, winner_id=m.contact.id, loser_id=m.merged.id)
            log.info("contact_merged", contact_id=str(m.contact.id), merged_id=str(m.merged.id))


async def ensure_conversations(
    tx: Tx, known: dict[tuple[UUID, UUID], UUID], pairs: Iterable[tuple[UUID, UUID]], now: dt.datetime, new_id: Callable[[], UUID]
) -> dict[tuple[UUID, UUID], UUID]:
    """(contact, number) → conversation for these pairs: those that are `known`, and others found or made. The contacts are locked
    by the caller."""
    wanted, known = set(pairs), dict(known)
    if missing := sorted(wanted - known.keys()):
        rows = [Conversation(new_id(), contact_id, number_id) for contact_id, number_id in missing]
        made = {row.id for row in await tx.all(INSERT_CONVERSATIONS, records=records(rows), created_at=now)}
        if len(made) < len(rows):  # a merge carried one over, or somebody made one before the lock was ours
            rows = await tx.all(CONVERSATIONS, contact_ids=[contact_id for contact_id, _ in missing])
        known |= {(row.contact_id, row.number_id): row.id for row in rows}
    return {pair: known[pair] for pair in wanted}


async def readdress(tx: Tx, contact_id: UUID, now_known_as: Person) -> None:
    """Give a locked contact the BSUID or the phone that WhatsApp says it has now; where somebody else has it, both stay."""
    who = now_known_as
    moved = await tx.run(
        READDRESS, id=contact_id, portfolio_id=who.portfolio_id, user_id=who.user_id, phone=who.phone, wa_id=who.wa_id
    )
    log.info("contact_readdressed" if moved else "contact_address_taken", contact_id=str(contact_id))


async def release(tx: Tx, conversation_id: UUID) -> Conversation | None:
    """Give a conversation back to the bot. None when it was the bot's already, or is not this tenant's."""
    row = await tx.one(CONVERSATION_CONTACT, id=conversation_id)
    if row is None:
        return None
    await tx.all(LOCK, ids=[row.contact_id])
    return await tx.one(RELEASE, id=conversation_id)
