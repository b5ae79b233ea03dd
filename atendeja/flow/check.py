"""Is a well-formed flow also a sensible one? Every way it could fail a customer that can be seen without running it."""

from collections.abc import Iterator

from msgspec import UNSET

from atendeja.wa import rules

from . import inputs, reach, usage, words
from .actions import ENDS, Handoff, Say
from .actions.say import content
from .grammar import Problem, suggest
from .model import Flow, Node
from .text import TextError, sketch
from .types import LONGEST_TEXT, Text, duration, in_language
from .walk import repeated

__all__ = ["Problem", "check"]


def check(flow: Flow) -> list[Problem]:
    """All that is wrong with a flow, errors first; only a flow without errors may be published. Runs no test: see `testing.run`."""
    found, languages = list(_id_problems(flow)), _languages(flow)
    found += [problem for name, node in flow.nodes.items() for problem in _node_problems(flow, f"nodes.{name}", node)]
    found += [problem for name, node in flow.nodes.items() for problem in _message_problems(flow, languages, f"nodes.{name}", node)]
    found += [*reach.problems(flow), *usage.problems(flow), *_intent_problems(flow)]
    return sorted(dict.fromkeys(found), key=lambda problem: problem.severity)


def _id_problems(flow: Flow) -> Iterator[Problem]:
    for at, target in _references(flow):
        if target not in flow.nodes:
            yield Problem("error", at, f"there is no node `{target}`", suggest(target, flow.nodes))


def _references(flow: Flow) -> Iterator[tuple[str, str]]:
    """Every place that names a node, with the name."""
    yield "start", flow.start
    yield "defaults.after_tries", flow.defaults.after_tries
    if flow.defaults.on_error is not UNSET:
        yield "defaults.on_error", flow.defaults.on_error
    if flow.intents is not UNSET:
        for intent in ("atendente", "menu"):
            if isinstance(target := getattr(flow.intents, intent), str):
                yield f"intents.{intent}", target
    for name, node in flow.nodes.items():
        if node.after_tries is not UNSET:
            yield f"nodes.{name}.after_tries", node.after_tries
        if node.else_ is not UNSET and node.else_.to is not UNSET:
            yield f"nodes.{name}.else.to", node.else_.to
        for index, case in enumerate(node.route):
            yield f"nodes.{name}.route[{index}].to", case.to


def _node_problems(flow: Flow, at: str, node: Node) -> Iterator[Problem]:
    last = next((index for index, action in enumerate(node.do) if isinstance(action, ENDS)), None)
    if last is not None:
        if last < len(node.do) - 1:
            yield Problem("error", f"{at}.do[{last + 1}]", "is never done: the action before it ends the run")
        if node.wait is not UNSET or node.route or node.else_ is not UNSET:
            yield Problem("error", at, "`wait`, `route` and `else` are never reached: `do` ends the run")
        return
    yield from _wait_problems(flow, at, node)
    yield from _else_problems(at, node)
    yield from _case_problems(at, node)
    yield from _choice_problems(at, node)


def _wait_problems(flow: Flow, at: str, node: Node) -> Iterator[Problem]:
    timeout = UNSET if node.wait is UNSET else node.wait.timeout
    if timeout is not UNSET and duration(timeout) > duration(flow.defaults.expires):
        yield Problem(
            "error", f"{at}.wait.timeout", f"is longer than `expires` ({flow.defaults.expires}): the run would be over first"
        )
    if timeout is UNSET and any(isinstance(case, inputs.Timeout) for case in node.route):
        yield Problem("error", f"{at}.route", "`timeout` never happens: the node has no `wait.timeout`")
    if node.wait is not UNSET and not node.wait.reply and not any(isinstance(case, inputs.Timeout) for case in node.route):
        yield Problem("warning", f"{at}.wait", "waits for a timer that no case takes: the run will end there silently")


def _else_problems(at: str, node: Node) -> Iterator[Problem]:
    waits, hears = node.wait is not UNSET, node.wait is not UNSET and bool(node.wait.reply)
    if node.else_ is UNSET and not reach.always(node) and (hears or not waits):
        if not waits and not node.route:
            yield Problem("error", at, "neither waits, leads on, ends nor hands off", "add `wait`, `route`, or an `end` to `do`")
        else:
            yield Problem(
                "error", at, "`else` is missing: what if no case holds?", "add `else: {retry: …}`, `else: {to: …}` or a case `any`"
            )
    if node.else_ is not UNSET and node.else_.retry is not UNSET and not hears:
        yield Problem("error", f"{at}.else.retry", "nothing can be tried again: the node waits for no reply")
    if not waits and node.else_ is not UNSET and node.else_.to is UNSET:
        yield Problem("error", f"{at}.else", "`to` is missing: the node does not wait")


