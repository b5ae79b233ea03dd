"""Meta's error codes: what each means for a message of ours, in one table.

Act on the code alone: titles change, and the HTTP status was seen to differ for the same code. Source: Meta, WhatsApp Cloud
API, error codes (copy of 2026-09-11), with the older ones that other projects still meet.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from msgspec import Struct

Kind: TypeAlias = Literal["R", "S", "pair", "D", "O", "B", "P", "N", "U", "show"]
"""R try again · S slow the number down, then again · pair wait for this recipient · D drop this message · O drop, and no more
marketing for this person · B drop, our mistake · P stop this template or the campaigns · N stop the number · U nobody knows
whether it went out · show not an answer to a send, for people to read."""


class Code(Struct, frozen=True):
    """What a code means. `scope` goes with P, `tries` limits R, `notice` asks for a person's eye on a D."""

    kind: Kind
    meaning: str
    scope: Literal["template", "campaign"] | None = None
    tries: int | None = None
    notice: bool = False


def _all(codes: Iterable[int], kind: Kind, meaning: str) -> dict[int, Code]:
    return dict.fromkeys(codes, Code(kind, meaning))


CODES: Final[Mapping[int, Code]] = MappingProxyType(
    {
        0: Code("N", "the app user cannot be authenticated"),
        1: Code("U", "invalid request or server error"),
        2: Code("U", "down or overloaded"),
        3: Code("N", "capability or permission missing"),
        4: Code("S", "the app's call limit is reached"),
        10: Code("N", "permission missing"),
        33: Code("N", "the phone number id is deleted or not visible"),
        100: Code("B", "bad parameter"),
        190: Code("N", "the token has expired or is invalid"),
        **_all(range(200, 300), "N", "permission not granted"),
        368: Code("N", "blocked for a policy violation"),
        613: Code("S", "call limit is reached"),
        80007: Code("S", "the account's call limit is reached"),
        130403: Code("D", "we blocked this user"),
        130429: Code("S", "the number's throughput is reached"),
        130472: Code("D", "the user is in an experiment and gets no marketing"),
        130497: Code("D", "the account may not message this country", notice=True),
        131000: Code("U", "something went wrong"),
        131005: Code("N", "access denied"),
        131008: Code("B", "a parameter is missing"),
        131009: Code("B", "a parameter's value is invalid"),
        131014: Code("R", "the link could not be fetched", tries=1),
        131016: Code("U", "service unavailable"),
        **_all((131020, 131041, 131059, *range(131200, 131300)), "D", "not possible in this group"),
        131021: Code("D", "sender and recipient are the same"),
        131026: Code("D", "undeliverable: not on WhatsApp, an old app, or terms not accepted"),
        131030: Code("D", "the recipient is not on the test number's list", notice=True),
        131031: Code("N", "the account is locked"),
        131037: Code("N", "the display name is not approved"),
        131042: Code("N", "payment problem"),
        131044: Code("show", "payment problem with calls"),
        131045: Code("N", "the number's registration has a problem"),
        131047: Code("D", "the window is closed: a template is needed"),
        131048: Code("P", "too many people blocked or reported the number", scope="campaign"),
        131049: Code("D", "kept back by Meta to keep marketing bearable"),
        131050: Code("O", "the user stopped marketing"),
        131051: Code("B", "message type not supported"),
        131052: Code("show", "the user's file could not be had"),
        131053: Code("R", "the file could not be fetched or is of a wrong type", tries=2),
        131055: Code("B", "method not allowed: only marketing may go this way"),
        131056: Code("pair", "too many messages to this recipient"),
        131057: Code("S", "the account is in maintenance"),
        131060: Code("show", "the user's message is unavailable"),
        131062: Code("D", "a BSUID cannot receive this message"),
        131063: Code("P", "marketing is switched off on this endpoint", scope="campaign"),
        131064: Code("P", "limited for templates in the wrong category", scope="campaign", notice=True),
        132000: Code("P", "the number of parameters differs from the template", scope="template"),
        132001: Code("P", "the template is missing in this language or not approved", scope="template"),
        132005: Code("D", "the text is too long after filling in"),
        132007: Code("P", "the template violates a policy", scope="template"),
        132008: Code("D", "a parameter's value is wrong for the template"),
        132012: Code("D", "a parameter's format is wrong for the template"),
        132015: Code("P", "the template is paused", scope="template"),
        132016: Code("P", "the template is disabled", scope="template"),
        132018: Code("P", "the template's parameters do not validate", scope="template"),
        132068: Code("P", "the form is blocked", scope="template"),
        132069: Code("P", "the form is throttled", scope="template"),
        **_all((133000, 133005, 133006, 133008, 133009, 133015), "show", "registration or PIN"),
        133004: Code("U", "server unavailable"),
        133010: Code("N", "the number is not registered"),
        133016: Code("show", "too many attempts to register the number"),
        134011: Code("show", "the terms of payment are pending"),
        134100: Code("B", "only marketing templates may go this way"),
        134101: Code("R", "the template is still being synchronised, for about 10 minutes"),
        134102: Code("U", "marketing endpoint unavailable"),
        135000: Code("R", "generic user error", tries=1),
        137000: Code("D", "the recipient's identity has changed"),
        **_all(range(138000, 138100), "show", "calls"),
        **_all(range(139000, 139005), "show", "forms"),
        **_all(range(139100, 139104), "show", "block list"),
        139200: Code("show", "direct sending is blocked"),
        **_all(range(147001, 147006), "show", "business username"),
        1752041: Code("show", "asked twice to join marketing messages"),
        **_all(
            (2388019, 2388023, 2388024, 2388039, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299),
            "show",
            "the template cannot be created or edited like this",
        ),
        2494100: Code("R", "the number is in maintenance, for minutes"),
        **_all(range(2593107, 2593110), "show", "history synchronisation"),
    }
)

_UNKNOWN_NUMBER: Final = (100, 33)


def lookup(code: int, subcode: int | None = None) -> Code | None:
    """The row of a code, None if it is not listed. Subcode 33 of 100 is the one subcode that means something else."""
    return CODES[33] if (code, subcode) == _UNKNOWN_NUMBER else CODES.get(code)


_ADVICE: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "R": "nothing: it was tried again, in vain",
        "S": "send more slowly, or ask Meta for more throughput",
        "pair": "write less often to this person",
        "D": "nothing: this person does not get this message",
        "O": "nothing: this person wants no marketing, and gets none any more",
        "B": "change the message: sent again as it is, it fails again",
        "P": "look at the template, or the campaigns, in WhatsApp Manager; then have it tried again",
        "N": "mend the number or its token; what waits goes by itself then",
        "U": "nothing is known for certain: have it tried again only if the customer may get it twice",
        "show": "look it up in Meta's list of codes",
    }
)
_SPECIAL: Final[Mapping[int, str]] = MappingProxyType(
    {
        131026: "ask for another number, or whether that person has WhatsApp and has accepted its terms",
        131042: "mend the payment in WhatsApp Manager; what waits goes by itself then",
        131047: "send an approved template, or wait until the customer writes",
        131049: "try again in some days: Meta keeps marketing bearable",
        131053: "send the file again in a type and size that WhatsApp takes",
    }
)


def advise(code: int) -> str:
    """What a person can do about a message that ended with this code."""
    listed = CODES.get(code)
    return _SPECIAL.get(code) or _ADVICE["show" if listed is None else listed.kind]
