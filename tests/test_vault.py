"""Secrets at rest (S40, S41): what is sealed opens in its place with its key, and nowhere else."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atendeja import numbers, tenants, vault
from atendeja.errors import Refused
from atendeja.runtime import Runtime
from tests import world

OLD, NEW = b"o" * 32, b"n" * 32
NONCE = b"0123456789ab"
PLACE = vault.place(7, "number", "token", "row-1")

OTHER_PLACES = {
    "tenant": vault.place(8, "number", "token", "row-1"),
    "table": vault.place(7, "account", "token", "row-1"),
    "column": vault.place(7, "number", "secret", "row-1"),
    "row": vault.place(7, "number", "token", "row-2"),
}


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    sealed = vault.seal(OLD, plain, PLACE, NONCE)
    assert vault.unseal([OLD], sealed, PLACE) == plain
    assert len(sealed) == 1 + 12 + len(plain) + 16


@pytest.mark.parametrize("which", OTHER_PLACES)
def test_a_secret_copied_elsewhere_does_not_open(which: str) -> None:
    with pytest.raises(Refused, match="cannot be opened"):
        vault.unseal([OLD], vault.seal(OLD, b"token", PLACE, NONCE), OTHER_PLACES[which])


SEALED = vault.seal(OLD, b"token", PLACE, NONCE)
SPOILT = (SEALED[:-1], SEALED[:-1] + bytes([SEALED[-1] ^ 1]), SEALED[:13], b"\x02" + SEALED[1:], b"")


@pytest.mark.parametrize("spoilt", SPOILT, ids=("cut", "bit", "head", "format", "empty"))
def test_a_spoilt_secret_is_refused(spoilt: bytes) -> None:
    with pytest.raises(Refused):
        vault.unseal([OLD], spoilt, PLACE)


def test_a_changed_key_opens_what_the_old_one_sealed_as_long_as_it_is_listed() -> None:
    """S41: the first seals, all open."""
    sealed = vault.seal(OLD, b"token", PLACE, NONCE)
    assert vault.unseal([NEW, OLD], sealed, PLACE) == b"token"
    with pytest.raises(Refused):
        vault.unseal([NEW], sealed, PLACE)


def test_each_purpose_has_a_key_of_its_own() -> None:
    assert vault.derive(OLD, "callback") != vault.derive(OLD, "cursor")
    assert vault.derive(OLD, "callback") != vault.derive(NEW, "callback")
    assert len(vault.derive(OLD, "callback")) == vault.KEY_BYTES


async def test_the_stored_token_of_a_number_does_not_open_as_that_of_another(rt: Runtime) -> None:
    """S40 on the real rows: swapped between tenants A and B neither opens; with the key changed and the old one kept both do."""
    keys = rt.config.secret_keys
    made = await world.found(rt.db, keys)
    rows = {}
    for slug, tenant_id in (("a", made.a), ("b", made.b)):
        async with rt.db.session() as session:
            tenant = await tenants.find(session, slug)
        async with rt.db.tenant(tenant_id) as tx:
            rows[slug] = tenant, (await tx.all(numbers.EVERYONE))[0]
    (a, number_a), (b, number_b) = rows["a"], rows["b"]
    assert world.A.token.encode() not in number_a.token
    assert numbers.read_token(a, number_a, [secrets.token_bytes(32), *keys]) == world.A.token
    assert numbers.read_token(b, number_b, keys) == world.B.token
    for tenant, number in ((a, number_b), (b, number_a)):
        with pytest.raises(Refused):
            numbers.read_token(tenant, number, keys)
    with pytest.raises(Refused):
        numbers.read_token(a, number_a, [secrets.token_bytes(32)])
