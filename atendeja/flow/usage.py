"""Variables and texts of a flow: can every `{{ }}` be read, does every path lead somewhere, is everything set before it is said."""

from collections.abc import Iterator, Mapping

from msgspec import UNSET, Struct

from .actions import Set
from .grammar import Leaf, Problem, leaves, members, suggest
from .inputs import VarType
from .model import Flow, Node
from .reach import ends, roots
from .scope import ROOTS
from .text import Hole, TextError, paths
from .types import Moment, Path, hole


class Use(Struct, frozen=True):
    """A path that is read somewhere; `guarded` when the flow says what to do without a value."""

    at: str
    path: str
    guarded: bool

    @property
    def variable(self) -> str | None:
        """The variable it reads; None for what is known without the flow (`contact`, `now`)."""
        root, _, rest = self.path.partition(".")
        if root == "vars":
            return rest.split(".")[0] or None
        return None if root in ROOTS else root


def problems(flow: Flow) -> Iterator[Problem]:
    """What is wrong with the texts and the variables of a flow."""
    for name in flow.vars:
        if name in ROOTS:
            yield Problem("error", f"vars.{name}", f"`{name}` is a word of the language and cannot be a variable")
    for leaf in own_leaves(flow):
        yield from _text_problems(flow, leaf)
    yield from _save_problems(flow)
    used = {use.variable for use in uses(flow)}
    for name in flow.vars:
        if name not in used:
            yield Problem("warning", f"vars.{name}", "is never read")
    yield from _before_set(flow)


def is_text(kind: object) -> bool:
    """Whether a declared type is a Text."""
    return {str, dict[str, str]} <= set(members(kind))


def own_leaves(flow: Flow) -> Iterator[Leaf]:
    """Every value of a flow but those of its tests."""
    return (leaf for leaf in leaves(flow) if not leaf.path.startswith("tests["))


def uses(made: Struct, path: str = "") -> Iterator[Use]:
    """Every path that the struct's texts, values, conditions and instants read."""
    for leaf in leaves(made, path):
        if isinstance(leaf.value, str) and leaf.kind == Path:
            yield Use(leaf.path, leaf.value, guarded=True)
        elif isinstance(leaf.value, str) and leaf.kind == Moment:
            inner = hole(leaf.value[: leaf.value.rfind("}}") + 2])
            yield from [Use(leaf.path, inner, guarded=False)] if inner else []
        elif is_text(leaf.kind):
            yield from (Use(leaf.path, each.path, "or" in dict(each.filters)) for each in holes(leaf.value))


def holes(text: object) -> list[Hole]:
    """The holes of a text in all its languages; none of one that cannot be read."""
    found: list[Hole] = []
    for source in sources(text):
        try:
            found += paths(source)
        except TextError:
            continue
    return found


def sources(text: object) -> list[str]:
    """A text's wording in each language."""
    return (
        [text]
        if isinstance(text, str)
        else [each for each in text.values() if isinstance(each, str)]
        if isinstance(text, dict)
        else []
    )


def _text_problems(flow: Flow, leaf: Leaf) -> Iterator[Problem]:
    if is_text(leaf.kind):
        if isinstance(leaf.value, dict) and flow.language not in leaf.value:
            yield Problem("error", leaf.path, f"there is no text in the flow's language, {flow.language}")
        for source in sources(leaf.value):
            try:
                for each in paths(source):
                    yield from _path_problems(flow, leaf.path, each.path)
            except TextError as error:
                yield Problem("error", leaf.path, str(error))
    elif leaf.kind == Path and isinstance(leaf.value, str):
        yield from _path_problems(flow, leaf.path, leaf.value)
    elif leaf.kind == Moment and isinstance(leaf.value, str) and (inner := hole(leaf.value[: leaf.value.rfind("}}") + 2])):
        yield from _path_problems(flow, leaf.path, inner)
    elif isinstance(leaf.value, str) and ".set." in leaf.path and "{{" in leaf.value:
        yield Problem("warning", leaf.path, "`{{ }}` is not read here", "write `{var: …}` or `{concat: […]}`")


