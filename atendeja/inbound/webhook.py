"""`/webhook`: Meta's door. Head looked at, body read under a limit, signature over the raw bytes, stored, 200.

401 for a missing, doubled or malformed signature and 413 for more than 4 MiB announced, both without reading the body; 413 as
soon as it is more, whatever was announced; 401 for a wrong signature, before anything is stored or parsed; 503 with Retry-After
when it cannot be stored. Anything that is signed is answered 200, and is kept as it came: a Content-Encoding is never undone.
A body that does not come is the server's affair (`atendeja.connections`): it looks to us as if the client went away.

Strangers decide how many bodies are on their way at once: those that are larger than a webhook usually is share INBOX_MAX_BYTES,
so that they cannot fill the memory, and a usual one never has to wait for them.
"""

from collections.abc import Iterable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atendeja.config import Config
from atendeja.errors import Unavailable
from atendeja.inbound.intake import Intake
from atendeja.runtime import Runtime
from atendeja.wa import signature

MAX_BODY_BYTES = 4 * 1024 * 1024
USUAL_BODY_BYTES = 16 * 1024
RETRY_AFTER_S = 5

_STORED: Final = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")]},
    {"type": "http.response.body", "body": b"ok"},
)
_AGAIN: Final = {"Retry-After": str(RETRY_AFTER_S)}
_SIGNATURE: Final = b"x-hub-signature-256"
_LENGTH: Final = b"content-length"


class TooLarge(Exception):
    """A body above MAX_BODY_BYTES."""


def routes(rt: Runtime, intake: Intake) -> list[Route]:
    """GET answers Meta's challenge, POST takes a delivery."""
    return [Route("/webhook", Webhook(rt, intake), methods=["GET", "POST"])]


class Webhook:
    """An ASGI application: a POST is read and answered without Starlette's request and response, which cost as much as the rest."""

    def __init__(self, rt: Runtime, intake: Intake) -> None:
        self._rt, self._intake, self._secrets = rt, intake, rt.config.app_secrets
        self._reading_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await _challenge(Request(scope), self._rt.config)(scope, receive, send)
        elif (refusal := await self._take(scope, receive)) is not None:
            await refusal(scope, receive, send)
        else:
            for message in _STORED:
                await send(message)

    async def _take(self, scope: Scope, receive: Receive) -> Response | None:
        """Store the body; None when it is stored, else what to answer."""
        started = self._rt.monotonic()
        signatures, announced = _look(scope["headers"])
        if not signature.well_formed(signatures):
            return self._refuse(401, "signature", "the signature is missing or malformed", unread=True)
        if announced > MAX_BODY_BYTES:
            return self._refuse(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes", unread=True)
        try:
            body = await self._read(receive)
        except ClientDisconnect:
            return self._refuse(400, "disconnected", "the client went away")
        except TooLarge:
            return self._refuse(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes", unread=True)
        except Unavailable as error:
            return self._refuse(503, "full", str(error), unread=True)
        if not signature.verify(self._secrets, body, signatures):
            return self._refuse(401, "signature", "the signature is wrong")
        try:
            await self._intake.store(body)
        except Unavailable as error:
            return PlainTextResponse(f"{error}\n", 503, _AGAIN)
        self._rt.meter.observe("ack_seconds", self._rt.monotonic() - started)
        return None

    def _refuse(self, status: int, why: str, line: str, *, unread: bool = False) -> Response:
        """The answer; `unread` when something of the body may still come, which ends the connection."""
        self._rt.meter.count("deliveries_refused", label=why)
        headers = {"Connection": "close"} if unread else {}
        return PlainTextResponse(f"{line}\n", status, headers | (_AGAIN if status == 503 else {}))

    async def _read(self, receive: Receive) -> bytes:
        """The whole body. Raises TooLarge as soon as it is more than we take, whatever Content-Length said; Unavailable when too
        many large ones are on their way; ClientDisconnect."""
        chunks: list[bytes] = []
        size = counted = 0
        more = True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                more = message.get("more_body", False)
                if size > MAX_BODY_BYTES:
                    raise TooLarge
                if size > USUAL_BODY_BYTES:
                    self._reading_bytes += size - counted
                    counted = size
                    if self._reading_bytes > self._rt.config.inbox_max_bytes:
                        raise Unavailable("too many large webhooks are on their way")
            return b"".join(chunks)
        finally:
            self._reading_bytes -= counted


def _look(headers: Iterable[tuple[bytes, bytes]]) -> tuple[list[str], int]:
    """Every signature that was given, and the length that was announced: 0 for none."""
    signatures, announced = [], 0
    for name, value in headers:
        if name == _SIGNATURE:
            signatures.append(value.decode("latin-1"))
        elif name == _LENGTH:
            announced = int(value)  # the parser takes digits only
    return signatures, announced


def _challenge(request: Request, config: Config) -> Response:
    answer = signature.challenge(request.query_params, config.wa_verify_token.reveal())
    return PlainTextResponse("wrong verify token", 403) if answer is None else PlainTextResponse(answer)
