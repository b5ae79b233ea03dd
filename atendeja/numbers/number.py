"""WhatsApp numbers: which tenant answers on which, with which token, at what rate."""

import datetime as dt
import re
import secrets
from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from atendeja import audit, phone, tenants, vault
from atendeja.audit import Actor
from atendeja.db import Database, Nothing, Session, Tx, query
from atendeja.errors import Refused
from atendeja.tenants import Tenant
from atendeja.wa import limits


class Number(Struct, frozen=True):
    id: UUID
    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_number: str
    token: bytes
    """Sealed: `read_token` opens it."""
    rate: int
    stopped_until: dt.datetime | None
    stopped_code: int | None
    marketing_until: dt.datetime | None
    marketing_code: int | None
    """WhatsApp has stopped its marketing, and nothing else."""
    paused_for: str | None = None
    """Somebody of the business lets it send nothing, why."""


class Route(Struct, frozen=True):
    kind: str
    meta_id: str
    tenant_id: int
    number_id: UUID | None
    portfolio_id: str | None


class Raised(Struct, frozen=True):
    id: UUID


CLAIM_ROUTE = query("numbers.claim_route", Nothing)
ROUTES = query("numbers.routes", Route)
SAVE = query("numbers.save", Nothing)
EVERYONE = query("numbers.everyone", Number)
BY_IDS = query("numbers.by_ids", Number)
STOP = query("numbers.stop", Nothing)
GO_ON = query("numbers.go_on", Nothing)
STOP_MARKETING = query("numbers.stop_marketing", Nothing)
GO_ON_WITH_MARKETING = query("numbers.go_on_with_marketing", Nothing)
RAISE_RATE = query("numbers.raise_rate", Raised)


def choose_rate(rate: int | None, *, coexistence: bool) -> int | None:
    """Messages a second of a number; None for Meta's usual. Raises Refused when people who use it too leave less."""
    if coexistence and rate is not None and rate > limits.COEXISTENCE_RATE:
        raise Refused("rate", f"a number in coexistence sends {limits.COEXISTENCE_RATE} messages a second at most")
    return limits.COEXISTENCE_RATE if coexistence and rate is None else rate


class NewNumber(Struct, frozen=True):
    phone_number_id: str
    waba_id: str
    portfolio_id: str
    display_number: str
    token: str
    rate: int | None = None
    """Messages a second. None: Meta's usual rate, or what it has, until Meta raises it."""


def problems(new: NewNumber) -> list[str]:
    """What is wrong with these, a line each; ids are Meta's digits, never a telephone number."""
    found = [
        f"{field} must be Meta's id: digits only"
        for field in ("phone_number_id", "waba_id", "portfolio_id")
        if not re.fullmatch(r"\d{1,32}", getattr(new, field))
    ]
    if not 8 <= len(phone.digits(new.display_number)) <= 15:
        found.append("display_number must be the telephone number with country code, like +5511999990000")
    if not new.token.strip() or not new.token.isascii():
        found.append("the token is empty or not a token")
    if new.rate is not None and not 1 <= new.rate <= limits.RAISED_RATE:
        found.append(f"the rate must be 1 to {limits.RAISED_RATE} messages a second (Meta's default is {limits.NUMBER_RATE})")
    return found


def normal(display_number: str) -> str:
    """The form in which it is kept and compared."""
    return "+" + phone.digits(display_number)


