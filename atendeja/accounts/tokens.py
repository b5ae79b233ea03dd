"""What people and programs show us, and what we keep of it. Pure: time, ids and random bytes are arguments.

Refresh tokens, one-time tokens and keys are 256 random bits behind a word that says what they are; only their SHA-256 is kept.
Access tokens are JWTs (RFC 9068) of one algorithm. Of their header nothing is believed but the name of a key of ours.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Literal
from uuid import UUID

import jwt
import msgspec
from msgspec import Struct

Kind = Literal["atj", "atr", "ato"]
"""A key of a program, a refresh token, a one-time token."""

ALGORITHM = "HS256"
TYPE = "at+jwt"
ISSUER = AUDIENCE = "atendeja"
ACCESS_S = 15 * 60
LEEWAY_S = 2
"""All processes go by the database's clock, and by their own from one look at it to the next."""
_HEADER = {"alg", "typ", "kid"}


class Claims(Struct, frozen=True, forbid_unknown_fields=True):
    """What is in an access token: all of it is required, and nothing else may be there."""

    iss: str
    aud: str
    sub: UUID
    """The account."""
    tenant: int
    sid: UUID
    """The sign-in."""
    jti: UUID
    iat: int
    nbf: int
    exp: int


def opaque(kind: Kind, random: bytes) -> str:
    """A token made of these 32 random bytes."""
    return f"{kind}_{urlsafe_b64encode(random).rstrip(b'=').decode()}"


def follow(key: bytes, token: str) -> str:
    """The refresh token that comes after this one: the same whenever it is asked, and nobody's guess without the key."""
    return opaque("atr", hmac.digest(key, token.encode(), "sha256"))


def digest(token: str) -> bytes:
    """What is kept of it."""
    return hashlib.sha256(token.encode()).digest()


def write(keys: Mapping[str, str], claims: Claims) -> str:
    """An access token, signed by the first of the keys (kid → secret)."""
    kid, secret = next(iter(keys.items()))
    payload = msgspec.to_builtins(claims)
    return jwt.encode(payload, secret, ALGORITHM, headers={"kid": kid, "typ": TYPE})


def claim(account_id: UUID, tenant_id: int, sign_in_id: UUID, token_id: UUID, now: float) -> Claims:
    """What an access token of now says."""
    at = int(now)
    return Claims(ISSUER, AUDIENCE, account_id, tenant_id, sign_in_id, token_id, at, at, at + ACCESS_S)


def read(keys: Mapping[str, str], token: str, now: float) -> Claims | None:
    """What an access token says that we have signed and that holds now; None for any other text, whatever is the matter with it."""
    try:
        header = jwt.get_unverified_header(token)
        if header.keys() != _HEADER or header["alg"] != ALGORITHM or header["typ"] != TYPE or header["kid"] not in keys:
            return None
        payload = jwt.decode(
            token,
            keys[header["kid"]],
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},  # by our clock, below
        )
        claims = msgspec.convert(payload, Claims)
    except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError):
        return None
    holds = max(claims.iat, claims.nbf) - LEEWAY_S <= now < claims.exp <= claims.iat + ACCESS_S
    return claims if holds else None
