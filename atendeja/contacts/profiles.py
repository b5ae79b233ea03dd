"""What is shown of a contact, and what somebody may change of it. Pure."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from atendeja import phone
from atendeja.contacts.people import Contact
from atendeja.endpoint import Instant
from atendeja.errors import Refused
from atendeja.flow.types import Id

MOST_FIELDS, MOST_TAGS = 50, 100
LARGEST = 2**53
FOUND_CHARS = 100
"""A field's value that is longer is not found by it."""

Name = Annotated[str, Meta(min_length=1, max_length=200, examples=["Ana Souza"])]
Language = Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$", max_length=35, examples=["pt-BR"])]
Tag = Annotated[Id, Meta(examples=["agendado"])]
Tags = Annotated[list[Tag], Meta(max_length=MOST_TAGS)]
Value = Annotated[str, Meta(max_length=1000)] | bool | Annotated[int, Meta(ge=-LARGEST, le=LARGEST)] | float
"""Of a field, as a flow's variables have it."""
Fields = Annotated[dict[Id, Value], Meta(max_length=MOST_FIELDS, examples=[{"cidade": "Recife", "visitas": 3}])]
Telephone = Annotated[
    str,
    Meta(
        pattern=r"^\+?[0-9 ().-]+$",
        max_length=40,
        description="With the code of its country, however it is written. Brazil's ninth digit may be missing.",
        examples=["+55 (11) 90000-0001"],
    ),
]


class Row(Struct, frozen=True):
    """A contact as it lies in the table; `fields` is JSON."""

    id: UUID
    name: str | None
    phone: str | None
    username: str | None
    user_id: str | None
    portfolio_id: str | None
    language: str | None
    tags: list[str]
    fields: bytes
    created_at: dt.datetime


class FoundRow(Row, frozen=True):
    term: str


class WholeRow(Row, frozen=True):
    is_named: bool
    wa_id: str | None
    conversations: bytes | None
    consents: bytes | None


class ContactSummary(Struct, frozen=True):
    """A person who wrote, or whom a business has entered."""

    id: UUID
    name: Annotated[str | None, Meta(description="As given here, else as WhatsApp calls him.")]
    phone: Annotated[str | None, Meta(description="With `+` and the code of its country.")]
    username: str | None
    bsuid: Annotated[str | None, Meta(description="WhatsApp's business-scoped user id.", examples=["BR.abc"])]
    portfolio: Annotated[str | None, Meta(description="Meta's id of the portfolio whose `bsuid` it is.")]
    language: str | None
    tags: list[str]
    fields: Annotated[Raw, Meta(examples=[{"cidade": "Recife", "visitas": 3}])]
    created_at: Instant


class Talk(Struct, frozen=True):
    """A conversation of a contact, which is on one number."""

    id: UUID
    number_id: UUID
    state: Literal["open", "closed"]
    owner: Literal["bot", "human"]


class Standing(Struct, frozen=True):
    """The newest word on a purpose."""

    purpose: Annotated[str, Meta(examples=["marketing"])]
    state: Literal["in", "out"]
    at: Instant


class ContactDetail(ContactSummary, frozen=True):
    conversations: list[Talk]
    consents: list[Standing]


class NewContact(Struct, frozen=True, forbid_unknown_fields=True):
    """By a telephone number, by WhatsApp's id with the portfolio it is of, or by both."""

    phone: Telephone | None = None
    bsuid: Annotated[str, Meta(max_length=140)] | None = None
    portfolio: Annotated[str, Meta(max_length=40)] | None = None
    name: Name | None = None
    language: Language | None = None
    tags: Tags = []
    fields: Fields = {}


class ContactChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays. A name that is null is WhatsApp's again, from the next message on; a field that is null goes."""

    name: Name | UnsetType | None = UNSET
    language: Language | UnsetType | None = UNSET
    tags: Annotated[Tags, Meta(description="All of them, instead of those to add and to remove.")] | UnsetType = UNSET
    add_tags: Tags = []
    remove_tags: Tags = []
    fields: Annotated[dict[Id, Value | None], Meta(max_length=MOST_FIELDS, examples=[{"cidade": "Olinda", "visitas": None}])] = {}


