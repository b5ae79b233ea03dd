"""How much happened in a time, by day or by number.

Everything is counted where it is kept, by ids, which begin with their time. That takes longer the more there is, so a question is
bounded, by days and by rows, and one that is too large is refused rather than answered late.
"""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from atendeja import tenants
from atendeja.db import Tx, query
from atendeja.endpoint import MEMBERS, Call, Endpoint, Fault, Instant, Problem
from atendeja.errors import Refused
from atendeja.ids import uuid7
from atendeja.runtime import Runtime

MOST_DAYS = 31
MOST_ROWS = 100_000
"""Of messages, and of events."""
USUAL = dt.timedelta(days=7)


class Period(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    since: Annotated[Instant | None, Meta(description="A week before `until`, when not given.")] = None
    until: Annotated[Instant | None, Meta(description="Now, when not given. At most 31 days after `since`.")] = None
    by: Annotated[Literal["day", "number"], Meta(description="Days are those of the business's time zone.")] = "day"


Place = tuple[dt.date | None, UUID | None]
"""The day, or the number."""


class Row(Struct, frozen=True):
    day: dt.date | None
    number_id: UUID | None
    n: int

    @property
    def place(self) -> Place:
        return self.day, self.number_id


class MessageRow(Struct, frozen=True):
    day: dt.date | None
    number_id: UUID | None
    source: str
    state: str
    category: str | None
    billable: bool
    n: int

    @property
    def place(self) -> Place:
        return self.day, self.number_id


class Priced(Struct, frozen=True):
    """Messages that WhatsApp has priced."""

    category: Annotated[str, Meta(description="WhatsApp's.", examples=["marketing"])]
    messages: int
    billable: Annotated[int, Meta(description="How many of them are on its bill.")]


class Figures(Struct, frozen=True):
    """Of one day, or one number."""

    day: Annotated[dt.date | None, Meta(examples=["2026-03-04"])]
    number_id: UUID | None
    received: Annotated[int, Meta(description="What customers sent.")]
    sent: Annotated[dict[str, int], Meta(description="Messages of ours, by their state now.", examples=[{"read": 12, "failed": 1}])]
    sources: Annotated[dict[str, int], Meta(description="The same, by who had them sent.", examples=[{"turn": 10, "agent": 3}])]
    opened: Annotated[int, Meta(description="People who were new on a number.")]
    handoffs: Annotated[int, Meta(description="Flows, begun in this time, that ended with people.")]
    priced: list[Priced]


class Statistics(Struct, frozen=True):
    since: Instant
    until: Instant
    timezone: Annotated[str, Meta(examples=["America/Sao_Paulo"])]
    figures: Annotated[list[Figures], Meta(description="In the order of days, or of numbers. What has nothing is left out.")]


MESSAGES = query("reporting.count_messages", MessageRow)
EVENTS = query("reporting.count_events", Row)
OPENED = query("reporting.count_opened", Row)
HANDOFFS = query("reporting.count_handoffs", Row)


async def show_statistics(rt: Runtime, call: Call[Period]) -> Statistics:
    """Raises Problem for a time that is none or too long, Refused when too much happened in it."""
    until = call.body.until or rt.now()
    since = call.body.since or until - USUAL
    if not since < until <= since + dt.timedelta(days=MOST_DAYS):
        line = f"until must be after since, by at most {MOST_DAYS} days"
        raise Problem(422, "invalid", "the request does not fit", faults=(Fault("$.until", line),))
    async with rt.db.tenant(call.tenant_id) as tx:
        (tenant,) = await tx.all(tenants.BY_IDS, ids=[call.tenant_id])
        return Statistics(since, until, tenant.timezone, await count(tx, tenant.timezone, since, until, call.body.by))


async def count(tx: Tx, timezone: str, since: dt.datetime, until: dt.datetime, by: Literal["day", "number"]) -> list[Figures]:
    """Each day's or number's, without those that have nothing. Raises Refused when there is more than MOST_ROWS of it."""
    first, last = (uuid7(max(0, int(at.timestamp() * 1000)), 0) for at in (since, until))
    what: dict[str, object] = {"timezone": timezone, "by_day": by == "day", "since": since, "first_id": first, "last_id": last}
    messages = await tx.all(MESSAGES, most=MOST_ROWS + 1, **what)
    events = await tx.all(EVENTS, most=MOST_ROWS + 1, **what)
    for rows in (messages, events):
        if sum(row.n for row in rows) > MOST_ROWS:
            raise Refused("too_much", f"more than {MOST_ROWS} happened in that time: ask for a shorter one")
    received, opened, handoffs = (
        {row.place: row.n for row in rows} for rows in (events, await tx.all(OPENED, **what), await tx.all(HANDOFFS, **what))
    )
    places = sorted({row.place for row in messages} | received.keys() | opened.keys() | handoffs.keys(), key=str)
    mine = {place: [row for row in messages if row.place == place] for place in places}
    return [
        Figures(
            *place, received.get(place, 0), _by(mine[place], "state"), _by(mine[place], "source"), opened.get(place, 0),
            handoffs.get(place, 0), _priced(mine[place]),
        )
        for place in places
    ]  # fmt: skip


def _by(rows: list[MessageRow], name: Literal["state", "source"]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[getattr(row, name)] = found.get(getattr(row, name), 0) + row.n
    return found


def _priced(rows: list[MessageRow]) -> list[Priced]:
    categories = sorted({row.category for row in rows if row.category is not None})
    of = {category: [row for row in rows if row.category == category] for category in categories}
    return [
        Priced(category, sum(row.n for row in found), sum(row.n for row in found if row.billable)) for category, found in of.items()
    ]


ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/statistics", "show_statistics", show_statistics, who=MEMBERS, scope="statistics:read",
             takes=Period, gives=Statistics, refuses={"too_much": 422},
             says="How much happened, by day or by number: at most 31 days and 100,000 messages at once."),
]  # fmt: skip
