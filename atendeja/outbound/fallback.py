"""An approved template in the place of a free-form message whose window is closed, where whoever sent it gave one.

It is a message of its own, under the first one's key with the ordinal −1 − n: however often it is asked for there is one, holds and
a person's takeover concern it too, and what became of the first stays true. It keeps the first one's place in the conversation.
Given once it is known that the first did not go: withdrawn before a call, or refused by WhatsApp with 131047. Never where an
attempt of it may have arrived, nor where a person has stepped in meanwhile.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection
from typing import Literal
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from atendeja import ledger
from atendeja.db import Nothing, Tx, query
from atendeja.ledger import NewMessage
from atendeja.outbound.lending import NOBODY
from atendeja.wa.content import Template


class Fallback(Struct, frozen=True, forbid_unknown_fields=True):
    """A template, and what it is sent as. Like any template it is posted at most once."""

    template: Template
    category: Literal["utility", "authentication", "marketing"]


class Owed(Struct, frozen=True):
    """A message that met a closed window, locked, with the fallback that it was given."""

    id: UUID
    number_id: UUID
    contact_id: UUID
    conversation_id: UUID
    source: Literal["turn", "agent", "api", "campaign"]
    source_id: UUID
    source_no: int
    ordinal: int
    seq: int | None
    fallback: bytes


OWED = query("ledger.owed_fallbacks", Owed)
DISCARD = query("ledger.discard_messages", Nothing)

log = structlog.get_logger(__name__)
_fallback = msgspec.json.Decoder(Fallback)


async def fall_back(tx: Tx, ids: Collection[UUID], now: dt.datetime, new_id: Callable[[], UUID]) -> set[UUID]:
    """Queue the fallbacks of those among these messages that met a closed window, and return the numbers whose senders have
    something to look at. A failed one is no dead letter any more: it needs nobody.

    The messages are locked by the caller, or were moved by this transaction.
    """
    if not ids:
        return set()
    owed = [(o, given) for o in await tx.all(OWED, ids=sorted(ids)) if (given := _read(o)) is not None]
    await ledger.queue_messages(tx, [_row(o, given, new_id()) for o, given in owed], now, NOBODY)
    if owed:
        await tx.run(DISCARD, ids=[o.id for o, _ in owed], now=now)
    return {o.number_id for o, _ in owed}


def _read(o: Owed) -> Fallback | None:
    """None, said loudly, for one that cannot be read: of a newer release, perhaps. It must keep nothing else from going."""
    try:
        return _fallback.decode(o.fallback)
    except msgspec.MsgspecError:
        log.exception("fallback_unreadable", message_id=str(o.id))
        return None


def _row(o: Owed, given: Fallback, id_: UUID) -> NewMessage:
    content = msgspec.json.encode(given.template)
    return NewMessage(
        id_, o.number_id, o.contact_id, o.conversation_id, o.source, o.source_id, o.source_no, -1 - o.ordinal, given.category,
        msgspec.Raw(content), hashlib.sha256(content).digest(), None if given.category == "marketing" else o.seq,
    )  # fmt: skip
