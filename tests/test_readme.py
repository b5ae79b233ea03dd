"""README.md names every setting, command and metric: what exists and is not written there does not exist for its reader."""

from atendeja import cli
from atendeja.config import FIELDS
from atendeja.metrics import COUNTERS, DURATIONS
from tests import readme


def test_every_setting_is_in_the_readme() -> None:
    assert [name for name in FIELDS if f"`{name}`" not in readme.TEXT] == []


def test_every_metric_is_in_the_readme() -> None:
    wanted = [f"`atendeja_{name}_total`" for name in COUNTERS] + [f"`atendeja_{name}`" for name in DURATIONS]
    assert [name for name in wanted if name not in readme.TEXT] == []


def test_every_command_is_in_the_readme() -> None:
    missing = []
    for name in cli.app:
        if name.startswith("-"):
            continue
        part = cli.app[name]
        leaves = [leaf for leaf in part if not leaf.startswith("-")]
        missing += [c for c in ([f"{name} {leaf}" for leaf in leaves] or [name]) if f"`{c}" not in readme.TEXT]
    assert missing == []
