"""Everything Meta would refuse, by its path."""

from typing import Any
from uuid import UUID

import pytest

from atendeja.wa.content import (
    Button,
    Buttons,
    CallToAction,
    Card,
    CardAddress,
    CardEmail,
    CardName,
    CardOrg,
    CardPhone,
    CardUrl,
    CatalogButton,
    ContactRequest,
    Contacts,
    Content,
    CouponCode,
    File,
    Form,
    FormButton,
    Location,
    LocationRequest,
    Media,
    Moment,
    Money,
    Options,
    QuickReply,
    Reaction,
    Read,
    Row,
    Section,
    Slide,
    Template,
    Text,
    UrlSuffix,
    Value,
    authentication,
)
from atendeja.wa.rules import problems

OURS = UUID(int=1)
WHERE = "id: exactly one of id, link and file is needed; a link may stand beside file"


def rows(count: int) -> list[Row]:
    return [Row(f"id{n}", f"linha {n}") for n in range(count)]


def one_button(**keys: str) -> Buttons:
    return Buttons("a", [Button(**{"id": "x", "title": "y", **keys})])


def deep(levels: int) -> list[object]:
    made: list[object] = []
    for _ in range(levels):
        made = [made]
    return made


def form(**keys: Any) -> Form:  # Any: whatever its fields take
    return Form(**{"body": "a", "label": "Abrir", "token": "t", "form_id": "1", "screen": "INICIO", **keys})


def card(**keys: Any) -> Contacts:
    return Contacts([Card(**{"name": CardName("Ana", first_name="Ana"), **keys})])


