"""What we can send, as values. `wa.request.build` turns one into the body of a POST, `problems` there names what Meta would refuse.

These structs are also what `message.content` holds in the database (tagged by `type`), so a field may be added with a
default but never renamed.
"""

from typing import Literal

from msgspec import Struct

type_key = "type"


class Recipient(Struct, frozen=True, omit_defaults=True):
    """Whom to write to. A phone (digits, no `+`) wins when both are known; a BSUID must never be put in `to`."""

    phone: str | None = None
    user_id: str | None = None


class Text(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="text"):
    body: str
    preview_url: bool = False


class Button(Struct, frozen=True, omit_defaults=True):
    id: str
    title: str


class Buttons(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="buttons"):
    """One to three reply buttons."""

    body: str
    buttons: list[Button]
    header: str | None = None
    footer: str | None = None


class Row(Struct, frozen=True, omit_defaults=True):
    id: str
    title: str
    description: str | None = None


class Section(Struct, frozen=True, omit_defaults=True):
    rows: list[Row]
    title: str | None = None


class Options(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="list"):
    """A list to choose from (Meta's interactive list): ten rows in all; `button` opens it."""

    body: str
    button: str
    sections: list[Section]
    header: str | None = None
    footer: str | None = None


class Media(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="media"):
    """A file by Meta's media id or by a public link: exactly one of the two."""

    kind: Literal["image", "video", "audio", "document", "sticker"]
    id: str | None = None
    link: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False


class Template(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="template"):
    """An approved template; `components` as in Meta's send call (README section 6.2), filled in already."""

    name: str
    language: str
    components: list[dict[str, object]] = []


class Location(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="location"):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class Reaction(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="reaction"):
    """An emoji on a message of at most 30 days; `emoji` empty removes it."""

    message_id: str
    emoji: str


class Read(Struct, frozen=True, omit_defaults=True, tag_field=type_key, tag="read"):
    """Two blue ticks on the customer's message, with the typing dots for at most 25 s if we are going to answer."""

    message_id: str
    typing: bool = False


Content = Text | Buttons | Options | Media | Template | Location | Reaction | Read
