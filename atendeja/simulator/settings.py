"""What a simulator can be told, at its start or later by `POST /_sim/settings`."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from atendeja.wa import limits


class Number(Struct, frozen=True, forbid_unknown_fields=True):
    """One business number. What is not given is derived from the id, as in the samples (`100…1` → WABA `200…1` of portfolio
    `300…1`)."""

    phone_number_id: str
    waba_id: str = ""
    display_phone_number: str = ""
    verified_name: str = "Loja Exemplo"
    portfolio_id: str = ""

    def __post_init__(self) -> None:
        if not self.waba_id:
            msgspec.structs.force_setattr(self, "waba_id", "2" + self.phone_number_id[1:])
        if not self.portfolio_id:
            msgspec.structs.force_setattr(self, "portfolio_id", "3" + self.waba_id[1:])
        if not self.display_phone_number:
            msgspec.structs.force_setattr(self, "display_phone_number", f"551140{self.phone_number_id[-6:]:>06}")


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be chosen. Durations are seconds."""

    webhook_url: str | None = None
    """Where webhooks go; None: nowhere."""
    app_secret: str = "simulator-app-secret"  # noqa: S105  (signs pretended webhooks)
    """Signs them; the app under test must have the same."""
    tokens: tuple[str, ...] = ()
    """Bearer tokens that are accepted; none listed: any."""
    numbers: tuple[Number, ...] = ()
    """Business numbers that exist; none listed: every id made of digits."""
    host: str = "127.0.0.1"
    port: int = 8001
    """0: a free one."""
    log: str | None = None
    """File of the witness, appended to and fsynced before an answer leaves; None: in memory."""
    latency_s: float = 0
    """Wait between accepting a message and answering."""
    sent_s: float | None = 0
    """When `sent` is reported after acceptance; None: never. It may overtake the answer, as Meta's does."""
    delivered_s: float | None = 0.02
    read_s: float | None = 0.05
    rate: float | None = limits.NUMBER_RATE
    """Messages per second and number, in and out together, with a second's worth of burst; None: no limit (130429)."""
    pair: bool = True
    """Whether one person may only be written to once per 6 s after a burst (131056)."""
    pair_burst: int = 45
    """Messages that one person may get at once. Source: Meta, throughput (copy of 2026-09-11)."""
    window: bool = True
    """Whether a free-form message needs one from the customer in the last 24 h (131047)."""
    media_s: float = limits.MEDIA_ID_UPLOADED_S
    """How long the id of an uploaded file is good (131009)."""
    connections: int = 16
    """Webhooks in flight at once."""
    webhook_timeout_s: float = 10
    retry_first_s: float = 0.2
    """A refused webhook is repeated at once, then after this long, then twice as long …"""
    retry_most_s: float = 60

    def changed(self, changes: Mapping[str, object]) -> "Settings":
        """These settings with some replaced. Raises msgspec.ValidationError for an unknown name or a wrong type."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Settings)
