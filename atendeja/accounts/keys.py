"""Keys of programs: shown once, kept as a hash, for some scopes and perhaps for a time. People make them; a key makes none.

A key goes with its maker: when he is put out, or may make keys no more. Else who is put out would have kept a way in. One of an
operator is the installation's, and rests while he is none.
"""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from atendeja import audit
from atendeja.accounts import tokens
from atendeja.audit import Actor
from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import FIRST, HEADS, OPERATORS, ById, Call, Endpoint, Instant, Listing, Page, Problem, not_found, once
from atendeja.errors import Refused
from atendeja.runtime import Runtime
from atendeja.tenants import INSTALLATION

TOUCH = dt.timedelta(minutes=1)
"""How often its use is written down, at most."""
LONGEST = dt.timedelta(days=3653)
START_CHARS = 8
MAKERS = HEADS | OPERATORS


class Key(Struct, frozen=True):
    """A key without the secret."""

    id: UUID
    name: str
    start: Annotated[str, Meta(description="How it begins, to know it by.", examples=["atj_k3Zq"])]
    scopes: list[str]
    created_by: Annotated[UUID, Meta(description="The user.")]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Annotated[Instant | None, Meta(description="To the minute.")]


class NewKey(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100, examples=["ERP da loja"])]
    scopes: Annotated[list[str], Meta(min_length=1, max_length=50, examples=[["users:read"]])]
    expires_at: Instant | None = None


class MadeKey(Struct, frozen=True):
    key: Key
    secret: Annotated[str, Meta(description="For `Authorization: Bearer`. It is shown this once.")]


class KeyRoute(Struct, frozen=True):
    tenant_id: int
    key_id: UUID


ADD = query("accounts.add_key", Nothing)
ADD_ROUTE = query("accounts.add_key_route", Nothing)
ROUTE = query("accounts.key_route", KeyRoute)
KEYS = query("accounts.keys", Key)
KEY = query("accounts.key", Key)
USABLE = query("accounts.usable_key", Key)
HOLD_ROLE = query("accounts.hold_role", Nothing)
HOLD_OPERATOR = query("accounts.hold_operator", Nothing)
DROP_OF = query("accounts.drop_keys_of", Key)
TOUCHED = query("accounts.touch_key", Nothing)
DROP = query("accounts.drop_key", Nothing)
DROP_ROUTE = query("accounts.drop_key_route", Nothing)


def problems(new: NewKey, grantable: frozenset[str], now: dt.datetime) -> str | None:
    """Why such a key is not made; None when it may be."""
    if beyond := sorted(set(new.scopes) - grantable):
        return f"you cannot grant {', '.join(beyond)}; you can: {', '.join(sorted(grantable)) or 'nothing'}"
    if new.expires_at is not None and not now < new.expires_at < now + LONGEST:
        return "its end must be in the ten years from now on"
    return None


async def list_keys(rt: Runtime, call: Call[Listing]) -> Page[Key]:
    after = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(KEYS, after=after.id if after else FIRST, most=call.body.limit + 1)
    return Page(*call.cut(call.body, found, lambda key: ById(key.id)))


async def make_key(rt: Runtime, call: Call[NewKey]) -> MadeKey:
    """A new key. Raises Refused for scopes that the caller cannot grant, and for a time that is over."""
    new, now, secret = call.body, rt.now(), tokens.opaque("atj", rt.secret())
    if (why := problems(new, call.access.grantable(call.role), now)) is not None:
        raise Refused("key_refused", why)
    key_id, by = rt.new_id(), call.by.account_id

    async def work(tx: Tx) -> MadeKey:
        if not await _hold_role(tx, by):
            raise Problem(403, "forbidden", "you may not do this any more")
        await tx.run(
            ADD, id=key_id, name=new.name, start=secret[:START_CHARS], scopes=sorted(set(new.scopes)), created_by=by, now=now,
            expires_at=new.expires_at,
        )  # fmt: skip
        await tx.run(ADD_ROUTE, sha256=tokens.digest(secret), key_id=key_id)
        key = await tx.one(KEY, id=key_id)
        assert key is not None
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "key_made", key_id, after=_tell(key))
        return MadeKey(key, secret)

    return await once(rt, call, work)


async def _hold_role(tx: Tx, account_id: UUID | None) -> bool:
    """Whether this person may make keys here; he may until this transaction has ended."""
    if tx.tenant_id == INSTALLATION:
        return bool(await tx.run(HOLD_OPERATOR, account_id=account_id))
    return bool(await tx.run(HOLD_ROLE, account_id=account_id, roles=sorted(HEADS)))


async def drop_key(rt: Runtime, call: Call[Struct]) -> None:
    """Have a key hold no more, in every process within 5 s."""
    async with rt.db.tenant(call.tenant_id) as tx:
        key = await tx.one(KEY, id=call.ids["id"])
        if key is None or not await tx.run(DROP, id=key.id):
            raise not_found()
        await tx.run(DROP_ROUTE, key_id=key.id)
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "key_dropped", key.id, before=_tell(key))


async def drop_of(tx: Tx, rt: Runtime, maker: UUID, by: Actor) -> None:
    """Have no key hold any more that somebody has made here."""
    for key in await tx.all(DROP_OF, account_id=maker):
        await tx.run(DROP_ROUTE, key_id=key.id)
        await audit.add(tx, rt.new_id(), rt.now(), by, "key_dropped", key.id, before=_tell(key))


def _tell(key: Key) -> dict[str, object]:
    return {"name": key.name, "scopes": key.scopes, "expires_at": key.expires_at}


async def use(tx: Tx, key_id: UUID, now: dt.datetime) -> Key | None:
    """The key as long as it holds; that it was used is written down."""
    key = await tx.one(USABLE, id=key_id)
    if key is None or (key.expires_at is not None and key.expires_at <= now):
        return None
    if key.last_used_at is None or key.last_used_at <= now - TOUCH:
        await tx.run(TOUCHED, id=key_id, now=now, before=now - TOUCH)
    return key


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/keys", "list_keys", list_keys, who=MAKERS, takes=Listing, gives=Page[Key],
             says="The keys of this business, or of the installation, without their secrets."),
    Endpoint("POST", "/v1/keys", "make_key", make_key, who=MAKERS, fresh=True, takes=NewKey, gives=MadeKey, status=201, once=True,
             refuses={"key_refused": 422}, says="Make a key for a program. Its secret is shown this once."),
    Endpoint("DELETE", "/v1/keys/{id}", "drop_key", drop_key, who=MAKERS, says="Have a key hold no more."),
]  # fmt: skip
