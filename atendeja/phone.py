"""Phone numbers and the other name a person has, the BSUID.

A Brazilian mobile exists in two spellings that reach the same person: 13 digits with the ninth digit, as we dial it, and 12
without, as Meta's `wa_id` may give it for accounts created before 2016. Both are kept as received; `canonical` is the key
under which they meet. Folk rules that rewrite by area code have exceptions, and the phonenumbers library calls the short
form invalid, so neither is used here.
"""

import re

_MOBILE_SHORT = re.compile(r"55([1-9]{2})([6-9][0-9]{7})")
_MOBILE_LONG = re.compile(r"55([1-9]{2})9([6-9][0-9]{7})")
_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_PHONE_IN_TEXT = re.compile(r"\+[0-9](?:[ ().-]{0,2}[0-9]){7,}|[0-9]{8,}")
_NOT_A_DIGIT = re.compile(r"[^0-9]+")


def digits(text: str) -> str:
    """The ASCII digits of a phone number written in any way: `+55 (11) 9…` becomes `55119…`. May be empty."""
    return text if text.isascii() and text.isdigit() else _NOT_A_DIGIT.sub("", text)


def canonical(digits: str) -> str:
    """The one key for all spellings of a number: a Brazilian 12-digit mobile gets its ninth digit, all else stays as it is.

    Never touches landlines (subscriber starting 2 to 5), other countries or BSUIDs.
    """
    short = _MOBILE_SHORT.fullmatch(digits)
    return f"55{short[1]}9{short[2]}" if short else digits


def variants(digits: str) -> list[str]:
    """Every spelling under which this number may be stored or reported, the canonical one first."""
    whole = canonical(digits)
    long = _MOBILE_LONG.fullmatch(whole)
    return [whole, f"55{long[1]}{long[2]}"] if long else [whole]


def is_bsuid(text: str) -> bool:
    """Whether this is a business-scoped user id (`BR.…`, `BR.ENT.…`), which must be stored and sent whole."""
    return _BSUID.fullmatch(text) is not None


def mask(text: str) -> str:
    """The text with every phone number in it reduced to `…` and its last four digits.

    A number is a run of eight digits or more, or one that starts with `+` and is spaced as people write it. Other digit runs
    of that length (ids) are masked too: callers leave out the fields that must stay readable.
    """
    return _PHONE_IN_TEXT.sub(lambda found: "…" + digits(found[0])[-4:], text)
