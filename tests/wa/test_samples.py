"""Every webhook body we know → its events, beside it in `events/`; `pytest --update` rewrites, git diff reviews."""

import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from atendeja.wa import events, messages
from atendeja.wa.delivery import parse
from atendeja.wa.events import Item

SAMPLES = Path(__file__).parent / "samples"
GOLDEN = Path(__file__).parent / "events"
WEBHOOKS = re.compile(r"(inbound|status|value-errors|batch|webhook)-.*")
CASES = sorted(path.stem for path in SAMPLES.glob("*.json") if WEBHOOKS.fullmatch(path.stem))

MAY_BE_UNKNOWN: set[str] = set()
"""The samples that may hold something unknown: none."""

IGNORED = (
    ("object", "says that it is WhatsApp"),
    ("messaging_product", "always whatsapp"),
    (r"(messages|message_echoes)\[\].type", "the content's own tag says it"),
    (r"interactive\.type", "the content's own tag says it"),
    (r"edit\.message\.type", "the content's own tag says it"),
    (r"recipient_type", "a group_id says it"),
)
"""Leaves that are not in the events under their value, by the end of their path, and why that is right."""


def body(case: str) -> bytes:
    return (SAMPLES / f"{case}.json").read_bytes()


def test_there_are_86_webhook_bodies() -> None:
    assert len(CASES) == 86


@pytest.mark.parametrize("case", CASES)
def test_events_of_the_sample(case: str, request: pytest.FixtureRequest) -> None:
    found = msgspec.json.format(msgspec.json.encode(parse(body(case))), indent=2) + b"\n"
    golden = GOLDEN / f"{case}.json"
    if request.config.getoption("--update", default=False):
        golden.write_bytes(found)
    assert found.decode() == golden.read_text()


def test_no_golden_without_its_sample() -> None:
    assert sorted(path.stem for path in GOLDEN.glob("*.json")) == CASES


@pytest.mark.parametrize("case", CASES)
def test_events_can_be_read_back(case: str) -> None:
    items = parse(body(case))
    assert msgspec.json.decode(msgspec.json.encode(items), type=list[Item]) == items


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_unknown_but_what_is_listed(case: str) -> None:
    found = [event for event in (item.event for item in parse(body(case))) if is_unknown(event)]
    assert parse(body(case))
    assert bool(found) == (case in MAY_BE_UNKNOWN)


def is_unknown(event: events.Event) -> bool:
    return isinstance(event, events.Unknown) or isinstance(getattr(event, "content", None), messages.Unknown)


@pytest.mark.parametrize("case", CASES)
def test_every_leaf_is_in_the_events_or_listed(case: str) -> None:
    said = {str(leaf) for _, leaf in leaves(msgspec.json.decode(msgspec.json.encode(parse(body(case)))))}
    missing = [
        path
        for path, leaf in leaves(msgspec.json.decode(body(case)))
        if not any(re.search(rf"(^|\.){end}$", path) for end, _ in IGNORED) and not said & spellings(path, leaf)
    ]
    assert missing == []


def leaves(tree: object, path: str = "") -> list[tuple[str, object]]:
    """Every value that is neither object, list nor null, with its path."""
    if isinstance(tree, dict):
        return [leaf for key, item in tree.items() for leaf in leaves(item, f"{path}.{key}".lstrip("."))]
    if isinstance(tree, list):
        return [leaf for item in tree for leaf in leaves(item, f"{path}[]")]
    return [] if tree is None else [(path, tree)]


def spellings(path: str, leaf: object) -> set[str]:
    """How a leaf may stand in the events: as it is, a moment also as RFC 3339, an amount also as a float."""
    found = {str(leaf)}
    if re.search(r"(timestamp|entry\[\]\.time)$", path):
        found.add(datetime.fromtimestamp(int(str(leaf)), UTC).isoformat().replace("+00:00", "Z"))
    if isinstance(leaf, int) and not isinstance(leaf, bool):
        found.add(str(float(leaf)))
    return found


def test_ignored_paths_are_all_needed() -> None:
    paths = [path for case in CASES for path, _ in leaves(msgspec.json.decode(body(case)))]
    assert [end for end, _ in IGNORED if not any(re.search(rf"(^|\.){end}$", path) for path in paths)] == []
