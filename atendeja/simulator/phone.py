"""The phone page: be the customers yourself. Mounted anywhere, hence only relative addresses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atendeja.errors import Refused
from atendeja.simulator.bodies import PHONE
from atendeja.simulator.feed import Event
from atendeja.simulator.switchboard import Incoming, Switchboard

PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
KEEPALIVE_S = 15
FIRST = ("5511900000001", None, "Ana")
"""Who is there when nobody else is: phone, BSUID, name."""


class NewCustomer(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody to write as."""

    phone: str
    name: str


class Guarded:
    """Adds the page's policy to every answer, and takes POSTs as JSON only, which other sites cannot send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        content_type = dict(scope["headers"]).get(b"content-type", b"")
        if scope["method"] == "POST" and not content_type.startswith(b"application/json"):
            await Response(status_code=415)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


class Phone:
    """The page, its stream and what it may do."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board

    def app(self) -> Starlette:
        files = {"": "index.html", "app.js": "app.js", "view.js": "view.js", "style.css": "style.css"}
        return Starlette(
            routes=[
                *(Route(f"/{path}", _file(PAGE / name), methods=["GET"]) for path, name in files.items()),
                Route("/stream", self.stream, methods=["GET"]),
                Route("/message", self.message, methods=["POST"]),
                Route("/customer", self.customer, methods=["POST"]),
            ],
            middleware=[Middleware(Guarded)],
        )

    async def stream(self, request: Request) -> Response:
        """Server-sent events: a `snapshot`, then everything as it happens. The browser reconnects by itself."""
        if not self._board.feed.people:
            self._board.feed.meet(self._board.world.customer(*FIRST))
        headers = {"X-Accel-Buffering": "no"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[bytes]:
        feed = self._board.feed
        watcher = feed.watch()
        try:
            yield b"retry: 1000\n" + _sse("snapshot", feed.snapshot(self._board.numbers()))
            while True:
                try:
                    event = await asyncio.wait_for(watcher.get(), KEEPALIVE_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                if event is None:
                    return
                yield _sse(type(event).__name__.lower(), event)
        finally:
            feed.leave(watcher)

    async def message(self, request: Request) -> Response:
        """A customer writes, as by the control side's `message`."""
        try:
            incoming = msgspec.json.decode(await request.body(), type=Incoming)
            wamid = await self._board.receive(incoming)
        except (msgspec.DecodeError, RecursionError, Refused) as error:
            return _refusal(str(error))
        return Response(msgspec.json.encode({"wamid": wamid}), media_type="application/json")

    async def customer(self, request: Request) -> Response:
        """Show one more customer: `{phone, name}` → the customer."""
        try:
            new = msgspec.json.decode(await request.body(), type=NewCustomer)
        except (msgspec.DecodeError, RecursionError) as error:
            return _refusal(str(error))
        if not PHONE.fullmatch(new.phone):
            return _refusal("o telefone precisa de 7 a 15 dígitos, com o código do país")
        customer = self._board.world.customer(new.phone, None, new.name.strip() or None)
        return Response(msgspec.json.encode(self._board.feed.meet(customer)), media_type="application/json")


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return FileResponse(path)

    return endpoint


def _refusal(line: str) -> Response:
    return Response(msgspec.json.encode({"error": line}), status_code=422, media_type="application/json")


def _sse(name: str, value: Event | msgspec.Struct) -> bytes:
    """One event. Line breaks in embedded JSON are only layout, and would end the event."""
    data = msgspec.json.encode(value).replace(b"\n", b" ").replace(b"\r", b" ")
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
