"""A customer who must never be seen: tests send messages with this phone and this text, and a run that logs one fails."""

from pathlib import Path

from atendeja import phone

CANARY_PHONE = "5511998870417"
CANARY_TEXT = "canario-amarelo-na-mina-0417"


def needles() -> list[bytes]:
    """What is searched for: the text, and the phone in every spelling, with and without its country."""
    spellings = phone.variants(CANARY_PHONE)
    return [text.encode() for text in (CANARY_TEXT, *spellings, *(spelling[2:] for spelling in spellings))]


def find(content: bytes) -> bytes | None:
    """The first needle in this output, or None."""
    return next((needle for needle in needles() if needle in content), None)


def search(folder: Path) -> list[str]:
    """A line for each file under `folder` that shows the canary."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.name}: {needle.decode()}" for path in files if (needle := find(path.read_bytes()))]
