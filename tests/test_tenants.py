"""Tenants: what is taken, what is refused, and a data key that nobody else's key opens (S40)."""

import pytest
from cryptography.exceptions import InvalidTag
from msgspec.structs import replace

from atendeja import tenants
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.runtime import Runtime

KEYS = [b"k" * 32, b"old-key-of-32-bytes-for-the-tests"[:32]]


async def add(
    rt: Runtime, slug: str = "loja", name: str = "Loja", timezone: str = "America/Sao_Paulo", language: str = "pt-BR"
) -> int:
    async def work(tx: Tx) -> int:
        return await tenants.add(tx, KEYS, slug=slug, name=name, timezone=timezone, language=language, now=rt.now())

    return await rt.db.transact(None, work)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"slug": ""}, "tenant_slug"),
        ({"slug": "Loja"}, "tenant_slug"),
        ({"slug": "-a"}, "tenant_slug"),
        ({"slug": "a" * 41}, "tenant_slug"),
        ({"slug": "é"}, "tenant_slug"),
        ({"name": "  "}, "tenant_name"),
        ({"timezone": "Mars/Olympus"}, "tenant_timezone"),
        ({"timezone": "../etc/passwd"}, "tenant_timezone"),
        ({"language": "fr"}, "tenant_language"),
    ],
)
async def test_what_is_wrong_is_refused_and_nothing_is_written(rt: Runtime, wrong: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        await add(rt, **wrong)
    assert refused.value.code == code
    async with rt.db.session() as session:
        assert await session.all(tenants.EVERYONE) == []


async def test_a_taken_slug_is_refused(rt: Runtime) -> None:
    await add(rt)
    with pytest.raises(Refused, match="exists already"):
        await add(rt, name="Outra")


async def test_a_tenant_is_found_by_its_slug_and_its_key_opens_with_any_of_ours(rt: Runtime) -> None:
    id_ = await add(rt)
    async with rt.db.session() as session:
        tenant = await tenants.find(session, "loja")
        with pytest.raises(Refused, match="no tenant 'outra'"):
            await tenants.find(session, "outra")
    assert (tenant.id, tenant.name) == (id_, "Loja")
    assert tenants.data_key(tenant, KEYS) == tenants.data_key(tenant, KEYS[::-1])
    assert len(tenants.data_key(tenant, KEYS)) == 32


async def test_two_tenants_keys_cannot_be_swapped(rt: Runtime) -> None:
    """S40: the place is part of the seal."""
    await add(rt)
    await add(rt, slug="outra")
    async with rt.db.session() as session:
        one, two = await tenants.find(session, "loja"), await tenants.find(session, "outra")
    with pytest.raises((InvalidTag, Refused)):
        tenants.data_key(replace(one, data_key=two.data_key), KEYS)
