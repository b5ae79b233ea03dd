from pathlib import Path
from typing import Any

import msgspec
import pytest

from atendeja.simulator.bodies import Invalid, Read, Send, read

SAMPLES = Path(__file__).parents[1] / "wa" / "samples"
TEXT: dict[str, Any] = {"messaging_product": "whatsapp", "to": "+5511900000001", "type": "text", "text": {"body": "oi"}}
REPLY = {"type": "reply", "reply": {"id": "a", "title": "A"}}


def buttons(*replies: object, body: str = "Escolha") -> dict[str, object]:
    return TEXT | {"type": "interactive", "interactive": {"type": "button", "body": {"text": body}, "action": {"buttons": replies}}}


def options(*sections: object) -> dict[str, object]:
    action = {"button": "Ver", "sections": sections}
    return TEXT | {"type": "interactive", "interactive": {"type": "list", "body": {"text": "Escolha"}, "action": action}}


def rows(start: int, n: int) -> list[dict[str, str]]:
    return [{"id": str(i), "title": f"Linha {i}"} for i in range(start, start + n)]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("request-send-*.json")), ids=lambda path: path.stem)
def test_the_sample_is_accepted(path: Path) -> None:
    assert isinstance(read(path.read_bytes()), Send)


def test_read_with_typing_is_no_message() -> None:
    assert isinstance(read((SAMPLES / "request-mark-read-and-typing.json").read_bytes()), Read)


@pytest.mark.parametrize(
    ("code", "body", "says"),
    [
        (100, [], "Expected `object`"),
        (100, {"to": "+5511900000001"}, "messaging_product"),
        (100, TEXT | {"type": "carta"}, "$.type"),
        (100, TEXT | {"recipient": "BR.1"}, "exactly one"),
        (100, {k: v for k, v in TEXT.items() if k != "to"}, "exactly one"),
        (131009, TEXT | {"to": "amanhã"}, "not valid"),
        (131009, {k: v for k, v in TEXT.items() if k != "to"} | {"recipient": "5511900000001"}, "business-scoped"),
        (131008, TEXT | {"type": "image"}, "image is missing"),
        (100, TEXT | {"text": {"body": ""}}, "length >= 1"),
        (100, TEXT | {"text": {"body": "x" * 4097}}, "length <= 4096"),
        (100, TEXT | {"biz_opaque_callback_data": "x" * 513}, "512"),
        (100, TEXT | {"type": "image", "image": {"id": "1", "link": "https://a.example/b"}}, "exactly one"),
        (100, TEXT | {"type": "audio", "audio": {"id": "1", "caption": "x"}}, "no caption"),
        (100, TEXT | {"type": "template", "template": {"name": "Oi!", "language": {"code": "pt_BR"}}}, "name"),
        (100, TEXT | {"type": "interactive", "interactive": {"type": "dança", "body": {"text": "a"}}}, "dança"),
        (100, buttons(), "length >= 1"),
        (100, buttons(REPLY, REPLY, REPLY, REPLY), "length <= 3"),
        (131009, buttons(REPLY, REPLY), "duplicated"),
        (100, buttons({"type": "reply", "reply": {"id": "a", "title": "x" * 21}}), "length <= 20"),
        (131009, buttons(REPLY, body="x" * 1025), "1024"),
        (131009, options({"title": "A", "rows": rows(0, 6)}, {"title": "B", "rows": rows(6, 5)}), "total row count"),
        (131009, options({"title": "A", "rows": rows(0, 1)}, {"rows": rows(1, 1)}), "title"),
        (131009, options({"rows": [*rows(0, 1), *rows(0, 1)]}), "duplicated row id"),
        (100, {"messaging_product": "whatsapp", "status": "read"}, "message_id"),
        (100, {"messaging_product": "whatsapp", "status": "lida", "message_id": "wamid.x"}, "$.status"),
    ],
)
def test_what_meta_refuses_is_refused(code: int, body: object, says: str) -> None:
    with pytest.raises(Invalid, match=says.replace("$", r"\$")) as caught:
        read(msgspec.json.encode(body))
    assert caught.value.code == code


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"to":' * 100_000, b'{"to": "\xff"}'])
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid):
        read(raw)
