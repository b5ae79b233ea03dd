"""Golden conversations, run: the steps of a flow's own tests against the engine that production runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET, Struct

from atendeja.wa import content as wa

from . import engine
from .engine import Program
from .golden import ConsentIs, Expectation, In, Nothing, Out, Pass, StateIs, Step, Test
from .model import Flow
from .run import choices
from .session import Answer, Close, Consent, Effect, Erasure, Facts, Handoff, Input, Notice, Say, Session, Tag
from .types import duration

BUSINESS = "Empresa"
BUSINESS_PHONE = "+551140000000"
PHONE = "+5511900000000"


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
    """One conversation going on: the session, the clock, and what the contact has on the screen."""

    def __init__(self, program: Program, test: Test, *, saved: bool) -> None:
        self.transcript: list[str] = []
        self._program = program
        self._test = test
        self._saved = saved
        self._now: datetime = test.now
        self._session: Session | None = None
        self._tags = list(test.contact.tags)
        self._consents: dict[str, str] = {}
        self._queue: str | None = None
        self._unread: list[wa.Text | wa.Buttons | wa.Options] = []
        self._labels: dict[str, str] = {}
        self._turns = 0

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
                _compare("consent", step.consent, self._consents)
            case StateIs():
                self._look(step.state)

    def _facts(self) -> Facts:
        person = self._test.contact
        return Facts(
            name=person.name,
            phone=PHONE,
            language=person.language,
            tags=self._tags,
            fields=person.fields,
            business_name=BUSINESS,
            business_phone=BUSINESS_PHONE,
            owner="human" if self._queue else "bot",
        )

    def _answer(self, heard: Input) -> None:
        self._turns += 1
        if self._saved and self._session is not None:
            self._session = msgspec.json.decode(msgspec.json.encode(self._session), type=Session)
        found = engine.answer(
            [self._program], self._session, self._program, heard, self._facts(), self._now, f"session-{self._turns}"
        )
        if found.outcome != "no_flow":
            self._session = found.session or self._session
        self._apply(found)

    def _apply(self, found: Answer) -> None:
        for effect in found.effects:
            self.transcript.append(("< " if isinstance(effect, Say) else "  ") + describe(effect))
            match effect:
                case Say():
                    self._unread.append(effect.content)
                    self._labels |= dict(choices(effect.content))
                case Tag():
                    self._tags = [*(tag for tag in self._tags if tag not in effect.remove), *effect.add]
                case Consent():
                    self._consents[effect.purpose] = effect.state
                case Handoff():
                    self._queue = effect.queue
                case _:
                    pass
        for row in found.trace:
            if row.error:
                self.transcript.append(f"  * error in {row.node}: {row.error}")

    def _hear(self, step: In) -> None:
        self._unread = []
        self.transcript.append(f"> {step.in_}")
        self._answer(step.in_.input(f"in-{self._turns + 1}", self._labels))

    def _expect(self, step: Out) -> None:
        for index, said in enumerate(self._unread):
            if step.out.fits(_kind(said), said.body, [choice for choice, _ in choices(said)]):
                del self._unread[: index + 1]
                return
        came = " | ".join(_shown(said) for said in self._unread) or "no message"
        raise Missed(f"expected a message with {step.out}, got {came}")

    def _pass(self, dur: timedelta) -> None:
        """Let the clock run: each timer rings at its own time."""
        self._unread = []
        self.transcript.append(f"  * {dur} pass")
        until = self._now + dur
        while self._session is not None and (due := self._session.due_at) is not None and due <= until:
            self._now = max(due, self._now)
            self._answer(Input("timeout"))
        self._now = until

    def _look(self, wanted: Expectation) -> None:
        session = self._session
        if wanted.node is not UNSET:
            _compare("node", wanted.node, session.node if session else None)
        if wanted.ended is not UNSET:
            _compare("ended", wanted.ended, session is None or not session.live)
        if wanted.queue is not UNSET:
            _compare("queue", wanted.queue, self._queue)
        if missing := [tag for tag in wanted.tags if tag not in self._tags]:
            raise Missed(f"expected the tags {', '.join(missing)}, got {', '.join(self._tags) or 'none'}")
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
