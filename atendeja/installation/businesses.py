"""The businesses on this installation: making one, and suspending it.

A suspended business sends nothing from the commit on, in any process: the statements that claim messages read its row. Its
people and keys are refused within 5 s. Webhooks are taken, read and answered as ever, and the answers wait in the queue; when it
goes on, what is still worth sending goes out by the usual rules.

Refused: turning webhooks away (Meta forgets them after a week), and to stop
taking turns (the first that customers would get is an answer to what they asked days ago).
"""

import datetime as dt
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from atendeja import audit, numbers, tenants
from atendeja.accounts import Invited, people, tokens, write_invitation
from atendeja.accounts.people import Email
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import OPERATORS, Call, Endpoint, Instant, Listing, Page, not_found, once
from atendeja.runtime import Runtime
from atendeja.tenants import Language, Name, TimeZone

SLUG = "[a-z0-9][a-z0-9-]{0,39}"


class Business(Struct, frozen=True):
    """A business on this installation."""

    tenant_id: int
    slug: Annotated[str, Meta(description="Its short name, in paths and commands.", examples=["oficina-sol"])]
    name: str
    timezone: Annotated[str, Meta(examples=["America/Sao_Paulo"])]
    language: Language
    created_at: Instant
    suspended_at: Instant | None
    suspended_for: Annotated[str | None, Meta(description="Why it neither sends nor may use the API.")]


class NewBusiness(Struct, frozen=True, forbid_unknown_fields=True):
    slug: Annotated[str, Meta(pattern=f"^{SLUG}$", description="It never changes.", examples=["oficina-sol"])]
    name: Name
    timezone: TimeZone = "America/Sao_Paulo"
    language: Language = "pt-BR"
    owner: Annotated[Email | None, Meta(description="Whom to invite as its first owner.")] = None


class MadeBusiness(Struct, frozen=True):
    tenant: Business
    owner: Annotated[Invited | None, Meta(description="None when nobody was to be invited.")]


class BusinessChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays."""

    name: Name | UnsetType = UNSET
    timezone: TimeZone | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    suspended_for: (
        Annotated[str, Meta(min_length=1, max_length=500, description="Suspend it, why; null lets it go on.", examples=["unpaid"])]
        | UnsetType
        | None
    ) = UNSET


class After(Struct, frozen=True):
    tenant_id: int


LISTING = query("tenants.listing", Business)
SHOWN = query("tenants.shown", Business)
LOCK = query("tenants.lock_one", Business)
CHANGE = query("tenants.change", Nothing)


async def list_businesses(rt: Runtime, call: Call[Listing]) -> Page[Business]:
    behind = call.after(call.body, After)
    async with rt.db.session() as session:
        found = await session.all(LISTING, after=behind.tenant_id if behind else 0, most=call.body.limit + 1)
    return Page(*call.cut(call.body, found, lambda business: After(business.tenant_id)))


async def show_business(rt: Runtime, call: Call[Struct] | Call[BusinessChange]) -> Business:
    async with rt.db.session() as session:
        found = await session.one(SHOWN, slug=call.texts["slug"])
    if found is None:
        raise not_found()
    return found


async def make_business(rt: Runtime, call: Call[NewBusiness]) -> MadeBusiness:
    """A new business, perhaps with an invitation for its first owner. Raises Refused for a taken slug and an unknown time zone.

    The invitation is one like any other: who has an account already takes it up with the password that he has, so no operator gets
    into an account by it.
    """
    new, now, by, token = call.body, rt.now(), audit.actor(call), tokens.opaque("ato", rt.secret())
    given = {"slug": new.slug, "name": new.name, "timezone": new.timezone, "language": new.language}

    async def work(tx: Tx) -> MadeBusiness:
        tenant_id = await tenants.add(tx, rt.config.secret_keys, **given, now=now)
        owner = None
        async with tx.of(tenant_id) as there:
            await audit.add(there, rt.new_id(), now, by, "tenant_made", tenant_id, after=given)
            if new.owner is not None:
                account = await people.ensure(there, new.owner, rt.new_id(), now)
                owner = await write_invitation(there, account, "owner", token, rt.new_id(), now, by)
        made = await tx.one(SHOWN, slug=new.slug)
        assert made is not None
        return MadeBusiness(made, owner)

    return await once(rt, call, work)


async def change_business(rt: Runtime, call: Call[BusinessChange]) -> Business:
    """Change a business, suspend it, or let it go on. Raises Refused for a name of blanks and an unknown time zone; Problem for
    none of this slug, and a stale tag."""
    if call.body.suspended_for is not UNSET:
        call.check_fresh()
    found = await show_business(rt, call)

    async def work(tx: Tx) -> tuple[Business, Business]:
        before = await tx.one(LOCK, slug=call.texts["slug"])
        assert before is not None  # none is ever deleted
        call.check_tag(before)
        after = merge(before, call.body, rt.now())
        tenants.check(after.name, after.timezone, after.language)
        if after != before:
            await tx.run(
                CHANGE, name=after.name, timezone=after.timezone, language=after.language, suspended_at=after.suspended_at,
                suspended_for=after.suspended_for,
            )  # fmt: skip
            was, now_is = audit.difference(asdict(before), asdict(after))
            await audit.add(
                tx, rt.new_id(), rt.now(), audit.actor(call), _action(before, after), found.tenant_id, before=was, after=now_is
            )
        return before, after

    before, after = await rt.db.transact(found.tenant_id, work)
    if before.suspended_at is not None and after.suspended_at is None:
        await _wake(rt, found.tenant_id)
    return after


def merge(before: Business, change: BusinessChange, now: dt.datetime) -> Business:
    """The business with what is given in its place. One that is suspended already stays so since when it was."""
    given = {name: value for name, value in asdict(change).items() if value is not UNSET}
    after = replace(before, **given)
    suspended_at = None if after.suspended_for is None else before.suspended_at or now
    return replace(after, name=after.name.strip(), suspended_at=suspended_at)


def _action(before: Business, after: Business) -> str:
    if (before.suspended_at is None) == (after.suspended_at is None):
        return "tenant_changed"
    return "tenant_resumed" if after.suspended_at is None else "tenant_suspended"


async def _wake(rt: Runtime, tenant_id: int) -> None:
    """Have the senders look at what has waited."""
    async with rt.db.tenant(tenant_id) as tx:
        found = await tx.all(numbers.EVERYONE)
    for number in found:
        rt.bells.change_number(number.id)
    rt.bells.send.ring()


_REFUSES = {"tenant_name": 422, "tenant_timezone": 422}

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/tenants", "list_tenants", list_businesses, who=OPERATORS, scope="tenants:read", takes=Listing,
             gives=Page[Business], says="The businesses on this installation."),
    Endpoint("POST", "/v1/tenants", "make_tenant", make_business, who=OPERATORS, scope="tenants:write", takes=NewBusiness,
             gives=MadeBusiness, status=201, once=True, fresh=True, keys_too=True,
             refuses={**_REFUSES, "tenant_slug": 422, "tenant_exists": 409},
             says="Make a business, and invite its first owner. The one-time token is shown this once."),
    Endpoint("GET", "/v1/tenants/{slug}", "show_tenant", show_business, who=OPERATORS, scope="tenants:read", texts={"slug": SLUG},
             gives=Business, is_tagged=True, says="A business."),
    Endpoint("PATCH", "/v1/tenants/{slug}", "change_tenant", change_business, who=OPERATORS, scope="tenants:write",
             texts={"slug": SLUG}, takes=BusinessChange, gives=Business, is_tagged=True, fresh="sometimes", keys_too=True,
             refuses=_REFUSES,
             says="Change a business, suspend it, or let it go on. While it is suspended it sends nothing and its people and keys "
                  "are refused; what its customers write is kept."),
]  # fmt: skip
