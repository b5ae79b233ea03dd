"""The one door out: flow replies, people, the API and campaigns all queue their messages here."""

import datetime as dt
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from atendeja import ledger, media
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.ledger import NewMessage
from atendeja.media import Stored
from atendeja.outbound.fallback import Fallback
from atendeja.outbound.lending import Lending
from atendeja.outbound.protocol import Candidate
from atendeja.wa import media as limits
from atendeja.wa import rules
from atendeja.wa.content import Content, File, Media, Read, Template, attachments, with_files


class Ready(Struct, frozen=True):
    """What must be known of a message's conversation for it to be claimed as it is queued. Only the caller who holds the contact's
    lock, and knows that nothing unfinished stands before it and no hold is on it, may say so."""

    phone: str | None
    user_id: str | None
    taken_at: dt.datetime | None
    window_until: dt.datetime | None


class Outgoing(Struct, frozen=True):
    """A message somebody wants to send. `(source, source_id, source_no, ordinal)` is its key: the same twice is one message.

    turn: the conversation, the turn's number; campaign: the campaign, the recipient's number in it; api: the idempotency key, 0.
    `seq` is its place in the conversation, drawn under the contact's lock: by a turn, else by `put`. Marketing has none.
    """

    number_id: UUID
    contact_id: UUID
    conversation_id: UUID
    source: Literal["turn", "agent", "api", "campaign"]
    source_id: UUID
    source_no: int
    ordinal: int
    content: Content
    seq: int | None = None
    category: Literal["service", "utility", "authentication", "marketing"] = "service"
    ready: Ready | None = None
    fallback: Fallback | None = None
    """What goes in its place when its window is closed: of a service message only."""
    not_before: dt.datetime | None = None
    """None: at once. What waits for its time has no place in the order: the conversation goes on without it."""


def prepare(messages: Sequence[Outgoing], now: dt.datetime, new_id: Callable[[], UUID], lending: Lending) -> list[NewMessage]:
    """The rows of these, for whoever writes them in a statement of his own (`ledger.queueing`) and then says to `lending` which
    attempts there are. Raises Refused for what Meta would refuse.

    What is ready and has its sender in this process is claimed, to be posted after the COMMIT.
    """
    for message in messages:
        if wrong := problems(message.content, message.category, message.fallback):
            raise Refused("content_invalid", "; ".join(wrong))
    n = Counter(m.conversation_id for m in messages)
    return [_row(m, new_id(), now, lending, followed=n[m.conversation_id] > 1) for m in messages]


async def put(
    tx: Tx, messages: Sequence[Outgoing], now: dt.datetime, new_id: Callable[[], UUID], lending: Lending | None = None
) -> None:
    """Queue these in the caller's transaction. Raises Refused, before anything is written, for what Meta would refuse."""
    lending = lending or Lending()
    made = await _place(tx, prepare(await _name_files(tx, messages), now, new_id, lending))
    lending.keep(await ledger.queue_messages(tx, made, now, lending.boot, lending.seen))


async def _place(tx: Tx, messages: Sequence[NewMessage]) -> list[NewMessage]:
    """Each with its place in its conversation, in the order given."""
    waiting = [m for m in messages if _waits(m)]
    if not waiting:
        return list(messages)
    wanted = Counter(m.conversation_id for m in waiting)
    drawn = await ledger.draw_places(tx, (m.contact_id for m in waiting), wanted)
    places = {id_: itertools.count(first) for id_, first in drawn.items()}
    return [replace(m, seq=next(places[m.conversation_id])) if _waits(m) else m for m in messages]


async def _name_files(tx: Tx, messages: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """With the names that our own documents have. Raises Refused for a file that there is not, or that cannot be sent as such."""
    stored = await load_files(tx, [(m.content, m.fallback) for m in messages])
    if wrong := [problem for m in messages for problem in file_problems(m.content, m.fallback, stored)]:
        raise Refused("content_invalid", "; ".join(wrong))
    if not stored:
        return messages

    def named(part: File | Media) -> File | Media:
        if part.file is None or part.kind != "document" or part.filename is not None:
            return part
        return replace(part, filename=stored[part.file].filename)

    return [_with_files(m, named) for m in messages]


async def load_files(tx: Tx, contents: Iterable[tuple[Content, Fallback | None]]) -> dict[UUID, Stored]:
    """The files of ours that these name, as far as there are such; none of them is deleted before the end of the transaction."""
    ids = {part.file for content, fallback in contents for part in _parts(content, fallback) if part.file is not None}
    return {stored.id: stored for stored in await media.hold(tx, sorted(ids))} if ids else {}


def file_problems(content: Content, fallback: Fallback | None, stored: Mapping[UUID, Stored]) -> list[str]:
    """What is wrong with the files of ours in these, each as `path: reason`."""
    found: list[str] = []
    for part in _parts(content, fallback):
        if part.file is not None and (kept := stored.get(part.file)) is None:
            found.append(f"file: there is no file {part.file}: keep one first")
        elif part.file is not None and kept is not None:
            found += [f"file.{problem}" for problem in limits.file_problems(part.kind, kept.mime, kept.size)]
    return found


def _parts(content: Content, fallback: Fallback | None) -> Iterator[File | Media]:
    yield from attachments(content)
    if fallback is not None:
        yield from attachments(fallback.template)


def _with_files(m: Outgoing, change: Callable[[File | Media], File | Media]) -> Outgoing:
    made = replace(m, content=with_files(m.content, change))
    if m.fallback is None:
        return made
    template = with_files(m.fallback.template, change)
    assert isinstance(template, Template)
    return replace(made, fallback=replace(m.fallback, template=template))


def _waits(m: NewMessage) -> bool:
    return m.seq is None and m.category != "marketing" and m.not_before is None


def problems(content: Content, category: str, fallback: Fallback | None = None) -> list[str]:
    """What Meta would refuse of such a message, and what makes no sense, each as `path: reason`."""
    if isinstance(content, Read):
        return ["a mark of having read is no message"]
    return [*rules.problems(content), *misfits(content, category, fallback)]


def misfits(content: Content, category: str, fallback: Fallback | None) -> list[str]:
    """What of a message does not go together with its content, each as `path: reason`."""
    found: list[str] = []
    if isinstance(content, Template) and category == "service":
        found.append("category: a template is sent as utility, authentication or marketing")
    if fallback is not None:
        found += [f"fallback.template.{problem}" for problem in rules.problems(fallback.template)]
        if category != "service":
            found.append("fallback: only a service message needs one, all others go when the window is closed too")
    return found


def _row(m: Outgoing, id_: UUID, now: dt.datetime, lending: Lending, *, followed: bool) -> NewMessage:
    content = msgspec.json.encode(m.content)
    row = NewMessage(
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
        hashlib.sha256(content).digest(),
        m.seq,
        fallback=None if m.fallback is None else msgspec.Raw(msgspec.json.encode(m.fallback)),
        not_before=m.not_before,
    )
    if m.ready is None:
        return row
    candidate = Candidate(
        id=id_,
        conversation_id=m.conversation_id,
        contact_id=m.contact_id,
        source=m.source,
        category=m.category,
        content=content,
        created_at=now,
        attempt_no=0,
        not_before=now,
        phone=m.ready.phone,
        user_id=m.ready.user_id,
        taken_at=m.ready.taken_at,
        window_until=m.ready.window_until,
    )
    return replace(row, attempt_id=lending.take(m.number_id, candidate, followed=followed))
