"""Signed or not, and the handshake (F8, S8 to S10)."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.wa.signature import challenge, sign, verify

VECTORS = msgspec.json.decode((Path(__file__).parent / "samples/signature-vectors.json").read_bytes())["vectors"]
SECRET = b"segredo-do-app-ficticio"
BODY = b'{"object":"whatsapp_business_account","entry":[]}'
GOOD = sign(SECRET, BODY)
HANDSHAKE = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "ficha"}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["note"])
def test_vectors(vector: dict[str, str]) -> None:
    secret, body, header = vector["app_secret"].encode(), vector["body_text"].encode(), vector["x_hub_signature_256"]
    assert sign(secret, body) == header
    assert [other["note"] for other in VECTORS if verify([secret], body, [other["x_hub_signature_256"]])] == [vector["note"]]


def test_upper_case_hex_is_the_same() -> None:
    assert verify([SECRET], BODY, ["sha256=" + GOOD[7:].upper()])


def test_any_of_the_secrets() -> None:
    """S9: two while one takes the other's place."""
    assert verify([b"novo", SECRET], BODY, [GOOD])
    assert verify([SECRET, b"novo"], BODY, [GOOD])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [GOOD, GOOD],
        [""],
        [GOOD[7:]],
        ["sha1=" + GOOD[7:]],
        ["SHA256=" + GOOD[7:]],
        [GOOD + "0"],
        [GOOD[:-1]],
        [GOOD + "\n"],
        [" " + GOOD],
        [f"{GOOD}, {GOOD}"],
        ["sha256=" + "0" * 64],
        ["sha256=" + "é" * 64],
        ["sha256=" + "٣" * 64],
    ],
)
def test_anything_else_is_refused(headers: list[str]) -> None:
    assert not verify([SECRET], BODY, headers)


def test_no_secret_refuses_all() -> None:
    assert not verify([], BODY, [GOOD])
    assert not verify([b""], BODY, [sign(b"", BODY)])


@given(st.integers(0, len(BODY) * 8 - 1))
def test_one_bit_is_enough(bit: int) -> None:
    changed = bytearray(BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert not verify([SECRET], bytes(changed), [GOOD])


@pytest.mark.parametrize("text", ["1158201444", "<script>alert(1)</script>", "á", "x" * 1024])
def test_the_challenge_is_echoed_as_it_is(text: str) -> None:
    assert challenge({**HANDSHAKE, "hub.challenge": text}, "ficha") == text


@pytest.mark.parametrize(
    ("changed", "token"),
    [
        ({"hub.mode": "unsubscribe"}, "ficha"),
        ({"hub.verify_token": "outra"}, "ficha"),
        ({"hub.verify_token": "fichá"}, "ficha"),
        ({"hub.verify_token": "\ud800"}, "ficha"),
        ({"hub.verify_token": ""}, ""),
        ({"hub.challenge": ""}, "ficha"),
        ({"hub.challenge": "x" * 1025}, "ficha"),
    ],
)
def test_no_challenge(changed: dict[str, str], token: str) -> None:
    assert challenge({**HANDSHAKE, **changed}, token) is None


def test_no_parameters_no_challenge() -> None:
    assert challenge({}, "ficha") is None
