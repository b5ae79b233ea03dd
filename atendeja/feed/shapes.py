"""What the feed tells, as integrators get it: one struct per type, the same in a stream and in an outgoing webhook.

A type is a struct of its data, its envelope and the name of that in `Event`. Types and fields may be added, never changed.
"""

from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from msgspec import Meta, Raw, Struct

from atendeja.endpoint import Instant


class Received(Struct, frozen=True):
    """A customer wrote, tapped or sent something."""

    event_id: UUID
    contact_id: UUID
    conversation_id: UUID
    number_id: UUID
    wamid: Annotated[str, Meta(description="WhatsApp's name of the message.", examples=["wamid.HBgLNTUxMTk5"])]
    content: Annotated[
        Raw, Meta(description="What was sent: `type` says what the rest is.", examples=[{"type": "text", "body": "Quero agendar"}])
    ]
    context: Annotated[Raw | None, Meta(description="Which message it answers, or that it was forwarded.", examples=[None])]
    sent_at: Annotated[Instant, Meta(description="By WhatsApp's clock.")]


class Status(Struct, frozen=True):
    """A message of ours is in another state. Several that come at once are told as the last of them."""

    message_id: UUID
    contact_id: UUID
    conversation_id: UUID
    number_id: UUID
    state: Literal["accepted", "sent", "delivered", "read", "played", "failed", "withdrawn", "unknown"]
    reason: Annotated[str | None, Meta(description="Why it was withdrawn.")]
    code: Annotated[int | None, Meta(description="Meta's, of a failure.")]
    wamid: Annotated[str | None, Meta(description="WhatsApp's name of it.")]
    source: Annotated[Literal["turn", "agent", "api", "campaign", "echo"], Meta(description="Who wrote it.")]
    source_id: UUID


ConversationChange = Literal["handed_off", "taken_over", "released", "closed"]


class Changed(Struct, frozen=True):
    """Somebody else answers a conversation now, or it is closed."""

    conversation_id: UUID
    contact_id: UUID
    number_id: UUID
    change: Annotated[
        ConversationChange,
        Meta(description="The bot gave it to people; a person stepped in; back to the bot; over."),
    ]
    owner: Literal["bot", "human"]
    queue: Annotated[str | None, Meta(examples=["balcao"])]


class ConsentDeclared(Struct, frozen=True):
    """A contact agreed to something, or does no longer."""

    contact_id: UUID
    purpose: Annotated[str, Meta(examples=["marketing"])]
    state: Literal["in", "out"]
    source: Literal["word", "flow", "whatsapp", "admin", "merge", "tombstone"]


class Published(Struct, frozen=True):
    """A version of a flow answers from now on."""

    flow_version_id: UUID
    key: Annotated[str, Meta(description="The flow's.", examples=["oficina_atendimento"])]
    version: Annotated[int, Meta(examples=[3])]
    number_id: Annotated[UUID | None, Meta(description="Only on this number.")]


class Noticed(Struct, frozen=True):
    """Something that a person should know."""

    kind: Annotated[str, Meta(examples=["webhook_disabled"])]
    subject: Annotated[str, Meta(description="The id of what it is about.")]
    detail: Annotated[str | None, Meta(description="More of it.")]


class Tried(Struct, frozen=True):
    """A webhook was tried out."""

    webhook_id: UUID


Data = Received | Status | Changed | ConsentDeclared | Published | Noticed | Tried


class Envelope(Struct, frozen=True, tag_field="type"):
    """One thing that happened."""

    id: Annotated[UUID, Meta(description="The same wherever and however often it is told.")]
    timestamp: Annotated[Instant, Meta(description="When it happened.")]


class MessageReceived(Envelope, frozen=True, tag="message.received"):
    data: Received


class MessageStatus(Envelope, frozen=True, tag="message.status"):
    data: Status


class ConversationChanged(Envelope, frozen=True, tag="conversation.changed"):
    data: Changed


class ContactConsent(Envelope, frozen=True, tag="contact.consent"):
    data: ConsentDeclared


class FlowPublished(Envelope, frozen=True, tag="flow.published"):
    data: Published


class Notice(Envelope, frozen=True, tag="notice"):
    data: Noticed


class WebhookTest(Envelope, frozen=True, tag="webhook.test"):
    data: Tried


Event: TypeAlias = MessageReceived | MessageStatus | ConversationChanged | ContactConsent | FlowPublished | Notice | WebhookTest
KINDS = (MessageReceived, MessageStatus, ConversationChanged, ContactConsent, FlowPublished, Notice, WebhookTest)

TYPES: dict[type[Struct], str] = {kind.__annotations__["data"]: str(kind.__struct_config__.tag) for kind in KINDS}
"""Of the data → the name of the type."""
NAMES = tuple(TYPES.values())
