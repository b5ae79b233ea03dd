"""The Graph API's side: the paths the app calls, and the ways in which an answer can be spoiled."""

import asyncio
import re
import socket
import struct

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from atendeja.simulator import answers
from atendeja.simulator.answers import Answer
from atendeja.simulator.faults import Fault
from atendeja.simulator.server import transport_of
from atendeja.simulator.switchboard import Switchboard
from atendeja.simulator.uploads import MOST_BYTES

HTML = b"<!DOCTYPE html><html><head><title>Error</title></head><body>Sorry, something went wrong.</body></html>"
MESSAGES = re.compile(r"/[^/]+/[^/]+/messages")
LINGER_ZERO = struct.pack("ii", 1, 0)


class Cut(Response):
    """No answer, or a part of one, and then the end of the connection: a reset, or a quiet close."""

    def __init__(self, part: bytes = b"", *, reset: bool = False, after_s: float = 0) -> None:
        super().__init__(part, media_type="application/json")
        self._reset = reset
        self._after_s = after_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the part under a Content-Length twice as large, if there is one; then end the connection."""
        if self.body:
            length = (b"content-length", b"%d" % (2 * len(self.body)))
            await send({"type": "http.response.start", "status": 200, "headers": [length, (b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await asyncio.sleep(self._after_s)
        transport = transport_of(scope)
        if self._reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            transport.abort()
        else:
            transport.close()
        while (await receive())["type"] != "http.disconnect":
            """The server wants to know the connection gone before we return without an answer."""


class Graph:
    """Endpoints of `/{version}/…`."""

    def __init__(self, board: Switchboard) -> None:
        self._board = board

    @property
    def routes(self) -> list[BaseRoute]:
        """All but `messages`; to be matched last, for they would match nearly everything."""
        return [
            Route("/{version}/{phone_number_id}/media", self.media, methods=["POST"]),
            Route("/{version}/{media_id}", self.delete, methods=["DELETE"]),
            Route("/{version}/{waba_id}/phone_numbers", self.phone_numbers, methods=["GET"]),
            Route("/{version}/{waba_id}/subscribed_apps", self.subscribed_apps, methods=["GET", "POST", "DELETE"]),
            Route("/{version}/{meta_id}", self.node, methods=["GET"]),
        ]

    async def messages(self, path: str, headers: Headers, raw: bytes) -> Response:
        """Answer a POST to `/{version}/{phone_number_id}/messages`: send a message, or mark one as read."""
        fault: Fault | None = None
        if self._known_token(headers):
            answer, fault = await self._board.send(path.split("/")[2], raw)
        else:
            answer = answers.wrong_token()
        return await self._respond(path, raw, answer, fault)

    async def media(self, request: Request) -> Response:
        """Take a file."""
        raw = bytearray()
        try:
            async for chunk in request.stream():
                if len(raw) <= MOST_BYTES:  # the rest is read, so that the answer is heard
                    raw += chunk
        except ClientDisconnect:
            return Response()
        fault: Fault | None = None
        if self._known_token(request.headers):
            content_type = request.headers.get("content-type", "")
            answer, fault = await self._board.upload(request.path_params["phone_number_id"], content_type, bytes(raw))
        else:
            answer = answers.wrong_token()
        return await self._respond(request.url.path, b"%d bytes" % len(raw), answer, fault)

    async def delete(self, request: Request) -> Response:
        """Forget a file that was uploaded."""
        if not self._known_token(request.headers):
            return _json(answers.wrong_token())
        return _json(self._board.delete(request.path_params["media_id"]))

    async def _respond(self, path: str, shown: bytes, answer: Answer, fault: Fault | None) -> Response:
        """The answer to a POST, spoiled if it must be; the feed shows it, and `shown` for its body."""
        if self._board.settings.latency_s:
            await asyncio.sleep(self._board.settings.latency_s)
        response = _json(answer) if fault is None else await _spoiled(answer, fault)
        spoiled = isinstance(response, Cut)
        self._board.feed.exchange(
            "graph",
            f"POST {path}",
            shown,
            None if spoiled else response.status_code,
            None if spoiled else bytes(response.body),
        )
        return response

    async def node(self, request: Request) -> Response:
        """What is known of a number, or of an account; `fields` chooses."""
        meta_id, world = request.path_params["meta_id"], self._board.world
        if not self._known_token(request.headers):
            return _json(answers.wrong_token())
        usual = "display_phone_number,verified_name,quality_rating"
        if meta_id not in world.numbers and (of_account := world.numbers_of(meta_id)):
            (status, known), usual = answers.account(of_account[0]), "name,timezone_id"
        elif (number := world.number(meta_id)) is not None:
            status, known = answers.phone_number(number)
        else:
            return _json(answers.unknown_id(meta_id, "get"))
        fields = request.query_params.get("fields", usual).split(",")
        return _json((status, {name: value for name, value in known.items() if name in (*fields, "id")}))

    async def phone_numbers(self, request: Request) -> Response:
        """The numbers of an account."""
        if not self._known_token(request.headers):
            return _json(answers.wrong_token())
        waba_id = request.path_params["waba_id"]
        found = self._board.world.numbers_of(waba_id)
        return _json(answers.phone_numbers(found) if found else answers.unknown_id(waba_id, "get"))

    async def subscribed_apps(self, request: Request) -> Response:
        """Whether the account's webhooks come to us: they do, until somebody ends it."""
        if not self._known_token(request.headers):
            return _json(answers.wrong_token())
        world, waba_id = self._board.world, request.path_params["waba_id"]
        if not world.numbers_of(waba_id):
            return _json(answers.unknown_id(waba_id, request.method.lower()))
        if request.method == "GET":
            return _json(answers.subscribed_apps(is_subscribed=waba_id not in world.unsubscribed))
        (world.unsubscribed.discard if request.method == "POST" else world.unsubscribed.add)(waba_id)
        return _json(answers.success())

    def _known_token(self, headers: Headers) -> bool:
        tokens = self._board.settings.tokens
        return not tokens or headers.get("authorization", "").removeprefix("Bearer ") in tokens


class Front:
    """Takes the path of nearly every request itself and leaves the others to `rest`: routing and middleware would cost
    a fifth of a send."""

    def __init__(self, graph: Graph, rest: ASGIApp) -> None:
        self._graph = graph
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and MESSAGES.fullmatch(scope["path"]):
            raw = bytearray()
            while (message := await receive())["type"] == "http.request":
                raw += message["body"]
                if not message["more_body"]:
                    response = await self._graph.messages(scope["path"], Headers(scope=scope), bytes(raw))
                    await response(scope, receive, send)
                    return
        else:
            await self._rest(scope, receive, send)


async def _spoiled(answer: Answer, fault: Fault) -> Response:
    """The answer as the fault wants it."""
    match fault.do:
        case "delay":
            await asyncio.sleep(fault.value or 1)
            return _json(answer)
        case "drop_answer":
            return Cut(after_s=fault.value or 0)
        case "rst_before" | "rst_after":
            return Cut(reset=True)
        case "5xx_before" | "5xx_after":
            return Response(status_code=int(fault.value or 500))
        case "html":
            return Response(HTML, status_code=int(fault.value or 200), media_type="text/html")
        case "truncate":
            whole = answers.encode(answer[1])
            return Cut(whole[: len(whole) // 2])
        case "code" | "failed" | "held":
            return _json(answer)


def _json(answer: Answer) -> Response:
    status, body = answer
    return Response(answers.encode(body), status_code=status, media_type="application/json")
