"""Whether Meta sees a number as we do: asked before it is added, when its token changes, and when somebody wants to know.

What is needed for sending and for knowing whose a webhook is must hold; the rest is told, with what to do. That a token may see the
number and its account is also what keeps a business from taking another's webhooks: who has no token of it cannot add it. So does
Meta's word that the portfolio owns the account: who could name another's would keep its owner out of this server.
Source: Meta, WhatsApp Business Management API, phone numbers and subscribed apps (copies of 2026-09); of an account, its
`owner_business_info`, which Meta's Business SDK has.
"""

from collections.abc import Collection
from typing import Annotated, Literal

from msgspec import Meta, Struct

from atendeja import phone
from atendeja.cloud import Cloud, Fetched
from atendeja.errors import Refused, Unavailable
from atendeja.wa.codes import CODES

FIELDS = "display_phone_number,verified_name,quality_rating,throughput,status,name_status"
MOST_PAGES = 20
NOT_NOW = ("R", "S", "U")
"""Kinds of codes that say nothing of the number."""

Name = Literal["number", "account", "portfolio", "subscription", "display_number", "status", "quality"]


class Check(Struct, frozen=True):
    """One thing that was looked at."""

    name: Name
    ok: bool
    line: Annotated[str, Meta(description="What was found.", examples=["Meta knows it as Oficina Sol"])]
    hint: Annotated[str | None, Meta(description="What to do about it.")] = None


class Verification(Struct, frozen=True):
    """What Meta says of a number."""

    ok: Annotated[bool, Meta(description="Whether all of it is as it should be.")]
    checks: list[Check]
    verified_name: str | None
    quality: Annotated[str | None, Meta(description="GREEN, YELLOW, RED or UNKNOWN.", examples=["GREEN"])]


NEEDED: tuple[Name, ...] = ("number", "account")
"""Without these nothing would work."""
CLAIMED: tuple[Name, ...] = (*NEEDED, "portfolio")
"""Without these it would be somebody else's: of a number that is to be added."""


async def verify(
    cloud: Cloud, token: str, phone_number_id: str, waba_id: str, portfolio_id: str, display_number: str
) -> Verification:
    """Ask Meta about a number, its account and its portfolio; changes nothing. Raises Unavailable when Meta cannot be asked now."""
    number = await cloud.ask(phone_number_id, token, fields=FIELDS)
    checks = [read_number(number)]
    if checks[0].ok:
        checks.append(read_account(*await _find(cloud, token, phone_number_id, waba_id), phone_number_id, waba_id))
        if checks[1].ok:
            checks.append(read_portfolio(await cloud.ask(waba_id, token, fields="owner_business_info"), waba_id, portfolio_id))
            checks.append(read_subscription(await cloud.ask(f"{waba_id}/subscribed_apps", token), waba_id))
        checks += read_details(number, display_number)
    return Verification(all(c.ok for c in checks), checks, _text(number, "verified_name"), _text(number, "quality_rating"))


def require(verification: Verification, needed: Collection[Name]) -> None:
    """Raises Refused for a number that lacks one of these."""
    for check in verification.checks:
        if check.name in needed and not check.ok:
            raise Refused("number_not_verified", check.line, hint=check.hint)


async def _find(cloud: Cloud, token: str, phone_number_id: str, waba_id: str) -> tuple[Fetched, bool]:
    """The last page of the account's numbers that was read, and whether this one is among them."""
    after: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        page = await cloud.ask(f"{waba_id}/phone_numbers", token, fields="id", limit="100", **after)
        if phone_number_id in (ids := _ids(page)):
            return page, True
        following = _cursor(page)
        if not ids or following is None or following == after.get("after"):
            break
        after = {"after": following}
    return page, False


# ── reading, pure ────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_number(answer: Fetched) -> Check:
    """Raises Unavailable for an answer that says nothing of the number."""
    if (said := _refusal(answer)) is not None:
        return Check("number", False, f"the Cloud API refuses it: {said}", "check the phone number id and the token")
    return Check("number", True, f"Meta knows it as {_text(answer, 'verified_name') or 'a number without a name'}")


