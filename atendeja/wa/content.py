"""What we can send, as values. `request.build` turns one into the body of a POST, `rules.problems` names what Meta would refuse.

These structs are also what `message.content` holds in the database (tagged by `type`) and what the API takes, so a field may be
added with a default but never renamed; what has a part that we do not know does not go out. Shapes and limits: Meta's OpenAPI file
business-messaging-api v23.0, with its pages where that is silent.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

type_key = "type"


class Recipient(Struct, frozen=True, omit_defaults=True):
    """Whom to write to. A phone (digits, no `+`) wins when both are known; a BSUID must never be put in `to`."""

    phone: str | None = None
    user_id: str | None = None


class Text(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="text"):
    body: str
    preview_url: bool = False


class File(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="file"):
    """A file that stands above a message's text, named in one of the ways in which `Media` is."""

    kind: Literal["image", "video", "document"]
    id: str | None = None
    link: str | None = None
    filename: str | None = None
    """Of a document only."""
    file: UUID | None = None


# ── with something to tap ─────────────────────────────────────────────────────────────────────────────────────────────────


class Button(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    id: str
    title: str


class Buttons(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="buttons"):
    """One to three reply buttons."""

    body: str
    buttons: list[Button]
    header: str | File | None = None
    footer: str | None = None


class Row(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    id: str
    title: str
    description: str | None = None


class Section(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    rows: list[Row]
    title: str | None = None


class Options(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="list"):
    """A list to choose from (Meta's interactive list): ten rows in all; `button` opens it."""

    body: str
    button: str
    sections: list[Section]
    header: str | None = None
    footer: str | None = None


class CallToAction(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="cta_url"):
    """One button that opens a page."""

    body: str
    label: str
    url: str
    header: str | File | None = None
    footer: str | None = None


class LocationRequest(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="location_request"
):
    """A button that sends where the customer is."""

    body: str


class ContactRequest(
    Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="contact_request"
):
    """A button that sends the customer's own telephone number: for whom we know by a BSUID only."""

    body: str


class Form(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="form"):
    """A WhatsApp Flow, which people fill in without leaving the chat; its answer comes back with `token`.

    Named by `form_id` or `form_name`: exactly one of the two. With a `screen` it opens there, with `data` filled in; without one
    Meta asks the form's own endpoint.
    """

    body: str
    label: str
    token: str
    form_id: str | None = None
    form_name: str | None = None
    screen: str | None = None
    data: dict[str, Any] = {}  # Any: JSON
    draft: bool = False
    """The draft instead of what is published: for trying it out."""
    header: str | File | None = None
    footer: str | None = None


# ── the others ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Media(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="media"):
    """A file by Meta's media id, by a public link, or one of ours: exactly one of the three, but for a link beside one of ours."""

    kind: Literal["image", "video", "audio", "document", "sticker"]
    id: str | None = None
    link: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False
    file: UUID | None = None
    """Our own file, uploaded to WhatsApp before the message goes; where it cannot be, the `link` beside it is sent."""


class Location(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="location"):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class CardName(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Meta wants `formatted_name` and at least one of the others."""

    formatted_name: str
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class CardPhone(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    phone: str
    type: str | None = None
    wa_id: str | None = None
    """With it the card has a button to write to that person."""


class CardEmail(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    email: str
    type: str | None = None


class CardAddress(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class CardUrl(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    type: str | None = None


class CardOrg(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class Card(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A contact of an address book, its fields named as Meta names them."""

    name: CardName
    phones: list[CardPhone] = []
    emails: list[CardEmail] = []
    addresses: list[CardAddress] = []
    urls: list[CardUrl] = []
    org: CardOrg | None = None
    birthday: str | None = None
    """YYYY-MM-DD."""


class Contacts(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="contacts"):
    """Contacts to keep or to write to."""

    cards: list[Card]


class Reaction(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="reaction"):
    """An emoji on a message of at most 30 days; `emoji` empty removes it."""

    message_id: str
    emoji: str


class Read(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="read"):
    """Two blue ticks on the customer's message, with the typing dots for at most 25 s if we are going to answer."""

    message_id: str
    typing: bool = False


# ── templates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Value(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="text"):
    """What stands for a variable of a template; `name` where the template names its variables, else they are filled in order."""

    text: str
    name: str | None = None


class Money(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="currency"):
    """An amount in thousandths, shown in the way of the customer's country; `fallback` where that is not known."""

    fallback: str
    code: str
    """ISO 4217: BRL."""
    amount_1000: int
    name: str | None = None


class Moment(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="date_time"):
    """A date or time, as text already: Meta shows the fallback always."""

    fallback: str
    name: str | None = None


Parameter = Value | Money | Moment


class QuickReply(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="quick_reply"):
    """What a tap on this button brings back; without it the button's label comes."""

    index: int
    payload: str


class UrlSuffix(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="url"):
    """The end of the address that the button opens. Of an authentication template: the code, once more."""

    index: int
    text: str


class CouponCode(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="copy_code"):
    """What a tap copies."""

    index: int
    code: str


class FormButton(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="flow"):
    """Opens a WhatsApp Flow: its answer comes back with `token`."""

    index: int
    token: str
    data: dict[str, Any] = {}  # Any: JSON


class CatalogButton(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="catalog"):
    """Opens the catalogue, with this product's picture on the message."""

    index: int
    product_retailer_id: str


TemplateButton = QuickReply | UrlSuffix | CouponCode | FormButton | CatalogButton
"""What a template's button, counted from 0, is filled in with. A button without anything to fill in is left out."""


class Slide(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A card of a carousel."""

    header: File
    body: list[Parameter] = []
    buttons: list[TemplateButton] = []


class Template(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field=type_key, tag="template"):
    """An approved template and what its variables are filled in with."""

    name: str
    language: str
    header: Value | File | Location | None = None
    body: list[Parameter] = []
    buttons: list[TemplateButton] = []
    slides: list[Slide] = []
    """Of a carousel."""
    offer_ends_ms: int | None = None
    """Of a limited-time offer: Unix time in milliseconds."""


def authentication(name: str, language: str, code: str) -> Template:
    """A one-time code: Meta wants it in the text and in the button."""
    return Template(name, language, body=[Value(code)], buttons=[UrlSuffix(0, code)])


Sendable = (
    Text
    | Buttons
    | Options
    | CallToAction
    | LocationRequest
    | ContactRequest
    | Form
    | Media
    | Location
    | Contacts
    | Reaction
    | Template
)
"""What a message can be."""
Content = Sendable | Read
Interactive = Buttons | Options | CallToAction | LocationRequest | ContactRequest | Form
"""What has something to tap."""


def attachments(content: Content) -> Iterator[File | Media]:
    """Every file of a content: itself, its header, those of its slides."""
    match content:
        case Media():
            yield content
        case Buttons(header=File() as file) | CallToAction(header=File() as file) | Form(header=File() as file):
            yield file
        case Template(header=header, slides=slides):
            if isinstance(header, File):
                yield header
            yield from (slide.header for slide in slides)


Part = TypeVar("Part", File, Media)


def with_files(content: Content, change: Callable[[File | Media], File | Media]) -> Content:
    """The content with each file of it changed, into one of its own sort."""

    def changed(part: Part) -> Part:
        made = change(part)
        assert isinstance(made, type(part))
        return made

    match content:
        case Media():
            return changed(content)
        case Buttons(header=File() as file) | CallToAction(header=File() as file) | Form(header=File() as file):
            return replace(content, header=changed(file))
        case Template(header=header, slides=slides):
            return replace(
                content,
                header=changed(header) if isinstance(header, File) else header,
                slides=[replace(slide, header=changed(slide.header)) for slide in slides],
            )
        case _:
            return content


def files(content: Content) -> list[UUID]:
    """The ids of our own files in a content, each once, in the order in which they stand there."""
    return list(dict.fromkeys(part.file for part in attachments(content) if part.file is not None))
