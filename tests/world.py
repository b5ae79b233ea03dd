"""What tests of the path are made of: settings, two tenants as in the samples, bodies signed as Meta signs them."""

import base64
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from atendeja import config, contacts, numbers, tenants
from atendeja.config import Config
from atendeja.contacts import Person
from atendeja.db import Database, Tx
from atendeja.numbers import NewNumber
from atendeja.runtime import Runtime, fresh_id, utc_now
from atendeja.wa import signature

APP_SECRET = "segredo-do-app-dos-testes-0123456789"
VERIFY_TOKEN = "token-de-verificacao-dos-testes"
SECRET_KEY = base64.b64encode(b"k" * 32).decode()
NOWHERE = "http://127.0.0.1:9"
SAMPLES = Path(__file__).parent / "wa" / "samples"

A = NewNumber("100000000000001", "200000000000001", "300000000000001", "+551140000001", "token-de-a", 1000)
B = NewNumber("100000000000002", "200000000000002", "300000000000002", "+552130000002", "token-de-b", 1000)


class World(Struct, frozen=True):
    """Tenants A and B of the samples, each with its number."""

    a: int
    b: int
    number_a: object
    number_b: object


def environ(database_url: str, admin_url: str, state_dir: Path, **more: str) -> dict[str, str]:
    """Variables of a process for a test."""
    return {
        "DATABASE_URL": database_url,
        "DATABASE_ADMIN_URL": admin_url,
        "DATABASE_WAIT_S": "10",
        "WA_VERIFY_TOKEN": VERIFY_TOKEN,
        "WA_APP_SECRET": APP_SECRET,
        "SECRET_KEY": SECRET_KEY,
        "WA_API_BASE": NOWHERE,
        "STATE_DIR": str(state_dir),
        "LOG_FORMAT": "json",
        **more,
    }


def make_config(database_url: str, admin_url: str, state_dir: Path, **more: str) -> Config:
    return config.load(environ(database_url, admin_url, state_dir, **more))


def sign(body: bytes) -> dict[str, str]:
    """The headers of a webhook with this body."""
    return {"Content-Type": "application/json", "X-Hub-Signature-256": signature.sign(APP_SECRET.encode(), body)}


async def found(db: Database, keys: list[bytes]) -> World:
    """Make tenants A and B with their numbers."""
    made = []
    for slug, new in (("a", A), ("b", B)):

        async def add_tenant(tx: Tx, slug: str = slug) -> int:
            return await tenants.add(
                tx, keys, slug=slug, name=f"Loja {slug.upper()}", timezone="America/Sao_Paulo", language="pt-BR", now=utc_now()
            )

        tenant_id = await db.transact(None, add_tenant)
        async with db.session() as session:
            tenant = await tenants.find(session, slug)

        async def add_number(tx: Tx, new: NewNumber = new, tenant: tenants.Tenant = tenant) -> object:
            return await numbers.add(tx, tenant, keys, new, fresh_id(), utc_now())

        made.append((tenant_id, await db.transact(tenant_id, add_number)))
    return World(made[0][0], made[1][0], made[0][1], made[1][1])


def text(
    wamid: str, body: str, *, sender: str = "5511900000001", number: NewNumber = A, at: int | None = None, name: str = "Ana Teste"
) -> bytes:
    """A webhook with one text of a customer."""
    message = {
        "from": sender,
        "id": wamid,
        "timestamp": str(at or int(utc_now().timestamp())),
        "type": "text",
        "text": {"body": body},
    }
    return envelope(number, {"contacts": [{"profile": {"name": name}, "wa_id": sender}], "messages": [message]})


def envelope(number: NewNumber, value: dict[str, object]) -> bytes:
    """A webhook of the field `messages` of this number."""
    metadata = {"display_phone_number": number.display_number.lstrip("+"), "phone_number_id": number.phone_number_id}
    change = {"value": {"messaging_product": "whatsapp", "metadata": metadata, **value}, "field": "messages"}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [{"id": number.waba_id, "changes": [change]}]})


async def meet(tx: Tx, rt: Runtime, *people: Person) -> list[UUID]:
    """These people under their locks, made where nobody knew them: which contact each is."""
    return (await contacts.settle(tx, await contacts.meet(tx, people), rt.now(), rt.new_id)).ids


async def talk(tx: Tx, rt: Runtime, person: Person, number_id: UUID) -> tuple[UUID, UUID]:
    """(contact, conversation) of somebody on a number, made where there was none."""
    meeting = await contacts.settle(tx, await contacts.meet(tx, [person]), rt.now(), rt.new_id)
    pair = (meeting.ids[0], number_id)
    return pair[0], (await contacts.ensure_conversations(tx, meeting.talks, [pair], rt.now(), rt.new_id))[pair]
