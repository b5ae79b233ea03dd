"""Errors as the API answers them: RFC 9457, `application/problem+json`, with a stable `code` to decide by."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response

from atendeja.errors import AtendejaError

SAFE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
"""On every answer: nothing between us and the client keeps it, no browser takes it for something else."""
RETRY_AFTER_S = 5


class Fault(Struct, frozen=True):
    """What is wrong with one part of a request."""

    path: Annotated[str, Meta(description="Where, as a JSONPath from `$`.", examples=["$.email"])]
    reason: Annotated[str, Meta(examples=["Object missing required field `email`"])]


class Trouble(Struct, frozen=True, omit_defaults=True):
    """Why a request was not done."""

    status: Annotated[int, Meta(examples=[422])]
    title: Annotated[str, Meta(description="The status in words.", examples=["Unprocessable Entity"])]
    code: Annotated[str, Meta(description="What to decide by: never changes its meaning.", examples=["invalid"])]
    detail: Annotated[str, Meta(description="A line for the person who reads it.", examples=["the request does not fit"])]
    request_id: Annotated[UUID, Meta(description="Under which the log has it.")]
    existing_id: Annotated[UUID | None, Meta(description="Of what is there already, where that is why.")] = None
    errors: Annotated[tuple[Fault, ...], Meta(description="Which parts do not fit, where it is known.")] = ()
    type: Annotated[str, Meta(examples=["about:blank"])] = "about:blank"


class Problem(AtendejaError):
    """The answer that an endpoint gives instead of its own: `detail` is shown to the client."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        faults: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
        existing_id: UUID | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.faults, self.headers = status, code, detail, faults, dict(headers or {})
        self.existing_id = existing_id


def not_found() -> Problem:
    """The one answer for what does not exist, is another tenant's, or has an id that cannot be one."""
    return Problem(404, "not_found", "there is no such thing here")


def again(detail: str) -> Problem:
    """Something we need is away for now."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def answer(problem: Problem, request_id: UUID) -> Response:
    title = HTTPStatus(problem.status).phrase
    body = Trouble(problem.status, title, problem.code, problem.detail, request_id, problem.existing_id, problem.faults)
    headers = SAFE | {"X-Request-Id": str(request_id)} | problem.headers
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), problem.status, headers, media_type="application/problem+json")
