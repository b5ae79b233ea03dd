"""Each test of a route, on a node that takes it to `sim` and keeps what it read in `v`; everything else goes to `nao`."""

import pytest

from atendeja.flow.session import Input

from .conftest import Customer, flow_of

KINDS = "[text, button, list, image, video, audio, document, sticker, location, contact, form, order]"


def after(case: str, heard: Input, kind: str = "text", **facts: object) -> tuple[str | None, object]:
    """(the node reached, the value kept) after this input to a question with one case."""
    flow = flow_of(
        f"""
  a: {{do: [{{say: {{text: pergunta}}}}], wait: {{reply: {KINDS}}}, save: v, route: [{{{case}, to: sim}}], else: {{to: nao}}}}
  sim: {{do: [{{end: {{}}}}]}}
  nao: {{do: [{{end: {{}}}}]}}
""",
        f"vars: {{v: {kind}, limite: date}}\nstarts: [{{any: true}}]",
    )
    customer = Customer(flow, **facts)
    customer.hears(Input("reaction"))
    customer.hears(heard)
    return customer.node, customer.vars.get("v")


@pytest.mark.parametrize(
    ("case", "text", "kind", "kept"),
    [
        ("any: true", "Qualquer coisa", "text", "Qualquer coisa"),
        ("any_word: [agendar, marcar]", "Quero AGENDÁR!", "text", "Quero AGENDÁR!"),
        ("any_word: [troca de óleo]", "uma troca de oleo por favor", "text", "uma troca de oleo por favor"),
        ("all_words: [oleo, trocar]", "trocar o óleo", "text", "trocar o óleo"),
        ("phrase: meu carro", "cadê MEU CARRO?", "text", "cadê MEU CARRO?"),
        ("yes_no: true", "Siiim", "bool", True),
        ("yes_no: false", "não", "bool", False),
        ("kind: text", "x", "text", "x"),
        ("number: true", "uns 3", "number", 3),
        ("number: {min: 1, max: 5}", "5", "number", 5),
        ("number: {min: 0.5}", "1,5", "number", 1.5),
        ("money_br: true", "R$ 1.234,50", "money", 123450),
        ("money_br: {min: 1000}", "10", "number", 1000),
        ("date_br: true", "12/03", "date", "2027-03-12"),
        ("date_br: {min: today, max: today+60d}", "amanhã", "date", "2027-03-11"),
        ("date_br: {min: today}", "10/03", "date", "2027-03-10"),
        ("date_br: {max: today+2d}", "12/03", "date", "2027-03-12"),
        ('date_br: {min: "now + 1d 09:00"}', "11/03", "date", "2027-03-11"),
        ("date_br: {min: today+365d}", "01/03", "date", "2029-03-01"),
        ("time: true", "às 9", "time", "09:00"),
        ('time: {min: "08:00", max: "18:00"}', "18h", "time", "18:00"),
        ("email: true", "Ana@X.com", "text", "ana@x.com"),
        ("cpf: true", "529.982.247-25", "text", "52998224725"),
        ("cnpj: true", "11.222.333/0001-81", "text", "11222333000181"),
        ("cep: true", "01310-100", "text", "01310100"),
        ("phone: true", "11 98765-4321", "text", "+5511987654321"),
        ("tag: vip", "oi", "text", "oi"),
        ("var: contact.tags, has: vip", "oi", "text", "oi"),
        ("if: {any: [{tag: novo}, {var: input.text, eq: oi}]}", "oi", "text", "oi"),
    ],
)
def test_holds(case: str, text: str, kind: str, kept: object) -> None:
    assert after(case, Input("text", text), kind, tags=["vip"]) == ("sim", kept)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("button: x", "y"),
        ("any_word: [agendar]", "agendamento"),
        ("any_word: [agendar]", "👍"),
        ("all_words: [oleo, trocar]", "trocar pneu"),
        ("phrase: meu carro", "carro meu"),
        ("yes_no: true", "não"),
        ("yes_no: false", "talvez"),
        ("kind: image", "foto"),
        ("number: {max: 5}", "6"),
        ("number: true", "muitos"),
        ("money_br: {min: 1000}", "9,99"),
        ("date_br: {min: today, max: today+60d}", "ontem"),
        ("date_br: {min: today, max: today+60d}", "10/06"),
        ("date_br: {min: today+1d}", "hoje"),
        ("date_br: true", "amanhã ou 20/03"),
        ('time: {min: "08:00", max: "18:00"}', "7:59"),
        ('time: {min: "08:00", max: "18:00"}', "18:01"),
        ("email: true", "ana"),
        ("cpf: true", "529.982.247-26"),
        ("cnpj: true", "1"),
        ("cep: true", "123"),
        ("phone: true", "123"),
        ("tag: vip", "oi"),
        ("var: input.text, eq: ola", "oi"),
        ("if: {not: {var: input.text, eq: oi}}", "oi"),
    ],
)
def test_does_not_hold(case: str, text: str) -> None:
    assert after(case, Input("text", text)) == ("nao", None)


@pytest.mark.parametrize(
    ("heard", "kept"),
    [
        (Input("button", "Agendar", "agendar"), "agendar"),
        (Input("list", "Óleo", "oleo"), "oleo"),
        (Input("image", "foto", data={"id": "m1"}), {"id": "m1", "kind": "image"}),
        (Input("audio", data={"id": "m2", "mime": "ogg"}), {"id": "m2", "kind": "audio"}),
        (Input("location", data={"latitude": -23.5, "longitude": -46.6}), {"latitude": -23.5, "longitude": -46.6}),
        (Input("form", data={"nome": "Ana"}), {"nome": "Ana"}),
        (Input("contact", data={"name": "Ana", "phone": "1"}), {"name": "Ana", "phone": "1"}),
        (Input("order", data={"itens": [1]}), {"itens": [1]}),
    ],
)
def test_what_any_keeps(heard: Input, kept: object) -> None:
    assert after("any: true", heard, "text" if isinstance(kept, str) else "object") == ("sim", kept)


def test_kind_and_button() -> None:
    assert after("kind: image", Input("image", data={"id": "m"}), "object")[0] == "sim"
    assert after("button: x", Input("button", "X", "x")) == ("sim", "x")
    assert after("button: x", Input("list", "X", "x")) == ("sim", "x")
