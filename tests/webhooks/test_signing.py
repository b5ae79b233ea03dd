"""Signatures against the vectors of Standard Webhooks, and as a receiver verifies them (S31)."""

import datetime as dt
import hashlib
import hmac
import time
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID

import pytest

from atendeja.webhooks import rows, signing
from tests import readme

SHOWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = b64decode(SHOWN.removeprefix("whsec_"))
BODY = b'{"test": 2432232314}'
NAME, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_vector_of_the_specification() -> None:
    """S31: secret, id, timestamp, body and signature as its libraries are tested with."""
    assert signing.sign(SECRET, NAME, AT, BODY) == SIGNATURE
    assert signing.show_secret(SECRET) == SHOWN


@pytest.mark.parametrize(("name", "at", "body"), [("msg_x", AT, BODY), (NAME, AT + 1, BODY), (NAME, AT, BODY + b" ")])
def test_all_three_parts_are_signed(name: str, at: int, body: bytes) -> None:
    """S31."""
    assert signing.sign(SECRET, name, at, body) != SIGNATURE


def test_the_headers_hold_a_signature_of_each_secret() -> None:
    """S31: `webhook-signature` is a list while a secret is being changed."""
    now, event_id, secrets = dt.datetime(2026, 3, 4, 12, 30, 0, 999_999, tzinfo=dt.UTC), UUID(int=7), [b"n" * 32, b"o" * 32]
    head = signing.head(secrets, event_id, now, BODY)
    assert head.keys() == {"content-type", "webhook-id", "webhook-timestamp", "webhook-signature"}
    assert (head["webhook-id"], head["webhook-timestamp"]) == (str(event_id), str(int(now.timestamp())))
    said = f"{event_id}.{int(now.timestamp())}.".encode() + BODY
    made = [b64encode(hmac.new(secret, said, hashlib.sha256).digest()).decode() for secret in secrets]
    assert head["webhook-signature"].split(" ") == [f"v1,{mac}" for mac in made]


def test_the_lines_of_the_readme_verify(monkeypatch: pytest.MonkeyPatch) -> None:
    """S31: by the vector, and of several signatures; whatever is changed, or five minutes old, is not genuine."""
    names: dict[str, Any] = {}  # Any: of a module
    exec(readme.block("def is_genuine("), names)
    head = {"webhook-id": NAME, "webhook-timestamp": str(AT), "webhook-signature": f"v1,é v1,eA== {SIGNATURE}"}
    for later, changed, body, secret, told in (
        (0, {}, BODY, SHOWN, True),
        (299, {}, BODY, SHOWN, True),
        (301, {}, BODY, SHOWN, False),
        (-301, {}, BODY, SHOWN, False),
        (0, {}, BODY + b" ", SHOWN, False),
        (0, {}, BODY, signing.show_secret(b"another"), False),
        (0, {"webhook-id": "msg_x"}, BODY, SHOWN, False),
        (0, {"webhook-timestamp": "x"}, BODY, SHOWN, False),
        (0, {"webhook-signature": SIGNATURE.replace("v1,", "v2,")}, BODY, SHOWN, False),
        (0, {"webhook-signature": ""}, BODY, SHOWN, False),
    ):
        monkeypatch.setattr(time, "time", lambda later=later: AT + later)
        assert names["is_genuine"](secret, {**head, **changed}, body) is told, (later, changed, body)
    ours = signing.head([b"n" * 32, b"o" * 32], UUID(int=7), dt.datetime.fromtimestamp(AT, dt.UTC), BODY)
    monkeypatch.setattr(time, "time", lambda: AT)
    assert all(names["is_genuine"](signing.show_secret(one * 32), ours, BODY) for one in (b"n", b"o"))


def test_a_delivery_is_tried_for_three_days_ever_more_rarely() -> None:
    now, at, spans = dt.datetime(2026, 3, 4, tzinfo=dt.UTC), dt.datetime(2026, 3, 4, tzinfo=dt.UTC), []
    tries = 1
    while (following := rows.next_try(tries, at, 0)) is not None:
        spans.append((following - at).total_seconds())
        at, tries = following, tries + 1
    assert tries == 10 and spans == sorted(spans) and spans[0] == 5
    assert dt.timedelta(days=3) <= at - now <= dt.timedelta(days=3.5)
    late = rows.next_try(1, now, 1.0)
    assert late is not None and (late - now).total_seconds() == pytest.approx(5.5)
