"""The webhooks we send, as changes of one WABA: the same keys and types as Meta's (samples `inbound-*`, `status-*`)."""

from msgspec import Struct

from atendeja.simulator.answers import failed_status_error
from atendeja.simulator.settings import Number
from atendeja.simulator.world import Customer

Json = dict[str, object]


class Change(Struct, frozen=True):
    """One element of `changes`, and the WABA whose entry it belongs in."""

    waba_id: str
    body: Json


def inbound(number: Number, customer: Customer, wamid: str, at: float, content: Json) -> Change:
    """A customer's message. `content` is Meta's: `type`, the object named like it, perhaps `context` with the `id` answered."""
    message: Json = dict(content)
    context = content.get("context")
    if isinstance(context, dict) and "id" in context:
        message["context"] = {"from": number.display_phone_number, **context}
    message |= {"from_user_id": customer.user_id, "id": wamid, "timestamp": str(int(at))}
    if customer.wa_id is not None:
        message["from"] = customer.wa_id
    return _change(number, contacts=[_contact(customer)], messages=[message])


def status(number: Number, customer: Customer, wamid: str, kind: str, at: float, opaque: str | None, *, template: bool) -> Change:
    """Our message was `sent`, `delivered` or `read`."""
    report: Json = {"id": wamid, "status": kind, "timestamp": str(int(at)), "recipient_user_id": customer.user_id}
    _add_known(report, customer, opaque)
    if kind == "delivered":
        report["pricing"] = _pricing(template)
    return _change(number, contacts=[_contact(customer)], statuses=[report])


def failed(number: Number, customer: Customer, wamid: str, code: int, at: float, opaque: str | None) -> Change:
    """Our message was accepted and will not arrive; Meta names no contact here, and no BSUID if a phone was written to."""
    report: Json = {"id": wamid, "status": "failed", "timestamp": str(int(at)), "errors": [failed_status_error(code)]}
    if customer.wa_id is None:
        report["recipient_user_id"] = customer.user_id
    _add_known(report, customer, opaque)
    return _change(number, statuses=[report])


def envelope(changes: list[Change]) -> Json:
    """One POST body: an entry per WABA, in the order in which each first appears."""
    entries: dict[str, list[Json]] = {}
    for change in changes:
        entries.setdefault(change.waba_id, []).append(change.body)
    return {"object": "whatsapp_business_account", "entry": [{"id": waba, "changes": bodies} for waba, bodies in entries.items()]}


def _change(number: Number, **value: object) -> Change:
    metadata = {"display_phone_number": number.display_phone_number, "phone_number_id": number.phone_number_id}
    return Change(number.waba_id, {"value": {"messaging_product": "whatsapp", "metadata": metadata, **value}, "field": "messages"})


def _contact(customer: Customer) -> Json:
    profile = {"name": customer.name}
    if customer.username is not None:
        profile["username"] = customer.username
    contact: Json = {"profile": profile, "user_id": customer.user_id}
    if customer.wa_id is not None:
        contact["wa_id"] = customer.wa_id
    return contact


def _add_known(report: Json, customer: Customer, opaque: str | None) -> None:
    if customer.wa_id is not None:
        report["recipient_id"] = customer.wa_id
    if opaque is not None:
        report["biz_opaque_callback_data"] = opaque


def _pricing(template: bool) -> Json:
    if template:
        return {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}
    return {"billable": False, "pricing_model": "PMP", "type": "free_customer_service", "category": "service"}
