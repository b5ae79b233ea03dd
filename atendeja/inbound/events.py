"""What a delivered item means for the tenant's tables, and the transaction that writes a batch of them.

First the plan (`plan`, pure): each item is a message, a status, an echo, a preference or something to record only. Then the
writing, in the order of locks: people, conversations, events (and with them who is due), consents, echoes, and last the statuses,
which lock messages. Whatever depends on an event being new asks what the insert returned: a redelivery returns nothing.

An opt-out word is read here, in the transaction that stores its event: no state of a flow, no person and no crash comes
between a customer's SAIR and its effect.
"""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from atendeja import consent, contacts, failpoints, ledger, numbers, outbound
from atendeja.contacts import Person
from atendeja.db import Tx
from atendeja.feed.shapes import Changed, Data, Received
from atendeja.flow import words
from atendeja.ledger import Echo, NewEvent, Report
from atendeja.notify import Kind
from atendeja.numbers import Route
from atendeja.runtime import Runtime
from atendeja.wa import account, callback, messages
from atendeja.wa import events as wa
from atendeja.wa.events import Customer, Item

STATUSES = ("sent", "delivered", "read", "played", "failed")


class Arrived(Struct, frozen=True):
    """An item at its place: the delivery's seq, when it came, and whose it is."""

    item: Item
    arrival: int
    received_at: dt.datetime
    route: Route


class Plan(Struct, frozen=True):
    """One item, understood. `person` is None when no contact is concerned; `reason` says why no turn will answer it."""

    arrived: Arrived
    person: Person | None
    sent_at: dt.datetime
    kind: str
    reason: str | None = None
    talks: bool = False
    """Belongs in a conversation's timeline."""
    opts: Literal["in", "out"] | None = None
    purpose: str = consent.MARKETING
    echo: bool = False
    moved_to: Person | None = None
    """WhatsApp says that the person is known by this now."""
    notice: Kind | None = None
    raised: str | None = None
    """A display number that may send faster from now on."""


class Wrote(Struct):
    """What the transaction did that others want to know after its COMMIT."""

    events: int = 0
    statuses: int = 0
    due: set[UUID] = set()
    """Contacts that want a turn now."""
    duplicates: int = 0
    heard: Counter[UUID] = msgspec.field(default_factory=Counter)
    """How many messages came in on each number: they count for its pace."""
    raised: list[tuple[str, str]] = []
    """(account, display number) of those that may send faster."""
    changed: list[UUID] = []
    """Numbers whose rate was raised for that, or a template of whose account was stopped."""
    released: set[UUID] = set()
    """Numbers of which a message left `sending` or `in_doubt`: a successor may go."""
    notices: list[tuple[Kind, dict[str, object]]] = []
    told: list[Data] = []
    """What whoever listens to the tenant is told; nothing when nobody does."""
    moved: list[UUID] = []
    """Messages in another state."""


# ── the plan: pure ───────────────────────────────────────────────────────────────────────────────────────────────────────


def plan(arrived: Arrived) -> Plan:
    """What this item means. Statuses are not planned: see `report`."""
    item = arrived.item
    match item.event:
        case wa.MessageReceived() as event:
            return _plan_message(arrived, event)
        case wa.MessageEchoed(customer=customer, sent_at=sent_at):
            return Plan(arrived, _person(arrived, customer), sent_at, "echo", "echo", talks=True, echo=True)
        case wa.HistoryReceived(customer=customer, sent_at=sent_at):
            return Plan(arrived, _person(arrived, customer), sent_at, "history", "history", talks=True)
        case wa.PreferenceChanged(customer=customer, category=category, value=value, at=at):
            opts: Literal["in", "out"] | None = {"stop": "out", "resume": "in", "signup": "in"}.get(value)  # type: ignore[assignment]  # mypy widens the dict's values to str
            purpose = consent.MARKETING if category == "marketing_messages" else category
            return Plan(
                arrived,
                _person(arrived, customer),
                at or arrived.received_at,
                "preference",
                "preference",
                opts=opts,
                purpose=purpose,
            )
        case wa.UserIdChanged(customer=customer, previous=previous, current=current, at=at):
            before = _known_as(arrived, previous, customer.phone)
            return Plan(
                arrived,
                before,
                at or arrived.received_at,
                "user_id_changed",
                "identity",
                moved_to=_known_as(arrived, current, None),
            )
        case event:
            kind = event.__struct_config__.tag
            at = getattr(event, "at", None) or arrived.received_at
            return Plan(
                arrived,
                None,
                at,
                str(kind),
                "recorded",
                notice="account" if item.phone_number_id is None or kind == "errors_reported" else None,
                raised=_raised(event),
            )


