"""Passwords: argon2id in a thread of its own, and what is not taken for one.

A hash takes 19 MiB and some 40 ms: one at a time, so that whoever knocks in crowds leaves a processor to the messages, and those
that would wait too long are told to come again, before anything is written that counts against them. An unknown person costs a
hash too, so that the time of an answer tells nothing.
"""

import asyncio
import unicodedata
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from msgspec import Meta

from atendeja.errors import Refused, Unavailable

T = TypeVar("T")

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
SALT_BYTES = 16
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$MDAwMDAwMDAwMDAwMDAwMA$PenzekRN8J4rGM7pSAeKeoC3g+W5tgvLWDbAwjgFRh8"
"""What an unknown person's password is compared with."""
LEAST_CHARS, MOST_CHARS = 12, 128
LEAST_DIFFERENT = 5
AT_ONCE = 1
MOST_WAITING = 25
"""About a second's work: who comes later is told to come again."""

COMMON = frozenset(Path(__file__).with_name("common.txt").read_text(encoding="utf-8").split())
"""The long ones among those that everybody tries first."""

Password = Annotated[
    str,
    Meta(min_length=1, max_length=MOST_CHARS, examples=["cadeira amarela 42"], extra_json_schema={"format": "password"}),
]


class Hashing:
    """The thread in which passwords are hashed, and the queue before it: who hashes has a `place` in it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "password")
        self._waiting = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue. Raises Unavailable when there is none."""
        if self._waiting >= MOST_WAITING:
            raise Unavailable("too many are signing in at this moment")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def make(self, password: str, salt: bytes) -> str:
        """A new hash."""
        return await self._run(lambda: HASHER.hash(_normal(password), salt=salt))

    async def check(self, known: str | None, password: str) -> bool:
        """Whether this is the password of the hash; with no hash it takes as long and is not."""
        return await self._run(lambda: _verify(known or NOBODY, password)) and known is not None

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


HASHING = Hashing()


def _verify(known: str, password: str) -> bool:
    try:
        return HASHER.verify(known, _normal(password))
    except VerifyMismatchError:
        return False


def is_outdated(known: str) -> bool:
    """Whether the hash was made with less than is the custom now."""
    return HASHER.check_needs_rehash(known)


def check_new(password: str, email: str) -> None:
    """Raises Refused when this is no password to be chosen."""
    folded = _normal(password).casefold()
    if len(folded) < LEAST_CHARS:
        raise Refused("weak_password", f"a password needs {LEAST_CHARS} characters or more; several words do well")
    if folded in COMMON or len(set(folded)) < LEAST_DIFFERENT or folded == email:
        raise Refused("weak_password", "this password is among the first that anybody would try")


def _normal(password: str) -> str:
    """The same characters typed on another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)