def _path_problems(flow: Flow, at: str, path: str) -> Iterator[Problem]:
    root, *rest = path.split(".")
    if root == "vars" and rest:
        root, *rest = rest
    elif root in ROOTS:
        known = ROOTS[root]
        if known is not None and rest and rest[0] not in known:
            yield Problem("error", at, f"`{root}` has no `{rest[0]}`", suggest(rest[0], known))
        return
    if root not in flow.vars:
        yield Problem("error", at, f"no variable `{root}`", suggest(root, [*flow.vars, *ROOTS]) or "declare it in `vars`")


def _save_problems(flow: Flow) -> Iterator[Problem]:
    for name, node in flow.nodes.items():
        at = f"nodes.{name}"
        yield from _unknown(flow, f"{at}.save", [] if node.save is UNSET else [node.save])
        for index, action in enumerate(node.do):
            if isinstance(action, Set):
                yield from _unknown(flow, f"{at}.do[{index}].set", action.set)
        for index, case in enumerate(node.route):
            for saved in (case.save, node.save):
                if saved is not UNSET and case.saves is not None:
                    yield from _wrong_type(flow.vars, f"{at}.route[{index}]", saved, case.saves)
            yield from _unknown(flow, f"{at}.route[{index}].save", [] if case.save is UNSET else [case.save])


def _unknown(flow: Flow, at: str, names: "Mapping[str, object] | list[str]") -> Iterator[Problem]:
    for name in names:
        if name not in flow.vars:
            yield Problem("error", at, f"no variable `{name}`", suggest(name, flow.vars) or "declare it in `vars`")


_HOLDS = {"text": {"text", "date", "time"}, "number": {"number", "money"}}


def _wrong_type(declared: Mapping[str, VarType], at: str, name: str, saves: VarType) -> Iterator[Problem]:
    kind = declared.get(name)
    if kind is not None and saves not in _HOLDS.get(kind, {kind}):
        yield Problem("error", at, f"saves a {saves} into `{name}`, which is declared as {kind}")


def _before_set(flow: Flow) -> Iterator[Problem]:
    """Variables that are said on some way before they were set. Not an error: they are null then."""
    entry = _entries(flow)
    for name, node in flow.nodes.items():
        known = set(entry.get(name, set()))
        for index, action in enumerate(node.do):
            yield from _unset(uses(action, f"nodes.{name}.do[{index}]"), known)
            known |= set(action.set) if isinstance(action, Set) else set()
        if node.else_ is not UNSET:
            yield from _unset(uses(node.else_, f"nodes.{name}.else"), known)
        for index, case in enumerate(node.route):
            yield from _unset(uses(case, f"nodes.{name}.route[{index}]"), known)


def _unset(found: Iterator[Use], known: set[str]) -> Iterator[Problem]:
    for use in found:
        if use.variable is not None and not use.guarded and use.variable not in known:
            remedy = f"say what to do without it: `{{{{ {use.path} | or: '…' }}}}`"
            yield Problem("warning", use.at, f"`{use.variable}` may not be set yet", remedy)


def _entries(flow: Flow) -> dict[str, set[str]]:
    """For each node the variables that are set on every way to it."""
    entry: dict[str, set[str]] = {root: set() for root in roots(flow)}
    todo = list(entry)
    while todo:
        name = todo.pop()
        if name not in flow.nodes:
            continue
        for to, known in _carried(flow, flow.nodes[name], entry[name]):
            before = entry.get(to)
            after = known if before is None else before & known
            if after != before:
                entry[to] = after
                todo.append(to)
    return entry


def _carried(flow: Flow, node: Node, known: set[str]) -> Iterator[tuple[str, set[str]]]:
    """Each node that may come next, with what is set when it comes."""
    if ends(node):
        return
    done = known.union(*(action.set for action in node.do if isinstance(action, Set)))
    for case in node.route:
        kept = {name for name in (node.save, case.save) if name is not UNSET and hasattr(case, "save")}
        yield case.to, done | (set() if type(case).__name__ == "Timeout" else kept)
    if node.else_ is not UNSET and node.else_.to is not UNSET:
        yield node.else_.to, done
    elif node.wait is not UNSET and node.wait.reply:
        yield flow.defaults.after_tries if node.after_tries is UNSET else node.after_tries, done
