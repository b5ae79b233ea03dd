"""Files as an endpoint gives them (`gives=File`): the bytes go out as they are read, with what keeps a browser from running them.

Whatever a file is and whoever made it, here it is nothing but an attachment of the type that we say (S38).
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from starlette.responses import FileResponse

from atendeja.endpoint.problems import not_found

BYTES = "application/octet-stream"
INERT = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cross-Origin-Resource-Policy": "same-origin"}


class File(Struct, frozen=True):
    """A file on the disk, and under which name and type it goes out."""

    path: Path
    filename: str
    mime: str = BYTES


async def give(file: File, headers: Mapping[str, str]) -> FileResponse:
    """The answer with its bytes, or with those that `Range` asks for. Raises Problem 404 when the file is gone."""
    try:
        found = await asyncio.to_thread(file.path.stat)
    except FileNotFoundError as error:
        raise not_found() from error
    return FileResponse(file.path, 200, {**headers, **INERT}, file.mime, filename=file.filename, stat_result=found)
