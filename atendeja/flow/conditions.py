"""Conditions: what is asked of the state, not of the customer. They combine, compare and cannot loop."""

from typing import Annotated

from msgspec import UNSET, UnsetType

from .grammar import Grammar, OneOf
from .scope import Scope
from .types import FlowError, Id, Path
from .values import Value, value_of
from .words import fold, has_phrase

OPERATORS = ("eq", "ne", "lt", "lte", "gt", "gte", "in_", "has", "empty", "matches_any_word")


class VarIs(Grammar, rename={"in_": "in"}):
    """`var: Path` and one operator: `eq ne lt lte gt gte` (a Value), `in` (a list of Values), `has` (a Value that a list or a
    text contains), `empty` (true or false), `matches_any_word` (a list of words). Comparing a number with a text goes
    to `on_error`."""

    var: Path
    eq: Value | UnsetType = UNSET
    ne: Value | UnsetType = UNSET
    lt: Value | UnsetType = UNSET
    lte: Value | UnsetType = UNSET
    gt: Value | UnsetType = UNSET
    gte: Value | UnsetType = UNSET
    in_: list[Value] | UnsetType = UNSET
    has: Value | UnsetType = UNSET
    empty: bool | UnsetType = UNSET
    matches_any_word: list[str] | UnsetType = UNSET

    def flaw(self) -> str | None:
        """Exactly one operator is needed."""
        given = [name for name in OPERATORS if getattr(self, name) is not UNSET]
        if len(given) == 1:
            return None
        return f"`var` needs exactly one of {', '.join(name.rstrip('_') for name in OPERATORS)}"

    def holds(self, scope: Scope) -> bool:
        """Whether the comparison is true now. Raises FlowError for values that cannot be compared."""
        value = scope.get(self.var)
        if self.eq is not UNSET:
            return same(value, value_of(self.eq, scope))
        if self.ne is not UNSET:
            return not same(value, value_of(self.ne, scope))
        if self.in_ is not UNSET:
            return any(same(value, value_of(each, scope)) for each in self.in_)
        if self.empty is not UNSET:
            return (value is None or value in ("", [], {})) == self.empty
        if self.matches_any_word is not UNSET:
            words = fold(value) if isinstance(value, str) else ""
            return any(has_phrase(words, word) for word in self.matches_any_word)
        if self.has is not UNSET:
            return _has(value, value_of(self.has, scope))
        return self._ordered(value, scope)

    def _ordered(self, value: object, scope: Scope) -> bool:
        if self.lt is not UNSET:
            return _compare(value, value_of(self.lt, scope)) < 0
        if self.lte is not UNSET:
            return _compare(value, value_of(self.lte, scope)) <= 0
        if self.gt is not UNSET:
            return _compare(value, value_of(self.gt, scope)) > 0
        if self.gte is not UNSET:
            return _compare(value, value_of(self.gte, scope)) >= 0
        raise FlowError("a comparison without an operator")


def same(left: object, right: object) -> bool:
    """Whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _compare(left: object, right: object) -> int:
    """Less than 0, 0 or more as left is before, equal to or after right: two numbers, or two texts (so also two dates)."""
    match left, right:
        case (bool(), _) | (_, bool()):
            pass
        case (int() | float() as a, int() | float() as b):
            return (a > b) - (a < b)
        case (str() as a, str() as b):
            return (a > b) - (a < b)
    raise FlowError("only two numbers or two texts can be ordered")


def _has(value: object, item: object) -> bool:
    match value, item:
        case (list() as items, _):
            return any(same(each, item) for each in items)
        case (str() as text, str() as part):
            return fold(part) in fold(text)
        case (None, _):
            return False
    raise FlowError("`has` looks into a list or a text")


class HasTag(Grammar):
    """`tag: Id`: the contact carries the tag."""

    tag: Id

    def holds(self, scope: Scope) -> bool:
        """Whether the contact carries it now."""
        return self.tag in scope.tags


class All(Grammar):
    """`all: [Condition]`: every one holds."""

    all: "list[Condition]"

    def holds(self, scope: Scope) -> bool:
        """Whether all hold, asked in order."""
        return all(each.holds(scope) for each in self.all)


class AnyOf(Grammar):
    """`any: [Condition]`: at least one holds."""

    any: "list[Condition]"

    def holds(self, scope: Scope) -> bool:
        """Whether one holds, asked in order."""
        return any(each.holds(scope) for each in self.any)


class Not(Grammar, rename={"not_": "not"}):
    """`not: Condition`: it does not hold."""

    not_: "Condition"

    def holds(self, scope: Scope) -> bool:
        """The opposite."""
        return not self.not_.holds(scope)


Condition = Annotated[VarIs | HasTag | All | AnyOf | Not, OneOf("a condition", later=("hours", "split"))]
