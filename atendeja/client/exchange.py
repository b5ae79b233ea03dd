"""What a request to the API goes through until it is answered, without I/O: signing in again, trying again, problems.

It is a generator that says what to send or how long to wait and is told what came of it, so that there is one for both clients.
"""

import random
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import msgspec
from msgspec import UNSET, Struct

from atendeja.client.feed import Feed

T = TypeVar("T")

Content = bytes | Path
"""A body that is no JSON: bytes, or a file that is read while it is sent."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Between tries, doubled each time; a Retry-After beyond the longest is left to the caller."""
EARLY_S = 30.0
"""So long before its end an access token is exchanged for the next."""
TOO_FAST, PASSING = 429, {502, 503, 504}
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
OUR_FAULT = (httpx.LocalProtocolError, httpx.UnsupportedProtocol)
SIGNS_IN, SIGNS_OUT, RENEWS = "login", "logout", "refresh"


class Fault(Struct, frozen=True):
    """What is wrong with one part of a request."""

    path: str
    """Where, as a JSONPath from `$`."""
    reason: str


class Trouble(Struct, frozen=True):
    code: str
    detail: str = ""
    errors: tuple[Fault, ...] = ()
    request_id: UUID | None = None


class Page(Struct, Generic[T], frozen=True):
    """Part of a list. Without a `next_cursor` it is the last."""

    items: list[T]
    next_cursor: str | None = None


class Tokens(Struct, frozen=True):
    access_token: str
    expires_in: int
    refresh_token: str


class ApiError(Exception):
    """The answer was no. `code` is what to decide by: it never changes its meaning; `detail` is a line for a person."""

    def __init__(self, answer: httpx.Response) -> None:
        try:
            told = msgspec.json.decode(answer.content, type=Trouble)
        except msgspec.DecodeError:  # of something between us and the server
            told = Trouble(f"http_{answer.status_code}", answer.reason_phrase)
        super().__init__(f"{answer.status_code} {told.code}: {told.detail}")
        self.status, self.code, self.detail, self.errors = answer.status_code, told.code, told.detail, told.errors
        self.request_id = told.request_id
        self.retry_after_s = _seconds(answer.headers.get("retry-after"))


@dataclass(frozen=True)
class Operation:
    name: str
    method: str
    path: str
    once: bool = False
    """Takes an Idempotency-Key: whatever happens on the way, it is done once."""
    public: bool = False
    """Anybody may ask: no bearer is shown."""

    @property
    def is_safe(self) -> bool:
        """Whether to ask twice does no more than to ask once."""
        return self.once or self.method in ("GET", "HEAD", "PUT", "DELETE") or self.name == RENEWS


class Given(TypedDict, total=False):
    """What a request is made of; a value that is UNSET was not given."""

    ids: Mapping[str, object]
    query: Mapping[str, object]
    body: Any  # whatever JSON can say
    content: Content
    content_type: str
    if_match: str | None
    idempotency_key: str | None


@dataclass(frozen=True)
class Send:
    request: httpx.Request
    stream: bool


Told = httpx.Response | httpx.TransportError | None
Flow = Generator[Send | float, Told, T]
"""Yields what to send, or seconds to wait, and is sent what came of it."""


