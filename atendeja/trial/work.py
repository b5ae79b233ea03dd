"""What is done with a flow in a trial: read, checked, its own conversations run, somebody talked to. Pure."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Raw, Struct

from atendeja.errors import Refused
from atendeja.flow import check, document, engine, preview, testing
from atendeja.flow.engine import Program
from atendeja.flow.grammar import Problem
from atendeja.flow.inputs import MEDIA
from atendeja.flow.model import Flow
from atendeja.flow.preview import Stage
from atendeja.flow.session import Answer, Effect, Input, Say, TraceRow
from atendeja.wa import content as wa

MOST_PROBLEMS: Final = 100
"""Of a flow that are told; the errors first."""
MOST_LINES: Final = 200
"""Of a transcript that are told, the last ones."""
MOST_CHARS: Final = 500
"""Of a line of anything: a document of one long word is not said back."""
HEAD_BYTES: Final = 4
MOST_ANSWER_BYTES: Final = 8 * 1024 * 1024
OUT_OF_MEMORY: Final = 3
"""The child's exit status."""

_LINE = re.compile(r"\(line ([0-9]+), column [0-9]+\)$")


class FlowProblem(Struct, frozen=True):
    """Something that is wrong with a flow, in the words of `atendeja flow check`."""

    severity: Annotated[Literal["error", "warning"], Meta(description="A flow with an error cannot be published.")]
    path: Annotated[str, Meta(description="Where in the document; empty for the whole.", examples=["nodes.menu.do[0].say.text"])]
    line: Annotated[int | None, Meta(description="From 1, of what was sent, where it is known.", examples=[12])]
    message: Annotated[str, Meta(examples=["there is no node `pedidoo`"])]
    suggestion: Annotated[str | None, Meta(examples=["did you mean `pedido`?"])]


class Read(Struct, frozen=True):
    """A flow whose form is right."""

    key: str
    spec: int
    sha256: str
    definition: Raw


class FlowTest(Struct, frozen=True):
    """How one of the flow's own conversations went."""

    name: str
    passed: bool
    failure: Annotated[str | None, Meta(description="Which step, what was expected, what came.")]
    transcript: Annotated[list[str], Meta(description="`>` is what the customer sent, `<` what the flow said.")]


class Heard(Struct, frozen=True):
    """What the customer does next, after so many seconds; of kind `nothing`: only the time passes."""

    kind: str
    text: str = ""
    choice: str | None = None
    data: dict[str, Any] | None = None  # Any: JSON
    after_s: int = 0


class FlowChoice(Struct, frozen=True):
    """Something to tap."""

    choice: Annotated[str, Meta(description="Its id in the flow.", examples=["agendar"])]
    label: Annotated[str, Meta(examples=["Agendar"])]
    description: str | None = None
    section: str | None = None


class FlowReply(Struct, frozen=True):
    """A message of the flow, as WhatsApp would show it."""

    kind: Literal["text", "buttons", "list"]
    text: str
    header: str | None = None
    footer: str | None = None
    button: Annotated[str | None, Meta(description="What opens the list.")] = None
    choices: list[FlowChoice] = []


class FlowTurn(Struct, frozen=True):
    """What came of one thing the customer did, or of a timer."""

    at: Annotated[datetime, Meta(tz=True)]
    heard: Annotated[str, Meta(description="The kind of input; `timeout` is a timer.", examples=["text"])]
    outcome: Annotated[
        Literal["handled", "no_flow", "human"], Meta(description="no_flow: the flow does not open on this; human: a person has it.")
    ]
    replies: list[FlowReply]
    effects: Annotated[list[str], Meta(description="All that happens, in its order, a line each.")]
    trace: list[TraceRow]


class Play(Struct, frozen=True):
    stage: Stage
    heard: list[Heard]


class Ask(Struct, frozen=True):
    """One trial."""

    source: str | None = None
    """As somebody wrote it."""
    definition: str | None = None
    """As it is stored, as JSON: then this is what is tried, and the lines are those of the source."""
    tests: bool = False
    play: Play | None = None


