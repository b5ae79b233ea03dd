"""The compiled programs of versions, kept in memory."""

from collections.abc import Iterable
from uuid import UUID

import structlog
from msgspec import Struct

from atendeja.db import Tx, query
from atendeja.errors import Refused
from atendeja.flow import document, engine
from atendeja.flow.engine import Program

log = structlog.get_logger(__name__)


class Definition(Struct, frozen=True):
    id: UUID
    definition: bytes


DEFINITIONS = query("flows.definitions", Definition)


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
                    found[row.id] = engine.compile(document.stored(row.definition, str(row.id)), str(row.id))
                except Refused as error:
                    log.warning("flow_version_unreadable", flow_version_id=str(row.id), error=str(error))
            if len(self._compiled) + len(missing) > self.MOST:
                self._compiled.clear()
            self._compiled |= found
        return found
