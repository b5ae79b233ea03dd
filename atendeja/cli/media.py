"""Commands about files: keep one to be sent, show what there is."""

import asyncio
from pathlib import Path
from typing import BinaryIO

from cyclopts import App

from atendeja import media
from atendeja.blobs import Blobs
from atendeja.cli.admin import find_tenant
from atendeja.cli.open import load_config, open_database
from atendeja.config import Config
from atendeja.errors import Refused
from atendeja.runtime import fresh_id, utc_now
from atendeja.wa import media as rules

media_app = App(name="media", help="Files to be sent.")


def add_to(app: App) -> None:
    app.command(media_app)


@media_app.command
def add(file: Path, *, tenant: str, type_: str | None = None, name: str | None = None) -> int:
    """Keep a file, to be sent by its id. It is uploaded to WhatsApp when a message first needs it.

    Parameters
    ----------
    file: what to keep; run this as the user who serves, who must be able to read what is kept
    tenant: whose it becomes
    type_: its MIME type; when not given, what the end of its name says
    name: the name under which people see a document; the file's own without it
    """
    try:
        source = file.open("rb")
    except OSError as error:
        raise Refused("file_unreadable", f"{file} cannot be read: {error.strerror or error}") from error
    with source:
        mime = rules.guess_type(file.name) if type_ is None else type_.lower()
        if mime is None:
            raise Refused(
                "file_type", f"the name of {file} does not say its type", hint=f"give one with --type: {', '.join(rules.TYPES)}"
            )
        return asyncio.run(_add(load_config(), tenant, source, mime, file.name if name is None else name))


async def _add(settings: Config, slug: str, source: BinaryIO, mime: str, name: str) -> int:
    async with open_database(settings) as db:
        owner = await find_tenant(db, slug)
        kept = await media.add(
            db,
            Blobs(settings.media_path),
            owner.id,
            source,
            mime=mime,
            filename=name,
            media_id=fresh_id(),
            now=utc_now(),
        )
    print(f"file {name} is {kept.id}: {kept.size} bytes of {mime}, to be sent as {' or '.join(rules.kinds(mime))}")
    return 0


@media_app.command(name="list")
def list_files(*, tenant: str, most: int = 50) -> int:
    """Show the files of a business, the newest last.

    Parameters
    ----------
    tenant: whose they are
    most: how many at most
    """
    return asyncio.run(_list(load_config(), tenant, most))


async def _list(settings: Config, slug: str, most: int) -> int:
    if most < 1:
        raise Refused("most", "--most must be 1 at least")
    async with open_database(settings) as db:
        owner = await find_tenant(db, slug)
        async with db.tenant(owner.id) as tx:
            found = await media.newest(tx, most)
    for f in reversed(found):
        print(f"{f.created_at:%Y-%m-%d %H:%M:%S}Z  {f.id}  {f.mime}  {f.size} bytes  {f.filename or ''}".rstrip())
    if not found:
        print(f"no file yet: atendeja media add FILE --tenant {slug}")
    return 0
