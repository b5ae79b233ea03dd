"""Where tenants' addresses lead: to the public internet over https, whatever they are called, and nowhere else (S30)."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from atendeja import outside
from atendeja.outside import Outside, is_public, problem

PUBLIC = """
1.1.1.1 8.8.8.8 9.9.9.9 11.0.0.1 52.95.110.1 93.184.215.14 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 169.253.255.255
169.255.0.1 172.15.255.255 172.32.0.1 191.255.255.255 192.0.1.1 192.0.3.1 192.88.98.1 192.88.100.1 192.167.255.255 192.169.0.1
198.17.255.255 198.20.0.1 198.51.99.1 198.51.101.1 203.0.112.1 203.0.114.1 223.255.255.255 168.63.129.15 168.63.129.17
::ffff:8.8.8.8 ::ffff:808:808 64:ff9b::8.8.8.8 64:ff9b::101:101
2001:200::1 2001:4860:4860::8888 2003::1 2400:cb00::1 2606:4700:4700::1111 2620:fe::fe 2804:14c::1 2a00:1450::1 2c0f:f248::1 3ffe::1
"""

CLOSED = """
0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.0 100.64.0.1 100.100.100.200 100.127.255.255
127.0.0.0 127.0.0.1 127.0.1.1 127.1.2.3 127.255.255.255 169.254.0.0 169.254.0.1 169.254.169.254 169.254.170.2 169.254.255.255
172.16.0.0 172.16.0.1 172.17.0.1 172.20.10.1 172.31.255.255 192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170
192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.1 192.0.2.255 192.88.99.0 192.88.99.1 192.88.99.255 192.168.0.0 192.168.0.1
192.168.1.1 192.168.255.255 198.18.0.0 198.18.0.1 198.19.255.255 198.51.100.0 198.51.100.1 198.51.100.255 203.0.113.0
203.0.113.1 203.0.113.255 224.0.0.0 224.0.0.1 224.0.0.251 224.0.1.1 232.0.0.1 233.252.0.1 234.1.1.1 239.255.255.250
239.255.255.255 240.0.0.0 240.0.0.1 250.1.2.3 254.255.255.255 255.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::2 ::127.0.0.1 ::8.8.8.8 ::7f00:1 ::ffff:0.0.0.0 ::ffff:0.0.0.1 ::ffff:10.0.0.1 ::ffff:100.64.0.1 ::ffff:127.0.0.1
::ffff:7f00:1 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:172.16.0.1 ::ffff:192.168.0.1 ::ffff:224.0.0.1 ::ffff:255.255.255.255
::ffff:0:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::0.0.0.0 64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::169.254.169.254
64:ff9b::a9fe:a9fe 64:ff9b::172.16.0.1 64:ff9b::192.168.0.1 64:ff9b::224.0.0.1 64:ff9b:0:0:1::8.8.8.8 64:ff9b:1::1
64:ff9b:1::10.0.0.1 64:ff9b:1:fffe::8.8.8.8 100::1 100:0:0:1::1 1::1 200::1 400::1 1000::1 1fff:ffff::1
2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:1::2 2001:2::1 2001:3::1 2001:4:112::1 2001:5::1 2001:10::1
2001:20::1 2001:30::1 2001:1ff:ffff::1 2001:db8::1 2001:db8:ffff::1 2002::1 2002:7f00:1::1 2002:a00:1::1 2002:a9fe:a9fe::1
2002:808:808::1 3fff::1 3fff:fff::1 4000::1 5f00::1 8000::1 fc00::1 fc00:1::1 fd00::1 fd00:ec2::254 fd12:3456::1 fdff::1 fe00::1
fe80::1 fe80::a9fe:a9fe febf::1 fec0::1 fee0::1 feff::1 ff00::1 ff01::1 ff02::1 ff02::fb ff05::2 ff0e::1 ffff::1
fe80::1%eth0 fe80::1%lo 1 127.1 0x7f000001 2130706433 0177.0.0.1 localhost x 127.0.0.1:80 [::1]
"""

NAMES = """
127.1 127.0.1 127.000.000.001 0177.0.0.1 0x7f.0.0.1 0x7f000001 0x7F.1 2130706433 017700000001 0 0x0 localhost LOCALHOST localhost.
[::1] [::ffff:127.0.0.1] [::ffff:7f00:1] [64:ff9b::7f00:1] [0:0:0:0:0:0:0:1] 127.0.0.1 127.255.255.254 0.0.0.0 [::] 2852039166
0xa9fea9fe 169.254.169.254 10.0.0.1 [fd00:ec2::254] [fe80::1%25lo]
"""
"""What leads home under another name: as numbers are written, and as names resolve."""


def test_what_is_public_and_what_is_not() -> None:
    """S30: two hundred addresses of both kinds, mapped, translated and tunnelled ones among them."""
    assert len(PUBLIC.split()) + len(CLOSED.split()) >= 200
    assert [address for address in PUBLIC.split() if not is_public(address)] == []
    assert [address for address in CLOSED.split() if is_public(address)] == []


URLS = {
    "https://example.com/hook": True,
    "https://example.com:443/hook?x=1": True,
    "https://example.com:8443": True,
    "https://8.8.8.8/": True,
    "http://n8n:5678/hook": True,
    "https://n8n:5678/hook": True,
    "http://n8n:5679/hook": False,
    "http://n8n/hook": False,
    "http://example.com/": False,
    "https://example.com:22/": False,
    "https://example.com:80/": False,
    "https://example.com:0/": True,  # none: what is connected to is 443 or nothing
    "https://example.com:99999/": False,
    "https://example.com:x/": False,
    "ftp://example.com/": False,
    "file:///etc/passwd": False,
    "gopher://example.com/": False,
    "//example.com/": False,
    "example.com": False,
    "https://": False,
    "https:///x": False,
    "https://user@example.com/": False,
    "https://user:pass@example.com/": False,
    "https://example.com@127.0.0.1/": False,
    "https://example.com/#x": False,
    "https://example.com\\@127.0.0.1/": False,
    "https://example.com/ x": False,
    "https://example.com/\r\nHost: x": False,
    "https://exámple.com/": False,
    "https://127。0。0。1/": False,
    "https://[::1]/": False,
    "https://[::ffff:a9fe:a9fe]/": False,
    "https://169.254.169.254/latest/meta-data": False,
    "https://[::1/": False,
    f"https://example.com/{'x' * 2000}": False,
    "": False,
}


@pytest.mark.parametrize("url", URLS)
def test_what_can_be_seen_of_an_address_before_it_is_called(url: str) -> None:
    """S30: https, two ports, no user; but what the deployment trusts."""
    assert (problem(url, ("n8n:5678",)) is None) == URLS[url]


class Names(AbstractResolver):
    """Names that resolve to what a test says: the next answer each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        found = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        kind = {True: socket.AF_INET6, False: socket.AF_INET}
        return [ResolveResult(hostname=host, host=a, port=port, family=kind[":" in a], proto=0, flags=0) for a in found]

    async def close(self) -> None:
        pass


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(handler: Handler, port: int = 0) -> AsyncIterator[tuple[int, list[str]]]:
    """A server on this machine: its port, and what it was asked for."""
    seen: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return await handler(request)

    runner = web.ServerRunner(web.Server(note))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    yield runner.addresses[0][1], seen
    await runner.cleanup()


