"""Flows over the API: drafts, publishing, going back. Who edits says what he has seen (`If-Match`) and so undoes nobody's work."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from msgspec import Meta, Raw, Struct

from atendeja import accounts, audit, numbers
from atendeja.db import Tx
from atendeja.endpoint import Call, Endpoint, Fault, Instant, Listing, Page, Problem, Role, not_found, once
from atendeja.errors import Refused
from atendeja.feed.shapes import Published
from atendeja.flows import versions
from atendeja.flows.trying import READERS, UNFIT, Source, refuse_faults, weigh, written
from atendeja.flows.versions import FlowRow, Status, VersionRow, Writing
from atendeja.runtime import Runtime
from atendeja.trial import TOO_HEAVY
from atendeja.trial.work import Ask, Found

WRITERS: frozenset[Role] = frozenset({"owner", "admin"})
MOST_FLOWS = 200
"""Of a business: all that are published are looked through when a customer writes first."""
FIRST = UUID(int=0)
HIGHEST = 2**31 - 1

Note = Annotated[str, Meta(max_length=500, description="A word about this version.", examples=["preços de março"])] | None


class FlowVersion(Struct, frozen=True):
    """One text of a flow. Only a draft changes."""

    id: UUID
    n: Annotated[int, Meta(description="Its number, from 1.")]
    status: Annotated[Status, Meta(description="published: it answers; retired: it has answered.")]
    spec: Annotated[int, Meta(description="Of the language.")]
    sha256: Annotated[str, Meta(description="Of what it says, however it is written.")]
    author: Annotated[str, Meta(description="Who wrote it: a person's name, or a key's.", examples=["Ana"])]
    note: str | None
    errors: Annotated[int, Meta(description="With any a draft cannot be published.", examples=[0])]
    warnings: Annotated[int, Meta(examples=[0])]
    saved_at: Instant
    published_at: Annotated[Instant | None, Meta(description="When it last began to answer.")]


class ShownFlow(Struct, frozen=True):
    """A conversation of a business. Without a published version it does not open."""

    id: UUID
    key: Annotated[str, Meta(examples=["oficina_atendimento"])]
    number_id: Annotated[UUID | None, Meta(description="The number that it answers on; none: all of them.")]
    published: FlowVersion | None
    draft: FlowVersion | None
    created_at: Instant


class ShownFlowVersion(Struct, frozen=True):
    version: FlowVersion
    flow_id: UUID
    source: Source
    definition: Annotated[Raw, Meta(description="The document as it was read.", examples=[{"spec": 1}])]


class NewFlow(Struct, frozen=True, forbid_unknown_fields=True):
    source: Source
    number_id: Annotated[UUID | None, Meta(description="The one number that it is to answer on; none: all of them.")] = None
    note: Note = None


class FlowChange(Struct, frozen=True, forbid_unknown_fields=True):
    number_id: Annotated[UUID | None, Meta(description="The one number that it is to answer on; none: all of them.")]


class FlowDraft(Struct, frozen=True, forbid_unknown_fields=True):
    source: Source
    note: Note = None


class PublishedFlow(Struct, frozen=True, forbid_unknown_fields=True):
    version_id: Annotated[UUID, Meta(description="The draft, or one that has answered before.")]
    skip_tests: Annotated[bool, Meta(description="Publish it though its own tests fail; the audit log tells.")] = False


class After(Struct, frozen=True):
    id: UUID


class Below(Struct, frozen=True):
    n: int


def show_version_row(row: VersionRow) -> FlowVersion:
    return FlowVersion(
        row.id, row.n, row.status, row.spec, row.sha256, row.author, row.note, row.errors, row.warnings, row.created_at,
        row.published_at,
    )  # fmt: skip


def show(flow: FlowRow, current: Sequence[VersionRow]) -> ShownFlow:
    """A flow with those of its versions that matter now."""
    found = {row.status: show_version_row(row) for row in current if row.flow_id == flow.id}
    return ShownFlow(flow.id, flow.key, flow.number_id, found.get("published"), found.get("draft"), flow.created_at)


async def list_flows(rt: Runtime, call: Call[Listing]) -> Page[ShownFlow]:
    after = call.after(call.body, After)
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.all(versions.PAGE, after=after.id if after else FIRST, most=call.body.limit + 1)
        items, following = call.cut(call.body, found, lambda flow: After(flow.id))
        current = await tx.all(versions.CURRENT, flow_ids=[flow.id for flow in items])
    return Page([show(flow, current) for flow in items], following)


async def make_flow(rt: Runtime, call: Call[NewFlow]) -> ShownFlow:
    """A new flow with its first draft. Raises Problem for a document whose form is wrong, Refused for what is there already."""
    found = await _read(rt, call, call.body.source)
    now, flow_id, version_id = rt.now(), rt.new_id(), rt.new_id()
    key, writing = _key(found), _writing(found, call.body.source)

    async def work(tx: Tx) -> ShownFlow:
        await _check_number(tx, call.body.number_id)
        count = await tx.one(versions.COUNT)
        if count is not None and count.n >= MOST_FLOWS:
            raise Refused("too_many_flows", f"a business has at most {MOST_FLOWS} flows")
        if not await tx.run(versions.INSERT_FLOW, id=flow_id, key=key, number_id=call.body.number_id, created_at=now):
            raise _exists(key)
        author = await accounts.name_of(tx, call.by)
        await versions.add(tx, flow_id, version_id, "draft", writing, author=author, note=call.body.note, now=now)
        after = {"key": key, "number_id": call.body.number_id, "n": 1, "sha256": writing.sha256}
        await audit.add(tx, rt.new_id(), now, audit.actor(call), "flow_made", flow_id, after=after)
        return await _load(tx, flow_id)

    return await once(rt, call, work)


async def show_flow(rt: Runtime, call: Call[Struct]) -> ShownFlow:
    async with rt.db.tenant(call.tenant_id) as tx:
        return await _load(tx, call.ids["id"])


async def change_flow(rt: Runtime, call: Call[FlowChange]) -> ShownFlow:
    """Have it answer on another number. Flow sessions that run go on where they are."""

    async def work(tx: Tx) -> ShownFlow:
        flow, shown = await _lock(tx, call)
        call.check_tag(shown)
        if flow.number_id == call.body.number_id:
            return shown
        await _check_number(tx, call.body.number_id)
        try:
            await tx.run(versions.MOVE, id=flow.id, number_id=call.body.number_id)
        except asyncpg.UniqueViolationError as error:
            raise _exists(flow.key) from error
        before, after = ({"number_id": number_id} for number_id in (flow.number_id, call.body.number_id))
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "flow_changed", flow.id, before=before, after=after)
        return await _load(tx, flow.id)

    return await rt.db.transact(call.tenant_id, work)


async def list_versions(rt: Runtime, call: Call[Listing]) -> Page[FlowVersion]:
    """The newest first."""
    below = call.after(call.body, Below)
    async with rt.db.tenant(call.tenant_id) as tx:
        if await tx.one(versions.ONE, id=call.ids["id"]) is None:
            raise not_found()
        before = below.n if below else HIGHEST
        found = await tx.all(versions.VERSIONS, flow_id=call.ids["id"], before=before, most=call.body.limit + 1)
    items, following = call.cut(call.body, found, lambda row: Below(row.n))
    return Page([show_version_row(row) for row in items], following)


async def show_version(rt: Runtime, call: Call[Struct]) -> ShownFlowVersion:
    async with rt.db.tenant(call.tenant_id) as tx:
        row = await tx.one(versions.VERSION, id=call.ids["id"])
        if row is None:
            raise not_found()
        return await _with_text(tx, row)


async def show_draft(rt: Runtime, call: Call[Struct]) -> ShownFlowVersion:
    async with rt.db.tenant(call.tenant_id) as tx:
        _, draft = await versions.current(tx, call.ids["id"])
        if draft is None:
            raise not_found()
        return await _with_text(tx, draft)


async def save_draft(rt: Runtime, call: Call[FlowDraft]) -> ShownFlowVersion:
    """Have the draft say this; begin one where there is none. Raises Problem for a document whose form is wrong."""
    found = await _read(rt, call, call.body.source)
    key, writing = _key(found), _writing(found, call.body.source)
    now, new_id = rt.now(), rt.new_id()

    async def work(tx: Tx) -> ShownFlowVersion:
        flow, _ = await _lock(tx, call)
        _, draft = await versions.current(tx, flow.id)
        call.check_tag(None if draft is None else await _with_text(tx, draft))
        if key != flow.key:
            raise Refused("other_key", f"this flow is `{flow.key}`: a document of another key is another flow")
        author = await accounts.name_of(tx, call.by)
        if draft is None:
            await versions.add(tx, flow.id, new_id, "draft", writing, author=author, note=call.body.note, now=now)
        else:
            await versions.change(tx, draft.id, writing, author=author, note=call.body.note, now=now)
        before = None if draft is None else _tell(draft)
        _, saved = await versions.current(tx, flow.id)
        assert saved is not None
        await audit.add(
            tx, rt.new_id(), now, audit.actor(call), "flow_draft_saved", flow.id, before=before, after=_tell(saved)
        )  # fmt: skip
        return await _with_text(tx, saved)

    return await rt.db.transact(call.tenant_id, work)


async def drop_draft(rt: Runtime, call: Call[Struct]) -> None:
    """Throw the draft away; a flow that never had anything else goes with it."""

    async def work(tx: Tx) -> None:
        flow, _ = await _lock(tx, call)
        _, draft = await versions.current(tx, flow.id)
        if draft is None:
            raise not_found()
        await tx.run(versions.DROP_DRAFT, id=draft.id)
        await tx.run(versions.DROP_EMPTY, id=flow.id)
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "flow_draft_dropped", flow.id, before=_tell(draft))

    await rt.db.transact(call.tenant_id, work)


async def publish_flow(rt: Runtime, call: Call[PublishedFlow]) -> ShownFlow:
    """Have a version answer. Raises Problem with every problem, or every test that fails, and when it was changed meanwhile."""
    flow_id, version_id = call.ids["id"], call.body.version_id
    async with rt.db.tenant(call.tenant_id) as tx:
        if await tx.one(versions.ONE, id=flow_id) is None:
            raise not_found()
        row, text = await tx.one(versions.VERSION, id=version_id), await tx.one(versions.TEXT, id=version_id)
    if row is None or text is None or row.flow_id != flow_id:
        raise Refused("version_unknown", "this flow has no such version")
    found = await weigh(rt, call, Ask(text.source, text.definition.decode(), tests=not call.body.skip_tests))
    refuse_faults(found, also_of_sense=True)
    _refuse_failures(found)
    return await once(rt, call, lambda tx: _publish(tx, rt, call, row, found.warnings))


async def _publish(tx: Tx, rt: Runtime, call: Call[PublishedFlow], looked_at: VersionRow, warnings: int) -> ShownFlow:
    flow, shown = await _lock(tx, call)
    call.check_tag(shown)
    row, (before, _) = await tx.one(versions.VERSION, id=looked_at.id), await versions.current(tx, flow.id)
    if row is None or row.sha256 != looked_at.sha256:
        raise Problem(412, "changed_meanwhile", "somebody has changed this draft meanwhile: look at it again")
    if row.status != "published":
        now = rt.now()
        await versions.point(tx, flow.id, row, warnings, now)
        if rt.feed.wants(tx.tenant_id):
            await rt.feed.tell(tx, [Published(row.id, flow.key, row.n, flow.number_id)])
        told = _tell(row) | {"tests_skipped": call.body.skip_tests, "goes_back": row.status == "retired"}
        await audit.add(
            tx, rt.new_id(), now, audit.actor(call), "flow_published", flow.id, before=before and _tell(before), after=told
        )  # fmt: skip
    return await _load(tx, flow.id)


async def retire_flow(rt: Runtime, call: Call[Struct]) -> ShownFlow:
    """Have a flow open no more. Its sessions come to their end."""

    async def work(tx: Tx) -> ShownFlow:
        flow, shown = await _lock(tx, call)
        call.check_tag(shown)
        before, _ = await versions.current(tx, flow.id)
        if before is None:
            return shown
        await versions.silence(tx, flow.id)
        await audit.add(tx, rt.new_id(), rt.now(), audit.actor(call), "flow_retired", flow.id, before=_tell(before))
        return await _load(tx, flow.id)

    return await rt.db.transact(call.tenant_id, work)


async def _load(tx: Tx, flow_id: UUID) -> ShownFlow:
    flow = await tx.one(versions.ONE, id=flow_id)
    if flow is None:
        raise not_found()
    return show(flow, await tx.all(versions.CURRENT, flow_ids=[flow_id]))


async def _lock(tx: Tx, call: Call[Any]) -> tuple[FlowRow, ShownFlow]:  # Any: whatever it takes
    flow = await tx.one(versions.LOCK, id=call.ids["id"])
    if flow is None:
        raise not_found()
    return flow, show(flow, await tx.all(versions.CURRENT, flow_ids=[flow.id]))


async def _with_text(tx: Tx, row: VersionRow) -> ShownFlowVersion:
    text = await tx.one(versions.TEXT, id=row.id)
    assert text is not None
    return ShownFlowVersion(show_version_row(row), row.flow_id, written(text), Raw(text.definition))


async def _check_number(tx: Tx, number_id: UUID | None) -> None:
    if number_id is not None and not await numbers.load(tx, [number_id]):
        raise Refused("number_unknown", "this business has no such number")


async def _read(rt: Runtime, call: Call[Any], source: str) -> Found:  # Any: as above
    found = await weigh(rt, call, Ask(source))
    refuse_faults(found, also_of_sense=False)
    return found


def _refuse_failures(found: Found) -> None:
    failed = [(i, test) for i, test in enumerate(found.tests) if not test.passed]
    if failed:
        faults = tuple(Fault(f"tests[{i}]", f"{test.name}: {test.failure}") for i, test in failed)
        raise Problem(422, "flow_tests_fail", f"{len(failed)} of the flow's own tests fail", faults=faults)


def _writing(found: Found, source: str) -> Writing:
    assert found.flow is not None
    return Writing(found.flow.spec, found.flow.sha256, bytes(found.flow.definition), source, found.errors, found.warnings)


def _key(found: Found) -> str:
    assert found.flow is not None
    return found.flow.key


def _exists(key: str) -> Refused:
    return Refused("flow_exists", f"there is a flow `{key}` for this number already")


def _tell(row: VersionRow) -> dict[str, object]:
    return {"n": row.n, "sha256": row.sha256}


UNREADABLE = {"flow_malformed": 422, TOO_HEAVY: 422}

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/flows", "list_flows", list_flows, who=READERS, scope="flows:read", takes=Listing, gives=Page[ShownFlow],
             says="The flows of this business, with what answers and what is being written."),
    Endpoint("POST", "/v1/flows", "make_flow", make_flow, who=WRITERS, scope="flows:write", takes=NewFlow, gives=ShownFlow,
             status=201, once=True, asks=True,
             refuses=UNREADABLE | {"number_unknown": 422, "flow_exists": 409, "too_many_flows": 409},
             says="Make a flow, with a first draft. It answers nobody before it is published."),
    Endpoint("GET", "/v1/flows/{id}", "show_flow", show_flow, who=READERS, scope="flows:read", gives=ShownFlow, is_tagged=True,
             says="A flow, with what answers and what is being written."),
    Endpoint("PATCH", "/v1/flows/{id}", "change_flow", change_flow, who=WRITERS, scope="flows:write", takes=FlowChange,
             gives=ShownFlow, is_tagged=True, refuses={"number_unknown": 422, "flow_exists": 409},
             says="Have a flow answer on another number, or on all of them."),
    Endpoint("GET", "/v1/flows/{id}/versions", "list_versions", list_versions, who=READERS, scope="flows:read", takes=Listing,
             gives=Page[FlowVersion], says="All versions of a flow, the newest first."),
    Endpoint("GET", "/v1/flow-versions/{id}", "show_version", show_version, who=READERS, scope="flows:read", gives=ShownFlowVersion,
             says="A version, as it was written and as it was read."),
    Endpoint("GET", "/v1/flows/{id}/draft", "show_draft", show_draft, who=READERS, scope="flows:read", gives=ShownFlowVersion,
             is_tagged=True, says="What is being written."),
    Endpoint("PUT", "/v1/flows/{id}/draft", "save_draft", save_draft, who=WRITERS, scope="flows:write", takes=FlowDraft,
             gives=ShownFlowVersion, is_tagged=True, asks=True, refuses=UNREADABLE | {"other_key": 422},
             says="Have the draft say this, or begin one. It may have errors of sense still, its form must be right."),
    Endpoint("DELETE", "/v1/flows/{id}/draft", "drop_draft", drop_draft, who=WRITERS, scope="flows:write",
             says="Throw the draft away; a flow that never had anything else goes with it."),
    Endpoint("POST", "/v1/flows/{id}/publish", "publish_flow", publish_flow, who=WRITERS, scope="flows:write", takes=PublishedFlow,
             gives=ShownFlow, is_tagged=True, once=True, asks=True, refuses=UNFIT | {"flow_tests_fail": 422},
             says="Have a version answer: the draft, or an older one again. Those who talk already keep theirs."),
    Endpoint("POST", "/v1/flows/{id}/retire", "retire_flow", retire_flow, who=WRITERS, scope="flows:write", gives=ShownFlow,
             is_tagged=True, says="Have a flow open no more. Conversations that run come to their end."),
]  # fmt: skip
