"""Numbers: one owner each, tokens sealed to their row, and a directory that learns."""

from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from msgspec.structs import replace

from atendeja import numbers, tenants
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.numbers import Directory, NewNumber, Number
from atendeja.runtime import Runtime
from atendeja.tenants import Tenant
from tests import world
from tests.world import A, B


@pytest.fixture
async def made(rt: Runtime) -> world.World:
    return await world.found(rt.db, rt.config.secret_keys)


async def tenant(rt: Runtime, slug: str) -> Tenant:
    async with rt.db.session() as session:
        return await tenants.find(session, slug)


async def add(rt: Runtime, slug: str, new: NewNumber) -> UUID:
    owner = await tenant(rt, slug)

    async def work(tx: Tx) -> UUID:
        return await numbers.add(tx, owner, rt.config.secret_keys, new, rt.new_id(), rt.now())

    return await rt.db.transact(owner.id, work)


async def everyone(rt: Runtime, slug: str) -> list[Number]:
    async with rt.db.tenant((await tenant(rt, slug)).id) as tx:
        return await tx.all(numbers.EVERYONE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("phone_number_id", "+5511"),
        ("waba_id", ""),
        ("portfolio_id", "1" * 33),
        ("display_number", "123"),
        ("token", " "),
        ("token", "tökén"),
        ("rate", 0),
        ("rate", 1001),
    ],
)
def test_each_wrong_field_is_a_line(field: str, value: object) -> None:
    assert len(numbers.problems(replace(A, **{field: value}))) == 1
    assert numbers.problems(A) == []


async def test_a_wrong_number_writes_nothing(rt: Runtime, made: world.World) -> None:
    with pytest.raises(Refused, match="rate"):
        await add(rt, "a", replace(A, phone_number_id="7", rate=0))
    assert len(await everyone(rt, "a")) == 1


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (replace(B, phone_number_id="7", portfolio_id="7", waba_id=A.waba_id), "waba"),
        (replace(B, phone_number_id="7", portfolio_id=A.portfolio_id, waba_id="7"), "portfolio"),
        (replace(B, phone_number_id=A.phone_number_id, portfolio_id="7", waba_id="7"), "number"),
    ],
)
async def test_what_is_another_tenants_is_refused_and_nothing_is_half_written(
    rt: Runtime, made: world.World, new: NewNumber, kind: str
) -> None:
    """F4: neither a number nor a route is left behind; the ids that were free still are."""
    with pytest.raises(Refused, match=f"the {kind} .* belongs to another tenant"):
        await add(rt, "b", new)
    assert len(await everyone(rt, "b")) == 1
    directory = Directory(rt.db)
    await directory.learn({"7"}, {"7"})
    assert (directory.number("7"), directory.waba("7")) == (None, None)


async def test_adding_again_changes_token_rate_and_display_only(rt: Runtime, made: world.World) -> None:
    again = await add(rt, "a", replace(A, token="novo", rate=20, display_number="+55 11 4000-0009"))
    (number,) = await everyone(rt, "a")
    assert again == number.id == made.number_a
    assert (number.rate, number.display_number) == (20, "+551140000009")
    assert numbers.read_token(await tenant(rt, "a"), number, rt.config.secret_keys) == "novo"
    with pytest.raises(Refused, match="is kept under WABA"):
        await add(rt, "a", replace(A, waba_id="200000000000009"))


async def test_a_token_opens_in_its_own_row_only(rt: Runtime, made: world.World) -> None:
    """S40: swapped between rows or tenants it opens nowhere; in the table it is not readable."""
    await add(rt, "a", replace(A, phone_number_id="100000000000009", token="segundo"))
    owner, other = await tenant(rt, "a"), await tenant(rt, "b")
    one, two = await everyone(rt, "a")
    assert A.token.encode() not in one.token
    for thief, number in ((owner, replace(one, token=two.token)), (other, one)):
        with pytest.raises((InvalidTag, Refused)):
            numbers.read_token(thief, number, rt.config.secret_keys)


async def test_the_directory_knows_numbers_and_accounts_and_asks_again_for_what_it_does_not(rt: Runtime, made: world.World) -> None:
    """F10."""
    directory = Directory(rt.db)
    await directory.learn({A.phone_number_id, "100000000000009"}, {B.waba_id})
    route, account = directory.number(A.phone_number_id), directory.waba(B.waba_id)
    assert route is not None and (route.tenant_id, route.number_id, route.portfolio_id) == (made.a, made.number_a, A.portfolio_id)
    assert account is not None and (account.tenant_id, account.number_id) == (made.b, None)
    assert directory.number("100000000000009") is None
    added = await add(rt, "a", replace(A, phone_number_id="100000000000009"))
    await directory.learn({"100000000000009"}, set())
    found = directory.number("100000000000009")
    assert found is not None and found.number_id == added
