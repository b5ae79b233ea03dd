"""The tests of a route: what the customer may have done, how the wait may have ended, or what the state must be.

To add one: write its class here and put it into the union at the foot.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, ClassVar, Final, Literal, Protocol, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from . import reading
from .conditions import Condition, HasTag, VarIs
from .grammar import Grammar, OneOf
from .scope import Scope
from .session import Input
from .times import moment
from .types import LONGEST_TEXT, Id, Moment
from .words import has_phrase, yes_no

Kind = Literal["text", "button", "list", "image", "video", "audio", "document", "sticker", "location", "contact", "form", "order"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
VarType = Literal["text", "number", "money", "date", "time", "bool", "list", "object"]
MEDIA: Final = frozenset({"image", "video", "audio", "document", "sticker"})


class Took(Struct, frozen=True):
    """A test that held, and the value it read."""

    value: object


class Taker(Protocol):
    """What the engine knows of a case of a route."""

    to: Id
    save: Id | UnsetType

    def take(self, scope: Scope) -> Took | None:
        """The value read if the test holds, else None. Raises FlowError where a value has the wrong type."""


def value_of_input(heard: Input) -> object:
    """What `save` keeps where the test reads nothing more special: an id, the text, or what came with it."""
    if heard.kind in ("button", "list"):
        return heard.id
    if heard.kind in MEDIA:
        return {"id": (heard.data or {}).get("id"), "kind": heard.kind}
    return heard.text[:LONGEST_TEXT] if heard.kind == "text" else heard.data


class Case(Grammar):
    """Base of the tests that look at the input: `to` is where it leads, `save` the variable that keeps what was read."""

    reads_text: ClassVar[bool] = True
    saves: ClassVar[VarType | None] = "text"
    to: Id
    save: Id | UnsetType = UNSET


class Any(Case, kw_only=True):
    """`any: true`: always."""

    saves: ClassVar[VarType | None] = None
    reads_text: ClassVar[bool] = False
    any: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Always."""
        return Took(value_of_input(scope.input))


class Button(Case, kw_only=True):
    """`button: Id`: a tap on this button, row of a list, or payload of a template; writing its label or its number is a tap too."""

    reads_text: ClassVar[bool] = False
    button: Id

    def take(self, scope: Scope) -> Took | None:
        """Whether this id was tapped."""
        return Took(self.button) if scope.input.id == self.button else None


class AnyWord(Case, kw_only=True):
    """`any_word: [text]`: one of these words or phrases stands in the text. Case, accents, emoji and repeated letters
    do not count."""

    any_word: list[str]

    def take(self, scope: Scope) -> Took | None:
        """Whether one of them stands there."""
        words = scope.words
        return _took(words and any(has_phrase(words, word) for word in self.any_word), scope)


class AllWords(Case, kw_only=True):
    """`all_words: [text]`: all of these words stand in the text, in any order."""

    all_words: list[str]

    def take(self, scope: Scope) -> Took | None:
        """Whether all of them stand there."""
        words = scope.words
        return _took(words and all(has_phrase(words, word) for word in self.all_words), scope)


class Phrase(Case, kw_only=True):
    """`phrase: text`: these words stand side by side in the text."""

    phrase: str

    def take(self, scope: Scope) -> Took | None:
        """Whether the phrase stands there."""
        return _took(has_phrase(scope.words, self.phrase), scope)


class YesNo(Case, kw_only=True):
    """`yes_no: true` is a yes ("sim", "pode ser", 👍), `yes_no: false` a no."""

    saves: ClassVar[VarType | None] = "bool"
    yes_no: bool

    def take(self, scope: Scope) -> Took | None:
        """Whether that was the answer."""
        return Took(self.yes_no) if yes_no(scope.input.text) is self.yes_no else None


class OfKind(Case, kw_only=True):
    """`kind: Kind`: an input of this kind: text button list image video audio document sticker location contact form order."""

    saves: ClassVar[VarType | None] = None
    reads_text: ClassVar[bool] = False
    kind: Kind

    def take(self, scope: Scope) -> Took | None:
        """Whether it is of this kind."""
        return Took(value_of_input(scope.input)) if scope.input.kind == self.kind else None


def _took(holds: object, scope: Scope) -> Took | None:
    return Took(value_of_input(scope.input)) if holds else None


class NumberRange(Grammar):
    """`{min: number?, max: number?}`, both ends included."""

    min: int | float | UnsetType = UNSET
    max: int | float | UnsetType = UNSET

    def flaw(self) -> str | None:
        """The least must not be above the most."""
        return "`min` is above `max`" if self.min is not UNSET and self.max is not UNSET and self.min > self.max else None

    def fits(self, value: float) -> bool:
        """Whether the value lies within."""
        return (self.min is UNSET or value >= self.min) and (self.max is UNSET or value <= self.max)


class Number(Case, kw_only=True):
    """`number: true` or `{min, max}`: one number in the text ("3", "1.234,5"); saved as a number."""

    saves: ClassVar[VarType | None] = "number"
    number: Literal[True] | NumberRange

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one number, within the range."""
        value = reading.number(scope.input.text)
        return Took(value) if value is not None and (self.number is True or self.number.fits(value)) else None


class MoneyBr(Case, kw_only=True):
    """`money_br: true` or `{min, max}` (in cents): an amount in reais ("R$ 1.234,50"); saved in cents."""

    saves: ClassVar[VarType | None] = "money"
    money_br: Literal[True] | NumberRange

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one amount, within the range."""
        value = reading.money_brl(scope.input.text)
        return Took(value) if value is not None and (self.money_br is True or self.money_br.fits(value)) else None


