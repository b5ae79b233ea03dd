"""Deliveries that no sample shows, and those that want to break the parser (F2, F4, F9, F10, S12)."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atendeja.errors import WireError
from atendeja.wa import events, messages
from atendeja.wa.delivery import parse
from atendeja.wa.events import Item

SAMPLES = Path(__file__).parent / "samples"
WEBHOOKS = re.compile(r"(inbound|status|value-errors|batch|webhook)-.*")
CASES = sorted(path.stem for path in SAMPLES.glob("*.json") if WEBHOOKS.fullmatch(path.stem))


def body(case: str) -> bytes:
    return (SAMPLES / f"{case}.json").read_bytes()


def only(case: str) -> events.Event:
    [item] = parse(body(case))
    return item.event


def delivery(*values: object, field: str = "messages") -> bytes:
    changes = [{"field": field, "value": value} for value in values]
    entry = {"id": "200000000000001", "changes": changes}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


def value(**keys: object) -> dict[str, object]:
    metadata = {"display_phone_number": "551140000001", "phone_number_id": "100000000000001"}
    return {"messaging_product": "whatsapp", "metadata": metadata, **keys}


def written(text: object = "oi", wamid: object = "wamid.1", **keys: object) -> dict[str, object]:
    head = {"from": "5511900000001", "id": wamid, "timestamp": "1795176000", "type": "text"}
    return {**head, "text": {"body": text}, **keys}


def raw_text(encoded: str) -> bytes:
    """A delivery with this JSON string, still encoded, as the text of its one message."""
    return delivery(value(messages=[written("@@")])).replace(b'"@@"', encoded.encode())


def message(body: bytes) -> events.MessageReceived:
    [item] = parse(body)
    assert isinstance(item.event, events.MessageReceived)
    return item.event


def test_positions_and_addresses_of_a_batch_of_two_tenants() -> None:
    items = parse(body("batch-mixed-two-tenants"))
    assert [item.position for item in items] == [0, 1, 2, 3, 4]
    assert [item.phone_number_id for item in items] == ["100000000000001"] * 4 + ["100000000000002"]
    assert [item.waba_id for item in items] == ["200000000000001"] * 4 + ["200000000000002"]


def test_a_thousand_changes_in_order() -> None:
    items = parse(delivery(*(value(messages=[written(wamid=f"wamid.{n}")]) for n in range(1000))))
    assert [item.position for item in items] == list(range(1000))
    assert [events.dedup_key(item) for item in items] == [f"wamid.{n}" for n in range(1000)]


def test_the_same_message_twice_gives_two_items() -> None:
    items = parse(delivery(value(messages=[written(), written()])))
    assert [events.dedup_key(item) for item in items] == ["wamid.1", "wamid.1"]


@pytest.mark.parametrize(
    "broken", [None, 7, "x", [], {}, {"id": "wamid.0"}, written(wamid=None), written(wamid="x" * 513), written(timestamp="soon")]
)
def test_a_broken_message_costs_none_of_its_neighbours(broken: object) -> None:
    items = parse(delivery(value(messages=[written(wamid="a"), broken, written(wamid="b")])))
    assert [type(item.event).__name__ for item in items] == ["MessageReceived", "Unknown", "MessageReceived"]
    unknown = items[1].event
    assert isinstance(unknown, events.Unknown)
    assert (unknown.reason, unknown.raw) == ("broken_message", broken)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"contacts": 7}, "broken_contact"),
        ({"contacts": [7]}, "broken_contact"),
        ({"statuses": 7}, "broken_status"),
        ({"statuses": [{"id": "wamid.9"}]}, "broken_status"),
        ({"history": 7}, "broken_history"),
        ({"history": [7]}, "broken_history"),
        ({"history": [{"threads": [7]}]}, "broken_history"),
        ({"calls": [{}]}, "broken_call"),
    ],
)
def test_other_broken_parts_leave_the_message(changed: dict[str, object], reason: str) -> None:
    found = [item.event for item in parse(delivery(value(messages=[written()], **changed)))]
    assert [event.reason for event in found if isinstance(event, events.Unknown)] == [reason]
    assert [event.wamid for event in found if isinstance(event, events.MessageReceived)] == ["wamid.1"]


@pytest.mark.parametrize("part", ["context", "referral", "errors"])
@pytest.mark.parametrize("odd", [7, "x", [7], {"id": [7]}])
def test_an_odd_part_leaves_the_message(part: str, odd: object) -> None:
    assert message(delivery(value(messages=[written("oi", **{part: odd})]))).content == messages.Text("oi")


@pytest.mark.parametrize("part", ["pricing", "conversation", "errors"])
def test_an_odd_part_leaves_the_status(part: str) -> None:
    status = {"id": "wamid.1", "status": "read", "timestamp": 1795176000, part: {"billable": [7], "id": {}}}
    [item] = parse(delivery(value(statuses=[status])))
    assert isinstance(item.event, events.StatusReported)
    assert item.event.status == "read"


@pytest.mark.parametrize("entry", [7, {"id": "1", "changes": 7}, {"id": {}, "changes": []}])
def test_a_broken_entry_costs_none_of_its_neighbours(entry: object) -> None:
    whole = msgspec.json.decode(delivery(value(messages=[written()])))
    whole["entry"].insert(0, entry)
    first, second = parse(msgspec.json.encode(whole))
    assert isinstance(first.event, events.Unknown)
    assert isinstance(second.event, events.MessageReceived)


@pytest.mark.parametrize("broken", [7, {"value": 7}, {"field": "account_update", "value": {}}, {"field": "account_update"}])
def test_a_broken_change_costs_none_of_its_neighbours(broken: object) -> None:
    whole = msgspec.json.decode(delivery(value(messages=[written()])))
    whole["entry"][0]["changes"].insert(0, broken)
    first, second = parse(msgspec.json.encode(whole))
    assert isinstance(first.event, events.Unknown)
    assert first.waba_id == "200000000000001"
    assert isinstance(second.event, events.MessageReceived)


@pytest.mark.parametrize("field", ["payment_configuration_update", "tracking_events", "novo"])
def test_an_unknown_field_is_kept_whole(field: str) -> None:
    [item] = parse(delivery({"x": [1, {"y": None}]}, field=field))
    assert item.field == field
    assert item.event == events.Unknown(reason="unknown_field", raw={"x": [1, {"y": None}]})


def test_a_missing_field_is_inferred() -> None:
    whole = msgspec.json.decode(delivery(value(messages=[written()])))
    del whole["entry"][0]["changes"][0]["field"]
    [item] = parse(msgspec.json.encode(whole))
    assert item.field == "messages"
    assert isinstance(item.event, events.MessageReceived)


def test_without_metadata_there_is_no_number() -> None:
    [item] = parse(delivery({"messages": [written()]}))
    assert item.phone_number_id is None
    assert isinstance(item.event, events.MessageReceived)


def test_numbers_as_text_and_ids_as_numbers() -> None:
    location = {"from": 5511900000001, "id": 7, "timestamp": 1795176000, "type": "location", "text": None}
    odd = {**location, "location": {"latitude": "-23.5", "longitude": 0, "name": None}}
    metadata = {"display_phone_number": 551140000001, "phone_number_id": 100000000000001}
    whole = msgspec.json.decode(delivery({"metadata": metadata, "messages": [odd]}))
    whole["entry"][0]["id"] = 200000000000001
    [item] = parse(msgspec.json.encode(whole))
    assert (item.waba_id, item.phone_number_id) == ("200000000000001", "100000000000001")
    assert isinstance(item.event, events.MessageReceived)
    assert (item.event.wamid, item.event.customer.phone) == ("7", "5511900000001")
    assert item.event.content == messages.Location(-23.5, 0)


@pytest.mark.parametrize("timestamp", ["1795176000", 1795176000, "1795176000000", 1795176000000, 1795176000.0])
def test_timestamps_in_seconds_and_milliseconds(timestamp: object) -> None:
    assert message(delivery(value(messages=[written(timestamp=timestamp)]))).sent_at == datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_history_media_that_comes_later_is_history() -> None:
    [item] = parse(delivery(value(messages=[written()]), field="history"))
    assert isinstance(item.event, events.HistoryReceived)
    assert item.event.direction == "in"


def test_call_statuses_are_not_message_statuses() -> None:
    status = {"id": "wacid.1", "status": "RINGING", "timestamp": "1795176000", "recipient_id": "5511900000001"}
    [item] = parse(delivery(value(statuses=[status]), field="calls"))
    assert isinstance(item.event, events.CallStatus)


def test_a_business_call_is_about_the_callee() -> None:
    call = {"id": "wacid.1", "from": "551140000001", "to": "5511900000001", "direction": "BUSINESS_INITIATED"}
    [item] = parse(delivery(value(calls=[call]), field="calls"))
    assert isinstance(item.event, events.CallReported)
    assert item.event.customer.phone == "5511900000001"


def test_a_notice_of_a_new_bsuid_is_about_the_person_who_had_the_old_one() -> None:
    event = only("inbound-system-user-changed-user-id")
    assert isinstance(event, events.MessageReceived)
    assert event.customer.user_id == "BR.10000000000000000003"


def test_a_stop_counts_even_without_a_time() -> None:
    stop = {"user_id": "BR.1", "category": "marketing_messages", "value": "stop", "timestamp": "?"}
    [item] = parse(delivery(value(user_preferences=[stop]), field="user_preferences"))
    assert item.event == events.PreferenceChanged(
        customer=events.Customer(user_id="BR.1"), category="marketing_messages", value="stop"
    )


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        (r'"a\u0000b"', "a�b"),
        (r'"a\ud83d"', "a�"),
        (r'"\ud83dx"', "�x"),
        (r'"\ude00\ud83d"', "��"),
        (r'"\uD83D\uDE00"', "😀"),
        (r'"\ud83d\ud83d\ude00"', "�😀"),
        (r'"\\u0000"', r"\u0000"),
        (r'"\\\u0000"', "\\�"),
        ('"a\x00b"', "a�b"),
        ('"\\u00e1 á 😀"', "á á 😀"),
        ('"' + "😀" * 4096 + '"', "😀" * 4096),
        ('"' + r"\ud83d\ude00" * 4096 + '"', "😀" * 4096),
    ],
)
def test_text_that_postgres_would_refuse_is_cleaned(encoded: str, text: str) -> None:
    assert message(raw_text(encoded)).content == messages.Text(text)


def test_a_form_answer_is_cleaned_twice() -> None:
    form = {"name": "flow", "body": "Sent", "response_json": r'{"nome": "a\u0000b", "x": "\ud800"}'}
    interactive = {"type": "nfm_reply", "nfm_reply": form}
    content = message(delivery(value(messages=[written(type="interactive", interactive=interactive)]))).content
    assert isinstance(content, messages.FormReply)
    assert content.response == {"nome": "a�b", "x": "�"}


DEEP = "[" * 500 + "]" * 500


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("messages", f'{{"messages": [{{"id": "1", "timestamp": 1, "type": "novo", "novo": {DEEP}}}]}}'),
        ("messages", f'{{"messages": [{{"id": "1", "timestamp": 1, "type": "contacts", "contacts": [{{"x": {DEEP}}}]}}]}}'),
        ("account_update", f'{{"event": "X", "ban_info": {{"x": {DEEP}}}}}'),
        ("novo", DEEP),
        ("novo", f'{{"x": {"9" * 5000}}}'),
        ("calls", f'{{"calls": [{{"id": "1", "x": {DEEP}}}]}}'),
    ],
)
def test_what_is_too_deep_or_too_big_is_kept_as_text(field: str, change: str) -> None:
    entry = f'{{"object": "whatsapp_business_account", "entry": [{{"changes": [{{"field": "{field}", "value": {change}}}]}}]}}'
    encoded = msgspec.json.encode(parse(entry.encode()))
    assert depth(msgspec.json.decode(encoded)) < 16
    assert b"[[[[" in encoded or b"99999" in encoded


def depth(tree: object) -> int:
    branches = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else []
    return 1 + max(map(depth, branches), default=0)


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (b"", "not_json"),
        (b"\x00", "not_json"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b"7", "not_an_object"),
        (b'"x"', "not_an_object"),
        (b"{} x", "not_json"),
        (b'{"object": NaN}', "not_json"),
        (b'{"x": Infinity}', "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"x": "\xff"}', "bad_utf8"),
        (b'{"x": "\xed\xa0\x80"}', "bad_utf8"),
        (b"[" * 100_000, "not_an_object"),
        (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
        (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
        (b'{"object": "whatsapp_business_account", "entry": 7}', "bad_entries"),
        (b'{"object": "whatsapp_business_account", "entry": {}}', "bad_entries"),
    ],
)
def test_an_envelope_that_cannot_be_read(hostile: bytes, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(hostile)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "empty",
    [
        b"{}",
        b'{"object": null}',
        b'{"object": "page", "entry": [{"id": "1", "changes": []}]}',
        b'{"object": "whatsapp_business_account"}',
        b'{"object": "whatsapp_business_account", "entry": null}',
        b'{"object": "whatsapp_business_account", "entry": []}',
        b'{"object": "whatsapp_business_account", "entry": [{"id": "1"}]}',
        b'{"object": "page", "object": {}, "x": ' + b"9" * 5000 + b"}",
    ],
)
def test_deliveries_without_events(empty: bytes) -> None:
    assert parse(empty) == []


def test_of_double_keys_the_last_one_counts() -> None:
    twice = delivery(value(messages=[written("@@")])).replace(b'"@@"', b'"um","body":"dois"')
    assert message(twice).content == messages.Text("dois")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
TREES = [msgspec.json.decode(body(case)) for case in CASES]


def is_storable(items: list[Item]) -> bool:
    encoded = msgspec.json.encode(items)
    again = msgspec.json.decode(encoded, type=list[Item])
    return b"\\u0000" not in encoded.replace(b"\\\\", b"") and [item.position for item in again] == list(range(len(again)))


def changed(data: st.DataObject, node: object) -> object:
    """The tree with something else in one place."""
    if not isinstance(node, dict | list) or not node or data.draw(st.integers(0, 5)) == 0:
        return data.draw(JSON)
    if isinstance(node, list):
        place = data.draw(st.integers(0, len(node) - 1))
        return [changed(data, item) if index == place else item for index, item in enumerate(node)]
    chosen = data.draw(st.sampled_from(sorted(node)))
    return {key: changed(data, item) if key == chosen else item for key, item in node.items()}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_sample_with_anything_in_it_is_parsed(data: st.DataObject) -> None:
    tree = data.draw(st.sampled_from(TREES))
    entry = changed(data, tree["entry"])
    try:
        items = parse(msgspec.json.encode({**tree, "entry": entry}))
    except WireError as error:
        assert error.reason == "bad_entries"
        assert entry is not None
        return
    assert is_storable(items)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CASES), st.integers(0, 100_000), st.binary(max_size=12), st.integers(0, 12))
def test_a_sample_with_bytes_changed_raises_nothing_but_wire_errors(case: str, place: int, put: bytes, drop: int) -> None:
    whole = body(case)
    at = place % len(whole)
    try:
        items = parse(whole[:at] + put + whole[at + drop :])
    except WireError:
        return
    assert is_storable(items)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=20))
def test_any_text_is_kept_or_cleaned(text: str) -> None:
    escaped = "".join(f"\\u{unit:04x}" for unit in _units(text))
    content = message(raw_text(f'"{escaped}"')).content
    assert content == messages.Text(
        "".join("�" if char == "\0" or "\ud800" <= char <= "\udfff" else char for char in _joined(text))
    )


def _units(text: str) -> list[int]:
    encoded = text.encode("utf-16-be", errors="surrogatepass")
    return [int.from_bytes(encoded[i : i + 2], "big") for i in range(0, len(encoded), 2)]


def _joined(text: str) -> str:
    """The text with surrogates that happen to stand side by side read as the pair they are."""
    return text.encode("utf-16-be", errors="surrogatepass").decode("utf-16-be", errors="surrogatepass")
