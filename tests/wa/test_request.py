"""Every request body we know how to build, and everything Meta would refuse."""

from pathlib import Path

import msgspec
import pytest

from atendeja.wa.content import (
    Button,
    Buttons,
    Content,
    Location,
    Media,
    Options,
    Reaction,
    Read,
    Recipient,
    Row,
    Section,
    Template,
    Text,
)
from atendeja.wa.request import build, problems

SAMPLES = Path(__file__).parent / "samples"
ANA = Recipient(phone="5511900000001")
CAIO = Recipient(user_id="BR.10000000000000000003")

NOT_BUILT_YET = {
    "request-marketing-messages",
    "request-send-contacts",
    "request-send-interactive-cta-url",
    "request-send-interactive-flow",
    "request-send-interactive-location-request",
    "request-send-interactive-request-contact-info",
    "request-template-create",
}


def body_text(*texts: str) -> dict[str, object]:
    return {"type": "body", "parameters": [{"type": "text", "text": text} for text in texts]}


def button(sub_type: str, **parameter: object) -> dict[str, object]:
    return {"type": "button", "sub_type": sub_type, "index": "0", "parameters": [parameter]}


def header_image(id: str) -> dict[str, object]:  # noqa: A002  # Meta's word
    return {"type": "header", "parameters": [{"type": "image", "image": {"id": id}}]}


def card(index: int) -> dict[str, object]:
    reply = button("quick_reply", type="payload", payload=f"QUERO_{index}")
    return {"card_index": index, "components": [header_image(f"30000000000006{index}"), reply]}


NAMED = [
    {"type": "text", "parameter_name": "nome", "text": "Ana"},
    {"type": "text", "parameter_name": "cupom", "text": "NOV10"},
]
OFFER = {"type": "limited_time_offer", "limited_time_offer": {"expiration_time_ms": 1795183200000}}

