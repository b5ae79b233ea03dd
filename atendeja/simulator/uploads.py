"""Files that the app uploads: the form, read as strictly as Meta is known to, and what became of each.

The parts are read by aiohttp's reader: Starlette's form needs a library that nothing else here does.
"""

import asyncio
import hashlib

import aiohttp
from aiohttp.base_protocol import BaseProtocol
from msgspec import Struct

from atendeja.simulator.bodies import Invalid
from atendeja.wa import media
from atendeja.wa.limits import MEDIA

MOST_BYTES = max(limit.most_bytes for limit in MEDIA.values()) + 64 * 1024
"""Of a whole form: the largest file and what is around it."""


class Form(Struct, frozen=True):
    """A file as it came."""

    mime: str
    filename: str | None
    size: int
    sha256: str
    """In hex."""


class Upload(Struct):
    """One file that was POSTed. `id` is None when it was not taken."""

    at: float
    """When its last byte was read, unix seconds."""
    phone_number_id: str
    mime: str
    filename: str | None
    size: int
    sha256: str
    id: str | None = None
    answer: str = ""
    """`ok`, Meta's code of a refusal, or the fault that struck."""
    deleted: bool = False


async def read(content_type: str, raw: bytes) -> Form:
    """What a POST to `…/media` brings. Raises Invalid for what is no such form; of the file `refusal` judges."""
    if len(raw) > MOST_BYTES:
        raise Invalid(131053, "the file is too large")
    try:
        fields, file = await _parts(content_type, raw)
    except (ValueError, AssertionError, LookupError, aiohttp.ClientError) as error:
        raise Invalid(100, f"the body is not a form: {error}") from error
    if fields.get("messaging_product") != "whatsapp":
        raise Invalid(100, "The parameter messaging_product is required.")
    if file is None:
        raise Invalid(100, "The parameter file is required.")
    mime = fields.get("type") or file.mime
    if file.mime != mime:
        raise Invalid(100, f"type is {mime}, the file comes as {file.mime}")
    return file


async def _parts(content_type: str, raw: bytes) -> tuple[dict[str, str], Form | None]:
    """The form's fields, and its file."""
    loop = asyncio.get_running_loop()
    stream = aiohttp.StreamReader(BaseProtocol(loop), len(raw) + 1, loop=loop)  # never full: there is no connection to hold back
    stream.feed_data(raw)
    stream.feed_eof()
    fields, file = dict[str, str](), None
    async for part in aiohttp.MultipartReader({"Content-Type": content_type}, stream):
        if not isinstance(part, aiohttp.BodyPartReader):
            raise ValueError("a form in a form")  # noqa: TRY004  (of what came, not of ours)
        data = bytes(await part.read())
        if part.name == "file":
            mime = part.headers.get("Content-Type", "application/octet-stream")
            file = Form(mime, part.filename, len(data), hashlib.sha256(data).hexdigest())
        elif part.name is not None:
            fields[part.name] = data.decode()
    return fields, file


def refusal(form: Form) -> str | None:
    """Why Meta would not take a file of this type or size (131053); None: it does."""
    kinds = media.kinds(form.mime)
    if not kinds:
        return f"Received file of type '{form.mime}', which is none of {', '.join(media.TYPES)}"
    problems = [media.file_problems(kind, form.mime, form.size) for kind in kinds]
    return None if [] in problems else "; ".join(problems[0])