def _case_problems(at: str, node: Node) -> Iterator[Problem]:
    reply = [] if node.wait is UNSET else node.wait.reply or []
    caught = False
    for index, case in enumerate(node.route):
        here = f"{at}.route[{index}]"
        if isinstance(case, inputs.InputCase) and not isinstance(case, inputs.Any) and not reply:
            yield Problem("error", here, "looks at a reply, but the node waits for none", "add `wait: {reply: [text]}`")
        elif isinstance(case, inputs.Timeout) and node.wait is UNSET:
            yield Problem("error", here, "looks at a timer, but the node does not wait")
        elif isinstance(case, inputs.OfKind) and case.kind not in reply:
            yield Problem("error", here, f"never holds: `{case.kind}` is not in `wait.reply`")
        elif isinstance(case, inputs.Case) and case.reads_text and "text" not in reply:
            yield Problem("warning", here, "reads a text, but `text` is not in `wait.reply`")
        if caught and not isinstance(case, inputs.Timeout):
            yield Problem("error", here, "is never reached: the case `any` before it always holds")
        caught = caught or isinstance(case, inputs.Any)
        yield from _reserved_problems(here, case)


def _reserved_problems(at: str, case: inputs.Taker) -> Iterator[Problem]:
    listed = case.any_word if isinstance(case, inputs.AnyWord) else [case.phrase] if isinstance(case, inputs.Phrase) else []
    for word in listed:
        if words.reserved(word):
            yield Problem("warning", at, f"`{word}` alone never comes here: it opts out, or asks for erasure, before all else")
        elif not words.fold(word):
            yield Problem("error", at, f"`{word}` has no letter or digit: it never holds")


def _choice_problems(at: str, node: Node) -> Iterator[Problem]:
    """Do the buttons that are shown and the cases that wait for them fit?"""
    reply = [] if node.wait is UNSET else node.wait.reply or []
    messages = [action.say for action in node.do if isinstance(action, Say)]
    shown = [each.id for message in messages for each in message.buttons or []]
    rows = [each.id for message in messages if message.list is not UNSET for each in message.list.rows]
    for kind, ids in (("button", shown), ("list", rows)):
        if ids and kind not in reply:
            yield Problem("error", f"{at}.wait", f"shows something to tap, but `{kind}` is not in `wait.reply`")
    awaited = [case.button for case in node.route if isinstance(case, inputs.Button)]
    for index, case in enumerate(node.route):
        if isinstance(case, inputs.Button) and shown + rows and case.button not in shown + rows:
            yield Problem(
                "warning", f"{at}.route[{index}]", f"`{case.button}` is not shown here", suggest(case.button, shown + rows)
            )
    catches = any(isinstance(case, inputs.Any | inputs.OfKind | inputs.YesNo | inputs.AnyWord) for case in node.route)
    for each in shown + rows:
        if each not in awaited and not catches:
            yield Problem("warning", at, f"`{each}` can be tapped but no case takes it", suggest(each, awaited))


def _message_problems(flow: Flow, languages: list[str], at: str, node: Node) -> Iterator[Problem]:
    """What WhatsApp would refuse, in each language a text is written in."""
    for language in languages:

        def fill(text: Text, limit: int, language: str = language) -> str:
            return sketch(in_language(text, (language, flow.language)))

        try:
            for index, action in enumerate(node.do):
                if isinstance(action, Say):
                    yield from _refused(f"{at}.do[{index}].say", rules.problems(content(action.say, fill)))
                elif (
                    isinstance(action, Handoff)
                    and action.handoff.say is not UNSET
                    and not fill(action.handoff.say, LONGEST_TEXT).strip()
                ):
                    yield Problem("error", f"{at}.do[{index}].handoff.say", "must not be empty")
            retry = UNSET if node.else_ is UNSET else node.else_.retry
            for text in [] if retry is UNSET else retry if isinstance(retry, list) else [retry]:
                yield from _refused(f"{at}.else.retry", rules.problems(repeated(node, fill, text)))
        except TextError:
            return  # named by usage.problems


def _refused(at: str, flaws: list[str]) -> Iterator[Problem]:
    """WhatsApp's refusals, in the words of the flow."""
    for flaw in flaws:
        where, _, reason = flaw.partition(": ")
        where = where.replace(".title", ".label").replace("body", "text")
        where = f"list.{where}" if where == "button" or where.startswith("sections") else where
        yield Problem("error", at if at.endswith(".retry") and where == "text" else f"{at}.{where}", reason)


def _languages(flow: Flow) -> list[str]:
    """The languages that any text of the flow is written in, the flow's own first."""
    found = [
        each for leaf in usage.own_leaves(flow) if usage.is_text(leaf.kind) and isinstance(leaf.value, dict) for each in leaf.value
    ]
    return list(dict.fromkeys([flow.language, *found]))


def _intent_problems(flow: Flow) -> Iterator[Problem]:
    if flow.intents is UNSET:
        return
    own = flow.intents.words
    for intent in words.INTENTS:
        for word in [] if own is UNSET else getattr(own, intent):
            if words.reserved(word):
                yield Problem(
                    "error", f"intents.words.{intent}", f"`{word}` opts out or asks for erasure, and cannot mean anything else"
                )
    texts = flow.intents.texts
    for name in ("opted_out", "erasing"):
        text = UNSET if texts is UNSET else getattr(texts, name)
        if text is not UNSET and any("{{" in source for source in usage.sources(text)):
            yield Problem("error", f"intents.texts.{name}", "`{{ }}` is not read here: the text must work without any session")
