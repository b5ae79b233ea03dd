"""The audit log: every change that somebody made to a business's things, written with the change itself and never changed again.

`before` and `after` hold what is different, and no secret, no customer's words and no telephone number. What operators do is in a
log of its own, of tenant 0, the installation.

The server's role can only add to it. Against who has more than that, the lines of a tenant are a chain: each carries a SHA-256 over
the hash of the line before and all of its own, so that `verify` names the first line that was changed, taken out, put in or moved.
Who can write all of the chain anew, or cut off its end together with the head, is found out only by who has kept a line's hash
elsewhere (`expected`): every listing shows them. Refused: a MAC under SECRET_KEY, which whoever rewrites the table on this machine
has too; one chain for all tenants, at whose end every change of the installation would wait.

The end of a chain is locked as the last thing in a transaction, whatever was called before (`tx.last`): whoever waits for it holds
all that he needs, so nobody waits for him in a circle, and it is held for two statements and a commit.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from atendeja.db import Database, Nothing, Tx, query
from atendeja.endpoint import HEADS, LAST, OPERATORS, ById, Call, Endpoint, Instant, Listing, Page
from atendeja.errors import Refused
from atendeja.runtime import Runtime

AT_ONCE = 1000
"""Lines read at once when all are."""


class Actor(Struct, frozen=True):
    """Who did it, and from where; nobody in particular is a command on the machine itself."""

    account_id: UUID | None = None
    key_id: UUID | None = None
    address: str | None = None
    request_id: UUID | None = None


COMMAND = Actor()


class Head(Struct, frozen=True):
    """A line's place and hash, which stand for it and for all lines before."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


ORIGIN = Head(0, bytes(32))
"""Before the first line."""


class Held(Struct, frozen=True):
    number: int
    hash: bytes
    before: bytes | None
    after: bytes | None


class Line(Struct, frozen=True):
    number: int | None
    """None from before there was a chain."""
    hash: bytes | None
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

    number: Annotated[int | None, Meta(description="Its place in the chain of changes; none from before there was one.")]
    hash: Annotated[
        str | None,
        Meta(
            description="SHA-256 over the line before and this one. Keep one, and nothing before it can be changed unnoticed.",
            examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ]
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


class Count(Struct, frozen=True):
    count: int


class Verdict(Struct, frozen=True):
    """What is to be said of a tenant's chain."""

    head: Head
    """The last line that fits."""
    unchained: int
    """Lines from before there was a chain, of which it says nothing."""
    fault: str | None
    """What is the matter with the first line that does not fit; None when all do."""


HOLD_HEAD = query("audit.hold_head", Held)
ADD = query("audit.add", Nothing)
NEWEST = query("audit.newest", Line)
HEAD = query("audit.head", Head)
CHAINED = query("audit.chained", Line)
UNCHAINED = query("audit.unchained", Count)


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
    who = (by.account_id, by.key_id, action, str(subject))
    tenant_id = tx.tenant_id

    async def write() -> None:
        held = await tx.one(HOLD_HEAD, origin=ORIGIN.hash, before=before, after=after)
        assert held is not None
        line = Line(held.number + 1, None, new_id, now, *who, held.before, held.after, by.address, by.request_id)
        line = replace(line, hash=digest(tenant_id, held.hash, line))
        await tx.run(ADD, **msgspec.structs.asdict(line))

    tx.last(write)


def digest(tenant_id: int, before: bytes, line: Line) -> bytes:
    """The hash of a line that follows the one with the hash `before`: over a JSON array of that, whose it is, and all that it says.

    `before` and `after` of the line are hashed as the database writes them.
    """
    told = [Raw(b"null" if text is None else text) for text in (line.before, line.after)]
    said = (line.id, line.at.astimezone(dt.UTC), line.account_id, line.key_id, line.action, line.subject, *told, line.address)
    return hashlib.sha256(msgspec.json.encode((1, before.hex(), tenant_id, line.number, *said, line.request_id))).digest()


def find_fault(tenant_id: int, before: Head, line: Line) -> str | None:
    """Why this cannot be the line after `before`; None when it is."""
    if line.number != before.number + 1:
        return f"line {before.number + 1} is missing"
    if line.hash != digest(tenant_id, before.hash, line):
        blame = f", or line {before.number}," if before.number else ""
        return f"line {line.number} ({line.id}, {line.action}) does not fit: it{blame} is not what was written"
    return None


def parse_head(text: str) -> Head:
    """`17:9f86…`, as `verify` shows it. Raises Refused."""
    if (match := re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)) is None:
        raise Refused("audit_expected", f"{text!r} is not NUMBER:HASH as `atendeja audit verify` shows it")
    return Head(int(match[1]), bytes.fromhex(match[2]))


async def verify(db: Database, tenant_id: int, expected: Sequence[Head] = ()) -> Verdict:
    """Read the whole chain of a tenant. `expected` are lines whose hash was kept elsewhere. Locks nothing."""
    async with db.tenant(tenant_id) as tx:
        unchained, least = await tx.one(UNCHAINED), await tx.one(HEAD)
    wanted = {head.number: head for head in (least or ORIGIN, *expected)}
    head, fault = ORIGIN, None
    while fault is None:
        async with db.tenant(tenant_id) as tx:
            lines = await tx.all(CHAINED, after=head.number, most=AT_ONCE)
        if not lines:
            break
        head, fault = follow(tenant_id, head, lines, wanted)
    if fault is None:
        async with db.tenant(tenant_id) as tx:
            most = await tx.one(HEAD)
        if head.number < max(wanted):
            fault = f"line {head.number + 1} is missing"
        elif head.number > (most or ORIGIN).number:
            fault = f"line {head.number} is beyond the end of the chain"
    return Verdict(head, unchained.count if unchained else 0, fault)


def follow(tenant_id: int, head: Head, lines: Iterable[Line], wanted: Mapping[int, Head]) -> tuple[Head, str | None]:
    """The last of these lines that fits behind `head` and is what is wanted of its number; and what is wrong with the next."""
    for line in lines:
        if (fault := find_fault(tenant_id, head, line)) is not None:
            return head, fault
        found = Head(head.number + 1, line.hash or b"")
        if wanted.get(found.number, found) != found:
            return head, f"line {found.number} ({line.id}, {line.action}) is not the one that was expected"
        head = found
    return head, None


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """What was and what is since, of what is different."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


async def list_changes(rt: Runtime, call: Call[Listing]) -> Page[Change]:
    """The newest first."""
    behind = call.after(call.body, ById)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(NEWEST, before_id=behind.id if behind else LAST, most=call.body.limit + 1)
    lines, following = call.cut(call.body, found, lambda line: ById(line.id))
    return Page([_show(line) for line in lines], following)


def _show(line: Line) -> Change:
    before, after = (Raw(b"null" if told is None else told) for told in (line.before, line.after))
    return Change(
        line.number, line.hash.hex() if line.hash else None, line.id, line.at, line.account_id, line.key_id, line.action,
        line.subject, before, after, line.address, line.request_id,
    )  # fmt: skip


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/audit", "list_changes", list_changes, who=HEADS | OPERATORS, scope="audit:read",
             takes=Listing, gives=Page[Change],
             says="What was changed, by whom and from where, the newest first; for an operator, in the installation itself."),
]  # fmt: skip
