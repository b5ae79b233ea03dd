"""Meta's limits on what we send. Lengths are in characters (Unicode code points, as the peers count them).

Source: Meta's OpenAPI file business-messaging-api v23.0 and its pages on messages and throughput (September 2026).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from msgspec import Struct

CHALLENGE: Final = 1024
"""Characters of a verification challenge we are willing to echo (ours; Meta sends about ten)."""

TEXT_BODY: Final = 4096
CAPTION: Final = 1024
FILENAME: Final = 240
"""Ours: Meta names none, file systems stop at 255 bytes."""
LINK: Final = 2048
"""Ours: Meta names none."""

INTERACTIVE_BODY: Final = 1024
LIST_BODY: Final = 4096
HEADER: Final = 60
FOOTER: Final = 60

BUTTONS: Final = 3
BUTTON_ID: Final = 256
BUTTON_TITLE: Final = 20

CTA_LABEL: Final = 20
FORM_LABEL: Final = 30

LIST_BUTTON: Final = 20
SECTIONS: Final = 10
SECTION_TITLE: Final = 24
ROWS: Final = 10
"""In all sections together."""
ROW_ID: Final = 200
ROW_TITLE: Final = 24
ROW_DESCRIPTION: Final = 72

CARDS: Final = 100
"""Ours: Meta names none."""
CARD_TEXT: Final = 256
"""Ours: Meta names none."""
CARD_ENTRIES: Final = 20
"""Telephone numbers of a card, addresses and the like. Ours: Meta names none."""
PLACE: Final = 1000
"""The name and the address of a location. Ours: Meta names none."""
FORM_DATA: Final = 16 * 1024
"""Bytes of JSON that a form is opened with. Ours: Meta names none."""

TEMPLATE_NAME: Final = 512
TEMPLATE_BODY: Final = 1024
"""Of a template's text; what fills one of its variables cannot be longer."""
TEMPLATE_BUTTONS: Final = 10
SLIDES: Final = 10
SLIDE_BUTTONS: Final = 2
VALUE_SPACES: Final = 4
"""In a row, in what fills a variable."""
CALLBACK: Final = 512
"""Characters of `biz_opaque_callback_data`."""

WINDOW_S: Final = 24 * 3600
"""The customer service window: from the customer's last message to this number, by WhatsApp's time."""
MEDIA_ID_UPLOADED_S: Final = 30 * 24 * 3600

MediaKind: TypeAlias = Literal["image", "video", "audio", "document", "sticker"]
_MB: Final = 1024 * 1024


class MediaLimit(Struct, frozen=True):
    """What may be sent as a kind: MIME types, and bytes of a file."""

    types: tuple[str, ...]
    most_bytes: int


MEDIA: Final[Mapping[MediaKind, MediaLimit]] = MappingProxyType(
    {
        "image": MediaLimit(("image/jpeg", "image/png"), 5 * _MB),
        "video": MediaLimit(("video/mp4", "video/3gpp"), 16 * _MB),
        "audio": MediaLimit(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * _MB),
        "document": MediaLimit(
            (
                "text/plain",
                "application/pdf",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            ),
            100 * _MB,
        ),
        "sticker": MediaLimit(("image/webp",), 500 * 1024),
    }
)
"""By kind. Meta says MB, not which: the larger is meant here, and what is between the two it may refuse. A sticker that does not
move may have 100 KB only; whether it moves is not looked at. Source: Meta, supported media types (copy of 2026-09-11)."""

NUMBER_RATE: Final = 80
"""Messages per second and number, in and out together, until Meta raises it to 1,000."""
RAISED_RATE: Final = 1000
COEXISTENCE_RATE: Final = 20
"""Of a number that people go on using in WhatsApp's own app: fixed."""
PAIR_INTERVAL_S: Final = 6
"""One message per 6 s to one person; bursts borrow from the future."""
