"""What the acknowledgement is compared with: `python -m tests.bench.rivals hmac|transaction PORT [DSN]`.

`hmac` is the least a webhook handler can do: read the body, check the signature, answer. `transaction` is what most do:
besides, one transaction per webhook on the same PostgreSQL, by a pool of connections. Both run as our own server does:
Starlette on uvicorn with uvloop and httptools, no log of requests.
"""

import contextlib
import hmac
import sys
from collections.abc import AsyncIterator

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests import world

POOL = 16
SECRET = world.APP_SECRET.encode()


def is_signed(request: Request, body: bytes) -> bool:
    wanted = "sha256=" + hmac.digest(SECRET, body, "sha256").hex()
    return hmac.compare_digest(wanted, request.headers.get("x-hub-signature-256", ""))


def hmac_only() -> Starlette:
    """Checks the signature."""

    async def endpoint(request: Request) -> Response:
        signed = is_signed(request, await request.body())
        return PlainTextResponse("ok") if signed else PlainTextResponse("no", 401)

    return Starlette(routes=[Route("/webhook", endpoint, methods=["POST"])])


def transaction_each(dsn: str) -> Starlette:
    """Checks the signature and inserts the body in a transaction of its own."""
    pools: list[asyncpg.Pool] = []

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=POOL, max_size=POOL) as pool:
            pools.append(pool)
            yield

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        if not is_signed(request, body):
            return PlainTextResponse("no", 401)
        async with pools[0].acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO webhook (body) VALUES ($1)", body)
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/webhook", endpoint, methods=["POST"])], lifespan=lifespan)


def main() -> None:
    kind, port, *dsn = sys.argv[1:]
    app = hmac_only() if kind == "hmac" else transaction_each(dsn[0])
    uvicorn.run(app, port=int(port), access_log=False, log_level="warning", backlog=2048)


if __name__ == "__main__":
    main()
