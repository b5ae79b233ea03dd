"""What the Cloud API's answer to a send means, as a verdict that says what happens to the message.

There is no idempotency key, so the question is always: may it have gone out? A listed code is Meta's word and settles it; an
unlisted code with a 4xx is a refusal; everything else that is not a readable acceptance leaves it open. Refused: branching on
the HTTP status of listed codes, which was seen as 400, 403, 429 and 500 for the same code.
"""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Raw, Struct

from atendeja.wa import identity
from atendeja.wa.codes import Code, lookup
from atendeja.wa.wire import ABSENT, MAX_ID, UNREADABLE, Int32, Loose, Reader, clean, text

DETAIL: Final = 500
"""Characters of Meta's own words that a verdict keeps."""

_HELD: Final = ("held_for_quality_assessment", "paused")


class Accepted(Struct, frozen=True, omit_defaults=True, tag="accepted"):
    """Meta has it: not yet delivered. `held` if it waits for the template's quality to be judged."""

    wamid: str
    wa_id: str | None = None
    user_id: str | None = None
    held: bool = False


class Unavailable(Struct, frozen=True, omit_defaults=True, tag="unavailable"):
    """It did not go out: try again, at most `tries` more times if that is set."""

    reason: str
    code: int | None = None
    tries: int | None = None


class Throttled(Struct, frozen=True, omit_defaults=True, tag="throttled"):
    """It did not go out: slow down, the whole number or for this recipient, and try again."""

    scope: Literal["number", "pair"]
    code: int


class Undeliverable(Struct, frozen=True, omit_defaults=True, tag="undeliverable"):
    """It will never go out. `bug`: ours, log loudly; `opt_out`: no more marketing for this person; `notice`: tell a person."""

    code: int
    kind: Literal["refused", "bug", "opt_out"]
    detail: str
    notice: bool = False


class Misconfigured(Struct, frozen=True, omit_defaults=True, tag="misconfigured"):
    """It did not go out, nor will others: stop this template, this number's campaigns or the whole number, and tell a person."""

    scope: Literal["template", "campaign", "number"]
    code: int
    detail: str


class Unsettled(Struct, frozen=True, omit_defaults=True, tag="unsettled"):
    """Nobody knows whether it went out: in doubt, until a status or time decides. Never a plain retry."""

    reason: str
    code: int | None = None


Refusal: TypeAlias = Unavailable | Throttled | Undeliverable | Misconfigured | Unsettled
Verdict: TypeAlias = Accepted | Refusal


class Uploaded(Struct, frozen=True, tag="uploaded"):
    """Meta has the file, for 30 days, for the number that it was uploaded by."""

    id: str


Upload: TypeAlias = Uploaded | Unavailable | Throttled | Undeliverable | Misconfigured
"""What became of an upload. It sends nothing, so it is never unsettled: what nobody knows may simply be done again."""

UNFIT: Final = 131053
"""Of a file: its type or size. About a message it means a link that could not be fetched, which may be tried again."""


class _Answer(Struct):
    messages: Raw = ABSENT
    contacts: Raw = ABSENT
    error: Raw = ABSENT
    success: Raw = ABSENT
    id: Raw = ABSENT


class _Sent(Struct):
    id: Loose = None
    message_status: Raw = ABSENT


class _Contact(Struct):
    wa_id: Loose = None
    user_id: Loose = None


class _Data(Struct):
    details: Loose = None


class _Error(Struct):
    code: Int32
    error_subcode: int | None = None
    message: Loose = None
    error_data: Raw = ABSENT


_answer = Reader(_Answer)
_sent = Reader(list[_Sent])
_contacts = Reader(list[_Contact])
_error = Reader(_Error)
_data = Reader(_Data)
_bool = Reader(bool)
_string = Reader(str)


