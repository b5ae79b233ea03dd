"""A message as Meta sends it → its content: one reader per value of Meta's `type`, in `_READERS`."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw, Struct

from atendeja.wa.messages import (
    Button,
    ButtonReply,
    CallPermission,
    Contacts,
    Context,
    Edit,
    FormReply,
    Identity,
    Inbound,
    Kind,
    ListReply,
    Location,
    MediaReceived,
    Order,
    Reaction,
    RequestWelcome,
    Revoke,
    System,
    Text,
    Unknown,
    Unsupported,
)
from atendeja.wa.wire import ABSENT, UNREADABLE, Loose, Reader, clean, keep, optional_id, text, too_deep

Parts: TypeAlias = Mapping[str, Raw]
"""A message's keys with their values still encoded."""


class _Media(Struct):
    id: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool | None = None
    animated: bool | None = None
    url: str | None = None


class _Interactive(Struct):
    type: str | None = None
    button_reply: Raw = ABSENT
    list_reply: Raw = ABSENT
    nfm_reply: Raw = ABSENT
    call_permission_reply: Raw = ABSENT


class _Form(Struct):
    name: Loose = None
    body: Loose = None
    response_json: Raw = ABSENT


class _System(Struct):
    type: Loose = None
    body: Loose = None
    wa_id: Loose = None
    new_wa_id: Loose = None
    user_id: Loose = None
    previous_user_id: Loose = None


class _Unsupported(Struct):
    type: Loose = None


class _Edit(Struct):
    original_message_id: str
    message: dict[str, Raw]


_text = Reader(Text)
_media = Reader(_Media)
_location = Reader(Location)
_cards = Reader(list[dict[str, object]])
_button = Reader(Button)
_button_reply = Reader(ButtonReply)
_list_reply = Reader(ListReply)
_call_permission = Reader(CallPermission)
_reaction = Reader(Reaction)
_order = Reader(Order)
_identity = Reader(Identity)
_revoke = Reader(Revoke)
_context = Reader(Context)
_interactive = Reader(_Interactive)
_form = Reader(_Form)
_system = Reader(_System)
_unsupported = Reader(_Unsupported)
_edit = Reader(_Edit)
_string = Reader(str)
_parts = Reader(dict[str, Raw])


def _read_media(kind: Kind, parts: Parts, key: str) -> MediaReceived:
    if key not in parts and "errors" in parts:
        return MediaReceived(kind=kind)
    return MediaReceived(kind, *msgspec.structs.astuple(_media(parts.get(key, ABSENT))))


def _read_reaction(parts: Parts) -> Reaction:
    reaction = _reaction(parts.get("reaction", ABSENT))
    return reaction if reaction.emoji else Reaction(reaction.message_id)


def _read_interactive(parts: Parts) -> Inbound:
    reply = _interactive(parts.get("interactive", ABSENT))
    match reply.type:
        case "button_reply":
            return _button_reply(reply.button_reply)
        case "list_reply":
            return _list_reply(reply.list_reply)
        case "nfm_reply":
            return _read_form(reply.nfm_reply)
        case "call_permission_reply":
            return _call_permission(reply.call_permission_reply)
        case _:
            raise ValueError("unknown interactive type")


def _read_form(raw: Raw) -> FormReply:
    form = _form(raw)
    answer = _string.part(form.response_json)
    return FormReply(text(form.name), text(form.body), None if answer is None else _form_response(answer), answer)


def _form_response(answer: str) -> dict[str, object] | None:
    """The JSON object inside the string, cleaned a second time because escapes may hide in it."""
    try:
        inner = clean(answer.encode())
        value = None if too_deep(inner) else msgspec.json.decode(inner)
    except UNREADABLE:
        return None
    return value if isinstance(value, dict) else None


def _read_system(parts: Parts) -> System:
    said = _system(parts.get("system", ABSENT))
    return System(
        kind=text(said.type),
        body=text(said.body),
        wa_id=optional_id(said.wa_id) or optional_id(said.new_wa_id),
        user_id=optional_id(said.user_id),
        previous_user_id=optional_id(said.previous_user_id),
        identity=_identity.part(parts.get("identity", ABSENT)),
    )


def _read_unsupported(parts: Parts) -> Unsupported:
    said = _unsupported.part(parts.get("unsupported", ABSENT))
    return Unsupported(text(said.type) if said else None)


def _read_edit(parts: Parts) -> Edit:
    edit = _edit(parts.get("edit", ABSENT))
    return Edit(edit.original_message_id, _nested(edit.message), _context.part(edit.message.get("context", ABSENT)))


def _nested(parts: Parts) -> Inbound:
    """The message inside an edit, which has no header of its own."""
    kind = _string.part(parts.get("type", ABSENT))
    return content(kind, parts, msgspec.json.encode(parts))


_READERS: Final[Mapping[str, Callable[[Parts], Inbound]]] = {
    "text": lambda parts: _text(parts.get("text", ABSENT)),
    "image": lambda parts: _read_media("image", parts, "image"),
    "video": lambda parts: _read_media("video", parts, "video"),
    "audio": lambda parts: _read_media("audio", parts, "audio"),
    "voice": lambda parts: _read_media("audio", parts, "voice"),
    "document": lambda parts: _read_media("document", parts, "document"),
    "sticker": lambda parts: _read_media("sticker", parts, "sticker"),
    "location": lambda parts: _location(parts.get("location", ABSENT)),
    "contacts": lambda parts: Contacts(_cards(parts.get("contacts", ABSENT))),
    "button": lambda parts: _button(parts.get("button", ABSENT)),
    "interactive": _read_interactive,
    "reaction": _read_reaction,
    "order": lambda parts: _order(parts.get("order", ABSENT)),
    "system": _read_system,
    "unsupported": _read_unsupported,
    "media_placeholder": lambda parts: Unsupported("media_placeholder"),
    "edit": _read_edit,
    "revoke": lambda parts: _revoke(parts.get("revoke", ABSENT)),
    "request_welcome": lambda parts: RequestWelcome(),
}


def content(kind: str | None, parts: Parts, raw: Raw | bytes) -> Inbound:
    """What a message of Meta's type `kind` contains; `Unknown` with the whole message if we cannot say. Raises nothing."""
    reader = _READERS.get(kind or "")
    if reader is None or too_deep(bytes(raw)):
        return Unknown(kind, keep(raw))
    try:
        return reader(parts)
    except UNREADABLE:
        return Unknown(kind, keep(raw))


def read(kind: str | None, raw: Raw) -> Inbound:
    """The same from the encoded message. Raises one of `UNREADABLE` if it is not a JSON object."""
    return content(kind, _parts(raw), raw)
