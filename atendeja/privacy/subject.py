"""Which rows are a person's: in every table, or why not there."""

import datetime as dt
from uuid import UUID

from msgspec import Struct

from atendeja.contacts import Contact
from atendeja.db import Query, Tx, query


class Id(Struct, frozen=True):
    id: UUID


class Shown(Struct, frozen=True):
    row: bytes


FAMILY = query("privacy.family", Contact)
CONVERSATION_IDS = query("privacy.conversation_ids", Id)
CONSENT_IDS = query("privacy.consent_ids", Id)
EVENT_IDS = query("privacy.event_ids", Id)
MESSAGE_IDS = query("privacy.message_ids", Id)
SESSION_IDS = query("privacy.session_ids", Id)
STEP_IDS = query("privacy.step_ids", Id)

EXPORTED: dict[str, Query[Shown]] = {
    "contact": query("privacy.show_contact", Shown),
    "consent": query("privacy.show_consent", Shown),
    "conversation": query("privacy.show_conversation", Shown),
    "event": query("privacy.show_event", Shown),
    "message": query("privacy.show_message", Shown),
    "flow_session": query("privacy.show_session", Shown),
    "step": query("privacy.show_step", Shown),
}
"""Table → its rows in an archive, in this order. Attempts are in their messages."""

NOT_EXPORTED = {
    "attempt": "in the rows of `message`",
    "contact_term": "made of the rows of `contact`, to find them",
    "delivery": "WhatsApp's words as they came, of which the rows of `event` were made; kept for 30 days",
    "feed": "what of the rows above was told to this business's own programs; kept for 7 days",
    "feed_new": "the same, before it is told",
    "idempotency_key": "answers of this API as they were given to its clients, sealed; kept for a day",
    "job": "that this was asked for",
    "status_orphan": "reports on messages that are none of ours; kept for 30 days",
    "webhook_delivery": "that it was told, and what those programs answered; kept for 7 days",
    "tombstone": "only hashes, of those who were forgotten",
}
"""Tables with something of a person in them that are not in the archive, and why: the archive says so too."""


class Subject(Struct, frozen=True):
    """A person: the contacts that are he, and the ids of his rows."""

    family: list[Contact]
    rows: dict[str, list[UUID]]

    @property
    def contact_ids(self) -> list[UUID]:
        return [contact.id for contact in self.family]

    @property
    def total(self) -> int:
        return sum(map(len, self.rows.values()))


async def load(tx: Tx, contact_id: UUID) -> Subject:
    """All that is of whoever this contact is: he may have been merged into another since somebody asked."""
    family = await tx.all(FAMILY, id=contact_id)
    people = [contact.id for contact in family]
    talks = [row.id for row in await tx.all(CONVERSATION_IDS, contact_ids=people)]
    return Subject(
        family,
        {
            "contact": people,
            "consent": [row.id for row in await tx.all(CONSENT_IDS, contact_ids=people)],
            "conversation": talks,
            "event": [row.id for row in await tx.all(EVENT_IDS, conversation_ids=talks, contact_ids=people)],
            "message": [row.id for row in await tx.all(MESSAGE_IDS, conversation_ids=talks)],
            "flow_session": [row.id for row in await tx.all(SESSION_IDS, conversation_ids=talks)],
            "step": [row.id for row in await tx.all(STEP_IDS, conversation_ids=talks)],
        },
    )


class Place(Struct, frozen=True, kw_only=True):
    """Where an erasure is: kept with its job, and gone with its end. `needles` are texts by which raw deliveries are found."""

    stage: str
    mark: int
    began_at: dt.datetime
    contact_ids: list[UUID] = []
    conversation_ids: list[UUID] = []
    needles: list[str] = []
    stones: list[str] = []
    """Hashes in hex, and what was refused, for the file beside the database."""
    refused: list[str] = []
    counts: dict[str, int] = {}
    day: dt.date | None = None
    after: int = 0
