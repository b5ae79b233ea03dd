"""Versions of flows: one draft that changes, published ones that never do, and a pointer to the one that answers."""

import datetime as dt
from collections.abc import Callable
from typing import Literal
from uuid import UUID

from msgspec import Struct

from atendeja import feed
from atendeja.db import Nothing, Tx, query
from atendeja.errors import Refused, Unavailable
from atendeja.feed.shapes import Published
from atendeja.flow import check, document
from atendeja.flow.model import Flow

Status = Literal["draft", "published", "retired"]


class FlowRow(Struct, frozen=True):
    id: UUID
    key: str
    number_id: UUID | None
    published_version_id: UUID | None
    created_at: dt.datetime


class VersionRow(Struct, frozen=True):
    id: UUID
    flow_id: UUID
    n: int
    status: Status
    spec: int
    sha256: str
    author: str
    note: str | None
    errors: int
    warnings: int
    created_at: dt.datetime
    """Of a draft: when it was saved last."""
    published_at: dt.datetime | None


class Written(Struct, frozen=True):
    source: str | None
    definition: bytes


class Number(Struct, frozen=True):
    n: int


class Listed(Struct, frozen=True):
    key: str
    number_id: UUID | None
    n: int
    sha256: str
    published_at: dt.datetime
    author: str


INSERT_FLOW = query("flows.insert_flow", Nothing)
COUNT = query("flows.count", Number)
LOCK = query("flows.lock", FlowRow)
LOCK_NAMED = query("flows.lock_named", FlowRow)
ONE = query("flows.one", FlowRow)
PAGE = query("flows.page", FlowRow)
MOVE = query("flows.move", Nothing)
POINT = query("flows.point", Nothing)
DROP_EMPTY = query("flows.drop_empty", Nothing)
LATEST = query("flows.latest", Number)
INSERT_VERSION = query("flows.insert_version", Nothing)
SAVE_DRAFT = query("flows.save_draft", Nothing)
DROP_DRAFT = query("flows.drop_draft", Nothing)
PROMOTE = query("flows.promote", Nothing)
RETIRE = query("flows.retire", Nothing)
CURRENT = query("flows.current", VersionRow)
VERSION = query("flows.version", VersionRow)
VERSIONS = query("flows.versions", VersionRow)
TEXT = query("flows.text", Written)
LISTING = query("flows.listing", Listed)


class Writing(Struct, frozen=True):
    """What somebody wrote, read."""

    spec: int
    sha256: str
    definition: bytes
    source: str | None
    errors: int
    warnings: int


class Publication(Struct, frozen=True):
    """What `publish` did: the version that answers now, and whether it is a new one."""

    n: int
    sha256: str
    new: bool


async def publish(
    tx: Tx,
    flow: Flow,
    *,
    number_id: UUID | None,
    author: str,
    now: dt.datetime,
    new_id: Callable[[], UUID],
    note: str | None = None,
    source: str | None = None,
) -> Publication:
    """Make this flow the one that opens, as a new version; the same definition again changes nothing.

    Flow sessions that run keep their version. Raises Refused with every problem when the flow does not check.
    """
    problems = check.check(flow)
    if faults := [str(p) for p in problems if p.severity == "error"]:
        raise Refused("flow_invalid", "\n".join([f"the flow {flow.key} cannot be published:", *faults]))
    sha256 = document.sha256(flow)
    await tx.run(INSERT_FLOW, id=new_id(), key=flow.key, number_id=number_id, created_at=now)
    row = await tx.one(LOCK_NAMED, key=flow.key, number_id=number_id)
    if row is None:
        raise Unavailable("somebody has just dropped this flow")
    published, _ = await current(tx, row.id)
    if published is not None and published.sha256 == sha256:
        return Publication(published.n, sha256, new=False)
    writing = Writing(flow.spec, sha256, document.canonical(flow), source, 0, len(problems))
    version_id = new_id()
    await tx.run(RETIRE, flow_id=row.id)
    n = await add(tx, row.id, version_id, "published", writing, author=author, note=note, now=now)
    await tx.run(POINT, flow_id=row.id, version_id=version_id)
    await feed.add(tx, new_id, now, [Published(version_id, flow.key, n, number_id)])
    return Publication(n, sha256, new=True)


async def current(tx: Tx, flow_id: UUID) -> tuple[VersionRow | None, VersionRow | None]:
    """The version that answers, and the draft."""
    found = {row.status: row for row in await tx.all(CURRENT, flow_ids=[flow_id])}
    return found.get("published"), found.get("draft")


async def add(
    tx: Tx,
    flow_id: UUID,
    new_id: UUID,
    status: Literal["draft", "published"],
    writing: Writing,
    *,
    author: str,
    note: str | None,
    now: dt.datetime,
) -> int:
    """A new version of a flow whose row is locked, and its number."""
    latest = await tx.one(LATEST, flow_id=flow_id)
    assert latest is not None
    await tx.run(
        INSERT_VERSION, id=new_id, flow_id=flow_id, n=latest.n + 1, status=status, author=author, note=note, now=now,
        **_columns(writing),
    )  # fmt: skip
    return latest.n + 1


async def change(tx: Tx, draft_id: UUID, writing: Writing, *, author: str, note: str | None, now: dt.datetime) -> None:
    """Have a draft say something else."""
    await tx.run(SAVE_DRAFT, id=draft_id, author=author, note=note, now=now, **_columns(writing))


async def point(tx: Tx, flow_id: UUID, version: VersionRow, warnings: int, now: dt.datetime) -> None:
    """Have this version answer: the draft, or one that has answered before. Flow sessions that run keep theirs."""
    await tx.run(RETIRE, flow_id=flow_id)
    await tx.run(PROMOTE, id=version.id, warnings=warnings, now=now)
    await tx.run(POINT, flow_id=flow_id, version_id=version.id)


async def silence(tx: Tx, flow_id: UUID) -> None:
    """Have the flow open no more."""
    await tx.run(RETIRE, flow_id=flow_id)
    await tx.run(POINT, flow_id=flow_id, version_id=None)


def _columns(writing: Writing) -> dict[str, object]:
    return {name: getattr(writing, name) for name in writing.__struct_fields__}
