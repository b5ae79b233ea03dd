"""Signatures of outgoing webhooks, as Standard Webhooks has them. Pure.

Source: https://github.com/standard-webhooks/standard-webhooks, spec 1.0.0: `v1,` and the base64 of HMAC-SHA256 over
`id.timestamp.body`, several separated by spaces while a secret is being changed.
"""

import datetime as dt
import hmac
from base64 import b64encode
from collections.abc import Sequence
from uuid import UUID

PREFIX = "whsec_"


def show_secret(secret: bytes) -> str:
    """As a person, and every library for receivers, has it."""
    return PREFIX + b64encode(secret).decode()


def sign(secret: bytes, name: str, at: int, body: bytes) -> str:
    """One signature. `name` is the webhook-id, `at` in seconds since 1970."""
    mac = hmac.digest(secret, f"{name}.{at}.".encode() + body, "sha256")
    return "v1," + b64encode(mac).decode()


def head(secrets: Sequence[bytes], event_id: UUID, now: dt.datetime, body: bytes) -> dict[str, str]:
    """The headers of a delivery: signed with each secret. The id is the event's, the same at every try."""
    name, at = str(event_id), int(now.timestamp())
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(sign(secret, name, at, body) for secret in secrets),
    }
