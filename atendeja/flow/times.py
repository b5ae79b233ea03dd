"""Dates and times as flows write them: instants like `today+60d`, shifted dates, and patterns like `dd/MM`."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from .scope import Scope
from .types import FlowError, duration, hole

_MOMENT = re.compile(r"^(now|today|\{\{[^}]*\}\})(?: *([+-]) *([0-9]{1,4}[smhd]))?(?: ([0-9]{2}):([0-9]{2}))?$")
_TOKEN = re.compile(r"(?<![A-Za-gi-z])(?:yyyy|yy|MMMM|MM|M|EEEE|dd|d|HH|mm)(?![A-Za-gi-z])")
"""A token stands alone, so that the "d" of "de" is not one; only an h may touch it (`HHhmm`)."""

MONTHS: Final[Mapping[str, Sequence[str]]] = {
    "pt": (
        *("janeiro", "fevereiro", "março", "abril", "maio", "junho"),
        *("julho", "agosto", "setembro", "outubro", "novembro", "dezembro"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "es": (
        *("enero", "febrero", "marzo", "abril", "mayo", "junio"),
        *("julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
}
WEEKDAYS: Final[Mapping[str, Sequence[str]]] = {
    "pt": ("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}


def instant(value: object, scope: Scope) -> datetime:
    """A date (its midnight), or an instant, in the business's zone. Raises FlowError for anything else."""
    if not isinstance(value, str):
        raise FlowError("a date is expected here")
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(scope.now.tzinfo) if moment.tzinfo else moment.replace(tzinfo=scope.now.tzinfo)
    except (ValueError, OverflowError) as error:
        raise FlowError("a date is expected here") from error


def moment(text: str, scope: Scope) -> datetime:
    """The instant that a `Moment` names now. Days are calendar days: `today+1d` is midnight even when a clock changes between."""
    found = _MOMENT.match(text)
    if found is None:
        raise FlowError(f"`{text}` is not an instant")
    base, sign, dur, hour, minute = found.groups()
    at = _base(base, scope)
    if dur:
        at = shift(at, f"{sign}{dur}")
    try:
        return at.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0) if hour else at
    except ValueError as error:
        raise FlowError(f"{hour}:{minute} is not a time of day") from error


def _base(base: str, scope: Scope) -> datetime:
    if base == "now":
        return scope.now
    if base == "today":
        return scope.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return instant(scope.get(hole(base) or ""), scope)


def shift(at: datetime, signed_dur: str) -> datetime:
    """The instant moved by a duration with an optional sign: days by the calendar, the rest by the clock. Raises FlowError."""
    step = duration(signed_dur.lstrip("+-"))
    step = -step if signed_dur.startswith("-") else step
    try:
        return at + step if signed_dur.endswith("d") else (at.astimezone(UTC) + step).astimezone(at.tzinfo)
    except OverflowError as error:
        raise FlowError("beyond the end of the calendar") from error


def next_date(day: int, month: int, floor: date) -> date | None:
    """The first such day on or after `floor`; None if there is no such day."""
    for year in range(floor.year, floor.year + 9):
        found = make_date(year, month, day)
        if found and found >= floor:
            return found
    return None


def make_date(year: int, month: int, day: int) -> date | None:
    """The date, or None if there is none."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def pattern(at: datetime, form: str, language: str) -> str:
    """The instant written as `form` says: `dd/MM`, `d de MMMM`, `EEEE`, `HH:mm`. Other letters stay as they are."""
    lang = language.split("-")[0]
    months, days = MONTHS.get(lang, MONTHS["pt"]), WEEKDAYS.get(lang, WEEKDAYS["pt"])
    values = {
        "yyyy": f"{at.year:04}",
        "yy": f"{at.year % 100:02}",
        "MMMM": months[at.month - 1],
        "MM": f"{at.month:02}",
        "M": str(at.month),
        "EEEE": days[at.weekday()],
        "dd": f"{at.day:02}",
        "d": str(at.day),
        "HH": f"{at.hour:02}",
        "mm": f"{at.minute:02}",
    }
    return _TOKEN.sub(lambda found: values[found[0]], form)