def _raised(event: wa.Event) -> str | None:
    if isinstance(event, account.NumberQualityChanged) and event.event == "THROUGHPUT_UPGRADE":
        return event.display_phone_number
    return None


def _plan_message(arrived: Arrived, event: wa.MessageReceived) -> Plan:
    kind = str(event.content.__struct_config__.tag)
    if event.group_id is not None:
        return Plan(arrived, None, event.sent_at, kind, "group")
    if isinstance(event.content, messages.System):
        return _plan_system(arrived, event, event.content)
    person = _person(arrived, event.customer)
    if person is None:
        return Plan(arrived, None, event.sent_at, kind, "nobody")
    reason = None if event.starts_turn else "not_for_the_bot"
    return Plan(arrived, person, event.sent_at, kind, reason, talks=True, opts="out" if opts_out(event.content) else None)


def opts_out(content: messages.Inbound) -> bool:
    """Whether the whole message is an opt-out word, typed or tapped on a template's button."""
    said = content.body if isinstance(content, messages.Text) else content.text if isinstance(content, messages.Button) else ""
    return words.reserved(said) == "opt_out"


def _plan_system(arrived: Arrived, event: wa.MessageReceived, system: messages.System) -> Plan:
    before = _known_as(arrived, system.previous_user_id or event.customer.user_id, event.customer.phone)
    after = _known_as(arrived, system.user_id, system.wa_id)
    return Plan(arrived, before, event.sent_at, "system", "system", moved_to=after if before else None)


def _person(arrived: Arrived, customer: Customer) -> Person | None:
    return _known_as(arrived, customer.user_id, customer.phone, customer.name, customer.username)


def _known_as(
    arrived: Arrived, user_id: str | None, phone: str | None, name: str | None = None, username: str | None = None
) -> Person | None:
    portfolio_id = arrived.route.portfolio_id
    if portfolio_id is None or (user_id is None and phone is None):
        return None
    return Person(portfolio_id, user_id, phone, name, username)


def report(arrived: Arrived, keys: Sequence[bytes]) -> Report | None:
    """The status as the ledger wants it; None for one that must change nothing (a group's, or a value we do not know)."""
    event, number_id = arrived.item.event, arrived.route.number_id
    if not isinstance(event, wa.StatusReported) or number_id is None or event.group_id is not None or event.status not in STATUSES:
        return None
    error = event.errors[0] if event.errors else None
    detail = None if error is None else (error.error_data and error.error_data.details) or error.message or error.title
    return Report(
        number_id,
        event.wamid,
        callback.read(event.callback, keys) if event.callback else None,
        event.status,  # type: ignore[arg-type]  # one of STATUSES, as checked
        min(event.at, arrived.received_at),
        error.code if error else None,
        detail,
        msgspec.json.encode(event.pricing) if event.pricing else None,
    )


# ── the writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def write(tx: Tx, rt: Runtime, arrived: Sequence[Arrived]) -> Wrote:
    """Write these items of one tenant. Running it again with the same items changes nothing."""
    wrote, now = Wrote(), rt.now()
    plans = [plan(a) for a in arrived if not isinstance(a.item.event, wa.StatusReported)]
    for run in _runs(plans):
        await _write_plans(tx, rt, run, wrote, now)
    reports = [r for a in arrived if (r := report(a, rt.callback_keys)) is not None]
    applied = await ledger.apply_reports(tx, reports, now)
    heeded = await outbound.heed(tx, applied.failed, now, rt.new_id)
    for waba_id, display_number in wrote.raised:  # a number's row is the last in the order of locks
        wrote.changed += await numbers.raise_rate(tx, waba_id, display_number)
    wrote.statuses, wrote.released, wrote.duplicates = applied.messages, applied.settled | heeded.released, applied.duplicates
    wrote.changed += sorted(heeded.changed)
    wrote.notices += [("template_stopped", asdict(stop)) for stop in heeded.stopped]
    wrote.moved += applied.moved
    if (wrote.told or wrote.moved) and rt.feed.wants(tx.tenant_id):
        await rt.feed.tell(tx, wrote.told, wrote.moved)
    failpoints.reach("digest.before_commit")
    return wrote


