"""`.env.example` names every setting, and nothing that is not one."""

import re
from pathlib import Path

from atendeja import config

EXAMPLE = Path(__file__).parents[1] / ".env.example"


def test_names_every_setting_in_its_place() -> None:
    named = re.findall(r"^#?([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(config.FIELDS)


def test_defaults_are_the_real_ones() -> None:
    for name, text in re.findall(r"^#([A-Z_]+)=(.+)$", EXAMPLE.read_text(), re.MULTILINE):
        if name not in ("DATABASE_ADMIN_URL", "MEDIA_DIR", "STATE_DIR"):
            assert str(config.FIELDS[name].default) == text, name


def test_required_settings_are_not_commented_out() -> None:
    open_ones = re.findall(r"^([A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert set(open_ones) == set(config.MISSING)
