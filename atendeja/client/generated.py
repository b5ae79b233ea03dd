"""The API's structs and operations. Generated of its document: `pytest --update tests/client` writes this anew."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType, field

from atendeja.client.drive import Async, AsyncPages, Pages, Sync
from atendeja.client.exchange import Content, Fault, Operation, Page
from atendeja.client.feed import ServerEvent


class AddedNumber(Struct, frozen=True, kw_only=True, omit_defaults=True):
    number: OwnNumber
    verification: Verification


class Attempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try, as it is kept and shown."""

    at: dt.datetime
    status: int | None
    error: str | None
    ms: int
    answer: str | None


class Business(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A business on this installation."""

    tenant_id: int
    slug: str
    """Its short name, in paths and commands."""
    name: str
    timezone: str
    language: Literal["en", "es", "pt-BR"]
    created_at: dt.datetime
    suspended_at: dt.datetime | None
    suspended_for: str | None
    """Why it neither sends nor may use the API."""
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class Button(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    title: str


class Buttons(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="buttons"):
    """One to three reply buttons."""

    body: str
    buttons: list[Button]
    header: str | File | None = None
    footer: str | None = None


class CallToAction(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="cta_url"):
    """One button that opens a page."""

    body: str
    label: str
    url: str
    header: str | File | None = None
    footer: str | None = None


class Card(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact of an address book, its fields named as Meta names them."""

    name: CardName
    phones: list[CardPhone] = field(default_factory=list)
    emails: list[CardEmail] = field(default_factory=list)
    addresses: list[CardAddress] = field(default_factory=list)
    urls: list[CardUrl] = field(default_factory=list)
    org: CardOrg | None = None
    birthday: str | None = None


class CardAddress(Struct, frozen=True, kw_only=True, omit_defaults=True):
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None
    country_code: str | None = None
    type: str | None = None


class CardEmail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    email: str
    type: str | None = None


class CardName(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Meta wants `formatted_name` and at least one of the others."""

    formatted_name: str
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    prefix: str | None = None
    suffix: str | None = None


class CardOrg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    company: str | None = None
    department: str | None = None
    title: str | None = None


class CardPhone(Struct, frozen=True, kw_only=True, omit_defaults=True):
    phone: str
    type: str | None = None
    wa_id: str | None = None


class CardUrl(Struct, frozen=True, kw_only=True, omit_defaults=True):
    url: str
    type: str | None = None


class CatalogButton(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="catalog"):
    """Opens the catalogue, with this product's picture on the message."""

    index: int
    product_retailer_id: str


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was changed. Neither a user nor a key: by a command on the machine itself."""

    number: int | None
    """Its place in the chain of changes; none from before there was one."""
    hash: str | None
    """SHA-256 over the line before and this one. Keep one, and nothing before it can be changed unnoticed."""
    id: UUID
    at: dt.datetime
    user_id: UUID | None
    key_id: UUID | None
    action: str
    subject: str
    """The id of what was changed."""
    before: Any
    """What was, as far as it is different."""
    after: Any
    """What is since."""
    address: str | None
    """From where."""
    request_id: UUID | None


class Changed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody else answers a conversation now, or it is closed."""

    conversation_id: UUID
    contact_id: UUID
    number_id: UUID
    change: Literal["closed", "handed_off", "released", "taken_over"]
    """The bot gave it to people; a person stepped in; back to the bot; over."""
    owner: Literal["bot", "human"]
    queue: str | None


class Check(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at."""

    name: Literal["account", "display_number", "number", "portfolio", "quality", "status", "subscription"]
    ok: bool
    line: str
    """What was found."""
    hint: str | None = None
    """What to do about it."""


class CheckedFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with a flow. Without errors it can be published."""

    errors: int
    warnings: int
    problems: list[FlowProblem]
    """The errors first; a hundred at most."""
    key: str | None
    """None where the form is wrong."""
    sha256: str | None
    """Of what it says, however it is written."""


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody said to a purpose."""

    id: UUID
    purpose: str
    state: Literal["in", "out"]
    source: str
    """word (SAIR), flow, whatsapp (its own switch), admin (declared), merge, tombstone (before he was erased)."""
    evidence: Any
    at: dt.datetime


class ConsentDeclared(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A contact agreed to something, or does no longer."""

    contact_id: UUID
    purpose: str
    state: Literal["in", "out"]
    source: Literal["admin", "flow", "merge", "tombstone", "whatsapp", "word"]


class ContactConsent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="contact.consent"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: ConsentDeclared


class ContactDetail(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: UUID
    name: str | None
    """As given here, else as WhatsApp calls him."""
    phone: str | None
    """With `+` and the code of its country."""
    username: str | None
    bsuid: str | None
    """WhatsApp's business-scoped user id."""
    portfolio: str | None
    """Meta's id of the portfolio whose `bsuid` it is."""
    language: str | None
    tags: list[str]
    fields: Any
    created_at: dt.datetime
    conversations: list[Talk]
    consents: list[Standing]
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class ContactRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="contact_request"):
    """A button that sends the customer's own telephone number: for whom we know by a BSUID only."""

    body: str


class ContactSummary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person who wrote, or whom a business has entered."""

    id: UUID
    name: str | None
    """As given here, else as WhatsApp calls him."""
    phone: str | None
    """With `+` and the code of its country."""
    username: str | None
    bsuid: str | None
    """WhatsApp's business-scoped user id."""
    portfolio: str | None
    """Meta's id of the portfolio whose `bsuid` it is."""
    language: str | None
    tags: list[str]
    fields: Any
    created_at: dt.datetime


class Contacts(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="contacts"):
    """Contacts to keep or to write to."""

    cards: list[Card]


class Conversation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One person on one of our numbers."""

    id: UUID
    contact_id: UUID
    contact_name: str | None
    contact_phone: str | None
    """Digits with the country's. None where WhatsApp shows none."""
    number_id: UUID
    state: Literal["closed", "open"]
    """The customer's next message opens a closed one."""
    owner: Literal["bot", "human"]
    """Who answers. From a person it goes back to the bot after 12 hours without a word of his."""
    queue: str | None
    """Whose it is among people."""
    human_at: dt.datetime | None
    """When a person got it, or last wrote."""
    window_until: dt.datetime | None
    """Until then anything may be written; after it only a template."""
    created_at: dt.datetime


class ConversationChanged(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="conversation.changed"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: Changed


class ConversationLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that was said: by the customer (an event), or by us (a message)."""

    what: Literal["event", "message"]
    id: UUID
    at: dt.datetime
    """When it came here, or was written."""
    kind: str
    """Of an event what it is, of a message who had it sent."""
    category: str | None
    """Of a message."""
    state: str
    reason: str | None
    """Why it was ignored, or withdrawn."""
    code: int | None
    """Meta's, of a message that failed."""
    content: Any
    """As it is kept."""


class CouponCode(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="copy_code"):
    """What a tap copies."""

    index: int
    code: str


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What failed for good, or is unknown, and nobody has looked at."""

    id: UUID
    """Of the message, or of the event."""
    what: Literal["event", "message"]
    """event: of a customer, which no turn could answer."""
    state: Literal["dead", "failed", "unknown"]
    """unknown: a message that may have gone out."""
    code: int | None
    """Meta's."""
    reason: str | None
    """In words, where there are some."""
    advice: str | None
    """What to do about the code."""
    conversation_id: UUID | None
    at: dt.datetime
    """When it was written, or came."""


class Delivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook as it came. `stored`: it waits to be read; `quarantined`: it could not be."""

    place: str
    """What it is named by: its day and number."""
    received_at: dt.datetime
    state: Literal["digested", "quarantined", "stored"]
    reason: str | None
    """Why it could not be read."""
    digested_at: dt.datetime | None
    size: int
    """Of the body, in bytes."""
    unrouted: list[Nobodys]


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How it is known."""

    source: str
    text: str | None = None
    note: str | None = None


class Explanation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    message_id: UUID
    state: str
    why: list[Why]
    advice: str | None
    """What to do about Meta's code, where there is one."""
    lines: list[str]
    """Its way, from what it answers to what WhatsApp reported: for people."""


class Fallback(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A template, and what it is sent as. Like any template it is posted at most once."""

    template: Template
    category: Literal["authentication", "marketing", "utility"]


class FieldIs(Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    """lower case letters, digits and `_`, at most 40"""
    value: str | bool | int | float


class Figures(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one day, or one number."""

    day: dt.date | None
    number_id: UUID | None
    received: int
    """What customers sent."""
    sent: dict[str, int]
    """Messages of ours, by their state now."""
    sources: dict[str, int]
    """The same, by who had them sent."""
    opened: int
    """People who were new on a number."""
    handoffs: int
    """Flows, begun in this time, that ended with people."""
    priced: list[Priced]


class File(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="file"):
    """A file that stands above a message's text, named in one of the ways in which `Media` is."""

    kind: Literal["document", "image", "video"]
    id: str | None = None
    link: str | None = None
    filename: str | None = None
    file: UUID | None = None


class FlowChoice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to tap."""

    choice: str
    """Its id in the flow."""
    label: str
    description: str | None = None
    section: str | None = None


class FlowExample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    key: str
    source: str
    """The document, YAML or JSON, as the text of one JSON string."""


class FlowExamples(Struct, frozen=True, kw_only=True, omit_defaults=True):
    items: list[FlowExample]


class FlowLanguage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What flows are written in."""

    text: str
    """The reference, in Markdown."""
    schema: Any
    """A JSON Schema (2020-12) of a document."""


class FlowProblem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong with a flow, in the words of `atendeja flow check`."""

    severity: Literal["error", "warning"]
    """A flow with an error cannot be published."""
    path: str
    """Where in the document; empty for the whole."""
    line: int | None
    """From 1, of what was sent, where it is known."""
    message: str
    suggestion: str | None


class FlowPublished(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="flow.published"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: Published


class FlowReply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of the flow, as WhatsApp would show it."""

    kind: Literal["buttons", "list", "text"]
    text: str
    header: str | None = None
    footer: str | None = None
    button: str | None = None
    """What opens the list."""
    choices: list[FlowChoice] = field(default_factory=list)


class FlowTest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one of the flow's own conversations went."""

    name: str
    passed: bool
    failure: str | None
    """Which step, what was expected, what came."""
    transcript: list[str]
    """`>` is what the customer sent, `<` what the flow said."""


class FlowTurn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one thing the customer did, or of a timer."""

    at: dt.datetime
    heard: str
    """The kind of input; `timeout` is a timer."""
    outcome: Literal["handled", "human", "no_flow"]
    """no_flow: the flow does not open on this; human: a person has it."""
    replies: list[FlowReply]
    effects: list[str]
    """All that happens, in its order, a line each."""
    trace: list[TraceRow]


class FlowVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One text of a flow. Only a draft changes."""

    id: UUID
    n: int
    """Its number, from 1."""
    status: Literal["draft", "published", "retired"]
    """published: it answers; retired: it has answered."""
    spec: int
    """Of the language."""
    sha256: str
    """Of what it says, however it is written."""
    author: str
    """Who wrote it: a person's name, or a key's."""
    note: str | None
    errors: int
    """With any a draft cannot be published."""
    warnings: int
    saved_at: dt.datetime
    published_at: dt.datetime | None
    """When it last began to answer."""


class Form(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="form"):
    """A WhatsApp Flow, which people fill in without leaving the chat; its answer comes back with `token`.

        Named by `form_id` or `form_name`: exactly one of the two. With a `screen` it opens there, with `data` filled
    in; without one
        Meta asks the form's own endpoint.
    """

    body: str
    label: str
    token: str
    form_id: str | None = None
    form_name: str | None = None
    screen: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    draft: bool = False
    header: str | File | None = None
    footer: str | None = None


class FormButton(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="flow"):
    """Opens a WhatsApp Flow: its answer comes back with `token`."""

    index: int
    token: str
    data: dict[str, Any] = field(default_factory=dict)


class Health(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a number sends, and what keeps it."""

    sends: bool
    reasons: list[str]
    """Why it does not, or not all."""
    queued: int
    """Messages that wait; 10000: as many or more."""
    due_at: dt.datetime | None
    """Since when the first of them could go."""
    sending: int
    """On the wire, or in doubt."""
    has_sender: bool
    """Whether a process sends for it now; one begins when something is to be sent."""


class Installation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How this installation is."""

    version: str
    migration: int
    """The newest of its database."""
    postgresql: str
    tenants: int
    suspended: int
    """Of the tenants."""
    hold: SendingHold | None
    """None while sending goes on."""
    waiting: Waiting
    quarantined: int
    """Deliveries that could not be read."""
    unrouted: int
    """Deliveries with something that nobody owns."""
    senders: int
    """Numbers that have a sender now."""
    leases: list[Lease]


class Invited(Struct, frozen=True, kw_only=True, omit_defaults=True):
    user: User
    token: str
    """Hand it over: with it `accept` is called. It is shown this once."""
    expires_at: dt.datetime


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Work that takes its time. Neither a user nor a key wanted it: then a command, or the clock."""

    id: UUID
    kind: str
    subject_id: UUID | None
    """Whom or what it is about."""
    state: Literal["cancelled", "done", "failed", "queued", "running"]
    done: int
    """Of `total`: what it counts depends on the kind."""
    total: int | None
    result: Any
    """What came of it; null before."""
    error: str | None
    user_id: UUID | None
    key_id: UUID | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    file_expires_at: dt.datetime | None
    """Until when its file can be had, where it has one."""


class KeptFile(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that can be sent, by its id."""

    id: UUID
    type: str
    size: int
    """In bytes."""
    filename: str | None
    """Under which people see a document."""
    sha256: str
    sent_as: list[str]
    """As what it can be sent."""
    created_at: dt.datetime


class Key(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key without the secret."""

    id: UUID
    name: str
    start: str
    """How it begins, to know it by."""
    scopes: list[str]
    created_by: UUID
    """The user."""
    created_at: dt.datetime
    expires_at: dt.datetime | None
    last_used_at: dt.datetime | None
    """To the minute."""


class Lease(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who alone does a thing now."""

    name: str
    """`digest:0` and `digest:1` read webhooks, `door:…` takes them."""
    holder: UUID
    """The process's STATE_DIR."""
    boot: UUID
    """This run of it."""
    until_at: dt.datetime


class LettersMoved(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of those that were chosen."""

    moved: list[UUID]
    """With these it is done."""
    left: list[UUID]
    """No dead letters; or what may have gone out before, or whose conversation has gone on since."""


class Location(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="location"):
    latitude: float
    longitude: float
    name: str | None = None
    address: str | None = None


class LocationRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="location_request"):
    """A button that sends where the customer is."""

    body: str


class MadeBusiness(Struct, frozen=True, kw_only=True, omit_defaults=True):
    tenant: Business
    owner: Invited | None
    """None when nobody was to be invited."""


class MadeKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    key: Key
    secret: str
    """For `Authorization: Bearer`. It is shown this once."""


class MadeWebhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    webhook: Webhook
    secret: str
    """Verifies the signatures. It is shown this once."""


class Me(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asks."""

    role: Literal["admin", "agent", "operator", "owner", "viewer"]
    account_id: UUID
    email: str
    name: str | None
    tenant_id: int
    """0: the installation."""
    tenant: str | None
    has_totp: bool
    """Whether a code is asked for at each sign-in."""
    recovery_codes_left: int


class Media(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="media"):
    """A file by Meta's media id, by a public link, or one of ours: exactly one of the three, but for a link beside one of
    ours.
    """

    kind: Literal["audio", "document", "image", "sticker", "video"]
    id: str | None = None
    link: str | None = None
    caption: str | None = None
    filename: str | None = None
    voice: bool = False
    file: UUID | None = None


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that we sent or will send."""

    id: UUID
    conversation_id: UUID
    contact_id: UUID
    number_id: UUID
    source: Literal["agent", "api", "campaign", "echo", "turn"]
    """Who had it sent. turn: the bot; echo: a person on the shop's own telephone."""
    campaign_id: UUID | None
    category: Literal["authentication", "marketing", "service", "utility"]
    content: Any
    """As it is sent."""
    state: Literal[
        "accepted", "delivered", "failed", "in_doubt", "played", "queued", "read", "sending", "sent", "unknown", "withdrawn"
    ]
    reason: str | None
    """Why it was withdrawn, or Meta's words where there is no code."""
    code: MetaCode | None
    held: bool
    """WhatsApp has it, and looks at its quality first."""
    attempts: int
    """How often it was tried."""
    not_before: dt.datetime
    created_at: dt.datetime
    accepted_at: dt.datetime | None
    sent_at: dt.datetime | None
    delivered_at: dt.datetime | None
    read_at: dt.datetime | None
    played_at: dt.datetime | None
    failed_at: dt.datetime | None
    pricing: Any
    """As WhatsApp told."""


class MessageAttempt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One POST of a message."""

    id: UUID
    n: int
    state: Literal["abandoned", "accepted", "claimed", "not_sent", "refused", "unknown"]
    code: int | None
    detail: str | None
    wamid: str | None
    """WhatsApp's id of the message."""
    claimed_at: dt.datetime
    first_byte_at: dt.datetime | None
    ended_at: dt.datetime | None


class MessageReceived(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.received"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: Received


class MessageStatus(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="message.status"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: Status


class MetaCode(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What Meta said of it."""

    code: int
    detail: str | None
    """In Meta's words."""
    meaning: str | None
    advice: str
    """What to do."""


class Moment(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="date_time"):
    """A date or time, as text already: Meta shows the fallback always."""

    fallback: str
    name: str | None = None


class Money(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="currency"):
    """An amount in thousandths, shown in the way of the customer's country; `fallback` where that is not known."""

    fallback: str
    code: str
    amount_1000: int
    name: str | None = None


class NewMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    to: To
    content: (
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
    category: Literal["authentication", "marketing", "service", "utility"] = "service"
    """service: free-form, while the window is open. A template is sent as one of the others."""
    number_id: UUID | None = None
    """From which number, where there are several."""
    fallback: Fallback | None = None
    """A template that goes in its place when the window is closed."""
    not_before: dt.datetime | None = None
    """Not sent earlier; 30 days ahead at most. It has no place in the conversation's order."""


class Nobodys(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Part of a delivery that became nothing."""

    position: int
    """Which in the delivery, from 0."""
    reason: str
    """`unknown_number`, `unknown_account`, or `broken:` and why."""
    phone_number_id: str | None
    """Meta's."""
    waba_id: str | None
    """Meta's."""
    hint: str
    """What to do."""


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="notice"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: Noticed


class Noticed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that a person should know."""

    kind: str
    subject: str
    """The id of what it is about."""
    detail: str | None
    """More of it."""


class Notices(Struct, frozen=True, kw_only=True, omit_defaults=True):
    notices: list[ShownNotice]
    """Errors first. Nothing is here when all is well."""


class Options(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="list"):
    """A list to choose from (Meta's interactive list): ten rows in all; `button` opens it."""

    body: str
    button: str
    sections: list[Section]
    header: str | None = None
    footer: str | None = None


class OwnNumber(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A number of this business, without its token."""

    id: UUID
    phone_number_id: str
    """Meta's id."""
    waba_id: str
    """Meta's id."""
    portfolio_id: str
    """Meta's id."""
    display_number: str
    rate: int
    """Messages a second, in and out."""
    rate_chosen: bool
    """Whether somebody chose the rate; else it follows Meta's."""
    stopped: Stop | None
    marketing_stopped: Stop | None
    """Marketing waits, replies go on."""
    paused: Pause | None
    """By somebody of this business."""
    quality: str | None
    """As Meta said when it was last asked."""
    verified_name: str | None
    checked_at: dt.datetime | None
    """When Meta was last asked."""
    created_at: dt.datetime
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class Pause(Struct, frozen=True, kw_only=True, omit_defaults=True):
    since_at: dt.datetime
    reason: str


class Priced(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Messages that WhatsApp has priced."""

    category: str
    """WhatsApp's."""
    messages: int
    billable: int
    """How many of them are on its bill."""


class Published(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of a flow answers from now on."""

    flow_version_id: UUID
    key: str
    """The flow's."""
    version: int
    number_id: UUID | None
    """Only on this number."""


class QuickReply(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="quick_reply"):
    """What a tap on this button brings back; without it the button's label comes."""

    index: int
    payload: str


class Reaction(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="reaction"):
    """An emoji on a message of at most 30 days; `emoji` empty removes it."""

    message_id: str
    emoji: str


class Received(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer wrote, tapped or sent something."""

    event_id: UUID
    contact_id: UUID
    conversation_id: UUID
    number_id: UUID
    wamid: str
    """WhatsApp's name of the message."""
    content: Any
    """What was sent: `type` says what the rest is."""
    context: Any | None
    """Which message it answers, or that it was forwarded."""
    sent_at: dt.datetime
    """By WhatsApp's clock."""


class Recovery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    recovery_codes: list[str]
    """Each once instead of a code, when the app is lost. They are shown this once."""


class Replayed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    deliveries: int


class Resumed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    tenants: list[Settled]


class Retried(Struct, frozen=True, kw_only=True, omit_defaults=True):
    deliveries: int
    """How many are read again."""


class Row(Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    title: str
    description: str | None = None


class Said(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came (an event), or what went out or is to go (a message)."""

    id: UUID
    at: dt.datetime
    """When it reached us, or was written here."""
    direction: Literal["in", "out"]
    conversation_id: UUID
    number_id: UUID
    kind: str
    """in: what it is. out: who wrote it (turn, agent, api, campaign, echo)."""
    state: str
    reason: str | None
    content: Any


class Section(Struct, frozen=True, kw_only=True, omit_defaults=True):
    rows: list[Row]
    title: str | None = None


class Seed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """For an authenticator app. It is shown this once."""

    secret: str
    """To be typed."""
    uri: str
    """To be shown as a QR code."""


class SendResult(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one of many: its message, or why there is none."""

    message_id: UUID | None = None
    conversation_id: UUID | None = None
    contact_id: UUID | None = None
    refused: Unsent | None = None


class SendResults(Struct, frozen=True, kw_only=True, omit_defaults=True):
    sent: int
    """How many are on their way."""
    results: list[SendResult]
    """In the order of the messages."""


class SendingHold(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nobody sends: the database has lost commits."""

    number: int
    """Of this hold: `resume_sending` wants it."""
    since_at: dt.datetime
    line: str
    """What it means, and what to do."""


class Settings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a business sets for itself."""

    name: str
    timezone: str
    language: Literal["en", "es", "pt-BR"]
    messages_kept_days: int | None
    """Of what was sent; null: for ever."""
    events_kept_days: int | None
    """Of what customers wrote and what flows did; null: for ever."""
    media_kept_days: int | None
    """Of files; null: for ever."""
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class Settled(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of one business: what may have gone out already when the hold began."""

    tenant: str
    unfinished: int
    """Messages that may have gone out already."""
    given_up: int
    """Those of them that became `unknown` and are not sent again."""
    erased_again: int
    """People who had been erased before and are again, by a job."""


class ShownFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation of a business. Without a published version it does not open."""

    id: UUID
    key: str
    number_id: UUID | None
    """The number that it answers on; none: all of them."""
    published: FlowVersion | None
    draft: FlowVersion | None
    created_at: dt.datetime
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class ShownFlowVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: FlowVersion
    flow_id: UUID
    source: str
    """The document, YAML or JSON, as the text of one JSON string."""
    definition: Any
    """The document as it was read."""
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class ShownNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that keeps the business from working as it should, as long as it does."""

    kind: Literal[
        "dead_letters",
        "marketing_stopped",
        "no_flow",
        "no_number",
        "number_paused",
        "number_quality",
        "number_stopped",
        "sending_held",
        "template_stopped",
        "tenant_suspended",
        "webhook_disabled",
    ]
    severity: Literal["error", "warning"]
    """error: customers notice it."""
    says: str
    todo: str
    """What ends it."""
    subject_id: UUID | None
    """Of the number or the webhook that it is about."""
    code: int | None
    """Meta's."""
    since: dt.datetime | None
    until: dt.datetime | None
    """When it is tried again by itself."""


class Simulated(Struct, frozen=True, kw_only=True, omit_defaults=True):
    turns: list[FlowTurn]
    state: str
    """Opaque: give it back with the next events."""
    at: dt.datetime
    node: str | None
    """Where the flow is."""
    is_over: bool
    """No run of the flow waits for an answer."""
    variables: dict[str, Any]
    tags: list[str]
    consents: dict[str, str]
    queue: str | None
    """Whose people have the conversation."""


class SimulatedContact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom the flow talks to."""

    name: str = "Cliente"
    language: str = ""
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


class SimulatedEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the customer does next."""

    kind: Literal[
        "audio",
        "button",
        "contact",
        "document",
        "form",
        "image",
        "list",
        "location",
        "nothing",
        "order",
        "sticker",
        "text",
        "video",
    ] = "text"
    text: str = ""
    """What is written, or a caption."""
    choice: str | None = None
    """The id of what is tapped: of a `button` or `list`."""
    data: dict[str, Any] | None = None
    """What else comes with it: `{latitude, longitude}`, a card, a form."""
    after_s: int = 0
    """So long after what was before; timers ring on the way."""


class Slide(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A card of a carousel."""

    header: File
    body: list[Value | Money | Moment] = field(default_factory=list)
    buttons: list[QuickReply | UrlSuffix | CouponCode | FormButton | CatalogButton] = field(default_factory=list)


class Standing(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest word on a purpose."""

    purpose: str
    state: Literal["in", "out"]
    at: dt.datetime


class Statistics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    since: dt.datetime
    until: dt.datetime
    timezone: str
    figures: list[Figures]
    """In the order of days, or of numbers. What has nothing is left out."""


class Status(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message of ours is in another state. Several that come at once are told as the last of them."""

    message_id: UUID
    contact_id: UUID
    conversation_id: UUID
    number_id: UUID
    state: Literal["accepted", "delivered", "failed", "played", "read", "sent", "unknown", "withdrawn"]
    reason: str | None
    """Why it was withdrawn."""
    code: int | None
    """Meta's, of a failure."""
    wamid: str | None
    """WhatsApp's name of it."""
    source: Literal["agent", "api", "campaign", "echo", "turn"]
    """Who wrote it."""
    source_id: UUID


class Stop(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """WhatsApp has refused it: one message is tried at `until_at`, and goes on when it is taken."""

    code: int
    """Meta's."""
    meaning: str
    until_at: dt.datetime | None


class StoredEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened: a customer's text is one."""

    id: UUID
    kind: str
    number_id: UUID | None
    contact_id: UUID | None
    conversation_id: UUID | None
    key: str
    """WhatsApp's id of it, or a hash of what has none."""
    content: Any
    """As it is kept."""
    sent_at: dt.datetime
    """By WhatsApp's clock."""
    received_at: dt.datetime
    state: Literal["dead", "handled", "ignored", "unhandled"]
    """handled: by a turn; dead: no turn could answer it."""
    reason: str | None
    """Why it was ignored, or is dead."""
    turn_no: int | None
    """Of the conversation: by which it was handled."""
    tries: int
    """How often it was tried alone, in vain."""
    discarded_at: dt.datetime | None
    replies: list[UUID]
    """Messages of that turn."""


class Talk(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversation of a contact, which is on one number."""

    id: UUID
    number_id: UUID
    state: Literal["closed", "open"]
    owner: Literal["bot", "human"]


class Template(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="template"):
    """An approved template and what its variables are filled in with."""

    name: str
    language: str
    header: Value | File | Location | None = None
    body: list[Value | Money | Moment] = field(default_factory=list)
    buttons: list[QuickReply | UrlSuffix | CouponCode | FormButton | CatalogButton] = field(default_factory=list)
    slides: list[Slide] = field(default_factory=list)
    offer_ends_ms: int | None = None


class TestedFlow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    passed: bool
    """All of them."""
    tests: list[FlowTest]


class Text(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="text"):
    body: str
    preview_url: bool = False


class To(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """To whom: exactly one of the three. Who is not known yet is made by his phone."""

    contact_id: UUID | None = None
    conversation_id: UUID | None = None
    phone: str | None = None
    """With the country's code, written in any way."""


class Tokens(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a sign-in is shown by."""

    access_token: str
    """For `Authorization: Bearer`."""
    expires_in: int
    """Seconds that the access token holds."""
    refresh_token: str
    """For the next pair. It is taken once."""
    role: Literal["admin", "agent", "operator", "owner", "viewer"]
    tenant: str | None
    """The slug of the business; none for the installation."""


class TraceRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: the node, which input or timer was read there, the test that held and where it led,
    what it set and caused, and why it could not go on (`error`).
    """

    step: int
    node: str
    event: str = ""
    test: str | None = None
    took: str | None = None
    vars_set: list[str] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)
    error: str | None = None


class Tried(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook was tried out."""

    webhook_id: UUID


class Unsent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a message does not go."""

    code: str
    detail: str
    errors: list[Fault] = field(default_factory=list)
    """Which parts of it do not fit."""


class UrlSuffix(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="url"):
    """The end of the address that the button opens. Of an authentication template: the code, once more."""

    index: int
    text: str


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who may use the API for this business."""

    id: UUID
    email: str
    name: str | None
    role: Literal["admin", "agent", "owner", "viewer"]
    state: Literal["active", "disabled", "invited"]
    """invited: has not taken the invitation up."""
    invited_at: dt.datetime
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class Value(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="text"):
    """What stands for a variable of a template; `name` where the template names its variables, else they are filled in
    order.
    """

    text: str
    name: str | None = None


class Verification(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What Meta says of a number."""

    ok: bool
    """Whether all of it is as it should be."""
    checks: list[Check]
    verified_name: str | None
    quality: str | None
    """GREEN, YELLOW, RED or UNKNOWN."""


class Waiting(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What waits at each stage, of all businesses together."""

    deliveries: int
    """Webhooks to be read."""
    oldest_at: dt.datetime | None
    """When the oldest of them came."""
    contacts: int
    """People to be answered now."""
    messages: int
    """Messages to be sent now, also those of numbers and businesses that must not."""
    in_doubt: int
    """Messages on the wire, or of which nobody knows whether they went out."""
    jobs: int
    jobs_failed: int


class Webhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A webhook without its secret."""

    id: UUID
    url: str
    description: str
    types: list[str]
    state: Literal["disabled", "enabled"]
    disabled_at: dt.datetime | None
    disabled_why: Literal["failing", "gone", "person"] | None
    """By a person; it answered 410; it failed for 5 days."""
    failing_since: dt.datetime | None
    """It has done nothing but fail since."""
    old_secret_until: dt.datetime | None
    """Until then the secret of before signs too."""
    created_at: dt.datetime
    etag: str | None = None
    """For `if_match`, when it was shown by itself: what has been seen."""


class WebhookDelivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event on its way to one webhook."""

    id: UUID
    event_id: UUID
    """The `webhook-id` of every try."""
    type: str
    state: Literal["dead", "delivered", "waiting"]
    tries: int
    due_at: dt.datetime | None
    """When it is tried next."""
    attempts: list[Attempt]
    """The last 20, with the beginning of what was answered."""
    created_at: dt.datetime


class WebhookTest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="webhook.test"):
    id: UUID
    """The same wherever and however often it is told."""
    timestamp: dt.datetime
    """When it happened."""
    data: Tried


class WholeConversation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    conversation: Conversation
    entry_at: dt.datetime | None
    """When the customer last came by an ad."""
    free_until: dt.datetime | None
    """Until then WhatsApp charges nothing."""
    last: list[ConversationLine]
    """What was said last, the newest first. See `timeline`."""


class WholeDelivery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    delivery: Delivery
    body: str
    """As it came; what is no UTF-8 is written as \\xNN."""


class WholeMessage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    message: Message
    attempts: list[MessageAttempt]
    other_id: UUID | None
    """The template that went in its place, or the message in whose place it went."""


class Why(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reason for which a message is as it is."""

    code: str
    """What to decide by."""
    says: str
    """In words."""


OPERATIONS = {
    one.name: one
    for one in [
        Operation("login", "POST", "/v1/auth/login", public=True),
        Operation("refresh", "POST", "/v1/auth/refresh", public=True),
        Operation("accept", "POST", "/v1/auth/accept", public=True),
        Operation("confirm", "POST", "/v1/auth/confirm"),
        Operation("logout", "POST", "/v1/auth/logout"),
        Operation("me", "GET", "/v1/me"),
        Operation("enrol_totp", "POST", "/v1/me/totp"),
        Operation("activate_totp", "POST", "/v1/me/totp/activate", once=True),
        Operation("dismiss_totp", "POST", "/v1/me/totp/dismiss"),
        Operation("list_users", "GET", "/v1/users"),
        Operation("invite_user", "POST", "/v1/users", once=True),
        Operation("show_user", "GET", "/v1/users/{id}"),
        Operation("change_user", "PATCH", "/v1/users/{id}"),
        Operation("list_keys", "GET", "/v1/keys"),
        Operation("make_key", "POST", "/v1/keys", once=True),
        Operation("drop_key", "DELETE", "/v1/keys/{id}"),
        Operation("list_changes", "GET", "/v1/audit"),
        Operation("list_contacts", "GET", "/v1/contacts"),
        Operation("make_contact", "POST", "/v1/contacts", once=True),
        Operation("search_contacts", "POST", "/v1/contacts/search"),
        Operation("show_contact", "GET", "/v1/contacts/{id}"),
        Operation("change_contact", "PATCH", "/v1/contacts/{id}"),
        Operation("merge_contact", "POST", "/v1/contacts/{id}/merge", once=True),
        Operation("list_consents", "GET", "/v1/contacts/{id}/consents"),
        Operation("declare_consent", "POST", "/v1/contacts/{id}/consents", once=True),
        Operation("show_contact_timeline", "GET", "/v1/contacts/{id}/timeline"),
        Operation("export_contact", "POST", "/v1/contacts/{id}/export", once=True),
        Operation("erase_contact", "POST", "/v1/contacts/{id}/erase", once=True),
        Operation("list_jobs", "GET", "/v1/jobs"),
        Operation("show_job", "GET", "/v1/jobs/{id}"),
        Operation("cancel_job", "POST", "/v1/jobs/{id}/cancel"),
        Operation("retry_job", "POST", "/v1/jobs/{id}/retry"),
        Operation("download_file", "GET", "/v1/jobs/{id}/file"),
        Operation("stream_events", "GET", "/v1/events"),
        Operation("list_webhooks", "GET", "/v1/webhooks"),
        Operation("make_webhook", "POST", "/v1/webhooks", once=True),
        Operation("show_webhook", "GET", "/v1/webhooks/{id}"),
        Operation("change_webhook", "PATCH", "/v1/webhooks/{id}"),
        Operation("drop_webhook", "DELETE", "/v1/webhooks/{id}"),
        Operation("rotate_webhook_secret", "POST", "/v1/webhooks/{id}/secret", once=True),
        Operation("test_webhook", "POST", "/v1/webhooks/{id}/test", once=True),
        Operation("list_webhook_deliveries", "GET", "/v1/webhooks/{id}/deliveries"),
        Operation("replay_webhook", "POST", "/v1/webhooks/{id}/replay", once=True),
        Operation("show_settings", "GET", "/v1/settings"),
        Operation("change_settings", "PATCH", "/v1/settings"),
        Operation("list_numbers", "GET", "/v1/numbers"),
        Operation("add_number", "POST", "/v1/numbers", once=True),
        Operation("show_number", "GET", "/v1/numbers/{id}"),
        Operation("change_number", "PATCH", "/v1/numbers/{id}"),
        Operation("show_number_health", "GET", "/v1/numbers/{id}/health"),
        Operation("verify_number", "POST", "/v1/numbers/{id}/verify"),
        Operation("pause_number", "POST", "/v1/numbers/{id}/pause"),
        Operation("resume_number", "POST", "/v1/numbers/{id}/resume"),
        Operation("list_conversations", "GET", "/v1/conversations"),
        Operation("show_conversation", "GET", "/v1/conversations/{id}"),
        Operation("show_conversation_timeline", "GET", "/v1/conversations/{id}/timeline"),
        Operation("take_over_conversation", "POST", "/v1/conversations/{id}/take-over"),
        Operation("hand_over_conversation", "POST", "/v1/conversations/{id}/hand-over"),
        Operation("release_conversation", "POST", "/v1/conversations/{id}/release"),
        Operation("close_conversation", "POST", "/v1/conversations/{id}/close"),
        Operation("send_message", "POST", "/v1/messages", once=True),
        Operation("list_messages", "GET", "/v1/messages"),
        Operation("send_messages", "POST", "/v1/messages/batch", once=True),
        Operation("show_message", "GET", "/v1/messages/{id}"),
        Operation("withdraw_message", "POST", "/v1/messages/{id}/withdraw"),
        Operation("show_event", "GET", "/v1/events/{id}"),
        Operation("keep_file", "POST", "/v1/media"),
        Operation("list_files", "GET", "/v1/media"),
        Operation("show_file", "GET", "/v1/media/{id}"),
        Operation("drop_file", "DELETE", "/v1/media/{id}"),
        Operation("give_file", "GET", "/v1/media/{id}/content"),
        Operation("list_dead_letters", "GET", "/v1/dead-letters"),
        Operation("replay_dead_letters", "POST", "/v1/dead-letters/replay", once=True),
        Operation("discard_dead_letters", "POST", "/v1/dead-letters/discard", once=True),
        Operation("show_language", "GET", "/v1/flows/language"),
        Operation("list_examples", "GET", "/v1/flows/examples"),
        Operation("check_flow", "POST", "/v1/flows/check"),
        Operation("test_flow", "POST", "/v1/flows/test"),
        Operation("simulate_flow", "POST", "/v1/flows/simulate"),
        Operation("list_flows", "GET", "/v1/flows"),
        Operation("make_flow", "POST", "/v1/flows", once=True),
        Operation("show_flow", "GET", "/v1/flows/{id}"),
        Operation("change_flow", "PATCH", "/v1/flows/{id}"),
        Operation("list_versions", "GET", "/v1/flows/{id}/versions"),
        Operation("show_version", "GET", "/v1/flow-versions/{id}"),
        Operation("show_draft", "GET", "/v1/flows/{id}/draft"),
        Operation("save_draft", "PUT", "/v1/flows/{id}/draft"),
        Operation("drop_draft", "DELETE", "/v1/flows/{id}/draft"),
        Operation("publish_flow", "POST", "/v1/flows/{id}/publish", once=True),
        Operation("retire_flow", "POST", "/v1/flows/{id}/retire"),
        Operation("explain_message", "GET", "/v1/messages/{id}/explain"),
        Operation("show_statistics", "GET", "/v1/statistics"),
        Operation("list_notices", "GET", "/v1/notices"),
        Operation("list_tenants", "GET", "/v1/tenants"),
        Operation("make_tenant", "POST", "/v1/tenants", once=True),
        Operation("show_tenant", "GET", "/v1/tenants/{slug}"),
        Operation("change_tenant", "PATCH", "/v1/tenants/{slug}"),
        Operation("show_installation", "GET", "/v1/installation"),
        Operation("resume_sending", "POST", "/v1/installation/resume-sending"),
        Operation("list_deliveries", "GET", "/v1/deliveries"),
        Operation("retry_deliveries", "POST", "/v1/deliveries/retry"),
        Operation("show_delivery", "GET", "/v1/deliveries/{place}"),
        Operation("retry_delivery", "POST", "/v1/deliveries/{place}/retry"),
    ]
}


class Client(Sync):
    operations = OPERATIONS

    def login(
        self, *, email: str, password: str, tenant: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> Tokens:
        """Sign in with e-mail address and password.

        Anybody may ask.
        """
        return self._call("login", Tokens, body={"email": email, "password": password, "tenant": tenant, "code": code})

    def refresh(self, *, refresh_token: str) -> Tokens:
        """The next access token and refresh token; the one given holds no more.

        Anybody may ask.
        """
        return self._call("refresh", Tokens, body={"refresh_token": refresh_token})

    def accept(
        self, *, token: str, password: str, name: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> None:
        """Take up an invitation.

        Anybody may ask.
        """
        self._call("accept", type(None), body={"token": token, "password": password, "name": name, "code": code})

    def confirm(self, *, password: str, code: str | UnsetType | None = UNSET) -> None:
        """Prove again who you are, for what is refused with `sign_in_again`. It holds for ten minutes, for this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        self._call("confirm", type(None), body={"password": password, "code": code})

    def logout(self) -> None:
        """End this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        self._call("logout", type(None))

    def me(self) -> Me:
        """Who is signed in, where, and as what.

        For admin, agent, operator, owner, viewer; no key.
        """
        return self._call("me", Me)

    def enrol_totp(self) -> Seed:
        """A seed for an authenticator app. It counts when `activate_totp` has seen a code of it.

        For admin, agent, operator, owner, viewer; no key. A person must have proved within the last ten minutes who he
        is, by `login` or `confirm`.
        """
        return self._call("enrol_totp", Seed)

    def activate_totp(self, *, code: str, idempotency_key: str | None = None) -> Recovery:
        """Be asked for a code at each sign-in from now on. Ends all other sign-ins and shows the recovery codes, once.

        For admin, agent, operator, owner, viewer; no key.
        """
        return self._call("activate_totp", Recovery, body={"code": code}, idempotency_key=idempotency_key)

    def dismiss_totp(self, *, password: str, code: str) -> None:
        """Be asked for no code any more. Takes the password, and a code or a recovery code.

        For admin, agent, operator, owner, viewer; no key.
        """
        self._call("dismiss_totp", type(None), body={"password": password, "code": code})

    def list_users(self, *, limit: int | UnsetType = UNSET) -> Pages[User]:
        """The people of this business.

        For admin, owner; a key with `users:read`.
        """
        return self._pages("list_users", Page[User], query={"limit": limit})

    def invite_user(
        self, *, email: str, role: Literal["admin", "agent", "owner", "viewer"], idempotency_key: str | None = None
    ) -> Invited:
        """Invite somebody, or again who has not come.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return self._call("invite_user", Invited, body={"email": email, "role": role}, idempotency_key=idempotency_key)

    def show_user(self, id: UUID) -> User:
        """One of the people of this business.

        For admin, owner; a key with `users:read`.
        """
        return self._call("show_user", User, ids={"id": id})

    def change_user(
        self,
        id: UUID,
        *,
        role: Literal["admin", "agent", "owner", "viewer"] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> User:
        """Change somebody's role, put him out, or let him in again. Who may make keys no more loses those that he made.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return self._call("change_user", User, ids={"id": id}, body={"role": role, "disabled": disabled}, if_match=if_match)

    def list_keys(self, *, limit: int | UnsetType = UNSET) -> Pages[Key]:
        """The keys of this business, or of the installation, without their secrets.

        For admin, operator, owner; no key.
        """
        return self._pages("list_keys", Page[Key], query={"limit": limit})

    def make_key(
        self,
        *,
        name: str,
        scopes: list[str],
        expires_at: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Make a key for a program. Its secret is shown this once.

        For admin, operator, owner; no key. A person must have proved within the last ten minutes who he is, by `login`
        or `confirm`.
        """
        return self._call(
            "make_key", MadeKey, body={"name": name, "scopes": scopes, "expires_at": expires_at}, idempotency_key=idempotency_key
        )

    def drop_key(self, id: UUID) -> None:
        """Have a key hold no more.

        For admin, operator, owner; no key.
        """
        self._call("drop_key", type(None), ids={"id": id})

    def list_changes(self, *, limit: int | UnsetType = UNSET) -> Pages[Change]:
        """What was changed, by whom and from where, the newest first; for an operator, in the installation itself.

        For admin, operator, owner; a key with `audit:read`.
        """
        return self._pages("list_changes", Page[Change], query={"limit": limit})

    def list_contacts(
        self, *, limit: int | UnsetType = UNSET, tag: str | UnsetType | None = UNSET, consent: str | UnsetType | None = UNSET
    ) -> Pages[ContactSummary]:
        """The people of this business, the newest first; those with a tag, or with a word on a purpose.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_contacts", Page[ContactSummary], query={"limit": limit, "tag": tag, "consent": consent})

    def make_contact(
        self,
        *,
        phone: str | UnsetType | None = UNSET,
        bsuid: str | UnsetType | None = UNSET,
        portfolio: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> ContactDetail:
        """Enter somebody. Who is known already is told by `existing_id`.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return self._call(
            "make_contact",
            ContactDetail,
            body={
                "phone": phone,
                "bsuid": bsuid,
                "portfolio": portfolio,
                "name": name,
                "language": language,
                "tags": tags,
                "fields": fields,
            },
            idempotency_key=idempotency_key,
        )

    def search_contacts(
        self,
        *,
        limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET,
        field: FieldIs | UnsetType | None = UNSET,
    ) -> Pages[ContactSummary]:
        """Look for people by the beginning of a name or a telephone number, or by a field. It changes nothing, and is a
        POST so that no name or number is in a URL.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages(
            "search_contacts", Page[ContactSummary], body={"limit": limit, "cursor": cursor, "text": text, "field": field}
        )

    def show_contact(self, id: UUID) -> ContactDetail:
        """Somebody, with conversations and consents. Who was merged is shown as whom he was merged into.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._call("show_contact", ContactDetail, ids={"id": id})

    def change_contact(
        self,
        id: UUID,
        *,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        add_tags: list[str] | UnsetType = UNSET,
        remove_tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float | None] | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> ContactDetail:
        """Change the name, the language, tags and fields.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return self._call(
            "change_contact",
            ContactDetail,
            ids={"id": id},
            body={
                "name": name,
                "language": language,
                "tags": tags,
                "add_tags": add_tags,
                "remove_tags": remove_tags,
                "fields": fields,
            },
            if_match=if_match,
        )

    def merge_contact(self, id: UUID, *, into: UUID, idempotency_key: str | None = None) -> ContactDetail:
        """Have this contact be another from now on: who was known by a telephone number and who by WhatsApp's id. The
        consents of both count, the newest last; what was said stays where it was said.

        For admin, owner; no key. A person must have proved within the last ten minutes who he is, by `login` or
        `confirm`.
        """
        return self._call("merge_contact", ContactDetail, ids={"id": id}, body={"into": into}, idempotency_key=idempotency_key)

    def list_consents(self, id: UUID, *, limit: int | UnsetType = UNSET) -> Pages[Consent]:
        """All that somebody has agreed to or refused, the newest first, with how it is known.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_consents", Page[Consent], ids={"id": id}, query={"limit": limit})

    def declare_consent(
        self, id: UUID, *, purpose: str, state: Literal["in", "out"], evidence: Evidence, idempotency_key: str | None = None
    ) -> Consent:
        """Write down what somebody has said to a purpose. It counts at once: marketing that waits is withdrawn.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return self._call(
            "declare_consent",
            Consent,
            ids={"id": id},
            body={"purpose": purpose, "state": state, "evidence": evidence},
            idempotency_key=idempotency_key,
        )

    def show_contact_timeline(self, id: UUID, *, limit: int | UnsetType = UNSET) -> Pages[Said]:
        """All that somebody said and was told, on every number, the newest first.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("show_contact_timeline", Page[Said], ids={"id": id}, query={"limit": limit})

    def export_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Have all that is kept of somebody written into one JSON file, which the job then has.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return self._call("export_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    def erase_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Forget somebody, everywhere. It cannot be taken back once it runs. What he refused stays so, under a hash.

        For admin, owner; a key with `contacts:erase`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return self._call("erase_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    def list_jobs(self, *, limit: int | UnsetType = UNSET) -> Pages[Job]:
        """Long work, the newest first.

        For admin, owner; a key with `jobs:read`.
        """
        return self._pages("list_jobs", Page[Job], query={"limit": limit})

    def show_job(self, id: UUID) -> Job:
        """How far it is, and what came of it.

        For admin, owner; a key with `jobs:read`.
        """
        return self._call("show_job", Job, ids={"id": id})

    def cancel_job(self, id: UUID) -> Job:
        """Take the wish back, as long as it may be left.

        For admin, owner; a key with `jobs:write`.
        """
        return self._call("cancel_job", Job, ids={"id": id})

    def retry_job(self, id: UUID) -> Job:
        """Have a job that failed go on where it was.

        For admin, owner; a key with `jobs:write`.
        """
        return self._call("retry_job", Job, ids={"id": id})

    def download_file(self, id: UUID) -> bytes:
        """The file that an export made, for seven days.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return self._call("download_file", bytes, ids={"id": id})

    def stream_events(
        self, *, types: str | UnsetType = UNSET, last_event_id: str | None = None
    ) -> Iterator[
        ServerEvent[MessageReceived | MessageStatus | ConversationChanged | ContactConsent | FlowPublished | Notice | WebhookTest]
    ]:
        """What happens, as it happens: server-sent events. With `Last-Event-ID` nothing of the last 7 days is missed, as
        long as somebody listened in each hour of them or a webhook is enabled; else the stream begins with an event
        `reset` instead of `open`. What happens is kept from 5 s after the first listener came.

        For admin, agent, owner, viewer; a key with `events:read`.
        """
        return self._events(
            "stream_events",
            {
                "message.received": MessageReceived,
                "message.status": MessageStatus,
                "conversation.changed": ConversationChanged,
                "contact.consent": ContactConsent,
                "flow.published": FlowPublished,
                "notice": Notice,
                "webhook.test": WebhookTest,
            },
            last_event_id,
            query={"types": types},
        )

    def list_webhooks(self, *, limit: int | UnsetType = UNSET) -> Pages[Webhook]:
        """Who is told what happens.

        For admin, owner; a key with `webhooks:read`.
        """
        return self._pages("list_webhooks", Page[Webhook], query={"limit": limit})

    def make_webhook(
        self,
        *,
        url: str,
        types: list[
            Literal["contact.consent", "conversation.changed", "flow.published", "message.received", "message.status", "notice"]
        ]
        | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeWebhook:
        """Have an address told what happens from 5 s on, signed as Standard Webhooks say. Its secret is shown this once.

        For admin, owner; a key with `webhooks:write`.
        """
        return self._call(
            "make_webhook",
            MadeWebhook,
            body={"url": url, "types": types, "description": description},
            idempotency_key=idempotency_key,
        )

    def show_webhook(self, id: UUID) -> Webhook:
        """One of those who are told.

        For admin, owner; a key with `webhooks:read`.
        """
        return self._call("show_webhook", Webhook, ids={"id": id})

    def change_webhook(
        self,
        id: UUID,
        *,
        url: str | UnsetType = UNSET,
        types: list[
            Literal["contact.consent", "conversation.changed", "flow.published", "message.received", "message.status", "notice"]
        ]
        | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        enabled: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> Webhook:
        """Change it, disable it or enable it again.

        For admin, owner; a key with `webhooks:write`.
        """
        return self._call(
            "change_webhook",
            Webhook,
            ids={"id": id},
            body={"url": url, "types": types, "description": description, "enabled": enabled},
            if_match=if_match,
        )

    def drop_webhook(self, id: UUID) -> None:
        """Forget it, and what was to be told.

        For admin, owner; a key with `webhooks:write`.
        """
        self._call("drop_webhook", type(None), ids={"id": id})

    def rotate_webhook_secret(
        self, id: UUID, *, overlap_s: int | UnsetType = UNSET, idempotency_key: str | None = None
    ) -> MadeWebhook:
        """Another secret, shown this once; the old one signs beside it for a while.

        For admin, owner; a key with `webhooks:write`.
        """
        return self._call(
            "rotate_webhook_secret", MadeWebhook, ids={"id": id}, body={"overlap_s": overlap_s}, idempotency_key=idempotency_key
        )

    def test_webhook(self, id: UUID, *, idempotency_key: str | None = None) -> WebhookDelivery:
        """Have it told a `webhook.test`; the delivery shows how it went.

        For admin, owner; a key with `webhooks:write`.
        """
        return self._call("test_webhook", WebhookDelivery, ids={"id": id}, idempotency_key=idempotency_key)

    def list_webhook_deliveries(
        self, id: UUID, *, state: Literal["dead", "delivered", "waiting"] | UnsetType | None = UNSET, limit: int | UnsetType = UNSET
    ) -> Pages[WebhookDelivery]:
        """What it was told in 7 days, the newest first, with attempts.

        For admin, owner; a key with `webhooks:read`.
        """
        return self._pages("list_webhook_deliveries", Page[WebhookDelivery], ids={"id": id}, query={"state": state, "limit": limit})

    def replay_webhook(
        self,
        id: UUID,
        *,
        delivery_id: UUID | UnsetType | None = UNSET,
        since: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Replayed:
        """Tell it again: one delivery, or all that are dead since a time.

        For admin, owner; a key with `webhooks:write`.
        """
        return self._call(
            "replay_webhook",
            Replayed,
            ids={"id": id},
            body={"delivery_id": delivery_id, "since": since},
            idempotency_key=idempotency_key,
        )

    def show_settings(self) -> Settings:
        """What this business sets for itself.

        For admin, agent, owner, viewer; a key with `settings:read`.
        """
        return self._call("show_settings", Settings)

    def change_settings(
        self,
        *,
        name: str | UnsetType = UNSET,
        timezone: str | UnsetType = UNSET,
        language: Literal["en", "es", "pt-BR"] | UnsetType = UNSET,
        messages_kept_days: int | UnsetType | None = UNSET,
        events_kept_days: int | UnsetType | None = UNSET,
        media_kept_days: int | UnsetType | None = UNSET,
        if_match: str | None = None,
    ) -> Settings:
        """Change what this business sets for itself. It holds from the answer on.

        For admin, owner; a key with `settings:write`.
        """
        return self._call(
            "change_settings",
            Settings,
            body={
                "name": name,
                "timezone": timezone,
                "language": language,
                "messages_kept_days": messages_kept_days,
                "events_kept_days": events_kept_days,
                "media_kept_days": media_kept_days,
            },
            if_match=if_match,
        )

    def list_numbers(self, *, limit: int | UnsetType = UNSET) -> Pages[OwnNumber]:
        """The WhatsApp numbers of this business.

        For admin, agent, owner, viewer; a key with `numbers:read`.
        """
        return self._pages("list_numbers", Page[OwnNumber], query={"limit": limit})

    def add_number(
        self,
        *,
        phone_number_id: str,
        waba_id: str,
        portfolio_id: str,
        display_number: str,
        token: str,
        rate: int | UnsetType | None = UNSET,
        coexistence: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> AddedNumber:
        """Add a number, which Meta is asked about first. Its token is kept sealed and never shown.

        For admin, owner; a key with `numbers:write`.
        """
        return self._call(
            "add_number",
            AddedNumber,
            body={
                "phone_number_id": phone_number_id,
                "waba_id": waba_id,
                "portfolio_id": portfolio_id,
                "display_number": display_number,
                "token": token,
                "rate": rate,
                "coexistence": coexistence,
            },
            idempotency_key=idempotency_key,
        )

    def show_number(self, id: UUID) -> OwnNumber:
        """A number.

        For admin, agent, owner, viewer; a key with `numbers:read`.
        """
        return self._call("show_number", OwnNumber, ids={"id": id})

    def change_number(
        self,
        id: UUID,
        *,
        display_number: str | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
        rate: int | UnsetType | None = UNSET,
        coexistence: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> OwnNumber:
        """Change a number's display, rate or token. A new token is checked with Meta, taken up at once, and ends a stop.

        For admin, owner; a key with `numbers:write`.
        """
        return self._call(
            "change_number",
            OwnNumber,
            ids={"id": id},
            body={"display_number": display_number, "token": token, "rate": rate, "coexistence": coexistence},
            if_match=if_match,
        )

    def show_number_health(self, id: UUID) -> Health:
        """Whether a number sends, what keeps it, and how much waits.

        For admin, agent, owner, viewer; a key with `numbers:read`.
        """
        return self._call("show_number_health", Health, ids={"id": id})

    def verify_number(self, id: UUID) -> Verification:
        """Ask Meta whether it sees the number as we do.

        For admin, owner; a key with `numbers:write`.
        """
        return self._call("verify_number", Verification, ids={"id": id})

    def pause_number(self, id: UUID, *, reason: str) -> OwnNumber:
        """Have a number send nothing, from now on and in every process. What is queued waits.

        For admin, owner; a key with `numbers:write`.
        """
        return self._call("pause_number", OwnNumber, ids={"id": id}, body={"reason": reason})

    def resume_number(self, id: UUID) -> OwnNumber:
        """Have a paused number send again.

        For admin, owner; a key with `numbers:write`.
        """
        return self._call("resume_number", OwnNumber, ids={"id": id})

    def list_conversations(
        self,
        *,
        limit: int | UnsetType = UNSET,
        state: Literal["closed", "open"] | UnsetType | None = UNSET,
        owner: Literal["bot", "human"] | UnsetType | None = UNSET,
        queue: str | UnsetType | None = UNSET,
        number_id: UUID | UnsetType | None = UNSET,
        contact_id: UUID | UnsetType | None = UNSET,
    ) -> Pages[Conversation]:
        """The conversations, whoever wrote last first.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return self._pages(
            "list_conversations",
            Page[Conversation],
            query={
                "limit": limit,
                "state": state,
                "owner": owner,
                "queue": queue,
                "number_id": number_id,
                "contact_id": contact_id,
            },
        )

    def show_conversation(self, id: UUID) -> WholeConversation:
        """A conversation, and what was said last in it.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return self._call("show_conversation", WholeConversation, ids={"id": id})

    def show_conversation_timeline(
        self, id: UUID, *, limit: int | UnsetType = UNSET, order: Literal["newest", "oldest"] | UnsetType = UNSET
    ) -> Pages[ConversationLine]:
        """What was said in it: events in the order of arrival and messages as they were written, put together by time.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return self._pages(
            "show_conversation_timeline", Page[ConversationLine], ids={"id": id}, query={"limit": limit, "order": order}
        )

    def take_over_conversation(self, id: UUID) -> Conversation:
        """Have a conversation: the bot is silent in it, and what it had queued is withdrawn.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return self._call("take_over_conversation", Conversation, ids={"id": id})

    def hand_over_conversation(self, id: UUID, *, queue: str) -> Conversation:
        """Give a conversation to the people of a queue: the bot is silent in it, and what it had queued is withdrawn.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return self._call("hand_over_conversation", Conversation, ids={"id": id}, body={"queue": queue})

    def release_conversation(self, id: UUID) -> Conversation:
        """Give a conversation back to the bot, whose flow goes on where it was.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return self._call("release_conversation", Conversation, ids={"id": id})

    def close_conversation(self, id: UUID) -> Conversation:
        """Be done with a conversation: its flow ends, and the customer's next message begins anew.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return self._call("close_conversation", Conversation, ids={"id": id})

    def send_message(
        self,
        *,
        to: To,
        content: Text
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
        | Template,
        category: Literal["authentication", "marketing", "service", "utility"] | UnsetType = UNSET,
        number_id: UUID | UnsetType | None = UNSET,
        fallback: Fallback | UnsetType | None = UNSET,
        not_before: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Message:
        """Send a message of any content. A person's takes its conversation over: the bot is silent in it.

        For admin, agent, owner; a key with `messages:send`.
        """
        return self._call(
            "send_message",
            Message,
            body={
                "to": to,
                "content": content,
                "category": category,
                "number_id": number_id,
                "fallback": fallback,
                "not_before": not_before,
            },
            idempotency_key=idempotency_key,
        )

    def list_messages(
        self,
        *,
        limit: int | UnsetType = UNSET,
        conversation_id: UUID | UnsetType | None = UNSET,
        campaign_id: UUID | UnsetType | None = UNSET,
        state: Literal["failed", "in_doubt", "sending", "unknown", "withdrawn"] | UnsetType | None = UNSET,
        since: dt.datetime | UnsetType | None = UNSET,
    ) -> Pages[Message]:
        """Messages of ours, the newest first.

        For admin, agent, owner, viewer; a key with `messages:read`.
        """
        return self._pages(
            "list_messages",
            Page[Message],
            query={"limit": limit, "conversation_id": conversation_id, "campaign_id": campaign_id, "state": state, "since": since},
        )

    def send_messages(self, *, messages: list[NewMessage], idempotency_key: str | None = None) -> SendResults:
        """Send up to 1,000 messages, each by itself: what may not go says why, and keeps no other from going.

        For admin, agent, owner; a key with `messages:send`.
        """
        return self._call("send_messages", SendResults, body={"messages": messages}, idempotency_key=idempotency_key)

    def show_message(self, id: UUID) -> WholeMessage:
        """A message, and each attempt to send it.

        For admin, agent, owner, viewer; a key with `messages:read`.
        """
        return self._call("show_message", WholeMessage, ids={"id": id})

    def withdraw_message(self, id: UUID) -> Message:
        """Take back a message that has not gone.

        For admin, agent, owner; a key with `messages:send`.
        """
        return self._call("withdraw_message", Message, ids={"id": id})

    def show_event(self, id: UUID) -> StoredEvent:
        """Something that came, as it is kept, and what became of it.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return self._call("show_event", StoredEvent, ids={"id": id})

    def keep_file(self, content: Content, *, filename: str | UnsetType | None = UNSET, content_type: str) -> KeptFile:
        """Keep a file to be sent: the body is the file itself, the Content-Type its type.

        For admin, agent, owner; a key with `media:write`.
        """
        return self._call("keep_file", KeptFile, query={"filename": filename}, content=content, content_type=content_type)

    def list_files(self, *, limit: int | UnsetType = UNSET) -> Pages[KeptFile]:
        """The files that can be sent, the newest first.

        For admin, agent, owner, viewer; a key with `media:read`.
        """
        return self._pages("list_files", Page[KeptFile], query={"limit": limit})

    def show_file(self, id: UUID) -> KeptFile:
        """A file, without its bytes.

        For admin, agent, owner, viewer; a key with `media:read`.
        """
        return self._call("show_file", KeptFile, ids={"id": id})

    def drop_file(self, id: UUID) -> None:
        """Have a file no more. Not while a message needs it that has not gone.

        For admin, agent, owner; a key with `media:write`.
        """
        self._call("drop_file", type(None), ids={"id": id})

    def give_file(self, id: UUID) -> bytes:
        """The bytes of a file, as an attachment.

        For admin, agent, owner, viewer; a key with `media:read`.
        """
        return self._call("give_file", bytes, ids={"id": id})

    def list_dead_letters(self, *, limit: int | UnsetType = UNSET) -> Pages[DeadLetter]:
        """Messages that failed and events that could not be answered, the newest first.

        For admin, agent, owner, viewer; a key with `dead_letters:read`.
        """
        return self._pages("list_dead_letters", Page[DeadLetter], query={"limit": limit})

    def replay_dead_letters(
        self, *, ids: list[UUID], may_repeat: bool | UnsetType = UNSET, idempotency_key: str | None = None
    ) -> LettersMoved:
        """Have dead letters tried again; all checks apply to them once more.

        For admin, agent, owner; a key with `dead_letters:write`.
        """
        return self._call(
            "replay_dead_letters", LettersMoved, body={"ids": ids, "may_repeat": may_repeat}, idempotency_key=idempotency_key
        )

    def discard_dead_letters(self, *, ids: list[UUID], idempotency_key: str | None = None) -> LettersMoved:
        """Let dead letters be: they keep their state, and are listed no more.

        For admin, agent, owner; a key with `dead_letters:write`.
        """
        return self._call("discard_dead_letters", LettersMoved, body={"ids": ids}, idempotency_key=idempotency_key)

    def show_language(self) -> FlowLanguage:
        """What flows are written in: for people, and as a JSON Schema for editors.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_language", FlowLanguage)

    def list_examples(self) -> FlowExamples:
        """Flows that come with the server, to begin with.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("list_examples", FlowExamples)

    def check_flow(self, *, source: str) -> CheckedFlow:
        """Everything that is wrong with a flow, and where.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("check_flow", CheckedFlow, body={"source": source})

    def test_flow(self, *, source: str | UnsetType = UNSET, version_id: UUID | UnsetType = UNSET) -> TestedFlow:
        """Run the conversations that are a flow's own tests.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("test_flow", TestedFlow, body={"source": source, "version_id": version_id})

    def simulate_flow(
        self,
        *,
        source: str | UnsetType = UNSET,
        version_id: UUID | UnsetType = UNSET,
        events: list[SimulatedEvent] | UnsetType = UNSET,
        state: str | UnsetType | None = UNSET,
        contact: SimulatedContact | UnsetType = UNSET,
        now: dt.datetime | UnsetType = UNSET,
    ) -> Simulated:
        """Talk to a flow as a customer would, with the engine of production. Nothing is kept and nobody hears it.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call(
            "simulate_flow",
            Simulated,
            body={"source": source, "version_id": version_id, "events": events, "state": state, "contact": contact, "now": now},
        )

    def list_flows(self, *, limit: int | UnsetType = UNSET) -> Pages[ShownFlow]:
        """The flows of this business, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_flows", Page[ShownFlow], query={"limit": limit})

    def make_flow(
        self,
        *,
        source: str,
        number_id: UUID | UnsetType | None = UNSET,
        note: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Make a flow, with a first draft. It answers nobody before it is published.

        For admin, owner; a key with `flows:write`.
        """
        return self._call(
            "make_flow", ShownFlow, body={"source": source, "number_id": number_id, "note": note}, idempotency_key=idempotency_key
        )

    def show_flow(self, id: UUID) -> ShownFlow:
        """A flow, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_flow", ShownFlow, ids={"id": id})

    def change_flow(self, id: UUID, *, number_id: UUID | None, if_match: str | None = None) -> ShownFlow:
        """Have a flow answer on another number, or on all of them.

        For admin, owner; a key with `flows:write`.
        """
        return self._call("change_flow", ShownFlow, ids={"id": id}, body={"number_id": number_id}, if_match=if_match)

    def list_versions(self, id: UUID, *, limit: int | UnsetType = UNSET) -> Pages[FlowVersion]:
        """All versions of a flow, the newest first.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_versions", Page[FlowVersion], ids={"id": id}, query={"limit": limit})

    def show_version(self, id: UUID) -> ShownFlowVersion:
        """A version, as it was written and as it was read.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_version", ShownFlowVersion, ids={"id": id})

    def show_draft(self, id: UUID) -> ShownFlowVersion:
        """What is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._call("show_draft", ShownFlowVersion, ids={"id": id})

    def save_draft(
        self, id: UUID, *, source: str, note: str | UnsetType | None = UNSET, if_match: str | None = None
    ) -> ShownFlowVersion:
        """Have the draft say this, or begin one. It may have errors of sense still, its form must be right.

        For admin, owner; a key with `flows:write`.
        """
        return self._call("save_draft", ShownFlowVersion, ids={"id": id}, body={"source": source, "note": note}, if_match=if_match)

    def drop_draft(self, id: UUID) -> None:
        """Throw the draft away; a flow that never had anything else goes with it.

        For admin, owner; a key with `flows:write`.
        """
        self._call("drop_draft", type(None), ids={"id": id})

    def publish_flow(
        self,
        id: UUID,
        *,
        version_id: UUID,
        skip_tests: bool | UnsetType = UNSET,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Have a version answer: the draft, or an older one again. Those who talk already keep theirs.

        For admin, owner; a key with `flows:write`.
        """
        return self._call(
            "publish_flow",
            ShownFlow,
            ids={"id": id},
            body={"version_id": version_id, "skip_tests": skip_tests},
            if_match=if_match,
            idempotency_key=idempotency_key,
        )

    def retire_flow(self, id: UUID, *, if_match: str | None = None) -> ShownFlow:
        """Have a flow open no more. Conversations that run come to their end.

        For admin, owner; a key with `flows:write`.
        """
        return self._call("retire_flow", ShownFlow, ids={"id": id}, if_match=if_match)

    def explain_message(self, id: UUID) -> Explanation:
        """Why a message is as it is: what keeps it, or what refused it.

        For admin, agent, owner, viewer; a key with `messages:read`.
        """
        return self._call("explain_message", Explanation, ids={"id": id})

    def show_statistics(
        self,
        *,
        since: dt.datetime | UnsetType | None = UNSET,
        until: dt.datetime | UnsetType | None = UNSET,
        by: Literal["day", "number"] | UnsetType = UNSET,
    ) -> Statistics:
        """How much happened, by day or by number: at most 31 days and 100,000 messages at once.

        For admin, agent, owner, viewer; a key with `statistics:read`.
        """
        return self._call("show_statistics", Statistics, query={"since": since, "until": until, "by": by})

    def list_notices(self) -> Notices:
        """What keeps the business from working as it should, and what ends it.

        For admin, agent, owner, viewer; a key with `notices:read`.
        """
        return self._call("list_notices", Notices)

    def list_tenants(self, *, limit: int | UnsetType = UNSET) -> Pages[Business]:
        """The businesses on this installation.

        For operator; a key with `tenants:read`.
        """
        return self._pages("list_tenants", Page[Business], query={"limit": limit})

    def make_tenant(
        self,
        *,
        slug: str,
        name: str,
        timezone: str | UnsetType = UNSET,
        language: Literal["en", "es", "pt-BR"] | UnsetType = UNSET,
        owner: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeBusiness:
        """Make a business, and invite its first owner. The one-time token is shown this once.

        For operator; a key with `tenants:write`. A person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return self._call(
            "make_tenant",
            MadeBusiness,
            body={"slug": slug, "name": name, "timezone": timezone, "language": language, "owner": owner},
            idempotency_key=idempotency_key,
        )

    def show_tenant(self, slug: str) -> Business:
        """A business.

        For operator; a key with `tenants:read`.
        """
        return self._call("show_tenant", Business, ids={"slug": slug})

    def change_tenant(
        self,
        slug: str,
        *,
        name: str | UnsetType = UNSET,
        timezone: str | UnsetType = UNSET,
        language: Literal["en", "es", "pt-BR"] | UnsetType = UNSET,
        suspended_for: str | UnsetType | None = UNSET,
        if_match: str | None = None,
    ) -> Business:
        """Change a business, suspend it, or let it go on. While it is suspended it sends nothing and its people and keys
        are refused; what its customers write is kept.

        For operator; a key with `tenants:write`. For some changes a person must have proved within the last ten minutes
        who he is, by `login` or `confirm`.
        """
        return self._call(
            "change_tenant",
            Business,
            ids={"slug": slug},
            body={"name": name, "timezone": timezone, "language": language, "suspended_for": suspended_for},
            if_match=if_match,
        )

    def show_installation(self) -> Installation:
        """How this installation is: what waits where, who does what, whether sending is held.

        For operator; a key with `installation:read`.
        """
        return self._call("show_installation", Installation)

    def resume_sending(self, *, hold: int, send_queued: bool | UnsetType = UNSET) -> Resumed:
        """Go on sending after the database was found to have lost commits. What may have gone out is not sent again.

        For operator; no key. A person must have proved within the last ten minutes who he is, by `login` or `confirm`.
        """
        return self._call("resume_sending", Resumed, body={"hold": hold, "send_queued": send_queued})

    def list_deliveries(
        self,
        *,
        limit: int | UnsetType = UNSET,
        state: Literal["digested", "quarantined", "stored", "unrouted"] | UnsetType | None = UNSET,
        since: dt.datetime | UnsetType | None = UNSET,
    ) -> Pages[Delivery]:
        """Webhooks as they came, the newest first, without their bodies.

        For operator; a key with `deliveries:read`.
        """
        return self._pages("list_deliveries", Page[Delivery], query={"limit": limit, "state": state, "since": since})

    def retry_deliveries(self, *, phone_number_id: str) -> Retried:
        """Have everything read again that came for a number before anybody owned it. Nothing takes effect twice.

        For operator; a key with `deliveries:write`.
        """
        return self._call("retry_deliveries", Retried, body={"phone_number_id": phone_number_id})

    def show_delivery(self, place: str) -> WholeDelivery:
        """A webhook with its body. People's words may be in it: who looks is written down.

        For operator; no key. A person must have proved within the last ten minutes who he is, by `login` or `confirm`.
        """
        return self._call("show_delivery", WholeDelivery, ids={"place": place})

    def retry_delivery(self, place: str) -> Delivery:
        """Have a webhook read again of which something could not be. Nothing takes effect twice.

        For operator; a key with `deliveries:write`.
        """
        return self._call("retry_delivery", Delivery, ids={"place": place})


class AsyncClient(Async):
    operations = OPERATIONS

    async def login(
        self, *, email: str, password: str, tenant: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> Tokens:
        """Sign in with e-mail address and password.

        Anybody may ask.
        """
        return await self._call("login", Tokens, body={"email": email, "password": password, "tenant": tenant, "code": code})

    async def refresh(self, *, refresh_token: str) -> Tokens:
        """The next access token and refresh token; the one given holds no more.

        Anybody may ask.
        """
        return await self._call("refresh", Tokens, body={"refresh_token": refresh_token})

    async def accept(
        self, *, token: str, password: str, name: str | UnsetType | None = UNSET, code: str | UnsetType | None = UNSET
    ) -> None:
        """Take up an invitation.

        Anybody may ask.
        """
        await self._call("accept", type(None), body={"token": token, "password": password, "name": name, "code": code})

    async def confirm(self, *, password: str, code: str | UnsetType | None = UNSET) -> None:
        """Prove again who you are, for what is refused with `sign_in_again`. It holds for ten minutes, for this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        await self._call("confirm", type(None), body={"password": password, "code": code})

    async def logout(self) -> None:
        """End this sign-in.

        For admin, agent, operator, owner, viewer; no key.
        """
        await self._call("logout", type(None))

    async def me(self) -> Me:
        """Who is signed in, where, and as what.

        For admin, agent, operator, owner, viewer; no key.
        """
        return await self._call("me", Me)

    async def enrol_totp(self) -> Seed:
        """A seed for an authenticator app. It counts when `activate_totp` has seen a code of it.

        For admin, agent, operator, owner, viewer; no key. A person must have proved within the last ten minutes who he
        is, by `login` or `confirm`.
        """
        return await self._call("enrol_totp", Seed)

    async def activate_totp(self, *, code: str, idempotency_key: str | None = None) -> Recovery:
        """Be asked for a code at each sign-in from now on. Ends all other sign-ins and shows the recovery codes, once.

        For admin, agent, operator, owner, viewer; no key.
        """
        return await self._call("activate_totp", Recovery, body={"code": code}, idempotency_key=idempotency_key)

    async def dismiss_totp(self, *, password: str, code: str) -> None:
        """Be asked for no code any more. Takes the password, and a code or a recovery code.

        For admin, agent, operator, owner, viewer; no key.
        """
        await self._call("dismiss_totp", type(None), body={"password": password, "code": code})

    def list_users(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[User]:
        """The people of this business.

        For admin, owner; a key with `users:read`.
        """
        return self._pages("list_users", Page[User], query={"limit": limit})

    async def invite_user(
        self, *, email: str, role: Literal["admin", "agent", "owner", "viewer"], idempotency_key: str | None = None
    ) -> Invited:
        """Invite somebody, or again who has not come.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return await self._call("invite_user", Invited, body={"email": email, "role": role}, idempotency_key=idempotency_key)

    async def show_user(self, id: UUID) -> User:
        """One of the people of this business.

        For admin, owner; a key with `users:read`.
        """
        return await self._call("show_user", User, ids={"id": id})

    async def change_user(
        self,
        id: UUID,
        *,
        role: Literal["admin", "agent", "owner", "viewer"] | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> User:
        """Change somebody's role, put him out, or let him in again. Who may make keys no more loses those that he made.

        For admin, owner; no key. For some changes a person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return await self._call("change_user", User, ids={"id": id}, body={"role": role, "disabled": disabled}, if_match=if_match)

    def list_keys(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Key]:
        """The keys of this business, or of the installation, without their secrets.

        For admin, operator, owner; no key.
        """
        return self._pages("list_keys", Page[Key], query={"limit": limit})

    async def make_key(
        self,
        *,
        name: str,
        scopes: list[str],
        expires_at: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Make a key for a program. Its secret is shown this once.

        For admin, operator, owner; no key. A person must have proved within the last ten minutes who he is, by `login`
        or `confirm`.
        """
        return await self._call(
            "make_key", MadeKey, body={"name": name, "scopes": scopes, "expires_at": expires_at}, idempotency_key=idempotency_key
        )

    async def drop_key(self, id: UUID) -> None:
        """Have a key hold no more.

        For admin, operator, owner; no key.
        """
        await self._call("drop_key", type(None), ids={"id": id})

    def list_changes(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Change]:
        """What was changed, by whom and from where, the newest first; for an operator, in the installation itself.

        For admin, operator, owner; a key with `audit:read`.
        """
        return self._pages("list_changes", Page[Change], query={"limit": limit})

    def list_contacts(
        self, *, limit: int | UnsetType = UNSET, tag: str | UnsetType | None = UNSET, consent: str | UnsetType | None = UNSET
    ) -> AsyncPages[ContactSummary]:
        """The people of this business, the newest first; those with a tag, or with a word on a purpose.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_contacts", Page[ContactSummary], query={"limit": limit, "tag": tag, "consent": consent})

    async def make_contact(
        self,
        *,
        phone: str | UnsetType | None = UNSET,
        bsuid: str | UnsetType | None = UNSET,
        portfolio: str | UnsetType | None = UNSET,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float] | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> ContactDetail:
        """Enter somebody. Who is known already is told by `existing_id`.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return await self._call(
            "make_contact",
            ContactDetail,
            body={
                "phone": phone,
                "bsuid": bsuid,
                "portfolio": portfolio,
                "name": name,
                "language": language,
                "tags": tags,
                "fields": fields,
            },
            idempotency_key=idempotency_key,
        )

    def search_contacts(
        self,
        *,
        limit: int | UnsetType = UNSET,
        cursor: str | UnsetType | None = UNSET,
        text: str | UnsetType | None = UNSET,
        field: FieldIs | UnsetType | None = UNSET,
    ) -> AsyncPages[ContactSummary]:
        """Look for people by the beginning of a name or a telephone number, or by a field. It changes nothing, and is a
        POST so that no name or number is in a URL.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages(
            "search_contacts", Page[ContactSummary], body={"limit": limit, "cursor": cursor, "text": text, "field": field}
        )

    async def show_contact(self, id: UUID) -> ContactDetail:
        """Somebody, with conversations and consents. Who was merged is shown as whom he was merged into.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return await self._call("show_contact", ContactDetail, ids={"id": id})

    async def change_contact(
        self,
        id: UUID,
        *,
        name: str | UnsetType | None = UNSET,
        language: str | UnsetType | None = UNSET,
        tags: list[str] | UnsetType = UNSET,
        add_tags: list[str] | UnsetType = UNSET,
        remove_tags: list[str] | UnsetType = UNSET,
        fields: dict[str, str | bool | int | float | None] | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> ContactDetail:
        """Change the name, the language, tags and fields.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return await self._call(
            "change_contact",
            ContactDetail,
            ids={"id": id},
            body={
                "name": name,
                "language": language,
                "tags": tags,
                "add_tags": add_tags,
                "remove_tags": remove_tags,
                "fields": fields,
            },
            if_match=if_match,
        )

    async def merge_contact(self, id: UUID, *, into: UUID, idempotency_key: str | None = None) -> ContactDetail:
        """Have this contact be another from now on: who was known by a telephone number and who by WhatsApp's id. The
        consents of both count, the newest last; what was said stays where it was said.

        For admin, owner; no key. A person must have proved within the last ten minutes who he is, by `login` or
        `confirm`.
        """
        return await self._call(
            "merge_contact", ContactDetail, ids={"id": id}, body={"into": into}, idempotency_key=idempotency_key
        )

    def list_consents(self, id: UUID, *, limit: int | UnsetType = UNSET) -> AsyncPages[Consent]:
        """All that somebody has agreed to or refused, the newest first, with how it is known.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("list_consents", Page[Consent], ids={"id": id}, query={"limit": limit})

    async def declare_consent(
        self, id: UUID, *, purpose: str, state: Literal["in", "out"], evidence: Evidence, idempotency_key: str | None = None
    ) -> Consent:
        """Write down what somebody has said to a purpose. It counts at once: marketing that waits is withdrawn.

        For admin, agent, owner; a key with `contacts:write`.
        """
        return await self._call(
            "declare_consent",
            Consent,
            ids={"id": id},
            body={"purpose": purpose, "state": state, "evidence": evidence},
            idempotency_key=idempotency_key,
        )

    def show_contact_timeline(self, id: UUID, *, limit: int | UnsetType = UNSET) -> AsyncPages[Said]:
        """All that somebody said and was told, on every number, the newest first.

        For admin, agent, owner, viewer; a key with `contacts:read`.
        """
        return self._pages("show_contact_timeline", Page[Said], ids={"id": id}, query={"limit": limit})

    async def export_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Have all that is kept of somebody written into one JSON file, which the job then has.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return await self._call("export_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    async def erase_contact(self, id: UUID, *, idempotency_key: str | None = None) -> Job:
        """Forget somebody, everywhere. It cannot be taken back once it runs. What he refused stays so, under a hash.

        For admin, owner; a key with `contacts:erase`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return await self._call("erase_contact", Job, ids={"id": id}, idempotency_key=idempotency_key)

    def list_jobs(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Job]:
        """Long work, the newest first.

        For admin, owner; a key with `jobs:read`.
        """
        return self._pages("list_jobs", Page[Job], query={"limit": limit})

    async def show_job(self, id: UUID) -> Job:
        """How far it is, and what came of it.

        For admin, owner; a key with `jobs:read`.
        """
        return await self._call("show_job", Job, ids={"id": id})

    async def cancel_job(self, id: UUID) -> Job:
        """Take the wish back, as long as it may be left.

        For admin, owner; a key with `jobs:write`.
        """
        return await self._call("cancel_job", Job, ids={"id": id})

    async def retry_job(self, id: UUID) -> Job:
        """Have a job that failed go on where it was.

        For admin, owner; a key with `jobs:write`.
        """
        return await self._call("retry_job", Job, ids={"id": id})

    async def download_file(self, id: UUID) -> bytes:
        """The file that an export made, for seven days.

        For admin, owner; a key with `contacts:export`. A person must have proved within the last ten minutes who he is,
        by `login` or `confirm`.
        """
        return await self._call("download_file", bytes, ids={"id": id})

    def stream_events(
        self, *, types: str | UnsetType = UNSET, last_event_id: str | None = None
    ) -> AsyncIterator[
        ServerEvent[MessageReceived | MessageStatus | ConversationChanged | ContactConsent | FlowPublished | Notice | WebhookTest]
    ]:
        """What happens, as it happens: server-sent events. With `Last-Event-ID` nothing of the last 7 days is missed, as
        long as somebody listened in each hour of them or a webhook is enabled; else the stream begins with an event
        `reset` instead of `open`. What happens is kept from 5 s after the first listener came.

        For admin, agent, owner, viewer; a key with `events:read`.
        """
        return self._events(
            "stream_events",
            {
                "message.received": MessageReceived,
                "message.status": MessageStatus,
                "conversation.changed": ConversationChanged,
                "contact.consent": ContactConsent,
                "flow.published": FlowPublished,
                "notice": Notice,
                "webhook.test": WebhookTest,
            },
            last_event_id,
            query={"types": types},
        )

    def list_webhooks(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Webhook]:
        """Who is told what happens.

        For admin, owner; a key with `webhooks:read`.
        """
        return self._pages("list_webhooks", Page[Webhook], query={"limit": limit})

    async def make_webhook(
        self,
        *,
        url: str,
        types: list[
            Literal["contact.consent", "conversation.changed", "flow.published", "message.received", "message.status", "notice"]
        ]
        | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeWebhook:
        """Have an address told what happens from 5 s on, signed as Standard Webhooks say. Its secret is shown this once.

        For admin, owner; a key with `webhooks:write`.
        """
        return await self._call(
            "make_webhook",
            MadeWebhook,
            body={"url": url, "types": types, "description": description},
            idempotency_key=idempotency_key,
        )

    async def show_webhook(self, id: UUID) -> Webhook:
        """One of those who are told.

        For admin, owner; a key with `webhooks:read`.
        """
        return await self._call("show_webhook", Webhook, ids={"id": id})

    async def change_webhook(
        self,
        id: UUID,
        *,
        url: str | UnsetType = UNSET,
        types: list[
            Literal["contact.consent", "conversation.changed", "flow.published", "message.received", "message.status", "notice"]
        ]
        | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        enabled: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> Webhook:
        """Change it, disable it or enable it again.

        For admin, owner; a key with `webhooks:write`.
        """
        return await self._call(
            "change_webhook",
            Webhook,
            ids={"id": id},
            body={"url": url, "types": types, "description": description, "enabled": enabled},
            if_match=if_match,
        )

    async def drop_webhook(self, id: UUID) -> None:
        """Forget it, and what was to be told.

        For admin, owner; a key with `webhooks:write`.
        """
        await self._call("drop_webhook", type(None), ids={"id": id})

    async def rotate_webhook_secret(
        self, id: UUID, *, overlap_s: int | UnsetType = UNSET, idempotency_key: str | None = None
    ) -> MadeWebhook:
        """Another secret, shown this once; the old one signs beside it for a while.

        For admin, owner; a key with `webhooks:write`.
        """
        return await self._call(
            "rotate_webhook_secret", MadeWebhook, ids={"id": id}, body={"overlap_s": overlap_s}, idempotency_key=idempotency_key
        )

    async def test_webhook(self, id: UUID, *, idempotency_key: str | None = None) -> WebhookDelivery:
        """Have it told a `webhook.test`; the delivery shows how it went.

        For admin, owner; a key with `webhooks:write`.
        """
        return await self._call("test_webhook", WebhookDelivery, ids={"id": id}, idempotency_key=idempotency_key)

    def list_webhook_deliveries(
        self, id: UUID, *, state: Literal["dead", "delivered", "waiting"] | UnsetType | None = UNSET, limit: int | UnsetType = UNSET
    ) -> AsyncPages[WebhookDelivery]:
        """What it was told in 7 days, the newest first, with attempts.

        For admin, owner; a key with `webhooks:read`.
        """
        return self._pages("list_webhook_deliveries", Page[WebhookDelivery], ids={"id": id}, query={"state": state, "limit": limit})

    async def replay_webhook(
        self,
        id: UUID,
        *,
        delivery_id: UUID | UnsetType | None = UNSET,
        since: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Replayed:
        """Tell it again: one delivery, or all that are dead since a time.

        For admin, owner; a key with `webhooks:write`.
        """
        return await self._call(
            "replay_webhook",
            Replayed,
            ids={"id": id},
            body={"delivery_id": delivery_id, "since": since},
            idempotency_key=idempotency_key,
        )

    async def show_settings(self) -> Settings:
        """What this business sets for itself.

        For admin, agent, owner, viewer; a key with `settings:read`.
        """
        return await self._call("show_settings", Settings)

    async def change_settings(
        self,
        *,
        name: str | UnsetType = UNSET,
        timezone: str | UnsetType = UNSET,
        language: Literal["en", "es", "pt-BR"] | UnsetType = UNSET,
        messages_kept_days: int | UnsetType | None = UNSET,
        events_kept_days: int | UnsetType | None = UNSET,
        media_kept_days: int | UnsetType | None = UNSET,
        if_match: str | None = None,
    ) -> Settings:
        """Change what this business sets for itself. It holds from the answer on.

        For admin, owner; a key with `settings:write`.
        """
        return await self._call(
            "change_settings",
            Settings,
            body={
                "name": name,
                "timezone": timezone,
                "language": language,
                "messages_kept_days": messages_kept_days,
                "events_kept_days": events_kept_days,
                "media_kept_days": media_kept_days,
            },
            if_match=if_match,
        )

    def list_numbers(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[OwnNumber]:
        """The WhatsApp numbers of this business.

        For admin, agent, owner, viewer; a key with `numbers:read`.
        """
        return self._pages("list_numbers", Page[OwnNumber], query={"limit": limit})

    async def add_number(
        self,
        *,
        phone_number_id: str,
        waba_id: str,
        portfolio_id: str,
        display_number: str,
        token: str,
        rate: int | UnsetType | None = UNSET,
        coexistence: bool | UnsetType = UNSET,
        idempotency_key: str | None = None,
    ) -> AddedNumber:
        """Add a number, which Meta is asked about first. Its token is kept sealed and never shown.

        For admin, owner; a key with `numbers:write`.
        """
        return await self._call(
            "add_number",
            AddedNumber,
            body={
                "phone_number_id": phone_number_id,
                "waba_id": waba_id,
                "portfolio_id": portfolio_id,
                "display_number": display_number,
                "token": token,
                "rate": rate,
                "coexistence": coexistence,
            },
            idempotency_key=idempotency_key,
        )

    async def show_number(self, id: UUID) -> OwnNumber:
        """A number.

        For admin, agent, owner, viewer; a key with `numbers:read`.
        """
        return await self._call("show_number", OwnNumber, ids={"id": id})

    async def change_number(
        self,
        id: UUID,
        *,
        display_number: str | UnsetType = UNSET,
        token: str | UnsetType = UNSET,
        rate: int | UnsetType | None = UNSET,
        coexistence: bool | UnsetType = UNSET,
        if_match: str | None = None,
    ) -> OwnNumber:
        """Change a number's display, rate or token. A new token is checked with Meta, taken up at once, and ends a stop.

        For admin, owner; a key with `numbers:write`.
        """
        return await self._call(
            "change_number",
            OwnNumber,
            ids={"id": id},
            body={"display_number": display_number, "token": token, "rate": rate, "coexistence": coexistence},
            if_match=if_match,
        )

    async def show_number_health(self, id: UUID) -> Health:
        """Whether a number sends, what keeps it, and how much waits.

        For admin, agent, owner, viewer; a key with `numbers:read`.
        """
        return await self._call("show_number_health", Health, ids={"id": id})

    async def verify_number(self, id: UUID) -> Verification:
        """Ask Meta whether it sees the number as we do.

        For admin, owner; a key with `numbers:write`.
        """
        return await self._call("verify_number", Verification, ids={"id": id})

    async def pause_number(self, id: UUID, *, reason: str) -> OwnNumber:
        """Have a number send nothing, from now on and in every process. What is queued waits.

        For admin, owner; a key with `numbers:write`.
        """
        return await self._call("pause_number", OwnNumber, ids={"id": id}, body={"reason": reason})

    async def resume_number(self, id: UUID) -> OwnNumber:
        """Have a paused number send again.

        For admin, owner; a key with `numbers:write`.
        """
        return await self._call("resume_number", OwnNumber, ids={"id": id})

    def list_conversations(
        self,
        *,
        limit: int | UnsetType = UNSET,
        state: Literal["closed", "open"] | UnsetType | None = UNSET,
        owner: Literal["bot", "human"] | UnsetType | None = UNSET,
        queue: str | UnsetType | None = UNSET,
        number_id: UUID | UnsetType | None = UNSET,
        contact_id: UUID | UnsetType | None = UNSET,
    ) -> AsyncPages[Conversation]:
        """The conversations, whoever wrote last first.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return self._pages(
            "list_conversations",
            Page[Conversation],
            query={
                "limit": limit,
                "state": state,
                "owner": owner,
                "queue": queue,
                "number_id": number_id,
                "contact_id": contact_id,
            },
        )

    async def show_conversation(self, id: UUID) -> WholeConversation:
        """A conversation, and what was said last in it.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return await self._call("show_conversation", WholeConversation, ids={"id": id})

    def show_conversation_timeline(
        self, id: UUID, *, limit: int | UnsetType = UNSET, order: Literal["newest", "oldest"] | UnsetType = UNSET
    ) -> AsyncPages[ConversationLine]:
        """What was said in it: events in the order of arrival and messages as they were written, put together by time.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return self._pages(
            "show_conversation_timeline", Page[ConversationLine], ids={"id": id}, query={"limit": limit, "order": order}
        )

    async def take_over_conversation(self, id: UUID) -> Conversation:
        """Have a conversation: the bot is silent in it, and what it had queued is withdrawn.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return await self._call("take_over_conversation", Conversation, ids={"id": id})

    async def hand_over_conversation(self, id: UUID, *, queue: str) -> Conversation:
        """Give a conversation to the people of a queue: the bot is silent in it, and what it had queued is withdrawn.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return await self._call("hand_over_conversation", Conversation, ids={"id": id}, body={"queue": queue})

    async def release_conversation(self, id: UUID) -> Conversation:
        """Give a conversation back to the bot, whose flow goes on where it was.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return await self._call("release_conversation", Conversation, ids={"id": id})

    async def close_conversation(self, id: UUID) -> Conversation:
        """Be done with a conversation: its flow ends, and the customer's next message begins anew.

        For admin, agent, owner; a key with `conversations:write`.
        """
        return await self._call("close_conversation", Conversation, ids={"id": id})

    async def send_message(
        self,
        *,
        to: To,
        content: Text
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
        | Template,
        category: Literal["authentication", "marketing", "service", "utility"] | UnsetType = UNSET,
        number_id: UUID | UnsetType | None = UNSET,
        fallback: Fallback | UnsetType | None = UNSET,
        not_before: dt.datetime | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> Message:
        """Send a message of any content. A person's takes its conversation over: the bot is silent in it.

        For admin, agent, owner; a key with `messages:send`.
        """
        return await self._call(
            "send_message",
            Message,
            body={
                "to": to,
                "content": content,
                "category": category,
                "number_id": number_id,
                "fallback": fallback,
                "not_before": not_before,
            },
            idempotency_key=idempotency_key,
        )

    def list_messages(
        self,
        *,
        limit: int | UnsetType = UNSET,
        conversation_id: UUID | UnsetType | None = UNSET,
        campaign_id: UUID | UnsetType | None = UNSET,
        state: Literal["failed", "in_doubt", "sending", "unknown", "withdrawn"] | UnsetType | None = UNSET,
        since: dt.datetime | UnsetType | None = UNSET,
    ) -> AsyncPages[Message]:
        """Messages of ours, the newest first.

        For admin, agent, owner, viewer; a key with `messages:read`.
        """
        return self._pages(
            "list_messages",
            Page[Message],
            query={"limit": limit, "conversation_id": conversation_id, "campaign_id": campaign_id, "state": state, "since": since},
        )

    async def send_messages(self, *, messages: list[NewMessage], idempotency_key: str | None = None) -> SendResults:
        """Send up to 1,000 messages, each by itself: what may not go says why, and keeps no other from going.

        For admin, agent, owner; a key with `messages:send`.
        """
        return await self._call("send_messages", SendResults, body={"messages": messages}, idempotency_key=idempotency_key)

    async def show_message(self, id: UUID) -> WholeMessage:
        """A message, and each attempt to send it.

        For admin, agent, owner, viewer; a key with `messages:read`.
        """
        return await self._call("show_message", WholeMessage, ids={"id": id})

    async def withdraw_message(self, id: UUID) -> Message:
        """Take back a message that has not gone.

        For admin, agent, owner; a key with `messages:send`.
        """
        return await self._call("withdraw_message", Message, ids={"id": id})

    async def show_event(self, id: UUID) -> StoredEvent:
        """Something that came, as it is kept, and what became of it.

        For admin, agent, owner, viewer; a key with `conversations:read`.
        """
        return await self._call("show_event", StoredEvent, ids={"id": id})

    async def keep_file(self, content: Content, *, filename: str | UnsetType | None = UNSET, content_type: str) -> KeptFile:
        """Keep a file to be sent: the body is the file itself, the Content-Type its type.

        For admin, agent, owner; a key with `media:write`.
        """
        return await self._call("keep_file", KeptFile, query={"filename": filename}, content=content, content_type=content_type)

    def list_files(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[KeptFile]:
        """The files that can be sent, the newest first.

        For admin, agent, owner, viewer; a key with `media:read`.
        """
        return self._pages("list_files", Page[KeptFile], query={"limit": limit})

    async def show_file(self, id: UUID) -> KeptFile:
        """A file, without its bytes.

        For admin, agent, owner, viewer; a key with `media:read`.
        """
        return await self._call("show_file", KeptFile, ids={"id": id})

    async def drop_file(self, id: UUID) -> None:
        """Have a file no more. Not while a message needs it that has not gone.

        For admin, agent, owner; a key with `media:write`.
        """
        await self._call("drop_file", type(None), ids={"id": id})

    async def give_file(self, id: UUID) -> bytes:
        """The bytes of a file, as an attachment.

        For admin, agent, owner, viewer; a key with `media:read`.
        """
        return await self._call("give_file", bytes, ids={"id": id})

    def list_dead_letters(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[DeadLetter]:
        """Messages that failed and events that could not be answered, the newest first.

        For admin, agent, owner, viewer; a key with `dead_letters:read`.
        """
        return self._pages("list_dead_letters", Page[DeadLetter], query={"limit": limit})

    async def replay_dead_letters(
        self, *, ids: list[UUID], may_repeat: bool | UnsetType = UNSET, idempotency_key: str | None = None
    ) -> LettersMoved:
        """Have dead letters tried again; all checks apply to them once more.

        For admin, agent, owner; a key with `dead_letters:write`.
        """
        return await self._call(
            "replay_dead_letters", LettersMoved, body={"ids": ids, "may_repeat": may_repeat}, idempotency_key=idempotency_key
        )

    async def discard_dead_letters(self, *, ids: list[UUID], idempotency_key: str | None = None) -> LettersMoved:
        """Let dead letters be: they keep their state, and are listed no more.

        For admin, agent, owner; a key with `dead_letters:write`.
        """
        return await self._call("discard_dead_letters", LettersMoved, body={"ids": ids}, idempotency_key=idempotency_key)

    async def show_language(self) -> FlowLanguage:
        """What flows are written in: for people, and as a JSON Schema for editors.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_language", FlowLanguage)

    async def list_examples(self) -> FlowExamples:
        """Flows that come with the server, to begin with.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("list_examples", FlowExamples)

    async def check_flow(self, *, source: str) -> CheckedFlow:
        """Everything that is wrong with a flow, and where.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("check_flow", CheckedFlow, body={"source": source})

    async def test_flow(self, *, source: str | UnsetType = UNSET, version_id: UUID | UnsetType = UNSET) -> TestedFlow:
        """Run the conversations that are a flow's own tests.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("test_flow", TestedFlow, body={"source": source, "version_id": version_id})

    async def simulate_flow(
        self,
        *,
        source: str | UnsetType = UNSET,
        version_id: UUID | UnsetType = UNSET,
        events: list[SimulatedEvent] | UnsetType = UNSET,
        state: str | UnsetType | None = UNSET,
        contact: SimulatedContact | UnsetType = UNSET,
        now: dt.datetime | UnsetType = UNSET,
    ) -> Simulated:
        """Talk to a flow as a customer would, with the engine of production. Nothing is kept and nobody hears it.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call(
            "simulate_flow",
            Simulated,
            body={"source": source, "version_id": version_id, "events": events, "state": state, "contact": contact, "now": now},
        )

    def list_flows(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[ShownFlow]:
        """The flows of this business, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_flows", Page[ShownFlow], query={"limit": limit})

    async def make_flow(
        self,
        *,
        source: str,
        number_id: UUID | UnsetType | None = UNSET,
        note: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Make a flow, with a first draft. It answers nobody before it is published.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call(
            "make_flow", ShownFlow, body={"source": source, "number_id": number_id, "note": note}, idempotency_key=idempotency_key
        )

    async def show_flow(self, id: UUID) -> ShownFlow:
        """A flow, with what answers and what is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_flow", ShownFlow, ids={"id": id})

    async def change_flow(self, id: UUID, *, number_id: UUID | None, if_match: str | None = None) -> ShownFlow:
        """Have a flow answer on another number, or on all of them.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call("change_flow", ShownFlow, ids={"id": id}, body={"number_id": number_id}, if_match=if_match)

    def list_versions(self, id: UUID, *, limit: int | UnsetType = UNSET) -> AsyncPages[FlowVersion]:
        """All versions of a flow, the newest first.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return self._pages("list_versions", Page[FlowVersion], ids={"id": id}, query={"limit": limit})

    async def show_version(self, id: UUID) -> ShownFlowVersion:
        """A version, as it was written and as it was read.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_version", ShownFlowVersion, ids={"id": id})

    async def show_draft(self, id: UUID) -> ShownFlowVersion:
        """What is being written.

        For admin, agent, owner, viewer; a key with `flows:read`.
        """
        return await self._call("show_draft", ShownFlowVersion, ids={"id": id})

    async def save_draft(
        self, id: UUID, *, source: str, note: str | UnsetType | None = UNSET, if_match: str | None = None
    ) -> ShownFlowVersion:
        """Have the draft say this, or begin one. It may have errors of sense still, its form must be right.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call(
            "save_draft", ShownFlowVersion, ids={"id": id}, body={"source": source, "note": note}, if_match=if_match
        )

    async def drop_draft(self, id: UUID) -> None:
        """Throw the draft away; a flow that never had anything else goes with it.

        For admin, owner; a key with `flows:write`.
        """
        await self._call("drop_draft", type(None), ids={"id": id})

    async def publish_flow(
        self,
        id: UUID,
        *,
        version_id: UUID,
        skip_tests: bool | UnsetType = UNSET,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> ShownFlow:
        """Have a version answer: the draft, or an older one again. Those who talk already keep theirs.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call(
            "publish_flow",
            ShownFlow,
            ids={"id": id},
            body={"version_id": version_id, "skip_tests": skip_tests},
            if_match=if_match,
            idempotency_key=idempotency_key,
        )

    async def retire_flow(self, id: UUID, *, if_match: str | None = None) -> ShownFlow:
        """Have a flow open no more. Conversations that run come to their end.

        For admin, owner; a key with `flows:write`.
        """
        return await self._call("retire_flow", ShownFlow, ids={"id": id}, if_match=if_match)

    async def explain_message(self, id: UUID) -> Explanation:
        """Why a message is as it is: what keeps it, or what refused it.

        For admin, agent, owner, viewer; a key with `messages:read`.
        """
        return await self._call("explain_message", Explanation, ids={"id": id})

    async def show_statistics(
        self,
        *,
        since: dt.datetime | UnsetType | None = UNSET,
        until: dt.datetime | UnsetType | None = UNSET,
        by: Literal["day", "number"] | UnsetType = UNSET,
    ) -> Statistics:
        """How much happened, by day or by number: at most 31 days and 100,000 messages at once.

        For admin, agent, owner, viewer; a key with `statistics:read`.
        """
        return await self._call("show_statistics", Statistics, query={"since": since, "until": until, "by": by})

    async def list_notices(self) -> Notices:
        """What keeps the business from working as it should, and what ends it.

        For admin, agent, owner, viewer; a key with `notices:read`.
        """
        return await self._call("list_notices", Notices)

    def list_tenants(self, *, limit: int | UnsetType = UNSET) -> AsyncPages[Business]:
        """The businesses on this installation.

        For operator; a key with `tenants:read`.
        """
        return self._pages("list_tenants", Page[Business], query={"limit": limit})

    async def make_tenant(
        self,
        *,
        slug: str,
        name: str,
        timezone: str | UnsetType = UNSET,
        language: Literal["en", "es", "pt-BR"] | UnsetType = UNSET,
        owner: str | UnsetType | None = UNSET,
        idempotency_key: str | None = None,
    ) -> MadeBusiness:
        """Make a business, and invite its first owner. The one-time token is shown this once.

        For operator; a key with `tenants:write`. A person must have proved within the last ten minutes who he is, by
        `login` or `confirm`.
        """
        return await self._call(
            "make_tenant",
            MadeBusiness,
            body={"slug": slug, "name": name, "timezone": timezone, "language": language, "owner": owner},
            idempotency_key=idempotency_key,
        )

    async def show_tenant(self, slug: str) -> Business:
        """A business.

        For operator; a key with `tenants:read`.
        """
        return await self._call("show_tenant", Business, ids={"slug": slug})

    async def change_tenant(
        self,
        slug: str,
        *,
        name: str | UnsetType = UNSET,
        timezone: str | UnsetType = UNSET,
        language: Literal["en", "es", "pt-BR"] | UnsetType = UNSET,
        suspended_for: str | UnsetType | None = UNSET,
        if_match: str | None = None,
    ) -> Business:
        """Change a business, suspend it, or let it go on. While it is suspended it sends nothing and its people and keys
        are refused; what its customers write is kept.

        For operator; a key with `tenants:write`. For some changes a person must have proved within the last ten minutes
        who he is, by `login` or `confirm`.
        """
        return await self._call(
            "change_tenant",
            Business,
            ids={"slug": slug},
            body={"name": name, "timezone": timezone, "language": language, "suspended_for": suspended_for},
            if_match=if_match,
        )

    async def show_installation(self) -> Installation:
        """How this installation is: what waits where, who does what, whether sending is held.

        For operator; a key with `installation:read`.
        """
        return await self._call("show_installation", Installation)

    async def resume_sending(self, *, hold: int, send_queued: bool | UnsetType = UNSET) -> Resumed:
        """Go on sending after the database was found to have lost commits. What may have gone out is not sent again.

        For operator; no key. A person must have proved within the last ten minutes who he is, by `login` or `confirm`.
        """
        return await self._call("resume_sending", Resumed, body={"hold": hold, "send_queued": send_queued})

    def list_deliveries(
        self,
        *,
        limit: int | UnsetType = UNSET,
        state: Literal["digested", "quarantined", "stored", "unrouted"] | UnsetType | None = UNSET,
        since: dt.datetime | UnsetType | None = UNSET,
    ) -> AsyncPages[Delivery]:
        """Webhooks as they came, the newest first, without their bodies.

        For operator; a key with `deliveries:read`.
        """
        return self._pages("list_deliveries", Page[Delivery], query={"limit": limit, "state": state, "since": since})

    async def retry_deliveries(self, *, phone_number_id: str) -> Retried:
        """Have everything read again that came for a number before anybody owned it. Nothing takes effect twice.

        For operator; a key with `deliveries:write`.
        """
        return await self._call("retry_deliveries", Retried, body={"phone_number_id": phone_number_id})

    async def show_delivery(self, place: str) -> WholeDelivery:
        """A webhook with its body. People's words may be in it: who looks is written down.

        For operator; no key. A person must have proved within the last ten minutes who he is, by `login` or `confirm`.
        """
        return await self._call("show_delivery", WholeDelivery, ids={"place": place})

    async def retry_delivery(self, place: str) -> Delivery:
        """Have a webhook read again of which something could not be. Nothing takes effect twice.

        For operator; a key with `deliveries:write`.
        """
        return await self._call("retry_delivery", Delivery, ids={"place": place})
