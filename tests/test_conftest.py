"""The rules of a test run, on runs of their own: a canary in the output fails it, and so does a skip that is not allowed."""

import subprocess
import sys
from pathlib import Path

import pytest

from atendeja import phone
from tests import canary

ROOT = Path(__file__).parents[1]
LOGS = "import structlog; from tests.canary import *; log = structlog.get_logger()\n"


def run(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest with our rules on one file."""
    (folder / "test_it.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", str(folder / "test_it.py")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (LOGS + "def test_it(): log.info('x', text=CANARY_TEXT)", "the canary is in"),
        (LOGS + "def test_it(): print(CANARY_TEXT)", "shows the canary in Captured stdout"),
        (LOGS + "def test_it(log_dir): (log_dir / 'child').write_text(CANARY_PHONE)", "child: " + canary.CANARY_PHONE),
        ("import pytest\ndef test_it(): pytest.skip('too lazy')", "this skip is not allowed: too lazy"),
        ("import pytest\n@pytest.mark.xfail\ndef test_it(): assert False", "this skip is not allowed: expected failure"),
        ("import pytest\npytest.skip('all of it', allow_module_level=True)", "this skip is not allowed: all of it"),
        ("def test_it(): assert False", "1 failed"),
    ],
)
def test_a_run_fails(tmp_path: Path, body: str, said: str) -> None:
    done = run(tmp_path, body)
    assert said in done.stdout
    assert done.returncode == 1, done.stdout + done.stderr


def test_a_good_run_passes_and_names_its_skips(tmp_path: Path) -> None:
    logs = "def test_one(): log.info('x', phone=CANARY_PHONE); log.debug('debug is looked at too')\n"
    skips = "import pytest\ndef test_two(): pytest.skip('needs root')\n"
    done = run(tmp_path, LOGS + logs + skips)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped 1; allowed reasons: chromium is not installed, needs root" in done.stdout


def test_the_canary_is_found_in_every_spelling(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    shown = [canary.CANARY_TEXT, *phone.variants(canary.CANARY_PHONE), canary.CANARY_PHONE[2:]]
    for number, text in enumerate(shown):
        (tmp_path / "deep" / str(number)).write_bytes(b"\xff" + text.encode() + b"\n")
    (tmp_path / "good").write_text(phone.mask(f"oi, {canary.CANARY_PHONE}"))
    assert [line.split(":")[0] for line in canary.search(tmp_path)] == [str(number) for number in range(len(shown))]
