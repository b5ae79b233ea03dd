"""Failpoints: nothing unless asked, exactly what was asked, and a record that it happened."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from atendeja import failpoints
from atendeja.errors import Refused
from atendeja.failpoints import Tripped, configure, reach


@pytest.fixture(autouse=True)
def without() -> Iterator[None]:
    yield
    configure({})


def child(program: str, points: str, log: Path) -> subprocess.Popen[str]:
    environ = os.environ | {"ATENDEJA_FAILPOINTS": points, "ATENDEJA_FAILPOINTS_LOG": str(log)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environ, stdout=pipe, stderr=pipe, text=True, cwd=Path(__file__).parents[1]
    )


def test_nothing_without_the_variable() -> None:
    configure({})
    assert not any(reach(name) for name in failpoints.NAMES)  # type: ignore[arg-type]  # the set holds exactly the names


def test_skip_answers_true_and_only_there() -> None:
    configure({"ATENDEJA_FAILPOINTS": "ring=skip; sweep=skip"})
    assert (reach("ring"), reach("sweep"), reach("turn.claimed")) == (True, True, False)


def test_nth_pass_only(tmp_path: Path) -> None:
    log = tmp_path / "fired"
    configure({"ATENDEJA_FAILPOINTS": "ring=skip@3", "ATENDEJA_FAILPOINTS_LOG": str(log)})
    assert [reach("ring") for _ in range(5)] == [False, False, True, False, False]
    assert log.read_text() == f"ring skip 3 {os.getpid()}\n"


def test_only_passes_about_an_id_count(tmp_path: Path) -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    configure({"ATENDEJA_FAILPOINTS": f"turn.loaded=skip?{one}@2; ring=skip?{one}"})
    assert [reach("turn.loaded", about) for about in ([other], [other, one], [one], [one])] == [False, False, True, False]
    assert not reach("ring"), "a place that does not say what it is about"


def test_raise_raises_a_bug() -> None:
    configure({"ATENDEJA_FAILPOINTS": "turn.loaded=raise"})
    with pytest.raises(Tripped, match=r"turn\.loaded"):
        reach("turn.loaded")


def test_sleep_blocks() -> None:
    configure({"ATENDEJA_FAILPOINTS": "turn.loaded=sleep:0.05@1"})
    start = time.monotonic()
    assert not reach("turn.loaded")
    assert time.monotonic() - start >= 0.05


def test_kill_kills_and_has_been_recorded(tmp_path: Path) -> None:
    log = tmp_path / "fired"
    process = child(
        "from atendeja.failpoints import reach; [reach('send.after_post') for _ in range(3)]; print('lived')",
        "send.after_post=kill@2",
        log,
    )
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (-signal.SIGKILL, "")
    assert log.read_text() == f"send.after_post kill 2 {process.pid}\n"


def test_stop_stops_until_continued(tmp_path: Path) -> None:
    process = child("from atendeja.failpoints import reach; reach('ring'); print('went on')", "ring=stop", tmp_path / "fired")
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    assert process.communicate(timeout=20)[0] == "went on\n"


@pytest.mark.parametrize(
    "text",
    [
        "after_post=kill",
        "ring",
        "ring=",
        "ring=explode",
        "ring=skip@",
        "ring=skip@0",
        "ring=skip@x",
        "ring=sleep:long",
        "ring=kill:3",
        "ring=kill?",
    ],
)
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="ATENDEJA_FAILPOINTS"):
        configure({"ATENDEJA_FAILPOINTS": text})


@pytest.mark.parametrize("program", ["import atendeja.failpoints", "from atendeja.cli import main; main()"])
def test_an_unknown_name_stops_every_process_with_a_line(program: str, tmp_path: Path) -> None:
    process = child(program, "nowhere=kill", tmp_path / "fired")
    said = process.communicate(timeout=20)[1].splitlines()
    assert said[0] == "ATENDEJA_FAILPOINTS names 'nowhere', which does not exist"
    assert said[1].startswith("  there are: commit.after, ") and len(said) == 2
    assert process.returncode == 1


def test_names_are_used_by_the_code() -> None:
    """A name in the list that no code reaches would make a test that never fires."""
    package = Path(failpoints.__file__).parent
    lines = [line for path in package.rglob("*.py") for line in path.read_text().splitlines() if "reach(" in line]
    missing = {name for name in failpoints.NAMES if not any(f'"{name}"' in line for line in lines)}
    assert not missing
