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
from collections.abc import AsyncIterator
from pathlib import Path
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
        try:
            folder = self._root / f"{tenant_id:d}"
            _make(folder)
            fd, name = tempfile.mkstemp(prefix="new-", dir=folder)
            try:
                blob = _copy(source, fd, most_bytes)
                place = self.path(tenant_id, blob.sha256)
                _make(place.parent)
                Path(name).replace(place)
            finally:
                Path(name).unlink(missing_ok=True)
            _sync(place.parent)
        except OSError as error:
            raise Unavailable(
                f"the file cannot be kept under {self._root}: {error.strerror or error}; is MEDIA_DIR ours, with room left?"
            ) from error
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


def _copy(source: Readable, fd: int, most_bytes: int) -> Blob:
    """Everything of `source` into `fd`, which is synced and closed."""
    digest, size = hashlib.sha256(), 0
    with open(fd, "wb", buffering=0) as target:
        while chunk := source.read(CHUNK_BYTES):
            size += len(chunk)
            if size > most_bytes:
                raise Refused("file_too_large", f"the file has more than {most_bytes} bytes, which is the most allowed")
            digest.update(chunk)
            _write(target.fileno(), chunk)
        if not size:
            raise Refused("file_empty", "the file is empty")
        os.fsync(target.fileno())
    return Blob(digest.hexdigest(), size)


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
