"""Changing SECRET_KEY while everything runs: what its old keys have sealed is sealed anew by the first, some rows in a transaction.

May be killed, repeated, and run beside anything: a row is written only if it still is what was read, and what was changed meanwhile
is under the first key already, or found by the next run. What the keys only sign (cursors, refresh tokens, callback data) needs
nothing: all keys are accepted for as long as they are listed.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from msgspec import Struct

from atendeja import vault
from atendeja.db import Database, Nothing, Query, Tx
from atendeja.errors import Refused

log = structlog.get_logger(__name__)

AT_ONCE = 100


class Kept(Struct, frozen=True):
    id: int | UUID
    name: str
    sealed: bytes


@dataclass(frozen=True)
class Store:
    """A column of what SECRET_KEY's keys seal themselves."""

    what: str
    """Of a row, for people: `tenant`."""
    page: Query[Kept]
    """Takes `after` (an id) and `most`."""
    save: Query[Nothing]
    """Takes `ids`, `olds` and `news`, and changes no row that is not as `olds` says."""
    start: int | UUID
    """Before every id."""
    where: Callable[[Kept], bytes]
    keys: Callable[[list[bytes]], list[bytes]] = lambda secret_keys: secret_keys
    """What these are of SECRET_KEY's."""


@dataclass
class Count:
    kept: int = 0
    """Under the first key already."""
    renewed: int = 0
    """Or to be renewed, where nothing is written."""
    lost: list[str] = field(default_factory=list)
    """Which no key opens."""


async def renew(db: Database, store: Store, secret_keys: list[bytes], *, writes: bool) -> Count:
    """Have all of a store sealed by the first key. Without `writes` only says what would be."""
    keys, count, after = store.keys(secret_keys), Count(), store.start
    while True:
        async with db.session() as session:
            rows = await session.all(store.page, after=after, most=AT_ONCE)
        if not rows:
            return count
        after, fresh = rows[-1].id, _renew_rows(store, keys, rows, count)
        if writes and fresh:
            await _save(db, store, fresh)


def _renew_rows(store: Store, keys: list[bytes], rows: list[Kept], count: Count) -> list[tuple[Kept, bytes]]:
    """Those that are to be written, with what."""
    fresh = []
    for row in rows:
        try:
            new = vault.renew(keys, row.sealed, store.where(row), secrets.token_bytes(vault.NONCE_BYTES))
        except Refused:
            count.lost.append(f"{store.what} {row.name}")
            continue
        if new is None:
            count.kept += 1
        else:
            count.renewed += 1
            fresh.append((row, new))
    return fresh


async def _save(db: Database, store: Store, fresh: list[tuple[Kept, bytes]]) -> None:
    ids, olds, news = [row.id for row, _ in fresh], [row.sealed for row, _ in fresh], [new for _, new in fresh]

    async def renew_some(tx: Tx) -> int:
        return await tx.run(store.save, ids=ids, olds=olds, news=news)

    await db.transact(None, renew_some)
    log.info("secrets_renewed", store=store.what, count=len(ids))