def _runs(plans: Sequence[Plan]) -> Iterator[Sequence[Plan]]:
    """Cut behind each change of a number or a BSUID: who writes after it is known by the new one. Nearly always one run."""
    start = 0
    for end, p in enumerate(plans, 1):
        if p.moved_to is not None or end == len(plans):
            yield plans[start:end]
            start = end


async def _leave_out_known(tx: Tx, plans: Sequence[Plan]) -> list[Plan]:
    """Without what was recorded before. The guard against doubles is the unique key of the events."""
    place = [(p.arrived.route.number_id, wa.dedup_key(p.arrived.item)) for p in plans]
    known = await ledger.load_known(tx, [(number_id, key) for number_id, key in place if number_id is not None])
    return [p for p, at in zip(plans, place, strict=True) if at not in known]


async def _meet(tx: Tx, plans: Sequence[Plan]) -> tuple[Sequence[Plan], contacts.Meeting]:
    """Who these are about, locked. What would change a contact must be new: a redelivery must not bring back a name or a number
    that has changed since."""
    meeting = await contacts.meet(tx, _people(plans))
    if meeting.brings_news:
        plans = await _leave_out_known(tx, plans)
        meeting = contacts.compare(_people(plans), meeting.contacts, meeting.talks)
    return plans, meeting


def _people(plans: Sequence[Plan]) -> list[Person]:
    return [p.person for p in plans if p.person is not None]


async def _write_plans(tx: Tx, rt: Runtime, plans: Sequence[Plan], wrote: Wrote, now: dt.datetime) -> None:
    plans, meeting = await _meet(tx, plans)
    meeting = await contacts.settle(tx, meeting, now, rt.new_id)
    told = await contacts.recall(tx, rt.config.secret_keys, meeting, now, rt.new_id)
    ids = iter(meeting.ids)
    contact_of = [next(ids) if p.person is not None else None for p in plans]
    talk_of = [_talk(p, c) for p, c in zip(plans, contact_of, strict=True)]
    conversations = await contacts.ensure_conversations(tx, meeting.talks, filter(None, talk_of), now, rt.new_id)
    rows = [
        _row(rt, p, c, None if talk is None else conversations[talk]) for p, c, talk in zip(plans, contact_of, talk_of, strict=True)
    ]
    events = _first_of_each([row for p, row in zip(plans, rows, strict=True) if not p.echo])
    new = await ledger.record_events(tx, events, now)
    fresh = [(p, row) for p, row in zip(plans, rows, strict=True) if row.id in new]
    wrote.events += len(new)
    wrote.notices += [(p.notice, {"event_id": str(row.id), "kind_of_event": p.kind}) for p, row in fresh if p.notice]
    consents = [entry for p, row in fresh if (entry := _consent(rt, p, row)) is not None]
    await consent.put(tx, consents)
    if rt.feed.wants(tx.tenant_id):
        wrote.told += told
        wrote.told += [received for p, row in fresh if (received := _received(p, row)) is not None]
        wrote.told += consent.tell(consents)
    for p, row in fresh:
        if p.moved_to is not None and row.contact_id is not None:
            await contacts.readdress(tx, row.contact_id, p.moved_to)
    wrote.raised += [
        (p.arrived.item.waba_id, p.raised) for p, _ in fresh if p.raised is not None and p.arrived.item.waba_id is not None
    ]
    await _take_over(tx, rt, [(p, row) for p, row in zip(plans, rows, strict=True) if p.echo and row.conversation_id], wrote)
    wrote.heard.update(row.number_id for p, row in fresh if isinstance(p.arrived.item.event, wa.MessageReceived) and row.number_id)
    wrote.due |= {row.contact_id for _, row in fresh if row.reason is None and row.contact_id is not None}


