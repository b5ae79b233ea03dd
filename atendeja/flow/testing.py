"""Golden conversations, run: the steps of a flow's own tests against the engine that production runs."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from msgspec import UNSET, Struct

from atendeja.wa import content as wa

from . import engine, preview
from .engine import Program
from .golden import ConsentIs, Expectation, In, Nothing, Out, Pass, StateIs, Step, Test
from .model import Flow
from .preview import Stage
from .run import choices
from .session import Answer, Close, Consent, Effect, Erasure, Handoff, Notice, Say, Tag
from .types import duration

LAST_YEAR = 2200
"""The calendar has an end."""


class Outcome(Struct, frozen=True):
    """How one golden conversation went: `failure` is a line that says which step, what was expected and what came."""

    test: str
    failure: str | None
    transcript: list[str]

    @property
    def passed(self) -> bool:
        """Whether all came as expected."""
        return self.failure is None

    def __str__(self) -> str:
        """A line for a test that passed, all there is to know for one that did not."""
        if self.failure is None:
            return f"ok      {self.test}"
        return "\n".join([f"FAILED  {self.test}", f"  {self.failure}", *(f"    {line}" for line in self.transcript)])


class Missed(Exception):
    """A step that did not find what it expected."""


def run(flow: Flow, *, saved: bool = False) -> list[Outcome]:
    """The outcome of each of the flow's tests. With `saved` the session is written as JSON and read again between any two lines."""
    program = engine.compile(flow, "test")
    return [_outcome(program, test, saved=saved) for test in flow.tests]


def conversations(flow: Flow) -> list[tuple[str, list[Step]]]:
    """Each test's name and steps, for whoever plays them to something else than the engine alone."""
    return [(test.name, list(test.steps)) for test in flow.tests]


def needs_clock(steps: Sequence[Step]) -> bool:
    """Whether a conversation can only be played where the clock can be moved."""
    return any(isinstance(step, Pass) for step in steps)


def describe(effect: Effect) -> str:
    """An effect as one line of a transcript."""
    match effect:
        case Say():
            return _shown(effect.content)
        case Tag():
            return "* tags " + " ".join([f"+{tag}" for tag in effect.add] + [f"-{tag}" for tag in effect.remove])
        case Consent():
            return f"* consent {effect.purpose}: {effect.state}"
        case Handoff():
            return f"* handed off to {effect.queue}" + (f": {effect.reason}" if effect.reason else "")
        case Close():
            return "* closed"
        case Erasure():
            return "* asked to be erased"
        case Notice():
            return f"* {effect.kind}: {effect.detail}"


def _outcome(program: Program, test: Test, *, saved: bool) -> Outcome:
    play = _Play(program, test, saved=saved)
    for index, step in enumerate(test.steps, 1):
        try:
            play.step(step)
        except Missed as missed:
            return Outcome(test.name, f"step {index}: {missed}", play.transcript)
    return Outcome(test.name, None, play.transcript)


class _Play:
    """One conversation going on, and what of it nobody has looked at yet."""

    def __init__(self, program: Program, test: Test, *, saved: bool) -> None:
        self.transcript: list[str] = []
        self._program, self._saved = program, saved
        person = test.contact
        self._stage = Stage(test.now, person.name, person.language, list(person.tags), person.fields)
        self._unread: list[wa.Text | wa.Buttons | wa.Options] = []

    def step(self, step: Step) -> None:
        """Do one step. Raises Missed."""
        match step:
            case In():
                self._hear(step)
            case Out():
                self._expect(step)
            case Nothing():
                if self._unread:
                    raise Missed(f"expected no message, got {_shown(self._unread[0])}")
            case Pass():
                self._pass(duration(step.pass_))
            case ConsentIs():
                _compare("consent", step.consent, self._stage.consents)
            case StateIs():
                self._look(step.state)

    def _save(self) -> None:
        if self._saved:
            self._stage = msgspec.json.decode(msgspec.json.encode(self._stage), type=Stage)

    def _read(self, found: Answer) -> None:
        for effect in found.effects:
            self.transcript.append(("< " if isinstance(effect, Say) else "  ") + describe(effect))
            if isinstance(effect, Say):
                self._unread.append(effect.content)
        for row in found.trace:
            if row.error:
                self.transcript.append(f"  * error in {row.node}: {row.error}")

    def _hear(self, step: In) -> None:
        self._save()
        self._unread = []
        self.transcript.append(f"> {step.in_}")
        self._read(preview.hear(self._program, self._stage, step.in_.input(self._stage.event_id, self._stage.labels)))

    def _expect(self, step: Out) -> None:
        for index, said in enumerate(self._unread):
            if step.out.fits(_kind(said), said.body, [choice for choice, _ in choices(said)]):
                del self._unread[: index + 1]
                return
        came = " | ".join(_shown(said) for said in self._unread) or "no message"
        raise Missed(f"expected a message with {step.out}, got {came}")

    def _pass(self, dur: timedelta) -> None:
        """Let the clock run: each timer rings at its own time."""
        self._save()
        self._unread = []
        self.transcript.append(f"  * {dur} pass")
        if self._stage.now.year > LAST_YEAR:
            raise Missed(f"a test ends in {LAST_YEAR}")
        for found in preview.wait(self._program, self._stage, dur):
            self._read(found)

    def _look(self, wanted: Expectation) -> None:
        stage = self._stage
        session = stage.session
        if wanted.node is not UNSET:
            _compare("node", wanted.node, session.node if session else None)
        if wanted.ended is not UNSET:
            _compare("ended", wanted.ended, stage.is_over)
        if wanted.queue is not UNSET:
            _compare("queue", wanted.queue, stage.queue)
        if missing := [tag for tag in wanted.tags if tag not in stage.tags]:
            raise Missed(f"expected the tags {', '.join(missing)}, got {', '.join(stage.tags) or 'none'}")
        _compare("vars", wanted.vars, session.vars if session else {})


def _compare(what: str, wanted: object, got: object) -> None:
    """Equal, or for a dict: what is wanted is among what there is. Raises Missed."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        got = {key: got.get(key) for key in wanted}
    if wanted != got:
        raise Missed(f"expected {what} {wanted!r}, got {got!r}")


def _kind(said: wa.Text | wa.Buttons | wa.Options) -> str:
    return "list" if isinstance(said, wa.Options) else "buttons" if isinstance(said, wa.Buttons) else "text"


def _shown(said: wa.Text | wa.Buttons | wa.Options) -> str:
    """A message as one line of a transcript."""
    labels = " | ".join(label for _, label in choices(said))
    return said.body.replace("\n", " ⏎ ") + (f" [{labels}]" if labels else "")
