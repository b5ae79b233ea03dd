"""The routes of the declared endpoints: each request let in, read, run and answered in the same order.

Path (404), method (405), who (401), how fast (429), may he, and his business, and has he proved lately who he is where that counts
(403), body (400, 413, 415, 422), the endpoint itself. A stranger's body is not read where one has to be known. Nothing here allows
another origin: browsers keep other sites' pages out.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Network, IPv6Network
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from atendeja.db import TRANSIENT, describe
from atendeja.endpoint import files, idempotency
from atendeja.endpoint.declaration import Access, Call, Caller, Endpoint, check_fresh
from atendeja.endpoint.pages import Cursors, tag
from atendeja.endpoint.problems import SAFE, Problem, again, answer, not_found
from atendeja.endpoint.rates import Rates
from atendeja.endpoint.reading import Stream, check_encoding, check_head, networks, read_address, read_body, read_json, read_query
from atendeja.endpoint.streaming import Live, Source, Watch
from atendeja.errors import Refused, Unavailable

log = structlog.get_logger(__name__)

ROOT = "/v1"
AT_ONCE, MOST_WAITING = 4, 200
"""So many requests may be at the database, whose dozen connections webhooks and sending need too; so many wait for their turn."""
ASKING_AT_ONCE = 4
"""So many may wait for others than the database."""
STREAMS_AT_ONCE, STREAMS_OF_A_TENANT = 8, 2
"""So many bodies may be on their way to the disk, of all and of one business."""
STREAM_S = 20 * 60
"""For a whole body, however steadily it comes: 100 MB at a megabit a second take 14 minutes."""
STREAMS = "atendeja.streams"
"""Set in the scope of a request whose body may take long, as long as it goes on coming."""
OF_A_TENANT = 4
"""Times the rate of one caller may all of a business have."""
STRANGERS_RATE = 20
"""A second and place: bearers that nobody knows. Each is looked for in the database; beyond it nobody from there is let in."""
MOST_TOKEN_CHARS = 4096
_REQUEST_ID = "atendeja.request_id"


class Host(idempotency.Host, Protocol):
    """What the endpoints run on."""

    @property
    def monotonic(self) -> Callable[[], float]: ...


R = TypeVar("R", bound=Host)


class Gate(Protocol):
    async def __call__(self, bearer: str, *, anew: bool = False) -> Caller | None:
        """Who shows this bearer; None for nobody we know. `anew`: as it is now, not as it was some seconds ago."""


class Empty(Struct, frozen=True, forbid_unknown_fields=True):
    """What an endpoint takes that takes nothing."""


class Api(Generic[R]):
    """The endpoints on what they run on. With `closed`, the reason, everything is answered 503. `rate`: requests a second of one
    caller, or of one place where anybody may ask; twice as many at once."""

    def __init__(
        self,
        rt: R,
        endpoints: Iterable[Endpoint[R]],
        gate: Gate,
        secrets: list[bytes],
        proxies: Sequence[IPv4Network | IPv6Network] = (),
        closed: str | None = None,
        rate: float = 100,
    ) -> None:
        self.rt, self.gate, self.secrets, self.proxies, self.closed = rt, gate, secrets, proxies, closed
        self.endpoints = list(endpoints)
        self.access, self.cursors = Access(self.endpoints), Cursors(secrets)
        self._turns, self._asking, self._waiting = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(ASKING_AT_ONCE), 0
        self._streams: Counter[int] = Counter()
        self._rates, self._tenants, self._strangers = Rates(rate), Rates(OF_A_TENANT * rate), Rates(STRANGERS_RATE)
        self.watch = Watch(self._may_still)

    async def _may_still(self, bearer: str, operation: str) -> bool:
        """Whether who shows this may do what he did. Raises Unavailable."""
        try:
            async with self.turn():
                caller = await self.gate(bearer, anew=True)
        except (Problem, *TRANSIENT) as error:
            raise Unavailable("it cannot be asked now") from error
        if caller is None or caller.is_suspended:
            return False
        return any(self.access.allows(caller, e) for e in self.endpoints if e.operation == operation)

    def slow_down(self, caller: Caller | None, place: str) -> None:
        """Count a request. Raises Problem 429 when the caller, his business, or a place without a caller asks too fast."""
        now = self.rt.monotonic()
        counted = [(self._rates, place if caller is None else caller.id), *([(self._tenants, caller.tenant_id)] if caller else [])]
        _check_rates([(rates, who) for rates, who in counted], now)
        for rates, who in counted:
            rates.take(who, now)

    def check_stranger(self, place: str) -> None:
        """Raises Problem 429 when too many bearers came from there that nobody knows."""
        _check_rates([(self._strangers, place)], self.rt.monotonic())

    def count_stranger(self, place: str) -> None:
        self._strangers.take(place, self.rt.monotonic())

    @asynccontextmanager
    async def turn(self, *, asks: bool = False) -> AsyncIterator[None]:
        """At the database, among few: whatever strangers ask for, webhooks are stored and messages go. Who `asks` others is one of
        few others. Raises Problem when too many wait already."""
        if self._waiting >= MOST_WAITING:
            raise again("too many requests at once")
        self._waiting += 1
        try:
            async with self._asking if asks else self._turns:
                yield
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def streaming(self, tenant_id: int) -> AsyncIterator[None]:
        """While a body goes to the disk, which may take minutes and keeps nobody from the database. Raises Problem when too many do
        so already, for a body does not wait, and when it takes too long."""
        if self._streams.total() >= STREAMS_AT_ONCE or self._streams[tenant_id] >= STREAMS_OF_A_TENANT:
            raise again("too many files at once")
        self._streams[tenant_id] += 1
        try:
            async with asyncio.timeout(STREAM_S) as limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Problem(408, "too_slow", f"the file has not come within {STREAM_S} s") from error
        finally:
            self._streams[tenant_id] -= 1

    def routes(self) -> list[BaseRoute]:
        """One a path, and one for every path under /v1 that is none."""
        paths: dict[str, dict[str, Endpoint[R]]] = {}
        for endpoint in self.endpoints:
            paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
        nowhere = _Path(self, {})
        return [
            *(Route(path, _Path(self, methods)) for path, methods in paths.items()),
            Route(ROOT, nowhere),
            Route(f"{ROOT}/{{rest:path}}", nowhere),
        ]


def _check_rates(counted: list[tuple[Rates, object]], now: float) -> None:
    if (wait_s := max(rates.wait_s(who, now) for rates, who in counted)) > 0:
        raise Problem(429, "too_fast", f"too many requests: try again in {wait_s} s", headers={"Retry-After": str(wait_s)})


class _Path(Generic[R]):
    """An ASGI application: the methods of one path."""

    def __init__(self, api: Api[R], methods: dict[str, Endpoint[R]]) -> None:
        self._api, self._methods = api, methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, request_id = self._api.rt.monotonic(), self._api.rt.new_id()
        scope[_REQUEST_ID] = request_id
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            visit = _Visit(self._api, scope, receive, request_id)
            try:
                response = await visit.serve(self._methods)
            except ClientDisconnect:
                return
            await response(scope, receive, send)
            visit.tell(response.status_code, self._api.rt.monotonic() - began)


class _Visit(Generic[R]):
    """One request on its way through."""

    def __init__(self, api: Api[R], scope: Scope, receive: Receive, request_id: UUID) -> None:
        self._api, self._scope, self._receive, self._id = api, scope, receive, request_id
        self._headers = Headers(scope=scope)
        self._endpoint: Endpoint[R] | None = None
        self._caller: Caller | None = None
        self._bearer = ""
        self._is_read = False
        self._stream: Stream | None = None
        client = scope.get("client")
        self._address = read_address(client[0] if client else "", self._headers.getlist("x-forwarded-for"), api.proxies)
        self._place = networks(self._address)[0]

    async def serve(self, methods: dict[str, Endpoint[R]]) -> Response:
        try:
            return await self._serve(methods)
        except Problem as problem:
            return self._refuse(problem)
        except Refused as refusal:
            status = self._endpoint.refuses.get(refusal.code, 409) if self._endpoint else 409
            return self._refuse(Problem(status, refusal.code, str(refusal)))
        except Unavailable as error:
            return self._refuse(again(str(error)))
        except TRANSIENT as error:
            return self._refuse(again(f"the database is away: {describe(error)}"))

    async def _serve(self, methods: dict[str, Endpoint[R]]) -> Response:
        if not methods:
            raise not_found()
        if (endpoint := methods.get(self._scope["method"])) is None:
            raise Problem(405, "method", "this is not done here", headers={"Allow": ", ".join(sorted(methods))})
        self._endpoint = endpoint
        if self._api.closed is not None:
            raise Problem(503, "closed", self._api.closed)
        if endpoint.who is None:
            self._api.slow_down(None, self._place)
        else:
            await self._let_in(endpoint)
        given_ids: dict[str, str] = self._scope["path_params"]
        ids = {name: _read_id(given_ids[name]) for name in endpoint.names if name not in endpoint.texts}
        texts = {name: _read_text(given_ids[name], pattern) for name, pattern in endpoint.texts.items()}
        body = await self._read(endpoint)
        call = self._call(endpoint, ids, texts, body)
        async with self._api.streaming(call.tenant_id) if endpoint.streams else self._api.turn(asks=endpoint.asks):
            given = await endpoint.run(self._api.rt, call)
        headers = SAFE | {"X-Request-Id": str(self._id)}
        if endpoint.tells:
            return self._live(endpoint, given, headers)
        if endpoint.gives is None:
            return Response(None, 204, headers)
        if isinstance(given, files.File):
            return await files.give(given, headers)
        if endpoint.is_tagged:
            headers["ETag"] = tag(given)
        return Response(msgspec.json.encode(given), endpoint.status, headers, media_type="application/json")

    def _live(self, endpoint: Endpoint[R], source: Any, headers: dict[str, str]) -> Response:  # Any: a Source, as `tells` says
        told: Source = source
        return Live(told, headers, self._api.watch.add(self._bearer, endpoint.operation, told))

    async def _let_in(self, endpoint: Endpoint[R]) -> None:
        given = self._headers.getlist("authorization")
        scheme, _, bearer = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() == "bearer" and 0 < len(bearer) <= MOST_TOKEN_CHARS:
            self._bearer = bearer.strip()
            self._api.check_stranger(self._place)
            async with self._api.turn():
                self._caller = await self._api.gate(self._bearer, anew=endpoint.fresh is not False)
            if self._caller is None:
                self._api.count_stranger(self._place)
        if self._caller is None:
            raise Problem(401, "not_signed_in", "sign in, or show a key, as Authorization: Bearer")
        self._api.slow_down(self._caller, self._place)
        if not self._api.access.allows(self._caller, endpoint):
            raise Problem(403, "forbidden", "you may not do this")
        if self._caller.is_suspended and not endpoint.when_suspended:
            raise Problem(403, "tenant_suspended", "this business is suspended: ask who runs this server")
        if endpoint.fresh is True:
            check_fresh(self._caller, self._api.rt.now())

    async def _read(self, endpoint: Endpoint[R]) -> Struct:
        kind = endpoint.takes or Empty
        query = QueryParams(self._scope["query_string"]).multi_items()
        if endpoint.streams:
            check_encoding(self._headers)
            self._stream, self._scope[STREAMS] = Stream(self._receive, self._headers), True
        if not endpoint.has_body:
            return read_query(query, kind)
        read_query(query, Empty)
        if endpoint.takes is None and not self._brings_body():
            return Empty()
        check_head(self._headers, endpoint.most_bytes)
        body = await read_body(self._receive, endpoint.most_bytes)
        self._is_read = True
        return read_json(body, kind)

    def _call(self, endpoint: Endpoint[R], ids: dict[str, UUID], texts: dict[str, str], body: Struct) -> Call[Struct]:
        return Call(
            body=body,
            caller=self._caller,
            ids=ids,
            texts=texts,
            request_id=self._id,
            address=self._address,
            access=self._api.access,
            cursors=self._api.cursors,
            place=f"{endpoint.operation}/{self._caller.tenant_id if self._caller else ''}",
            if_match=self._headers.get("if-match"),
            last_event_id=self._headers.get("last-event-id"),
            request=self._read_request(endpoint, {**ids, **texts}, body),
            sent=self._stream,
            now=self._api.rt.now(),
        )

    def _read_request(self, endpoint: Endpoint[R], ids: dict[str, UUID | str], body: Struct) -> idempotency.Request | None:
        if not endpoint.once or self._caller is None:
            return None
        key = self._headers.get("idempotency-key")
        return idempotency.read(key, self._caller.id, endpoint.operation, ids, body, self._api.secrets)

    def _brings_body(self) -> bool:
        return "transfer-encoding" in self._headers or self._headers.get("content-length", "0") != "0"

    def _refuse(self, problem: Problem) -> Response:
        """The answer; a body that was not read, or not to its end, ends the connection."""
        response = answer(problem, self._id)
        if self._brings_body() and not (self._is_read or (self._stream is not None and self._stream.is_read)):
            response.headers["Connection"] = "close"
        return response

    def tell(self, status: int, seconds: float) -> None:
        """The one line of a request."""
        who: dict[str, Any] = {}  # Any: ids
        if self._caller is not None:
            found = {name: getattr(self._caller, name) for name in ("tenant_id", "account_id", "key_id")}
            who = {name: value for name, value in found.items() if value is not None}
        operation = self._endpoint.operation if self._endpoint else None
        log.info("request_served", operation=operation, status=status, ms=round(seconds * 1000, 1), **who)


def _read_id(text: str) -> UUID:
    try:
        return UUID(text) if len(text) == 36 else _no_id()
    except ValueError:
        return _no_id()


def _read_text(text: str, pattern: str) -> str:
    if re.fullmatch(pattern, text, re.ASCII) is None:
        raise not_found()
    return text


def _no_id() -> UUID:
    raise not_found()


async def answer_bug(request: Request, _error: Exception) -> Response:
    """What a client of the API hears of a bug, which is an ordinary exception and in the log: that it was one."""
    request_id = request.scope.get(_REQUEST_ID)
    if request_id is None:
        return PlainTextResponse("Internal Server Error", 500)
    return answer(Problem(500, "bug", "something is wrong with this server; the log has it under the request's id"), request_id)
