"""What a body and a query may be (S12): a table of what is taken, what is refused, and where it is said to be wrong."""

import time
import tracemalloc
from ipaddress import ip_network
from typing import Any

import pytest
from msgspec import Struct
from starlette.types import Message

from atendeja.endpoint import Problem
from atendeja.endpoint.reading import (
    DISCARDED,
    MAX_BODY_BYTES,
    MAX_DEPTH,
    check_head,
    read_address,
    read_body,
    read_json,
    read_query,
)


class Thing(Struct, forbid_unknown_fields=True):
    name: str = ""
    n: int = 0
    any: Any = None  # Any: what a client may nest at will


def problem(body: bytes) -> tuple[int, str, list[tuple[str, str]]]:
    with pytest.raises(Problem) as caught:
        read_json(body, Thing)
    return caught.value.status, caught.value.code, [(fault.path, fault.reason) for fault in caught.value.faults]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"nonsense", b'{"name": "\xff"}', b'{"name": "\x00"}', b'{"name": "\\ud800"}', b'{"name": "\\udc00 x"}',
             b'{"name": "\\ud800\\u0041"}', b'{"name": "\xed\xa0\x80"}', b'{"n": 01}', b"{} {}"],
)  # fmt: skip
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    assert problem(body) == (400, "malformed", [])


@pytest.mark.parametrize("begins", [b"[" * 65, b"1" * 20, b'{"any": ' + b"[" * 65])
def test_a_text_without_an_end_costs_no_time(begins: bytes) -> None:
    """A quarter of a megabyte of escaped quotes: looked at once. (Looked at from each quote it takes minutes.)"""
    body = begins + b'"' + b'\\"' * (MAX_BODY_BYTES // 2 - 100)
    began = time.process_time()
    assert problem(body)[0] in (400, 422)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"[]", "$", "Expected `object`, got `array`"),
        (b'{"nome": 1}', "$", "Object contains unknown field `nome`"),
        (b'{"n": "1"}', "$.n", "Expected `int`, got `str`"),
        (b'{"any": {"a": ["x", "\\u0000"]}}', "$.any.a[1]", "a text holds a NUL character"),
        (b'{"any": {"a\\u0000": 1}}', "$.any", "a text holds a NUL character"),
        (b'{"n": 12345678901234567890}', "$", "an integer has over 19 digits"),
        (b'{"any": -1' + b"0" * 100 + b"}", "$", "an integer has over 19 digits"),
        (b'{"any": -1' + b"0" * 5000 + b"}", "$.any", "Integer value out of range"),
        (b'{"any": 1e400}', "$.any", "Number out of range"),
    ],
)
def test_what_does_not_fit_is_said_with_its_place(body: bytes, path: str, reason: str) -> None:
    assert problem(body) == (422, "invalid", [(path, reason)])


@pytest.mark.parametrize(
    "body", [b'{"n": 9223372036854775807}', b'{"name": "123456789012345678901234567890"}', b'{"any": 0.123456789012345678901234}',
             b'{"name": "[[[[' + b"{" * 100 + b'"}', b'{"name": "\\\\u0000"}', b'{"name": "\\ud83d\\ude00"}'],
)  # fmt: skip
def test_what_only_looks_wrong_is_taken(body: bytes) -> None:
    read_json(body, Thing)


def test_nesting_ends_at_its_bound_however_deep_it_goes() -> None:
    def nested(depth: int) -> bytes:
        return b'{"any": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    read_json(nested(MAX_DEPTH), Thing)
    read_json(b'{"any": [' + b",".join([b"[]"] * 500) + b"]}", Thing)
    for depth in (MAX_DEPTH + 1, 5_000, 100_000):
        assert problem(nested(depth))[:2] == (400, "too_deep")
    assert problem(b'{"any": ' + b"[" * 200_000)[:2] == (400, "too_deep")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, None),
        ({"content-type": "Application/JSON; charset=UTF-8"}, None),
        ({"content-type": "application/json", "content-length": str(DISCARDED * MAX_BODY_BYTES)}, None),
        ({}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json", "content-length": str(DISCARDED * MAX_BODY_BYTES + 1)}, 413),
    ],
)
def test_a_head_says_what_comes(headers: dict[str, str], status: int | None) -> None:
    if status is None:
        check_head(headers)
        return
    with pytest.raises(Problem) as caught:
        check_head(headers)
    assert caught.value.status == status


async def test_reading_ends_at_the_bound_whatever_was_announced() -> None:
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 65_536, "more_body": True}

    tracemalloc.start()
    with pytest.raises(Problem) as caught:
        await read_body(receive)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.status, caught.value.code, asked) == (413, "too_large", 16)
    assert peak < 2 * MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["6.6.6.6"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::1", ["2001:db8::9"], "2001:db8::9"),
        ("::ffff:10.0.0.1", ["6.6.6.6, ::ffff:203.0.113.9"], "203.0.113.9"),
        ("", ["6.6.6.6"], ""),
    ],
)
def test_the_address_is_the_first_from_the_right_that_is_no_proxy_of_ours(peer: str, forwarded: list[str], found: str) -> None:
    assert read_address(peer, forwarded, [ip_network("10.0.0.0/8"), ip_network("::1/128")]) == found
    assert read_address(peer, forwarded, []) == peer.removeprefix("::ffff:")


def test_a_query_is_read_as_strictly() -> None:
    assert read_query([("n", "3"), ("name", "3")], Thing) == Thing("3", 3)
    for pairs in ([("n", "x")], [("m", "1")], [("n", "1"), ("n", "2")], [("name", "a\0")]):
        with pytest.raises(Problem) as caught:
            read_query(pairs, Thing)
        assert (caught.value.status, caught.value.code) == (422, "invalid")