def read_account(answer: Fetched, found: bool, phone_number_id: str, waba_id: str) -> Check:
    """Raises Unavailable for an answer that says nothing of the account."""
    if (said := _refusal(answer)) is not None:
        hint = "check the WABA id, and that the token has whatsapp_business_management for it"
        return Check("account", False, f"the Cloud API does not show the account {waba_id}: {said}", hint)
    if not found:
        hint = "the WABA id is that of another account: WhatsApp Manager shows the right one beside the number"
        return Check("account", False, f"the account {waba_id} has no number {phone_number_id}", hint)
    return Check("account", True, f"it is one of the account {waba_id}")


def read_portfolio(answer: Fetched, waba_id: str, portfolio_id: str) -> Check:
    """Raises Unavailable for an answer that says nothing of it. Whose account it is must be said: anybody could name anybody."""
    hint = "WhatsApp Manager shows the id of the portfolio that owns the account, in the settings of the business"
    if (said := _refusal(answer)) is not None:
        return Check("portfolio", False, f"the Cloud API does not say whose the account {waba_id} is: {said}", hint)
    owner = answer.body.get("owner_business_info")
    found = owner.get("id") if isinstance(owner, dict) else None
    if found is None:
        hint = "give the token business_management too, or have the machine's administrator add the number"
        return Check("portfolio", False, f"the Cloud API does not say whose the account {waba_id} is", hint)
    if found != portfolio_id:
        return Check("portfolio", False, f"the account {waba_id} is not of the portfolio {portfolio_id}", hint)
    return Check("portfolio", True, f"it is of the portfolio {portfolio_id}")


def read_subscription(answer: Fetched, waba_id: str) -> Check:
    """Raises Unavailable for an answer that says nothing of it."""
    if (said := _refusal(answer)) is not None:
        hint = "look in Meta's app whether its webhooks come here"
        return Check("subscription", False, f"the Cloud API does not say which apps get the account's webhooks: {said}", hint)
    if not answer.body.get("data"):
        hint = f"POST /{waba_id}/subscribed_apps with this token, or nothing that customers write comes here"
        return Check("subscription", False, "no app gets the account's webhooks", hint)
    return Check("subscription", True, "an app gets the account's webhooks")


def read_details(answer: Fetched, display_number: str) -> list[Check]:
    """What of the number itself is not as it should be; nothing where Meta does not say."""
    checks = []
    if (shown := _text(answer, "display_phone_number")) is not None:
        same = phone.canonical(phone.digits(shown)) == phone.canonical(phone.digits(display_number))
        hint = None if same else "give the number that customers see: Meta names it so in some webhooks"
        checks.append(Check("display_number", same, "customers see the same number" if same else "Meta shows another number", hint))
    if (status := _text(answer, "status")) is not None:
        ok = status == "CONNECTED"
        hint = None if ok else "register it in WhatsApp Manager, or see there what keeps it"
        checks.append(Check("status", ok, f"its status is {status}", hint))
    if (quality := _text(answer, "quality_rating")) is not None:
        ok = quality != "RED"
        hint = None if ok else "too many people block or report it: Meta may stop its marketing"
        checks.append(Check("quality", ok, f"its quality is {quality}", hint))
    return checks


def _refusal(answer: Fetched) -> str | None:
    """Meta's words when it refuses; None when it does not. Raises Unavailable when it only cannot be asked now."""
    if answer.status == 200:
        return None
    fault = answer.body.get("error")
    said = fault if isinstance(fault, dict) else {}
    code = said.get("code")
    known = CODES.get(code) if isinstance(code, int) else None
    if known is not None and known.kind in NOT_NOW:
        raise Unavailable(f"the Cloud API cannot be asked now: {known.meaning}")
    return str(said.get("message") or answer.status)[:300]


def _text(answer: Fetched, field: str) -> str | None:
    value = answer.body.get(field) if answer.status == 200 else None
    return value[:200] if isinstance(value, str) and value else None


def _ids(page: Fetched) -> list[str]:
    data = page.body.get("data")
    return [str(one.get("id")) for one in data if isinstance(one, dict)] if isinstance(data, list) else []


def _cursor(page: Fetched) -> str | None:
    paging = page.body.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, dict) and "next" in paging else None
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) else None
