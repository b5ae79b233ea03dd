"""What a business does with its own numbers: adding, changing, checking, pausing; and how each is.

A number is always checked with Meta before it is added here: who could add one without a token of it would get what its customers
write. Not to ask is for the machine's own administrator (`number add --no-verify`).
"""

import datetime as dt
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from atendeja import audit, tenants
from atendeja.db import Nothing, Session, Tx, query
from atendeja.endpoint import Call, Endpoint, Instant, Listing, Page, Role, answered, not_found, once
from atendeja.errors import Refused
from atendeja.numbers import number
from atendeja.numbers.checks import CLAIMED, NEEDED, Verification, require, verify
from atendeja.numbers.number import NewNumber, seal_token
from atendeja.runtime import Runtime
from atendeja.wa import limits
from atendeja.wa.codes import CODES

HEADS: frozenset[Role] = frozenset({"owner", "admin"})
MEMBERS: frozenset[Role] = HEADS | {"agent", "viewer"}
MOST_COUNTED = 10_000

Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,32}$", description="Meta's id.", examples=["100200300"])]
DisplayNumber = Annotated[
    str, Meta(min_length=8, max_length=32, description="As customers see it, with country code.", examples=["+55 11 4000-0001"])
]
Token = Annotated[
    str, Meta(min_length=1, max_length=2000, description="Of a system user. It is never shown again.", examples=["EAAG…"])
]
Rate = Annotated[int, Meta(ge=1, le=limits.RAISED_RATE, description="Messages a second, in and out.", examples=[80])]


class Row(Struct, frozen=True):
    id: UUID
    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_number: str
    rate: int
    rate_chosen: bool
    stopped_until: dt.datetime | None
    stopped_code: int | None
    marketing_until: dt.datetime | None
    marketing_code: int | None
    paused_at: dt.datetime | None
    paused_for: str | None
    quality: str | None
    verified_name: str | None
    checked_at: dt.datetime | None
    created_at: dt.datetime


class Stop(Struct, frozen=True):
    """WhatsApp has refused it: one message is tried at `until_at`, and goes on when it is taken."""

    code: Annotated[int, Meta(description="Meta's.", examples=[190])]
    meaning: Annotated[str, Meta(examples=["the token has expired or is invalid"])]
    until_at: Instant | None


class Pause(Struct, frozen=True):
    since_at: Instant
    reason: Annotated[str, Meta(examples=["férias coletivas"])]


class OwnNumber(Struct, frozen=True):
    """A number of this business, without its token."""

    id: UUID
    phone_number_id: Digits
    waba_id: Digits
    portfolio_id: Digits
    display_number: Annotated[str, Meta(examples=["+55 11 4000-0001"])]
    rate: Rate
    rate_chosen: Annotated[bool, Meta(description="Whether somebody chose the rate; else it follows Meta's.")]
    stopped: Stop | None
    marketing_stopped: Annotated[Stop | None, Meta(description="Marketing waits, replies go on.")]
    paused: Annotated[Pause | None, Meta(description="By somebody of this business.")]
    quality: Annotated[str | None, Meta(description="As Meta said when it was last asked.", examples=["GREEN"])]
    verified_name: str | None
    checked_at: Annotated[Instant | None, Meta(description="When Meta was last asked.")]
    created_at: Instant


class NumberToAdd(Struct, frozen=True, forbid_unknown_fields=True):
    phone_number_id: Digits
    waba_id: Digits
    portfolio_id: Digits
    display_number: DisplayNumber
    token: Token
    rate: Annotated[Rate | None, Meta(description="Null: what Meta allows.")] = None
    coexistence: Annotated[bool, Meta(description="People go on using it in WhatsApp's own app: 20 messages a second.")] = False


class AddedNumber(Struct, frozen=True):
    number: OwnNumber
    verification: Verification


class NumberChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays. A new token is checked with Meta first, and ends a stop."""

    display_number: DisplayNumber | UnsetType = UNSET
    token: Token | UnsetType = UNSET
    rate: Annotated[Rate | None, Meta(description="Null: what Meta allows.")] | UnsetType = UNSET
    coexistence: Annotated[bool, Meta(description="True: 20 messages a second; false: what Meta allows.")] | UnsetType = UNSET


class PauseReason(Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["férias coletivas"])]


class Count(Struct, frozen=True):
    queued: int
    due_at: dt.datetime | None
    sending: int
    is_led: bool
    held_at: dt.datetime | None
    suspended_for: str | None


class Health(Struct, frozen=True):
    """Whether a number sends, and what keeps it."""

    sends: bool
    reasons: Annotated[list[str], Meta(description="Why it does not, or not all.")]
    queued: Annotated[int, Meta(description=f"Messages that wait; {MOST_COUNTED}: as many or more.")]
    due_at: Annotated[Instant | None, Meta(description="Since when the first of them could go.")]
    sending: Annotated[int, Meta(description="On the wire, or in doubt.")]
    has_sender: Annotated[bool, Meta(description="Whether a process sends for it now; one begins when something is to be sent.")]


class After(Struct, frozen=True):
    id: UUID


FIRST = UUID(int=0)

LISTING = query("numbers.listing", Row)
SHOWN = query("numbers.shown", Row)
LOCK = query("numbers.lock", Row)
CHANGE = query("numbers.change", Nothing)
PAUSE = query("numbers.pause", Nothing)
CHECKED = query("numbers.checked", Nothing)
HEALTH = query("numbers.health", Count)


def show(row: Row) -> OwnNumber:
    return OwnNumber(
        row.id, row.phone_number_id, row.waba_id, row.portfolio_id, row.display_number, row.rate, row.rate_chosen,
        _stop(row.stopped_code, row.stopped_until), _stop(row.marketing_code, row.marketing_until),
        None if row.paused_at is None else Pause(row.paused_at, row.paused_for or ""), row.quality, row.verified_name,
        row.checked_at, row.created_at,
    )  # fmt: skip


def _stop(code: int | None, until: dt.datetime | None) -> Stop | None:
    if code is None:
        return None
    known = CODES.get(code)
    return Stop(code, known.meaning if known else "the Cloud API refuses it", until)


async def _load(session: Session, number_id: UUID) -> Row:
    row = await session.one(SHOWN, id=number_id)
    if row is None:
        raise not_found()
    return row


async def _ask(rt: Runtime, token: str, row: Row | NewNumber) -> Verification:
    return await verify(rt.cloud, token, row.phone_number_id, row.waba_id, row.portfolio_id, row.display_number)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def list_numbers(rt: Runtime, call: Call[Listing]) -> Page[OwnNumber]:
    after = call.after(call.body, After)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(LISTING, after=after.id if after else FIRST, most=call.body.limit + 1)
    rows, following = call.cut(call.body, found, lambda row: After(row.id))
    return Page([show(row) for row in rows], following)


async def show_number(rt: Runtime, call: Call[Struct]) -> OwnNumber:
    async with rt.db.tenant(call.tenant_id) as tx:
        return show(await _load(tx, call.ids["id"]))


async def show_health(rt: Runtime, call: Call[Struct]) -> Health:
    async with rt.db.tenant(call.tenant_id) as tx:
        row = await _load(tx, call.ids["id"])
        count = await tx.one(HEALTH, id=row.id, lease=f"send:{row.id}", most=MOST_COUNTED)
    assert count is not None
    whole, marketing = keeps(show(row), count)
    return Health(not whole, whole + marketing, count.queued, count.due_at, count.sending, count.is_led)


def keeps(shown: OwnNumber, count: Count) -> tuple[list[str], list[str]]:
    """What keeps a number from sending, and what keeps its marketing."""
    whole, marketing = [], []
    if count.held_at is not None:
        whole.append("nobody sends from this server: its operator has to let it go on after a restore")
    if count.suspended_for is not None:
        whole.append("this business is suspended")
    if shown.paused is not None:
        whole.append(f"somebody has paused it: {shown.paused.reason}")
    if shown.stopped is not None:
        whole.append(f"WhatsApp refuses it with code {shown.stopped.code}: {shown.stopped.meaning}; it is tried every minute")
    if shown.marketing_stopped is not None:
        stop = shown.marketing_stopped
        marketing.append(f"WhatsApp has stopped its marketing with code {stop.code}: {stop.meaning}; it is tried every hour")
    return whole, marketing


# ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def add_number(rt: Runtime, call: Call[NumberToAdd]) -> AddedNumber:
    """A new number, checked with Meta first. Raises Refused for one that Meta does not show us so, that is here already, or that is
    another tenant's; Unavailable when Meta cannot be asked."""
    if (before := await answered(rt, call, AddedNumber)) is not None:
        return before
    body = call.body
    rate = number.choose_rate(body.rate, coexistence=body.coexistence)
    new = NewNumber(body.phone_number_id, body.waba_id, body.portfolio_id, body.display_number, body.token, rate)
    if wrong := number.problems(new):
        raise Refused("number_invalid", "; ".join(wrong))
    verification = await _ask(rt, new.token.strip(), new)
    require(verification, CLAIMED)
    tenant = await _tenant(rt, call.tenant_id)
    keys, number_id = rt.config.secret_keys, rt.new_id()

    async def work(tx: Tx) -> AddedNumber:
        kept = await number.admit(tx, tenant, keys, new, (number_id, rt.new_id()), rt.now(), audit.actor(call))
        if kept != number_id:
            raise Refused("number_exists", f"the number {new.phone_number_id} is here already", hint=f"PATCH /v1/numbers/{kept}")
        await _keep_checked(tx, rt, kept, verification)
        return AddedNumber(show(await _load(tx, kept)), verification)

    added = await once(rt, call, work)
    rt.bells.change_number(number_id)
    return added


