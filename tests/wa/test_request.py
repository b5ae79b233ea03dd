"""Every request body we know how to build, and everything Meta would refuse."""

from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from atendeja.wa.content import (
    Button,
    Buttons,
    CallToAction,
    CatalogButton,
    Content,
    File,
    Form,
    FormButton,
    Location,
    Media,
    Moment,
    Money,
    Read,
    Recipient,
    Slide,
    Template,
    Text,
    files,
)
from atendeja.wa.request import build
from atendeja.wa.rules import problems
from tests.wa.contents import CONTENTS

SAMPLES = Path(__file__).parent / "samples"
ANA = Recipient(phone="5511900000001")
CAIO = Recipient(user_id="BR.10000000000000000003")

NOT_MESSAGES = {"request-marketing-messages", "request-template-create"}
"""The marketing endpoint and templates themselves come with marketing."""


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
    assert {path.stem for path in SAMPLES.glob("request-*.json")} == CONTENTS.keys() | NOT_MESSAGES


@pytest.mark.parametrize("case", CONTENTS)
def test_a_content_comes_back_from_the_database_as_it_went(case: str) -> None:
    assert msgspec.json.decode(msgspec.json.encode(CONTENTS[case]), type=Content) == CONTENTS[case]


def interactive(content: Content) -> dict[str, object]:
    found = build(content, ANA)["interactive"]
    assert isinstance(found, dict)
    return found


def test_a_file_above_the_buttons() -> None:
    made = Buttons("a", [Button("1", "a")], header=File("document", link="https://loja.example/a.pdf", filename="a.pdf"))
    document = {"link": "https://loja.example/a.pdf", "filename": "a.pdf"}
    assert interactive(made)["header"] == {"type": "document", "document": document}
    assert problems(made) == []


def test_a_form_that_asks_its_endpoint() -> None:
    made = Form("a", "Abrir", "t", form_name="cadastro", draft=True, header="Cadastro", footer="Leva um minuto")
    assert interactive(made) == {
        "type": "flow",
        "header": {"type": "text", "text": "Cadastro"},
        "body": {"text": "a"},
        "footer": {"text": "Leva um minuto"},
        "action": {
            "name": "flow",
            "parameters": {
                "flow_message_version": "3",
                "flow_name": "cadastro",
                "flow_cta": "Abrir",
                "flow_token": "t",
                "flow_action": "data_exchange",
                "mode": "draft",
            },
        },
    }


def test_everything_a_template_can_be_filled_in_with() -> None:
    made = Template(
        "tudo",
        "pt_BR",
        header=Location(-23.5, -46.6, "Loja"),
        body=[Money("R$ 10,50", "BRL", 10500), Moment("amanhã")],
        buttons=[FormButton(1, "t", {"a": 1}), CatalogButton(2, "sku-1")],
    )
    template = build(made, ANA)["template"]
    assert isinstance(template, dict)
    location = {"latitude": "-23.5", "longitude": "-46.6", "name": "Loja"}
    money = {"fallback_value": "R$ 10,50", "code": "BRL", "amount_1000": 10500}
    assert template["components"] == [
        {"type": "header", "parameters": [{"type": "location", "location": location}]},
        {
            "type": "body",
            "parameters": [
                {"type": "currency", "currency": money},
                {"type": "date_time", "date_time": {"fallback_value": "amanhã"}},
            ],
        },
        {
            "type": "button",
            "sub_type": "flow",
            "index": "1",
            "parameters": [{"type": "action", "action": {"flow_token": "t", "flow_action_data": {"a": 1}}}],
        },
        {
            "type": "button",
            "sub_type": "catalog",
            "index": "2",
            "parameters": [{"type": "action", "action": {"thumbnail_product_retailer_id": "sku-1"}}],
        },
    ]
    assert problems(made) == []


OURS, OTHER = UUID(int=1), UUID(int=2)
FILE = File("image", file=OURS)
PLACES: dict[str, Content] = {
    "itself": Media("image", file=OURS),
    "above buttons": Buttons("a", [Button("1", "a")], header=FILE),
    "above a link": CallToAction("a", "Pagar", "https://x", header=FILE),
    "above a form": Form("a", "Abrir", "t", form_id="1", header=FILE),
    "above a template": Template("promo", "pt_BR", header=FILE),
    "in a carousel": Template("promo", "pt_BR", slides=[Slide(File("image", id="9")), Slide(FILE)]),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_ours_goes_by_the_id_it_was_uploaded_as_or_not_at_all(place: str) -> None:
    made = PLACES[place]
    assert (files(made), problems(made)) == ([OURS], [])
    body = msgspec.json.encode(build(made, ANA, uploads={OURS: "300", OTHER: "400"}))
    assert b'"image":{"id":"300"}' in body
    assert str(OURS).encode() not in body
    with pytest.raises(ValueError, match=f"the file {OURS} has not been uploaded, and has no link"):
        build(made, ANA, uploads={OTHER: "400"})
    assert msgspec.json.decode(msgspec.json.encode(made), type=Content) == made


def test_a_file_that_could_not_be_uploaded_goes_by_its_link() -> None:
    made = Media("document", link="https://loja.example/a.pdf", file=OURS, filename="a.pdf", caption="A nota")
    rest = {"filename": "a.pdf", "caption": "A nota"}
    assert build(made, ANA)["document"] == {"link": "https://loja.example/a.pdf", **rest}
    assert build(made, ANA, uploads={OURS: "300"})["document"] == {"id": "300", **rest}


def test_each_file_of_ours_is_named_once_and_in_order() -> None:
    slides = [Slide(File("image", file=OURS)), Slide(File("video", link="https://x")), Slide(File("image", file=OTHER))]
    assert files(Template("promo", "pt_BR", header=File("image", file=OTHER), slides=slides)) == [OTHER, OURS]
    assert files(Text("a")) == files(Buttons("a", [Button("1", "a")], header="a")) == []


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
