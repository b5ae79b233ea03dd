"""Each kind of element of a webhook's `value` → its event. Every function raises one of `wire.UNREADABLE` if it cannot."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from atendeja.wa import bodies, identity, messages
from atendeja.wa.events import (
    ApiError,
    CallReported,
    CallStatus,
    ContactSynced,
    Conversation,
    Customer,
    ErrorsReported,
    Event,
    GroupChanged,
    MessageEchoed,
    MessageReceived,
    PreferenceChanged,
    Pricing,
    Referral,
    StatusReported,
    Unknown,
    UserIdChanged,
)
from atendeja.wa.wire import ABSENT, UNREADABLE, Loose, Moment, Reader, identifier, instant, keep, maybe_instant, optional_id, text


class Place(NamedTuple):
    """What surrounds an element: the delivery's contacts and the digits of our own number (may be empty)."""

    people: identity.People
    ours: str


class Header(Struct, rename={"from_": "from"}):
    id: Loose = None
    timestamp: Moment = None
    type: Loose = None
    from_: Loose = None
    from_user_id: Loose = None
    from_parent_user_id: Loose = None
    to: Loose = None
    to_user_id: Loose = None
    to_parent_user_id: Loose = None
    group_id: Loose = None
    context: Raw = ABSENT
    referral: Raw = ABSENT
    errors: Raw = ABSENT
    history_context: Raw = ABSENT


class _Status(Struct):
    id: Loose = None
    status: Loose = None
    timestamp: Moment = None
    recipient_id: Loose = None
    recipient_user_id: Loose = None
    recipient_parent_user_id: Loose = None
    recipient_identity_key_hash: Loose = None
    recipient_type: Loose = None
    recipient_participant_id: Loose = None
    recipient_participant_user_id: Loose = None
    biz_opaque_callback_data: Loose = None
    conversation: Raw = ABSENT
    pricing: Raw = ABSENT
    errors: Raw = ABSENT


class _Preference(Struct):
    category: str
    value: str
    wa_id: Loose = None
    user_id: Loose = None
    detail: Loose = None
    timestamp: Moment = None


class _UserIds(Struct):
    current: Loose = None
    previous: Loose = None


class _UserIdUpdate(Struct):
    user_id: _UserIds
    wa_id: Loose = None
    detail: Loose = None
    timestamp: Moment = None


class _AddressBookEntry(Struct):
    phone_number: Loose = None
    full_name: Loose = None


class _Stamp(Struct):
    timestamp: Moment = None


class _Sync(Struct):
    action: Loose = None
    contact: _AddressBookEntry = msgspec.field(default_factory=_AddressBookEntry)
    metadata: _Stamp = msgspec.field(default_factory=_Stamp)


class _Call(Struct, rename={"from_": "from"}):
    id: Loose = None
    event: Loose = None
    direction: Loose = None
    timestamp: Moment = None
    from_: Loose = None
    from_user_id: Loose = None
    to: Loose = None
    to_user_id: Loose = None


class _Group(Struct):
    group_id: Loose = None
    type: Loose = None
    timestamp: Moment = None


_elements = Reader(list[Raw])
read_header = Reader(Header)
_status = Reader(_Status)
_preference = Reader(_Preference)
_user_id_update = Reader(_UserIdUpdate)
_sync = Reader(_Sync)
_call = Reader(_Call)
_group = Reader(_Group)
_error = Reader(ApiError)
read_context = Reader(messages.Context)
_referral = Reader(Referral)
_pricing = Reader(Pricing)
_conversation = Reader(Conversation)


def many(raw: Raw) -> list[Raw]:
    """The elements of a list; none if it is absent or null."""
    return [] if raw is ABSENT or bytes(raw) == b"null" else _elements(raw)


def broken(what: str, raw: Raw, error: BaseException) -> Unknown:
    """What stands in the place of an element that could not be read. msgspec's errors name types and paths, not contents."""
    return Unknown(reason=f"broken_{what}", raw=keep(raw), detail=str(error))


def each(what: str, read: Callable[[Raw, Place], Event], raw: Raw, place: Place) -> Iterator[Event]:
    """The event of every element of the list, each read alone."""
    try:
        elements = many(raw)
    except UNREADABLE as error:
        yield broken(what, raw, error)
        return
    for element in elements:
        try:
            event = read(element, place)
        except UNREADABLE as error:
            event = broken(what, element, error)
        yield event


def errors(raw: Raw) -> list[ApiError]:
    """The errors of an element as far as they can be read."""
    if raw is ABSENT:
        return []
    try:
        return [error for error in map(_error.part, many(raw)) if error is not None]
    except UNREADABLE:
        return []


