"""Published flows: immutable versions, a pointer to the one that answers, and the compiled programs kept in memory."""

import datetime as dt
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from msgspec import Struct

from atendeja import feed
from atendeja.db import Nothing, Tx, query
from atendeja.errors import Refused
from atendeja.feed.shapes import Published
from atendeja.flow import check, document, engine
from atendeja.flow.engine import Program
from atendeja.flow.model import Flow

log = structlog.get_logger(__name__)


class Locked(Struct):
    id: UUID
    published_version_id: UUID | None


class Latest(Struct):
    id: UUID
    n: int
    sha256: str


class Definition(Struct):
    id: UUID
    definition: bytes


class Listed(Struct):
    key: str
    number_id: UUID | None
    n: int
    sha256: str
    published_at: dt.datetime
    author: str


INSERT_FLOW = query("flows.insert_flow", Nothing)
LOCK_FLOW = query("flows.lock_flow", Locked)
LATEST = query("flows.latest", Latest)
INSERT_VERSION = query("flows.insert_version", Nothing)
RETIRE = query("flows.retire", Nothing)
POINT = query("flows.point", Nothing)
DEFINITIONS = query("flows.definitions", Definition)
LISTING = query("flows.listing", Listed)


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
) -> Publication:
    """Make this flow the one that opens, as a new version; the same definition again changes nothing.

    Flow sessions that run keep their version. Raises Refused with every problem when the flow does not check.
    """
    if faults := [str(p) for p in check.check(flow) if p.severity == "error"]:
        raise Refused("flow_invalid", "\n".join([f"the flow {flow.key} cannot be published:", *faults]))
    sha256 = document.sha256(flow)
    await tx.run(INSERT_FLOW, id=new_id(), key=flow.key, number_id=number_id, created_at=now)
    row = await tx.one(LOCK_FLOW, key=flow.key, number_id=number_id)
    assert row is not None
    latest = await tx.one(LATEST, flow_id=row.id)
    if latest is not None and latest.sha256 == sha256 and row.published_version_id == latest.id:
        return Publication(latest.n, sha256, new=False)
    version_id, n = new_id(), (latest.n if latest else 0) + 1
    await tx.run(
        INSERT_VERSION,
        id=version_id,
        flow_id=row.id,
        n=n,
        spec=flow.spec,
        sha256=sha256,
        definition=document.canonical(flow),
        author=author,
        note=note,
        now=now,
    )
    await tx.run(RETIRE, flow_id=row.id, keep_id=version_id)
    await tx.run(POINT, flow_id=row.id, version_id=version_id)
    await feed.add(tx, new_id, now, [Published(version_id, flow.key, n, number_id)])
    return Publication(n, sha256, new=True)


class Programs:
    """Compiled versions. A version never changes, so what is compiled stays."""

    MOST = 1000

    def __init__(self) -> None:
        self._compiled: dict[UUID, Program] = {}

    async def load(self, tx: Tx, version_ids: Iterable[UUID]) -> dict[UUID, Program]:
        """The programs of these versions, of the transaction's tenant; one that this release cannot read is left out, with a
        line in the log, so that it stops its own sessions only."""
        wanted = set(version_ids)
        found = {id_: self._compiled[id_] for id_ in wanted if id_ in self._compiled}
        if missing := wanted - found.keys():
            for row in await tx.all(DEFINITIONS, ids=sorted(missing)):
                try:
                    found[row.id] = engine.compile(document.load(row.definition.decode(), str(row.id)), str(row.id))
                except Refused as error:
                    log.warning("flow_version_unreadable", flow_version_id=str(row.id), error=str(error))
            if len(self._compiled) + len(missing) > self.MOST:
                self._compiled.clear()
            self._compiled |= found
        return found
