"""Flows looked at before they answer anybody: what is wrong with one, its own tests, and a conversation with it. Nothing is kept.

All of it is done by `trial`, in a process of its own.
"""

import asyncio
import datetime as dt
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from atendeja.endpoint import Call, Endpoint, Fault, Instant, Problem, Role
from atendeja.errors import Refused
from atendeja.flow import reference
from atendeja.flow.examples import examples
from atendeja.flow.preview import Stage
from atendeja.flow.types import LONGEST_TEXT, Id
from atendeja.flows.versions import TEXT, Written
from atendeja.runtime import Runtime
from atendeja.trial import TOO_HEAVY
from atendeja.trial.work import Ask, FlowProblem, FlowTest, FlowTurn, Found, Heard, Play

READERS: frozenset[Role] = frozenset({"owner", "admin", "agent", "viewer"})
DAY_S = 86_400
FIRST_YEAR, LAST_YEAR = 2000, 2100
"""A simulated conversation is in these years: the calendar has an end."""

SMALL = """\
spec: 1
key: ola
language: pt-BR
start: oi
defaults: {after_tries: pessoa}
nodes:
  oi: {do: [{say: {text: "Olá!"}}], wait: {reply: [text]}, route: [{any: true, to: pessoa}]}
  pessoa: {do: [{handoff: {queue: loja}}]}
"""
Source = Annotated[
    str, Meta(min_length=1, description="The document, YAML or JSON, as the text of one JSON string.", examples=[SMALL])
]


class FlowDocument(Struct, frozen=True, forbid_unknown_fields=True):
    source: Source


class CheckedFlow(Struct, frozen=True):
    """What is wrong with a flow. Without errors it can be published."""

    errors: int
    warnings: int
    problems: Annotated[list[FlowProblem], Meta(description="The errors first; a hundred at most.")]
    key: Annotated[str | None, Meta(description="None where the form is wrong.", examples=["ola"])]
    sha256: Annotated[str | None, Meta(description="Of what it says, however it is written.")]


class ChosenFlow(Struct, frozen=True, forbid_unknown_fields=True):
    """Either of the two: a document, or a version that is kept here."""

    source: Source | UnsetType = UNSET
    version_id: UUID | UnsetType = UNSET


class TestedFlow(Struct, frozen=True):
    passed: Annotated[bool, Meta(description="All of them.")]
    tests: list[FlowTest]


class SimulatedEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """What the customer does next."""

    kind: Literal[
        "text",
        "button",
        "list",
        "image",
        "video",
        "audio",
        "document",
        "sticker",
        "location",
        "contact",
        "form",
        "order",
        "nothing",
    ] = "text"
    text: Annotated[str, Meta(max_length=LONGEST_TEXT, description="What is written, or a caption.", examples=["oi"])] = ""
    choice: Annotated[Id | None, Meta(description="The id of what is tapped: of a `button` or `list`.", examples=["agendar"])] = (
        None
    )
    data: Annotated[
        dict[str, Any] | None, Meta(description="What else comes with it: `{latitude, longitude}`, a card, a form.")
    ] = None
    after_s: Annotated[int, Meta(ge=0, le=400 * DAY_S, description="So long after what was before; timers ring on the way.")] = 0


