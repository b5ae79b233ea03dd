"""What people in Brazil write when asked for a number, an amount, a date, a document: read into one form, or None.

Every function takes the text as sent and never raises. A value may stand among other words ("pode ser dia 12/03?") as long as it
is the only one of its kind: two dates in one answer are no answer.
"""

import re
from datetime import date, timedelta

from atendeja.phone import canonical, digits

from .times import MONTHS, make_date, next_date
from .words import fold

_NUMBER = re.compile(
    r"(?<![\w.,])[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3}){1,4}(?:,[0-9]{1,6})?|[0-9]{1,15}(?:[.,][0-9]{1,6})?)(?![\w]|[.,][0-9])", re.ASCII
)
"""Of 15 digits at most, with or without dots between the thousands."""
_DATE = re.compile(r"(?<![0-9/.-])([0-9]{1,2})([/.-])([0-9]{1,2})(?:\2([0-9]{4}|[0-9]{2}))?(?![0-9/-]|\.[0-9])", re.ASCII)
_ISO_DATE = re.compile(r"(?<![0-9-])([0-9]{4})-([0-9]{2})-([0-9]{2})(?![0-9-])", re.ASCII)
_MONTH_NAMES = [fold(name) for name in MONTHS["pt"]]
_SPOKEN_DATE = re.compile(rf"\b([0-9]{{1,2}})o? de ({'|'.join(_MONTH_NAMES)})(?: (?:de )?([0-9]{{4}}))?\b")
_SPOKEN_DAYS = {fold(name): days for name, days in (("hoje", 0), ("depois de amanhã", 2), ("amanhã", 1))}
_TIME = re.compile(
    r"(?<![\w:/])([01]?[0-9]|2[0-3])(?:(?::|h)([0-5][0-9])(?:min|h)?|h|hs| ?horas?)?(?![\w:/])", re.ASCII | re.IGNORECASE
)
_EMAIL = re.compile(
    r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w-])", re.ASCII
)
_CPF = re.compile(r"(?<![0-9])[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}[- ]?[0-9]{2}(?![0-9])", re.ASCII)
_CNPJ = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}[- ]?[0-9]{2}(?![0-9A-Z])", re.ASCII)
_CEP = re.compile(r"(?<![0-9])[0-9]{2}\.?[0-9]{3}[- ]?[0-9]{3}(?![0-9])", re.ASCII)
_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{6,22}[0-9]", re.ASCII)


def number(text: str) -> int | float | None:
    """A number as Brazilians write it: "3", "1.234,5", "2.5". A dot before exactly three digits parts thousands."""
    found = _NUMBER.findall(text)
    return _plain(found[0]) if len(found) == 1 else None


def _plain(written: str) -> int | float:
    if re.fullmatch(r"[+-]?[0-9]{1,3}(\.[0-9]{3}){1,4}", written):
        return int(written.replace(".", ""))
    if "," in written:
        written = written.replace(".", "").replace(",", ".")
    value = float(written)
    return int(value) if value.is_integer() else value


def money_brl(text: str) -> int | None:
    """An amount in reais, in cents: "R$ 1.234,50", "150", "12,5". More than two decimals are no amount."""
    found = _NUMBER.findall(re.sub(r"(?i)r\$", " ", text))
    if len(found) != 1 or re.search(r",[0-9]{3}", found[0]):
        return None
    return round(_plain(found[0]) * 100)


def date_br(text: str, floor: date) -> date | None:
    """A date: "12/03", "12/03/27", "12 de março". Without a year it is the next such day on or after `floor`."""
    found = [(int(day), int(month), year) for day, _, month, year in _DATE.findall(text)]
    found += [(int(day), int(month), year) for year, month, day in _ISO_DATE.findall(text)]
    found += [(int(day), _MONTH_NAMES.index(month) + 1, year) for day, month, year in _SPOKEN_DATE.findall(fold(text))]
    if len(found) != 1:
        return None
    day, month, year = found[0]
    if not year:
        return next_date(day, month, floor)
    return make_date(int(year) + (2000 if len(year) == 2 else 0), month, day)


def spoken_day(text: str, today: date) -> date | None:
    """The day of "hoje", "amanhã" or "depois de amanhã", if the text has one of them."""
    words = f" {fold(text)} "
    days = next((days for name, days in _SPOKEN_DAYS.items() if f" {name} " in words), None)
    return None if days is None else today + timedelta(days=days)


_PART_OF_DAY = r"da (manha|tarde|noite)\b"
_HALVES = (("meio dia", "12:00"), ("meia noite", "00:00"))


def time(text: str) -> str | None:
    """A time of day as HH:MM: "14h30", "9:00", "às 15", "3 da tarde", "meio-dia". A bare number is one only alone or after "às"."""
    words = fold(text)
    spoken = next((value for name, value in _HALVES if name in words), None)
    found = list(_TIME.finditer(text))
    if spoken or len(found) != 1:
        return spoken if not found else None
    hour, minute = int(found[0][1]), int(found[0][2] or 0)
    if found[0][0] == found[0][1] and not re.search(rf"^{found[0][0]}$|\b(as|pelas) {found[0][0]}\b|\b{_PART_OF_DAY}", words):
        return None
    if re.search(r"\bda (tarde|noite)\b", words) and 1 <= hour < 12:
        hour += 12
    return f"{hour:02}:{minute:02}"


def email(text: str) -> str | None:
    """An e-mail address in lower case."""
    found = _EMAIL.findall(text)
    return found[0].lower() if len(found) == 1 and ".." not in found[0] else None


def cpf(text: str) -> str | None:
    """The eleven digits of a CPF whose check digits are right; eleven equal digits are none."""
    found = _CPF.findall(text)
    if len(found) != 1:
        return None
    plain = digits(found[0])
    if len(set(plain)) == 1:
        return None
    return plain if all(_check_digit(plain[:size], range(size + 1, 1, -1)) == plain[size] for size in (9, 10)) else None


def cnpj(text: str) -> str | None:
    """The fourteen characters of a CNPJ whose check digits are right; since July 2026 the first twelve may be letters."""
    found = _CNPJ.findall(text.upper())
    if len(found) != 1:
        return None
    plain = re.sub(r"[^0-9A-Z]", "", found[0])
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    if len(set(plain)) == 1:
        return None
    return plain if all(_check_digit(plain[:size], weights[13 - size :]) == plain[size] for size in (12, 13)) else None


def _check_digit(plain: str, weights: range | tuple[int, ...]) -> str:
    """The modulo-11 check digit of Brazilian documents; a letter counts as its ASCII code less 48."""
    rest = sum((ord(char) - 48) * weight for char, weight in zip(plain, weights, strict=True)) % 11
    return "0" if rest < 2 else str(11 - rest)


def cep(text: str) -> str | None:
    """The eight digits of a postal code."""
    found = _CEP.findall(text)
    return digits(found[0]) if len(found) == 1 and digits(found[0]) != "00000000" else None


def phone(text: str) -> str | None:
    """A phone as `+` and digits: with an area code it is Brazilian, with a `+` it is whatever it says."""
    found = _PHONE.findall(text)
    if len(found) != 1:
        return None
    plain = digits(found[0])
    if found[0].startswith("+"):
        return f"+{canonical(plain)}" if 8 <= len(plain) <= 15 else None
    plain = plain.lstrip("0")
    if len(plain) in (10, 11) and plain[1] != "0":
        return f"+{canonical('55' + plain)}"
    return f"+{canonical(plain)}" if len(plain) in (12, 13) and plain.startswith("55") else None
