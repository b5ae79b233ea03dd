"""Tenants: the businesses on this installation, each with a data key of its own, and what each sets for itself.

Nobody keeps settings in memory: who needs them reads them in his own transaction, so a change holds everywhere from its COMMIT on.
"""

import datetime as dt
import secrets
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from atendeja import audit, vault
from atendeja.db import Nothing, Session, Tx, query
from atendeja.endpoint import HEADS, MEMBERS, Call, Endpoint
from atendeja.errors import Refused
from atendeja.rotation import Kept, Store
from atendeja.runtime import Runtime

INSTALLATION = 0
"""What stands for a tenant where something is the installation's own."""
Language = Literal["pt-BR", "en", "es"]
LANGUAGES: tuple[Language, ...] = ("pt-BR", "en", "es")

Name = Annotated[
    str, Meta(min_length=1, max_length=100, description="As customers know it: `business.name`.", examples=["Oficina Sol"])
]
TimeZone = Annotated[
    str, Meta(min_length=1, max_length=64, description="By its name in the tz database.", examples=["America/Sao_Paulo"])
]
Days = Annotated[int, Meta(ge=1, le=36500, examples=[365])]


class Tenant(Struct, frozen=True):
    id: int
    slug: str
    name: str
    timezone: str
    language: str
    data_key: bytes


class Settings(Struct, frozen=True):
    """What a business sets for itself."""

    name: str
    timezone: Annotated[str, Meta(examples=["America/Sao_Paulo"])]
    language: Language
    messages_kept_days: Annotated[int | None, Meta(description="Of what was sent; null: for ever.")]
    events_kept_days: Annotated[int | None, Meta(description="Of what customers wrote and what flows did; null: for ever.")]
    media_kept_days: Annotated[int | None, Meta(description="Of files; null: for ever.")]


class SettingsChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays. Days: null for ever."""

    name: Name | UnsetType = UNSET
    timezone: TimeZone | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    messages_kept_days: Days | UnsetType | None = UNSET
    events_kept_days: Days | UnsetType | None = UNSET
    media_kept_days: Days | UnsetType | None = UNSET


class Suspension(Struct, frozen=True):
    suspended_for: str


class Added(Struct):
    id: int


INSERT = query("tenants.insert", Added)
BY_SLUG = query("tenants.by_slug", Tenant)
BY_IDS = query("tenants.by_ids", Tenant)
EVERYONE = query("tenants.everyone", Tenant)
SETTINGS = query("tenants.settings", Settings)
SUSPENSION = query("tenants.suspension", Suspension)
LOCK_SETTINGS = query("tenants.lock_settings", Settings)
SAVE_SETTINGS = query("tenants.save_settings", Nothing)


async def add(tx: Tx, keys: list[bytes], *, slug: str, name: str, timezone: str, language: str, now: dt.datetime) -> int:
    """Write a new tenant and return its id. Raises Refused for a taken slug, an unknown time zone or language."""
    if not slug or len(slug) > 40 or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in slug) or slug.startswith("-"):
        raise Refused("tenant_slug", f"the slug {slug!r} must be 1 to 40 of a–z, 0–9 and -, not starting with -")
    check(name, timezone, language)
    data_key = vault.seal(keys[0], secrets.token_bytes(vault.KEY_BYTES), _key_place(slug), secrets.token_bytes(vault.NONCE_BYTES))
    added = await tx.one(
        INSERT, slug=slug, name=name.strip(), timezone=timezone, language=language, data_key=data_key, created_at=now
    )
    if added is None:
        raise Refused("tenant_exists", f"a tenant with the slug {slug!r} exists already", hint="`atendeja tenant list` shows all")
    return added.id


def check(name: str, timezone: str, language: str) -> None:
    """Raises Refused for what a tenant cannot be called, and an unknown time zone or language."""
    if not name.strip():
        raise Refused("tenant_name", "a tenant needs a name: customers see it as business.name")
    if language not in LANGUAGES:
        raise Refused("tenant_language", f"the language {language!r} is not one of {', '.join(LANGUAGES)}")
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(
            "tenant_timezone", f"the time zone {timezone!r} is not known", hint="use a name like America/Sao_Paulo"
        ) from error


async def find(session: Session, slug: str) -> Tenant:
    """The tenant of this slug. Raises Refused when there is none."""
    tenant = await session.one(BY_SLUG, slug=slug)
    if tenant is None:
        raise Refused(
            "tenant_unknown",
            f"there is no tenant {slug!r}",
            hint="`atendeja tenant list` shows all, `atendeja tenant add` makes one",
        )
    return tenant


def data_key(tenant: Tenant, keys: list[bytes]) -> bytes:
    """The key that this tenant's secrets are sealed with."""
    return vault.unseal(keys, tenant.data_key, _key_place(tenant.slug))


KEYS = Store(
    "the data key of tenant",
    query("tenants.kept_keys", Kept),
    query("tenants.renew_keys", Nothing),
    start=0,
    where=lambda row: _key_place(row.name),
)


def _key_place(slug: str) -> bytes:
    return vault.place(slug, "tenant", "data_key", slug)


async def is_suspended(tx: Tx) -> bool:
    """Whether an operator lets the transaction's tenant neither send nor ask."""
    return await tx.one(SUSPENSION) is not None


# ── what a business sets itself ──────────────────────────────────────────────────────────────────────────────────────────


async def load_settings(tx: Tx) -> Settings:
    """Of the transaction's tenant, as they are now."""
    found = await tx.one(SETTINGS)
    assert found is not None
    return found


def merge(before: Settings, change: SettingsChange) -> Settings:
    """The settings with what is given in their place."""
    given = {name: value for name, value in asdict(change).items() if value is not UNSET}
    if isinstance(name := given.get("name"), str):
        given["name"] = name.strip()
    return replace(before, **given)


async def show_settings(rt: Runtime, call: Call[Struct]) -> Settings:
    async with rt.db.tenant(call.tenant_id) as tx:
        return await load_settings(tx)


async def change_settings(rt: Runtime, call: Call[SettingsChange]) -> Settings:
    """Raises Refused for a name of blanks and an unknown time zone; Problem for a stale tag."""

    async def work(tx: Tx) -> Settings:
        before = await tx.one(LOCK_SETTINGS)
        assert before is not None
        call.check_tag(before)
        after = merge(before, call.body)
        check(after.name, after.timezone, after.language)
        if after != before:
            await tx.run(SAVE_SETTINGS, **asdict(after))
            was, now_is = audit.difference(asdict(before), asdict(after))
            by, at = audit.actor(call), rt.now()
            await audit.add(tx, rt.new_id(), at, by, "settings_changed", tx.tenant_id, before=was, after=now_is)
        return after

    return await rt.db.transact(call.tenant_id, work)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/settings", "show_settings", show_settings, who=MEMBERS,
             scope="settings:read", gives=Settings, is_tagged=True, says="What this business sets for itself."),
    Endpoint("PATCH", "/v1/settings", "change_settings", change_settings, who=HEADS, scope="settings:write",
             takes=SettingsChange, gives=Settings, is_tagged=True, refuses={"tenant_name": 422, "tenant_timezone": 422},
             says="Change what this business sets for itself. It holds from the answer on."),
]  # fmt: skip
