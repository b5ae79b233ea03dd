"""What an endpoint is: where, who may, what it takes, gives and refuses. And the table of who may what, made of all of them."""

import datetime as dt
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from msgspec import Meta, Struct

from atendeja.endpoint.idempotency import Request
from atendeja.endpoint.pages import Cursors, Listing, check_tag
from atendeja.endpoint.problems import Problem
from atendeja.endpoint.reading import MAX_BODY_BYTES, Stream

R = TypeVar("R")
B = TypeVar("B")
T = TypeVar("T")
A = TypeVar("A", bound=Struct)

Method = Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
Role = Literal["owner", "admin", "agent", "viewer", "operator"]
"""Of a person: in a business, or (operator) in the installation itself, whose tenant id is 0."""
Scope = str
"""What an API key may be given: `users:read`."""

Instant = Annotated[dt.datetime, Meta(tz=True)]
"""A time in what is taken and given: with its zone, as RFC 3339 has it."""

FRESH = dt.timedelta(minutes=10)
"""How long a proof of who somebody is counts for what is sensitive."""

HEADS: frozenset[Role] = frozenset({"owner", "admin"})
"""Of a business: they decide how it is."""
AGENTS: frozenset[Role] = HEADS | {"agent"}
"""Who deals with its customers."""
MEMBERS: frozenset[Role] = AGENTS | {"viewer"}
"""Everybody of a business."""
OPERATORS: frozenset[Role] = frozenset({"operator"})
"""Of the installation itself."""
PEOPLE: frozenset[Role] = MEMBERS | OPERATORS
"""Every person who has signed in."""


class Caller(Struct, frozen=True):
    """Who asks, as the Authorization header proved: a person, or a key of a business."""

    tenant_id: int
    role: Role | None = None
    """A person's. A key has none: it has scopes."""
    account_id: UUID | None = None
    sign_in_id: UUID | None = None
    proved_at: dt.datetime | None = None
    """When this sign-in last proved who it is, by the password and the second factor where there is one."""
    key_id: UUID | None = None
    scopes: frozenset[Scope] = frozenset()
    is_suspended: bool = False
    """His business is, by an operator."""

    @property
    def id(self) -> UUID | None:
        """Of the person or the key."""
        return self.account_id or self.key_id


@dataclass(frozen=True, kw_only=True)
class Call(Generic[B]):
    """One request, read and let in."""

    body: B
    """What the endpoint takes: from the body, of a GET from the query string."""
    caller: Caller | None
    """None where anybody may ask: `by` is for all the others."""
    ids: Mapping[str, UUID]
    """The UUIDs in the path."""
    texts: Mapping[str, str]
    """What else is named in the path, as it is written there."""
    request_id: UUID
    address: str
    """From where."""
    access: "Access"
    cursors: Cursors
    place: str
    """Of this list, for its cursors."""
    if_match: str | None
    last_event_id: str | None = None
    """Where a client was in a stream that it comes back to."""
    request: Request | None
    """It came with an Idempotency-Key: see `once`."""
    sent: Stream | None
    """Its body, where the endpoint reads that itself: see `stream`."""
    now: dt.datetime
    """When it was let in."""

    @property
    def by(self) -> Caller:
        """Who asks."""
        if self.caller is None:
            raise TypeError("anybody may ask here")
        return self.caller

    @property
    def role(self) -> Role:
        """Of the person who asks, where no key may."""
        if self.by.role is None:
            raise TypeError("a key has no role")
        return self.by.role

    @property
    def stream(self) -> Stream:
        """The body, of an endpoint that `streams`."""
        if self.sent is None:
            raise TypeError("the body has been read")
        return self.sent

    @property
    def tenant_id(self) -> int:
        """Whose things this is about."""
        return self.by.tenant_id

    def after(self, listing: Listing, kind: type[A]) -> A | None:
        """Behind which row the page begins; None for the first. Raises Problem 400."""
        return None if listing.cursor is None else self.cursors.read(self.place, listing.cursor, kind)

    def cut(self, listing: Listing, found: list[T], after: Callable[[T], Struct]) -> tuple[list[T], str | None]:
        """One page of what was found with one row more than the limit, and the cursor of the next; `after` gives a row's place."""
        items = found[: listing.limit]
        return items, self.cursors.write(self.place, after(items[-1])) if len(found) > len(items) else None

    def check_fresh(self) -> None:
        """Whether the person who asks has proved lately who he is; a key was let in by its scope. Raises Problem 403."""
        check_fresh(self.by, self.now)

    def check_tag(self, current: object) -> None:
        """Whether the client has seen what is there now. Raises Problem 412."""
        check_tag(self.if_match, current)


