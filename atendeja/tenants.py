"""Tenants: the businesses on this installation, each with a data key of its own."""

import datetime as dt
import secrets
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

from atendeja import vault
from atendeja.db import Nothing, Session, Tx, query
from atendeja.errors import Refused
from atendeja.rotation import Kept, Store

INSTALLATION = 0
"""What stands for a tenant where something is the installation's own."""
LANGUAGES = ("pt-BR", "en", "es")


class Tenant(Struct, frozen=True):
    id: int
    slug: str
    name: str
    timezone: str
    language: str
    data_key: bytes


class Added(Struct):
    id: int


INSERT = query("tenants.insert", Added)
BY_SLUG = query("tenants.by_slug", Tenant)
BY_IDS = query("tenants.by_ids", Tenant)
EVERYONE = query("tenants.everyone", Tenant)


async def add(tx: Tx, keys: list[bytes], *, slug: str, name: str, timezone: str, language: str, now: dt.datetime) -> int:
    """Write a new tenant and return its id. Raises Refused for a taken slug, an unknown time zone or language."""
    if not slug or len(slug) > 40 or not all(c in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in slug) or slug.startswith("-"):
        raise Refused("tenant_slug", f"the slug {slug!r} must be 1 to 40 of a–z, 0–9 and -, not starting with -")
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
    data_key = vault.seal(keys[0], secrets.token_bytes(vault.KEY_BYTES), _key_place(slug), secrets.token_bytes(vault.NONCE_BYTES))
    added = await tx.one(
        INSERT, slug=slug, name=name.strip(), timezone=timezone, language=language, data_key=data_key, created_at=now
    )
    if added is None:
        raise Refused("tenant_exists", f"a tenant with the slug {slug!r} exists already", hint="`atendeja tenant list` shows all")
    return added.id


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