async def add(tx: Tx, tenant: Tenant, keys: list[bytes], new: NewNumber, number_id: UUID, now: dt.datetime) -> UUID:
    """Write the number, or change the token, rate and display of one this tenant has; return its id.

    Raises Refused when a field is wrong, or when the number, its WABA or its portfolio is another tenant's.
    """
    if wrong := problems(new):
        raise Refused("number_invalid", "; ".join(wrong))
    await tx.run(CLAIM_ROUTE, kind="portfolio", meta_id=new.portfolio_id, owner_id=tenant.id, number_id=None, portfolio_id=None)
    await tx.run(CLAIM_ROUTE, kind="waba", meta_id=new.waba_id, owner_id=tenant.id, number_id=None, portfolio_id=None)
    await tx.run(
        CLAIM_ROUTE,
        kind="number",
        meta_id=new.phone_number_id,
        owner_id=tenant.id,
        number_id=number_id,
        portfolio_id=new.portfolio_id,
    )
    routes = await tx.all(ROUTES, phone_number_ids=[new.phone_number_id], waba_ids=[new.waba_id], portfolio_ids=[new.portfolio_id])
    for route in routes:
        if route.tenant_id != tenant.id:
            raise Refused(
                "number_of_another",
                f"the {route.kind} {route.meta_id} belongs to another tenant",
                hint="a portfolio and each of its accounts and numbers belong to one tenant",
            )
    kept = next(r.number_id for r in routes if r.kind == "number")
    assert kept is not None
    known = await tx.all(BY_IDS, ids=[kept])
    if known and (known[0].waba_id, known[0].portfolio_id) != (new.waba_id, new.portfolio_id):
        raise Refused(
            "number_moved",
            f"the number {new.phone_number_id} is kept under WABA {known[0].waba_id} and portfolio {known[0].portfolio_id}",
        )
    sealed = seal_token(tenant, keys, kept, new.token)
    await tx.run(
        SAVE, id=kept, phone_number_id=new.phone_number_id, waba_id=new.waba_id, portfolio_id=new.portfolio_id,
        display_number=normal(new.display_number), token=sealed, rate=new.rate,
        usual=limits.NUMBER_RATE, created_at=now,
    )  # fmt: skip
    return kept


async def admit(
    tx: Tx, tenant: Tenant, keys: list[bytes], new: NewNumber, ids: tuple[UUID, UUID], now: dt.datetime, by: Actor
) -> UUID:
    """`add`, written down in the audit log. `ids`: of a new number, and of the line."""
    number_id = await add(tx, tenant, keys, new, ids[0], now)
    after = {"phone_number_id": new.phone_number_id, "waba_id": new.waba_id, "portfolio_id": new.portfolio_id, "rate": new.rate}
    await audit.add(tx, ids[1], now, by, "number_added", number_id, after=after)
    return number_id


async def raise_rate(tx: Tx, waba_id: str, display_number: str) -> list[UUID]:
    """Meta has raised what this number of the account may send; returns it, unless somebody chose its rate."""
    raised = await tx.all(
        RAISE_RATE,
        waba_id=waba_id,
        display_number=normal(display_number),
        rate=limits.RAISED_RATE,
    )
    return [number.id for number in raised]


def seal_token(tenant: Tenant, keys: list[bytes], number_id: UUID, token: str) -> bytes:
    """An access token as it lies in this number's row, and opens nowhere else."""
    nonce = secrets.token_bytes(vault.NONCE_BYTES)
    return vault.seal(tenants.data_key(tenant, keys), token.strip().encode(), _token_place(tenant.id, number_id), nonce)


def read_token(tenant: Tenant, number: Number, keys: list[bytes]) -> str:
    """The access token in clear: for the header of a request, never for a log."""
    return vault.unseal([tenants.data_key(tenant, keys)], number.token, _token_place(tenant.id, number.id)).decode()


def _token_place(tenant_id: int, number_id: UUID) -> bytes:
    return vault.place(tenant_id, "number", "token", number_id)


class Directory:
    """Meta's ids → tenant and number, remembered: routes are only ever added, so what was found stays true."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[tuple[str, str], Route] = {}

    async def learn(self, phone_number_ids: set[str], waba_ids: set[str]) -> None:
        """Look up what is not known yet; what nobody owns is asked again the next time."""
        numbers = [n for n in phone_number_ids if ("number", n) not in self._known]
        wabas = [w for w in waba_ids if ("waba", w) not in self._known]
        if not numbers and not wabas:
            return
        async with self._db.session() as session:
            for route in await session.all(ROUTES, phone_number_ids=numbers, waba_ids=wabas, portfolio_ids=[]):
                self._known[route.kind, route.meta_id] = route

    def number(self, phone_number_id: str) -> Route | None:
        return self._known.get(("number", phone_number_id))

    def waba(self, waba_id: str) -> Route | None:
        return self._known.get(("waba", waba_id))


async def load(session: Session, ids: Sequence[UUID]) -> list[Number]:
    return await session.all(BY_IDS, ids=list(ids))
