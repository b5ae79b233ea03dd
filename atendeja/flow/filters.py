"""The filters of `{{ path | filter: 'x' }}`. Each gets a value and the scope; None passes through all but `or`."""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from .scope import Scope, first_name
from .times import instant, pattern
from .types import FlowError

Arg = str | int | float


class Filter(Struct, frozen=True):
    """A filter: what it does, what its arguments look like, and a line for the reference."""

    run: Callable[[object, Scope, tuple[Arg, ...]], object]
    args: tuple[type, ...]
    help: str


def show(value: object, language: str) -> str:
    """A value as text: nothing for None, "sim" for true, a comma in decimals. Raises FlowError for lists and objects."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            words = _BOOLS.get(language.split("-")[0], _BOOLS["pt"])
            return words[value]
        case int():
            return str(value)
        case float():
            return grouped(value, None, language)
        case _:
            raise FlowError("a list or an object cannot be said as it is: use a filter such as `join`, or one of its parts")


_BOOLS = {"pt": ("não", "sim"), "en": ("no", "yes"), "es": ("no", "sí")}


def grouped(number: float, digits: int | None, language: str) -> str:
    """A number with `digits` decimals (None: as many as it has), written as the language does: 1.234,50 or 1,234.50."""
    plain = f"{number:,.{digits}f}" if digits is not None else f"{number:,}" if abs(number) < 1e15 else f"{number:g}"
    return plain if language.startswith("en") else plain.translate(_SWAP)


_SWAP = str.maketrans(",.", ".,")


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FlowError("a number is expected here")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise FlowError("a text is expected here")
    return value


def _or(value: object, scope: Scope, args: tuple[Arg, ...]) -> object:
    return args[0] if value is None or value == "" else value


def _join(value: object, scope: Scope, args: tuple[Arg, ...]) -> object:
    if not isinstance(value, list):
        raise FlowError("a list is expected here")
    return str(args[0]).join(show(item, scope.language) for item in value)


def _money(value: object, scope: Scope, args: tuple[Arg, ...]) -> object:
    cents = _number(value)
    if isinstance(cents, float):
        raise FlowError("money is counted in whole cents")
    sign = "-" if cents < 0 else ""
    reais, rest = divmod(abs(cents), 100)
    return f"{sign}R$ {reais:,}".replace(",", ".") + f",{rest:02}"


def _phone(value: object, scope: Scope, args: tuple[Arg, ...]) -> object:
    digits = _text(value).lstrip("+")
    if digits.isdigit() and digits.startswith("55") and len(digits) in (12, 13):
        return f"({digits[2:4]}) {digits[4:-4]}-{digits[-4:]}"
    return f"+{digits}" if digits.isdigit() else digits


def _number_filter(value: object, scope: Scope, args: tuple[Arg, ...]) -> object:
    return grouped(_number(value), max(0, min(int(args[0]), 9)), scope.language)


FILTERS: Final[Mapping[str, Filter]] = {
    "or": Filter(_or, (str,), "what to say when there is no value: `or: 'tudo bem'`"),
    "first_name": Filter(lambda value, scope, args: first_name(_text(value)), (), "the first word, with a capital letter"),
    "upper": Filter(lambda value, scope, args: _text(value).upper(), (), "in capital letters"),
    "lower": Filter(lambda value, scope, args: _text(value).lower(), (), "in small letters"),
    "capitalize": Filter(lambda value, scope, args: _text(value)[:1].upper() + _text(value)[1:], (), "with a capital first letter"),
    "date": Filter(
        lambda value, scope, args: pattern(instant(value, scope), str(args[0]), scope.language),
        (str,),
        "a date by a pattern of `dd d MM M MMMM yy yyyy EEEE HH mm`: `date: 'EEEE, dd/MM'`",
    ),
    "time": Filter(
        lambda value, scope, args: (
            value if isinstance(value, str) and len(value) == 5 else pattern(instant(value, scope), "HH:mm", scope.language)
        ),
        (),
        "the time of day, `14:30`",
    ),
    "money_brl": Filter(_money, (), "cents as reais: `R$ 1.234,50`"),
    "number": Filter(_number_filter, (int,), "with so many decimals: `number: 2`"),
    "phone": Filter(_phone, (), "a phone as people write it: `(11) 98765-4321`"),
    "join": Filter(_join, (str,), "the items of a list with this between them: `join: ', '`"),
    "plural": Filter(
        lambda value, scope, args: args[0] if _number(value) == 1 else args[1], (str, str), "the first word for 1, else the second"
    ),
}
