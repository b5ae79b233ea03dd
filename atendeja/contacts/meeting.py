"""People met: looked for and locked by what they show, then made, linked or merged. Holds the one lock, the contact row."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import msgspec
import structlog
from asyncpg import UniqueViolationError
from msgspec import Struct
from msgspec.structs import replace

from atendeja import consent
from atendeja.contacts.people import Contact, Match, Person, keys, match_all, unite
from atendeja.db import LostRace, Nothing, Tx, columns, query, records
from atendeja.feed.shapes import Changed, Data

log = structlog.get_logger(__name__)


class MetContact(Contact, frozen=True):
    """A contact under its lock, with its conversations (JSON, None when there are none)."""

    talks: bytes | None = None


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


class Carried(Struct, frozen=True):
    """A conversation of the winner that a person has now, who had the loser's."""

    id: UUID
    number_id: UUID
    queue: str | None


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
CARRY_OWNER = query("contacts.carry_owner", Carried)
CARRY_PROFILE = query("contacts.carry_profile", Nothing)
INDEX = query("contacts.index", Nothing)
LOOK_AGAIN = query("contacts.look_again", Nothing)
CONVERSATIONS = query("contacts.conversations", Conversation)
INSERT_CONVERSATIONS = query("contacts.insert_conversations", ContactId)
READDRESS = query("contacts.readdress", Nothing)
TAKE_OVER = query("contacts.take_over", Taken)
CONVERSATION_CONTACT = query("contacts.conversation_contact", OfConversation)
RELEASE = query("contacts.release", Conversation)

_talks = msgspec.json.Decoder(list[TalkKey])


class Meeting(Struct, frozen=True):
    """People as they were shown, and the locked contacts that they may be: `contacts`, and their conversations by
    (contact, number)."""

    people: Sequence[Person]
    contacts: Sequence[Contact]
    talks: dict[tuple[UUID, UUID], UUID]
    united: dict[str, Person]
    matches: dict[Person, Match]
    made: Sequence[Contact] = ()
    """Those whom `settle` had to make."""
    told: Sequence[Data] = ()
    """What is otherwise since `settle` has merged some, as whoever listens is told: `recall` passes it on."""

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
    """Make, link or merge what the meeting found out, and return it with a match for everybody. The caller asks `recall` next.

    Raises LostRace in the unlikely case that others make the same people meanwhile: the transaction is to be repeated, because
    looking again with these locks in hand would deadlock.
    """
    if missing := meeting.missing:
        made = await _insert(tx, missing, now, new_id)
        meeting = replace(compare(meeting.people, [*meeting.contacts, *made], meeting.talks), made=made)
    if meeting.missing:
        raise LostRace("somebody else was just given the same name")
    changed, told = await _write(tx, list(meeting.matches.values()))
    await index(tx, [*(contact.id for contact in meeting.made), *changed])
    return replace(meeting, told=told)


async def index(tx: Tx, ids: Iterable[UUID]) -> None:
    """Have these contacts found by what they are now. They are locked by the caller."""
    if wanted := sorted({*ids}):
        await tx.run(INDEX, ids=wanted)


def _contact(row: MetContact) -> Contact:
    return Contact(
        row.id, row.portfolio_id, row.user_id, row.phone, row.wa_id, row.name, row.username, row.created_at, row.is_named
    )


async def _insert(tx: Tx, people: Sequence[Person], now: dt.datetime, new_id: Callable[[], UUID]) -> list[Contact]:
    made = [
        Contact(new_id(), p.portfolio_id if p.user_id else None, p.user_id, p.phone, p.wa_id, p.name, p.username, now)
        for p in people
    ]
    return await tx.all(INSERT, records=records(made))


async def _write(tx: Tx, matches: Sequence[Match]) -> tuple[list[UUID], list[Data]]:
    """Returns whose rows are others now, and what is to be told of it."""
    last = {m.contact.id: m.described for m in matches}
    changed = dict.fromkeys(m.contact.id for m in matches if m.described != m.contact)
    merged = [(m.merged, m.contact) for m in matches if m.merged is not None]
    told: list[Data] = []
    try:
        for loser, winner in merged:
            told += await merge(tx, loser.id, winner.id)
        await describe(tx, [last[id_] for id_ in changed])
    except UniqueViolationError as error:
        raise LostRace("somebody else was just given the same name") from error
    return [*changed, *(contact.id for pair in merged for contact in pair)], told


async def describe(tx: Tx, contacts: Sequence[Contact]) -> None:
    """Write by what these are known. They are locked by the caller, who has them found by it (`index`)."""
    if contacts:
        await tx.run(DESCRIBE, **columns(contacts, without=frozenset({"created_at", "is_named"})))


async def merge(tx: Tx, loser_id: UUID, winner_id: UUID) -> list[Data]:
    """Have one contact be another from now on. Both are locked by the caller, who gives the winner the keys (`describe`), and tells
    whoever listens what this returns: the winner's consents and conversations that are otherwise now."""
    await tx.run(RELEASE_IDENTITY, id=loser_id, winner_id=winner_id)
    declared = await consent.carry(tx, winner_id, loser_id)
    carried = await tx.all(CARRY_OWNER, winner_id=winner_id, loser_id=loser_id)
    await tx.run(CARRY_PROFILE, winner_id=winner_id, loser_id=loser_id)
    log.info("contact_merged", contact_id=str(winner_id), merged_id=str(loser_id))
    return [*declared, *(Changed(c.id, winner_id, c.number_id, "taken_over", "human", c.queue) for c in carried)]


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
    if moved:
        await index(tx, [contact_id])
    log.info("contact_readdressed" if moved else "contact_address_taken", contact_id=str(contact_id))


async def release(tx: Tx, conversation_id: UUID, now: dt.datetime) -> Conversation | None:
    """Give a conversation back to the bot, which goes on where it was. None when it was the bot's already, or is not this
    tenant's."""
    row = await tx.one(CONVERSATION_CONTACT, id=conversation_id)
    if row is None:
        return None
    await tx.all(LOCK, ids=[row.contact_id])
    return await tx.one(RELEASE, id=conversation_id, now=now)
