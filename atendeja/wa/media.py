"""Files on paper: as what WhatsApp takes them. Types and sizes are in `limits.py`; what is inside a file only Meta looks at."""

import re
from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from atendeja.wa.limits import MEDIA, MediaKind

HEAD_BYTES: Final = 512
"""What a file begins with: enough to see what it is not."""

TYPES: Final = tuple(mime for limit in MEDIA.values() for mime in limit.types)
"""Every MIME type that can be sent."""

SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".png": "image/png",
        ".mp4": "video/mp4",
        ".3gp": "video/3gpp",
        ".aac": "audio/aac",
        ".amr": "audio/amr",
        ".mp3": "audio/mpeg",
        ".m4a": "audio/mp4",
        ".ogg": "audio/ogg",
        ".opus": "audio/ogg",
        ".txt": "text/plain",
        ".pdf": "application/pdf",
        ".doc": "application/msword",
        ".xls": "application/vnd.ms-excel",
        ".ppt": "application/vnd.ms-powerpoint",
        ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ".webp": "image/webp",
    }
)
"""The ends of names. Ours, because what Python knows of them depends on the machine."""


def guess_type(name: str) -> str | None:
    """The MIME type that a file of this name has, of those that can be sent; None if its end says nothing."""
    return SUFFIXES.get(PurePath(name).suffix.lower())


def suffix(mime: str) -> str:
    """How the name of a file of this type ends; empty for one that we do not know."""
    return next((end for end, found in SUFFIXES.items() if found == mime), "")


def kinds(mime: str) -> list[MediaKind]:
    """As what a file of this type can be sent; empty: not at all."""
    return [kind for kind, limit in MEDIA.items() if mime in limit.types]


def most_bytes(mime: str) -> int:
    """How large a file of this type may be, whatever it is sent as; 0 for one that cannot be sent."""
    return max((MEDIA[kind].most_bytes for kind in kinds(mime)), default=0)


def file_problems(kind: MediaKind, mime: str, size: int) -> list[str]:
    """What Meta would refuse about a file of `size` bytes sent as this kind, each as `path: reason`; empty if nothing."""
    limit, found = MEDIA[kind], []
    if mime not in limit.types:
        found.append(f"type: {mime} is none that goes as {kind}: {', '.join(limit.types)}")
    if size <= 0:
        found.append("size: must not be empty")
    elif size > limit.most_bytes:
        found.append(f"size: {size} bytes, at most {limit.most_bytes} are allowed")
    return found


_OLE, _ZIP, _BOX = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"PK\x03\x04", b"ftyp"
_OFFICE = "application/vnd.openxmlformats-officedocument"
_BEGINS: Final[Mapping[str, tuple[tuple[int, bytes], ...]]] = MappingProxyType(
    {
        "image/jpeg": ((0, b"\xff\xd8\xff"),),
        "image/png": ((0, b"\x89PNG\r\n\x1a\n"),),
        "image/webp": ((8, b"WEBP"),),
        "video/mp4": ((4, _BOX),),
        "video/3gpp": ((4, _BOX),),
        "audio/mp4": ((4, _BOX),),
        "audio/aac": ((0, b"\xff\xf1"), (0, b"\xff\xf9"), (0, b"ADIF"), (4, _BOX)),
        "audio/amr": ((0, b"#!AMR"),),
        "audio/mpeg": ((0, b"ID3"), *((0, bytes([0xFF, second])) for second in (0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2))),
        "audio/ogg": ((0, b"OggS"),),
        "application/pdf": ((0, b"%PDF-"),),
        "application/msword": ((0, _OLE),),
        "application/vnd.ms-excel": ((0, _OLE),),
        "application/vnd.ms-powerpoint": ((0, _OLE),),
        f"{_OFFICE}.wordprocessingml.document": ((0, _ZIP),),
        f"{_OFFICE}.spreadsheetml.sheet": ((0, _ZIP),),
        f"{_OFFICE}.presentationml.presentation": ((0, _ZIP),),
    }
)
"""By type, where which bytes stand: one of these."""
_PAGE: Final = re.compile(rb"\s*(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|script|svg|\?xml|iframe)", re.IGNORECASE)


def fits(mime: str, head: bytes) -> bool:
    """Whether a file that begins like this may be of this type. A text is anything without a NUL that is no page and none of the
    others."""
    if mime != "text/plain":
        return any(head[at : at + len(wanted)] == wanted for at, wanted in _BEGINS.get(mime, ()))
    known = any(head[at : at + len(wanted)] == wanted for begins in _BEGINS.values() for at, wanted in begins if at == 0)
    return b"\0" not in head and not known and _PAGE.match(head) is None