async def change_number(rt: Runtime, call: Call[NumberChange]) -> OwnNumber:
    """Change display number, rate or token. Raises Refused as `add_number` does, Problem for none and a stale tag."""
    body, number_id = call.body, call.ids["id"]
    async with rt.db.tenant(call.tenant_id) as tx:
        row = await _load(tx, number_id)
    wanted = _rate(body, row)
    sealed, verification = None, None
    if body.token is not UNSET:
        token = _check_token(row, body.token)
        verification = await _ask(rt, token, row)
        require(verification, NEEDED)
        sealed = seal_token(await _tenant(rt, call.tenant_id), rt.config.secret_keys, number_id, token)

    async def work(tx: Tx) -> OwnNumber:
        before = await tx.one(LOCK, id=number_id)
        if before is None:
            raise not_found()
        call.check_tag(show(before))
        rate, rate_chosen = (before.rate, before.rate_chosen) if wanted is None else wanted
        display = before.display_number if body.display_number is UNSET else number.normal(body.display_number)
        if wrong := number.problems(NewNumber(before.phone_number_id, before.waba_id, before.portfolio_id, display, "-", rate)):
            raise Refused("number_invalid", "; ".join(wrong))
        anew = {"token": sealed is not None, "display_number": display != before.display_number}
        told = {"rate": rate} | {name: "another" for name, is_new in anew.items() if is_new}
        if sealed is not None or (rate, rate_chosen, display) != (before.rate, before.rate_chosen, before.display_number):
            await tx.run(CHANGE, id=number_id, display_number=display, rate=rate, rate_chosen=rate_chosen, token=sealed)
            if verification is not None:
                await _keep_checked(tx, rt, number_id, verification)
            await _tell(tx, rt, call, "number_changed", number_id, {"rate": before.rate}, told)
        return show(await _load(tx, number_id))

    changed = await rt.db.transact(call.tenant_id, work)
    rt.bells.change_number(number_id)
    return changed


def _rate(change: NumberChange, row: Row) -> tuple[int, bool] | None:
    """(rate, whether it is chosen) as it is to be; None where it stays. Raises Refused."""
    if change.rate is UNSET and change.coexistence is UNSET:
        return None
    rate = None if change.rate is UNSET else change.rate
    chosen = number.choose_rate(rate, coexistence=change.coexistence is True)
    return (limits.NUMBER_RATE, False) if chosen is None else (chosen, True)


def _check_token(row: Row, token: str) -> str:
    new = NewNumber(row.phone_number_id, row.waba_id, row.portfolio_id, row.display_number, token)
    if wrong := number.problems(new):
        raise Refused("number_invalid", "; ".join(wrong))
    return token.strip()


async def verify_number(rt: Runtime, call: Call[Struct]) -> Verification:
    """Ask Meta again; what it says of name and quality is kept. Raises Unavailable when it cannot be asked."""
    number_id = call.ids["id"]
    async with rt.db.tenant(call.tenant_id) as tx:
        row, owned = await _load(tx, number_id), await number.load(tx, [number_id])
    token = number.read_token(await _tenant(rt, call.tenant_id), owned[0], rt.config.secret_keys)
    verification = await _ask(rt, token, row)

    async def work(tx: Tx) -> None:
        await _keep_checked(tx, rt, number_id, verification)

    await rt.db.transact(call.tenant_id, work)
    return verification


