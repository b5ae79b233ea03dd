"""Contacts in lists: all, with a tag, with a word on a purpose, and those that are looked for."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from atendeja.contacts.profiles import FOUND_CHARS, ContactSummary, FoundRow, Row, Tag, Value, show
from atendeja.db import query
from atendeja.endpoint import FIRST, LAST, MEMBERS, ById, Call, Endpoint, Listing, Page
from atendeja.errors import Refused
from atendeja.flow.types import Id
from atendeja.runtime import Runtime

BEHIND = "\U0010ffff"
"""Put behind a beginning: behind all that begins so, in the order of bytes."""

Text = Annotated[
    str,
    Meta(
        max_length=200,
        description="How a word of the name, the user name or the telephone number begins; case and accents do not matter. A "
        "number is found with and without its country and area.",
        examples=["ana sou"],
    ),
]
SaidTo = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}:(in|out)$", description="A purpose, and in or out.", examples=["marketing:out"])
]


class ContactListing(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All, or those with a tag, or those whose newest word on a purpose is this."""

    tag: Tag | None = None
    consent: SaidTo | None = None


class FieldIs(Struct, frozen=True, forbid_unknown_fields=True):
    name: Id
    value: Value


class ContactSearch(Listing, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """By a text, or by what a field is."""

    text: Text | None = None
    field: FieldIs | None = None


class Folded(Struct, frozen=True):
    said: str


class FoundAfter(Struct, frozen=True):
    term: str
    id: UUID


NEWEST = query("contacts.newest", Row)
WITH_TERM = query("contacts.with_term", Row)
WHO_SAID = query("contacts.who_said", Row)
FOLDED = query("contacts.folded", Folded)
SEARCH = query("contacts.search", FoundRow)


async def list_contacts(rt: Runtime, call: Call[ContactListing]) -> Page[ContactSummary]:
    """The newest first. Raises Refused for two filters at once."""
    wanted = call.body
    if wanted.tag is not None and wanted.consent is not None:
        raise Refused("two_filters", "filter by a tag or by a consent")
    before = call.after(wanted, ById)
    page = {"before_id": before.id if before else LAST, "most": wanted.limit + 1}
    async with rt.db.tenant(call.tenant_id) as tx:
        if wanted.tag is not None:
            found = await tx.all(WITH_TERM, term=f"t:{wanted.tag}", **page)
        elif wanted.consent is not None:
            purpose, state = wanted.consent.split(":")
            found = await tx.all(WHO_SAID, purpose=purpose, state=state, **page)
        else:
            found = await tx.all(NEWEST, **page)
    items, following = call.cut(wanted, found, lambda row: ById(row.id))
    return Page([show(row) for row in items], following)


async def search_contacts(rt: Runtime, call: Call[ContactSearch]) -> Page[ContactSummary]:
    """Raises Refused unless exactly one thing is looked for."""
    wanted = call.body
    if (wanted.text is None) == (wanted.field is None):
        raise Refused("one_filter", "look for a text, or for a field")
    if wanted.field is not None:
        return await _with_field(rt, call, wanted.field)
    after = call.after(wanted, FoundAfter) or FoundAfter("", FIRST)
    async with rt.db.tenant(call.tenant_id) as tx:
        folded = await tx.one(FOLDED, said=read_search(wanted.text or ""))
        if folded is None or not folded.said:
            return Page([])
        first = f"s:{folded.said}"
        found = await tx.all(
            SEARCH, first=first, behind=first + BEHIND, after_term=max(after.term, first), after_id=after.id, most=wanted.limit + 1
        )
    items, following = call.cut(wanted, found, lambda row: FoundAfter(row.term, row.id))
    return Page([show(row) for row in items], following)


async def _with_field(rt: Runtime, call: Call[ContactSearch], field: FieldIs) -> Page[ContactSummary]:
    before = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(
            WITH_TERM,
            term=f"f:{field.name}={_told(field.value)}",
            before_id=before.id if before else LAST,
            most=call.body.limit + 1,
        )
    items, following = call.cut(call.body, found, lambda row: ById(row.id))
    return Page([show(row) for row in items], following)


def _told(value: Value) -> str:
    """A field's value as its term has it. Raises Refused for one that has none."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if len(text) > FOUND_CHARS:
        raise Refused("long_value", f"a field is found by up to {FOUND_CHARS} characters")
    return text


def read_search(text: str) -> str:
    """A text as it is looked for: of what can only be a telephone number the digits."""
    bare = text.strip().removeprefix("+")
    digits = "".join(c for c in bare if c.isdigit() and c.isascii())
    return digits if digits and not any(c.isalpha() for c in bare) else text


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/contacts", "list_contacts", list_contacts, who=MEMBERS, scope="contacts:read", takes=ContactListing,
             gives=Page[ContactSummary], refuses={"two_filters": 422},
             says="The people of this business, the newest first; those with a tag, or with a word on a purpose."),
    Endpoint("POST", "/v1/contacts/search", "search_contacts", search_contacts, who=MEMBERS, scope="contacts:read",
             takes=ContactSearch, gives=Page[ContactSummary], refuses={"one_filter": 422, "long_value": 422},
             says="Look for people by the beginning of a name or a telephone number, or by a field. It changes nothing, and is a "
             "POST so that no name or number is in a URL."),
]  # fmt: skip
