"""Access tokens against what RFC 8725 warns of (S14–S16), and what is kept of opaque ones."""

import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from atendeja.accounts import tokens

KEYS = {"nova": "n" * 32, "antiga": "a" * 32}
NOW = 1_790_000_000.5
ID = UUID("01980000-0000-7000-8000-000000000000")
CLAIMS = tokens.claim(ID, 7, ID, ID, NOW)
PAYLOAD: dict[str, Any] = msgspec.to_builtins(CLAIMS)  # Any: JSON
HEADER: dict[str, Any] = {"alg": "HS256", "typ": "at+jwt", "kid": "nova"}
DROP = object()


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forge(header: dict[str, Any], payload: dict[str, Any], key: str = "n" * 32, hash_name: str = "sha256") -> str:
    """A token that is signed correctly, whatever it says."""
    text = ".".join(encode({name: value for name, value in part.items() if value is not DROP}) for part in (header, payload))
    mac = hmac.digest(key.encode(), text.encode(), hash_name)
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_a_token_comes_back_as_it_went_whichever_of_our_keys_signed_it() -> None:
    written = tokens.write(KEYS, CLAIMS)
    assert tokens.read(KEYS, written, NOW) == CLAIMS
    assert tokens.read({"antiga": "a" * 32, "nova": "n" * 32}, written, NOW) == CLAIMS
    assert tokens.read(KEYS, forge(HEADER, PAYLOAD), NOW) == CLAIMS, (
        "the forge is as good as ours: what it makes is refused for one thing"
    )
    assert tokens.read({"antiga": "a" * 32}, written, NOW) is None
    assert tokens.read(KEYS, tokens.write({"nova": "x" * 32}, CLAIMS), NOW) is None


@pytest.mark.parametrize(
    "change",
    [{"alg": "none"}, {"alg": "None"}, {"alg": "HS512"}, {"alg": "RS256"}, {"alg": DROP},
     {"typ": "JWT"}, {"typ": DROP}, {"typ": "AT+JWT"},
     {"jku": "https://evil.example"}, {"x5u": "https://evil.example/cert"}, {"jwk": {"kty": "oct", "k": "bm4"}}, {"x5c": ["x"]},
     {"crit": ["exp"]}, {"b64": False}, {"zip": "DEF"}, {"cty": "JWT"},
     {"kid": DROP}, {"kid": ""}, {"kid": "other"}, {"kid": "../../dev/null"}, {"kid": "nova' OR '1'='1"}, {"kid": "nova\0"},
     {"kid": ["nova"]}, {"kid": {"nova": 1}}, {"kid": 0}, {"kid": None}],
)  # fmt: skip
def test_of_the_header_nothing_is_believed(change: dict[str, object]) -> None:
    """S14, S16."""
    assert tokens.read(KEYS, forge(HEADER | change, PAYLOAD), NOW) is None


def test_no_signature_and_a_signature_of_another_kind_are_none() -> None:
    head, body, mac = forge(HEADER, PAYLOAD).split(".")
    unsigned = encode(HEADER | {"alg": "none"})
    other = forge(HEADER, PAYLOAD, hash_name="sha512"), forge(HEADER | {"alg": "HS512"}, PAYLOAD, hash_name="sha512")
    cut = f"{unsigned}.{body}.", f"{unsigned}.{body}", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{mac}.x"
    for token in (*other, *cut, forge(HEADER, PAYLOAD, ""), "", ".", "..", "é.é.é", "a.b.c", "x" * 4000):
        assert tokens.read(KEYS, token, NOW) is None, token


@pytest.mark.parametrize("name", [*PAYLOAD])
@pytest.mark.parametrize("value", [DROP, None, "", "x", 0, -1, [], {}, True, "1" * 400, 1e308])
def test_every_claim_is_required_and_of_its_kind(name: str, value: object) -> None:
    """S15."""
    wrong = PAYLOAD | {name: value}
    if name in ("tenant", "nbf") and value in (0, -1):
        return  # whose it is the database is asked; and it may be said to hold since ever
    assert tokens.read(KEYS, forge(HEADER, wrong), NOW) is None


@pytest.mark.parametrize(
    "change",
    [{"iss": "other"}, {"aud": "other"}, {"aud": ["atendeja"]}, {"exp": CLAIMS.iat + 901}, {"exp": int(NOW)},
     {"iat": int(NOW) + 60}, {"nbf": int(NOW) + 60}, {"iat": CLAIMS.iat - 1}, {"role": "owner"}],
)  # fmt: skip
def test_a_claim_that_says_something_else_is_refused(change: dict[str, object]) -> None:
    assert tokens.read(KEYS, forge(HEADER, PAYLOAD | change), NOW) is None


def test_a_token_holds_for_fifteen_minutes() -> None:
    token = tokens.write(KEYS, CLAIMS)
    for seconds, holds in ((-3, False), (-1, True), (0, True), (899, True), (900, False), (10_000, False)):
        assert (tokens.read(KEYS, token, CLAIMS.iat + seconds) is not None) == holds, seconds


def test_an_opaque_token_is_256_bits_of_which_a_hash_is_kept() -> None:
    token = tokens.opaque("atj", bytes(range(32)))
    assert token == "atj_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert tokens.digest(token) == hashlib.sha256(token.encode()).digest()
