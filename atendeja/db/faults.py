"""What a database may answer with: what is worth a repetition, what may be an item's own fault, and how an error is told."""

import asyncpg


class LostRace(Exception):
    """Somebody changed the same rows between our look and our write: the transaction, repeated, will see it."""


TRANSIENT = (
    asyncpg.PostgresConnectionError,  # 08
    asyncpg.InvalidTransactionStateError,  # 25: read only (a standby), idle for too long
    asyncpg.TransactionRollbackError,  # 40: deadlock, serialization
    asyncpg.InsufficientResourcesError,  # 53: connections, memory, disk
    asyncpg.LockNotAvailableError,
    asyncpg.OperatorInterventionError,  # 57: shutdown, starting up, statement cancelled
    asyncpg.PostgresSystemError,  # 58: its disk fails
    asyncpg.InvalidCachedStatementError,  # a migration changed a table since the statement was prepared
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the driver is confused: the connection died between two of its steps
    LostRace,
    ConnectionError,
    TimeoutError,
)
"""What a whole transaction may be repeated for: nothing of it was kept, or keeping it twice changes nothing. None of these
says that the data is at fault: whoever took them for that would throw a message away because a disk was full."""

DATA_FAULTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    ValueError,
    TypeError,
    LookupError,
    OverflowError,
)
"""Errors that may be an item's own: it is found, and does not stop the others."""


def describe(error: BaseException) -> str:
    """An error as a short line with no data in it: the class, and the SQLSTATE when there is one."""
    state = getattr(error, "sqlstate", None)
    return type(error).__name__ + (f" {state}" if state else "")
