"""The audit log: every change that somebody made to a business's things, written with the change itself and never changed again.

`before` and `after` hold what is different, and no secret, no customer's words and no telephone number.
"""

import datetime as dt
from uuid import UUID

from msgspec import Struct

from atendeja.db import Nothing, Tx, query


class Actor(Struct, frozen=True):
    """Who did it, and from where; nobody in particular is a command on the machine itself."""

    account_id: UUID | None = None
    key_id: UUID | None = None
    address: str | None = None
    request_id: UUID | None = None


COMMAND = Actor()

ADD = query("audit.add", Nothing)


async def add(
    tx: Tx,
    new_id: UUID,
    now: dt.datetime,
    by: Actor,
    action: str,
    subject: object,
    *,
    before: object = None,
    after: object = None,
) -> None:
    """Write down a change, in its own transaction. `action` is in the past tense: `user_joined`."""
    await tx.run(
        ADD, id=new_id, at=now, account_id=by.account_id, key_id=by.key_id, action=action, subject=str(subject), before=before,
        after=after, address=by.address, request_id=by.request_id,
    )  # fmt: skip