async def pause_number(rt: Runtime, call: Call[PauseReason]) -> OwnNumber:
    """Let it send nothing from the commit on. What is queued waits."""
    return await _pause(rt, call, call.body.reason)


async def resume_number(rt: Runtime, call: Call[Struct]) -> OwnNumber:
    return await _pause(rt, call, None)


async def _pause(rt: Runtime, call: Call[PauseReason] | Call[Struct], reason: str | None) -> OwnNumber:
    """Already so is well: a pause keeps since when it is."""
    number_id = call.ids["id"]

    async def work(tx: Tx) -> OwnNumber:
        before = await tx.one(LOCK, id=number_id)
        if before is None:
            raise not_found()
        if reason != before.paused_for:
            since = None if reason is None else before.paused_at or rt.now()
            await tx.run(PAUSE, id=number_id, at=since, reason=reason)
            action = "number_resumed" if reason is None else "number_paused"
            await _tell(tx, rt, call, action, number_id, {"paused_for": before.paused_for}, {"paused_for": reason})
        return show(await _load(tx, number_id))

    changed = await rt.db.transact(call.tenant_id, work)
    rt.bells.change_number(number_id)
    return changed


async def _keep_checked(tx: Tx, rt: Runtime, number_id: UUID, found: Verification) -> None:
    await tx.run(CHECKED, id=number_id, quality=found.quality, verified_name=found.verified_name, now=rt.now())


async def _tell(
    tx: Tx,
    rt: Runtime,
    call: Call[NumberChange] | Call[PauseReason] | Call[Struct],
    action: str,
    number_id: UUID,
    before: object,
    after: object,
) -> None:
    await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), action, number_id, before=before, after=after)


async def _tenant(rt: Runtime, tenant_id: int) -> tenants.Tenant:
    async with rt.db.session() as session:
        (found,) = await session.all(tenants.BY_IDS, ids=[tenant_id])
    return found


_REFUSES = {"number_invalid": 422, "rate": 422, "number_not_verified": 422, "sealed_value": 409}
_TAKEN = {"number_exists": 409, "number_moved": 409, "number_of_another": 409}

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/numbers", "list_numbers", list_numbers, who=MEMBERS, scope="numbers:read", takes=Listing,
             gives=Page[OwnNumber], says="The WhatsApp numbers of this business."),
    Endpoint("POST", "/v1/numbers", "add_number", add_number, who=HEADS, scope="numbers:write", takes=NumberToAdd,
             gives=AddedNumber, status=201, once=True, asks=True, refuses={**_REFUSES, **_TAKEN},
             says="Add a number, which Meta is asked about first. Its token is kept sealed and never shown."),
    Endpoint("GET", "/v1/numbers/{id}", "show_number", show_number, who=MEMBERS, scope="numbers:read", gives=OwnNumber,
             is_tagged=True, says="A number."),
    Endpoint("PATCH", "/v1/numbers/{id}", "change_number", change_number, who=HEADS, scope="numbers:write", takes=NumberChange,
             gives=OwnNumber, is_tagged=True, asks=True, refuses=_REFUSES,
             says="Change a number's display, rate or token. A new token is checked with Meta, taken up at once, and ends a stop."),
    Endpoint("GET", "/v1/numbers/{id}/health", "show_number_health", show_health, who=MEMBERS, scope="numbers:read",
             gives=Health, says="Whether a number sends, what keeps it, and how much waits."),
    Endpoint("POST", "/v1/numbers/{id}/verify", "verify_number", verify_number, who=HEADS, scope="numbers:write",
             gives=Verification, asks=True, refuses={"sealed_value": 409}, says="Ask Meta whether it sees the number as we do."),
    Endpoint("POST", "/v1/numbers/{id}/pause", "pause_number", pause_number, who=HEADS, scope="numbers:write", takes=PauseReason,
             gives=OwnNumber, says="Have a number send nothing, from now on and in every process. What is queued waits."),
    Endpoint("POST", "/v1/numbers/{id}/resume", "resume_number", resume_number, who=HEADS, scope="numbers:write", gives=OwnNumber,
             says="Have a paused number send again."),
]  # fmt: skip
