"""What a delivery says happened, as values: one struct per kind of event, all in `Event`, tagged by `type`.

A new webhook field of a number is a struct here, its name in `Event` and a line in `delivery.py`; one of an account goes into
`account.py`. Source: Meta, webhooks reference (messages, status, smb_message_echoes, history, user_preferences, calls).
"""

import hashlib
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec
from msgspec import Struct

from atendeja.wa.account import AccountEvent
from atendeja.wa.messages import Context, Inbound, starts_turn
from atendeja.wa.wire import Int32


class Customer(Struct, frozen=True, omit_defaults=True):
    """Who it is about, as far as this delivery says: a phone (digits as received, no `+`), a BSUID, both or neither."""

    phone: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None
    name: str | None = None
    username: str | None = None
    identity_key_hash: str | None = None


class ErrorData(Struct, frozen=True, omit_defaults=True):
    """The useful half of an error."""

    details: str | None = None


class ApiError(Struct, frozen=True, omit_defaults=True):
    """An error as Meta reports it. Act on `code`, never on the texts."""

    code: Int32 | None = None
    title: str | None = None
    message: str | None = None
    error_data: ErrorData | None = None
    href: str | None = None


class WelcomeMessage(Struct, frozen=True, omit_defaults=True):
    """The greeting an advertisement showed."""

    text: str | None = None


class Referral(Struct, frozen=True, omit_defaults=True):
    """The advertisement or post that led the customer here; it opens a free entry point."""

    source_url: str | None = None
    source_id: str | None = None
    source_type: str | None = None
    headline: str | None = None
    body: str | None = None
    media_type: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    thumbnail_url: str | None = None
    ctwa_clid: str | None = None
    welcome_message: WelcomeMessage | None = None


class MessageReceived(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="message_received"):
    """A customer wrote, tapped, sent or reacted. `sent_at` is WhatsApp's time, to the second, and may be hours ago."""

    wamid: str
    sent_at: datetime
    customer: Customer
    content: Inbound
    context: Context | None = None
    referral: Referral | None = None
    group_id: str | None = None
    errors: list[ApiError] = []

    @property
    def starts_turn(self) -> bool:
        """Whether a bot may answer it (its age is for the caller to judge)."""
        return starts_turn(self.content, self.group_id)


class Pricing(Struct, frozen=True, omit_defaults=True):
    """What the message costs, once per message, on `sent` or `delivered`. Read `type` and `category`; expect new values."""

    billable: bool | None = None
    pricing_model: str | None = None
    type: str | None = None
    category: str | None = None


class Origin(Struct, frozen=True, omit_defaults=True):
    """Why a conversation window was opened."""

    type: str | None = None


class Conversation(Struct, frozen=True, omit_defaults=True):
    """Meta's window, only for free entry points since v24.0: never depend on it."""

    id: str | None = None
    expiration_timestamp: int | None = None
    origin: Origin | None = None


class StatusReported(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="status_reported"):
    """What became of a message of ours. `status` is `sent`, `delivered`, `read`, `played`, `failed` or a value we do not
    know, which must change nothing. In a group the customer is the participant and `group_id` the addressee."""

    wamid: str
    status: str
    at: datetime
    customer: Customer
    callback: str | None = None
    errors: list[ApiError] = []
    pricing: Pricing | None = None
    conversation: Conversation | None = None
    group_id: str | None = None


class MessageEchoed(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="message_echoed"):
    """Staff wrote to the customer in the phone app (coexistence): show it as outgoing and silence the bot for that chat."""

    wamid: str
    sent_at: datetime
    customer: Customer
    content: Inbound
    context: Context | None = None
    errors: list[ApiError] = []


class HistoryReceived(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="history_received"):
    """A message from before the number came to us; never a turn. A file first comes as a placeholder, later once more."""

    wamid: str
    sent_at: datetime
    customer: Customer
    direction: Literal["in", "out"]
    content: Inbound
    context: Context | None = None
    status: str | None = None
    errors: list[ApiError] = []
    phase: int | None = None
    chunk_order: int | None = None
    progress: int | None = None