def template(**keys: Any) -> Template:
    return Template(**{"name": "promo", "language": "pt_BR", **keys})


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
        (Media("image"), [WHERE]),
        (Media("image", id="1", link="https://x"), [WHERE]),
        (Media("image", file=OURS), []),
        (Media("image", file=OURS, link="https://x"), []),
        (Media("image", file=OURS, link="ftp://x"), ["link: must begin with https:// or http:// and a host"]),
        (Media("image", id="1", file=OURS), [WHERE]),
        (Media("image", id="1", link="https://x", file=OURS), [WHERE]),
        (Media("image", link="ftp://x"), ["link: must begin with https:// or http:// and a host"]),
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
        (Text("a\0b"), ["body: holds a character that is none (NUL or half of a pair)"]),
        (Text("\ud83d"), ["body: holds a character that is none (NUL or half of a pair)"]),
        (Text("\\u0000"), []),
        (form(data={"a": {"b": ["\0"]}}), ["data.a.b[0]: holds a character that is none (NUL or half of a pair)"]),
        (form(data={"\0": 1}), ["data: holds a character that is none (NUL or half of a pair)"]),
        (
            Buttons("a", [Button("1", "a")], header=File("image")),
            [f"header.{WHERE}"],
        ),
        (
            Buttons("a", [Button("1", "a")], header=File("image", id="1", filename="a.png")),
            ["header.filename: image takes none"],
        ),
        (CallToAction("a", "Pagar", "https://x"), []),
        (
            CallToAction("", "x" * 21, "javascript:alert(1)"),
            [
                "body: must not be empty",
                "label: 21 characters, at most 20 are allowed",
                "url: must begin with https:// or http:// and a host",
            ],
        ),
        (LocationRequest("x" * 1025), ["body: 1025 characters, at most 1024 are allowed"]),
        (ContactRequest(" "), ["body: must not be empty"]),
        (form(), []),
        (form(label="Abrir 🚀"), ["label: no emoji is allowed"]),
        (form(label="x" * 31), ["label: 31 characters, at most 30 are allowed"]),
        (form(form_name="b"), ["form_id: exactly one of form_id and form_name is needed"]),
        (form(form_id=None), ["form_id: exactly one of form_id and form_name is needed"]),
        (form(token=""), ["token: must not be empty"]),
        (form(screen=None, data={"a": 1}), ["data: only together with a screen"]),
        (Contacts([]), ["cards: 0 contacts, 1 to 100 are allowed"]),
        (Contacts([Card(CardName("Ana"))]), ["cards[0].name: one part of the name beside formatted_name is needed"]),
        (
            card(phones=[CardPhone("")], emails=[CardEmail(" ")], urls=[CardUrl("x" * 257)], birthday="31/12/1990"),
            [
                "cards[0].phones[0].phone: must not be empty",
                "cards[0].emails[0].email: must not be empty",
                "cards[0].urls[0].url: 257 characters, at most 256 are allowed",
                "cards[0].birthday: a date like 1990-12-31 is needed",
            ],
        ),
        (card(birthday="1990-12-31", org=CardOrg("Loja"), addresses=[CardAddress()]), []),
        (card(org=CardOrg("x" * 257)), ["cards[0].org.company: 257 characters, at most 256 are allowed"]),
        (card(phones=[CardPhone("1")] * 21), ["cards[0].phones: 21, at most 20 are allowed"]),
        (card(phones=[CardPhone("1", "x" * 257)]), ["cards[0].phones[0].type: 257 characters, at most 256 are allowed"]),
        (
            card(name=CardName("Ana", first_name="x" * 257)),
            ["cards[0].name.first_name: 257 characters, at most 256 are allowed"],
        ),
        (Location(0, 0, "x" * 1001), ["name: 1001 characters, at most 1000 are allowed"]),
        (CallToAction("a", "Pagar", "https://"), ["url: must begin with https:// or http:// and a host"]),
        (form(data={"a": "x" * 16384}), ["data: 16392 bytes, at most 16384 are allowed"]),
        (form(data={"a": deep(100_000)}), ["data: nested too deeply"]),
        (card(birthday="19901231"), ["cards[0].birthday: a date like 1990-12-31 is needed"]),
        (template(header=Value("x" * 61)), ["header[0].text: 61 characters, at most 60 are allowed"]),
        (template(header=Location(91, 0)), ["header.latitude: must be between -90 and 90"]),
        (template(header=File("video")), [f"header.{WHERE}"]),
        (template(body=[Value("a\nb")]), ["body[0].text: must be one line, without tabs"]),
        (template(body=[Value("a\tb")]), ["body[0].text: must be one line, without tabs"]),
        (template(body=[Value("a    b")]), []),
        (template(body=[Value("a     b")]), ["body[0].text: more than 4 spaces in a row"]),
        (template(body=[Value("")]), ["body[0].text: must not be empty"]),
        (template(body=[Value("x" * 1025)]), ["body[0].text: 1025 characters, at most 1024 are allowed"]),
        (template(body=[Value("a", "nome"), Value("b")]), ["body: either all are named or none"]),
        (template(body=[Value("a", "nome"), Value("b", "nome")]), ["body[1].name: the same as body[0].name"]),
        (template(body=[Value("a", "Nome")]), ["body[0].name: only lower-case letters, digits and _ are allowed"]),
        (template(body=[Money("R$ 1", "real", 1000)]), ["body[0].code: a currency like BRL is needed"]),
        (template(body=[Moment("")]), ["body[0].fallback: must not be empty"]),
        (template(buttons=[QuickReply(10, "a")]), ["buttons[0].index: must be between 0 and 9"]),
        (template(buttons=[QuickReply(0, "a"), UrlSuffix(0, "b")]), ["buttons[1].index: the same as buttons[0].index"]),
        (template(buttons=[QuickReply(0, "")]), ["buttons[0].payload: must not be empty"]),
        (template(buttons=[UrlSuffix(0, "a\nb")]), ["buttons[0].text: must be one line, without tabs"]),
        (template(buttons=[CouponCode(0, "")]), ["buttons[0].code: must not be empty"]),
        (template(buttons=[FormButton(0, "")]), ["buttons[0].token: must not be empty"]),
        (template(buttons=[CatalogButton(0, "")]), ["buttons[0].product_retailer_id: must not be empty"]),
        (template(slides=[Slide(File("image", id="1"))] * 11), ["slides: 11 slides, 1 to 10 are allowed"]),
        (template(slides=[Slide(File("document", id="1"))]), ["slides[0].header.kind: a slide takes an image or a video"]),
        (
            template(slides=[Slide(File("image"), [Value("")], [QuickReply(2, "a")])]),
            [
                f"slides[0].header.{WHERE}",
                "slides[0].body[0].text: must not be empty",
                "slides[0].buttons[0].index: must be between 0 and 1",
            ],
        ),
        (template(offer_ends_ms=0), ["offer_ends_ms: a time after 1970 is needed"]),
        (authentication("codigo", "pt_BR", "123456"), []),
    ],
)
def test_problems(content: Content, expected: list[str]) -> None:
    assert problems(content) == expected


def test_no_depth_is_more_than_an_answer() -> None:
    """Where Python's own depth ends is nobody's to know: on either side of it there is one problem."""
    for levels in range(800, 1050):
        assert len(problems(form(data={"a": deep(levels), "b": "\0"}))) == 1, levels
