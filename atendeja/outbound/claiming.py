"""Claims on their way into the ledger: what is due is found and locked, and what was chosen of it is written before the POST."""

import datetime as dt
from uuid import UUID

from msgspec import Struct

from atendeja.db import Nothing, Tx, query, records
from atendeja.notify import notice
from atendeja.outbound.fallback import fall_back
from atendeja.outbound.limits import Choice
from atendeja.outbound.protocol import Candidate
from atendeja.runtime import Runtime


class Intent(Struct, frozen=True):
    """A claim as it is written."""

    message_id: UUID
    attempt_id: UUID
    contact_id: UUID
    n: int


CLAIMABLE = query("outbound.claimable", Candidate)
CLAIM = query("ledger.claim", Nothing)
WITHDRAW = query("ledger.withdraw", Nothing)
DEFER = query("ledger.defer", Nothing)
FAIL = query("ledger.fail", Nothing)


async def write(tx: Tx, rt: Runtime, number_id: UUID, choice: Choice, now: dt.datetime) -> None:
    """Write what was chosen of candidates that this transaction has locked."""
    if choice.withdrawn:
        await tx.run(WITHDRAW, ids=list(choice.withdrawn), reasons=list(choice.withdrawn.values()))
        closed = [id_ for id_, reason in choice.withdrawn.items() if reason == "window_closed"]
        await fall_back(tx, closed, now, rt.new_id)
        for reason in choice.withdrawn.values():
            if reason is None:
                rt.meter.count("messages_unknown")
            else:
                rt.meter.count("messages_withdrawn", label=reason)
    if choice.unfit:
        codes, details = [u.code for u in choice.unfit.values()], [u.detail for u in choice.unfit.values()]
        await tx.run(FAIL, ids=list(choice.unfit), codes=codes, details=details, now=now)
        for id_, unfit in choice.unfit.items():
            notice(rt.meter, "message_failed", tenant_id=tx.tenant_id, message_id=str(id_), code=unfit.code)
    if (choice.withdrawn or choice.unfit) and rt.feed.wants(tx.tenant_id):
        await rt.feed.tell(tx, (), [*choice.withdrawn, *choice.unfit])
    if choice.waits:
        ats = [now + dt.timedelta(seconds=s) for s in choice.waits.values()]
        await tx.run(DEFER, ids=list(choice.waits), ats=ats, places_kept=[id_ not in choice.out_of_line for id_ in choice.waits])
    if choice.claims:
        intents = [Intent(c.message.id, c.attempt_id, c.message.contact_id, c.n) for c in choice.claims]
        await tx.run(CLAIM, claims=records(intents), number_id=number_id, boot=rt.who.boot, now=now)
