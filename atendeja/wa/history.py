"""The past of a number that was used in the phone app: chunks of threads of messages (coexistence). Never a bot's turn."""

from collections.abc import Iterator
from functools import partial

from msgspec import Raw, Struct

from atendeja import phone
from atendeja.wa import bodies, elements, identity
from atendeja.wa.events import Customer, Event, HistoryDeclined, HistoryReceived
from atendeja.wa.wire import ABSENT, UNREADABLE, Loose, Reader, identifier, instant, text


class _Labelled(Struct):
    status: Loose = None


class _Phase(Struct):
    phase: int | None = None
    chunk_order: int | None = None
    progress: int | None = None


class _Chunk(Struct):
    metadata: Raw = ABSENT
    threads: Raw = ABSENT
    errors: Raw = ABSENT


class _Thread(Struct):
    id: Loose = None
    messages: Raw = ABSENT


_labelled = Reader(_Labelled)
_phase = Reader(_Phase)
_chunk = Reader(_Chunk)
_thread = Reader(_Thread)


def late_media(raw: Raw, place: elements.Place) -> HistoryReceived:
    """An element of `messages[]` under the field `history`: a file that came before as a placeholder."""
    return _past(raw, place, None, _Phase())


def chunks(raw: Raw, place: elements.Place) -> Iterator[Event]:
    """The list `history[]`: chunks of thousands of messages, or the errors that say that there will be none."""
    try:
        found = elements.many(raw)
    except UNREADABLE as error:
        yield elements.broken("history", raw, error)
        return
    for element in found:
        try:
            chunk = _chunk(element)
            threads = elements.many(chunk.threads)
        except UNREADABLE as error:
            yield elements.broken("history", element, error)
            continue
        refusal = elements.errors(chunk.errors)
        if refusal:
            yield HistoryDeclined(refusal)
        phase = _phase.part(chunk.metadata) or _Phase()
        for thread in threads:
            yield from _thread_events(thread, phase, place)


def _thread_events(raw: Raw, phase: _Phase, place: elements.Place) -> Iterator[Event]:
    try:
        thread = _thread(raw)
    except UNREADABLE as error:
        yield elements.broken("history", raw, error)
        return
    yield from elements.each("history", partial(_past, thread=thread.id, phase=phase), thread.messages, place)


def _past(raw: Raw, place: elements.Place, thread: Loose, phase: _Phase) -> HistoryReceived:
    header = elements.read_header(raw)
    outgoing = _is_ours(header, place)
    label = _labelled.part(header.history_context)
    return HistoryReceived(
        wamid=identifier(header.id),
        sent_at=instant(header.timestamp),
        customer=_correspondent(header, outgoing, thread, place),
        direction="out" if outgoing else "in",
        content=bodies.read(text(header.type), raw),
        context=elements.read_context.part(header.context),
        status=text(label.status) if label else None,
        errors=elements.errors(header.errors),
        phase=phase.phase,
        chunk_order=phase.chunk_order,
        progress=phase.progress,
    )


def _is_ours(header: elements.Header, place: elements.Place) -> bool:
    if header.to is not None or header.to_user_id is not None:
        return True
    sender = text(header.from_)
    return bool(place.ours) and sender is not None and phone.digits(sender) == place.ours


def _correspondent(header: elements.Header, outgoing: bool, thread: Loose, place: elements.Place) -> Customer:
    if outgoing:
        return identity.customer(place.people, header.to or thread, header.to_user_id, header.to_parent_user_id)
    return identity.customer(place.people, header.from_ or thread, header.from_user_id, header.from_parent_user_id)
