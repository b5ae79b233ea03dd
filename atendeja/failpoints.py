"""Named places where a test may make a process die, fail, wait or skip: nothing at all unless ATENDEJA_FAILPOINTS is set.

    ATENDEJA_FAILPOINTS="send.after_post=kill@3;ring=skip"    kill -9 at the third pass, never ring

Actions: `kill` (SIGKILL to ourselves), `stop` (SIGSTOP), `raise` (a `Tripped`), `sleep:SECONDS` (blocks the event loop, on
purpose), `skip` (`reach` answers True). `?id` means passes about this id only, where a place says what it is about; `@n` the nth
of these passes only, without it every one. What fires is appended to the file named by ATENDEJA_FAILPOINTS_LOG before it acts, so
that a test can see that its failpoint was reached.

Every transaction passes `commit.before` and `commit.after`: about the function that it was opened for, or about the statement where
that is all of it: `commit.after=kill?Sender._take_over`, `commit.before=kill?inbound.next`.
"""

import os
import signal
import time
from collections.abc import Collection, Mapping
from typing import Literal, get_args

from msgspec import Struct

from atendeja.errors import Refused

Name = Literal[
    "ingest.before_commit",
    "ingest.after_commit",
    "digest.claimed",
    "digest.before_commit",
    "digest.after_commit",
    "turn.claimed",
    "turn.loaded",
    "turn.before_commit",
    "turn.after_commit",
    "send.before_claim",
    "send.after_claim",
    "send.before_post",
    "send.after_post",
    "send.before_record",
    "send.after_record",
    "upload.before_post",
    "upload.after_post",
    "guard.before_write",
    "commit.before",
    "commit.after",
    "ring",
    "sweep",
]
NAMES: frozenset[str] = frozenset(get_args(Name))
ACTIONS = ("kill", "raise", "sleep", "stop", "skip")


class Tripped(RuntimeError):
    """What the action `raise` raises."""


class Point(Struct):
    """What is to happen at one name; `nth` 0 means at every pass, `about` "" whatever it is about."""

    action: str
    sleep_s: float = 0.0
    nth: int = 0
    about: str = ""
    passes: int = 0


_points: dict[str, Point] = {}
_log_path = ""


def reach(name: Name, about: Collection[object] = ()) -> bool:
    """Do here what was configured for `name`. True only when the action is `skip`: leave out what follows.

    `about` are the ids of what is worked on here.
    """
    return bool(_points) and name in _points and _pass(name, _points[name], about)


def configure(environ: Mapping[str, str]) -> None:
    """Read the failpoints of `environ`, replacing those of before. Raises Refused for a name or an action that does not exist."""
    global _log_path
    points = parse(environ.get("ATENDEJA_FAILPOINTS", ""))
    _points.clear()
    _points.update(points)
    _log_path = environ.get("ATENDEJA_FAILPOINTS_LOG", "")


def parse(text: str) -> dict[str, Point]:
    """`name=action[:seconds][?id][@n];…` by name. Raises Refused for what is not that."""
    points = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, what = part.partition("=")
        if name not in NAMES:
            raise Refused(
                "failpoint",
                f"ATENDEJA_FAILPOINTS names {name!r}, which does not exist",
                hint=f"there are: {', '.join(sorted(NAMES))}",
            )
        points[name] = _parse_action(part, what)
    return points


def _parse_action(part: str, what: str) -> Point:
    action, at, nth = what.partition("@")
    action, asked, about = action.partition("?")
    action, _, seconds = action.partition(":")
    try:
        point = Point(action, float(seconds) if action == "sleep" else 0.0, int(nth) if at else 0, about)
    except ValueError:
        point = Point("")
    if point.action not in ACTIONS or (at and point.nth < 1) or (asked and not about) or (seconds and action != "sleep"):
        raise Refused(
            "failpoint",
            f"ATENDEJA_FAILPOINTS cannot read {part!r}",
            hint="write name=kill|stop|raise|skip|sleep:SECONDS, with ?id for passes about one id, @n for the nth pass only",
        )
    return point


def _pass(name: str, point: Point, about: Collection[object]) -> bool:
    if point.about and point.about not in map(str, about):
        return False
    point.passes += 1
    if point.nth not in (0, point.passes):
        return False
    _record(f"{name} {point.action} {point.passes} {os.getpid()}\n")
    match point.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            time.sleep(point.sleep_s)
        case "raise":
            raise Tripped(name)
    return point.action == "skip"


def _record(line: str) -> None:
    """One write to a file opened for appending: lines of several processes do not mix, and a kill right after keeps it."""
    if _log_path:
        fd = os.open(_log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(fd, line.encode())
        finally:
            os.close(fd)


try:
    configure(os.environ)
except Refused as error:
    raise SystemExit(str(error)) from None  # nobody above could catch it: they import us before they do anything
