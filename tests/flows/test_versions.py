"""Published flows: versions that never change, one pointer, programs compiled once."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest

from atendeja import flows
from atendeja.db import Tx
from atendeja.errors import Refused
from atendeja.flow import document
from atendeja.flow.engine import Program
from atendeja.flow.examples import examples
from atendeja.flow.model import Flow
from atendeja.flows import Programs, Publication
from atendeja.runtime import Runtime
from tests import world
from tests.turn.shop import ECHO, HEAD, PERSON


def flow_of(text: str = "Oi!", key: str = "prova") -> Flow:
    return document.load(f"{HEAD.format(key=key)}nodes:{ECHO.replace('Oi!', text)}{PERSON}", key)


async def publish(rt: Runtime, tenant: int, flow: Flow, number_id: UUID | None = None) -> Publication:
    async def work(tx: Tx) -> Publication:
        return await flows.publish(tx, flow, number_id=number_id, author="ana", now=rt.now(), new_id=rt.new_id)

    return await rt.db.transact(tenant, work)


async def published(rt: Runtime, tenant: int) -> list[UUID]:
    """The versions that answer."""
    async with rt.db.tenant(tenant) as tx:
        rows = await tx._connection.fetch("SELECT published_version_id AS id FROM flow ORDER BY created_at, id")
    return [row["id"] for row in rows if row["id"] is not None]


async def versions(rt: Runtime) -> list[tuple[int, str]]:
    admin = await asyncpg.connect(rt.config.admin_url.reveal())
    rows = await admin.fetch("SELECT n, status FROM flow_version ORDER BY n")
    await admin.close()
    return [(row["n"], row["status"]) for row in rows]


@pytest.fixture
async def made(rt: Runtime) -> world.World:
    return await world.found(rt.db, rt.config.secret_keys)


async def test_publishing_makes_a_version_and_the_same_again_makes_none(rt: Runtime, made: world.World) -> None:
    first = await publish(rt, made.a, flow_of())
    assert (first.n, first.new) == (1, True)
    again = await publish(rt, made.a, flow_of())
    assert (again.n, again.new, again.sha256) == (1, False, first.sha256)
    second = await publish(rt, made.a, flow_of("Olá!"))
    assert (second.n, second.new) == (2, True) and second.sha256 != first.sha256
    back = await publish(rt, made.a, flow_of())
    assert (back.n, back.new) == (3, True), "going back is a version of its own"
    assert await versions(rt) == [(1, "retired"), (2, "retired"), (3, "published")]
    assert len(await published(rt, made.a)) == 1


async def test_two_who_publish_at_once_make_two_versions(rt: Runtime, made: world.World) -> None:
    """F25: the flow's row is locked, so neither number is given twice."""
    done = await asyncio.gather(*(publish(rt, made.a, flow_of(f"Oi {i}")) for i in range(5)))
    assert sorted(p.n for p in done) == [1, 2, 3, 4, 5]
    assert [status for _, status in await versions(rt)].count("published") == 1


async def test_a_flow_that_does_not_check_is_refused_and_leaves_nothing(rt: Runtime, made: world.World) -> None:
    bad = document.load(
        f"{HEAD.format(key='ruim')}nodes:\n  a: {{do: [{{say: {{text: Oi}}}}], wait: {{reply: [text]}}}}{PERSON}", "ruim"
    )
    with pytest.raises(Refused, match=r"nodes\.a") as refused:
        await publish(rt, made.a, bad)
    assert refused.value.code == "flow_invalid"
    assert await versions(rt) == [] and await published(rt, made.a) == []


async def test_a_program_is_compiled_once_and_belongs_to_its_tenant(rt: Runtime, made: world.World) -> None:
    """I13: a version of A is nothing to B."""
    await publish(rt, made.a, flow_of())
    (version,) = await published(rt, made.a)
    programs = Programs()

    async def load(tx: Tx) -> object:
        return (await programs.load(tx, [version, uuid4()])).get(version)

    assert await rt.db.transact(made.b, load) is None
    first = await rt.db.transact(made.a, load)
    assert first is not None and await rt.db.transact(made.a, load) is first


async def test_a_version_is_the_document_that_was_published(rt: Runtime, made: world.World) -> None:
    """The shipped flows, whole: what is read back is what was written."""
    for key, text in examples().items():
        flow = document.load(text, key)
        await publish(rt, made.a, flow)

        versions = await published(rt, made.a)

        async def load(tx: Tx, versions: list[UUID] = versions) -> dict[UUID, Program]:
            return await Programs().load(tx, versions)

        loaded = await rt.db.transact(made.a, load)
        assert flow in [program.flow for program in loaded.values()]


async def test_what_is_kept_is_what_runs_however_long_json_says_it(rt: Runtime, made: world.World) -> None:
    """A document grows on its way into the database, where a line's end takes two bytes: what was accepted is loaded."""
    blank = chr(10) * 200_000
    flow = document.load(f"{HEAD.format(key='longa')}ui: |+\n  x{blank}nodes:{ECHO}{PERSON}", "longa")
    assert len(document.canonical(flow)) > document.LARGEST
    await publish(rt, made.a, flow)
    (version,) = await published(rt, made.a)

    async def load(tx: Tx) -> Program | None:
        return (await Programs().load(tx, [version])).get(version)

    program = await rt.db.transact(made.a, load)
    assert program is not None and program.flow == flow