@dataclass(frozen=True)
class Endpoint(Generic[R]):
    method: Method
    path: str
    """Names in braces are ids: `/v1/users/{id}`. Each is a UUID, unless `texts` has it."""
    operation: str
    """OpenAPI's operationId, and the log's word."""
    run: Callable[[R, Call[Any]], Awaitable[object]]  # Any: each takes a body of its own, which `takes` names
    who: frozenset[Role] | None = field(kw_only=True)
    """People of these roles; None for anybody at all."""
    scope: Scope | None = field(kw_only=True, default=None)
    """What a key needs; without one no key may."""
    takes: type[Struct] | None = field(kw_only=True, default=None)
    gives: Any = field(kw_only=True, default=None)  # Any: a struct, or one of a generic one
    """None: 204 without a body. `File`: not JSON, but a file as it is."""
    status: Literal[200, 201] = field(kw_only=True, default=200)
    refuses: Mapping[str, int] = field(kw_only=True, default_factory=dict)
    """The codes of its own that it may refuse with (`Refused`) → status."""
    is_tagged: bool = field(kw_only=True, default=False)
    """Whether what it gives comes with an ETag."""
    texts: Mapping[str, str] = field(kw_only=True, default_factory=dict)
    """Names in the path that are no UUIDs → the pattern of all that may stand there; anything else is not found."""
    asks: bool = field(kw_only=True, default=False)
    """Whether it waits for others than the database, whose places it must not keep meanwhile."""
    when_suspended: bool = field(kw_only=True, default=False)
    """Whether it is done also for who is of a suspended business."""
    fresh: bool | Literal["sometimes"] = field(kw_only=True, default=False)
    """Whether the person must have proved within FRESH who he is, so that a token or a screen that was left is not enough;
    `sometimes` when the endpoint itself sees whether (`Call.check_fresh`)."""
    keys_too: bool = field(kw_only=True, default=False)
    """Of a fresh one with a scope: that a key, which can prove nothing, may do it all the same. It has to be said."""
    tells: tuple[type[Struct], ...] = field(kw_only=True, default=())
    """What happens in the stream of an endpoint that returns one (`streaming.Source`) instead of what it gives."""
    once: bool = field(kw_only=True, default=False)
    """Whether it takes an Idempotency-Key: then all that it changes goes through `once`."""
    streams: bool = field(kw_only=True, default=False)
    """Whether its body is no JSON but a file, of which the endpoint reads the bytes as they come (`Call.stream`)."""
    most_bytes: int = field(kw_only=True, default=MAX_BODY_BYTES)
    """Of its body."""
    says: str = field(kw_only=True)
    """What it does, in a line."""

    def __post_init__(self) -> None:
        if self.keys_too != (self.fresh is not False and self.scope is not None):
            raise TypeError(f"{self.operation}: say `keys_too` exactly if it is fresh and has a scope all the same")

    @property
    def has_body(self) -> bool:
        """Whether what it takes is in the body, and not in the query string."""
        return self.method not in ("GET", "DELETE") and not self.streams

    @property
    def names(self) -> list[str]:
        """Of all ids in the path."""
        return re.findall(r"{(\w+)}", self.path)


def check_fresh(caller: Caller, now: dt.datetime) -> None:
    """Whether this person has proved lately who he is. A key can prove nothing, and is not asked to. Raises Problem 403."""
    if caller.role is not None and (caller.proved_at is None or now - caller.proved_at > FRESH):
        hint = "POST /v1/auth/confirm with your password, and then this again"
        raise Problem(403, "sign_in_again", f"this wants that you have proved within ten minutes who you are: {hint}")


class Access:
    """Who may what: the one table, made of the declarations. What is not in it is forbidden."""

    def __init__(self, endpoints: Iterable[Endpoint[Any]]) -> None:  # Any: whatever they run on
        self._endpoints = list(endpoints)

    def allows(self, caller: Caller, endpoint: Endpoint[Any]) -> bool:  # Any: as above
        if endpoint.who is None:
            return True
        return caller.role in endpoint.who if caller.role is not None else endpoint.scope in caller.scopes

    def grantable(self, role: Role) -> frozenset[Scope]:
        """The scopes that somebody of this role may give to a key: those all of whose endpoints he may call himself."""
        roles: dict[Scope, frozenset[Role]] = {}
        for endpoint in self._endpoints:
            if endpoint.scope is not None and endpoint.who is not None:
                roles[endpoint.scope] = roles.get(endpoint.scope, PEOPLE) & endpoint.who
        return frozenset(scope for scope, may in roles.items() if role in may)
