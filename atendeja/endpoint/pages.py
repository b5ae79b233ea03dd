"""Lists in pages, and tags by which two people who edit one thing find out.

A cursor says behind which row the next page begins. It is opaque and signed for its endpoint and tenant, so that nobody makes one
or carries one elsewhere; it stands for a place in the order and not for a number of rows, so that rows that come meanwhile neither
repeat nor hide others. A tag is the hash of what a client was shown: no table needs a version for it.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from atendeja import vault
from atendeja.endpoint.problems import Problem

T = TypeVar("T")
A = TypeVar("A", bound=Struct)

MAC_BYTES = 16
MOST_PER_PAGE = 200
_TAG_CHARS = 32


class Listing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which part of a list."""

    limit: Annotated[int, Meta(ge=1, le=MOST_PER_PAGE, description="How many, at most.", examples=[50])] = 50
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before.")] = None


class Page(Struct, Generic[T], frozen=True):
    """Part of a list. Without a `next_cursor` it is the last."""

    items: list[T]
    next_cursor: str | None = None


class ById(Struct, frozen=True):
    """The place of a row in a list that is in the order of its ids."""

    id: UUID


FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
"""Before and behind every id."""


class Cursors:
    """Writes and reads cursors; the first key signs, all are accepted."""

    def __init__(self, secrets: list[bytes]) -> None:
        self._keys = [vault.derive(secret, "cursor") for secret in secrets]

    def write(self, place: str, after: Struct) -> str:
        """A cursor behind the row whose place in the order is `after`."""
        body = msgspec.json.encode(after)
        return urlsafe_b64encode(_mac(self._keys[0], place, body) + body).rstrip(b"=").decode()

    def read(self, place: str, cursor: str, kind: type[A]) -> A:
        """What `write` was given. Raises Problem 400 when it was not written here for this place."""
        try:
            given = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
            mac, body = given[:MAC_BYTES], given[MAC_BYTES:]
            if any(hmac.compare_digest(mac, _mac(key, place, body)) for key in self._keys):
                return msgspec.json.decode(body, type=kind)
        except ValueError:  # of base64, and of a cursor of another release
            pass
        raise Problem(400, "bad_cursor", "the cursor is not one of this list: begin again without it")


def _mac(key: bytes, place: str, body: bytes) -> bytes:
    return hmac.digest(key, place.encode() + b"\0" + body, "sha256")[:MAC_BYTES]


def tag(shown: object) -> str:
    """The ETag of what a client is shown."""
    return f'"{hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:_TAG_CHARS]}"'


def check_tag(if_match: str | None, current: object) -> None:
    """Whether what the client saw is what is there; one that does not say what it saw does not care. Raises Problem 412."""
    if if_match is None or if_match.strip() == "*":
        return
    if tag(current) not in [given.strip() for given in if_match.split(",")]:
        raise Problem(412, "changed_meanwhile", "somebody has changed this since you read it: read it again")