async def fine(_request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="fine")


@asynccontextmanager
async def calling(*trusted: str, resolver: AbstractResolver | None = None) -> AsyncIterator[Outside]:
    client = Outside(trusted, resolver=resolver)
    yield client
    await client.close()


@pytest.mark.parametrize("host", NAMES.split())
async def test_no_name_leads_home(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S30: the connection itself is refused; not a byte arrives at a server that listens there."""
    async with listening(fine) as (port, seen), calling() as client:
        monkeypatch.setattr(outside, "PORTS", frozenset({port}))
        monkeypatch.setattr(outside, "_is_number", lambda host: False)  # as if nothing had been seen before
        answer = await client.post(f"https://{host}:{port}/hook", b"{}", {})
        assert answer.status is None and answer.error in (
            "it is not a public address",
            "ClientConnectorDNSError",
            "InvalidUrlClientError",
        )
        assert seen == []


async def test_a_name_that_resolves_otherwise_the_next_time_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """S30: rebinding. What is looked at is what is connected to, at every connection, and each of several addresses."""
    names = Names(["192.0.2.7"], ["127.0.0.1"], ["::1", "127.0.0.1"], ["::ffff:127.0.0.1"])
    async with listening(fine) as (port, seen), calling(resolver=names) as client:
        monkeypatch.setattr(outside, "PORTS", frozenset({port}))
        for n in range(4):
            client._session(guarded=True).connector.clear_dns_cache()  # type: ignore[union-attr]  # it is a TCPConnector
            answer = await client.post(f"https://rebinding.example:{port}/{n}", b"{}", {})
            assert (answer.status, answer.error) == (None, "it is not a public address")
        assert (names.asked, seen) == (4, [])


async def test_a_redirect_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """S30: nobody follows it to the metadata service, or anywhere."""

    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": f"http://169.254.169.254/x?from={request.path}"})

    async with listening(elsewhere) as (port, seen), calling(f"127.0.0.1:{port}") as client:
        answer = await client.post(f"http://127.0.0.1:{port}/hook", b"{}", {})
        assert (answer.status, answer.error, seen) == (307, None, ["/hook"])


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """S30: nor a .netrc."""
    async with listening(fine) as (port, _), listening(fine) as (proxy, asked), calling(f"127.0.0.1:{port}") as client:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy}")
        assert (await client.post(f"http://127.0.0.1:{port}/hook", b"{}", {})).status == 200
        assert asked == []


async def test_what_is_slow_long_or_torn_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """S30: 5 s, 256 KiB. An answer that began counts, whatever becomes of its body."""
    assert (outside.TOTAL_S, outside.MOST_BYTES) == (5, 256 * 1024)
    sent = 0

    async def misbehave(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal sent
        if request.path == "/slow":
            await asyncio.sleep(60)
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"} if request.path == "/bomb" else {})
        await response.prepare(request)
        for _ in range(1_000 if request.path == "/long" else 1):
            await response.write(b"x" * 65_536)
            sent += 65_536
        if request.path == "/drip":
            await asyncio.sleep(60)
        return response

    monkeypatch.setattr(outside, "TOTAL_S", 0.3)
    async with listening(misbehave) as (port, _), calling(f"127.0.0.1:{port}") as client:
        slow = await client.post(f"http://127.0.0.1:{port}/slow", b"{}", {})
        assert (slow.status, slow.error) == (None, "timeout") and 0.25 < slow.seconds < 3
        for path in ("/long", "/drip", "/bomb"):
            answer = await client.post(f"http://127.0.0.1:{port}{path}", b"{}", {})
            assert (answer.status, answer.error, len(answer.body)) == (200, None, outside.SHOWN_BYTES if path != "/drip" else 0)
        assert sent < 40 * 65_536 * 16, "and nobody reads on"
        nobody = await client.post(f"http://127.0.0.1:{port}/", b"{}", {})
        assert nobody.status == 200
    async with calling(f"127.0.0.1:{port}") as client:
        assert (await client.post(f"http://127.0.0.1:{port}/", b"{}", {})).error == "ClientConnectorError"


async def test_names_that_take_long_keep_nobody_elses_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """S30: whoever waits for one has long given up, and its thread goes on."""
    there, over = socket.getaddrinfo, threading.Event()

    def look_up(host: str, *more: int) -> object:
        return over.wait(5) if host.endswith(".slow.example") else there(host, *more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(outside, "TOTAL_S", 0.3)
    async with listening(fine) as (port, _), calling(f"localhost:{port}") as client:
        names = [f"https://{n}.slow.example/hook" for n in range(2 * outside.RESOLVERS)]
        slow = await asyncio.gather(*(client.post(url, b"{}", {}, asker=1) for url in names))
        assert {answer.error for answer in slow} == {"timeout"}
        mine = await client.post(f"http://localhost:{port}/hook", b"{}", {}, asker=2)
        assert mine.status == 200
        over.set()
        await asyncio.sleep(0.05)
        assert (await client.post(f"http://localhost:{port}/hook", b"{}", {}, asker=1)).status == 200


async def test_certificates_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a trusted host too."""
    async with listening(fine) as (port, seen), calling(f"127.0.0.1:{port}") as client:
        answer = await client.post(f"https://127.0.0.1:{port}/", b"{}", {})
        assert answer.status is None and answer.error is not None and "Connector" in answer.error and seen == []
