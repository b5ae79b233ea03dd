"""A connection on which statements run: each on its own, or inside a transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal, TypeVar, cast

import asyncpg

from atendeja import failpoints
from atendeja.db.statements import Query

R = TypeVar("R")


class Session:
    """A connection on which statements run: inside a transaction (`Tx`) or each on its own."""

    alone = True
    """Each statement is a transaction, and commits."""

    def __init__(self, connection: asyncpg.Connection, fixed: dict[str, object]) -> None:
        self._connection = connection
        self._fixed = fixed

    def _arguments(self, statement: Query[R], given: dict[str, object]) -> list[object]:
        if self._fixed and "tenant_id" in statement.params:
            given = given | self._fixed
        return statement.arguments(given)

    async def all(self, statement: Query[R], **given: object) -> list[R]:
        self._pass("commit.before", statement)
        rows = await self._connection.fetch(statement.text, *self._arguments(statement, given))
        self._pass("commit.after", statement)
        make = cast("Callable[..., R]", statement.row)
        return [make(*row) for row in rows]

    async def one(self, statement: Query[R], **given: object) -> R | None:
        rows = await self.all(statement, **given)
        return rows[0] if rows else None

    async def run(self, statement: Query[R], **given: object) -> int:
        """Execute, and say how many rows it touched."""
        self._pass("commit.before", statement)
        status = await self._connection.execute(statement.text, *self._arguments(statement, given))
        self._pass("commit.after", statement)
        return int(status.rpartition(" ")[2]) if status[-1].isdigit() else 0

    def _pass(self, point: Literal["commit.before", "commit.after"], statement: Query[R]) -> None:
        if self.alone:
            failpoints.reach(point, about=(statement.name,))

    def cut(self) -> None:
        """End the connection under whoever waits on it, who gets a TRANSIENT error: whether the server did its work nobody knows.
        To ask it to cancel would wait for its answer. Nothing when the connection has gone back to the pool meanwhile."""
        with suppress(asyncpg.InterfaceError):
            self._connection.terminate()


class Tx(Session):
    """An open transaction, of a tenant (`tenant_id`) or of the system tables (None)."""

    alone = False

    def __init__(self, connection: asyncpg.Connection, tenant_id: int | None) -> None:
        super().__init__(connection, {} if tenant_id is None else {"tenant_id": tenant_id})
        self._tenant_id = tenant_id
        self._then: list[Callable[[], None]] = []
        self._endings: list[Callable[[], Awaitable[None]]] = []

    def last(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have this done behind everything else in the transaction: what takes a lock that many take, and takes no other."""
        self._endings.append(work)

    async def end(self) -> None:
        """Do what was to be the last, in the order in which it came."""
        for work in self._endings:
            await work()

    @asynccontextmanager
    async def of(self, tenant_id: int) -> AsyncIterator["Tx"]:
        """This very transaction as another tenant's: for what an operator does to one, in the one commit of his request.

        Whoever catches an error that leaves it must not go on: the transaction is as good as rolled back.
        """
        await self._connection.execute(f"SET LOCAL app.tenant_id = {tenant_id:d}")
        there = Tx(self._connection, tenant_id)
        there._then = self._then
        yield there
        await there.end()
        await self._connection.execute(f"SET LOCAL app.tenant_id = {self.tenant_id:d}")

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have this called when the COMMIT is done, and never when it is not."""
        self._then.append(call)

    def committed(self) -> None:
        """It is done."""
        for call in self._then:
            call()

    @property
    def tenant_id(self) -> int:
        if self._tenant_id is None:
            raise TypeError("this transaction has no tenant")
        return self._tenant_id
