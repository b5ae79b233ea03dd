"""What a message from WhatsApp contains, as values: one struct per type.

A new type is a struct, its name in `Inbound`, its reader in `bodies.py` and a sample with its events. The structs are also what
`event.content` holds in the database (tagged by `type`): a field may be added with a default but never renamed. Field names
are Meta's, except `kind`, which stands where Meta says `type`. Source: Meta, webhooks reference, messages.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from atendeja.wa.wire import Finite, Int32

Kind = Literal["image", "video", "audio", "document", "sticker"]


class ReferredProduct(Struct, frozen=True, omit_defaults=True):
    """The product page from which the customer wrote."""

    catalog_id: str | None = None
    product_retailer_id: str | None = None


class Context(Struct, frozen=True, omit_defaults=True, rename={"from_": "from", "message_id": "id"}):
    """What a message answers or that it was forwarded. `message_id` may be of a message we do not know."""

    from_: str | None = None
    message_id: str | None = None
    forwarded: bool = False
    frequently_forwarded: bool = False
    referred_product: ReferredProduct | None = None


class Text(Struct, frozen=True, tag="text"):
    """Written text, at most 4,096 characters."""

    body: str


class MediaReceived(Struct, frozen=True, omit_defaults=True, tag="media"):
    """A file. `id` lives 7 days and is None if Meta could not take the file (see the message's errors); `filename` and
    `caption` are the customer's words, never a path; `sha256` is recorded, not to be enforced."""

    kind: Kind
    id: str | None = None
    mime_type: str | None = None
    sha256: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool | None = None
    animated: bool | None = None
    url: str | None = None


class Location(Struct, frozen=True, omit_defaults=True, tag="location"):
    """A place in degrees; 0 is a valid coordinate."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    name: str | None = None
    address: str | None = None
    url: str | None = None


class Contacts(Struct, frozen=True, tag="contacts"):
    """Cards as Meta gives them, whole. `origin` `contact_request` in one means: that phone is the sender's own."""

    cards: list[dict[str, object]]


class Button(Struct, frozen=True, omit_defaults=True, tag="button"):
    """A tap on a template's quick reply; `payload` is the label unless we set another when sending."""

    payload: str = ""
    text: str = ""


class ButtonReply(Struct, frozen=True, omit_defaults=True, tag="button_reply"):
    """A tap on one of our reply buttons."""

    id: str
    title: str = ""


class ListReply(Struct, frozen=True, omit_defaults=True, tag="list_reply"):
    """A row chosen from one of our lists."""

    id: str
    title: str = ""
    description: str | None = None


class FormReply(Struct, frozen=True, omit_defaults=True, tag="form_reply"):
    """The answer of a WhatsApp Flow (Meta's `nfm_reply`). `response` is None if `response_json` is no JSON object."""

    name: str | None = None
    body: str | None = None
    response: dict[str, object] | None = None
    response_json: str | None = None


class CallPermission(Struct, frozen=True, omit_defaults=True, tag="call_permission"):
    """Whether the customer lets us call: `accept` or `reject`, until `expiration_timestamp` (Unix seconds)."""

    response: str
    is_permanent: bool | None = None
    expiration_timestamp: int | None = None
    response_source: str | None = None


class Reaction(Struct, frozen=True, omit_defaults=True, tag="reaction"):
    """An emoji put on a message of ours, or taken away: `emoji` is None."""

    message_id: str
    emoji: str | None = None


class OrderItem(Struct, frozen=True, omit_defaults=True):
    """One line of an order; the price is per piece, as the catalogue gave it."""

    product_retailer_id: str
    quantity: Int32 | None = None
    item_price: Finite | None = None
    currency: str | None = None


class Order(Struct, frozen=True, omit_defaults=True, tag="order"):
    """A basket sent from our catalogue."""

    catalog_id: str | None = None
    text: str | None = None
    product_items: list[OrderItem] = []


class Identity(Struct, frozen=True, omit_defaults=True):
    """The customer's changed encryption identity."""

    acknowledged: bool | None = None
    created_timestamp: int | None = None
    hash: str | None = None


class System(Struct, frozen=True, omit_defaults=True, tag="system"):
    """A notice about the customer: `user_changed_number` (new `wa_id`), `user_changed_user_id`, `customer_identity_changed`
    or one we do not know. The event's customer is who he was; `wa_id` and `user_id` here are who he is now."""

    kind: str | None = None
    body: str | None = None
    wa_id: str | None = None
    user_id: str | None = None
    previous_user_id: str | None = None
    identity: Identity | None = None


class Unsupported(Struct, frozen=True, omit_defaults=True, tag="unsupported"):
    """Something Meta does not hand over; `kind` says what (`poll_creation`, `media_placeholder`, …), the event's errors why."""

    kind: str | None = None


class Edit(Struct, frozen=True, omit_defaults=True, tag="edit"):
    """A message written anew within 15 minutes (coexistence numbers)."""

    original_message_id: str
    content: "Inbound"
    context: Context | None = None


class Revoke(Struct, frozen=True, tag="revoke"):
    """A message taken back."""

    original_message_id: str


class RequestWelcome(Struct, frozen=True, tag="request_welcome"):
    """The chat was opened for the first time (retired by Meta, still tolerated)."""


class Unknown(Struct, frozen=True, omit_defaults=True, tag="unknown"):
    """A type we do not know, or one we could not read: the whole message as it came, kept as value or as JSON text."""

    kind: str | None
    raw: object


Inbound: TypeAlias = (
    Text
    | MediaReceived
    | Location
    | Contacts
    | Button
    | ButtonReply
    | ListReply
    | FormReply
    | CallPermission
    | Reaction
    | Order
    | System
    | Unsupported
    | Edit
    | Revoke
    | RequestWelcome
    | Unknown
)

_CONVERSATIONAL = (
    Text,
    MediaReceived,
    Location,
    Contacts,
    Button,
    ButtonReply,
    ListReply,
    FormReply,
    CallPermission,
    Order,
)


def starts_turn(content: Inbound, group_id: str | None = None) -> bool:
    """Whether a bot may answer this: text, media, location, contacts, a tap, a form, an order; never in a group."""
    return group_id is None and isinstance(content, _CONVERSATIONAL)
