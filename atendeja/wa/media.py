"""Files on paper: as what WhatsApp takes them. Types and sizes are in `limits.py`; what is inside a file only Meta looks at."""

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from atendeja.wa.limits import MEDIA, MediaKind

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