class HistoryDeclined(Struct, frozen=True, omit_defaults=True, tag="history_declined"):
    """The owner does not share the history of the number."""

    errors: list[ApiError] = []


class PreferenceChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="preference_changed"):
    """The customer chose in WhatsApp itself: `stop` ends marketing for him, `resume` and `signup` allow it."""

    customer: Customer
    category: str
    value: str
    detail: str | None = None
    at: datetime | None = None


class UserIdChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="user_id_changed"):
    """A customer's BSUID changed (retired field; now a `System` message). The customer is who he was."""

    customer: Customer
    previous: str | None = None
    current: str
    detail: str | None = None
    at: datetime | None = None


class ContactSynced(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="contact_synced"):
    """The phone app's address book changed (coexistence); `details` is the element as it came."""

    customer: Customer
    action: str | None = None
    at: datetime | None = None
    details: object = None


class CallReported(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="call_reported"):
    """A call began or ended; `details` is the element as it came. To be recorded only."""

    call_id: str
    customer: Customer
    event: str | None = None
    at: datetime | None = None
    details: object = None


class CallStatus(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="call_status"):
    """What became of a call of ours: not a message status."""

    call_id: str
    status: str
    customer: Customer
    at: datetime | None = None
    callback: str | None = None
    errors: list[ApiError] = []


class GroupChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="group_changed"):
    """A group's members, settings or life changed; `details` is the element as it came. To be recorded only."""

    group_id: str
    kind: str | None = None
    at: datetime | None = None
    details: object = None


class ErrorsReported(Struct, frozen=True, omit_defaults=True, tag="errors_reported"):
    """Trouble of the number, the app or the account: alert. Meta gives it no time and no id."""

    errors: list[ApiError]


class Unknown(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="unknown"):
    """Something we do not know or cannot read, kept whole in `raw` (a plain value, or JSON text if even that failed).

    `reason` is one word (`unknown_field`, `broken_message`, …); `detail` says where it failed, never what it contained.
    """

    reason: str
    raw: object
    detail: str | None = None
    at: datetime | None = None


Event: TypeAlias = (
    MessageReceived
    | StatusReported
    | MessageEchoed
    | HistoryReceived
    | HistoryDeclined
    | PreferenceChanged
    | UserIdChanged
    | ContactSynced
    | CallReported
    | CallStatus
    | GroupChanged
    | ErrorsReported
    | AccountEvent
    | Unknown
)


class Item(Struct, frozen=True):
    """One event with its address: its place in the delivery, the WABA, the number (None for account-level events), and the
    webhook field it came under (inferred if Meta left it out)."""

    position: int
    waba_id: str | None
    phone_number_id: str | None
    display_phone_number: str | None
    field: str
    event: Event


def dedup_key(item: Item) -> str:
    """The same text for the same thing delivered again, in whatever bytes; unique together with the number or the WABA.

    A message's is its wamid. Events without an id are known by a hash of what they say, their time included; Meta gives
    `value.errors` no time, so two such alerts of equal text have one key.
    """
    match item.event:
        case MessageReceived(wamid=wamid) | MessageEchoed(wamid=wamid):
            return wamid
        case StatusReported(wamid=wamid, status=status) as event:
            return f"status:{wamid}:{status}:{_participant(event)}"
        case HistoryReceived(wamid=wamid, content=content):
            return f"history:{wamid}:{content.__struct_config__.tag}"
        case CallReported(call_id=call_id, event=what):
            return f"call:{call_id}:{what or ''}"
        case CallStatus(call_id=call_id, status=status):
            return f"call-status:{call_id}:{status}"
        case event:
            said = msgspec.json.encode([item.waba_id, item.phone_number_id, item.field, event], order="deterministic")
            return f"sha256:{hashlib.sha256(said).hexdigest()}"


def _participant(event: StatusReported) -> str:
    return "" if event.group_id is None else event.customer.user_id or event.customer.phone or ""
