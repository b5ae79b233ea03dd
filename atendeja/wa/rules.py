"""What Meta would refuse about a content, and what we could not keep: said before anything is written.

Source: Meta's OpenAPI file business-messaging-api v23.0; the figures are in `limits.py`.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, assert_never

import msgspec
from msgspec.structs import asdict

from atendeja.wa import limits
from atendeja.wa.content import (
    Buttons,
    CallToAction,
    Card,
    CatalogButton,
    ContactRequest,
    Contacts,
    Content,
    CouponCode,
    File,
    Form,
    FormButton,
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
    Section,
    Slide,
    Template,
    TemplateButton,
    Text,
    UrlSuffix,
    Value,
)

_TEMPLATE_NAME: Final = re.compile(r"[a-z0-9_]+")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_LINK: Final = re.compile(r"https?://[^\s/]")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_ONE_LINE: Final = re.compile(r"[^\n\t\r]*")
_GAP: Final = " " * (limits.VALUE_SPACES + 1)
_CAPTIONLESS: Final = ("audio", "sticker")
_NUL: Final = b"\\u0000"


def problems(content: Content) -> list[str]:
    """What Meta would refuse about this content, each as `path: reason`; empty if nothing.

    Meta alone knows whether a template's parameters fit, whether a file is good and whether the window is open.
    """
    try:
        return [*_unkeepable(content), *_problems(content)]
    except RecursionError:
        return ["data: nested too deeply"]


def _unkeepable(content: Content) -> Iterator[str]:
    """Texts that neither JSON nor a database takes: looked for one by one only where there is one."""
    try:
        strange = _NUL in msgspec.json.encode(content)
    except UnicodeEncodeError:
        strange = True
    if strange:
        yield from _strange("", msgspec.to_builtins(content))


def _strange(path: str, value: object) -> Iterator[str]:
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            yield f"{path}: holds a character that is none (NUL or half of a pair)"
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strange(path, key)
            yield from _strange(f"{path}.{key}" if path else str(key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strange(f"{path}[{index}]", inner)


def _problems(content: Content) -> Iterator[str]:
    match content:
        case Text():
            yield from _text("body", content.body, limits.TEXT_BODY)
        case Buttons():
            yield from _framed(content, limits.INTERACTIVE_BODY)
            yield from _buttons(content)
        case Options():
            yield from _framed(content, limits.LIST_BODY)
            yield from _list(content)
        case CallToAction():
            yield from _framed(content, limits.INTERACTIVE_BODY)
            yield from _text("label", content.label, limits.CTA_LABEL)
            yield from _link("url", content.url)
        case LocationRequest() | ContactRequest():
            yield from _text("body", content.body, limits.INTERACTIVE_BODY)
        case Form():
            yield from _framed(content, limits.INTERACTIVE_BODY)
            yield from _form(content)
        case Media():
            yield from _media(content)
        case Location():
            yield from _location("", content)
        case Contacts():
            yield from _count("cards", "contacts", len(content.cards), limits.CARDS)
            for index, card in enumerate(content.cards):
                yield from _card(f"cards[{index}]", card)
        case Reaction() | Read():
            yield from _text("message_id", content.message_id, limits.CALLBACK)
        case Template():
            yield from _template(content)
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


def _link(path: str, value: str) -> Iterator[str]:
    yield from _text(path, value, limits.LINK)
    if value and _LINK.match(value) is None:
        yield f"{path}: must begin with https:// or http:// and a host"


def _data(path: str, value: dict[str, object]) -> Iterator[str]:
    """What a form is opened with."""
    try:
        size = len(msgspec.json.encode(value))
    except UnicodeEncodeError:
        return  # said already
    if size > limits.FORM_DATA:
        yield f"{path}: {size} bytes, at most {limits.FORM_DATA} are allowed"


def _one_of(content: File | Media) -> Iterator[str]:
    """Where a file is: exactly one of the three, but for a link beside one of our own."""
    if (content.id is None) == (content.link is None and content.file is None):
        yield "id: exactly one of id, link and file is needed; a link may stand beside file"
    yield from _text("id", content.id, limits.CALLBACK, optional=True)
    if content.link is not None:
        yield from _link("link", content.link)
    yield from _text("filename", content.filename, limits.FILENAME, optional=True)
    if content.filename is not None and content.kind != "document":
        yield f"filename: {content.kind} takes none"


def _within(path: str, found: Iterator[str]) -> Iterator[str]:
    """These, of what stands at `path`."""
    return (f"{path}.{problem}" for problem in found)


def _media(content: Media) -> Iterator[str]:
    yield from _one_of(content)
    yield from _text("caption", content.caption, limits.CAPTION, optional=True)
    if content.caption is not None and content.kind in _CAPTIONLESS:
        yield f"caption: {content.kind} takes none"
    if content.voice and content.kind != "audio":
        yield f"voice: {content.kind} takes none"


def _location(path: str, content: Location) -> Iterator[str]:
    if not -90 <= content.latitude <= 90:
        yield f"{path}latitude: must be between -90 and 90"
    if not -180 <= content.longitude <= 180:
        yield f"{path}longitude: must be between -180 and 180"
    yield from _text(f"{path}name", content.name, limits.PLACE, optional=True)
    yield from _text(f"{path}address", content.address, limits.PLACE, optional=True)


def _card(path: str, card: Card) -> Iterator[str]:
    parts = asdict(card.name)
    yield from _text(f"{path}.name.formatted_name", parts.pop("formatted_name"), limits.CARD_TEXT)
    if not any(parts.values()):
        yield f"{path}.name: one part of the name beside formatted_name is needed"
    yield from _card_texts(f"{path}.name", parts)
    for what in ("phones", "emails", "urls", "addresses"):
        entries = getattr(card, what)
        if len(entries) > limits.CARD_ENTRIES:
            yield f"{path}.{what}: {len(entries)}, at most {limits.CARD_ENTRIES} are allowed"
        for index, entry in enumerate(entries):
            here, texts = f"{path}.{what}[{index}]", asdict(entry)
            if what != "addresses":  # which may have any part and none
                yield from _text(f"{here}.{what[:-1]}", texts.pop(what[:-1]), limits.CARD_TEXT)
            yield from _card_texts(here, texts)
    if card.org is not None:
        yield from _card_texts(f"{path}.org", asdict(card.org))
    if card.birthday is not None and not _is_date(card.birthday):
        yield f"{path}.birthday: a date like 1990-12-31 is needed"


def _card_texts(path: str, texts: dict[str, str | None]) -> Iterator[str]:
    for key, value in texts.items():
        if value is not None and len(value) > limits.CARD_TEXT:
            yield f"{path}.{key}: {len(value)} characters, at most {limits.CARD_TEXT} are allowed"


def _is_date(value: str) -> bool:
    try:
        return dt.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


# ── with something to tap ────────────────────────────────────────────────────────────────────────────────────────────────────


def _framed(content: Buttons | Options | CallToAction | Form, body: int) -> Iterator[str]:
    yield from _text("body", content.body, body)
    if isinstance(content.header, File):
        yield from _within("header", _one_of(content.header))
    else:
        yield from _text("header", content.header, limits.HEADER, optional=True)
    yield from _text("footer", content.footer, limits.FOOTER, optional=True)


def _buttons(content: Buttons) -> Iterator[str]:
    yield from _count("buttons", "buttons", len(content.buttons), limits.BUTTONS)
    paths = [f"buttons[{index}]" for index in range(len(content.buttons))]
    for path, button in zip(paths, content.buttons, strict=True):
        yield from _text(f"{path}.id", button.id, limits.BUTTON_ID)
        yield from _text(f"{path}.title", button.title, limits.BUTTON_TITLE)
    yield from _unique([f"{path}.id" for path in paths], [button.id for button in content.buttons])
    yield from _unique([f"{path}.title" for path in paths], [button.title for button in content.buttons])


def _list(content: Options) -> Iterator[str]:
    yield from _text("button", content.button, limits.LIST_BUTTON)
    yield from _count("sections", "sections", len(content.sections), limits.SECTIONS)
    for index, section in enumerate(content.sections):
        path = f"sections[{index}]"
        yield from _text(f"{path}.title", section.title, limits.SECTION_TITLE, optional=len(content.sections) == 1)
        if not section.rows:
            yield f"{path}.rows: must not be empty"
    yield from _rows(content.sections)


def _rows(sections: Sequence[Section]) -> Iterator[str]:
    rows = [(f"sections[{i}].rows[{j}]", row) for i, section in enumerate(sections) for j, row in enumerate(section.rows)]
    yield from _count("sections", "rows in all", len(rows), limits.ROWS)
    for path, row in rows:
        yield from _text(f"{path}.id", row.id, limits.ROW_ID)
        yield from _text(f"{path}.title", row.title, limits.ROW_TITLE)
        yield from _text(f"{path}.description", row.description, limits.ROW_DESCRIPTION, optional=True)
    yield from _unique([f"{path}.id" for path, _ in rows], [row.id for _, row in rows])


def _form(content: Form) -> Iterator[str]:
    yield from _text("label", content.label, limits.FORM_LABEL)
    if any(unicodedata.category(c) == "So" for c in content.label):
        yield "label: no emoji is allowed"
    yield from _text("token", content.token, limits.CALLBACK)
    if (content.form_id is None) == (content.form_name is None):
        yield "form_id: exactly one of form_id and form_name is needed"
    yield from _text("form_id", content.form_id, limits.CALLBACK, optional=True)
    yield from _text("form_name", content.form_name, limits.CALLBACK, optional=True)
    yield from _text("screen", content.screen, limits.CALLBACK, optional=True)
    if content.data and content.screen is None:
        yield "data: only together with a screen"
    yield from _data("data", content.data)


# ── templates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _template(content: Template) -> Iterator[str]:
    yield from _text("name", content.name, limits.TEMPLATE_NAME)
    if content.name and _TEMPLATE_NAME.fullmatch(content.name) is None:
        yield "name: only lower-case letters, digits and _ are allowed"
    if _LANGUAGE.fullmatch(content.language) is None:
        yield "language: a code like pt_BR is needed"
    match content.header:
        case File():
            yield from _within("header", _one_of(content.header))
        case Location():
            yield from _location("header.", content.header)
        case Value():
            yield from _values("header", [content.header], limits.HEADER)
    yield from _values("body", content.body, limits.TEMPLATE_BODY)
    yield from _taps("buttons", content.buttons, limits.TEMPLATE_BUTTONS)
    if content.slides:
        yield from _count("slides", "slides", len(content.slides), limits.SLIDES)
    for index, slide in enumerate(content.slides):
        yield from _slide(f"slides[{index}]", slide)
    if content.offer_ends_ms is not None and content.offer_ends_ms <= 0:
        yield "offer_ends_ms: a time after 1970 is needed"


def _slide(path: str, slide: Slide) -> Iterator[str]:
    yield from _within(f"{path}.header", _one_of(slide.header))
    if slide.header.kind == "document":
        yield f"{path}.header.kind: a slide takes an image or a video"
    yield from _values(f"{path}.body", slide.body, limits.TEMPLATE_BODY)
    yield from _taps(f"{path}.buttons", slide.buttons, limits.SLIDE_BUTTONS)


def _values(path: str, parameters: Sequence[Parameter], limit: int) -> Iterator[str]:
    """All named or none, each a line without wide gaps: what else Meta refuses as 132012 or 132018."""
    paths = [f"{path}[{index}]" for index in range(len(parameters))]
    for here, parameter in zip(paths, parameters, strict=True):
        yield from _value(here, parameter, limit)
        if parameter.name is not None and _TEMPLATE_NAME.fullmatch(parameter.name) is None:
            yield f"{here}.name: only lower-case letters, digits and _ are allowed"
    names = [parameter.name for parameter in parameters]
    if None in names and any(name is not None for name in names):
        yield f"{path}: either all are named or none"
    yield from _unique([f"{here}.name" for here, name in zip(paths, names, strict=True) if name], [name for name in names if name])


def _value(path: str, parameter: Parameter, limit: int) -> Iterator[str]:
    match parameter:
        case Value():
            yield from _line(f"{path}.text", parameter.text, limit)
        case Money():
            yield from _line(f"{path}.fallback", parameter.fallback, limit)
            if _CURRENCY.fullmatch(parameter.code) is None:
                yield f"{path}.code: a currency like BRL is needed"
        case Moment():
            yield from _line(f"{path}.fallback", parameter.fallback, limit)


def _line(path: str, value: str, limit: int) -> Iterator[str]:
    yield from _text(path, value, limit)
    if _ONE_LINE.fullmatch(value) is None:
        yield f"{path}: must be one line, without tabs"
    if _GAP in value:
        yield f"{path}: more than {limits.VALUE_SPACES} spaces in a row"


def _taps(path: str, buttons: Sequence[TemplateButton], limit: int) -> Iterator[str]:
    for n, button in enumerate(buttons):
        if not 0 <= button.index < limit:
            yield f"{path}[{n}].index: must be between 0 and {limit - 1}"
        match button:
            case QuickReply():
                yield from _text(f"{path}[{n}].payload", button.payload, limits.BUTTON_ID)
            case UrlSuffix():
                yield from _line(f"{path}[{n}].text", button.text, limits.LINK)
            case CouponCode():
                yield from _line(f"{path}[{n}].code", button.code, limits.CALLBACK)
            case FormButton():
                yield from _text(f"{path}[{n}].token", button.token, limits.CALLBACK)
                yield from _data(f"{path}[{n}].data", button.data)
            case CatalogButton():
                yield from _text(f"{path}[{n}].product_retailer_id", button.product_retailer_id, limits.CALLBACK)
    yield from _unique([f"{path}[{n}].index" for n in range(len(buttons))], [str(button.index) for button in buttons])