def message(raw: Raw, place: Place) -> MessageReceived:
    """An element of `messages[]`."""
    header = read_header(raw)
    content = bodies.read(text(header.type), raw)
    return MessageReceived(
        wamid=identifier(header.id),
        sent_at=instant(header.timestamp),
        customer=_sender(header, content, place),
        content=content,
        context=read_context.part(header.context),
        referral=_referral.part(header.referral),
        group_id=optional_id(header.group_id),
        errors=errors(header.errors),
    )


def _sender(header: Header, content: messages.Inbound, place: Place) -> Customer:
    """Who wrote. A notice of a new BSUID may name its person only by the previous one."""
    user_id = header.from_user_id
    if user_id is None and isinstance(content, messages.System):
        user_id = content.previous_user_id
    return identity.customer(place.people, header.from_, user_id, header.from_parent_user_id)


def echo(raw: Raw, place: Place) -> MessageEchoed:
    """An element of `message_echoes[]`: its customer is the addressee."""
    header = read_header(raw)
    return MessageEchoed(
        wamid=identifier(header.id),
        sent_at=instant(header.timestamp),
        customer=identity.customer(place.people, header.to, header.to_user_id, header.to_parent_user_id),
        content=bodies.read(text(header.type), raw),
        context=read_context.part(header.context),
        errors=errors(header.errors),
    )


def status(raw: Raw, place: Place) -> StatusReported:
    """An element of `statuses[]`."""
    said = _status(raw)
    grouped = said.recipient_type == "group"
    return StatusReported(
        wamid=identifier(said.id),
        status=identifier(said.status),
        at=instant(said.timestamp),
        customer=_recipient(said, grouped, place),
        callback=text(said.biz_opaque_callback_data),
        errors=errors(said.errors),
        pricing=_pricing.part(said.pricing),
        conversation=_conversation.part(said.conversation),
        group_id=optional_id(said.recipient_id) if grouped else None,
    )


def _recipient(said: _Status, grouped: bool, place: Place) -> Customer:
    if grouped:
        return identity.customer(place.people, said.recipient_participant_id, said.recipient_participant_user_id)
    return identity.customer(
        place.people,
        said.recipient_id,
        said.recipient_user_id,
        said.recipient_parent_user_id,
        said.recipient_identity_key_hash,
    )


def call_status(raw: Raw, place: Place) -> CallStatus:
    """An element of `statuses[]` under the field `calls`."""
    said = _status(raw)
    return CallStatus(
        call_id=identifier(said.id),
        status=identifier(said.status),
        customer=_recipient(said, False, place),
        at=maybe_instant(said.timestamp),
        callback=text(said.biz_opaque_callback_data),
        errors=errors(said.errors),
    )


def preference(raw: Raw, place: Place) -> PreferenceChanged:
    """An element of `user_preferences[]`. A stop counts even if its time cannot be read."""
    said = _preference(raw)
    return PreferenceChanged(
        customer=identity.customer(place.people, said.wa_id, said.user_id),
        category=said.category,
        value=said.value,
        detail=text(said.detail),
        at=maybe_instant(said.timestamp),
    )


def user_id_update(raw: Raw, place: Place) -> UserIdChanged:
    """An element of `user_id_update[]`."""
    said = _user_id_update(raw)
    return UserIdChanged(
        customer=identity.customer(place.people, said.wa_id, said.user_id.previous),
        previous=optional_id(said.user_id.previous),
        current=identifier(said.user_id.current),
        detail=text(said.detail),
        at=maybe_instant(said.timestamp),
    )


def sync(raw: Raw, place: Place) -> ContactSynced:
    """An element of `state_sync[]`."""
    said = _sync(raw)
    who = identity.customer(place.people, said.contact.phone_number, None)
    return ContactSynced(
        customer=msgspec.structs.replace(who, name=text(said.contact.full_name) or who.name),
        action=text(said.action),
        at=maybe_instant(said.metadata.timestamp),
        details=keep(raw),
    )


def call(raw: Raw, place: Place) -> CallReported:
    """An element of `calls[]`: its customer is the other side."""
    said = _call(raw)
    other = (said.to, said.to_user_id) if said.direction == "BUSINESS_INITIATED" else (said.from_, said.from_user_id)
    return CallReported(
        call_id=identifier(said.id),
        customer=identity.customer(place.people, *other),
        event=text(said.event),
        at=maybe_instant(said.timestamp),
        details=keep(raw),
    )


def group(raw: Raw, place: Place) -> GroupChanged:
    """An element of `groups[]`."""
    said = _group(raw)
    return GroupChanged(
        group_id=identifier(said.group_id), kind=text(said.type), at=maybe_instant(said.timestamp), details=keep(raw)
    )


def trouble(raw: Raw, place: Place) -> Iterator[Event]:
    """The value's own `errors[]`, as one event. The place plays no part."""
    yield ErrorsReported(errors(raw))