def read(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Say what the Cloud API's answer to a send means. Does no I/O, never raises, never retries.

    Source: Meta, WhatsApp Cloud API, messages and error codes (copies of 2026-09-11).
    """
    answer = _read_answer(body)
    if answer is None:
        return Unsettled(_unreadable(status, headers, body))
    error = _error.part(answer.error)
    if error is not None:
        return _refusal(status, error)
    return _acceptance(status, answer)


def read_upload(status: int, headers: Mapping[str, str], body: bytes) -> Upload:
    """Say what the Cloud API's answer to an upload means. Does no I/O, never raises, never retries.

    `Undeliverable` refuses this file, not the message that names it: that may still go by a link. `Misconfigured("number")` is
    about the number, as after a send. Whatever leaves it open is `Unavailable`: upload again.
    Source: Meta, WhatsApp Cloud API, media and error codes (copies of 2026-09-11).
    """
    answer = _read_answer(body)
    if answer is None:
        return Unavailable(_unreadable(status, headers, body))
    error = _error.part(answer.error)
    if error is None:
        media_id = _string.part(answer.id)
        if not media_id or len(media_id) > MAX_ID or not 200 <= status < 300:
            return Unavailable(f"http {status} without a media id")
        return Uploaded(media_id)
    if error.code == UNFIT:
        return Undeliverable(UNFIT, "refused", _detail(error))
    match _refusal(status, error):
        case Unsettled(reason, code):
            return Unavailable(reason, code)
        case refusal:
            return refusal


def not_sent(reason: str) -> Verdict:
    """The verdict when no byte was written: refused connection, DNS, TLS."""
    return Unavailable(reason)


def lost(reason: str) -> Verdict:
    """The verdict when it left us and no answer came back: time-out, reset."""
    return Unsettled(reason)


def read_ok(status: int, body: bytes) -> bool:
    """Whether a call that sends nothing (mark as read, typing) was answered `{"success": true}`."""
    answer = _read_answer(body)
    return answer is not None and 200 <= status < 300 and _bool.part(answer.success) is True


def _unreadable(status: int, headers: Mapping[str, str], body: bytes) -> str:
    kind = headers.get("content-type") or headers.get("Content-Type") or "no type"
    return f"http {status}, unreadable answer of {len(body)} bytes ({kind[:40]})"


def _read_answer(body: bytes) -> _Answer | None:
    try:
        return _answer(clean(body))
    except UNREADABLE:
        return None


def _acceptance(status: int, answer: _Answer) -> Verdict:
    sent = _sent.part(answer.messages)
    wamid = text(sent[0].id) if sent else None
    if sent is None or wamid is None or len(wamid) > MAX_ID or not 200 <= status < 300:
        return Unsettled(f"http {status} without a message id")
    wa_id, user_id = _recipient(answer.contacts)
    return Accepted(wamid, wa_id, user_id, _string.part(sent[0].message_status) in _HELD)


def _recipient(raw: Raw) -> tuple[str | None, str | None]:
    contacts = _contacts.part(raw)
    try:
        return identity.ids(contacts[0].wa_id, contacts[0].user_id) if contacts else (None, None)
    except UNREADABLE:
        return None, None


def _refusal(status: int, error: _Error) -> Refusal:
    code = lookup(error.code, error.error_subcode)
    detail = _detail(error)
    if code is not None:
        return _listed(error.code, code, detail)
    if 400 <= status < 500:
        return Undeliverable(error.code, "refused", detail, notice=True)
    return Unsettled(f"http {status}, unlisted code", error.code)


def _listed(number: int, code: Code, detail: str) -> Refusal:
    match code.kind:
        case "R":
            return Unavailable(detail, number, code.tries)
        case "S":
            return Throttled("number", number)
        case "pair":
            return Throttled("pair", number)
        case "D":
            return Undeliverable(number, "refused", detail, code.notice)
        case "O":
            return Undeliverable(number, "opt_out", detail)
        case "B" | "show":
            return Undeliverable(number, "bug", detail, notice=True)
        case "P":
            return Misconfigured(code.scope or "campaign", number, detail)
        case "N":
            return Misconfigured("number", number, detail)
        case "U":
            return Unsettled(code.meaning, number)


def _detail(error: _Error) -> str:
    data = _data.part(error.error_data)
    said = (text(data.details) if data else None) or text(error.message) or ""
    return said[:DETAIL]
