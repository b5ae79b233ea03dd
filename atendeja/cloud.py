"""The network to the Cloud API: one POST, one verdict. What the answer means is `wa.reply`'s business.

aiohttp never repeats a POST by itself. A signal says whether a byte of the request left us: before that a failure is `not
sent` and may be tried again, after it nobody knows. Redirects are not followed (a token would travel along).
"""

import asyncio
import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import msgspec
from msgspec import Struct

from atendeja.errors import Unavailable
from atendeja.wa import reply

TOTAL_S = 20
READ_S = 15
CONNECT_S = 5
FETCH_S = 8
"""For a question that a person waits for."""
UPLOAD_S = 120
"""For a file, which may be of 100 MB, and for what Meta does to it before it answers."""
MOST_UPLOADS = 8
"""At once, of all numbers."""
MAX_ANSWER_BYTES = 256 * 1024


class Outcome(Struct, frozen=True):
    """What came of a POST: the verdict, and when its first byte left (None: none did)."""

    verdict: reply.Verdict
    first_byte_at: dt.datetime | None


class Fetched(Struct, frozen=True):
    """What a GET was answered with: what is known, or Meta's `error` in it."""

    status: int
    body: dict[str, object]


class Fenced(Exception):
    """The connection took so long that the message must not go any more."""


class Cloud:
    """A client of one Graph host and version. Keep one per process: it holds the connections."""

    def __init__(self, base: str, version: str, *, connections: int = 200) -> None:
        self._root = f"{base.rstrip('/')}/{version}"
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_stop_at_fence)
        trace.on_connection_create_end.append(_stop_at_fence)
        trace.on_request_headers_sent.append(_mark_first_byte)
        self._uploads = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MOST_UPLOADS, ssl=_tls()),
            timeout=aiohttp.ClientTimeout(total=UPLOAD_S, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        """Apart: files take long, and must not take the messages' connections."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=30, ttl_dns_cache=60, ssl=_tls()),
            timeout=aiohttp.ClientTimeout(total=TOTAL_S, sock_connect=CONNECT_S, sock_read=READ_S),
            trace_configs=[trace],
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def call_messages(
        self, phone_number_id: str, token: str, body: bytes, *, fenced: Callable[[], bool] = lambda: False
    ) -> Outcome | None:
        """POST one message, once. Raises nothing: whatever happens is a verdict.

        None when `fenced`, asked once there is a connection and before a byte is written, says that it must not go any more.
        """
        mark = SimpleNamespace(first_byte_at=None, fenced=fenced)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            async with self._session.post(
                f"{self._root}/{phone_number_id}/messages",
                data=body,
                headers=headers,
                allow_redirects=False,
                trace_request_ctx=mark,
            ) as response:
                answer = await _read(response)
                verdict = reply.read(response.status, response.headers, answer)
        except Fenced:
            return None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            verdict = _failure(error, mark)
        return Outcome(verdict, mark.first_byte_at)

    async def upload_media(self, phone_number_id: str, token: str, path: Path, mime: str, filename: str | None) -> reply.Upload:
        """POST a file from the disk, for this number's messages: its id at Meta, or why there is none.

        Whatever happens on the network is `Unavailable`: an upload sends nothing and may be repeated. Raises OSError when the file
        cannot be opened.
        """
        with await asyncio.to_thread(path.open, "rb") as file:
            form = aiohttp.FormData({"messaging_product": "whatsapp", "type": mime}, quote_fields=False)  # names in UTF-8
            form.add_field("file", file, filename=filename or path.name, content_type=mime)
            try:
                async with self._uploads.post(
                    f"{self._root}/{phone_number_id}/media",
                    data=form,
                    headers={"Authorization": f"Bearer {token}"},
                    allow_redirects=False,
                ) as response:
                    return reply.read_upload(response.status, response.headers, await _read(response))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                return reply.Unavailable(_word(error))

    async def ask(self, path: str, token: str, **params: str) -> Fetched:
        """GET what Meta knows: of `{phone_number_id}`, `{waba_id}/phone_numbers` … `path` is made of Meta's ids, which are digits.

        Raises Unavailable when Meta cannot be reached, answers with an error of its own, or with something that is not JSON.
        """
        try:
            async with self._session.get(
                f"{self._root}/{path}",
                params=params,
                headers={"Authorization": f"Bearer {token}"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=FETCH_S, sock_connect=CONNECT_S),
            ) as response:
                status, answer = response.status, await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"the Cloud API cannot be reached at {self._root}: {type(error).__name__}") from error
        try:
            known = msgspec.json.decode(answer, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Unavailable(f"the Cloud API answered {status} and something that is not JSON") from error
        if status >= 500:
            raise Unavailable(f"the Cloud API answered {status}")
        return Fetched(status, known)

    async def close(self) -> None:
        await self._session.close()
        await self._uploads.close()


def _tls() -> ssl.SSLContext:
    """Certificates checked against the machine's authorities and the host's name; 1.2 at least, whatever the machine allows."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole answer, which may come in pieces, up to the limit."""
    answer = bytearray()
    while len(answer) < MAX_ANSWER_BYTES and (piece := await response.content.read(MAX_ANSWER_BYTES - len(answer))):
        answer += piece
    return bytes(answer)


async def _stop_at_fence(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if (mark := context.trace_request_ctx) is not None and mark.fenced():
        raise Fenced


async def _mark_first_byte(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    if (mark := context.trace_request_ctx) is not None:  # only a POST of a message has one
        mark.first_byte_at = dt.datetime.now(dt.UTC)  # measured; what counts is whether it is set


def _failure(error: Exception, mark: SimpleNamespace) -> reply.Verdict:
    reason = _word(error)
    return reply.not_sent(reason) if mark.first_byte_at is None else reply.lost(reason)


def _word(error: Exception) -> str:
    return "timeout" if isinstance(error, asyncio.TimeoutError) else type(error).__name__
