"""What the bench sends: eight shops with a number each, customers without end, their texts as whole signed HTTP requests."""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from atendeja.numbers import NewNumber
from atendeja.simulator import Number, changes
from atendeja.simulator.world import Customer
from atendeja.wa import signature
from tests import world

SHOPS = 8
TALKATIVE = SHOPS
"""The shop that answers with three messages."""

_FLOW = """
spec: 1
key: bench
language: pt-BR
start: conversa
defaults: {{after_tries: gente, on_error: gente}}
nodes:
  conversa:
    do: [{says}]
    wait: {{reply: [text]}}
    route: [{{any: true, to: conversa}}]
  gente: {{do: [{{handoff: {{queue: recepcao}}}}]}}
"""
_SAY = '{{say: {{text: "{}: {{{{ input.text }}}}"}}}}'


def flow(n: int) -> str:
    """The flow of this shop: answers every text with what differs each time."""
    said = ("Recebemos", "Anotamos", "Respondemos já") if n == TALKATIVE else ("Recebemos",)
    return _FLOW.format(says=", ".join(_SAY.format(words) for words in said))


class Texts(Struct, frozen=True):
    """Texts `first` to `first + count - 1` of so many customers, who take turns: each to a shop of his own, or all to one."""

    first: int
    count: int
    customers: int
    shop: int | None = None

    @property
    def senders(self) -> list[str]:
        """Who writes each, in order."""
        return [phone(n % self.customers) for n in self._numbers]

    def requests(self) -> list[bytes]:
        """Each as a whole HTTP request."""
        return [request(body(n, n % self.customers, self.shop)) for n in self._numbers]

    @property
    def _numbers(self) -> Sequence[int]:
        return range(self.first, self.first + self.count)


def shop(n: int) -> NewNumber:
    """The number of this shop, at the highest rate."""
    return NewNumber(f"10{n:013d}", f"20{n:013d}", f"30{n:013d}", f"+55114{n:07d}", f"token-{n}", 1000)


def one_of_many(tenant: int, n: int) -> NewNumber:
    """Number `n` of a tenant who may have many, all in one account."""
    return NewNumber(f"11{tenant:05d}{n:08d}", f"21{tenant:013d}", f"31{tenant:013d}", f"+55116{tenant:03d}{n:04d}", "token", 50)


def phone(customer: int) -> str:
    """A Brazilian mobile number of the customer's own."""
    return f"55119{customer:08d}"


def body(n: int, customer: int, to: int | None = None) -> bytes:
    """The webhook of text `n`. A customer always writes to the same shop."""
    wa_id = phone(customer)
    new = shop(customer % SHOPS if to is None else to)
    number = Number(new.phone_number_id, new.waba_id, new.display_number.lstrip("+"))
    person = Customer(f"BR.1{wa_id:0>19}", wa_id, f"Cliente {customer}")
    content: dict[str, object] = {"type": "text", "text": {"body": f"Bom dia! Vocês entregam no sábado? É o pedido {n}."}}
    change = changes.inbound(number, person, f"wamid.bench{n:015d}", time.time(), content)
    return msgspec.json.encode(changes.envelope([change]))


def request(body: bytes) -> bytes:
    """The POST of this body, signed."""
    head = (
        "POST /webhook HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: facebookexternalua",
        "Accept: */*",
        "Content-Type: application/json",
        f"X-Hub-Signature-256: {signature.sign(world.APP_SECRET.encode(), body)}",
        f"Content-Length: {len(body)}",
        "\r\n",
    )
    return "\r\n".join(head).encode() + body