class SimulatedContact(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the flow talks to."""

    name: Annotated[str, Meta(max_length=200, examples=["Ana"])] = "Cliente"
    language: Annotated[str, Meta(max_length=20, examples=["pt-BR"])] = ""
    tags: Annotated[list[Id], Meta(max_length=50, examples=[["vip"]])] = []
    fields: Annotated[dict[Id, Any], Meta(max_length=50)] = {}


class Simulation(Struct, frozen=True, forbid_unknown_fields=True):
    source: Source | UnsetType = UNSET
    version_id: UUID | UnsetType = UNSET
    events: Annotated[list[SimulatedEvent], Meta(max_length=50)] = []
    state: Annotated[str | None, Meta(description="`state` of the answer before: the conversation goes on. None begins one.")] = (
        None
    )
    contact: Annotated[SimulatedContact, Meta(description="Taken at the beginning only.")] = SimulatedContact()
    now: Annotated[Instant | UnsetType, Meta(description="When it begins; the time of day without it.")] = UNSET


class Simulated(Struct, frozen=True):
    turns: list[FlowTurn]
    state: Annotated[str, Meta(description="Opaque: give it back with the next events.")]
    at: Instant
    node: Annotated[str | None, Meta(description="Where the flow is.", examples=["menu"])]
    is_over: Annotated[bool, Meta(description="No run of the flow waits for an answer.")]
    variables: dict[str, Any]
    tags: list[str]
    consents: dict[str, str]
    queue: Annotated[str | None, Meta(description="Whose people have the conversation.")]


class FlowExample(Struct, frozen=True):
    key: Annotated[str, Meta(examples=["oficina_atendimento"])]
    source: Source


class FlowExamples(Struct, frozen=True):
    items: list[FlowExample]


class FlowLanguage(Struct, frozen=True):
    """What flows are written in."""

    text: Annotated[str, Meta(description="The reference, in Markdown.")]
    schema: Annotated[Raw, Meta(description="A JSON Schema (2020-12) of a document.", examples=[{"type": "object"}])]


async def weigh(rt: Runtime, call: Call[Any], ask: Ask) -> Found:  # Any: whatever it takes
    """What comes of a trial."""
    return await rt.trials.run(call.tenant_id, ask)


def refuse_faults(found: Found, *, also_of_sense: bool) -> None:
    """Raises Problem with all that is wrong: of a document whose form is wrong, and perhaps of one that makes no sense."""
    code = "flow_malformed" if found.flow is None else "flow_invalid"
    if found.flow is not None and not (also_of_sense and found.errors):
        return
    faults = tuple(Fault(p.path, _say(p)) for p in found.problems if p.severity == "error")
    raise Problem(422, code, f"the flow has {found.errors} error(s)", faults=faults)


def _say(problem: FlowProblem) -> str:
    line = "" if problem.line is None else f"line {problem.line}: "
    return f"{line}{problem.message}" + (f" ({problem.suggestion})" if problem.suggestion else "")


async def check_flow(rt: Runtime, call: Call[FlowDocument]) -> CheckedFlow:
    found = await weigh(rt, call, Ask(call.body.source))
    key, sha256 = (None, None) if found.flow is None else (found.flow.key, found.flow.sha256)
    return CheckedFlow(found.errors, found.warnings, found.problems, key, sha256)


async def test_flow(rt: Runtime, call: Call[ChosenFlow]) -> TestedFlow:
    source, definition = await _choose(rt, call, call.body.source, call.body.version_id)
    found = await weigh(rt, call, Ask(source, definition, tests=True))
    refuse_faults(found, also_of_sense=True)
    return TestedFlow(all(test.passed for test in found.tests), found.tests)


async def simulate_flow(rt: Runtime, call: Call[Simulation]) -> Simulated:
    body = call.body
    stage = _stage(rt, call)
    source, definition = await _choose(rt, call, body.source, body.version_id)
    heard = [Heard(e.kind, e.text, e.choice, e.data, e.after_s) for e in body.events]
    found = await weigh(rt, call, Ask(source, definition, play=Play(stage, heard)))
    refuse_faults(found, also_of_sense=True)
    assert found.stage is not None
    after = found.stage
    state, session = call.cursors.write(call.place, after), after.session
    node, variables = (None, {}) if session is None else (session.node, session.vars)
    return Simulated(found.turns, state, after.now, node, after.is_over, variables, after.tags, after.consents, after.queue)


def _stage(rt: Runtime, call: Call[Simulation]) -> Stage:
    """Where the conversation is. Raises Refused for a state that was not given here."""
    body, who = call.body, call.body.contact
    if body.state is None:
        stage = Stage(rt.now() if body.now is UNSET else body.now, who.name, who.language, list(who.tags), who.fields)
    else:
        try:
            stage = call.cursors.read(call.place, body.state, Stage)
        except Problem as error:
            raise Refused("bad_state", "the state is not one of this simulation: begin again without it") from error
    if not FIRST_YEAR <= stage.now.year <= LAST_YEAR:
        raise Refused("bad_state", f"a simulation is in the years from {FIRST_YEAR} to {LAST_YEAR}")
    stage.now = stage.now.astimezone(dt.UTC)
    return stage


async def _choose(
    rt: Runtime, call: Call[Any], source: str | UnsetType, version_id: UUID | UnsetType  # Any: whatever it takes
) -> tuple[str | None, str | None]:  # fmt: skip
    """The source, or what is kept of the version: its source and its definition. Raises Problem for none or both, Refused for a
    version that is not here."""
    if (source is UNSET) == (version_id is UNSET):
        faults = (Fault("$", "either `source` or `version_id`, and not both"),)
        raise Problem(422, "invalid", "the request does not fit", faults=faults)
    if source is not UNSET:
        return source, None
    async with rt.db.tenant(call.tenant_id) as tx:
        found = await tx.one(TEXT, id=version_id)
    if found is None:
        raise Refused("version_unknown", "there is no such version of a flow here")
    return found.source, found.definition.decode()


def written(text: Written) -> str:
    """A version as somebody wrote it; one of which only the definition is known, as JSON."""
    return msgspec.json.format(text.definition, indent=2).decode() if text.source is None else text.source


@cache
def _examples() -> FlowExamples:
    return FlowExamples([FlowExample(key, text) for key, text in examples().items()])


async def list_examples(_rt: Runtime, _call: Call[Struct]) -> FlowExamples:
    return await asyncio.to_thread(_examples)


@cache
def _language() -> FlowLanguage:
    text = (files(reference.__package__) / "LANGUAGE.md").read_text("utf-8")
    return FlowLanguage(text, Raw(msgspec.json.encode(reference.schema())))


async def show_language(_rt: Runtime, _call: Call[Struct]) -> FlowLanguage:
    return await asyncio.to_thread(_language)


UNFIT = {"flow_malformed": 422, "flow_invalid": 422, TOO_HEAVY: 422, "version_unknown": 422}

ROUTES: list[Endpoint[Runtime]] = [
    Endpoint("GET", "/v1/flows/language", "show_language", show_language, who=READERS, scope="flows:read", gives=FlowLanguage,
             says="What flows are written in: for people, and as a JSON Schema for editors."),
    Endpoint("GET", "/v1/flows/examples", "list_examples", list_examples, who=READERS, scope="flows:read", gives=FlowExamples,
             says="Flows that come with the server, to begin with."),
    Endpoint("POST", "/v1/flows/check", "check_flow", check_flow, who=READERS, scope="flows:read", takes=FlowDocument,
             gives=CheckedFlow, asks=True, refuses={TOO_HEAVY: 422}, says="Everything that is wrong with a flow, and where."),
    Endpoint("POST", "/v1/flows/test", "test_flow", test_flow, who=READERS, scope="flows:read", takes=ChosenFlow, gives=TestedFlow,
             asks=True, refuses=UNFIT, says="Run the conversations that are a flow's own tests."),
    Endpoint("POST", "/v1/flows/simulate", "simulate_flow", simulate_flow, who=READERS, scope="flows:read", takes=Simulation,
             gives=Simulated, asks=True, refuses=UNFIT | {"bad_state": 422},
             says="Talk to a flow as a customer would, with the engine of production. Nothing is kept and nobody hears it."),
]  # fmt: skip
