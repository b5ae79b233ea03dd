"""`/docs`: the document of the API to read and to try, by Swagger UI as its makers publish it (vendor/, with its licences).

Nothing is asked of another host, and nothing runs that this server did not send: the policy says so to the browser. Whatever is
typed in, a key among it, stays in the page and goes nowhere but to /v1. Files are named by their hash and kept for ever.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from atendeja.endpoint import SAFE

HERE = Path(__file__).parent
FILES = {
    "swagger-ui.css": HERE / "vendor" / "swagger-ui.css",
    "swagger-ui-bundle.js": HERE / "vendor" / "swagger-ui-bundle.js",
    "page.js": HERE / "page.js",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = SAFE | {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
KEPT = HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}


def routes() -> list[Route]:
    """The page, and each of its files under its hash."""
    page, found = (HERE / "page.html").read_text(encoding="utf-8"), []
    for name, path in FILES.items():
        place = f"docs/{sha256(path.read_bytes()).hexdigest()[:16]}/{name}"
        page = page.replace(f'"{name}"', f'"{place}"')
        found.append(Route(f"/{place}", _file(path)))
    body = page.encode()

    async def show(_request: Request) -> Response:
        return Response(body, 200, HEADERS, media_type="text/html")

    return [Route("/docs", show), *found]


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    async def show(_request: Request) -> Response:
        return FileResponse(path, headers=KEPT)

    return show
