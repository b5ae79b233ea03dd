"""Where a flow can go: which nodes are reached, which go round without waiting, who reaches a person, when the window is shut."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

from msgspec import UNSET

from .actions import ENDS, Handoff, Say
from .grammar import Problem
from .inputs import Any, Timeout
from .model import Flow, Node
from .types import duration

WINDOW = timedelta(hours=24)
"""How long after the customer's last message WhatsApp lets us write without a template."""


def ends(node: Node) -> bool:
    """Whether the node's actions end the run."""
    return any(isinstance(action, ENDS) for action in node.do)


def ways(flow: Flow, node: Node) -> Iterator[str]:
    """The nodes that may come right after this one."""
    if ends(node):
        return
    for case in node.route:
        yield case.to
    if node.else_ is not UNSET and node.else_.to is not UNSET:
        yield node.else_.to
    elif node.wait is not UNSET and node.wait.reply:
        yield flow.defaults.after_tries if node.after_tries is UNSET else node.after_tries


def closure(flow: Flow, roots: Iterable[str]) -> set[str]:
    """All the nodes that can be reached from these."""
    found: set[str] = set()
    todo = [root for root in roots if root in flow.nodes]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [to for to in ways(flow, flow.nodes[name]) if to in flow.nodes]
    return found


def roots(flow: Flow) -> list[str]:
    """Where a run can come from anywhere, or begin."""
    return [flow.start, flow.intent_node("atendente"), flow.intent_node("menu"), flow.defaults.after_tries, flow.on_error]


def problems(flow: Flow) -> Iterator[Problem]:
    """What is wrong with the ways through a flow whose ids are right."""
    reached = closure(flow, roots(flow))
    for name in flow.nodes:
        if name not in reached:
            yield Problem("error", f"nodes.{name}", "no way leads here", "lead a case here, or take the node out")
    yield from _circles(flow)
    yield from _people(flow, reached)
    yield from _window(flow)


def _circles(flow: Flow) -> Iterator[Problem]:
    """Nodes that lead back to themselves without a wait in between."""
    onward = {name: [to for to in ways(flow, node) if to in flow.nodes] for name, node in flow.nodes.items() if node.wait is UNSET}
    for name in onward:
        seen: set[str] = set()
        todo = list(onward[name])
        while todo:
            to = todo.pop()
            if to not in seen:
                seen.add(to)
                todo += onward.get(to, [])
        if name in seen:
            yield Problem(
                "error", f"nodes.{name}", "leads back to itself without ever waiting", "put a `wait` somewhere on the way round"
            )


def _people(flow: Flow, reached: set[str]) -> Iterator[Problem]:
    staffed = {name for name in flow.nodes if any(isinstance(action, Handoff) for action in flow.nodes[name].do)}
    if not staffed & reached:
        yield Problem(
            "error", "nodes", "no way leads to a person", "add a node with `handoff` and let `defaults.after_tries` lead to it"
        )
    elif not staffed & closure(flow, [flow.intent_node("atendente")]):
        yield Problem("error", "intents.atendente", f"`{flow.intent_node('atendente')}` does not lead to a person")


def _window(flow: Flow) -> Iterator[Problem]:
    """Nodes that speak when timers alone may have led there a day after the customer's last message."""
    silent: dict[str, timedelta] = dict.fromkeys(flow.nodes, timedelta())
    todo = list(flow.nodes)
    while todo:
        name = todo.pop()
        for to, later in _without_input(flow.nodes[name]):
            after = min(silent[name] + later, WINDOW)
            if to in silent and after > silent[to]:
                silent[to] = after
                todo.append(to)
    expires = duration(flow.defaults.expires)
    for name, node in flow.nodes.items():
        if min(silent[name], expires) >= WINDOW and speaks(node):
            yield Problem(
                "error", f"nodes.{name}.do", "may speak 24 hours after the customer's last message, when only templates are allowed"
            )


def _without_input(node: Node) -> Iterator[tuple[str, timedelta]]:
    """The ways on that need no word of the customer, and how long they take."""
    for case in node.route:
        if node.wait is UNSET:
            yield case.to, timedelta()
        elif isinstance(case, Timeout) and node.wait.timeout is not UNSET:
            yield case.to, duration(node.wait.timeout)
    if node.wait is UNSET and node.else_ is not UNSET and node.else_.to is not UNSET:
        yield node.else_.to, timedelta()


def speaks(node: Node) -> bool:
    """Whether the node says something to the customer."""
    return any(isinstance(action, Say) or (isinstance(action, Handoff) and action.handoff.say is not UNSET) for action in node.do)


def always(node: Node) -> bool:
    """Whether some case of the node holds whatever comes."""
    return any(isinstance(case, Any) for case in node.route)
