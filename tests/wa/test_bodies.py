"""Contents that the samples do not show: odd, old and broken ones."""

import msgspec
import pytest
from msgspec import Raw

from atendeja.wa import messages
from atendeja.wa.bodies import read


def content(kind: str | None, **keys: object) -> messages.Inbound:
    return read(kind, Raw(msgspec.json.encode({"type": kind, **keys})))


def form(response_json: object) -> messages.Inbound:
    return content("interactive", interactive={"type": "nfm_reply", "nfm_reply": {"response_json": response_json}})


@pytest.mark.parametrize(
    ("response_json", "expected"),
    [
        ('{"a": 1}', messages.FormReply(response={"a": 1}, response_json='{"a": 1}')),
        ("[1]", messages.FormReply(response_json="[1]")),
        ("{", messages.FormReply(response_json="{")),
        ("[" * 5000, messages.FormReply(response_json="[" * 5000)),
        (None, messages.FormReply()),
        ({"a": 1}, messages.FormReply()),
    ],
)
def test_form_replies(response_json: object, expected: messages.FormReply) -> None:
    assert form(response_json) == expected


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        ("voice", {"voice": {"id": "1"}}, messages.MediaReceived("audio", "1")),
        ("image", {"image": {"id": 1, "caption": None}}, messages.MediaReceived("image", "1")),
        ("image", {"image": {"id": "1", "type": "x", "kind": "y"}}, messages.MediaReceived("image", "1")),
        ("text", {"text": {"body": "null"}}, messages.Text("null")),
        ("text", {"text": {"body": 7}}, messages.Text("7")),
        ("text", {"text": {"body": "a", "type": "x"}}, messages.Text("a")),
        ("reaction", {"reaction": {"message_id": "1", "emoji": ""}}, messages.Reaction("1")),
        ("location", {"location": {"latitude": 0, "longitude": 0}}, messages.Location(0, 0)),
        ("system", {"system": {"new_wa_id": 55}}, messages.System(wa_id="55")),
        ("unsupported", {}, messages.Unsupported()),
        ("unsupported", {"unsupported": 7}, messages.Unsupported()),
        ("edit", {"edit": {"original_message_id": "1", "message": {}}}, messages.Edit("1", messages.Unknown(None, {}))),
    ],
)
def test_odd_contents(kind: str, keys: dict[str, object], expected: messages.Inbound) -> None:
    assert content(kind, **keys) == expected


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (None, {}),
        ("novo", {"novo": {"a": 1}}),
        ("text", {}),
        ("text", {"text": {}}),
        ("text", {"text": {"body": ["a"]}}),
        ("image", {}),
        ("image", {"image": "x"}),
        ("location", {"location": {"latitude": "nan", "longitude": 0}}),
        ("location", {"location": {"latitude": 91, "longitude": 0}}),
        ("order", {"order": {"product_items": [{"product_retailer_id": "a", "item_price": "inf"}]}}),
        ("contacts", {"contacts": {}}),
        ("interactive", {"interactive": {"type": "novo"}}),
        ("edit", {"edit": {"original_message_id": "1", "message": 7}}),
    ],
)
def test_what_cannot_be_read_is_kept_whole(kind: str | None, keys: dict[str, object]) -> None:
    assert content(kind, **keys) == messages.Unknown(kind, {"type": kind, **keys})


def test_no_reader_is_missing_for_a_type_of_the_reference() -> None:
    kinds = (
        "text image video audio document sticker location contacts button interactive reaction order system unsupported edit revoke"
    )
    for kind in kinds.split():
        assert content(kind) == messages.Unknown(kind, {"type": kind}) or kind in ("unsupported", "system")
    assert content("request_welcome") == messages.RequestWelcome()
