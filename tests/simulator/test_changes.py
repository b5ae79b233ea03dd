"""Our webhooks against Meta's: the same keys, the same types."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from atendeja.simulator import changes
from atendeja.simulator.settings import Number
from atendeja.simulator.world import Customer

SAMPLES = Path(__file__).parents[1] / "wa" / "samples"
NUMBER = Number("100000000000001")
ANA = Customer("BR.10000000000000000001", "5511900000001", "Ana Teste")
CAIO = Customer("BR.10000000000000000003", None, "Caio Exemplo", "caio.exemplo")
BIA = Customer("BR.10000000000000000002", "553190000002", "Bia Modelo")
WAMID = "wamid.YXRlbmRlamEvb3V0LTAwMDE="


def sample(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.json.decode((SAMPLES / f"{name}.json").read_bytes())
    return loaded


def shape(value: object) -> object:
    """The keys and types of a JSON value, whatever its contents."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)


def test_a_derived_number_is_the_one_of_the_samples() -> None:
    metadata = sample("inbound-text")["entry"][0]["changes"][0]["value"]["metadata"]
    assert NUMBER.display_phone_number == metadata["display_phone_number"]
    assert NUMBER.waba_id == sample("inbound-text")["entry"][0]["id"]


@pytest.mark.parametrize(
    ("name", "customer"),
    [
        ("inbound-text", ANA),
        ("inbound-text-bsuid-only", CAIO),
        ("inbound-text-wa-id-without-ninth-digit", BIA),
        ("inbound-text-reply-context", ANA),
        ("inbound-interactive-button-reply", ANA),
        ("inbound-interactive-list-reply", ANA),
        ("inbound-button-template-quick-reply", ANA),
        ("inbound-image", ANA),
        ("inbound-audio-voice", ANA),
        ("inbound-location", ANA),
        ("inbound-contacts", ANA),
        ("inbound-reaction", ANA),
        ("inbound-reaction-removed", ANA),
    ],
)
def test_a_customers_message_is_metas_to_the_last_byte_of_value(name: str, customer: Customer) -> None:
    wanted = sample(name)
    message = wanted["entry"][0]["changes"][0]["value"]["messages"][0]
    content = {key: message[key] for key in ("type", message["type"])}
    if "context" in message:
        content["context"] = {"id": message["context"]["id"]}
    change = changes.inbound(NUMBER, customer, message["id"], float(message["timestamp"]), content)
    assert changes.envelope([change]) == wanted


@pytest.mark.parametrize(
    ("name", "kind", "customer", "opaque", "template"),
    [
        ("status-sent", "sent", ANA, "m:000042", True),
        ("status-delivered", "delivered", ANA, "m:000042", True),
        ("status-delivered-bsuid-only", "delivered", CAIO, None, False),
        ("status-delivered-service-free-tier", "delivered", ANA, None, False),
        ("status-read", "read", ANA, "m:000042", True),
    ],
)
def test_a_status_is_metas(name: str, kind: str, customer: Customer, opaque: str | None, template: bool) -> None:
    wanted = sample(name)
    report = wanted["entry"][0]["changes"][0]["value"]["statuses"][0]
    change = changes.status(NUMBER, customer, report["id"], kind, float(report["timestamp"]), opaque, template=template)
    assert changes.envelope([change]) == wanted


def test_a_failed_status_names_no_contact() -> None:
    change = changes.failed(NUMBER, ANA, WAMID, 131026, 1795176006, "m:000043")
    assert shape(changes.envelope([change])) == shape(sample("status-failed-131026"))


def test_a_failed_status_of_a_hidden_phone_names_the_user() -> None:
    report = changes.failed(NUMBER, CAIO, WAMID, 131026, 0, None).body
    assert "BR.10000000000000000003" in str(report)
    assert "recipient_id" not in str(report)


def test_an_envelope_has_one_entry_per_waba() -> None:
    other = Number("100000000000002")
    both = [changes.inbound(number, ANA, "w", 0, {"type": "text", "text": {"body": "a"}}) for number in (NUMBER, other, NUMBER)]
    entries: Any = changes.envelope(both)["entry"]
    assert [(entry["id"], len(entry["changes"])) for entry in entries] == [("200000000000001", 2), ("200000000000002", 1)]
