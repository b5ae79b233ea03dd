"""What we put into `biz_opaque_callback_data`: the attempt's random id with a MAC, so that a status tells which attempt it is.

`a1.` + the id in base32 + `.` + 8 characters of HMAC-SHA256. Any app subscribed to the account can see it, so it holds
nothing personal; whoever writes one without our key is not believed. 40 bits of MAC stand behind the webhook's signature and
the check that the attempt is this number's: they sort out foreign texts, they are not the only lock.
"""

import base64
import hmac
from collections.abc import Sequence
from uuid import UUID

_PREFIX = "a1."
_ID_CHARS = 26
_MAC_BYTES = 5
_LENGTH = len(_PREFIX) + _ID_CHARS + 1 + 8
_SPARE_BITS = _ID_CHARS * 5 - 128
_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
"""The digits of base32 as those of `int`."""


def make(attempt_id: UUID, key: bytes) -> str:
    """The callback data of this attempt: 38 ASCII characters."""
    body = _PREFIX + _base32(attempt_id.bytes)
    return f"{body}.{_mac(body, key)}"


def read(text: str, keys: Sequence[bytes]) -> UUID | None:
    """The attempt's id if the text was made with one of the keys, else None. Raises nothing."""
    if len(text) != _LENGTH or not text.isascii() or not text.startswith(_PREFIX):
        return None
    body, _, mac = text.rpartition(".")
    ours = [hmac.compare_digest(_mac(body, key), mac) for key in keys]
    return UUID(int=int(body[len(_PREFIX) :].translate(_DIGITS), 32) >> _SPARE_BITS) if any(ours) else None


def _mac(body: str, key: bytes) -> str:
    return _base32(hmac.digest(key, body.encode(), "sha256")[:_MAC_BYTES])


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
