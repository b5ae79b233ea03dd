"""Computed values: a JSON literal, a variable, or one small operation. No expression language, so nothing loops."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from .filters import show
from .grammar import Grammar, OneOf
from .scope import Scope
from .times import instant, shift
from .types import LONGEST_TEXT, Dur, FlowError, Path

_LARGEST = 2**53


class Var(Grammar):
    """`{var: Path}`: the value at a path; null if there is none."""

    var: Path

    def eval(self, scope: Scope) -> object:
        """The value now."""
        return scope.get(self.var)


class Add(Grammar):
    """`{add: [Value, Value]}`: the sum of two numbers."""

    add: "tuple[Value, Value]"

    def eval(self, scope: Scope) -> object:
        """The sum. Raises FlowError for anything but numbers."""
        return _arithmetic(lambda a, b: a + b, self.add, scope)


class Sub(Grammar):
    """`{sub: [Value, Value]}`: the first number less the second."""

    sub: "tuple[Value, Value]"

    def eval(self, scope: Scope) -> object:
        """The difference. Raises FlowError for anything but numbers."""
        return _arithmetic(lambda a, b: a - b, self.sub, scope)


class Mul(Grammar):
    """`{mul: [Value, Value]}`: the product of two numbers."""

    mul: "tuple[Value, Value]"

    def eval(self, scope: Scope) -> object:
        """The product. Raises FlowError for anything but numbers."""
        return _arithmetic(lambda a, b: a * b, self.mul, scope)


class Div(Grammar):
    """`{div: [Value, Value]}`: the first number divided by the second; division by zero goes to `on_error`."""

    div: "tuple[Value, Value]"

    def eval(self, scope: Scope) -> object:
        """The quotient. Raises FlowError for zero and for anything but numbers."""
        return _arithmetic(lambda a, b: a / b, self.div, scope)


class Concat(Grammar):
    """`{concat: [Value, Value]}`: two values as one text."""

    concat: "tuple[Value, Value]"

    def eval(self, scope: Scope) -> object:
        """Both as text, side by side. Raises FlowError for lists, objects and a text that grows too long."""
        text = "".join(show(value_of(part, scope), scope.language) for part in self.concat)
        if len(text) > LONGEST_TEXT:
            raise FlowError(f"a text grew beyond {LONGEST_TEXT} characters")
        return text


class Append(Grammar):
    """`{append: [Value, Value]}`: a list with one more item at its end; null is an empty list."""

    append: "tuple[Value, Value]"

    def eval(self, scope: Scope) -> object:
        """A new list. Raises FlowError if the first value is not a list."""
        items = value_of(self.append[0], scope)
        if not isinstance(items, list | None):
            raise FlowError("only a list can be appended to")
        return [*(items or []), value_of(self.append[1], scope)]


class Round(Grammar):
    """`{round: [Value, digits]}`: a number with so many decimals, halves away from zero."""

    round: "tuple[Value, Annotated[int, msgspec.Meta(ge=0, le=9, description='a number from 0 to 9')]]"

    def eval(self, scope: Scope) -> object:
        """The rounded number. Raises FlowError for anything but a number."""
        number, scale = _number(value_of(self.round[0], scope)), 10 ** self.round[1]
        return _settled(math.copysign(math.floor(abs(number) * scale + 0.5) / scale, number))


class DateAdd(Grammar):
    """`{date_add: [Value, Dur]}`: a date or an instant moved on."""

    date_add: "tuple[Value, Dur]"

    def eval(self, scope: Scope) -> object:
        """The later date (still a date if whole days were added to one) or instant. Raises FlowError."""
        value, dur = value_of(self.date_add[0], scope), self.date_add[1]
        moved = shift(instant(value, scope), dur)
        return _written(moved, is_date=isinstance(value, str) and len(value) == len("2027-03-10") and dur.endswith("d"))


class Now(Grammar):
    """`{now: true}`: this instant, in the business's time zone."""

    now: Literal[True]

    def eval(self, scope: Scope) -> object:
        """The instant as RFC 3339 text."""
        return _written(scope.now, is_date=False)


Expression = Var | Add | Sub | Mul | Div | Concat | Append | Round | DateAdd | Now
Value = Annotated[bool | int | float | str | list[object] | Expression | None, OneOf("a value")]


def value_of(value: Value, scope: Scope) -> object:
    """What a Value is now: a literal is itself. Raises FlowError where an operation meets the wrong type."""
    return value.eval(scope) if isinstance(value, Expression) else value


def _written(at: datetime, *, is_date: bool) -> str:
    return at.date().isoformat() if is_date else at.isoformat(timespec="seconds")


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FlowError("a number is expected here")
    return value


def _settled(number: int | float) -> int | float:
    """The number as JSON keeps it: whole ones as integers. Raises FlowError beyond 2^53, where JSON's numbers grow vague."""
    if not abs(number) <= _LARGEST:
        raise FlowError("a number grew too large")
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _arithmetic(run: Callable[[float, float], float], pair: "tuple[Value, Value]", scope: Scope) -> int | float:
    left, right = (_number(value_of(part, scope)) for part in pair)
    try:
        return _settled(run(left, right))
    except (ZeroDivisionError, OverflowError) as error:
        raise FlowError("a division by zero or a number too large") from error