def _talk(p: Plan, contact_id: UUID | None) -> tuple[UUID, UUID] | None:
    """Contact and number of the conversation an item belongs in, if it belongs in one."""
    number_id = p.arrived.route.number_id
    return (contact_id, number_id) if p.talks and contact_id is not None and number_id is not None else None


def _row(rt: Runtime, p: Plan, contact_id: UUID | None, conversation_id: UUID | None) -> NewEvent:
    item = p.arrived.item
    content = (
        getattr(item.event, "content", item.event) if isinstance(item.event, wa.MessageReceived | wa.MessageEchoed) else item.event
    )
    return NewEvent(
        id=rt.new_id(),
        number_id=p.arrived.route.number_id,
        contact_id=contact_id,
        conversation_id=conversation_id,
        key=wa.dedup_key(item),
        kind=p.kind,
        arrival=p.arrived.arrival,
        position=item.position,
        content=msgspec.Raw(msgspec.json.encode(_keep(item.event, content))),
        sent_at=p.sent_at,
        received_at=p.arrived.received_at,
        reason=p.reason,
    )


def _keep(event: wa.Event, content: object) -> dict[str, object]:
    """What the event's row holds: the content, and beside it what was said around it."""
    if not isinstance(event, wa.MessageReceived):
        return {"content": content}
    around = {name: getattr(event, name) for name in ("context", "referral", "errors", "group_id")}
    return {"content": content, **{name: value for name, value in around.items() if value}}


def _first_of_each(rows: Sequence[NewEvent]) -> list[NewEvent]:
    """The same message twice in one batch is one row: the first."""
    first: dict[tuple[UUID | None, str], NewEvent] = {}
    for row in rows:
        first.setdefault((row.number_id, row.key), row)
    return list(first.values())


def _consent(rt: Runtime, p: Plan, row: NewEvent) -> consent.Entry | None:
    if p.opts is None or row.contact_id is None:
        return None
    return consent.Entry(
        rt.new_id(), row.contact_id, p.purpose, p.opts, "whatsapp" if p.kind == "preference" else "word",
        {"event": str(row.id), "wamid": row.key}, row.arrival, row.position, p.sent_at,
    )  # fmt: skip


def _received(p: Plan, row: NewEvent) -> Received | None:
    """What a customer wrote, for whoever listens."""
    event = p.arrived.item.event
    if not isinstance(event, wa.MessageReceived) or row.contact_id is None or row.conversation_id is None or row.number_id is None:
        return None
    content, context = (msgspec.Raw(msgspec.json.encode(part)) if part else None for part in (event.content, event.context))
    assert content is not None  # a struct
    return Received(row.id, row.contact_id, row.conversation_id, row.number_id, row.key, content, context, row.sent_at)


async def _take_over(tx: Tx, rt: Runtime, echoes: Sequence[tuple[Plan, NewEvent]], wrote: Wrote) -> None:
    """A person wrote from the shop's telephone: shown as ours, and the bot is silent in that conversation."""
    rows: dict[UUID, Echo] = {}
    for p, row in echoes:
        assert row.contact_id is not None and row.conversation_id is not None and row.number_id is not None
        source_id = uuid5(row.number_id, row.key)
        digest = hashlib.sha256(bytes(row.content)).digest()
        made = Echo(
            id=rt.new_id(),
            number_id=row.number_id,
            contact_id=row.contact_id,
            conversation_id=row.conversation_id,
            source_id=source_id,
            wamid=row.key,
            content=bytes(row.content),
            sha256=digest,
            at=p.sent_at,
        )
        rows.setdefault(source_id, made)
    new = await ledger.record_echoes(tx, list(rows.values()))
    if new:
        wrote.moved += (await ledger.join_orphans(tx, [(e.number_id, e.wamid) for e in rows.values()], rt.now())).moved
        latest = {echoed.conversation_id: echoed.at for echoed in sorted(new, key=lambda e: e.at)}
        taken = await tx.all(contacts.TAKE_OVER, ids=sorted(latest), ats=[latest[id_] for id_ in sorted(latest)], now=rt.now())
        wrote.told += [Changed(t.id, t.contact_id, t.number_id, "taken_over", "human", t.queue) for t in taken if t.was == "bot"]
