"""The one door out: flow replies, people, the API and campaigns all queue their messages here."""

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from atendeja import ledger
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.ledger import NewMessage
from atendeja.wa import request
from atendeja.wa.content import Content


class Outgoing(Struct, frozen=True):
    """A message somebody wants to send. `(source, source_id, source_no, ordinal)` is its key: the same twice is one message.

    turn: the conversation, the turn's number; campaign: the recipient, 0; api: the idempotency key, 0.
    `seq` is its place among the conversation's service messages, drawn under the contact's lock; marketing has none.
    """

    number_id: UUID
    contact_id: UUID
    conversation_id: UUID
    source: Literal["turn", "agent", "api", "campaign"]
    source_id: UUID
    source_no: int
    ordinal: int
    content: Content
    seq: int | None
    category: Literal["service", "utility", "authentication", "marketing"] = "service"


async def put(tx: Tx, messages: Sequence[Outgoing], now: dt.datetime, new_id: Callable[[], UUID]) -> None:
    """Queue these in the caller's transaction. Raises Refused, before anything is written, for what Meta would refuse."""
    for message in messages:
        if wrong := request.problems(message.content):
            raise Refused("content_invalid", "; ".join(wrong))
    await ledger.queue_messages(tx, [_row(m, new_id()) for m in messages], now)


def _row(m: Outgoing, id_: UUID) -> NewMessage:
    content = msgspec.json.encode(m.content)
    digest = hashlib.sha256(content).digest()
    return NewMessage(
        id_,
        m.number_id,
        m.contact_id,
        m.conversation_id,
        m.source,
        m.source_id,
        m.source_no,
        m.ordinal,
        m.category,
        msgspec.Raw(content),
        digest,
        m.seq,
    )