class Found(Struct, frozen=True):
    """What came of a trial. A flow with errors is neither tested nor played."""

    errors: int
    warnings: int
    problems: list[FlowProblem]
    flow: Read | None
    """None for a document whose form is wrong."""
    tests: list[FlowTest] = []
    turns: list[FlowTurn] = []
    stage: Stage | None = None


def work(ask: Ask) -> Found:
    """What comes of a trial. Never raises for anything that somebody can write."""
    flow, problems = _read(ask)
    if flow is not None:
        problems = check.check(flow)
    errors = sum(p.severity == "error" for p in problems)
    told = _tell(problems[:MOST_PROBLEMS], ask.source)
    read = None if flow is None else Read(flow.key, flow.spec, document.sha256(flow), Raw(document.canonical(flow)))
    found = Found(errors, len(problems) - errors, told, read)
    if flow is None or errors:
        return found
    program = engine.compile(flow, "trial")
    tests = [_result(outcome) for outcome in testing.run(flow)] if ask.tests else []
    turns = [] if ask.play is None else _play(program, ask.play)
    return Found(errors, found.warnings, told, read, tests, turns, None if ask.play is None else ask.play.stage)


def _read(ask: Ask) -> tuple[Flow | None, list[Problem]]:
    if ask.definition is not None:
        try:
            return document.stored(ask.definition, "this version"), []
        except Refused as error:
            return None, [Problem("error", "", str(error))]
    return document.read(ask.source or "")


def _tell(problems: list[Problem], source: str | None) -> list[FlowProblem]:
    lines = [None for _ in problems] if source is None else document.lines(source, [p.path for p in problems])
    return [
        FlowProblem(p.severity, _cut(p.path), _line_of(p, line), _cut(p.message), p.suggestion and _cut(p.suggestion))
        for p, line in zip(problems, lines, strict=True)
    ]


def _line_of(problem: Problem, line: int | None) -> int | None:
    """Where it cannot be read at all, the reason says."""
    said = _LINE.search(problem.message)
    return int(said[1]) if said else line


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARS else text[: MOST_CHARS - 1] + "…"


def _result(outcome: testing.Outcome) -> FlowTest:
    transcript = [_cut(line) for line in outcome.transcript[-MOST_LINES:]]
    return FlowTest(_cut(outcome.test), outcome.passed, outcome.failure and _cut(outcome.failure), transcript)


def _play(program: Program, play: Play) -> list[FlowTurn]:
    """The turns; the stage is then the next one."""
    turns: list[FlowTurn] = []
    stage = play.stage
    for heard in play.heard:
        for rung in preview.wait(program, stage, timedelta(seconds=heard.after_s)):
            turns.append(_turn(stage.now, "timeout", rung))
        if heard.kind != "nothing":
            turns.append(_turn(stage.now, heard.kind, preview.hear(program, stage, _input(heard, stage))))
    return turns


def _input(heard: Heard, stage: Stage) -> Input:
    if heard.choice is not None:
        return Input(heard.kind, stage.labels.get(heard.choice, heard.text), heard.choice, heard.data, stage.event_id)
    data = heard.data
    if data is None and heard.kind in MEDIA:
        data = {"id": f"media-{stage.event_id}"}
    return Input(heard.kind, heard.text, None, data, stage.event_id)


def _turn(at: datetime, heard: str, answer: Answer) -> FlowTurn:
    said = [effect.content for effect in answer.effects if isinstance(effect, Say)]
    return FlowTurn(
        at, heard, answer.outcome, [reply(each) for each in said], [_line(each) for each in answer.effects], answer.trace
    )


def _line(effect: Effect) -> str:
    return ("< " if isinstance(effect, Say) else "") + testing.describe(effect)


def reply(content: wa.Text | wa.Buttons | wa.Options) -> FlowReply:
    """A message as the API shows it."""
    match content:
        case wa.Text():
            return FlowReply("text", content.body)
        case wa.Buttons():
            header = content.header if isinstance(content.header, str) else None
            return FlowReply(
                "buttons", content.body, header, content.footer, None, [FlowChoice(b.id, b.title) for b in content.buttons]
            )
        case wa.Options():
            rows = [FlowChoice(r.id, r.title, r.description, part.title) for part in content.sections for r in part.rows]
            return FlowReply("list", content.body, content.header, content.footer, content.button, rows)
