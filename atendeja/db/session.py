"""A connection on which statements run: each on its own, or inside a transaction."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

import asyncpg

from atendeja.db.statements import Query

R = TypeVar("R")


class Session:
    """A connection on which statements run: inside a transaction (`Tx`) or each on its own."""

    def __init__(self, connection: asyncpg.Connection, fixed: dict[str, object]) -> None:
        self._connection = connection
        self._fixed = fixed

    def _arguments(self, statement: Query[R], given: dict[str, object]) -> list[object]:
        if self._fixed and "tenant_id" in statement.params:
            given = given | self._fixed
        return statement.arguments(given)

    async def all(self, statement: Query[R], **given: object) -> list[R]:
        rows = await self._connection.fetch(statement.text, *self._arguments(statement, given))
        make = cast("Callable[..., R]", statement.row)
        return [make(*row) for row in rows]

    async def one(self, statement: Query[R], **given: object) -> R | None:
        rows = await self.all(statement, **given)
        return rows[0] if rows else None

    async def run(self, statement: Query[R], **given: object) -> int:
        """Execute, and say how many rows it touched."""
        status = await self._connection.execute(statement.text, *self._arguments(statement, given))
        return int(status.rpartition(" ")[2]) if status[-1].isdigit() else 0

    def cut(self) -> None:
        """End the connection under whoever waits on it, who gets a TRANSIENT error: whether the server did its work nobody knows.
        To ask it to cancel would wait for its answer. Nothing when the connection has gone back to the pool meanwhile."""
        with suppress(asyncpg.InterfaceError):
            self._connection.terminate()


class Tx(Session):
    """An open transaction, of a tenant (`tenant_id`) or of the system tables (None)."""

    def __init__(self, connection: asyncpg.Connection, tenant_id: int | None) -> None:
        super().__init__(connection, {} if tenant_id is None else {"tenant_id": tenant_id})
        self._tenant_id = tenant_id

    @property
    def tenant_id(self) -> int:
        if self._tenant_id is None:
            raise TypeError("this transaction has no tenant")
        return self._tenant_id
