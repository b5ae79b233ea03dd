"""Meta's limits on what we send. Lengths are in characters (Unicode code points, as the peers count them).

Source: Meta's OpenAPI file business-messaging-api v23.0 and its pages on messages and throughput (September 2026).
"""

from typing import Final

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

LIST_BUTTON: Final = 20
SECTIONS: Final = 10
SECTION_TITLE: Final = 24
ROWS: Final = 10
"""In all sections together."""
ROW_ID: Final = 200
ROW_TITLE: Final = 24
ROW_DESCRIPTION: Final = 72

TEMPLATE_NAME: Final = 512
CALLBACK: Final = 512
"""Characters of `biz_opaque_callback_data`."""

WINDOW_S: Final = 24 * 3600
"""The customer service window: from the customer's last message to this number, by WhatsApp's time."""
REACTION_S: Final = 30 * 24 * 3600
"""How old a message may be to be reacted to or marked as read."""
TYPING_S: Final = 25
"""How long the typing dots stay."""
MEDIA_ID_RECEIVED_S: Final = 7 * 24 * 3600
MEDIA_ID_UPLOADED_S: Final = 30 * 24 * 3600

NUMBER_RATE: Final = 80
"""Messages per second and number, in and out together, until Meta raises it to 1,000."""
COEXISTENCE_RATE: Final = 20
PAIR_INTERVAL_S: Final = 6
"""One message per 6 s to one person; bursts borrow from the future."""
