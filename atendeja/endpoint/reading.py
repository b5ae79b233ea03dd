"""Requests as the API reads them: strictly, within bounds, and saying where what does not fit is.

msgspec refuses what is not JSON or not of the type. It takes a NUL, which PostgreSQL does not, integers of any length and any depth
that the stack holds: those are looked for here. The usual body is searched for a few bytes and decoded once.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from atendeja.endpoint.problems import Fault, Problem

MAX_BODY_BYTES = 256 * 1024
DISCARDED = 4
"""A body that is too large is read on to so many times its bound and thrown away: a connection that ends with unread bytes takes
the answer along."""
MAX_DEPTH = 64
MAX_DIGITS = 19
"""Of an integer: as many as a bigint has."""

S = TypeVar("S", bound=Struct)

_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_LONG = re.compile(rb"\d{%d}" % (MAX_DIGITS + 1))
_LONG_INTEGER = re.compile(rb"(?<![\d.eE+])\d{%d,}(?![\d.eE])" % (MAX_DIGITS + 1))
_WHERE = re.compile(r"^(.*?)(?: - at `(.+)`)?$", re.DOTALL)


def read_address(peer: str, forwarded: Sequence[str], proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """From where a request comes: from who connects; where that is a proxy of ours, from whom its X-Forwarded-For says, and so on.

    What a client writes into that header itself stands before what the proxies add, and is never reached.
    """
    found, hops = _plain(peer), [hop.strip() for line in forwarded for hop in line.split(",")]
    while hops and _is_in(found, proxies) and _is_address(hops[-1]):
        found = _plain(hops.pop())
    return found


def networks(address: str) -> list[str]:
    """What counts as one place: an IPv4 address; of an IPv6 address the /64, which a customer gets at least, and the /48."""
    try:
        found = ip_address(address)
    except ValueError:
        return [address]
    if not isinstance(found, IPv6Address):
        return [str(found)]
    if found.ipv4_mapped is not None:
        return [str(found.ipv4_mapped)]
    return [str(IPv6Network((int(found), bits), strict=False)) for bits in (64, 48)]


def _plain(text: str) -> str:
    """An IPv4 address as such, also where a socket for both says it in the way of IPv6."""
    try:
        return str(getattr(ip_address(text), "ipv4_mapped", None) or text)
    except ValueError:
        return text


def _is_in(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return bool(networks) and _is_address(text) and any(ip_address(text) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def check_head(headers: Mapping[str, str], most_bytes: int = MAX_BODY_BYTES) -> None:
    """Refuse a body that is announced as far too large or as something else, before it is read. Raises Problem."""
    kind, _, parameters = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or parameters.replace(" ", "").lower() not in ("", "charset=utf-8"):
        raise Problem(415, "not_json", "send the body as Content-Type: application/json, in UTF-8")
    check_encoding(headers)
    if int(headers.get("content-length", "0")) > DISCARDED * most_bytes:  # the parser takes digits only
        raise _too_large(most_bytes)


def check_encoding(headers: Mapping[str, str]) -> None:
    """Refuse a body that is compressed. Raises Problem."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "compressed", "send the body as it is, without a Content-Encoding")


class Stream:
    """The bytes of a body as they come, once. `mime` is what its Content-Type says it is, `announced` how many it is to have."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        self._receive = receive
        self.mime = headers.get("content-type", "").partition(";")[0].strip().lower()
        self.announced = int(headers["content-length"]) if "content-length" in headers else None
        self.is_read = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self.is_read:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            self.is_read = not message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk


async def read_body(receive: Receive, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises Problem when it is more than `most_bytes`, whatever was announced; what is more is not kept."""
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > most_bytes:
            chunks.clear()
            more = more and size < DISCARDED * most_bytes
    if size > most_bytes:
        raise _too_large(most_bytes)
    return b"".join(chunks)


def _too_large(most_bytes: int) -> Problem:
    return Problem(413, "too_large", f"the body is larger than {most_bytes} bytes")


def read_json(body: bytes, kind: type[S]) -> S:
    """The struct that a body is. Raises Problem: 400 when it is not JSON, 422 with the place when it does not fit."""
    try:
        read = msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed() from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_bounds(body)
    if b"\\u0000" in body:
        _check_nul(msgspec.json.decode(body))
    return read


def read_query(pairs: list[tuple[str, str]], kind: type[S]) -> S:
    """The struct that a query string is; a name that comes twice or that nobody asked for is refused. Raises Problem 422."""
    given = dict(pairs)
    if len(given) < len(pairs):
        raise Problem(422, "invalid", "a parameter is given twice", faults=(Fault("$", "a parameter is given twice"),))
    _check_nul(given)
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error) from error


def _check_bounds(body: bytes) -> None:
    """Of what is JSON only: a text that has no end would be looked for again from each of its quotes, for minutes."""
    brackets = body.count(b"[") + body.count(b"{")
    if brackets <= MAX_DEPTH and not _LONG.search(body):
        return
    bare = _TEXTS.sub(b'""', body)
    if _LONG_INTEGER.search(bare):
        raise Problem(422, "invalid", "the request does not fit", faults=(Fault("$", f"an integer has over {MAX_DIGITS} digits"),))
    depth = 0
    for bracket in _BRACKETS.finditer(bare):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > MAX_DEPTH:
            raise _too_deep()


def _check_nul(value: object) -> None:
    if (place := next(_nuls(value, "$"), None)) is not None:
        raise Problem(422, "invalid", "the request does not fit", faults=(Fault(place, "a text holds a NUL character"),))


def _nuls(value: object, place: str) -> Iterator[str]:
    """The places of texts, names among them, with a NUL in them."""
    if isinstance(value, str):
        if "\0" in value:
            yield place
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _nuls(name, place)
            yield from _nuls(part, f"{place}.{name}")
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield from _nuls(part, f"{place}[{i}]")


def _too_deep() -> Problem:
    return Problem(400, "too_deep", f"the body is nested more than {MAX_DEPTH} deep")


def _malformed() -> Problem:
    return Problem(400, "malformed", "the body is not JSON in UTF-8")


def _invalid(error: msgspec.ValidationError) -> Problem:
    found = _WHERE.match(str(error))
    assert found is not None
    return Problem(422, "invalid", "the request does not fit", faults=(Fault(found[2] or "$", found[1]),))
