"""A content for each `request-*` sample: what its body is built from."""

from atendeja.wa.content import (
    Button,
    Buttons,
    CallToAction,
    Card,
    CardName,
    CardPhone,
    ContactRequest,
    Contacts,
    Content,
    CouponCode,
    File,
    Form,
    Location,
    LocationRequest,
    Media,
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


def slide(index: int) -> Slide:
    return Slide(File("image", id=f"30000000000006{index}"), buttons=[QuickReply(0, f"QUERO_{index}")])


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
    "request-send-contacts": Contacts(
        [Card(CardName("Suporte Exemplo", first_name="Suporte"), phones=[CardPhone("+551140000001", "WORK", "551140000001")])]
    ),
    "request-send-interactive-cta-url": CallToAction("Pague pelo link", "Pagar agora", "https://loja.example/pagar/42"),
    "request-send-interactive-flow": Form(
        "Preencha o cadastro", "Começar", "tok-ficticio-1", form_id="700000000000001", screen="INICIO"
    ),
    "request-send-interactive-location-request": LocationRequest("Envie sua localização"),
    "request-send-interactive-request-contact-info": ContactRequest("Pode nos passar seu telefone?"),
    "request-send-template-authentication": authentication("codigo_acesso", "pt_BR", "123456"),
    "request-send-template-carousel": Template("vitrine", "pt_BR", body=[Value("Ana")], slides=[slide(0), slide(1)]),
    "request-send-template-limited-time-offer": Template(
        "oferta_relampago", "pt_BR", body=[Value("Ana")], buttons=[CouponCode(0, "NOV10")], offer_ends_ms=1795183200000
    ),
    "request-send-template-named-media": Template(
        "promo_novembro",
        "pt_BR",
        header=File("image", id="300000000000050"),
        body=[Value("Ana", "nome"), Value("NOV10", "cupom")],
        buttons=[UrlSuffix(0, "nov10")],
    ),
    "request-send-template-positional": Template(
        "lembrete_consulta", "pt_BR", body=[Value("Ana"), Value("25/11 às 14h")], buttons=[QuickReply(0, "CONFIRMAR_42")]
    ),
    "request-send-text": Text("Seu pedido saiu para entrega."),
    "request-send-text-bsuid": Text("Olá!"),
}