class Session:
    """A server, and who we are there: a key, or a person who has signed in."""

    def __init__(
        self, build: Callable[..., httpx.Request], send_file: Callable[[Path], object], key: str | None, tries: int
    ) -> None:
        if key is not None and re.fullmatch(r"[!-~]+", key) is None:
            raise ValueError("a key has no blanks, and no characters beyond ASCII")  # and is not shown, as httpx would
        self._build, self._send_file, self._key, self._tries = build, send_file, key, tries
        self._tokens: Tokens | None = None
        self._until = 0.0

    def ask(self, operation: Operation, given: Given, feed: Feed[Any] | None = None) -> Flow[httpx.Response]:
        """The answer, when it is a good one. Raises ApiError, httpx.TransportError.

        With a feed it is a stream, which goes on behind what was told; once it has begun, the server is waited for without end.
        """
        headers, is_patient = _headers(operation, given, feed), feed is not None and feed.has_begun
        tried, was_renewed, may_be_done = 0, False, False
        while True:
            tokens = self._tokens
            if tokens is not None and not operation.public and time.monotonic() >= self._until:
                tokens = yield from self._renew(tokens)
            bearer = None if operation.public else tokens.access_token if tokens else self._key
            told = yield Send(self._request(operation, given, headers, bearer), feed is not None)
            if isinstance(told, httpx.Response):
                if told.is_success:
                    self._note(operation, told)
                    return told
                if told.status_code == 401 and tokens and bearer and not was_renewed:
                    yield from self._renew(tokens)
                    was_renewed = True
                    continue
                if told.status_code == 404 and operation.method == "DELETE" and may_be_done:
                    return httpx.Response(204, request=told.request)
            tried, may_be_done = tried + 1, may_be_done or not _was_not_done(told)
            error, wait_s = self._judge(operation, told, tried, is_patient=is_patient)
            if wait_s is None:
                raise error
            yield wait_s

    def _request(self, operation: Operation, given: Given, headers: dict[str, str], bearer: str | None) -> httpx.Request:
        path = operation.path.format_map({name: quote(str(value), safe="") for name, value in given.get("ids", {}).items()})
        query = {name: _word(value) for name, value in given.get("query", {}).items() if value is not UNSET and value is not None}
        headers = headers | ({} if bearer is None else {"Authorization": f"Bearer {bearer}"})
        content: Any = given.get("content")  # Any: as httpx takes it
        if isinstance(content, Path):
            headers["Content-Length"], content = str(content.stat().st_size), self._send_file(content)
        elif "body" in given:
            headers["Content-Type"], content = "application/json", msgspec.json.encode(_given(given["body"]))
        return self._build(operation.method, path.lstrip("/"), params=query, headers=headers, content=content)

    def _renew(self, old: Tokens) -> Flow[Tokens | None]:
        """The next pair, unless another request has got it meanwhile. Raises ApiError when one has to sign in again."""
        if self._tokens is old:
            operation = Operation(RENEWS, "POST", "/v1/auth/refresh", public=True)
            try:
                yield from self.ask(operation, {"body": {"refresh_token": old.refresh_token}})
            except ApiError as error:
                if error.status == 401 and self._tokens is old:
                    self._tokens = None
                raise
        return self._tokens

    def _note(self, operation: Operation, answer: httpx.Response) -> None:
        """Be whom a sign-in has made of us."""
        if operation.name in (SIGNS_IN, RENEWS):
            self._tokens = msgspec.json.decode(answer.content, type=Tokens)
            self._until = time.monotonic() + max(self._tokens.expires_in - EARLY_S, 0)
        elif operation.name == SIGNS_OUT:
            self._tokens = None

    def _judge(self, operation: Operation, told: Told, tried: int, *, is_patient: bool) -> tuple[Exception, float | None]:
        """What is to be raised, or waited until the next try."""
        wait_s = min(FIRST_WAIT_S * 2 ** min(tried - 1, 10), LONGEST_WAIT_S) * random.uniform(0.5, 1)  # noqa: S311  (no secret)
        again = _was_not_done(told) or (operation.is_safe and _passes(told))
        if isinstance(told, httpx.Response):
            error: Exception = ApiError(told)
            if (after_s := _seconds(told.headers.get("retry-after"))) is not None:
                again, wait_s = again and (is_patient or after_s <= LONGEST_WAIT_S), after_s + wait_s / 4
        else:
            assert told is not None
            error = told
        return error, wait_s if again and (is_patient or tried < self._tries) else None


def _was_not_done(told: Told) -> bool:
    """Nothing was sent, or it was refused for now."""
    return told.status_code == TOO_FAST if isinstance(told, httpx.Response) else isinstance(told, NEVER_LEFT)


def _passes(told: Told) -> bool:
    """It may go better the next time; whether it was done nobody knows."""
    return told.status_code in PASSING if isinstance(told, httpx.Response) else not isinstance(told, OUR_FAULT)


def _headers(operation: Operation, given: Given, feed: Feed[Any] | None) -> dict[str, str]:
    words = {
        "Content-Type": given.get("content_type"),
        "If-Match": given.get("if_match"),
        "Idempotency-Key": given.get("idempotency_key") or (str(uuid4()) if operation.once else None),
        "Last-Event-ID": feed.last_id if feed else None,
    }
    return {name: word for name, word in words.items() if word is not None}


def _given(value: Any) -> Any:  # Any: whatever JSON can say
    """Without what was not given."""
    return {name: part for name, part in value.items() if part is not UNSET} if isinstance(value, dict) else value


def _word(value: object) -> str:
    """A value in a query string."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
