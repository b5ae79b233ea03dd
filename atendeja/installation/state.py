"""How the installation is: what waits at each stage, who does what, whether sending is held; and letting it go on."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from atendeja import __version__, audit, guard
from atendeja.db import Tx, query
from atendeja.endpoint import OPERATORS, Call, Endpoint, Instant
from atendeja.errors import Refused
from atendeja.guard import Hold
from atendeja.installation import resuming
from atendeja.outbound import restored
from atendeja.runtime import Runtime


class State(Struct, frozen=True):
    migration: int
    postgresql: str
    tenants: int
    suspended: int
    deliveries: int
    oldest_at: Instant | None
    quarantined: int
    unrouted: int
    contacts: int
    messages: int
    in_doubt: int
    jobs: int
    jobs_failed: int


class Lease(Struct, frozen=True):
    """Who alone does a thing now."""

    name: Annotated[
        str,
        Meta(description="`digest:0` and `digest:1` read webhooks, `door:…` takes them.", examples=["digest:0"]),
    ]
    holder: Annotated[UUID, Meta(description="The process's STATE_DIR.")]
    boot: Annotated[UUID, Meta(description="This run of it.")]
    until_at: Instant


class Senders(Struct, frozen=True):
    senders: int


class SendingHold(Struct, frozen=True):
    """Nobody sends: the database has lost commits."""

    number: Annotated[int, Meta(description="Of this hold: `resume_sending` wants it.")]
    since_at: Instant
    line: Annotated[str, Meta(description="What it means, and what to do.")]


class Waiting(Struct, frozen=True):
    """What waits at each stage, of all businesses together."""

    deliveries: Annotated[int, Meta(description="Webhooks to be read.")]
    oldest_at: Annotated[Instant | None, Meta(description="When the oldest of them came.")]
    contacts: Annotated[int, Meta(description="People to be answered now.")]
    messages: Annotated[int, Meta(description="Messages to be sent now, also those of numbers and businesses that must not.")]
    in_doubt: Annotated[int, Meta(description="Messages on the wire, or of which nobody knows whether they went out.")]
    jobs: int
    jobs_failed: Annotated[int, Meta(description="Also long work of businesses, which is told of by their notices.")]


class Installation(Struct, frozen=True):
    """How this installation is."""

    version: Annotated[str, Meta(examples=["0.1.0"])]
    migration: Annotated[int, Meta(description="The newest of its database.")]
    postgresql: Annotated[str, Meta(examples=["17.2"])]
    tenants: int
    suspended: Annotated[int, Meta(description="Of the tenants.")]
    hold: Annotated[SendingHold | None, Meta(description="None while sending goes on.")]
    waiting: Waiting
    quarantined: Annotated[int, Meta(description="Deliveries that could not be read.")]
    unrouted: Annotated[int, Meta(description="Deliveries with something that nobody owns.")]
    senders: Annotated[int, Meta(description="Numbers that have a sender now.")]
    leases: list[Lease]


class Resumption(Struct, frozen=True, forbid_unknown_fields=True):
    hold: Annotated[int, Meta(description="The `number` of the hold that you have seen.", examples=[4711])]
    send_queued: Annotated[bool, Meta(description="Send service messages of before too: customers may get them twice.")] = False


class Settled(Struct, frozen=True):
    """Of one business: what may have gone out already when the hold began."""

    tenant: Annotated[str, Meta(examples=["oficina-sol"])]
    unfinished: Annotated[int, Meta(description="Messages that may have gone out already.")]
    given_up: Annotated[int, Meta(description="Those of them that became `unknown` and are not sent again.")]
    erased_again: Annotated[int, Meta(description="People who had been erased before and are again, by a job.")]


class Resumed(Struct, frozen=True):
    tenants: list[Settled]


STATE = query("installation.state", State)
LEASES = query("installation.leases", Lease)
SENDERS = query("installation.senders", Senders)


async def show_installation(rt: Runtime, _call: Call[Struct]) -> Installation:
    async with rt.db.session() as session:
        state = await session.one(STATE, now=rt.now())
        leases, senders = await session.all(LEASES), await session.one(SENDERS)
        hold = await guard.load_hold(session)
    assert state is not None and senders is not None
    waiting = Waiting(
        state.deliveries, state.oldest_at, state.contacts, state.messages, state.in_doubt, state.jobs, state.jobs_failed
    )
    held = None if hold is None else _show(hold)
    return Installation(
        __version__, state.migration, state.postgresql, state.tenants, state.suspended, held, waiting,
        state.quarantined, state.unrouted, senders.senders, leases,
    )  # fmt: skip


def _show(hold: Hold) -> SendingHold:
    return SendingHold(hold.arrival, hold.at, str(hold))


async def resume_sending(rt: Runtime, call: Call[Resumption]) -> Resumed:
    """Go on sending after a hold, as the command does. Again is harmless: a hold ends once.

    Raises Refused when sending is not held, when another hold than the seen one is, and while what came before the hold is not
    answered yet: the answers may have gone out too, so they must be there to be given up.
    """
    hold, everyone = await resuming.load(rt.db)
    if hold is None:
        raise Refused("not_held", "sending is not held: nothing to do")
    if hold.arrival != call.body.hold:
        raise _changed()
    left = 0 if call.body.send_queued else await restored.count_unanswered(rt.db, hold, [t.id for t in everyone])
    if left:
        raise Refused(
            "unanswered",
            f"{left} webhooks and messages of before are not answered yet: try again in a moment",
            hint="their answers may have gone out, so they come first; a worker has to be running",
        )
    send_queued = call.body.send_queued
    ready = await resuming.settle(rt.db, rt.config, hold, everyone, rt.now(), rt.new_id, send_queued=send_queued)

    async def work(tx: Tx) -> None:
        if not await guard.release(tx, hold):
            raise _changed()
        told = {"send_queued": send_queued}
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "sending_resumed", hold.arrival, after=told)

    await rt.db.transact(call.tenant_id, work)
    return Resumed([Settled(r.settled.tenant.slug, r.settled.found.total(), r.settled.given_up, r.erased_again) for r in ready])


def _changed() -> Refused:
    return Refused("hold_changed", "another hold has begun, or this one is over: look again")


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/installation", "show_installation", show_installation, who=OPERATORS, scope="installation:read",
             gives=Installation, says="How this installation is: what waits where, who does what, whether sending is held."),
    Endpoint("POST", "/v1/installation/resume-sending", "resume_sending", resume_sending, who=OPERATORS, takes=Resumption,
             gives=Resumed, fresh=True, refuses={"not_held": 409, "hold_changed": 409, "unanswered": 409},
             says="Go on sending after the database was found to have lost commits. What may have gone out is not sent again."),
]  # fmt: skip
