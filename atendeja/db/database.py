"""The pool, and the one way to a tenant's rows: a transaction that is repeated whole when that is worth it."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import asyncpg
import structlog

from atendeja import failpoints
from atendeja.db.faults import TRANSIENT, describe
from atendeja.db.session import Session, Tx
from atendeja.dial import CLOSE_S
from atendeja.errors import Unavailable

T = TypeVar("T")

log = structlog.get_logger(__name__)

TRIES = 3
ACQUIRE_S = 10
"""For a connection of the pool: two hosts are tried meanwhile, if they must be."""
ROLLBACK_S = 2
SILENCE_S = 5
"""Who was cut short after so long a wait had an answer that does not come; the other connections may be as dead."""


@dataclass
class Database:
    """A pool whose every connection is `atendeja_app`. `retries` counts the transactions that had to be repeated."""

    pool: asyncpg.Pool
    retries: int = field(default=0)
    greet: Callable[[Session], Awaitable[None]] | None = None
    """Called on each new connection before anything else runs on it: another server may answer at the address."""

    def tenant(self, tenant_id: int, *, durable: bool = True, by: str = "") -> AbstractAsyncContextManager[Tx]:
        """A transaction that sees and writes this tenant's rows only. The one way in. `by` tells failpoints whose it is.

        `durable=False` returns before the commit is on disk: for work that is found and done again if the server loses it,
        and that nobody is told of before a later durable commit, which carries it along.
        """
        relaxed = "" if durable else "; SET LOCAL synchronous_commit = off"
        return self._transaction(f"BEGIN; SET LOCAL app.tenant_id = {tenant_id:d}{relaxed}", tenant_id, by)

    def system(self, *, by: str = "") -> AbstractAsyncContextManager[Tx]:
        """A transaction over the system tables; tenant tables show no row in it."""
        return self._transaction("BEGIN", None, by)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Single statements on system tables and listed functions, each its own transaction."""
        try:
            async with self.connection() as connection:
                yield Session(connection, {})
        except TRANSIENT as error:
            raise Unavailable(f"the database is away: {describe(error)}") from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, for a while. Raises TimeoutError when there is none to be had within 10 s.

        One that was cut short while it waited for the server is closed: to ask it anything more would be to wait again. When the
        wait was long, all the others are replaced too before they are used again: they may have died with it.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ACQUIRE_S):  # the pool's own time-out would make a task
            connection = await self.pool.acquire()
        began = loop.time()
        try:
            yield connection
        except (TimeoutError, asyncio.CancelledError):
            connection.terminate()
            if loop.time() - began > SILENCE_S:
                await self.pool.expire_connections()
            raise
        except asyncpg.ReadOnlySQLTransactionError:  # a primary no longer
            await self.pool.expire_connections()
            raise
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def _transaction(self, begin: str, tenant_id: int | None, by: str) -> AsyncIterator[Tx]:
        async with self.connection() as connection:
            await connection.execute(begin)
            tx = Tx(connection, tenant_id)
            try:
                yield tx
                await tx.end()
                failpoints.reach("commit.before", about=(by,))
                await connection.execute("COMMIT")
            except (TimeoutError, asyncio.CancelledError):
                raise  # and the connection is closed
            except BaseException:
                await _abandon(connection)
                raise
            failpoints.reach("commit.after", about=(by,))
            tx.committed()

    async def transact(self, tenant_id: int | None, work: Callable[[Tx], Awaitable[T]], *, durable: bool = True) -> T:
        """Run `work` in a transaction; a transient error repeats it whole, at most 3 tries. Raises Unavailable after the last.

        `work` must come to the same end when an earlier run of it was kept after all (a connection lost during COMMIT).
        """
        by = _name(work)
        for turn in range(1, TRIES + 1):
            try:
                async with self.tenant(tenant_id, durable=durable, by=by) if tenant_id is not None else self.system(by=by) as tx:
                    result = await work(tx)
                break  # only a committed result may leave
            except TRANSIENT as error:
                self.retries += 1
                log.warning("transaction_repeated", tenant_id=tenant_id, error=describe(error), turn=turn)
                if turn == TRIES:
                    raise Unavailable(f"the database is away: {describe(error)}") from error
                await asyncio.sleep(random.uniform(0.01, 0.05) * 2**turn)  # noqa: S311  (jitter)
        return result

    async def close(self) -> None:
        """Close the connections; those that have not ended after a second are cut."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.pool.close()


async def _abandon(connection: asyncpg.Connection) -> None:
    """Roll back, whatever happened; a connection that cannot is closed, so that no open transaction goes back to the pool."""
    try:
        async with asyncio.timeout(ROLLBACK_S):
            await connection.execute("ROLLBACK")
    except (*TRANSIENT, asyncpg.PostgresError, asyncio.CancelledError):
        connection.terminate()


def _name(work: Callable[..., object]) -> str:
    """Who does this work: `Sender._take_over` for what is defined in that method."""
    made = work.func if isinstance(work, partial) else work
    return str(getattr(made, "__qualname__", "")).partition(".<locals>")[0]
