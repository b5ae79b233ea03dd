"""Calling addresses that tenants name, and nothing else: no place inside the installation's own network can be reached through it.

Problem: whoever may name an address may name the machine itself, its neighbours or the cloud's metadata service, by any of their
many names, by a name that resolves otherwise a moment later, or by a redirect. Choice: the address that is about to be connected to
is looked at, when its socket is made, and has to be a public one; https only, two ports, no redirect followed, no proxy, 5 s,
256 KiB.
Refused: looking at names and at what they resolve to (another answer comes the next time), and a list of forbidden addresses for
IPv6 (all that is public there is one block).

A deployment that wants to be called in its own network names those hosts itself (OUTSIDE_TRUSTED); everybody's webhooks may then
call them, over http too.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType
from msgspec import Struct

TOTAL_S = 5.0
MOST_BYTES = 256 * 1024
SHOWN_BYTES = 1024
PORTS = frozenset({443, 8443})
MOST_URL_CHARS = 2000
RESOLVERS, RESOLVERS_OF_ONE = 32, 2
"""Threads of their own, of all and of one business: names that take long to resolve keep nobody else's waiting. A thread cannot be
ended, so it counts until it is, whoever waits for it no more."""

_CLOSED_V4 = [
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/3", "168.63.129.16/32"),
    )
]
"""What is not public, or (the last) public by its number only: IANA's registry, and Azure's metadata service."""
_PUBLIC_V6 = IPv6Network("2000::/3")
_CLOSED_V6 = [IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
"""Of the public block: what is for protocols, tunnels and documentation."""
_FORBIDDEN = "forbidden address"
_asker: ContextVar[int] = ContextVar("asker", default=0)
"""Whose address is being called, for the resolver, which aiohttp asks in a task of its own."""
_NAT64 = IPv6Network("64:ff9b::/96")


class Answer(Struct, frozen=True):
    """What came of a call: a status, or why there is none; the beginning of the body; how long it took."""

    status: int | None
    error: str | None
    body: bytes
    seconds: float


class Forbidden(OSError):
    """This is no address that may be called."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, _FORBIDDEN)


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet, also where it stands for another."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is None:
            return ip in _PUBLIC_V6 and not any(ip in network for network in _CLOSED_V6)
        ip = inner
    return not any(ip in network for network in _CLOSED_V4 if isinstance(network, IPv4Network))


def problem(url: str, trusted: Collection[str] = ()) -> str | None:
    """Why this cannot be called, as far as it can be seen; None when it is worth a try. `trusted` are the deployment's own."""
    if len(url) > MOST_URL_CHARS or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return f"it must be of {MOST_URL_CHARS} printable ASCII characters at most"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "it is not an address"
    if parts.scheme not in ("https", "http") or not host:
        return "it must be an https:// address"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "it must have no user, password or fragment"
    if place(parts) in trusted:
        return None
    if parts.scheme != "https":
        return "it must be an https:// address"
    if (port or 443) not in PORTS:
        return f"its port must be one of {', '.join(map(str, sorted(PORTS)))}"
    return "it is not a public address" if _is_number(host) and not is_public(host) else None


def place(parts: SplitResult) -> str:
    """`host:port`, as OUTSIDE_TRUSTED names it."""
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def _is_number(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


class Outside:
    """A client for what tenants name. Keep one per process. It opens what it needs when it is first asked: most never are."""

    def __init__(self, trusted: Collection[str], connections: int = 300, resolver: AbstractResolver | None = None) -> None:
        self._trusted, self._connections = frozenset(trusted), connections
        self._resolver = resolver or Resolver()
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """Guarded or not → its session."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, asker: int = 0) -> Answer:
        """POST it, once, for this tenant (0: for nobody). Raises nothing: whatever happens is an answer."""
        _asker.set(asker)
        began = time.monotonic()  # measured, decides nothing
        status, error, answer = None, problem(url, self._trusted), b""
        if error is None:
            session = self._session(guarded=place(urlsplit(url)) not in self._trusted)
            try:
                async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                    status = response.status
                    answer = await _read(response)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as failed:
                error = None if status is not None else _word(failed)  # it has been answered, whatever became of the rest
        return Answer(status, error, answer[:SHOWN_BYTES], time.monotonic() - began)

    def _session(self, *, guarded: bool) -> aiohttp.ClientSession:
        if guarded not in self._sessions:
            self._sessions[guarded] = _open(self._resolver, self._connections, guarded=guarded)
        return self._sessions[guarded]

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        await self._resolver.close()


def _open(resolver: AbstractResolver, connections: int, *, guarded: bool) -> aiohttp.ClientSession:
    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    connector = aiohttp.TCPConnector(
        limit=connections,
        ssl=tls,
        resolver=resolver,
        ttl_dns_cache=60,
        keepalive_timeout=30,
        socket_factory=_guard if guarded else None,
    )
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=TOTAL_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


def _guard(info: AddrInfoType) -> socket.socket:
    """The socket for an address that is about to be connected to. Raises Forbidden."""
    family, kind, proto, _, address = info
    if family not in (socket.AF_INET, socket.AF_INET6) or not is_public(str(address[0])):
        raise Forbidden
    made = socket.socket(family, kind, proto)
    made.setblocking(False)
    return made


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body as far as it is taken; a longer one ends the connection."""
    answer = bytearray()
    while piece := await response.content.read(MOST_BYTES + 1 - len(answer)):
        answer += piece
        if len(answer) > MOST_BYTES:
            response.close()
            break
    return bytes(answer)


def _word(error: Exception) -> str:
    if _FORBIDDEN in str(error):
        return "it is not a public address"
    return "timeout" if isinstance(error, TimeoutError) else type(error).__name__


class Resolver(AbstractResolver):
    """The system's own way to resolve names, in threads of its own, few of which one business may have."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._turns: dict[int, asyncio.Semaphore] = {}

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """As aiohttp wants it."""
        loop = asyncio.get_running_loop()
        turn = self._turns.setdefault(_asker.get(), asyncio.Semaphore(RESOLVERS_OF_ONE))
        await turn.acquire()

        def end(_looking: object) -> None:
            with suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(turn.release)

        looking = self._threads.submit(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        looking.add_done_callback(end)
        found = await asyncio.wrap_future(looking)
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST)
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