class Profile(Struct, frozen=True):
    """What of a contact is the business's own."""

    name: str | None
    is_named: bool
    language: str | None
    tags: list[str]
    fields: dict[str, object]


def show(row: Row) -> ContactSummary:
    telephone = None if row.phone is None else f"+{row.phone}"
    return ContactSummary(
        row.id, row.name, telephone, row.username, row.user_id, row.portfolio_id, row.language, row.tags, Raw(row.fields),
        row.created_at,
    )  # fmt: skip


def show_whole(row: WholeRow) -> ContactDetail:
    talks = msgspec.json.decode(row.conversations or b"[]", type=list[Talk])
    said = msgspec.json.decode(row.consents or b"[]", type=list[Standing])
    return ContactDetail(**msgspec.structs.asdict(show(row)), conversations=talks, consents=said)


def read_phone(text: str) -> str:
    """A telephone number in canonical form. Raises Refused when it cannot be a whole one."""
    found = phone.digits(text)
    if not 8 <= len(found) <= 15 or found.startswith("0"):
        raise Refused("bad_phone", "a telephone number has 8 to 15 digits, the code of its country first")
    return phone.canonical(found)


def change(row: WholeRow, wanted: ContactChange) -> Profile:
    """The profile as it is to be. Raises Refused when tags come in two ways, or when there would be too much."""
    fields: dict[str, object] = {**msgspec.json.decode(row.fields, type=dict[str, object]), **wanted.fields}
    return check(
        Profile(
            name=row.name if wanted.name is UNSET else wanted.name,
            is_named=row.is_named if wanted.name is UNSET else wanted.name is not None,
            language=row.language if wanted.language is UNSET else wanted.language,
            tags=_tags(row.tags, wanted),
            fields={name: value for name, value in fields.items() if value is not None},
        )
    )


def check(profile: Profile) -> Profile:
    """Raises Refused for too much of something."""
    if len(profile.fields) > MOST_FIELDS or len(profile.tags) > MOST_TAGS:
        raise Refused("too_much", f"a contact has {MOST_FIELDS} fields and {MOST_TAGS} tags at most")
    return profile


def _tags(tags: list[str], wanted: ContactChange) -> list[str]:
    if wanted.tags is UNSET:
        kept = [tag for tag in tags if tag not in wanted.remove_tags]
        return list(dict.fromkeys([*kept, *wanted.add_tags]))
    if wanted.add_tags or wanted.remove_tags:
        raise Refused("tags_twice", "give all the tags, or those to add and to remove")
    return list(dict.fromkeys(wanted.tags))


def differences(before: Profile, after: Profile) -> list[str]:
    """The names of what is different: no word of a customer's."""
    found = [name for name in ("name", "language", "tags") if getattr(before, name) != getattr(after, name)]
    names: Iterable[str] = sorted(before.fields.keys() | after.fields.keys())
    return [*found, *(f"fields.{name}" for name in names if before.fields.get(name) != after.fields.get(name))]


def profile(row: WholeRow) -> Profile:
    return Profile(row.name, row.is_named, row.language, row.tags, msgspec.json.decode(row.fields, type=dict[str, object]))


def identity(row: WholeRow) -> Contact:
    return Contact(
        row.id, row.portfolio_id, row.user_id, row.phone, row.wa_id, row.name, row.username, row.created_at, row.is_named
    )


def join(loser: Contact, winner: Contact) -> Contact:
    """The winner of a merge with the names of both. Raises Refused when they are known by two different ones: WhatsApp takes
    them for two people, and what the loser writes next would make him anew."""
    if loser.phone and winner.phone:
        raise Refused("two_phones", "they are reached by two different telephones: both stay")
    if loser.user_id and winner.user_id:
        raise Refused("two_users", "WhatsApp knows them by two different ids: both stay")
    return replace(
        winner,
        portfolio_id=winner.portfolio_id if winner.user_id else loser.portfolio_id,
        user_id=winner.user_id or loser.user_id,
        phone=winner.phone or loser.phone,
        wa_id=winner.wa_id or loser.wa_id,
        name=loser.name if loser.is_named and not winner.is_named else winner.name or loser.name,
        username=winner.username or loser.username,
    )
