"""`Idempotency-Key`: a request that comes twice takes effect once, and is answered twice alike.

The key is claimed in the very transaction that makes the change, and the answer is kept in it: there are both or neither, whatever
is killed. A second request with the key waits for the first and gets its answer; the same key with another request is refused. What
was refused is not kept: it changed nothing, and may do better the next time. Answers are kept sealed: some show a secret.

A request without a key is given one that nobody else knows, for the same can happen to it inside: a connection that is lost during
COMMIT has its transaction run again, though it was kept. That costs one small INSERT; its answer is still in our hands, so none is
written. The row goes with the others, after a day.
"""

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar, cast
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from atendeja import vault
from atendeja.db import Database, Nothing, Tx, query
from atendeja.endpoint.problems import Problem

T = TypeVar("T")

KEEPS = dt.timedelta(days=1)
MOST_CHARS = 255
NOBODY = UUID(int=0)
"""Whose the keys are that no client has given."""
NO_REQUEST = bytes(hashlib.sha256().digest_size)


class Kept(Struct, frozen=True):
    request_sha256: bytes
    answer: bytes


CLAIM = query("endpoint.claim_key", Nothing)
KEEP = query("endpoint.keep_answer", Nothing)
KEPT = query("endpoint.kept_answer", Kept)
FORGET = query("endpoint.forget_keys", Nothing)
"""Those of before a time: of one tenant."""


class Answer(Struct, frozen=True):
    caller_id: UUID
    key: str
    answer: bytes


ANSWERS = query("endpoint.answers", Answer)
FORGET_KEY = query("endpoint.forget_key", Nothing)
CHUNK = 200


class Request(Struct, frozen=True):
    """A request as its key knows it."""

    caller_id: UUID
    key: str
    sha256: bytes
    keys: list[bytes]
    """Seal and open the answer: the first seals, all open."""


class Host(Protocol):
    db: Database

    def now(self) -> dt.datetime: ...
    def new_id(self) -> UUID: ...
    def nonce(self) -> bytes: ...


class Asked(Protocol):
    """What of a call is needed here."""

    @property
    def tenant_id(self) -> int: ...
    @property
    def request(self) -> Request | None: ...


def read(
    header: str | None, caller_id: UUID | None, operation: str, ids: object, body: object, keys: list[bytes]
) -> Request | None:
    """The request under its key; None without one. Raises Problem 422 for one that cannot be a key."""
    if header is None or caller_id is None:
        return None
    if not 1 <= len(header) <= MOST_CHARS or not header.isascii() or not header.isprintable():
        raise Problem(422, "bad_key", f"an Idempotency-Key has 1 to {MOST_CHARS} printable ASCII characters")
    digest = hashlib.sha256(msgspec.json.encode([operation, ids, body])).digest()
    return Request(caller_id, header, digest, [vault.derive(key, "answers") for key in keys])


async def answered(rt: Host, call: Asked, kind: type[T]) -> T | None:
    """What this request was answered when its key came before: for who has to ask others before `once`, and might hear something
    else now. Raises Problem as `once` does."""
    if (request := call.request) is None:
        return None
    async with rt.db.tenant(call.tenant_id) as tx:
        kept = await tx.one(KEPT, caller_id=request.caller_id, key=request.key)
    return None if kept is None else msgspec.json.decode(_open(request, kept, call.tenant_id), type=kind)


def _open(request: Request, kept: Kept, tenant_id: int) -> Raw:
    if kept.request_sha256 != request.sha256:
        raise Problem(422, "key_reused", "this Idempotency-Key was another request's: take a new one for each thing to be done")
    return Raw(vault.unseal(request.keys, kept.answer, _place(tenant_id, request.caller_id, request.key)))


async def once(rt: Host, call: Asked, work: Callable[[Tx], Awaitable[T]]) -> T:
    """Run `work` in the one transaction of this request, or give what it gave when its key came before.

    `work` is what changes anything, all of it; it is repeated whole when the database was away for a moment, and has no effect
    beyond its first that was kept. Raises Problem 422 for a key that was another request's.
    """
    request = call.request
    if request is None:
        return await _once_inside(rt, call.tenant_id, work)
    what = {"caller_id": request.caller_id, "key": request.key}
    where = _place(call.tenant_id, request.caller_id, request.key)

    async def claimed(tx: Tx) -> T:
        if await tx.run(CLAIM, request_sha256=request.sha256, now=rt.now(), **what):
            given = await work(tx)
            await tx.run(KEEP, answer=vault.seal(request.keys[0], msgspec.json.encode(given), where, rt.nonce()), **what)
            return given
        kept = await tx.one(KEPT, **what)
        assert kept is not None
        return cast("T", _open(request, kept, call.tenant_id))

    return await rt.db.transact(call.tenant_id, claimed)


async def _once_inside(rt: Host, tenant_id: int, work: Callable[[Tx], Awaitable[T]]) -> T:
    """Run it under a key of its own: when that is taken, the run before was kept after all, and what it gave is the answer."""
    key, ran = str(rt.new_id()), list[T]()

    async def claimed(tx: Tx) -> T:
        if await tx.run(CLAIM, caller_id=NOBODY, key=key, request_sha256=NO_REQUEST, now=rt.now()):
            ran[:] = [await work(tx)]
        return ran[0]

    return await rt.db.transact(tenant_id, claimed)


def _place(tenant_id: int, caller_id: UUID, key: str) -> bytes:
    return vault.place(tenant_id, "idempotency_key", "answer", f"{caller_id}/{key}")


async def forget_about(rt: Host, tenant_id: int, secrets: list[bytes], words: Sequence[str]) -> int:
    """Forget the kept answers of a tenant in which one of these words is; how many they were. They are sealed: each is opened."""
    keys, needles = [vault.derive(secret, "answers") for secret in secrets], [word.encode() for word in words]
    after, forgotten = Answer(NOBODY, "", b""), 0
    while True:
        async with rt.db.tenant(tenant_id) as tx:
            found = await tx.all(ANSWERS, after_caller=after.caller_id, after_key=after.key, most=CHUNK)
            for one in found:
                where = _place(tenant_id, one.caller_id, one.key)
                if one.answer and any(needle in vault.unseal(keys, one.answer, where) for needle in needles):
                    forgotten += await tx.run(FORGET_KEY, caller_id=one.caller_id, key=one.key)
        if len(found) < CHUNK:
            return forgotten
        after = found[-1]
