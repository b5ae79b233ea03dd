"""The bytes of files, under the media directory: `<root>/<tenant id>/<first two hex digits>/<SHA-256 in hex>`.

A file's name is made of our own numbers and its content, so that no name from outside ever becomes a path, the same bytes are kept
once a tenant, and a file is never changed once it is there. It is whole or not there: written beside, synced, renamed, and the
directory synced. What a kill leaves is a file that nobody refers to, or a `new-…` beside the others: harmless, found by no one. The
file of a job is another thing: it lies under `archives` by the job's id, and goes.
"""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from atendeja.errors import Refused, Unavailable

CHUNK_BYTES = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Blob(Struct, frozen=True):
    """Bytes that are kept: their SHA-256 in hex, and how many."""

    sha256: str
    size: int


class Readable(Protocol):
    """A file open for reading bytes."""

    def read(self, size: int, /) -> bytes: ...


class Blobs:
    """The files under one directory, which is made when it is first needed; all for this user alone."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, tenant_id: int, sha256: str) -> Path:
        """Where these bytes lie, if they are kept. Raises ValueError for what is no SHA-256."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256 in hex")
        return self._root / f"{tenant_id:d}" / sha256[:2] / sha256

    async def keep(self, tenant_id: int, source: Readable, most_bytes: int) -> Blob:
        """Read all of it, in a thread, and keep it on the disk.

        Raises Refused when it is empty or larger than `most_bytes`, Unavailable when it cannot be read or written; nothing stays.
        """
        return await asyncio.to_thread(self._keep, tenant_id, source, most_bytes)

    def _keep(self, tenant_id: int, source: Readable, most_bytes: int) -> Blob:
        with self._telling():
            draft = self._begin(tenant_id, most_bytes)
            try:
                while chunk := source.read(CHUNK_BYTES):
                    draft.write(chunk)
                return self._end(tenant_id, draft)
            finally:
                draft.drop()

    async def receive(self, tenant_id: int, chunks: AsyncIterable[bytes], most_bytes: int) -> Blob:
        """As `keep`, of bytes that come when they come: a thread is needed only while there is something to write."""
        with self._telling():
            draft = await asyncio.to_thread(self._begin, tenant_id, most_bytes)
            try:
                async for chunk in _gather(chunks):
                    await asyncio.to_thread(draft.write, chunk)
                return await asyncio.to_thread(self._end, tenant_id, draft)
            finally:
                draft.drop()

    async def has(self, tenant_id: int, sha256: str) -> bool:
        """Whether these bytes are kept."""
        return await asyncio.to_thread(self.path(tenant_id, sha256).is_file)

    async def drop(self, tenant_id: int, sha256: str) -> None:
        """Have these bytes no more. Whoever calls knows that nobody refers to them, nor is about to. Raises Unavailable."""
        with self._telling():
            await asyncio.to_thread(self.path(tenant_id, sha256).unlink, missing_ok=True)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the file cannot be kept under {self._root}: {error.strerror or error}; is MEDIA_DIR ours, with room left?"
            ) from error

    def _begin(self, tenant_id: int, most_bytes: int) -> "_Draft":
        folder = self._root / f"{tenant_id:d}"
        _make(folder)
        return _Draft(folder, most_bytes)

    def _end(self, tenant_id: int, draft: "_Draft") -> Blob:
        blob = draft.finish()
        place = self.path(tenant_id, blob.sha256)
        _make(place.parent)
        draft.path.replace(place)
        _sync(place.parent)
        return blob

    def archive(self, tenant_id: int, job_id: UUID) -> Path:
        """Where the file of a job lies: beside the others, by its job, so that who wants it gone finds it."""
        return self._root / f"{tenant_id:d}" / "archives" / str(job_id)

    async def write_archive(self, tenant_id: int, job_id: UUID, parts: AsyncIterator[bytes]) -> Blob:
        """Write the file of a job, anew when there was one. Raises Unavailable when it cannot be written."""
        path = self.archive(tenant_id, job_id)
        try:
            return await _write_all(path, parts)
        except OSError as error:
            raise Unavailable(f"the file cannot be written under {self._root}: {error.strerror or error}") from error

    async def drop_archive(self, tenant_id: int, job_id: UUID) -> None:
        """Have the file of a job be no more, nor what a death left of it."""
        path = self.archive(tenant_id, job_id)
        for one in (path, _unfinished(path)):
            await asyncio.to_thread(one.unlink, missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_suffix(".new")


async def _write_all(path: Path, parts: AsyncIterator[bytes]) -> Blob:
    digest, size = hashlib.sha256(), 0
    await asyncio.to_thread(_make, path.parent)
    target = await asyncio.to_thread(os.open, _unfinished(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        async for part in parts:
            digest.update(part)
            size += len(part)
            await asyncio.to_thread(_write, target, part)
        await asyncio.to_thread(os.fsync, target)
    finally:
        await asyncio.to_thread(os.close, target)
    await asyncio.to_thread(_unfinished(path).replace, path)
    await asyncio.to_thread(_sync, path.parent)
    return Blob(digest.hexdigest(), size)


class _Draft:
    """A file that is being written beside the others. Locked: whoever waits for a thread may be cancelled while that goes on."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._fd, name = tempfile.mkstemp(prefix="new-", dir=folder)
        self.path, self._most_bytes = Path(name), most_bytes
        self._digest, self._size, self._is_open = hashlib.sha256(), 0, True
        self._lock = Lock()

    def write(self, chunk: bytes) -> None:
        """Raises Refused when that makes it too large."""
        self._size += len(chunk)
        if self._size > self._most_bytes:
            raise Refused("file_too_large", f"the file has more than {self._most_bytes} bytes, which is the most allowed")
        with self._lock:
            if self._is_open:
                self._digest.update(chunk)
                _write(self._fd, chunk)

    def finish(self) -> Blob:
        """It is whole, and on the disk. Raises Refused when it is empty."""
        if not self._size:
            raise Refused("file_empty", "the file is empty")
        os.fsync(self._fd)
        return Blob(self._digest.hexdigest(), self._size)

    def drop(self) -> None:
        """Nothing stays of it but what was moved to its place."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                os.close(self._fd)
        self.path.unlink(missing_ok=True)


async def _gather(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in fewer pieces."""
    gathered, size = list[bytes](), 0
    async for chunk in chunks:
        gathered.append(chunk)
        size += len(chunk)
        if size >= CHUNK_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _write(fd: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(fd, left) :]


def _make(folder: Path) -> None:
    """Make this directory and those above it, so that they are still there after a power failure."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
