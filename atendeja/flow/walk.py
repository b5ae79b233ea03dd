"""One turn's walk through a flow: an input is read at the node that waits, then it goes from node to node until the next wait."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec
from msgspec import UNSET, Struct

from atendeja.wa import content as wa

from . import inputs, words
from .actions.say import Fill, Say, content
from .grammar import Grammar, name_of
from .inputs import Taker, Took
from .model import Flow, Node
from .run import Run, Trip
from .session import LARGEST_SESSION, Answer, Facts, Handoff, Input, Notice, Session, State, TraceRow, Waiting
from .text import render, shorten
from .types import LONGEST_TEXT, FlowError, Text, duration

LONGEST_TRAIL = 20
"""Questions that `voltar` can go back through."""


class Program(Struct, frozen=True):
    """A flow ready to run, under the id of its version. Nothing changes it: make it once, keep it, share it."""

    flow: Flow
    version_id: str


class Walk:
    """A turn of one session, which it changes. `go` runs one of the three beginnings and gives the answer."""

    def __init__(self, program: Program, session: Session, facts: Facts, heard: Input, now: datetime) -> None:
        self.flow = program.flow
        self.session = session
        self.now = now
        languages = tuple(dict.fromkeys(filter(None, (facts.language, self.flow.language))))
        self.bench = Run(session, languages, self.flow.vars, facts, heard, now)

    def go(self, begin: "Callable[[Walk], None]") -> Answer:
        """The answer after beginning so. A type error goes to `on_error`, a second one or a cap to a person."""
        try:
            try:
                begin(self)
            except FlowError as error:
                self._recover(error)
        except Trip as trip:
            self._hand_over(Notice("runaway", str(trip)), "handed_off")
        except FlowError as error:
            self._hand_over(self._failure(error), "failed")
        if len(msgspec.json.encode(self.session)) > LARGEST_SESSION:
            self.session.vars.clear()
            self._hand_over(Notice("runaway", f"a session of more than {LARGEST_SESSION} bytes"), "failed")
        return Answer(self.session, self.bench.effects, self.bench.trace)

    def _failure(self, error: FlowError) -> Notice:
        return Notice("flow_error", f"{self.flow.key}.{self.session.node}: {error}")

    def _recover(self, error: FlowError) -> None:
        self.bench.trace[-1].error = str(error)
        self.bench.add(self._failure(error))
        self._enter(self.flow.on_error)

    def _hand_over(self, notice: Notice, state: State) -> None:
        self.bench.trace[-1].error = notice.detail
        self.bench.add(notice)
        self.bench.add(Handoff("safety", notice.kind))
        self.bench.finish(state)

    # The three beginnings

    def open(self) -> None:
        """A new session: an input that the start node already understands is not asked for again."""
        flow, node = self.flow, self.flow.nodes[self.flow.start]
        row = self.bench.step(flow.start)
        if node.wait is not UNSET and node.wait.reply and self.bench.scope.input.kind in node.wait.reply:
            cases = [case for case in node.route if isinstance(case, inputs.InputCase) and not isinstance(case, inputs.Any)]
            if found := next(self._held(cases), None):
                return self._take(row, node, *found)
        if self._intent() == "atendente":
            return self._follow(row, "atendente", flow.intent_node("atendente"))
        row.test, row.took = "start", flow.start
        return self._enter(flow.start)

    def hear(self) -> None:
        """An input at the node that waits."""
        row = self.bench.step(self.session.node)
        node = self._node(self.session.node)
        reply = UNSET if node.wait is UNSET else node.wait.reply
        self._tap(reply or [])
        awaited = bool(reply) and self.bench.scope.input.kind in (reply or [])
        found = next(self._held(node.route), None) if awaited else None
        if found and names(found[0]):
            return self._take(row, node, *found)
        if intent := self._intent():
            return self._follow(row, intent, self._goal(intent))
        if found:
            return self._take(row, node, *found)
        if not reply:
            row.test = "ignored"
            return None
        return self._misunderstood(row, node, wrong_kind=not awaited)

    def time_out(self) -> None:
        """The wait's timer rang: its case is taken, or the session ends without a word."""
        row = self.bench.step(self.session.node)
        row.test = "timeout"
        cases = [case for case in self._node(self.session.node).route if isinstance(case, inputs.Timeout)]
        if not cases:
            return self.bench.finish("ended")
        row.took = cases[0].to
        return self._enter(cases[0].to)

    # Reading an input

    def _tap(self, reply: list[inputs.Kind]) -> None:
        """Read a text that is a shown label or its number as a tap."""
        heard, wait = self.bench.scope.input, self.session.wait
        if heard.kind != "text" or wait is None or not wait.shown:
            return
        said = words.fold(heard.text)
        for number, (choice, label) in enumerate(wait.shown, 1):
            if said and said in (words.folded(label), str(number)):
                kind = next((kind for kind in ("button", "list") if kind in reply), "text")
                self.bench.scope.input = Input(kind, label, choice, heard.data, heard.event_id)
                return

    def _held(self, cases: Iterable[Taker]) -> Iterator[tuple[Taker, Took]]:
        for case in cases:
            took = case.take(self.bench.scope)
            if took is not None:
                yield case, took

    def _take(self, row: TraceRow, node: Node, case: Taker, took: Took) -> None:
        """Follow a case: keep what it read, then go where it leads."""
        for name in (node.save, case.save):
            if name is not UNSET:
                self.bench.set(name, took.value)
        return self._follow(row, test_name(case), case.to)

    def _follow(self, row: TraceRow, test: str, to: str) -> None:
        row.test, row.took = test, to
        self.bench.understood()
        self._enter(to)

    def _intent(self) -> words.Intent | None:
        heard = self.bench.scope.input
        return self.flow.intent(heard.text) if heard.kind == "text" else None

    def _goal(self, intent: words.Intent) -> str:
        """The node that an intent leads to; going back forgets the questions it goes back over."""
        if intent != "voltar":
            return self.flow.intent_node(intent)
        *before, here = self.session.trail or [self.flow.start]
        target = before.pop() if before else here
        self.session.trail = before
        return target

    def _misunderstood(self, row: TraceRow, node: Node, *, wrong_kind: bool) -> None:
        """Say `retry` and go on waiting, or after so many tries go where `else` leads."""
        session, otherwise = self.session, node.else_
        retry = None if otherwise is UNSET else otherwise.text(session.tries + 1)
        notice = wrong_kind and self.bench.scope.input.kind != "text"
        allowed = self.flow.defaults.tries if node.tries is UNSET else node.tries
        row.test = "else"
        if (retry is not None or (notice and otherwise is UNSET)) and session.tries < allowed:
            session.tries += 1
            parts = [self._not_understood_kind()] if notice else []
            parts += [render(retry, self.bench.scope)] if retry is not None else []
            return self._retry(node, "\n".join(parts))
        row.took = self._after_tries(node)
        return self._enter(row.took)

    def _after_tries(self, node: Node) -> str:
        if node.else_ is not UNSET and node.else_.to is not UNSET:
            return node.else_.to
        return self.flow.defaults.after_tries if node.after_tries is UNSET else node.after_tries

    def _not_understood_kind(self) -> str:
        own = self.flow.text("not_understood_kind")
        return (
            words.default_text("not_understood_kind", self.bench.scope.language) if own is None else render(own, self.bench.scope)
        )

    def _retry(self, node: Node, body: str) -> None:
        """Say this, with the question's buttons once more, and wait again."""
        said = repeated(
            node, lambda text, limit: shorten(text, limit) if text is body else render(text, self.bench.scope, limit), body
        )
        shown = self.session.wait.shown if self.session.wait else []
        self.bench.say(said)
        self._wait(node, self.bench.shown or shown)

    # From node to node

    def _enter(self, name: str) -> None:
        """Visit this node and those it leads to, until one waits or the session is over."""
        target: str | None = name
        while target is not None:
            target = self._visit(target)

    def _visit(self, name: str) -> str | None:
        """Do what a node does; the node to go to next, None if there is none."""
        node = self._node(name)
        row = self.bench.enter(name)
        for action in node.do:
            action.run(self.bench)
            if not self.session.live:
                return None
        if node.wait is not UNSET:
            self._wait(node, self.bench.shown)
            return None
        row.test, row.took = self._way_on(node)
        return row.took

    def _way_on(self, node: Node) -> tuple[str, str]:
        """Where a node without a wait leads, and by which test."""
        found = next(self._held(case for case in node.route if not hears(case)), None)
        if found:
            return test_name(found[0]), found[0].to
        if node.else_ is not UNSET and node.else_.to is not UNSET:
            return "else", node.else_.to
        raise FlowError("no case holds, and there is no `else`")

    def _wait(self, node: Node, shown: list[tuple[str, str]]) -> None:
        session, wait = self.session, node.wait
        timeout = UNSET if wait is UNSET else wait.timeout
        due_at = None if timeout is UNSET else self.now + duration(timeout)
        session.state = "waiting"
        session.wait = Waiting("reply" if wait is not UNSET and wait.reply else "timer", due_at, shown)
        if session.trail[-1:] != [session.node]:
            session.trail = [*session.trail, session.node][-LONGEST_TRAIL:]

    def _node(self, name: str) -> Node:
        node = self.flow.nodes.get(name)
        if node is None:
            raise FlowError(f"there is no node `{name}`")
        return node


def test_name(case: Taker) -> str:
    """How the trace names a case: by its key."""
    return name_of(type(case)) if isinstance(case, Grammar) else type(case).__name__


def names(case: Taker) -> bool:
    """Whether a case names what was said, so that it goes before the intents: every input test but `any` and `kind`."""
    return isinstance(case, inputs.InputCase) and not isinstance(case, inputs.Any | inputs.OfKind)


def hears(case: Taker) -> bool:
    """Whether a case needs an input or a timer, which a node without a wait does not have; `any: true` is always true."""
    return isinstance(case, inputs.InputCase | inputs.Timeout) and not isinstance(case, inputs.Any)


def repeated(node: Node, fill: Fill, body: Text) -> wa.Text | wa.Buttons | wa.Options:
    """A text with the buttons or the list of the node's question, the last one if there are several."""
    messages = [action.say for action in node.do if isinstance(action, Say)]
    question = next((each for each in reversed(messages) if each.buttons is not UNSET or each.list is not UNSET), None)
    return wa.Text(fill(body, LONGEST_TEXT)) if question is None else content(question, fill, body)
