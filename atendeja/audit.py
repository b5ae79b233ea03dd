"""The audit log: every change that somebody made to a business's things, written with the change itself and never changed again.

`before` and `after` hold what is different, and no secret, no customer's words and no telephone number.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Raw, Struct

from atendeja.db import Nothing, Tx, query
from atendeja.endpoint import Call, Endpoint, Instant, Listing, Page
from atendeja.runtime import Runtime

LAST = UUID(int=2**128 - 1)


class Actor(Struct, frozen=True):
    """Who did it, and from where; nobody in particular is a command on the machine itself."""

    account_id: UUID | None = None
    key_id: UUID | None = None
    address: str | None = None
    request_id: UUID | None = None


COMMAND = Actor()


class Line(Struct, frozen=True):
    id: UUID
    at: dt.datetime
    account_id: UUID | None
    key_id: UUID | None
    action: str
    subject: str
    before: bytes | None
    after: bytes | None
    address: str | None
    request_id: UUID | None


class Change(Struct, frozen=True):
    """Something that was changed. Neither a user nor a key: by a command on the machine itself."""

    id: UUID
    at: Instant
    user_id: UUID | None
    key_id: UUID | None
    action: Annotated[str, Meta(examples=["user_changed"])]
    subject: Annotated[str, Meta(description="The id of what was changed.")]
    before: Annotated[Raw, Meta(description="What was, as far as it is different.", examples=[{"role": "agent"}])]
    after: Annotated[Raw, Meta(description="What is since.", examples=[{"role": "admin"}])]
    address: Annotated[str | None, Meta(description="From where.", examples=["203.0.113.7"])]
    request_id: UUID | None


class Before(Struct, frozen=True):
    id: UUID


ADD = query("audit.add", Nothing)
NEWEST = query("audit.newest", Line)


def actor(call: Call[Any]) -> Actor:  # Any: whatever it takes
    """Who asks for a change."""
    return Actor(call.by.account_id, call.by.key_id, call.address, call.request_id)


async def add(
    tx: Tx,
    new_id: UUID,
    now: dt.datetime,
    by: Actor,
    action: str,
    subject: object,
    *,
    before: object = None,
    after: object = None,
) -> None:
    """Write down a change, in its own transaction. `action` is in the past tense: `user_joined`."""
    await tx.run(
        ADD, id=new_id, at=now, account_id=by.account_id, key_id=by.key_id, action=action, subject=str(subject), before=before,
        after=after, address=by.address, request_id=by.request_id,
    )  # fmt: skip


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """What was and what is since, of what is different."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


async def list_changes(rt: Runtime, call: Call[Listing]) -> Page[Change]:
    """The newest first."""
    behind = call.after(call.body, Before)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(NEWEST, before_id=behind.id if behind else LAST, most=call.body.limit + 1)
    lines, following = call.cut(call.body, found, lambda line: Before(line.id))
    return Page([_show(line) for line in lines], following)


def _show(line: Line) -> Change:
    before, after = (Raw(b"null" if told is None else told) for told in (line.before, line.after))
    return Change(
        line.id, line.at, line.account_id, line.key_id, line.action, line.subject, before, after, line.address, line.request_id
    )


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/audit", "list_changes", list_changes, who=frozenset({"owner", "admin"}), scope="audit:read", takes=Listing,
             gives=Page[Change], says="What was changed, by whom and from where, the newest first."),
]  # fmt: skip
