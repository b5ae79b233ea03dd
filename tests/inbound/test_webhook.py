"""Meta's door without a socket: what is refused unread, limits, and what is said when nothing can be stored (F8, F11, F16)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette

from atendeja.inbound import webhook
from atendeja.inbound.intake import Intake
from atendeja.runtime import Runtime
from tests import world

Body = Sequence[bytes]
Receive = Callable[[], Awaitable[dict[str, Any]]]  # ASGI's own messages


@pytest.fixture
async def app(rt: Runtime) -> AsyncIterator[Starlette]:
    intake = Intake(rt)
    task = asyncio.ensure_future(intake.run())
    yield Starlette(routes=webhook.routes(rt, intake))
    intake.close()
    await asyncio.wait_for(task, 5)


def sending(chunks: Body, then: Receive | None = None) -> Receive:
    """A client that sends these chunks; what it does afterwards, when they were not all."""
    left = list(chunks)

    async def receive() -> dict[str, Any]:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left) or then is not None}
        return await then() if then else {"type": "http.disconnect"}

    return receive


async def ask(app: Starlette, receive: Receive, headers: dict[str, str] | list[tuple[str, str]]) -> tuple[int, dict[str, str]]:
    """The status and the headers of the answer."""
    answers: list[dict[str, Any]] = []

    async def send(message: Any) -> None:  # Any: ASGI's own messages
        answers.append(message)

    given = headers.items() if isinstance(headers, dict) else headers
    scope = {
        "type": "http", "method": "POST", "path": "/webhook", "query_string": b"", "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given],
    }  # fmt: skip
    await app(scope, receive, send)
    return answers[0]["status"], {name.decode(): value.decode() for name, value in answers[0]["headers"]}


async def count(rt: Runtime) -> int:
    async with rt.db.session() as session:
        found: int = await session._connection.fetchval("SELECT count(*) FROM delivery")
        return found


async def never() -> dict[str, Any]:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits this long")


async def gone() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def test_a_signed_body_in_any_number_of_chunks_is_stored(app: Starlette, rt: Runtime) -> None:
    body = world.text("w1", "oi")
    for chunks in ([body], [body[:1], body[1:]], [body[i : i + 7] for i in range(0, len(body), 7)]):
        assert (await ask(app, sending(chunks), world.sign(body)))[0] == 200
    assert await count(rt) == 3


async def test_a_client_that_goes_away_leaves_nothing(app: Starlette, rt: Runtime) -> None:
    assert (await ask(app, sending([b"x"], gone), world.sign(b"x")))[0] == 400
    assert await count(rt) == 0


async def test_the_limit_is_exact_and_reading_stops_there(app: Starlette, rt: Runtime) -> None:
    """F11: 4 MiB are taken, a byte more is 413 without asking for the rest."""
    most = b"x" * webhook.MAX_BODY_BYTES
    assert (await ask(app, sending([most]), world.sign(most)))[0] == 200
    status, headers = await ask(app, sending([most, b"x"], never), world.sign(most + b"x"))
    assert (status, headers["connection"]) == (413, "close")
    assert await count(rt) == 1


async def unread() -> dict[str, Any]:
    raise AssertionError("the body was asked for")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [""],
        ["sha256=" + "0" * 63],
        ["sha256=" + "0" * 65],
        ["sha256=" + "g" * 64],
        ["sha1=" + "0" * 64],
        ["0" * 64],
        ["sha256=" + "0" * 64] * 2,
    ],
)
async def test_without_one_well_formed_signature_the_body_is_not_read(app: Starlette, rt: Runtime, headers: list[str]) -> None:
    """F8: and the connection ends, because something may still be under way on it."""
    status, answer = await ask(app, unread, [("X-Hub-Signature-256", value) for value in headers])
    assert (status, answer["connection"]) == (401, "close")
    assert rt.meter.counts["deliveries_refused", "signature"] == 1


async def test_a_length_above_the_limit_is_413_unread(app: Starlette) -> None:
    """F11."""
    body = b"x" * webhook.MAX_BODY_BYTES
    headers = {**world.sign(body), "Content-Length": str(len(body) + 1)}
    status, answer = await ask(app, unread, headers)
    assert (status, answer["connection"]) == (413, "close")
    assert (await ask(app, sending([body]), {**headers, "Content-Length": str(len(body))}))[0] == 200


async def test_large_bodies_on_their_way_share_a_bound_and_usual_ones_do_not_wait_for_them(app: Starlette, rt: Runtime) -> None:
    """F11: whoever knows the form of a signature can send what he likes; the first that is one too many is 503, its room is free
    again, and so is that of those that end without a body."""
    rt.config = msgspec.structs.replace(rt.config, inbox_max_bytes=8 * 1024 * 1024)
    large, usual = b"x" * (3 * 1024 * 1024), b"x" * webhook.USUAL_BODY_BYTES
    ends = asyncio.Event()

    async def end() -> dict[str, Any]:
        await ends.wait()
        return {"type": "http.disconnect"}

    posts = [asyncio.ensure_future(ask(app, sending([large[:-9]], end), world.sign(large))) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(3):
        status, answer = await ask(app, sending([large]), world.sign(large))
        assert (status, answer["retry-after"], answer["connection"]) == (503, "5", "close")
    assert (await ask(app, sending([usual]), world.sign(usual)))[0] == 200
    ends.set()
    assert [status for status, _ in await asyncio.gather(*posts)] == [400, 400]
    for _ in range(3):
        assert (await ask(app, sending([large]), world.sign(large)))[0] == 200


async def test_a_wrong_signature_is_401_whatever_is_inside(app: Starlette, rt: Runtime) -> None:
    """F8: nothing is stored."""
    for body in (b"", b"{}", b"\xff"):
        assert (await ask(app, sending([body]), {"X-Hub-Signature-256": "sha256=" + "0" * 64}))[0] == 401
    assert await count(rt) == 0


async def test_nothing_can_be_stored_is_503_with_retry_after(rt: Runtime) -> None:
    """F16: the queue is full because nobody empties it."""
    intake = Intake(rt)
    waiting = [asyncio.ensure_future(intake.store(b"x")) for _ in range(rt.config.inbox_max_requests)]
    await asyncio.sleep(0)
    status, headers = await ask(Starlette(routes=webhook.routes(rt, intake)), sending([b"{}"]), world.sign(b"{}"))
    assert (status, headers["retry-after"]) == (503, "5")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
