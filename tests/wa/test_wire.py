"""Reading Meta's JSON liberally."""

from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import Raw, Struct

from atendeja.wa.wire import (
    ABSENT,
    UNREADABLE,
    Reader,
    depth,
    identifier,
    instant,
    keep,
    maybe_instant,
    optional_id,
    text,
    too_deep,
)


class Thing(Struct, tag="thing"):
    name: str
    size: int = 0
    tags: list[str] = []


read = Reader(Thing)


@pytest.mark.parametrize(
    ("encoded", "thing"),
    [
        (b'{"name": "a", "size": 1}', Thing("a", 1)),
        (b'{"name": "a", "size": "1"}', Thing("a", 1)),
        (b'{"name": 7, "size": "1", "tags": [1, 2.5]}', Thing("7", 1, ["1", "2.5"])),
        (b'{"name": "a", "size": null, "tags": null}', Thing("a")),
        (b'{"name": "a", "type": "other", "more": [1]}', Thing("a")),
    ],
)
def test_reader(encoded: bytes, thing: Thing) -> None:
    assert read(encoded) == thing


@pytest.mark.parametrize("encoded", [b"", b"7", b"{}", b'{"name": true}', b'{"name": {}}', b'{"name": "a", "size": "x"}'])
def test_unreadable(encoded: bytes) -> None:
    with pytest.raises(UNREADABLE):
        read(encoded)
    assert read.part(Raw(encoded)) is None


def test_an_absent_part_is_none() -> None:
    assert read.part(ABSENT) is None


@pytest.mark.parametrize(
    ("encoded", "levels"), [(b"1", 0), (b"{}", 1), (b'{"a": [1, {"b": 2}], "c": {}}', 3), (rb'["[[[", "\"[[", "\\"]', 1)]
)
def test_depth(encoded: bytes, levels: int) -> None:
    assert depth(encoded) == levels


def test_too_deep_begins_after_64() -> None:
    assert not too_deep(b"[" * 64 + b"]" * 64)
    assert too_deep(b"[" * 65 + b"]" * 65)
    assert not too_deep(b"[" + b",".join([b"[]"] * 500) + b"]")


def test_keep() -> None:
    assert keep(b'{"a": [1, null]}') == {"a": [1, None]}
    assert keep(b"9" * 5000) == "9" * 5000
    assert keep(b"[" * 65 + b"]" * 65) == "[" * 65 + "]" * 65
    assert msgspec.json.encode(keep(b'{"a": 1e999}')) == b'"{\\"a\\": 1e999}"'


@pytest.mark.parametrize("value", [1795176000, "1795176000", 1795176000.5, "1795176000000", 1795176000000])
def test_instant(value: str | float) -> None:
    assert instant(value).replace(microsecond=0) == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, "", "x", "-1", -1, "1e9", "²", "9" * 30, 10**20, 1e300, "1795176000.5", "٣"])
def test_not_an_instant(value: str | float | None) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        instant(value)
    assert maybe_instant(value) is None


@pytest.mark.parametrize("value", [0, "99999999999", 99999999999999])
def test_every_instant_can_be_told(value: str | int) -> None:
    assert msgspec.json.decode(msgspec.json.encode(instant(value)), type=datetime) == instant(value)


@pytest.mark.parametrize(("value", "found"), [(None, None), ("", None), (7, "7"), ("7", "7"), (0, "0")])
def test_text(value: str | int | None, found: str | None) -> None:
    assert text(value) == found


def test_ids_that_no_index_could_hold_are_refused() -> None:
    assert identifier("x" * 512) == "x" * 512
    assert optional_id(None) is None
    for bad in ("x" * 513, None, ""):
        with pytest.raises(ValueError, match="id"):
            identifier(bad)
    with pytest.raises(ValueError, match="too long"):
        optional_id("x" * 513)
