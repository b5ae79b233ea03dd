"""How passwords are hashed and which are none (S19)."""

import asyncio
import string

import pytest
from argon2 import PasswordHasher, extract_parameters

from atendeja.accounts import passwords
from atendeja.errors import Refused, Unavailable


async def test_a_password_is_known_again_and_no_other() -> None:
    known = await passwords.HASHING.make("cadeira amarela 42", b"s" * 16)
    assert await passwords.HASHING.check(known, "cadeira amarela 42")
    for other in ("cadeira amarela 43", "Cadeira amarela 42", "cadeira amarela 42 ", "", "cadeira amarela 42\0"):
        assert not await passwords.HASHING.check(known, other)
    assert await passwords.HASHING.make("cadeira amarela 42", b"t" * 16) != known


async def test_the_parameters_are_what_they_should_be_and_of_nobody_too() -> None:
    for known in (await passwords.HASHING.make("cadeira amarela 42", b"s" * 16), passwords.NOBODY):
        found = extract_parameters(known)
        assert (found.type.name, found.memory_cost >= 19 * 1024, found.time_cost >= 2, found.salt_len) == ("ID", True, True, 16)
        assert not passwords.is_outdated(known)
    assert passwords.is_outdated(PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("x"))


async def test_nobody_has_no_password_not_even_the_one_of_the_hash() -> None:
    assert not await passwords.HASHING.check(None, "xxxxxxxxxxxx")
    assert await passwords.HASHING.check(passwords.NOBODY, "xxxxxxxxxxxx"), "it is a real hash, which takes as long as any"


async def test_the_same_characters_typed_in_another_way_are_the_same() -> None:
    known = await passwords.HASHING.make("informação livre", b"s" * 16)
    assert await passwords.HASHING.check(known, "informac\u0327a\u0303o livre")


@pytest.mark.parametrize("password", ["cadeira amarela 42", "x" * 8 + string.digits, "ñandú azul y verde", "123456789 segredos"])
def test_a_good_password_is_taken(password: str) -> None:
    passwords.check_new(password, "ana@oficina.example")


@pytest.mark.parametrize(
    "password", ["", "curta", "onze letras", "password1234", "PASSWORD1234", "qwertyuiop123", "1234567890123", "aaaaaaaaaaaaa",
                 "abababababababab", "ana@oficina.example", "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff441234"],
)  # fmt: skip
def test_a_bad_password_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(Refused) as caught:
        passwords.check_new(password, "ana@oficina.example")
    assert caught.value.code == "weak_password"
    assert len(password) < 4 or password not in str(caught.value)


async def test_one_is_hashed_at_a_time_and_too_many_are_told_to_come_again() -> None:
    hashing = passwords.Hashing()

    async def come() -> bool:
        with hashing.place():
            return await hashing.check(None, "x")

    crowd = [asyncio.ensure_future(come()) for _ in range(passwords.MOST_WAITING + 10)]
    found = await asyncio.gather(*crowd, return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in found) == 10
    assert len(hashing._threads._threads) == passwords.AT_ONCE == 1
    assert await come() is False, "and afterwards there is room again"
