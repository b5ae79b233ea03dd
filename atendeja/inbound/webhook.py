"""`/webhook`: Meta's door. Body read under a limit and a deadline, signature over the raw bytes, stored, 200.

401 for a missing, doubled, malformed or wrong signature, before anything is stored or parsed; 413 above 4 MiB; 408 for a
body that does not come; 503 with Retry-After when it cannot be stored. Anything that is signed is answered 200.
"""

import asyncio
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
BODY_DEADLINE_S = 10
RETRY_AFTER_S = 5

_STORED: Final = (
    {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"2")]},
    {"type": "http.response.body", "body": b"ok"},
)
_SIGNATURE: Final = b"x-hub-signature-256"


def routes(rt: Runtime, intake: Intake) -> list[Route]:
    """GET answers Meta's challenge, POST takes a delivery."""
    return [Route("/webhook", Webhook(rt, intake), methods=["GET", "POST"])]


class Webhook:
    """An ASGI application: a POST is read and answered without Starlette's request and response, which cost as much as the rest."""

    def __init__(self, rt: Runtime, intake: Intake) -> None:
        self._rt, self._intake, self._secrets = rt, intake, rt.config.app_secrets

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
        try:
            async with asyncio.timeout(BODY_DEADLINE_S):
                body = await _read(receive)
        except TimeoutError:
            return self._refuse(408, "slow", "the body did not come in time")
        except ClientDisconnect:
            return self._refuse(400, "disconnected", "the client went away")
        if body is None:
            return self._refuse(413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
        signatures = [value.decode("latin-1") for name, value in scope["headers"] if name == _SIGNATURE]
        if not signature.verify(self._secrets, body, signatures):
            return self._refuse(401, "signature", "the signature is missing or wrong")
        try:
            await self._intake.store(body)
        except Unavailable as error:
            return PlainTextResponse(f"{error}\n", 503, {"Retry-After": str(RETRY_AFTER_S)})
        self._rt.meter.observe("ack_seconds", self._rt.monotonic() - started)
        return None

    def _refuse(self, status: int, why: str, line: str) -> Response:
        self._rt.meter.count("deliveries_refused", label=why)
        headers = {"Connection": "close"} if status in (408, 413) else {}
        return PlainTextResponse(f"{line}\n", status, headers)


def _challenge(request: Request, config: Config) -> Response:
    answer = signature.challenge(request.query_params, config.wa_verify_token.reveal())
    return PlainTextResponse("wrong verify token", 403) if answer is None else PlainTextResponse(answer)


async def _read(receive: Receive) -> bytes | None:
    """The whole body, or None as soon as it is more than we take, whatever Content-Length said. Raises ClientDisconnect."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            return None
        more = message.get("more_body", False)
    return b"".join(chunks)
