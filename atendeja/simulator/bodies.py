"""The bodies the app sends, read as strictly as Meta is known to (whatsapp reference, section 6): types, limits, presence.

The shapes are msgspec structs, so that one decode finds what is wrong and says where; what structs cannot say is below.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from atendeja.wa import limits
from atendeja.wa.limits import MEDIA

PHONE = re.compile(r"\+?[1-9][0-9]{6,14}")
BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")


class Invalid(Exception):
    """Meta would refuse this body: answer `code` with these `details`."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class TextBody(Struct):
    body: Annotated[str, Meta(min_length=1, max_length=limits.TEXT_BODY)]
    preview_url: bool = False


class Media(Struct):
    id: str | None = None
    link: str | None = None
    caption: Annotated[str, Meta(max_length=limits.CAPTION)] | None = None
    filename: str | None = None


class Location(Struct):
    latitude: float | str
    longitude: float | str


class Reaction(Struct):
    message_id: Annotated[str, Meta(min_length=1)]
    emoji: str


class Language(Struct):
    code: Annotated[str, Meta(min_length=2)]


class Template(Struct):
    name: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Language
    components: list[dict[str, object]] = []


class Header(Struct):
    type: Literal["text", "image", "video", "document"]
    text: Annotated[str, Meta(min_length=1, max_length=limits.HEADER)] | None = None


class Body(Struct):
    text: Annotated[str, Meta(min_length=1, max_length=limits.LIST_BODY)]


class Footer(Struct):
    text: Annotated[str, Meta(min_length=1, max_length=limits.FOOTER)]


class Reply(Struct):
    id: Annotated[str, Meta(min_length=1, max_length=limits.BUTTON_ID)]
    title: Annotated[str, Meta(min_length=1, max_length=limits.BUTTON_TITLE)]


class Button(Struct):
    type: Literal["reply"]
    reply: Reply


class Buttons(Struct):
    buttons: Annotated[list[Button], Meta(min_length=1, max_length=limits.BUTTONS)]


class Row(Struct):
    id: Annotated[str, Meta(min_length=1, max_length=limits.ROW_ID)]
    title: Annotated[str, Meta(min_length=1, max_length=limits.ROW_TITLE)]
    description: Annotated[str, Meta(max_length=limits.ROW_DESCRIPTION)] | None = None


class Section(Struct):
    rows: Annotated[list[Row], Meta(min_length=1, max_length=limits.ROWS)]
    title: Annotated[str, Meta(max_length=limits.SECTION_TITLE)] | None = None


class Sections(Struct):
    button: Annotated[str, Meta(min_length=1, max_length=limits.LIST_BUTTON)]
    sections: Annotated[list[Section], Meta(min_length=1, max_length=limits.SECTIONS)]


class InteractiveButtons(Struct, tag_field="type", tag="button"):
    body: Body
    action: Buttons
    header: Header | None = None
    footer: Footer | None = None


class InteractiveList(Struct, tag_field="type", tag="list"):
    body: Body
    action: Sections
    header: Header | None = None
    footer: Footer | None = None


class OtherInteractive(Struct):
    """Kinds whose details are not checked yet."""

    type: Literal["cta_url", "flow", "location_request_message", "request_contact_info"]
    body: Body


class Context(Struct):
    message_id: str


class Send(Struct):
    """A message. `content` is the object named like its type, as it came."""

    messaging_product: Literal["whatsapp"]
    type: Literal[
        "text", "image", "video", "audio", "document", "sticker", "interactive", "template", "location", "contacts", "reaction"
    ] = "text"
    to: str | None = None
    recipient: str | None = None
    biz_opaque_callback_data: Annotated[str, Meta(max_length=limits.CALLBACK)] | None = None
    context: Context | None = None
    text: Raw | UnsetType = UNSET
    image: Raw | UnsetType = UNSET
    video: Raw | UnsetType = UNSET
    audio: Raw | UnsetType = UNSET
    document: Raw | UnsetType = UNSET
    sticker: Raw | UnsetType = UNSET
    interactive: Raw | UnsetType = UNSET
    template: Raw | UnsetType = UNSET
    location: Raw | UnsetType = UNSET
    contacts: Raw | UnsetType = UNSET
    reaction: Raw | UnsetType = UNSET

    @property
    def content(self) -> Raw:
        """The object named like the type. Raises Invalid when it is missing."""
        content = getattr(self, self.type)
        if not isinstance(content, Raw):
            raise Invalid(131008, f"Parameter of type {self.type} is missing")
        return content


