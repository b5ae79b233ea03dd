"""Server-sent events as they are read from the bytes of a stream; which was the last, to go on behind it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

FIRST_WAIT_S = 1.0
"""Between a stream's end and the next, until the server says how long."""


class ServerEvent(Struct, frozen=True):
    """Something that happened."""

    name: str
    data: str
    """JSON, as it came."""
    id: str | None = None
    """To go on behind it: `last_event_id`."""

    def read(self) -> Any:  # Any: whatever it tells
        """What `data` says."""
        return msgspec.json.decode(self.data)


class Feed:
    """Takes bytes, gives events. Lines end by a line feed, as the server ends them, and nowhere else."""

    def __init__(self, last_id: str | None) -> None:
        self.last_id, self.wait_s, self.has_begun = last_id, FIRST_WAIT_S, False

    def begin(self) -> None:
        """A new stream: what was left of the one before is told again."""
        self._rest, self._name, self._data, self._id, self.has_begun = b"", "", list[str](), self.last_id, True

    def take(self, chunk: bytes) -> Iterator[ServerEvent]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if (event := self._read(line.removesuffix(b"\r").decode(errors="replace"))) is not None:
                yield event

    def _read(self, line: str) -> ServerEvent | None:
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
                self.wait_s = int(value) / 1000
            case _:
                pass  # a comment, or of another release
        return None

    def _end(self) -> ServerEvent | None:
        name, data, self._name, self._data = self._name or "message", self._data, "", []
        self.last_id = self._id
        return ServerEvent(name, "\n".join(data), self._id) if data else None
