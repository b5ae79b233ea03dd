"""Content → the body of `POST /{phone_number_id}/messages`.

Source: Meta's OpenAPI file business-messaging-api v23.0.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from atendeja import phone
from atendeja.wa.content import (
    Buttons,
    CallToAction,
    CatalogButton,
    ContactRequest,
    Contacts,
    Content,
    CouponCode,
    File,
    Form,
    FormButton,
    Interactive,
    Location,
    LocationRequest,
    Media,
    Moment,
    Money,
    Options,
    Parameter,
    QuickReply,
    Reaction,
    Read,
    Recipient,
    Section,
    Slide,
    Template,
    TemplateButton,
    Text,
    UrlSuffix,
    Value,
    with_files,
)

FORM_VERSION = "3"
"""Of the message that carries a WhatsApp Flow: the only one."""


def build(
    content: Content,
    recipient: Recipient,
    *,
    callback: str | None = None,
    quote: str | None = None,
    uploads: Mapping[UUID, str] = {},
) -> dict[str, object]:
    """The JSON body that sends this content to this person; for `Read` the body that marks a message as read.

    `callback` comes back in every status of the message, `quote` is the wamid to answer to. `uploads` are the ids by which Meta
    knows our own files; one that is not among them goes by its link. Does not check the limits: see `rules.problems`. Raises
    `ValueError` if the recipient has neither a phone nor a BSUID, or a BSUID in the phone's place, which Meta would accept and
    silently lose; and for a file of ours that has neither an id of Meta's nor a link.
    """
    if isinstance(content, Read):
        return _read(content)
    body: dict[str, object] = {"messaging_product": "whatsapp", "recipient_type": "individual", **_address(recipient)}
    body.update(_typed(with_files(content, lambda part: _place(part, uploads))))
    if quote is not None:
        body["context"] = {"message_id": quote}
    if callback is not None:
        body["biz_opaque_callback_data"] = callback
    return body


def _address(recipient: Recipient) -> dict[str, object]:
    """`to` with its `+` (without it Meta may put the business's own country code in front), or `recipient` for a BSUID."""
    if recipient.phone:
        if phone.is_bsuid(recipient.phone):
            raise ValueError("a BSUID stands in the phone's place")
        return {"to": f"+{recipient.phone.removeprefix('+')}"}
    if recipient.user_id:
        return {"recipient": recipient.user_id}
    raise ValueError("a recipient needs a phone or a BSUID")


def _place(part: File | Media, uploads: Mapping[UUID, str]) -> File | Media:
    """A file of ours where Meta finds it."""
    if part.file is None:
        return part
    if part.file in uploads:
        return replace(part, id=uploads[part.file], link=None, file=None)
    if part.link is None:
        raise ValueError(f"the file {part.file} has not been uploaded, and has no link")
    return replace(part, file=None)


def _read(content: Read) -> dict[str, object]:
    body: dict[str, object] = {"messaging_product": "whatsapp", "status": "read", "message_id": content.message_id}
    if content.typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _typed(content: Content) -> dict[str, object]:
    """`type` and the object named like it."""
    match content:
        case Text():
            return {"type": "text", "text": _sparse(preview_url=content.preview_url or None, body=content.body)}
        case Media():
            return {"type": content.kind, content.kind: _media(content)}
        case Location():
            return {"type": "location", "location": _location(content)}
        case Contacts():
            return {"type": "contacts", "contacts": msgspec.to_builtins(content.cards)}
        case Reaction():
            return {"type": "reaction", "reaction": {"message_id": content.message_id, "emoji": content.emoji}}
        case Template():
            return {"type": "template", "template": _template(content)}
        case Read():
            raise TypeError("a mark is no message")
        case _:
            return {"type": "interactive", "interactive": _interactive(content)}


def _sparse(**keys: object) -> dict[str, object]:
    """The keys that have a value."""
    return {key: value for key, value in keys.items() if value is not None}


def _media(content: Media) -> dict[str, object]:
    return _sparse(
        id=content.id,
        link=content.link,
        filename=content.filename,
        caption=content.caption,
        voice=True if content.voice else None,
    )


def _file(file: File) -> dict[str, object]:
    """`type` and the object named like it, of a header."""
    return {"type": file.kind, file.kind: _sparse(id=file.id, link=file.link, filename=file.filename)}


def _location(content: Location) -> dict[str, object]:
    return _sparse(
        latitude=_degrees(content.latitude),
        longitude=_degrees(content.longitude),
        name=content.name,
        address=content.address,
    )


def _degrees(value: float) -> str:
    """The shortest decimal text of a coordinate, never in exponent form."""
    return format(Decimal(repr(value)), "f")


# ── with something to tap ────────────────────────────────────────────────────────────────────────────────────────────────────


def _interactive(content: Interactive) -> dict[str, object]:
    match content:
        case Buttons():
            replies = [{"type": "reply", "reply": {"id": button.id, "title": button.title}} for button in content.buttons]
            return _framed("button", content, {"buttons": replies})
        case Options():
            sections = [_sparse(title=section.title, rows=_rows(section)) for section in content.sections]
            return _framed("list", content, {"button": content.button, "sections": sections})
        case CallToAction():
            return _framed("cta_url", content, _named("cta_url", {"display_text": content.label, "url": content.url}))
        case Form():
            return _framed("flow", content, _named("flow", _form(content)))
        case LocationRequest():
            return {"type": "location_request_message", "body": {"text": content.body}, "action": {"name": "send_location"}}
        case ContactRequest():
            return {"type": "request_contact_info", "body": {"text": content.body}, "action": {"name": "request_contact_info"}}
        case _:
            assert_never(content)


def _framed(kind: str, content: Buttons | Options | CallToAction | Form, action: dict[str, object]) -> dict[str, object]:
    header = content.header
    return _sparse(
        type=kind,
        header=None if not header else _file(header) if isinstance(header, File) else {"type": "text", "text": header},
        body={"text": content.body},
        footer={"text": content.footer} if content.footer else None,
        action=action,
    )


def _named(name: str, parameters: dict[str, object]) -> dict[str, object]:
    return {"name": name, "parameters": parameters}


def _rows(section: Section) -> list[dict[str, object]]:
    return [_sparse(id=row.id, title=row.title, description=row.description) for row in section.rows]


def _form(content: Form) -> dict[str, object]:
    opens = None if content.screen is None else _sparse(screen=content.screen, data=content.data or None)
    return _sparse(
        flow_message_version=FORM_VERSION,
        flow_id=content.form_id,
        flow_name=content.form_name,
        flow_cta=content.label,
        flow_token=content.token,
        flow_action="data_exchange" if opens is None else "navigate",
        flow_action_payload=opens,
        mode="draft" if content.draft else None,
    )


# ── templates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _template(content: Template) -> dict[str, object]:
    components: list[dict[str, object]] = []
    if content.header is not None:
        components.append(_header(content.header))
    components += _body(content.body)
    if content.offer_ends_ms is not None:
        offer = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": content.offer_ends_ms}}
        components.append({"type": "limited_time_offer", "parameters": [offer]})
    components += map(_button, content.buttons)
    if content.slides:
        components.append({"type": "carousel", "cards": [_slide(n, slide) for n, slide in enumerate(content.slides)]})
    return {"name": content.name, "language": {"code": content.language}, "components": components}


def _header(header: Value | File | Location) -> dict[str, object]:
    match header:
        case File():
            parameter = _file(header)
        case Location():
            parameter = {"type": "location", "location": _location(header)}
        case Value():
            parameter = _parameter(header)
    return {"type": "header", "parameters": [parameter]}


def _body(parameters: list[Parameter]) -> list[dict[str, object]]:
    return [{"type": "body", "parameters": [_parameter(parameter) for parameter in parameters]}] if parameters else []


def _parameter(parameter: Parameter) -> dict[str, object]:
    match parameter:
        case Value():
            return _sparse(type="text", parameter_name=parameter.name, text=parameter.text)
        case Money():
            amount = {"fallback_value": parameter.fallback, "code": parameter.code, "amount_1000": parameter.amount_1000}
            return _sparse(type="currency", parameter_name=parameter.name, currency=amount)
        case Moment():
            return _sparse(type="date_time", parameter_name=parameter.name, date_time={"fallback_value": parameter.fallback})


def _button(button: TemplateButton) -> dict[str, object]:
    sub_type = button.__struct_config__.tag
    return {"type": "button", "sub_type": sub_type, "index": str(button.index), "parameters": [_tap(button)]}


def _tap(button: TemplateButton) -> dict[str, object]:
    match button:
        case QuickReply():
            return {"type": "payload", "payload": button.payload}
        case UrlSuffix():
            return {"type": "text", "text": button.text}
        case CouponCode():
            return {"type": "coupon_code", "coupon_code": button.code}
        case FormButton():
            action = _sparse(flow_token=button.token, flow_action_data=button.data or None)
            return {"type": "action", "action": action}
        case CatalogButton():
            return {"type": "action", "action": {"thumbnail_product_retailer_id": button.product_retailer_id}}


def _slide(index: int, slide: Slide) -> dict[str, object]:
    header = {"type": "header", "parameters": [_file(slide.header)]}
    return {"card_index": index, "components": [header, *_body(slide.body), *map(_button, slide.buttons)]}
