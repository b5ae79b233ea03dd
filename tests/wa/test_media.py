"""Which files WhatsApp takes as what, to the byte."""

import pytest

from atendeja.wa import media
from atendeja.wa.limits import MEDIA, MediaKind

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("kind", "mime", "size", "expected"),
    [
        ("image", "image/jpeg", 1, []),
        ("image", "image/png", 5 * MB, []),
        ("image", "image/png", 5 * MB + 1, ["size: 5242881 bytes, at most 5242880 are allowed"]),
        ("image", "image/png", 0, ["size: must not be empty"]),
        ("image", "image/webp", 1, ["type: image/webp is none that goes as image: image/jpeg, image/png"]),
        ("image", "IMAGE/PNG", 1, ["type: IMAGE/PNG is none that goes as image: image/jpeg, image/png"]),
        ("video", "video/3gpp", 16 * MB, []),
        ("audio", "audio/ogg", 16 * MB + 1, ["size: 16777217 bytes, at most 16777216 are allowed"]),
        ("document", "application/pdf", 100 * MB, []),
        ("sticker", "image/webp", 500 * 1024, []),
        ("sticker", "image/webp", 500 * 1024 + 1, ["size: 512001 bytes, at most 512000 are allowed"]),
    ],
)
def test_file_problems(kind: MediaKind, mime: str, size: int, expected: list[str]) -> None:
    assert media.file_problems(kind, mime, size) == expected


def test_what_a_type_is_sent_as_and_how_large() -> None:
    assert (media.kinds("application/pdf"), media.most_bytes("application/pdf")) == (["document"], 100 * MB)
    assert (media.kinds("image/webp"), media.most_bytes("image/webp")) == (["sticker"], 500 * 1024)
    assert (media.kinds("image/gif"), media.most_bytes("image/gif")) == ([], 0)


def test_every_type_has_the_end_of_a_name_and_no_end_stands_for_another() -> None:
    assert set(media.SUFFIXES.values()) == set(media.TYPES)
    assert len(media.TYPES) == sum(len(limit.types) for limit in MEDIA.values())


@pytest.mark.parametrize(("name", "mime"), [("a.PNG", "image/png"), ("a.b.pdf", "application/pdf"), ("pdf", None), ("a.gif", None)])
def test_a_type_is_told_by_the_end_of_the_name(name: str, mime: str | None) -> None:
    assert media.guess_type(name) == mime
