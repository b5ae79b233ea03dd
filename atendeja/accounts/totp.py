"""Time-based one-time passwords (RFC 6238) as every app knows them: SHA-1, six digits, half a minute. Pure: time is an argument."""

import hashlib
import hmac
import re
from base64 import b32encode
from urllib.parse import quote

STEP_S = 30
DRIFT = 1
"""Steps that a telephone's clock may be wrong by."""
SEED_BYTES = 20
DIGITS = 6
ISSUER = "AtendeJá"
CODES = 10
"""Recovery codes of an account."""
CODE_BYTES = 10
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


def code(seed: bytes, step: int) -> str:
    """The code of this half minute since 1970."""
    mac = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 15
    return str(int.from_bytes(mac[at : at + 4], "big") & 0x7FFF_FFFF)[-DIGITS:].zfill(DIGITS)


def find_step(seed: bytes, given: str, now: float, last_step: int) -> int | None:
    """Of which half minute this code is, of now or one to either side, and later than the last that was taken; None for none."""
    current, found = int(now // STEP_S), None
    for step in range(current - DRIFT, current + DRIFT + 1):
        if hmac.compare_digest(code(seed, step).encode(), given.encode()) and step > last_step:
            found = step
    return found


def normal(given: str) -> str:
    """What was typed, as it is compared."""
    return re.sub(r"[\s-]", "", given).lower()


def is_code(given: str) -> bool:
    """Whether it is an app's; else it may be a recovery code."""
    return _CODE.fullmatch(given) is not None


def recovery_code(random: bytes) -> str:
    """`k3zq-…`, of 80 random bits."""
    text = b32encode(random).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def digest(recovery_code: str) -> bytes:
    """What is kept of it: so many random bits need no more."""
    return hashlib.sha256(normal(recovery_code).encode()).digest()


def secret(seed: bytes) -> str:
    """The seed as people type it."""
    return b32encode(seed).decode()


def uri(seed: bytes, email: str) -> str:
    """The seed as apps read it from a picture."""
    issuer = quote(ISSUER)
    label = f"{issuer}:{quote(email)}"
    return f"otpauth://totp/{label}?secret={secret(seed)}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
