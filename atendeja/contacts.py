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

import structlog
from asyncpg import UniqueViolationError
from msgspec import Struct
from msgspec.structs import replace

from atendeja import consent, phone
from atendeja.db import LostRace, Nothing, Tx, columns, query

log = structlog.get_logger(__name__)


class Person(Struct, frozen=True):
    """Somebody as a payload shows him. At least one of `user_id` and `wa_id`."""

    portfolio_id: str
    user_id: str | None
    wa_id: str | None
    """Digits as WhatsApp writes them; may lack Brazil's ninth digit."""
    name: str | None = None
    username: str | None = None

    @property
    def phone(self) -> str | None:
        return phone.canonical(self.wa_id) if self.wa_id else None


class Contact(Struct, frozen=True):
    id: UUID
    portfolio_id: str | None
    user_id: str | None
    phone: str | None
    wa_id: str | None
    name: str | None
    username: str | None
    created_at: dt.datetime


class ConversationKey(Struct, frozen=True):
    id: UUID
    contact_id: UUID
    number_id: UUID


class ContactId(Struct, frozen=True):
    id: UUID


class OfConversation(Struct, frozen=True):
    contact_id: UUID


FIND = query("contacts.find", Contact)
INSERT = query("contacts.insert", Nothing)
LOCK = query("contacts.lock", Contact)
LOCK_DUE = query("contacts.lock_due", ContactId)
DESCRIBE = query("contacts.describe", Nothing)
RELEASE_IDENTITY = query("contacts.release_identity", Nothing)
CARRY_OWNER = query("contacts.carry_owner", Nothing)
LEAVE = query("contacts.leave", Nothing)
CONVERSATIONS = query("contacts.conversations", ConversationKey)
INSERT_CONVERSATIONS = query("contacts.insert_conversations", Nothing)
HEAR = query("contacts.hear", Nothing)
READDRESS = query("contacts.readdress", Nothing)
TAKE_OVER = query("contacts.take_over", Nothing)
SAVE_CONVERSATIONS = query("contacts.save_conversations", Nothing)
CONVERSATION_CONTACT = query("contacts.conversation_contact", OfConversation)
RELEASE = query("contacts.release", Nothing)


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


async def lock_people(tx: Tx, people: Sequence[Person], now: dt.datetime, new_id: Callable[[], UUID]) -> list[UUID]:
    """Find, make, link or merge these people, lock their rows, and say which contact each is, in the order given.

    Raises LostRace in the unlikely case that others change the same people meanwhile: the transaction is to be repeated.
    """
    united = unite(people)
    wanted = list(dict.fromkeys(united.values()))
    found = await _find(tx, wanted)
    known = _by_key(found)
    if missing := [p for p in wanted if match(p, known) is None]:
        await _insert(tx, missing, now, new_id)
        found = await _find(tx, wanted)
    matches = match_all(wanted, await tx.all(LOCK, ids=[c.id for c in found]))
    if len(matches) < len(wanted):
        raise LostRace("somebody has been renamed meanwhile")  # looking again with these locks in hand would deadlock
    await _write(tx, list(matches.values()))
    return [matches[united[keys(p)[0]]].contact.id for p in people]


def _by_key(contacts: Iterable[Contact]) -> dict[str, Contact]:
    return {key: c for c in contacts for key in keys(c)}


async def _find(tx: Tx, people: Sequence[Person]) -> list[Contact]:
    with_user = [p for p in people if p.user_id]
    return await tx.all(
        FIND,
        phones=[p.phone for p in people if p.phone],
        portfolio_ids=[p.portfolio_id for p in with_user],
        user_ids=[p.user_id for p in with_user],
    )


async def _insert(tx: Tx, people: Sequence[Person], now: dt.datetime, new_id: Callable[[], UUID]) -> None:
    await tx.run(
        INSERT, ids=[new_id() for _ in people], portfolio_ids=[p.portfolio_id if p.user_id else None for p in people],
        user_ids=[p.user_id for p in people], phones=[p.phone for p in people], wa_ids=[p.wa_id for p in people],
        names=[p.name for p in people], usernames=[p.username for p in people], created_at=now,
    )  # fmt: skip


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
    tx: Tx, pairs: Iterable[tuple[UUID, UUID]], now: dt.datetime, new_id: Callable[[], UUID]
) -> dict[tuple[UUID, UUID], UUID]:
    """(contact, number) → conversation, made where there is none. The contacts are locked by the caller."""
    wanted = set(pairs)
    contact_ids = sorted({contact_id for contact_id, _ in wanted})
    known = {(c.contact_id, c.number_id): c.id for c in await tx.all(CONVERSATIONS, contact_ids=contact_ids)}
    if missing := sorted(wanted - known.keys()):
        made = [new_id() for _ in missing]
        await tx.run(
            INSERT_CONVERSATIONS, ids=made, contact_ids=[c for c, _ in missing], number_ids=[n for _, n in missing], created_at=now
        )
        known.update(zip(missing, made, strict=True))
    return known


async def readdress(tx: Tx, contact_id: UUID, now_known_as: Person) -> None:
    """Give a locked contact the BSUID or the phone that WhatsApp says it has now; where somebody else has it, both stay."""
    who = now_known_as
    moved = await tx.run(
        READDRESS, id=contact_id, portfolio_id=who.portfolio_id, user_id=who.user_id, phone=who.phone, wa_id=who.wa_id
    )
    log.info("contact_readdressed" if moved else "contact_address_taken", contact_id=str(contact_id))


async def release(tx: Tx, conversation_id: UUID) -> bool:
    """Give a conversation back to the bot. False when it was the bot's already, or is not this tenant's."""
    row = await tx.one(CONVERSATION_CONTACT, id=conversation_id)
    if row is None:
        return False
    await tx.all(LOCK, ids=[row.contact_id])
    return await tx.run(RELEASE, id=conversation_id) == 1
