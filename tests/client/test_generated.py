"""The client's generated part is what the API's document says today."""

import subprocess
import sys
from pathlib import Path

from atendeja import app, client, openapi
from atendeja.dev import binding

FILE = Path(client.__file__).with_name("generated.py")
ROOT = Path(__file__).parents[2]


def generate() -> str:
    """As `ruff` would have it."""
    text = binding.write(openapi.document(app.ENDPOINTS))
    for command in (["check", "--fix-only"], ["format"]):
        arguments = [str(Path(sys.executable).with_name("ruff")), *command, "--quiet", "--stdin-filename", str(FILE), "-"]
        text = subprocess.run(arguments, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout
    return text


def test_it_is_what_would_be_generated(update: bool) -> None:
    if update:
        FILE.write_text(generate(), encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == generate(), "`pytest --update tests/client/test_generated.py` writes it anew"


def test_it_imports_nothing_of_the_server() -> None:
    """Nor what only a server needs: `pip install atendeja[client]` is for programs elsewhere."""
    script = "import sys, atendeja.client; print(*sorted(m.partition('.')[0] for m in sys.modules if m.count('.') < 2))"
    seen = {*subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()}
    assert {"httpx", "msgspec"} <= seen
    assert seen & {"asyncpg", "psycopg", "starlette", "uvicorn", "aiohttp", "structlog", "procrastinate", "jwt", "argon2"} == set()
    script = "import sys, atendeja.client; print(*(m for m in sys.modules if m.startswith('atendeja.')))"
    ours = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert all(name.startswith("atendeja.client") for name in ours)
