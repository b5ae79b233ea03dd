"""The rules of a test run, on runs of their own: a canary in the output fails it, and so does a skip that is not allowed;
in one process and with workers.
"""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from atendeja import phone
from tests import canary
from tests.journeys import process

ROOT = Path(__file__).parents[1]


@pytest.fixture(params=["0", "2"], ids=["in one process", "with workers"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(workers: str, folder: Path, *bodies: str) -> subprocess.CompletedProcess[str]:
    """A run of pytest with our rules on these files."""
    files = [folder / f"test_{number}.py" for number in range(len(bodies))]
    for file, body in zip(files, bodies, strict=True):
        file.write_text(textwrap.dedent(body))
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tests.conftest", "-n", workers, *map(str, files)]
    environ = os.environ | {"TMPDIR": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_a_run_fails_whose_tests_all_pass(workers: str, tmp_path: Path) -> None:
    shows = """
        import pytest
        import structlog
        from tests.canary import *
        def test_logs(): structlog.get_logger().debug("x", text=CANARY_TEXT)
        def test_prints(): print(CANARY_TEXT)
        def test_has_a_child(log_dir): (log_dir / "child.err").write_text(f"sent to {CANARY_PHONE}")
        def test_skips(): pytest.skip("too lazy")
        @pytest.mark.xfail
        def test_expects_to_fail(): assert False
    """
    done = run(workers, tmp_path, shows, "import pytest\npytest.skip('all of it', allow_module_level=True)")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 passed, 2 skipped, 1 xfailed" in done.stdout
    said = [line.partition("RUN FAILED: ")[2] for line in done.stdout.splitlines() if line.startswith("RUN FAILED")]
    for end in (
        "::test_logs shows the canary in Captured stderr call",
        "::test_prints shows the canary in Captured stdout call",
        f"/child.err: {canary.CANARY_PHONE}",
        f".log: {canary.CANARY_TEXT}",
        "this skip is not allowed: all of it",
        "this skip is not allowed: expected failure: ",
        "this skip is not allowed: too lazy",
    ):
        assert len([line for line in said if line.endswith(end)]) == 1, (end, said)
    assert len(said) == 7


def test_a_run_fails_for_what_its_last_test_leaves_to_the_collector(workers: str, tmp_path: Path) -> None:
    leaves = """
        class Loud:
            def __init__(self): self.self = self
            def __del__(self): raise LookupError("too late")
        def test_leaves_it(): Loud()
    """
    done = run(workers, tmp_path, leaves)
    assert done.returncode == 1 and "LookupError: too late" in done.stdout, done.stdout + done.stderr


def test_a_run_fails_whose_worker_dies(tmp_path: Path) -> None:
    """After its last test, when all that is missing is what it noted."""
    dies = """
        import os
        import pytest
        class Dies:
            @pytest.hookimpl(tryfirst=True)
            def pytest_sessionfinish(self): os._exit(0)
        def test_plants_it(pytestconfig): pytestconfig.pluginmanager.register(Dies())
    """
    done = run("1", tmp_path, dies)
    assert done.returncode == 1 and "RUN FAILED: the worker gw0 ended without a word" in done.stdout, done.stdout + done.stderr


def test_a_good_run_passes_and_names_its_skips(workers: str, tmp_path: Path) -> None:
    good = """
        import pytest
        import structlog
        from tests.canary import *
        def test_logs(): structlog.get_logger().info("x", phone=CANARY_PHONE)
        def test_skips(): pytest.skip("needs root")
    """
    done = run(workers, tmp_path, good)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped 1; allowed reasons: chromium is not installed, needs root" in done.stdout


def test_the_canary_is_found_in_every_spelling(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    shown = [canary.CANARY_TEXT, *phone.variants(canary.CANARY_PHONE), canary.CANARY_PHONE[2:]]
    for number, text in enumerate(shown):
        (tmp_path / "deep" / str(number)).write_bytes(b"\xff" + text.encode() + b"\n")
    (tmp_path / "good").write_text(phone.mask(f"oi, {canary.CANARY_PHONE}"))
    assert [line.split(":")[0] for line in canary.search(tmp_path)] == [str(number) for number in range(len(shown))]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_a_free_port_is_given_to_nobody_else_and_a_server_listens_there() -> None:
    port = process.free_port()
    with socket.socket() as other, pytest.raises(OSError):
        other.bind(("127.0.0.1", port))
    socket.create_server(("127.0.0.1", port)).close()
