"""Every answer we know → its verdict, and every answer that nobody can read (F33 to F43)."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja.wa.reply import (
    Accepted,
    Misconfigured,
    Throttled,
    Unavailable,
    Undeliverable,
    Unsettled,
    Upload,
    Uploaded,
    Verdict,
    lost,
    not_sent,
    read,
    read_ok,
    read_upload,
)

SAMPLES = Path(__file__).parent / "samples"


def body(case: str) -> bytes:
    return (SAMPLES / f"{case}.json").read_bytes()


def wamid(number: str) -> str:
    return f"wamid.YXRlbmRlamEvb3V0L{number}="


ANSWERS: dict[str, tuple[int, Verdict]] = {
    "response-send": (200, Accepted(wamid("TAwMDE"), "5511900000001")),
    "response-send-bsuid": (200, Accepted(wamid("TAwMDk"), None, "BR.10000000000000000003")),
    "response-send-ninth-digit": (200, Accepted(wamid("TAwMDg"), "553190000002")),
    "response-send-template-accepted": (200, Accepted(wamid("TAwMDE"), "5511900000001")),
    "response-send-template-held-for-quality-assessment": (200, Accepted(wamid("TAwMjQ"), "5511900000001", held=True)),
    "response-send-template-paused": (200, Accepted(wamid("TAwMjc"), "5511900000001", held=True)),
}

NOT_SENDS = (
    "response-block-users",
    "response-business-profile",
    "response-mark-read",
    "response-media-get",
    "response-media-upload",
    "response-phone-number",
    "response-phone-numbers-list",
    "response-subscribed-apps",
    "response-success",
    "response-template-create",
    "response-template-list-empty",
    "response-template-list-page-1",
    "response-template-list-page-2",
)
"""Answers to other calls: to a send they would prove nothing."""

REFUSALS: dict[str, tuple[int, type[Verdict], str]] = {
    "error-0": (401, Misconfigured, "number"),
    "error-10": (403, Misconfigured, "number"),
    "error-100": (400, Undeliverable, "bug"),
    "error-100-33-unknown-phone-number-id": (400, Misconfigured, "number"),
    "error-130429": (429, Throttled, "number"),
    "error-131000": (500, Unsettled, "something went wrong"),
    "error-131005": (403, Misconfigured, "number"),
    "error-131008": (400, Undeliverable, "bug"),
    "error-131009": (400, Undeliverable, "bug"),
    "error-131016": (500, Unsettled, "service unavailable"),
    "error-131021": (400, Undeliverable, "refused"),
    "error-131026": (400, Undeliverable, "refused"),
    "error-131030": (400, Undeliverable, "refused"),
    "error-131031": (403, Misconfigured, "number"),
    "error-131042": (400, Misconfigured, "number"),
    "error-131047": (400, Undeliverable, "refused"),
    "error-131048": (400, Misconfigured, "campaign"),
    "error-131051": (400, Undeliverable, "bug"),
    "error-131056": (400, Throttled, "pair"),
    "error-131057": (500, Throttled, "number"),
    "error-131062": (400, Undeliverable, "refused"),
    "error-132000": (400, Misconfigured, "template"),
    "error-132001": (404, Misconfigured, "template"),
    "error-132012": (400, Undeliverable, "refused"),
    "error-132015": (400, Misconfigured, "template"),
    "error-132016": (400, Misconfigured, "template"),
    "error-132018": (400, Misconfigured, "template"),
    "error-133010": (400, Misconfigured, "number"),
    "error-133016": (400, Undeliverable, "bug"),
    "error-135000": (400, Unavailable, "Message failed to send because of an unknown error with your request parameters."),
    "error-190-expired-token": (401, Misconfigured, "number"),
    "error-2-transient": (503, Unsettled, "down or overloaded"),
    "error-368": (403, Misconfigured, "number"),
    "error-4": (400, Throttled, "number"),
    "error-80007": (400, Throttled, "number"),
    "error-template-create-2388023-name-in-deletion": (400, Undeliverable, "bug"),
    "response-block-users-partial-failure": (400, Undeliverable, "bug"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_acceptances(case: str) -> None:
    status, verdict = ANSWERS[case]
    assert read(status, {}, body(case)) == verdict


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case: str) -> None:
    status, kind, word = REFUSALS[case]
    verdict = read(status, {}, body(case))
    assert isinstance(verdict, kind)
    assert word in msgspec.structs.astuple(verdict)
    assert msgspec.json.decode(body(case))["error"]["code"] in msgspec.structs.astuple(verdict)


@pytest.mark.parametrize("case", NOT_SENDS)
def test_an_answer_to_another_call_settles_nothing(case: str) -> None:
    assert isinstance(read(200, {}, body(case)), Unsettled)


def test_every_answer_sample_is_listed() -> None:
    names = {path.stem for path in SAMPLES.glob("*.json") if path.stem.startswith(("response-", "error-"))}
    assert names == ANSWERS.keys() | REFUSALS.keys() | set(NOT_SENDS)


@pytest.mark.parametrize("status", [200, 400, 403, 429, 500, 503])
@pytest.mark.parametrize("case", ["error-131047", "error-131000", "error-130429"])
def test_a_listed_code_means_the_same_under_any_http_status(case: str, status: int) -> None:
    assert read(status, {}, body(case)) == read(400, {}, body(case))


def error(code: object, **keys: object) -> bytes:
    return msgspec.json.encode({"error": {"message": "(#x) y", "code": code, **keys}})


@pytest.mark.parametrize(
    ("status", "answer", "verdict"),
    [
        (400, error(777), Undeliverable(777, "refused", "(#x) y", notice=True)),
        (499, error("777"), Undeliverable(777, "refused", "(#x) y", notice=True)),
        (500, error(777), Unsettled("http 500, unlisted code", 777)),
        (200, error(777), Unsettled("http 200, unlisted code", 777)),
        (302, error(777), Unsettled("http 302, unlisted code", 777)),
        (400, error("190"), Misconfigured("number", 190, "(#x) y")),
        (400, error(131050, error_data={"details": 7}), Undeliverable(131050, "opt_out", "7")),
        (400, error(131050, error_data=[]), Undeliverable(131050, "opt_out", "(#x) y")),
        (400, error(131053, error_data=None), Unavailable("(#x) y", 131053, 2)),
        (400, error(100, error_subcode="33"), Misconfigured("number", 100, "(#x) y")),
        (400, error(131026, message=None), Undeliverable(131026, "refused", "")),
        (400, error(131026, message="x" * 900), Undeliverable(131026, "refused", "x" * 500)),
        (400, error(None), Unsettled("http 400 without a message id")),
        (400, error(10**30), Unsettled("http 400 without a message id")),
        (200, b'{"error": null, "messages": [{"id": "wamid.1"}]}', Accepted("wamid.1")),
        (200, b'{"messages": [{"id": "wamid.1"}], "contacts": 7}', Accepted("wamid.1")),
        (200, b'{"messages": [{"id": 7}], "contacts": [{"wa_id": 55}]}', Accepted("7", "55")),
        (200, b'{"messages": [{"id": "wamid.1"}], "contacts": [{"wa_id": "BR.1"}]}', Accepted("wamid.1", None, "BR.1")),
        (200, b'{"messages": [{"id": "wamid.1", "message_status": {}}]}', Accepted("wamid.1")),
        (200, msgspec.json.encode({"messages": [{"id": "w"}], "contacts": [{"wa_id": "1" * 600}]}), Accepted("w")),
        (200, msgspec.json.encode({"messages": [{"id": "w" * 600}]}), Unsettled("http 200 without a message id")),
        (500, b'{"messages": [{"id": "wamid.1"}]}', Unsettled("http 500 without a message id")),
        (200, b'{"messages": []}', Unsettled("http 200 without a message id")),
        (200, b'{"messages": [{"id": ""}]}', Unsettled("http 200 without a message id")),
        (200, b"{}", Unsettled("http 200 without a message id")),
        (200, b"", Unsettled("http 200, unreadable answer of 0 bytes (no type)")),
        (200, b"null", Unsettled("http 200, unreadable answer of 4 bytes (no type)")),
        (200, b'{"messages": [{"id": "wam', Unsettled("http 200, unreadable answer of 25 bytes (no type)")),
        (403, b"\xff", Unsettled("http 403, unreadable answer of 1 bytes (no type)")),
    ],
)
def test_answers_that_no_sample_shows(status: int, answer: bytes, verdict: Verdict) -> None:
    assert read(status, {}, answer) == verdict


def test_html_is_named() -> None:
    verdict = read(502, {"content-type": "text/html"}, b"<html>")
    assert verdict == Unsettled("http 502, unreadable answer of 6 bytes (text/html)")


def test_what_needs_no_answer() -> None:
    assert not_sent("refused") == Unavailable("refused")
    assert lost("time-out") == Unsettled("time-out")


@pytest.mark.parametrize(
    ("status", "answer", "fine"),
    [
        (200, body("response-mark-read"), True),
        (200, b'{"success": "true"}', True),
        (200, b'{"success": false}', False),
        (200, b"{}", False),
        (500, b'{"success": true}', False),
        (200, b"<html>", False),
        (400, body("error-131009"), False),
    ],
)
def test_read_ok(status: int, answer: bytes, fine: bool) -> None:
    assert read_ok(status, answer) is fine


@pytest.mark.parametrize(
    ("status", "answer", "upload"),
    [
        (200, body("response-media-upload"), Uploaded("300000000000050")),
        (200, b'{"id": 300000000000050}', Uploaded("300000000000050")),
        (201, b'{"id": "1", "error": null}', Uploaded("1")),
        (500, body("response-media-upload"), Unavailable("http 500 without a media id")),
        (200, b'{"id": ""}', Unavailable("http 200 without a media id")),
        (200, b'{"id": {}}', Unavailable("http 200 without a media id")),
        (200, msgspec.json.encode({"id": "1" * 600}), Unavailable("http 200 without a media id")),
        (200, body("response-send"), Unavailable("http 200 without a media id")),
        (413, b"<html>", Unavailable("http 413, unreadable answer of 6 bytes (no type)")),
        (400, error(131053), Undeliverable(131053, "refused", "(#x) y")),
        (400, error(100), Undeliverable(100, "bug", "(#x) y", notice=True)),
        (400, error(777), Undeliverable(777, "refused", "(#x) y", notice=True)),
        (500, error(777), Unavailable("http 500, unlisted code", 777)),
    ],
)
def test_read_upload(status: int, answer: bytes, upload: Upload) -> None:
    assert read_upload(status, {}, answer) == upload


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refused_upload_is_judged_as_a_send_but_what_is_open_is_tried_again(case: str) -> None:
    status, kind, word = REFUSALS[case]
    upload = read_upload(status, {}, body(case))
    assert isinstance(upload, Unavailable if kind is Unsettled else kind)
    assert word in msgspec.structs.astuple(upload)


@given(st.integers(100, 599), st.binary(max_size=40) | st.sampled_from([body(case) for case in REFUSALS]).map(lambda b: b[:-20]))
def test_never_raises(status: int, answer: bytes) -> None:
    assert msgspec.json.encode(read(status, {}, answer))
    assert msgspec.json.encode(read_upload(status, {}, answer))
