"""Whether the process lives, and whether it can do its work, for whoever starts it and sends it requests.

`live` says that it answers; `ready` that it could do its work, or why not. That sending is held is a warning, not a reason:
webhooks must go on coming in.
"""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atendeja import db, migrate
from atendeja.errors import Refused, Unavailable
from atendeja.runtime import Runtime

STALE_BEAT_S = 15.0
STALE_JOBS_S = 60.0
"""Procrastinate's loop asks for a job every 5 s, but not while four are being done."""


def routes(rt: Runtime) -> list[Route]:
    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> Response:
        reasons = await _reasons(rt)
        warnings = [] if rt.guard.hold is None else [str(rt.guard.hold)]
        status = "not ready" if reasons else "ready"
        return JSONResponse({"status": status, "reasons": reasons, "warnings": warnings}, 503 if reasons else 200)

    return [Route("/health/live", live), Route("/health/ready", ready)]


async def _reasons(rt: Runtime) -> list[str]:
    now = rt.monotonic()
    reasons = [
        f"the {name} loop has not come round for {now - at:.0f} s"
        for name, at in rt.beats.items()
        if now - at > (STALE_JOBS_S if name == "jobs" else STALE_BEAT_S)
    ]
    if rt.stopping.is_set():
        reasons.append("stopping")
    try:
        async with asyncio.timeout(2):
            reasons += [f"migration {name} is missing" for name in await migrate.lacking(rt.db)]
            async with rt.db.session() as session:
                await rt.guard.look(session)
    except (Refused, Unavailable) as error:
        reasons.append(str(error))
    except (*db.TRANSIENT, OSError) as error:
        reasons.append(f"the database is away: {db.describe(error)}")
    return reasons
