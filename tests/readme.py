"""README.md, of which tests run what a reader would copy."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def block(words: str) -> str:
    """The lines of the one block of code that holds these words."""
    (found,) = [lines for lines in re.findall(r"^```\w*\n(.+?)^```", TEXT, re.DOTALL | re.MULTILINE) if words in lines]
    return str(found)
