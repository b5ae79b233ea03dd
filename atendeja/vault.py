"""Secrets at rest: AES-256-GCM, a data key per tenant, SECRET_KEY as key-encryption keys. Pure: the nonce is an argument.

A sealed value is `1 | nonce (12) | ciphertext and tag`. The associated data says whose it is and where it lies (tenant,
table, column, row), so that a value copied to another place does not open. Of several key-encryption keys the first seals
and all open: that is how they are changed without a stop, and `renew` brings what is there already under the first.

A nonce is 96 random bits: of the 2^32 values that NIST SP 800-38D lets one key seal, two have met with a chance of 1 in 2^33. What
SECRET_KEY seals itself are keys, seeds and the answers of a day. Refused: a counter, which a restored database would repeat.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from atendeja.errors import Refused

KEY_BYTES = 32
NONCE_BYTES = 12
_FORMAT = b"\x01"
_SHORTEST = len(_FORMAT) + NONCE_BYTES + 16


def place(tenant: int | str, table: str, column: str, row: object) -> bytes:
    """The associated data of a value: where it lies."""
    return f"{tenant}/{table}/{column}/{row}".encode()


def seal(key: bytes, plain: bytes, where: bytes, nonce: bytes) -> bytes:
    return _FORMAT + nonce + AESGCM(key).encrypt(nonce, plain, where)


def unseal(keys: Sequence[bytes], sealed: bytes, where: bytes) -> bytes:
    """The value, by whichever key opens it. Raises Refused when none does: another SECRET_KEY, or another place."""
    nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    for key in keys if sealed.startswith(_FORMAT) and len(sealed) >= _SHORTEST else ():
        try:
            return AESGCM(key).decrypt(nonce, body, where)
        except InvalidTag:
            continue
    raise Refused(
        "sealed_value",
        f"a secret at {where.decode()} cannot be opened",
        hint="is SECRET_KEY the one it was written with? Keep old keys behind the new one, comma-separated",
    )


def renew(keys: Sequence[bytes], sealed: bytes, where: bytes, nonce: bytes) -> bytes | None:
    """The value sealed by the first key; None when it is already. Raises Refused when none opens it."""
    try:
        unseal(keys[:1], sealed, where)
    except Refused:
        return seal(keys[0], unseal(keys[1:], sealed, where), where, nonce)
    return None


def derive(secret: bytes, purpose: str) -> bytes:
    """A key of its own for each purpose (HKDF-SHA256)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"atendeja/{purpose}".encode()).derive(secret)
