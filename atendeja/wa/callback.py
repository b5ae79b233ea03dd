"""What we put into `biz_opaque_callback_data`: the attempt's random id with a MAC, so that a status tells which attempt it is.

`a1.` + the id in base32 + `.` + 8 characters of HMAC-SHA256. Any app subscribed to the account can see it, so it holds
nothing personal; whoever writes one without our key is not believed. 40 bits of MAC stand behind the webhook's signature and
the check that the attempt is this number's: they sort out foreign texts, they are not the only lock.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from uuid import UUID

_PREFIX = "a1."
_ID_CHARS = 26
_MAC_BYTES = 5
_LENGTH = len(_PREFIX) + _ID_CHARS + 1 + 8


def make(attempt_id: UUID, key: bytes) -> str:
    """The callback data of this attempt: 38 ASCII characters."""
    body = _PREFIX + _base32(attempt_id.bytes)
    mac = hmac.digest(key, body.encode(), "sha256")[:_MAC_BYTES]
    return f"{body}.{_base32(mac)}"


def read(text: str, keys: Sequence[bytes]) -> UUID | None:
    """The attempt's id if the text was made with one of the keys, else None. Raises nothing."""
    if len(text) != _LENGTH or not text.isascii() or not text.startswith(_PREFIX):
        return None
    try:
        attempt_id = UUID(bytes=base64.b32decode(text[len(_PREFIX) : len(_PREFIX) + _ID_CHARS].upper() + "======"))
    except (binascii.Error, ValueError):
        return None
    ours = [hmac.compare_digest(make(attempt_id, key), text) for key in keys]
    return attempt_id if any(ours) else None


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
