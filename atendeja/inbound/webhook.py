"""`/webhook`: Meta's door. Body read under a limit and a deadline, signature over the raw bytes, stored, 200.

401 for a missing, doubled, malformed or wrong signature, before anything is stored or parsed; 413 above 4 MiB; 408 for a
body that does not come; 503 with Retry-After when it cannot be stored. Anything that is signed is answered 200.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atendeja.config import Config
from atendeja.errors import Unavailable
from atendeja.inbound.intake import Intake
from atendeja.runtime import Runtime
from atendeja.wa import signature

MAX_BODY_BYTES = 4 * 1024 * 1024
BODY_DEADLINE_S = 10
RETRY_AFTER_S = 5


def routes(rt: Runtime, intake: Intake) -> list[Route]:
    """GET answers Meta's challenge, POST takes a delivery."""
    secrets = rt.config.app_secrets

    async def endpoint(request: Request) -> Response:
        if request.method == "POST":
            return await _receive(request, rt, intake, secrets)
        return _challenge(request, rt.config)

    return [Route("/webhook", endpoint, methods=["GET", "POST"])]


def _challenge(request: Request, config: Config) -> Response:
    answer = signature.challenge(request.query_params, config.wa_verify_token.reveal())
    return PlainTextResponse("wrong verify token", 403) if answer is None else PlainTextResponse(answer)


async def _receive(request: Request, rt: Runtime, intake: Intake, secrets: list[bytes]) -> Response:
    started = rt.monotonic()
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            body = await _read(request)
    except TimeoutError:
        return _refuse(rt, 408, "slow", "the body did not come in time")
    except ClientDisconnect:
        return _refuse(rt, 400, "disconnected", "the client went away")
    if body is None:
        return _refuse(rt, 413, "too_large", f"the body is larger than {MAX_BODY_BYTES} bytes")
    if not signature.verify(secrets, body, request.headers.getlist("x-hub-signature-256")):
        return _refuse(rt, 401, "signature", "the signature is missing or wrong")
    try:
        await intake.store(body)
    except Unavailable as error:
        return PlainTextResponse(f"{error}\n", 503, {"Retry-After": str(RETRY_AFTER_S)})
    rt.meter.observe("ack_seconds", rt.monotonic() - started)
    return PlainTextResponse("ok")


async def _read(request: Request) -> bytes | None:
    """The whole body, or None as soon as it is more than we take, whatever Content-Length said."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _refuse(rt: Runtime, status: int, why: str, line: str) -> Response:
    rt.meter.count("deliveries_refused", label=why)
    headers = {"Connection": "close"} if status in (408, 413) else {}
    return PlainTextResponse(f"{line}\n", status, headers)
