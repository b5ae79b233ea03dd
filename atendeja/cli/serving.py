"""Commands that run: serve, dev, simulator; and what prepares them: migrate, init, config."""

import asyncio
import base64
import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

import uvloop
from cyclopts import App, Parameter
from cyclopts.validators import Number

from atendeja import app as application
from atendeja import config, migrate
from atendeja.cli.open import load_config
from atendeja.errors import Refused
from atendeja.simulator import main as run_simulator


def add_to(app: App) -> None:
    for command in (serve, dev, simulator, migrate_database, init, show_config):
        app.command(command, name={"migrate_database": "migrate", "show_config": "config"}.get(command.__name__, command.__name__))


def serve(*, role: Literal["all", "web", "worker"] = "all", host: str | None = None, port: int | None = None) -> int:
    """Serve webhooks and work on them, until SIGTERM.

    Parameters
    ----------
    role: all, or only the webhooks (web), or only the work (worker)
    host: address to listen on (default HOST)
    port: port to listen on (default PORT)
    """
    uvloop.run(application.serve(load_config(HOST=host, PORT=port), role))
    return 0


Flag = Annotated[bool, Parameter(negative=())]
"""An option that is only ever switched on."""

Port = Annotated[int, Parameter(validator=Number(gte=1, lte=65_534))]
"""A port; the next one exists too."""


def dev(*, exit: Flag = False, json: Flag = False, fresh: Flag = False, port: Port = 8000) -> int:  # noqa: A002  (the flag is called so)
    """Everything on this machine, no Meta account: database, simulator, example flows, their conversations played, the phone page.

    Parameters
    ----------
    exit: end after the conversations; status 0 only if every reply came and every status is recorded
    json: one object a line instead of the transcript
    fresh: forget what earlier runs left in .dev
    port: port of the server; the simulator takes the next
    """
    from atendeja.dev import run  # the development extra may not be installed

    return uvloop.run(run.run(Path(".dev"), once=exit, as_json=json, fresh=fresh, port=port))


def simulator(*, port: Port = 8001, webhook: str | None = None, log: Path | None = None) -> int:
    """A Cloud API to talk to, for tests: Graph paths as Meta's, control under /_sim/.

    Parameters
    ----------
    port: port to listen on
    webhook: address of the webhook to send messages and statuses to
    log: file in which every accepted message is written before it is answered
    """
    return run_simulator(port=port, webhook=webhook, log=log)


def migrate_database(*, plan: Flag = False) -> int:
    """Bring the database to this release.

    Parameters
    ----------
    plan: only say what would run
    """
    settings = load_config()
    if plan:
        waiting = asyncio.run(migrate.status(settings.admin_url.reveal()))
        print("\n".join(waiting) if waiting else "nothing to do")
        return 0
    done = asyncio.run(migrate.run(settings.admin_url.reveal(), login=application.serving_login(settings)))
    print("\n".join(f"applied {name}" for name in done) if done else "nothing to do")
    return 0


def init(*, path: Path = Path(".env")) -> int:
    """Write a settings file with new secrets, to be completed with the database and Meta's app secret.

    Parameters
    ----------
    path: the file to write; one that exists is left alone
    """
    key, token = base64.b64encode(secrets.token_bytes(32)).decode(), secrets.token_urlsafe(24)
    lines = [
        "# Settings of AtendeJá. `atendeja config` shows what is in force; README.md explains each.",
        "DATABASE_URL=postgresql://atendeja:PASSWORD@127.0.0.1:5432/atendeja",
        "# A login that may create roles, for the first start and for upgrades:",
        "#DATABASE_ADMIN_URL=postgresql://postgres:PASSWORD@127.0.0.1:5432/atendeja",
        "# Meta for Developers, your app, App settings, Basic, App secret:",
        "WA_APP_SECRET=",
        "# Give Meta this text when you enter the webhook's address:",
        f"WA_VERIFY_TOKEN={token}",
        "# Keep a copy of this key in a safe place: without it the WhatsApp tokens cannot be read.",
        f"SECRET_KEY={key}",
        "# Signs who is signed in to the API; a new one behind a name of its own goes first, comma-separated.",
        f"JWT_SECRET=first:{secrets.token_urlsafe(32)}",
    ]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused("init_exists", f"{path} exists already", hint="name another with --path, or edit that one") from error
    except OSError as error:
        raise Refused("init_unwritable", f"{path} cannot be written: {error.strerror}", hint="name another with --path") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    print(f"wrote {path}: fill in DATABASE_URL and WA_APP_SECRET, then run `atendeja serve`")
    return 0


def show_config() -> int:
    """Show the settings in force, secrets masked."""
    for name, value in config.masked(load_config()).items():
        print(f"{name}={value}")
    return 0