CONTENTS: dict[str, Content] = {
    "request-mark-read-and-typing": Read("wamid.YXRlbmRlamEvaW4tMDAwMQ==", typing=True),
    "request-send-document-by-link": Media(
        "document", link="https://loja.example/nota.pdf", filename="nota.pdf", caption="Nota fiscal"
    ),
    "request-send-image-by-id": Media("image", id="300000000000050", caption="Cardápio"),
    "request-send-interactive-buttons": Buttons(
        "Confirma sua consulta?",
        [Button("sim", "Sim"), Button("nao", "Não"), Button("remarcar", "Remarcar")],
        header="Clínica Exemplo",
        footer="Responda tocando",
    ),
    "request-send-interactive-list": Options(
        "Escolha um serviço",
        "Ver serviços",
        [Section([Row("servico:1", "Corte", "30 minutos"), Row("servico:2", "Corte + barba", "50 minutos")], "Cabelo")],
    ),
    "request-send-location": Location(-23.5614, -46.6559, "Loja Exemplo", "Av. Fictícia, 1000"),
    "request-send-reaction": Reaction("wamid.YXRlbmRlamEvaW4tMDAwMQ==", "✅"),
    "request-send-template-authentication": Template(
        "codigo_acesso", "pt_BR", [body_text("123456"), button("url", type="text", text="123456")]
    ),
    "request-send-template-carousel": Template(
        "vitrine", "pt_BR", [body_text("Ana"), {"type": "carousel", "cards": [card(0), card(1)]}]
    ),
    "request-send-template-limited-time-offer": Template(
        "oferta_relampago",
        "pt_BR",
        [
            body_text("Ana"),
            {"type": "limited_time_offer", "parameters": [OFFER]},
            button("copy_code", type="coupon_code", coupon_code="NOV10"),
        ],
    ),
    "request-send-template-named-media": Template(
        "promo_novembro",
        "pt_BR",
        [header_image("300000000000050"), {"type": "body", "parameters": NAMED}, button("url", type="text", text="nov10")],
    ),
    "request-send-template-positional": Template(
        "lembrete_consulta",
        "pt_BR",
        [body_text("Ana", "25/11 às 14h"), button("quick_reply", type="payload", payload="CONFIRMAR_42")],
    ),
    "request-send-text": Text("Seu pedido saiu para entrega."),
    "request-send-text-bsuid": Text("Olá!"),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_body_of_the_sample(case: str) -> None:
    expected = msgspec.json.decode((SAMPLES / f"{case}.json").read_bytes())
    if expected.get("text", {}).get("preview_url") is False:
        del expected["text"]["preview_url"]  # false is what Meta takes it for when it is absent
    quote = expected.get("context", {}).get("message_id")
    recipient = CAIO if "recipient" in expected else ANA
    found = build(CONTENTS[case], recipient, callback=expected.get("biz_opaque_callback_data"), quote=quote)
    assert found == expected
    assert problems(CONTENTS[case]) == []


def test_every_request_sample_is_built_or_listed() -> None:
    assert {path.stem for path in SAMPLES.glob("request-*.json")} == CONTENTS.keys() | NOT_BUILT_YET


def test_text_with_preview() -> None:
    assert build(Text("a", preview_url=True), ANA)["text"] == {"body": "a", "preview_url": True}


def test_read_without_typing() -> None:
    assert build(Read("wamid.1"), ANA) == {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.1"}


def test_voice_note() -> None:
    assert build(Media("audio", id="1", voice=True), ANA)["audio"] == {"id": "1", "voice": True}


@pytest.mark.parametrize(("degrees", "text"), [(1e-07, "0.0000001"), (0.0, "0.0"), (-46.6559, "-46.6559"), (10, "10")])
def test_degrees_are_plain_decimals(degrees: float, text: str) -> None:
    location = build(Location(degrees, 0.0), ANA)["location"]
    assert isinstance(location, dict)
    assert location["latitude"] == text


def test_a_phone_wins_over_a_bsuid() -> None:
    found = build(Text("a"), Recipient("5511900000001", "BR.1"))
    assert found["to"] == "+5511900000001"
    assert "recipient" not in found


@pytest.mark.parametrize("recipient", [Recipient(), Recipient(phone=""), Recipient(phone="BR.1"), Recipient(user_id="")])
def test_a_recipient_that_would_be_lost(recipient: Recipient) -> None:
    with pytest.raises(ValueError, match="BSUID"):
        build(Text("a"), recipient)


def rows(count: int) -> list[Row]:
    return [Row(f"id{n}", f"linha {n}") for n in range(count)]


def one_button(**keys: str) -> Buttons:
    return Buttons("a", [Button(**{"id": "x", "title": "y", **keys})])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Text(""), ["body: must not be empty"]),
        (Text(" \n"), ["body: must not be empty"]),
        (Text("😀" * 4096), []),
        (Text("x" * 4097), ["body: 4097 characters, at most 4096 are allowed"]),
        (Buttons("a", []), ["buttons: 0 buttons, 1 to 3 are allowed"]),
        (Buttons("a", [Button(str(n), str(n)) for n in range(4)]), ["buttons: 4 buttons, 1 to 3 are allowed"]),
        (Buttons("x" * 1025, [Button("1", "a")]), ["body: 1025 characters, at most 1024 are allowed"]),
        (one_button(title="é" * 20), []),
        (one_button(title="é" * 21), ["buttons[0].title: 21 characters, at most 20 are allowed"]),
        (one_button(title=""), ["buttons[0].title: must not be empty"]),
        (one_button(id="x" * 257), ["buttons[0].id: 257 characters, at most 256 are allowed"]),
        (Buttons("a", [Button("1", "a"), Button("2", "a")]), ["buttons[1].title: the same as buttons[0].title"]),
        (Buttons("a", [Button("1", "a"), Button("1", "b")]), ["buttons[1].id: the same as buttons[0].id"]),
        (Buttons("a", [Button("1", "a")], header="x" * 61), ["header: 61 characters, at most 60 are allowed"]),
        (Buttons("a", [Button("1", "a")], footer=""), ["footer: must not be empty"]),
        (Options("x" * 4096, "abrir", [Section(rows(10))]), []),
        (Options("a", "x" * 21, [Section(rows(1))]), ["button: 21 characters, at most 20 are allowed"]),
        (Options("a", "b", []), ["sections: 0 sections, 1 to 10 are allowed", "sections: 0 rows in all, 1 to 10 are allowed"]),
        (Options("a", "b", [Section(rows(11))]), ["sections: 11 rows in all, 1 to 10 are allowed"]),
        (
            Options("a", "b", [Section(rows(1)), Section([Row("z", "z")], "t")]),
            ["sections[0].title: must not be empty"],
        ),
        (Options("a", "b", [Section(rows(1), "t"), Section([], "u")]), ["sections[1].rows: must not be empty"]),
        (Options("a", "b", [Section(rows(1), "x" * 25)]), ["sections[0].title: 25 characters, at most 24 are allowed"]),
        (
            Options("a", "b", [Section([Row("1", "x" * 25, "y" * 73)])]),
            [
                "sections[0].rows[0].title: 25 characters, at most 24 are allowed",
                "sections[0].rows[0].description: 73 characters, at most 72 are allowed",
            ],
        ),
        (
            Options("a", "b", [Section([Row("1", "a")], "t"), Section([Row("1", "a")], "u")]),
            ["sections[1].rows[0].id: the same as sections[0].rows[0].id"],
        ),
        (Media("image"), ["id: exactly one of id and link is needed"]),
        (Media("image", id="1", link="https://x"), ["id: exactly one of id and link is needed"]),
        (Media("image", link="ftp://x"), ["link: must begin with https:// or http://"]),
        (Media("image", id="1", caption="x" * 1025), ["caption: 1025 characters, at most 1024 are allowed"]),
        (Media("sticker", id="1", caption="a"), ["caption: sticker takes none"]),
        (Media("image", id="1", filename="a.png"), ["filename: image takes none"]),
        (Media("video", id="1", voice=True), ["voice: video takes none"]),
        (Template("Promo", "pt_BR"), ["name: only lower-case letters, digits and _ are allowed"]),
        (Template("promo", "português"), ["language: a code like pt_BR is needed"]),
        (Location(91, 181), ["latitude: must be between -90 and 90", "longitude: must be between -180 and 180"]),
        (Location(float("nan"), 0), ["latitude: must be between -90 and 90"]),
        (Reaction("", "👍"), ["message_id: must not be empty"]),
        (Reaction("wamid.1", ""), []),
        (Read("wamid.1"), []),
    ],
)
def test_problems(content: Content, expected: list[str]) -> None:
    assert problems(content) == expected
