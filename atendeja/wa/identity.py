"""Whom an element is about: its own ids, completed from the delivery's `contacts[]`.

A contact is matched by BSUID or by phone in either Brazilian spelling, never by its position: since 2026 statuses carry
contacts too, and a list may hold others than the sender. A phone may be absent for good, a BSUID may be absent in old
payloads, and some payloads put a BSUID where a phone belongs. Source: Meta, business-scoped user ids (2026-06-29).
"""

from collections.abc import Mapping

from msgspec import Raw, Struct
from msgspec.structs import replace

from atendeja import phone
from atendeja.wa.events import Customer
from atendeja.wa.wire import ABSENT, Loose, Reader, optional_id, text

People = Mapping[str, Customer]
"""A delivery's contacts by BSUID and by canonical phone."""


class _Profile(Struct):
    name: Loose = None
    username: Loose = None


class _Contact(Struct):
    wa_id: Loose = None
    user_id: Loose = None
    parent_user_id: Loose = None
    identity_key_hash: Loose = None
    profile: Raw = ABSENT


_contact = Reader(_Contact)
_profile = Reader(_Profile)
_NOBODY = _Profile()


def contact(raw: Raw) -> Customer:
    """One element of `contacts[]`. Raises one of `wire.UNREADABLE`."""
    card = _contact(raw)
    profile = _profile.part(card.profile) or _NOBODY
    number, user_id = ids(card.wa_id, card.user_id)
    return Customer(
        phone=number,
        user_id=user_id,
        parent_user_id=text(card.parent_user_id),
        name=text(profile.name),
        username=text(profile.username),
        identity_key_hash=text(card.identity_key_hash),
    )


def people(contacts: list[Customer]) -> People:
    """The contacts under each key by which an element may name them."""
    found: dict[str, Customer] = {}
    for customer in contacts:
        if customer.user_id:
            found[customer.user_id] = customer
        if customer.phone:
            found[phone.canonical(customer.phone)] = customer
    return found


def ids(number: Loose, user_id: Loose) -> tuple[str | None, str | None]:
    """The digits of the phone and the BSUID, the latter also when it came in the phone's place.

    Raises `ValueError` if one is too long to be an id.
    """
    given, bsuid = optional_id(number), optional_id(user_id)
    if given is None:
        return None, bsuid
    if phone.is_bsuid(given):
        return None, bsuid or given
    return phone.digits(given) or None, bsuid


def customer(known: People, number: Loose, user_id: Loose, parent: Loose = None, identity_key_hash: Loose = None) -> Customer:
    """The person with these ids, with what the contacts add: name, username, and the id that is missing here."""
    found, bsuid = ids(number, user_id)
    other = _find(known, found, bsuid)
    if other is None:
        return Customer(found, bsuid, text(parent), identity_key_hash=text(identity_key_hash))
    return replace(
        other,
        phone=found or other.phone,
        user_id=bsuid or other.user_id,
        parent_user_id=text(parent) or other.parent_user_id,
        identity_key_hash=text(identity_key_hash) or other.identity_key_hash,
    )


def _find(known: People, number: str | None, user_id: str | None) -> Customer | None:
    found = known.get(user_id) if user_id else None
    if found is None and number:
        found = known.get(phone.canonical(number))
        if found is not None and user_id and found.user_id and found.user_id != user_id:
            return None
    return found
