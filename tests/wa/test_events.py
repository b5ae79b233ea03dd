"""The key under which the same thing meets itself (F1)."""

from pathlib import Path

import msgspec
import pytest

from atendeja.wa.delivery import parse
from atendeja.wa.events import MessageReceived, dedup_key

SAMPLES = Path(__file__).parent / "samples"


def keys(case: str) -> list[str]:
    return [dedup_key(item) for item in parse((SAMPLES / f"{case}.json").read_bytes())]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("inbound-text", ["wamid.YXRlbmRlamEvaW4tMDAwMQ=="]),
        ("webhook-smb-message-echo", ["wamid.YXRlbmRlamEvZWNoby0wMDAx"]),
        ("status-sent", ["status:wamid.YXRlbmRlamEvb3V0LTAwMDE=:sent:"]),
        ("status-read-group", ["status:wamid.YXRlbmRlamEvb3V0LTAwMTA=:read:BR.10000000000000000001"]),
        ("webhook-calls-terminate", ["call:wacid.RklDVElDSU8x:terminate"]),
        (
            "webhook-history",
            ["history:wamid.YXRlbmRlamEvaGlzdC0wMDAx:text", "history:wamid.YXRlbmRlamEvaGlzdC0wMDAy:unsupported"],
        ),
    ],
)
def test_keys_of_what_has_an_id(case: str, expected: list[str]) -> None:
    assert keys(case) == expected


def test_keys_of_what_has_none_differ_by_content_and_time_not_by_bytes() -> None:
    whole = msgspec.json.decode((SAMPLES / "webhook-template-quality.json").read_bytes())
    change = whole["entry"][0]["changes"][0]

    def key() -> str:
        [item] = parse(msgspec.json.encode(whole))
        return dedup_key(item)

    first = key()
    change["value"] = dict(reversed(change["value"].items()))
    assert key() == first == keys("webhook-template-quality")[0]
    change["value"]["new_quality_score"] = "RED"
    second = key()
    whole["entry"][0]["time"] += 1
    assert len({first, second, key()}) == 3


def test_every_sample_has_a_key_of_its_own() -> None:
    names = ("inbound", "status", "webhook", "value-errors")
    found = [key for path in SAMPLES.glob("*.json") if path.stem.startswith(names) for key in keys(path.stem)]
    assert len(found) == len(set(found)) > 80


@pytest.mark.parametrize(
    ("case", "starts"),
    [
        ("inbound-text", True),
        ("inbound-text-group", False),
        ("inbound-image", True),
        ("inbound-media-too-big-131052", True),
        ("inbound-location", True),
        ("inbound-contacts", True),
        ("inbound-button-template-quick-reply", True),
        ("inbound-interactive-list-reply", True),
        ("inbound-interactive-flow-reply", True),
        ("inbound-order", True),
        ("inbound-reaction", False),
        ("inbound-system-user-changed-number", False),
        ("inbound-unsupported-131060", False),
        ("inbound-edit", False),
        ("inbound-revoke", False),
        ("inbound-request-welcome-retired", False),
    ],
)
def test_what_a_bot_may_answer(case: str, starts: bool) -> None:
    [item] = parse((SAMPLES / f"{case}.json").read_bytes())
    assert isinstance(item.event, MessageReceived)
    assert item.event.starts_turn is starts
