"""A webhook delivery → the events in it, in order. Pure, liberal, and quick enough for thousands a second.

Meta may put up to 1,000 updates of several accounts and numbers into one body. The envelope is decoded level by level with
its elements left as `msgspec.Raw`, and each element is read alone: one that is broken becomes `Unknown` and costs none of its
neighbours. A part we can do without (a price, a referral) is left out when it cannot be read; the raw delivery keeps it.
Only a body whose envelope cannot be read at all raises. Source: Meta, webhooks reference (copies of June to September 2026).
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from atendeja import phone
from atendeja.errors import WireError
from atendeja.wa import account, elements, history, identity
from atendeja.wa.events import Customer, Event, Item, Unknown, dedup_key
from atendeja.wa.wire import ABSENT, UNREADABLE, Loose, Moment, Reader, clean, keep, maybe_instant, text, too_deep

__all__ = ["Item", "dedup_key", "parse"]

_OURS: Final = "whatsapp_business_account"


class _Address(NamedTuple):
    waba_id: str | None = None
    phone_number_id: str | None = None
    display_phone_number: str | None = None
    field: str = ""


class _Envelope(Struct):
    object: Raw = ABSENT
    entry: Raw = ABSENT


class _Entry(Struct):
    id: Loose = None
    time: Moment = None
    changes: Raw = ABSENT


class _Change(Struct):
    field: Loose = None
    value: Raw = ABSENT


class _Metadata(Struct):
    phone_number_id: Loose = None
    display_phone_number: Loose = None


class _Value(Struct):
    metadata: Raw = ABSENT
    contacts: Raw = ABSENT
    errors: Raw = ABSENT
    messages: Raw = ABSENT
    statuses: Raw = ABSENT
    message_echoes: Raw = ABSENT
    history: Raw = ABSENT
    state_sync: Raw = ABSENT
    calls: Raw = ABSENT
    groups: Raw = ABSENT
    user_preferences: Raw = ABSENT
    user_id_update: Raw = ABSENT


_envelope = msgspec.json.Decoder(_Envelope).decode
_string = Reader(str)
_entry = Reader(_Entry)
_change = Reader(_Change)
_value = Reader(_Value)
_metadata = Reader(_Metadata)

_Events: TypeAlias = Callable[[Raw, elements.Place], Iterator[Event]]

_MESSAGES: Final = "messages"
_LISTS: Final[Mapping[str, tuple[str, _Events]]] = {
    "errors": (_MESSAGES, elements.trouble),
    "messages": (_MESSAGES, partial(elements.each, "message", elements.message)),
    "statuses": (_MESSAGES, partial(elements.each, "status", elements.status)),
    "message_echoes": ("smb_message_echoes", partial(elements.each, "echo", elements.echo)),
    "history": ("history", history.chunks),
    "state_sync": ("smb_app_state_sync", partial(elements.each, "sync", elements.sync)),
    "calls": ("calls", partial(elements.each, "call", elements.call)),
    "groups": ("groups", partial(elements.each, "group", elements.group)),
    "user_preferences": ("user_preferences", partial(elements.each, "preference", elements.preference)),
    "user_id_update": ("user_id_update", partial(elements.each, "user_id_update", elements.user_id_update)),
}
"""The keys of a number's value that hold what happened: the field meant where Meta left that out, and how they are read."""

_ELSEWHERE: Final[Mapping[tuple[str, str], _Events]] = {
    ("history", "messages"): partial(elements.each, "history", history.late_media),
    ("calls", "statuses"): partial(elements.each, "call_status", elements.call_status),
}
"""The same keys under a field where they mean something else."""


def parse(body: bytes) -> list[Item]:
    """Every event of a delivery, in the order in which it holds them; `[]` if it is not about WhatsApp.

    The same message twice in one body gives two items. Everything returned can be encoded by `msgspec.json` and stored in
    Postgres. Raises `WireError` only if the envelope itself cannot be read; its reason is one of `bad_utf8`, `too_deep`,
    `not_json`, `not_an_object`, `bad_entries`.
    """
    return [Item(position, *address, event) for position, (address, event) in enumerate(_walk(_open(body)))]


def _open(body: bytes) -> list[Raw]:
    """The entries of the envelope."""
    try:
        envelope = _envelope(clean(body))
    except UnicodeDecodeError as error:
        raise WireError("bad_utf8") from error
    except RecursionError as error:
        raise WireError("too_deep") from error
    except msgspec.ValidationError as error:
        raise WireError("not_an_object") from error
    except msgspec.DecodeError as error:
        raise WireError("not_json") from error
    if _string.part(envelope.object) != _OURS:
        return []
    try:
        return elements.many(envelope.entry)
    except UNREADABLE as error:
        raise WireError("bad_entries") from error


def _walk(entries: list[Raw]) -> Iterator[tuple[_Address, Event]]:
    for raw in entries:
        try:
            entry = _entry(raw)
            changes = elements.many(entry.changes)
        except UNREADABLE as error:
            yield _Address(), elements.broken("entry", raw, error)
            continue
        for change in changes:
            yield from _walk_change(change, text(entry.id), maybe_instant(entry.time))


def _walk_change(raw: Raw, waba_id: str | None, at: datetime | None) -> Iterator[tuple[_Address, Event]]:
    try:
        change = _change(raw)
        field = text(change.field) or ""
        if field in account.READERS:
            yield _Address(waba_id, field=field), _account_event(field, change.value, at)
            return
        value = _value(change.value)
    except UNREADABLE as error:
        yield _Address(waba_id), elements.broken("change", raw, error)
        return
    yield from _walk_value(value, change.value, waba_id, field, at)


def _account_event(field: str, raw: Raw, at: datetime | None) -> Event:
    try:
        if too_deep(bytes(raw)):
            return Unknown(reason="too_deep", raw=keep(raw), at=at)
        event = account.READERS[field](raw)
    except UNREADABLE as error:
        return replace(elements.broken(field, raw, error), at=at)
    return replace(event, at=at)


def _walk_value(value: _Value, raw: Raw, waba_id: str | None, field: str, at: datetime | None) -> Iterator[tuple[_Address, Event]]:
    metadata = _metadata.part(value.metadata) or _Metadata()
    display = text(metadata.display_phone_number)
    present = [(key, *_LISTS[key]) for key in _LISTS if getattr(value, key) is not ABSENT]
    address = _Address(waba_id, text(metadata.phone_number_id), display, field or (present[0][1] if present else ""))
    contacts, strays = _contacts(value.contacts)
    for stray in strays:
        yield address, stray
    place = elements.Place(identity.people(contacts), phone.digits(display or ""))
    for key, _, read in present:
        for event in _ELSEWHERE.get((field, key), read)(getattr(value, key), place):
            yield address, event
    if not present:
        yield address, Unknown(reason="unknown_field", raw=keep(raw), at=at)


def _contacts(raw: Raw) -> tuple[list[Customer], list[Unknown]]:
    """The contacts that can be read, and what stands for the others."""
    found: list[Customer] = []
    strays: list[Unknown] = []
    try:
        cards = elements.many(raw)
    except UNREADABLE as error:
        return found, [elements.broken("contact", raw, error)]
    for card in cards:
        try:
            found.append(identity.contact(card))
        except UNREADABLE as error:
            strays.append(elements.broken("contact", card, error))
    return found, strays
