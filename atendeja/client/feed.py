"""Server-sent events as they are read from the bytes of a stream; which was the last, to go on behind it."""

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

E = TypeVar("E")

FIRST_WAIT_S = 1.0
"""Between a stream's end and the next, until the server says how long."""


class ServerEvent(Struct, Generic[E], frozen=True):
    """Something that happened."""

    name: str
    """`reset` says that something may have been missed before it."""
    told: E | None
    """None for what is told of the stream itself, and for what this release does not know."""
    data: str
    """What was told, as it came."""
    id: str | None
    """To go on behind it: `last_event_id`."""


class Feed(Generic[E]):
    """Takes bytes, gives events. Lines end by a line feed, as the server ends them, and nowhere else."""

    def __init__(self, kinds: Mapping[str, type[E]], last_id: str | None) -> None:
        self._kinds, self.last_id, self._wait_s, self.has_begun = kinds, last_id, FIRST_WAIT_S, False

    def begin(self) -> None:
        """A new stream: what was left of the one before is told again."""
        self._rest, self._name, self._data, self._id, self.has_begun = b"", "", list[str](), self.last_id, True

    def take(self, chunk: bytes) -> Iterator[ServerEvent[E]]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if (event := self._read(line.removesuffix(b"\r").decode(errors="replace"))) is not None:
                yield event

    def pause_s(self) -> float:
        """Until the next stream; not all that were cut off at once come back at once."""
        return self._wait_s * random.uniform(1, 1.5)  # noqa: S311  (no secret)

    def _read(self, line: str) -> ServerEvent[E] | None:
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._name = value
            case "data":
                self._data.append(value)
            case "id":
                self._id = value
            case "retry" if value.isdecimal():
                self._wait_s = int(value) / 1000
            case _:
                pass  # a comment, or of another release
        return None

    def _end(self) -> ServerEvent[E] | None:
        name, data, self._name, self._data = self._name, "\n".join(self._data), "", []
        self.last_id = self._id
        if not data:
            return None
        told: E | None = None
        if (kind := self._kinds.get(name)) is not None:
            with suppress(msgspec.ValidationError):
                told = msgspec.json.decode(data, type=kind)
        return ServerEvent(name, told, data, self._id)