class Typing(Struct):
    type: Literal["text"]


class Read(Struct):
    """Mark a customer's message as read, perhaps with the typing dots."""

    messaging_product: Literal["whatsapp"]
    status: Literal["read"]
    message_id: Annotated[str, Meta(min_length=1)]
    typing_indicator: Typing | None = None


class _Kind(Struct):
    status: str | None = None


class _InteractiveKind(Struct):
    type: str


_kind = msgspec.json.Decoder(_Kind)
_read = msgspec.json.Decoder(Read)
_send = msgspec.json.Decoder(Send)
_interactive_kind = msgspec.json.Decoder(_InteractiveKind)
_interactive = msgspec.json.Decoder(InteractiveButtons | InteractiveList)
_other_interactive = msgspec.json.Decoder(OtherInteractive)
_media = msgspec.json.Decoder(Media)
_shapes: dict[str, msgspec.json.Decoder[Struct]] = {
    "text": msgspec.json.Decoder(TextBody),
    "location": msgspec.json.Decoder(Location),
    "reaction": msgspec.json.Decoder(Reaction),
    "template": msgspec.json.Decoder(Template),
}


def read(raw: bytes) -> Send | Read:
    """What a POST to `…/messages` asks for. Raises Invalid with Meta's code for what it would refuse."""
    try:
        if _kind.decode(raw).status is not None:
            return _read.decode(raw)
        send = _send.decode(raw)
        _check_recipient(send)
        _check_content(send.type, send.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(100, str(error)) from error
    return send


def media_ids(send: Send) -> list[str]:
    """The ids of files in a message, wherever they stand: itself, a header, a slide."""
    found: list[str] = []
    left: list[object] = [{send.type: msgspec.json.decode(send.content)}]
    for value in left:  # which grows
        if isinstance(value, dict):
            files = (inner for key, inner in value.items() if key in MEDIA and isinstance(inner, dict))
            found += [file["id"] for file in files if isinstance(file.get("id"), str)]
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found


def _check_recipient(send: Send) -> None:
    if (send.to is None) == (send.recipient is None):
        raise Invalid(100, "exactly one of `to` and `recipient` is required")
    if send.recipient is not None and not BSUID.fullmatch(send.recipient):
        raise Invalid(131009, "recipient is not a business-scoped user id")
    if send.to is not None and not PHONE.fullmatch(send.to) and not BSUID.fullmatch(send.to):
        raise Invalid(131009, "Recipient phone number not valid.")


def _check_content(kind: str, content: Raw) -> None:
    if kind == "interactive":
        _check_interactive(content)
    elif kind in MEDIA:
        _check_media(kind, _media.decode(content))
    elif kind in _shapes:
        _shapes[kind].decode(content)


def _check_media(kind: str, media: Media) -> None:
    if (media.id is None) == (media.link is None):
        raise Invalid(100, f"{kind}: exactly one of `id` and `link` is required")
    if media.caption is not None and kind in ("audio", "sticker"):
        raise Invalid(100, f"{kind} takes no caption")


def _check_interactive(content: Raw) -> None:
    if _interactive_kind.decode(content).type not in ("button", "list"):
        _other_interactive.decode(content)
        return
    match _interactive.decode(content):
        case InteractiveButtons(body=body, action=action):
            _check_unique("button title", [button.reply.title for button in action.buttons])
            _check_unique("button id", [button.reply.id for button in action.buttons])
            if len(body.text) > limits.INTERACTIVE_BODY:
                raise Invalid(131009, f"body text is longer than {limits.INTERACTIVE_BODY} characters")
        case InteractiveList(action=action):
            rows = [row for section in action.sections for row in section.rows]
            _check_unique("row id", [row.id for row in rows])
            if len(rows) > limits.ROWS:
                raise Invalid(131009, f"total row count exceeds the limit of {limits.ROWS}")
            if len(action.sections) > 1 and not all(section.title for section in action.sections):
                raise Invalid(131009, "every section needs a title when there are several")


def _check_unique(what: str, values: list[str]) -> None:
    if len(set(values)) != len(values):
        raise Invalid(131009, f"duplicated {what}")
