"""The connections of the server: whoever keeps us waiting has a deadline, and there is a bound on how many are open.

Problem: uvicorn waits for ever for a request that does not come whole, and its `limit_concurrency` counts connections that are
silent, so that 4,000 of them turn Meta away. Choice: uvicorn's own protocol notes when it begins to wait for its client. One look
a second ends those who have kept us waiting for DEADLINE_S, and a connection too many ends the one that has done so longest: a
request that is here whole is never the one. Refused: a timer for each request (an ack costs little more than a few of them), and
to leave it to the proxy in front, which not everybody configures.
"""

import resource
from collections import OrderedDict, deque
from typing import Any, Literal

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from atendeja.endpoint import STREAMS

log = structlog.get_logger(__name__)

DEADLINE_S = 10
"""For a head, from the connection or, after a request, from its first byte; then for the body; for taking an answer. A connection
that rests between two requests has uvicorn's shorter time."""
SWEEP_S = 1.0
STREAM_BYTES = 256 * 1024
"""Of a file that is being sent to us at least so much has to come within DEADLINE_S, again and again."""
MOST_HEAD_BYTES = 64 * 1024
MOST_CONNECTIONS = 4000
"""Twice what the system keeps for us unaccepted: whoever has just been accepted is read before so many others are."""
SPARE_FILES = 300
"""Open files that are not connections of ours: to the Cloud API (200), to the database, the log."""
LEAST_CONNECTIONS = 16

Stage = Literal["rest", "head", "body", "answer", "ours"]
"""What a connection waits for: a request, the rest of its head, of its body, the client's taking of the answer, or for us."""

_NOWHERE: Any = deque(maxlen=0)  # Any: it takes the place of a list
_REFUSALS = {
    408: b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
}


def room() -> int:
    """How many connections may be open: MOST_CONNECTIONS, or what the limit of open files leaves, which is raised if it may be."""
    wanted = MOST_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = soft
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        return MOST_CONNECTIONS
    most = max(limit - SPARE_FILES, LEAST_CONNECTIONS)
    log.warning("few_open_files", limit=limit, connections=most, hint=f"raise the hard limit of open files to {wanted}")
    return most


class Crowd(ServerState):
    """uvicorn's state of a server, and whom we wait for, since when: the longest first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.waiting: OrderedDict[Connection, float] = OrderedDict()
        self._slow = self._crowded = 0

    def admit(self) -> None:
        """One more has come. When it is one too many, who has kept us waiting longest goes: perhaps itself."""
        if len(self.connections) > self.most and self.waiting:
            self._crowded += 1
            next(iter(self.waiting)).end(503)

    def sweep(self, now: float) -> None:
        """End those whose time is up, and say how many were ended since the last look."""
        while self.waiting:
            connection, since = next(iter(self.waiting.items()))
            if now - since < DEADLINE_S:
                break
            self._slow += 1
            connection.end(408)
        if self._slow or self._crowded:
            log.warning("connections_ended", slow=self._slow, crowded_out=self._crowded, open=len(self.connections))
            self._slow = self._crowded = 0


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, which tells its Crowd when it begins and ceases to wait for the client."""

    def __init__(self, config: Config, server_state: Crowd, *args: Any, **more: Any) -> None:  # Any: uvicorn's affair
        super().__init__(config, server_state, *args, **more)
        self._crowd = server_state
        self._stage: Stage = "ours"
        self._head_bytes = self._stream_bytes = 0

    # ── what the transport tells ─────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: Any) -> None:  # Any: as uvicorn, which wants more of it than the base class
        super().connection_made(transport)
        self._enter("rest")
        self._crowd.admit()

    def connection_lost(self, exc: Exception | None) -> None:
        self._crowd.waiting.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._stage == "rest" and self._request is None:
            self._stage = "head"  # and its time has run since the connection
        super().data_received(data)
        self._look("head")
        if self._stage == "head":
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self.end(431)
        else:
            self._head_bytes = 0
        if self._stage == "body" and self._request is not None and STREAMS in self._request.scope:
            self._stream_bytes += len(data)
            if self._stream_bytes > STREAM_BYTES:
                self._stream_bytes = 0
                self._crowd.waiting.pop(self, None)
                self._crowd.waiting[self] = self.loop.time()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look("rest")

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look("rest")

    # ── what the parser and the answer tell ──────────────────────────────────────────────────────────────────────────────

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.headers = _NOWHERE  # trailers may follow a body, as many as the client likes: nobody reads them, nothing keeps them

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look("rest")

    # ── whom we wait for ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _look(self, between: Stage) -> None:
        """Note what we wait for; `between` is the word for it when no request is being worked on."""
        request = self._request
        if self.flow.write_paused:
            self._enter("answer")
        elif self.pipeline:
            self._enter("ours")  # the request in work is whole, and reading rests because of us
        elif request is None or request.response_complete:
            self._enter(between)
        else:
            self._enter("body" if request.more_body else "ours")

    @property
    def _request(self) -> RequestResponseCycle | None:
        """The latest, answered or not; None before the first."""
        return self.cycle

    def _enter(self, stage: Stage) -> None:
        if stage == self._stage:
            return
        self._stage = stage
        self._crowd.waiting.pop(self, None)
        if stage != "ours":
            self._crowd.waiting[self] = self.loop.time()

    def end(self, status: int) -> None:
        """Let this client go: with an answer when it has begun to ask, and without waiting for it when it does not take that.

        An application that is reading the body is told that the client went away.
        """
        self._crowd.waiting.pop(self, None)
        self._crowd.waiting[self] = self.loop.time()  # looked at again, should it not be gone by then
        reading = self._request if self._stage == "body" else None
        if self.transport.is_closing() or self._stage == "answer" or (reading is not None and reading.response_started):
            self.transport.abort()
            return
        if reading is not None:
            reading.disconnected = True
            reading.message_event.set()
        if self._stage in ("head", "body"):
            self.transport.write(_REFUSALS[status])
        self.transport.close()
