"""The network to the Cloud API against a server that misbehaves byte by byte: what is `not sent`, in doubt, or an answer."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from atendeja import cloud
from atendeja.cloud import Cloud, Fetched, Outcome
from atendeja.errors import Unavailable
from atendeja.wa import reply
from tests.files import PNG

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b'{"messaging_product":"whatsapp","contacts":[{"input":"55","wa_id":"55"}],"messages":[{"id":"wamid.A"}]}'


class Graph:
    """A server that does to each connection what it is told; `requests` is what it read."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.behave: Behaviour = respond(OK)
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), 0)
            self.requests.append(head + await reader.readexactly(length))
            await self.behave(reader, writer)


async def kept_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, and leave the connection as it is."""
    await respond(OK)(reader, writer)
    await reader.read()


def respond(body: bytes, status: str = "200 OK", pieces: int = 1, more: str = "") -> Behaviour:
    """Answer with this body, in so many pieces."""

    async def behave(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        size = max(1, -(-len(body) // pieces))
        for piece in (head.encode(), *(body[i : i + size] for i in range(0, len(body), size))):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return behave


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""


async def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """RST instead of an answer."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    writer.transport.abort()


async def stay_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Half open: nothing comes back."""
    await reader.read()


async def cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Half of a 200."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(OK), OK[:20]))
    await writer.drain()


@pytest.fixture
async def graph() -> AsyncIterator[Graph]:
    made = Graph()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()


@pytest.fixture
async def client(graph: Graph) -> AsyncIterator[Cloud]:
    made = Cloud(graph.url + "/", "v24.0")
    yield made
    await made.close()


async def post(client: Cloud) -> Outcome:
    outcome = await client.call_messages("100", "segredo", b'{"to":"55"}')
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("warm", [False, True], ids=["a new connection", "a kept one"])
async def test_the_fence_is_asked_once_there_is_a_connection_and_nothing_leaves_behind_it(
    warm: bool, graph: Graph, client: Cloud
) -> None:
    """F19: the wait for a free connection counts, too."""
    if warm:
        graph.behave = kept_open
        await post(client)
    before = len(graph.requests)
    assert await client.call_messages("100", "segredo", b"{}", fenced=lambda: True) is None
    assert len(graph.requests) == before
    await post(client)
    assert len(graph.requests) == before + 1


async def test_a_post_is_one_request_with_the_token_and_the_body_as_given(graph: Graph, client: Cloud) -> None:
    outcome = await post(client)
    assert isinstance(outcome.verdict, reply.Accepted) and outcome.verdict.wamid == "wamid.A"
    assert outcome.first_byte_at is not None
    (request,) = graph.requests
    assert request.startswith(b"POST /v24.0/100/messages HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer segredo\r\n" in request
    assert request.endswith(b'\r\n\r\n{"to":"55"}')


async def test_an_answer_may_come_in_pieces(graph: Graph, client: Cloud) -> None:
    """Half a JSON read as a whole one would leave an accepted message in doubt."""
    graph.behave = respond(OK, pieces=4)
    assert isinstance((await post(client)).verdict, reply.Accepted)


@pytest.mark.parametrize(
    "behave", [hang_up, reset, cut, respond(b"<html>oi</html>"), respond(b"", "302 Found", more="Location: /x\r\n")]
)
async def test_what_left_us_without_a_readable_answer_is_in_doubt(behave: Behaviour, graph: Graph, client: Cloud) -> None:
    """F32, F34, F42: one POST, no repetition, no redirect followed."""
    graph.behave = behave
    outcome = await post(client)
    assert isinstance(outcome.verdict, reply.Unsettled)
    assert outcome.first_byte_at is not None
    await asyncio.sleep(0.05)
    assert len(graph.requests) == 1


async def test_a_silent_server_is_in_doubt_after_the_time_out(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """F44."""
    monkeypatch.setattr(cloud, "READ_S", 0.1)
    client = Cloud(graph.url, "v24.0")
    graph.behave = stay_silent
    outcome = await post(client)
    await client.close()
    assert isinstance(outcome.verdict, reply.Unsettled) and outcome.first_byte_at is not None


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:9", "http://host.invalid", "https://127.0.0.1:{port}"], ids=["refused", "dns", "tls"]
)
async def test_a_connection_that_never_was_is_not_sent(base: str, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """F33: no byte of the message left us, so it may be tried again."""
    monkeypatch.setattr(cloud, "CONNECT_S", 0.3)
    client = Cloud(base.format(port=graph.url.rpartition(":")[2]), "v24.0")
    outcome = await post(client)
    await client.close()
    assert isinstance(outcome.verdict, reply.Unavailable) and outcome.verdict.code is None
    assert outcome.first_byte_at is None


async def test_a_connection_closed_while_idle_never_makes_two_posts(graph: Graph, client: Cloud) -> None:
    """F34: each call is at most one request, whatever became of the connection it reused."""
    for calls in range(1, 6):
        outcome = await post(client)
        assert len(graph.requests) <= calls
        assert isinstance(outcome.verdict, reply.Accepted | reply.Unsettled)


async def test_what_meta_knows_is_fetched_or_it_is_away(graph: Graph, client: Cloud) -> None:
    graph.behave = respond(b'{"display_phone_number":"+55 11"}', pieces=3)
    assert await client.ask("100", "t", fields="a,b") == Fetched(200, {"display_phone_number": "+55 11"})
    assert graph.requests[-1].startswith(b"GET /v24.0/100?fields=a,b HTTP/1.1")
    graph.behave = respond(b'{"error":{"code":190}}', "401 Unauthorized")
    assert await client.ask("100", "t") == Fetched(401, {"error": {"code": 190}})
    graph.behave = respond(b"{}", "502 Bad Gateway")
    with pytest.raises(Unavailable, match="502"):
        await client.ask("100", "t")
    for broken in (respond(b"<html>"), respond(b"[]"), hang_up):
        graph.behave = broken
        with pytest.raises(Unavailable, match=r"cannot be reached|not JSON"):
            await client.ask("100", "t")


UPLOADED = b'{"id":"300"}'
LAST = "Connection: close\r\n"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture"
    path.write_bytes(PNG)
    return path


async def upload(client: Cloud, path: Path, filename: str | None = "cardápio.png") -> reply.Upload:
    return await client.upload_media("100", "segredo", path, "image/png", filename)


async def test_an_upload_is_one_form_with_the_token_the_type_and_the_file(
    graph: Graph, client: Cloud, picture: Path, no_blocking: None
) -> None:
    graph.behave = respond(UPLOADED, pieces=3)
    assert await upload(client, picture) == reply.Uploaded("300")
    (request,) = graph.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v24.0/100/media HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer segredo\r\n" in head
    assert b'name="messaging_product"\r\n\r\nwhatsapp\r\n' in body
    assert b'name="type"\r\n\r\nimage/png\r\n' in body
    assert 'name="file"; filename="cardápio.png"\r\n'.encode() in body
    assert b"\r\n\r\n" + PNG + b"\r\n--" in body


async def test_a_file_without_a_name_is_a_file_all_the_same(graph: Graph, client: Cloud, picture: Path) -> None:
    graph.behave = respond(UPLOADED)
    assert await upload(client, picture, None) == reply.Uploaded("300")
    assert b'filename="picture"' in graph.requests[0]


@pytest.mark.parametrize(
    "behave",
    [hang_up, reset, cut, respond(b"<html>oi</html>"), respond(b"", "302 Found", more="Location: /x\r\n"), respond(b"{}")],
)
async def test_an_upload_whose_answer_is_lost_or_odd_may_be_done_again(
    behave: Behaviour, graph: Graph, client: Cloud, picture: Path
) -> None:
    graph.behave = behave
    assert isinstance(await upload(client, picture), reply.Unavailable)
    await asyncio.sleep(0.05)
    assert len(graph.requests) == 1


async def test_an_upload_has_its_own_time(graph: Graph, picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than a message's, and an end."""

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await respond(UPLOADED, more=LAST)(reader, writer)

    monkeypatch.setattr(cloud, "READ_S", 0.1)
    monkeypatch.setattr(cloud, "TOTAL_S", 0.1)
    monkeypatch.setattr(cloud, "UPLOAD_S", 1)
    client = Cloud(graph.url, "v24.0")
    graph.behave = slowly
    assert await upload(client, picture) == reply.Uploaded("300")
    graph.behave = stay_silent
    assert await upload(client, picture) == reply.Unavailable("timeout")
    await client.close()


async def test_an_upload_without_a_connection_may_be_done_again(picture: Path) -> None:
    client = Cloud("http://127.0.0.1:9", "v24.0")
    assert await upload(client, picture) == reply.Unavailable("ClientConnectorError")
    await client.close()


async def test_a_refused_upload_says_of_what(graph: Graph, client: Cloud, picture: Path) -> None:
    graph.behave = respond(b'{"error":{"message":"expired","code":190}}', "401 Unauthorized", more=LAST)
    assert await upload(client, picture) == reply.Misconfigured("number", 190, "expired")
    graph.behave = respond(b'{"error":{"message":"bad type","code":131053}}', "400 Bad Request")
    assert await upload(client, picture) == reply.Undeliverable(131053, "refused", "bad type")


async def test_a_file_that_is_gone_is_nobody_elses_fault(client: Cloud, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await upload(client, tmp_path / "gone")
