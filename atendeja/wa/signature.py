"""Proof that a webhook comes from Meta, and the handshake that sets one up.

Meta signs the raw bytes of the body with the app's secret; nothing is parsed before `verify` has said yes. Source: Meta,
webhooks, create a webhook endpoint (copy of 2026-09-11).
"""

import hmac
import re
from collections.abc import Mapping, Sequence

from atendeja.wa.limits import CHALLENGE

_HEADER = re.compile(r"sha256=[0-9a-fA-F]{64}")


def verify(secrets: Sequence[bytes], body: bytes, headers: Sequence[str]) -> bool:
    """Whether the one `X-Hub-Signature-256` header was made from these bytes with one of the secrets.

    `headers` holds every value of that header: none or two is a refusal. Every secret is tried, so that one can be rotated.
    """
    if not well_formed(headers):
        return False
    given = headers[0].lower()
    matches = [hmac.compare_digest(sign(secret, body), given) for secret in secrets if secret]
    return any(matches)


def well_formed(headers: Sequence[str]) -> bool:
    """Whether there is exactly one `X-Hub-Signature-256` and it could be one: asked before anything of the body is read."""
    return len(headers) == 1 and _HEADER.fullmatch(headers[0]) is not None


def sign(secret: bytes, body: bytes) -> str:
    """The header's value for these bytes: `sha256=` and 64 lower-case hex digits."""
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"


def challenge(params: Mapping[str, str], verify_token: str) -> str | None:
    """The text to echo, as text/plain, for Meta's `GET` that verifies an address; None means: answer 403."""
    asked = params.get("hub.challenge", "")
    given = params.get("hub.verify_token", "")
    same = hmac.compare_digest(_encoded(given), _encoded(verify_token))
    if params.get("hub.mode") != "subscribe" or not verify_token or not same:
        return None
    return asked if 0 < len(asked) <= CHALLENGE else None


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
