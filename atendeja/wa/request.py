"""Content → the body of `POST /{phone_number_id}/messages`, and what Meta would refuse about it.

Source: Meta's OpenAPI file business-messaging-api v23.0; limits in `limits.py`.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import assert_never

from atendeja import phone
from atendeja.wa import limits
from atendeja.wa.content import Buttons, Content, Location, Media, Options, Reaction, Read, Recipient, Section, Template, Text

_TEMPLATE_NAME = re.compile(r"[a-z0-9_]+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_CAPTIONLESS = ("audio", "sticker")


def build(content: Content, recipient: Recipient, *, callback: str | None = None, quote: str | None = None) -> dict[str, object]:
    """The JSON body that sends this content to this person; for `Read` the body that marks a message as read.

    `callback` comes back in every status of the message, `quote` is the wamid to answer to. Does not check the limits: see
    `problems`. Raises `ValueError` if the recipient has neither a phone nor a BSUID, or a BSUID in the phone's place, which
    Meta would accept and silently lose.
    """
    if isinstance(content, Read):
        return _read(content)
    body: dict[str, object] = {"messaging_product": "whatsapp", "recipient_type": "individual", **_address(recipient)}
    body.update(_typed(content))
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


def _read(content: Read) -> dict[str, object]:
    body: dict[str, object] = {"messaging_product": "whatsapp", "status": "read", "message_id": content.message_id}
    if content.typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _typed(content: Text | Buttons | Options | Media | Template | Location | Reaction) -> dict[str, object]:
    """`type` and the object named like it."""
    match content:
        case Text():
            return {"type": "text", "text": _sparse(preview_url=content.preview_url or None, body=content.body)}
        case Buttons():
            return {"type": "interactive", "interactive": _buttons(content)}
        case Options():
            return {"type": "interactive", "interactive": _list(content)}
        case Media():
            return {"type": content.kind, content.kind: _media(content)}
        case Template():
            return {"type": "template", "template": _template(content)}
        case Location():
            return {"type": "location", "location": _location(content)}
        case Reaction():
            return {"type": "reaction", "reaction": {"message_id": content.message_id, "emoji": content.emoji}}
        case _:
            assert_never(content)


def _sparse(**keys: object) -> dict[str, object]:
    """The keys that have a value."""
    return {key: value for key, value in keys.items() if value is not None}


def _frame(kind: str, content: Buttons | Options, action: dict[str, object]) -> dict[str, object]:
    return _sparse(
        type=kind,
        header={"type": "text", "text": content.header} if content.header else None,
        body={"text": content.body},
        footer={"text": content.footer} if content.footer else None,
        action=action,
    )


def _buttons(content: Buttons) -> dict[str, object]:
    replies = [{"type": "reply", "reply": {"id": button.id, "title": button.title}} for button in content.buttons]
    return _frame("button", content, {"buttons": replies})


def _list(content: Options) -> dict[str, object]:
    sections = [_sparse(title=section.title, rows=_rows(section)) for section in content.sections]
    return _frame("list", content, {"button": content.button, "sections": sections})


def _rows(section: Section) -> list[dict[str, object]]:
    return [_sparse(id=row.id, title=row.title, description=row.description) for row in section.rows]


def _media(content: Media) -> dict[str, object]:
    return _sparse(
        id=content.id,
        link=content.link,
        filename=content.filename,
        caption=content.caption,
        voice=True if content.voice else None,
    )


def _template(content: Template) -> dict[str, object]:
    return {"name": content.name, "language": {"code": content.language}, "components": content.components}


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


def problems(content: Content) -> list[str]:
    """What Meta would refuse about this content, each as `path: reason`; empty if nothing.

    Meta alone knows whether a template's parameters fit, whether a file is good and whether the window is open.
    """
    return list(_problems(content))


def _problems(content: Content) -> Iterator[str]:
    match content:
        case Text():
            yield from _text("body", content.body, limits.TEXT_BODY)
        case Buttons():
            yield from _frame_problems(content, limits.INTERACTIVE_BODY)
            yield from _button_problems(content)
        case Options():
            yield from _frame_problems(content, limits.LIST_BODY)
            yield from _list_problems(content)
        case Media():
            yield from _media_problems(content)
        case Template():
            yield from _template_problems(content)
        case Location():
            yield from _location_problems(content)
        case Reaction() | Read():
            yield from _text("message_id", content.message_id, limits.CALLBACK)
        case _:
            assert_never(content)


def _text(path: str, value: str | None, limit: int, *, optional: bool = False) -> Iterator[str]:
    if value is None and optional:
        return
    if value is None or not value.strip():
        yield f"{path}: must not be empty"
    elif len(value) > limit:
        yield f"{path}: {len(value)} characters, at most {limit} are allowed"


def _count(path: str, what: str, number: int, limit: int) -> Iterator[str]:
    if not 1 <= number <= limit:
        yield f"{path}: {number} {what}, 1 to {limit} are allowed"


def _unique(paths: Sequence[str], values: Sequence[str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for path, value in zip(paths, values, strict=True):
        if value in first:
            yield f"{path}: the same as {first[value]}"
        first.setdefault(value, path)


def _frame_problems(content: Buttons | Options, body: int) -> Iterator[str]:
    yield from _text("body", content.body, body)
    yield from _text("header", content.header, limits.HEADER, optional=True)
    yield from _text("footer", content.footer, limits.FOOTER, optional=True)


def _button_problems(content: Buttons) -> Iterator[str]:
    yield from _count("buttons", "buttons", len(content.buttons), limits.BUTTONS)
    paths = [f"buttons[{index}]" for index in range(len(content.buttons))]
    for path, button in zip(paths, content.buttons, strict=True):
        yield from _text(f"{path}.id", button.id, limits.BUTTON_ID)
        yield from _text(f"{path}.title", button.title, limits.BUTTON_TITLE)
    yield from _unique([f"{path}.id" for path in paths], [button.id for button in content.buttons])
    yield from _unique([f"{path}.title" for path in paths], [button.title for button in content.buttons])


def _list_problems(content: Options) -> Iterator[str]:
    yield from _text("button", content.button, limits.LIST_BUTTON)
    yield from _count("sections", "sections", len(content.sections), limits.SECTIONS)
    for index, section in enumerate(content.sections):
        path = f"sections[{index}]"
        yield from _text(f"{path}.title", section.title, limits.SECTION_TITLE, optional=len(content.sections) == 1)
        if not section.rows:
            yield f"{path}.rows: must not be empty"
    yield from _row_problems(content.sections)


def _row_problems(sections: Sequence[Section]) -> Iterator[str]:
    rows = [(f"sections[{i}].rows[{j}]", row) for i, section in enumerate(sections) for j, row in enumerate(section.rows)]
    yield from _count("sections", "rows in all", len(rows), limits.ROWS)
    for path, row in rows:
        yield from _text(f"{path}.id", row.id, limits.ROW_ID)
        yield from _text(f"{path}.title", row.title, limits.ROW_TITLE)
        yield from _text(f"{path}.description", row.description, limits.ROW_DESCRIPTION, optional=True)
    yield from _unique([f"{path}.id" for path, _ in rows], [row.id for _, row in rows])


def _media_problems(content: Media) -> Iterator[str]:
    if (content.id is None) == (content.link is None):
        yield "id: exactly one of id and link is needed"
    yield from _text("id", content.id, limits.CALLBACK, optional=True)
    yield from _text("link", content.link, limits.LINK, optional=True)
    if content.link and not content.link.startswith(("https://", "http://")):
        yield "link: must begin with https:// or http://"
    yield from _text("caption", content.caption, limits.CAPTION, optional=True)
    if content.caption is not None and content.kind in _CAPTIONLESS:
        yield f"caption: {content.kind} takes none"
    yield from _text("filename", content.filename, limits.FILENAME, optional=True)
    if content.filename is not None and content.kind != "document":
        yield f"filename: {content.kind} takes none"
    if content.voice and content.kind != "audio":
        yield f"voice: {content.kind} takes none"


def _template_problems(content: Template) -> Iterator[str]:
    yield from _text("name", content.name, limits.TEMPLATE_NAME)
    if content.name and _TEMPLATE_NAME.fullmatch(content.name) is None:
        yield "name: only lower-case letters, digits and _ are allowed"
    if _LANGUAGE.fullmatch(content.language) is None:
        yield "language: a code like pt_BR is needed"


def _location_problems(content: Location) -> Iterator[str]:
    if not -90 <= content.latitude <= 90:
        yield "latitude: must be between -90 and 90"
    if not -180 <= content.longitude <= 180:
        yield "longitude: must be between -180 and 180"