class DateRange(Grammar):
    """`{min: Instant?, max: Instant?}`: `now`, `today`, `today+60d`, `{{ dia }} - 1d`; both days included."""

    min: Moment | UnsetType = UNSET
    max: Moment | UnsetType = UNSET


class DateBr(Case, kw_only=True):
    """`date_br: true` or `{min, max}` (Instants): a date ("12/03", "12 de março", "amanhã"); saved as YYYY-MM-DD.

    Without a year it is the next such day on or after `min`, else after today."""

    saves: ClassVar[VarType | None] = "date"
    date_br: Literal[True] | DateRange

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one date, within the range. Raises FlowError if a bound is no date."""
        bounds = DateRange() if self.date_br is True else self.date_br
        least = None if bounds.min is UNSET else moment(bounds.min, scope).date()
        most = None if bounds.max is UNSET else moment(bounds.max, scope).date()
        today = scope.now.date()
        spoken, written = reading.spoken_day(scope.input.text, today), reading.date_br(scope.input.text, least or today)
        day = spoken or written
        if day is None or (spoken and written and spoken != written):
            return None
        return Took(day.isoformat()) if (least or date.min) <= day <= (most or date.max) else None


HourMinute = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="a time of day such as `08:30`")]


class TimeRange(Grammar):
    """`{min: "HH:MM"?, max: "HH:MM"?}`, both ends included."""

    min: HourMinute | UnsetType = UNSET
    max: HourMinute | UnsetType = UNSET


class Time(Case, kw_only=True):
    """`time: true` or `{min, max}`: a time of day ("14h30", "às 9", "3 da tarde"); saved as HH:MM."""

    saves: ClassVar[VarType | None] = "time"
    time: Literal[True] | TimeRange

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one time of day, within the range."""
        value = reading.time(scope.input.text)
        bounds = TimeRange() if self.time is True else self.time
        if value is None or (bounds.min is not UNSET and value < bounds.min) or (bounds.max is not UNSET and value > bounds.max):
            return None
        return Took(value)


def _read(read: Callable[[str], str | None], scope: Scope) -> Took | None:
    value = read(scope.input.text)
    return None if value is None else Took(value)


class Email(Case, kw_only=True):
    """`email: true`: an e-mail address; saved in lower case."""

    email: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one."""
        return _read(reading.email, scope)


class Cpf(Case, kw_only=True):
    """`cpf: true`: a CPF with the right check digits; saved as digits."""

    cpf: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one."""
        return _read(reading.cpf, scope)


class Cnpj(Case, kw_only=True):
    """`cnpj: true`: a CNPJ with the right check digits (letters included, since July 2026); saved without punctuation."""

    cnpj: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one."""
        return _read(reading.cnpj, scope)


class Cep(Case, kw_only=True):
    """`cep: true`: a postal code; saved as digits."""

    cep: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one."""
        return _read(reading.cep, scope)


class Phone(Case, kw_only=True):
    """`phone: true`: a phone number with area code; saved as `+` and digits."""

    phone: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Whether the text has one."""
        return _read(reading.phone, scope)


class Timeout(Case, kw_only=True):
    """`timeout: true`: nobody answered within the wait's `timeout`."""

    saves: ClassVar[VarType | None] = None
    reads_text: ClassVar[bool] = False
    timeout: Literal[True]

    def take(self, scope: Scope) -> Took | None:
        """Whether the timer rang."""
        return Took(None) if scope.input.kind == "timeout" else None


class VarCase(VarIs, kw_only=True):
    """`var: Path` and one operator, as in conditions."""

    saves: ClassVar[VarType | None] = None
    to: Id
    save: Id | UnsetType = UNSET

    def take(self, scope: Scope) -> Took | None:
        """Whether the comparison holds. Raises FlowError."""
        return _took(self.holds(scope), scope)


class TagCase(HasTag, kw_only=True):
    """`tag: Id`: the contact carries the tag."""

    saves: ClassVar[VarType | None] = None
    to: Id
    save: Id | UnsetType = UNSET

    def take(self, scope: Scope) -> Took | None:
        """Whether the contact carries it."""
        return _took(self.holds(scope), scope)


class If(Case, kw_only=True, rename={"if_": "if"}):
    """`if: Condition`: the condition holds."""

    saves: ClassVar[VarType | None] = None
    reads_text: ClassVar[bool] = False
    if_: Condition

    def take(self, scope: Scope) -> Took | None:
        """Whether it holds. Raises FlowError."""
        return _took(self.if_.holds(scope), scope)


InputCase = (
    Any
    | Button
    | AnyWord
    | AllWords
    | Phrase
    | YesNo
    | OfKind
    | Number
    | MoneyBr
    | DateBr
    | Time
    | Email
    | Cpf
    | Cnpj
    | Cep
    | Phone
)
StateCase = VarCase | TagCase | If
AnyCase = Annotated[InputCase | Timeout | StateCase, OneOf("a case", later=("http", "sent", "hours", "split"))]

TYPES: Final[Mapping[VarType, str]] = {
    "text": "a text of at most 4,096 characters",
    "number": "a number",
    "money": "an amount in cents",
    "date": "YYYY-MM-DD",
    "time": "HH:MM",
    "bool": "true or false",
    "list": "a list",
    "object": "keys with values",
}
"""The types a variable may be declared with, and what they hold; null is in all of them."""
