"""Webhook fields whose value is one event of a whole WABA: templates, numbers, limits, the account itself.

They name no phone_number_id; some hold a display number or an entity id. Meta's own field names are kept, and `at` is the
entry's time. A new field is a struct, its name in `AccountEvent`, a line in `READERS` and a sample with its events. Source: Meta,
webhooks reference (account_alerts, account_update, business_capability_update, message_template_status_update, security, …).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

from msgspec import Struct

from atendeja.wa.wire import Reader


class TemplateStatusChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="template_status_changed"):
    """`event` is APPROVED, REJECTED, PAUSED, DISABLED, …; in the language `-` equals `_`."""

    event: str
    message_template_id: str | None = None
    message_template_name: str | None = None
    message_template_language: str | None = None
    message_template_category: str | None = None
    reason: str | None = None
    rejection_info: dict[str, object] | None = None
    disable_info: dict[str, object] | None = None
    other_info: dict[str, object] | None = None
    at: datetime | None = None


class TemplateQualityChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="template_quality_changed"):
    """GREEN, YELLOW, RED or UNKNOWN; RED leads to a pause."""

    new_quality_score: str
    previous_quality_score: str | None = None
    message_template_id: str | None = None
    message_template_name: str | None = None
    message_template_language: str | None = None
    at: datetime | None = None


class TemplateCategoryChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="template_category_changed"):
    """The price of a template changed, or, with `correct_category`, is going to."""

    new_category: str
    previous_category: str | None = None
    correct_category: str | None = None
    message_template_id: str | None = None
    message_template_name: str | None = None
    message_template_language: str | None = None
    at: datetime | None = None


class TemplateComponentsChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="template_components_changed"):
    """A template's text was edited: fetch it again."""

    message_template_id: str | None = None
    message_template_name: str | None = None
    message_template_language: str | None = None
    message_template_title: str | None = None
    message_template_element: str | None = None
    message_template_footer: str | None = None
    message_template_buttons: list[dict[str, object]] = []
    at: datetime | None = None


class NumberQualityChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="number_quality_changed"):
    """`event` ONBOARDING, THROUGHPUT_UPGRADE (raise our rate) or an older one."""

    event: str
    display_phone_number: str | None = None
    max_daily_conversations_per_business: str | None = None
    current_limit: str | None = None
    old_limit: str | None = None
    at: datetime | None = None


class NumberNameReviewed(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="number_name_reviewed"):
    """Meta's decision on a display name."""

    decision: str
    display_phone_number: str | None = None
    requested_verified_name: str | None = None
    rejection_reason: str | None = None
    at: datetime | None = None


class AccountUpdated(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="account_updated"):
    """Violation, restriction, ban, deletion, price tier and more, by `event`."""

    event: str
    phone_number: str | None = None
    country: str | None = None
    violation_info: dict[str, object] | None = None
    restriction_info: list[dict[str, object]] | None = None
    ban_info: dict[str, object] | None = None
    volume_tier_info: dict[str, object] | None = None
    waba_info: dict[str, object] | None = None
    at: datetime | None = None


class AccountReviewed(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="account_reviewed"):
    """Meta's decision on the account."""

    decision: str
    at: datetime | None = None


class AccountAlerted(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="account_alerted"):
    """A notice on a business, a number or its limits: show it."""

    entity_type: str | None = None
    entity_id: str | None = None
    alert_info: dict[str, object] | None = None
    at: datetime | None = None


class CapabilityChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="capability_changed"):
    """The portfolio's limits: `TIER_2K`, `2000` or `-1` for unlimited, as Meta gave it."""

    max_daily_conversations_per_business: str | None = None
    max_daily_conversation_per_phone: str | None = None
    max_phone_numbers_per_business: int | None = None
    max_phone_numbers_per_waba: int | None = None
    at: datetime | None = None


class SecurityReported(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="security_reported"):
    """PIN_CHANGED, PIN_RESET_REQUEST, PIN_REQUEST_SUCCESS: alert the owner."""

    event: str
    display_phone_number: str | None = None
    requester: str | None = None
    at: datetime | None = None


class FormChanged(Struct, frozen=True, omit_defaults=True, kw_only=True, tag="form_changed"):
    """A WhatsApp Flow changed its status, or its endpoint is in trouble."""

    event: str
    message: str | None = None
    flow_id: str | None = None
    old_status: str | None = None
    new_status: str | None = None
    at: datetime | None = None


AccountEvent: TypeAlias = (
    TemplateStatusChanged
    | TemplateQualityChanged
    | TemplateCategoryChanged
    | TemplateComponentsChanged
    | NumberQualityChanged
    | NumberNameReviewed
    | AccountUpdated
    | AccountReviewed
    | AccountAlerted
    | CapabilityChanged
    | SecurityReported
    | FormChanged
)
"""Everything that can happen to a whole WABA."""

READERS: Final[Mapping[str, Reader[AccountEvent]]] = {
    "message_template_status_update": Reader(TemplateStatusChanged),
    "message_template_quality_update": Reader(TemplateQualityChanged),
    "template_category_update": Reader(TemplateCategoryChanged),
    "message_template_components_update": Reader(TemplateComponentsChanged),
    "phone_number_quality_update": Reader(NumberQualityChanged),
    "phone_number_name_update": Reader(NumberNameReviewed),
    "account_update": Reader(AccountUpdated),
    "account_review_update": Reader(AccountReviewed),
    "account_alerts": Reader(AccountAlerted),
    "business_capability_update": Reader(CapabilityChanged),
    "security": Reader(SecurityReported),
    "flows": Reader(FormChanged),
}
"""How the value of each field is read."""
