"""What people agreed to: the history, and what somebody of the business has been told and writes down.

A word counts from its commit on, like SAIR: whoever claims a message of that purpose afterwards finds it, and withdraws what waits.
"""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

from atendeja import audit, consent
from atendeja.contacts.endpoints import find, hold
from atendeja.db import Tx, query
from atendeja.endpoint import AGENTS, LAST, MEMBERS, Call, Endpoint, Instant, Listing, Page, once
from atendeja.flow.types import Id
from atendeja.runtime import Runtime

NEVER = 2**63 - 1
"""Behind every place."""


class Row(Struct, frozen=True):
    id: UUID
    purpose: str
    state: Literal["in", "out"]
    source: str
    evidence: bytes
    at: dt.datetime
    arrival: int
    position: int


class Consent(Struct, frozen=True):
    """What somebody said to a purpose."""

    id: UUID
    purpose: Annotated[str, Meta(examples=["marketing"])]
    state: Literal["in", "out"]
    source: Annotated[
        str,
        Meta(
            description="word (SAIR), flow, whatsapp (its own switch), admin (declared), merge, tombstone (before he was erased).",
            examples=["admin"],
        ),
    ]
    evidence: Annotated[Raw, Meta(examples=[{"source": "ficha de papel", "text": "Aceito receber ofertas."}])]
    at: Instant


class Evidence(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How it is known."""

    source: Annotated[str, Meta(min_length=1, max_length=100, examples=["ficha de papel"])]
    text: Annotated[str, Meta(max_length=4096, description="What the person was shown, word for word.")] | None = None
    note: Annotated[str, Meta(max_length=1000)] | None = None


class Declared(Struct, frozen=True, forbid_unknown_fields=True):
    purpose: Annotated[Id, Meta(examples=["marketing"])]
    state: Literal["in", "out"]
    evidence: Evidence


class Before(Struct, frozen=True):
    arrival: int
    position: int
    id: UUID


HISTORY = query("consent.history", Row)


async def list_consents(rt: Runtime, call: Call[Listing]) -> Page[Consent]:
    """The newest first: of each purpose the first counts."""
    before = call.after(call.body, Before) or Before(NEVER, 0, LAST)
    async with rt.db.tenant(call.tenant_id) as tx:
        contact = await find(tx, call.ids["id"])
        found = await tx.all(
            HISTORY, contact_id=contact.id, arrival=before.arrival, position=before.position, before_id=before.id,
            most=call.body.limit + 1,
        )  # fmt: skip
    items, following = call.cut(call.body, found, lambda row: Before(row.arrival, row.position, row.id))
    return Page([_show(row) for row in items], following)


def _show(row: Row) -> Consent:
    return Consent(row.id, row.purpose, row.state, row.source, Raw(row.evidence), row.at)


async def declare_consent(rt: Runtime, call: Call[Declared]) -> Consent:
    said, now, by = call.body, rt.now(), call.by

    async def work(tx: Tx) -> Consent:
        (contact,) = await hold(tx, call.ids["id"])
        who = {"user" if by.account_id else "key": str(by.id)}
        evidence: dict[str, object] = {**{k: v for k in Evidence.__struct_fields__ if (v := getattr(said.evidence, k))}, **who}
        entry = consent.Entry(rt.new_id(), contact.id, said.purpose, said.state, "admin", evidence, None, 0, now)
        await consent.put(tx, [entry])
        if rt.feed.wants(tx.tenant_id):
            await rt.feed.tell(tx, consent.tell([entry]))
        after = {"purpose": said.purpose, "state": said.state}
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "consent_declared", contact.id, after=after)
        (row,) = await tx.all(HISTORY, contact_id=contact.id, arrival=NEVER, position=0, before_id=LAST, most=1)
        return _show(row)

    return await once(rt, call, work)


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/contacts/{id}/consents", "list_consents", list_consents, who=MEMBERS, scope="contacts:read",
             takes=Listing, gives=Page[Consent],
             says="All that somebody has agreed to or refused, the newest first, with how it is known."),
    Endpoint("POST", "/v1/contacts/{id}/consents", "declare_consent", declare_consent, who=AGENTS, scope="contacts:write",
             takes=Declared, gives=Consent, status=201, once=True,
             says="Write down what somebody has said to a purpose. It counts at once: marketing that waits is withdrawn."),
]  # fmt: skip
