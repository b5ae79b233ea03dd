"""The witness: a line for every message that was POSTed, on the disk before the answer leaves.

Many requests share one fsync: while a thread writes and syncs, the lines that arrive meanwhile become its next batch.
Without a file the lines stay in memory and nothing is synced. A log that exists is continued; a line torn by a kill is
cut off, because nobody was answered for it.
"""

import asyncio
import os
from array import array
from typing import Protocol

import msgspec
from msgspec import Raw, Struct


class Line(Struct):
    """One message that was POSTed. `wamid` is None when it was not accepted."""

    seq: int
    at: float
    """When its last byte was read, unix seconds."""
    phone_number_id: str
    to: str
    """As it was addressed: phone or BSUID."""
    sha256: str
    """Of the raw body, in hex."""
    opaque: str | None
    """Its `biz_opaque_callback_data`."""
    wamid: str | None
    answer: str
    """`ok`, Meta's code of a refusal, or the fault that struck."""


class Witness:
    """An append-only log. Lines get their `seq` (1, 2, …) in the order in which they are added."""

    def __init__(self, path: str | None) -> None:
        self._store: Store = Memory() if path is None else Disk(path)
        self._starts = _starts(self._store)
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.last = len(self._starts)
        """The highest seq given so far."""

    async def add(self, line: Line) -> None:
        """Number the line and return when it is on the disk. Raises OSError when it cannot be written."""
        self.last += 1
        line.seq = self.last
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(line) + b"\n", done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            start = self._store.size
            try:
                await self._store.append(b"".join(line for line, _ in batch))
            except OSError as error:
                for _, done in batch:
                    done.set_exception(error)
                continue
            for line, done in batch:
                self._starts.append(start)
                start += len(line)
                if not done.done():
                    done.set_result(None)

    def read(self, after: int, most: int) -> list[Raw]:
        """The lines with a seq above `after` that are on the disk, at most so many."""
        first, end = max(after, 0), min(max(after, 0) + most, len(self._starts))
        if first >= end:
            return []
        until = self._starts[end] if end < len(self._starts) else self._store.size
        return [Raw(line) for line in self._store.read(self._starts[first], until).splitlines()]

    async def close(self) -> None:
        """Write what waits and let go of the file."""
        if self._writer is not None:
            await self._writer
        self._store.close()


class Store(Protocol):
    """Bytes that only grow."""

    @property
    def size(self) -> int: ...

    async def append(self, data: bytes) -> None: ...

    def read(self, start: int, end: int) -> bytes: ...

    def close(self) -> None: ...


class Memory:
    """Bytes of this process."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    @property
    def size(self) -> int:
        return len(self._bytes)

    async def append(self, data: bytes) -> None:
        self._bytes += data

    def read(self, start: int, end: int) -> bytes:
        return bytes(self._bytes[start:end])

    def close(self) -> None:
        """Nothing to let go of."""


class Disk:
    """A file, synced at every append by a thread."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        whole = os.pread(self._fd, os.fstat(self._fd).st_size, 0).rfind(b"\n") + 1
        os.ftruncate(self._fd, whole)
        self.size = whole

    async def append(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)
        self.size += len(data)

    def _write(self, data: bytes) -> None:
        try:
            written = 0
            while written < len(data):
                written += os.write(self._fd, data[written:])
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise

    def read(self, start: int, end: int) -> bytes:
        return os.pread(self._fd, end - start, start)

    def close(self) -> None:
        os.close(self._fd)


def _starts(store: Store) -> "array[int]":
    """Where each line begins."""
    starts = array("Q")
    position = 0
    for line in store.read(0, store.size).splitlines(keepends=True):
        starts.append(position)
        position += len(line)
    return starts
