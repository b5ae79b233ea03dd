"""`atendeja dev` as a stranger runs it: the transcript, its status, and that it notices when a reply is not the one promised."""

import itertools
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import msgspec
import pytest

import atendeja
from atendeja import db
from tests.office import PASSWORD

START = "import sys; from atendeja.cli import main; main()"


def free_port() -> int:
    """The first of two neighbouring ports that are free."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def run_dev(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it on the source in `folder`, in that folder, with an empty environment."""
    return subprocess.run(
        [sys.executable, "-c", START, "dev", "--exit", "--port", str(free_port()), *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the source to break."""
    shutil.copytree(Path(atendeja.__file__).parent, tmp_path / "atendeja", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(db.sql_dir(), tmp_path / "sql")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_every_reply_comes_twice_over_and_status_is_0(source: Path) -> None:
    """The second run goes on with what the first left in .dev."""
    for _ in range(2):
        done = run_dev(source, "--json")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        *conversations, summary = [msgspec.json.decode(line, type=dict[str, object]) for line in done.stdout.splitlines()]
        assert len(conversations) >= 4 and all(c["good"] for c in conversations)
        assert summary["replies"] == summary["expected"] and summary["unexpected"] == 0 and summary["trouble"] == []


def test_who_stays_is_told_how_to_sign_in(source: Path) -> None:
    port = free_port()
    environ = {"PATH": os.defpath, "PYTHONPATH": str(source), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", START, "dev", "--port", str(port)]
    with subprocess.Popen(command, cwd=source, env=environ, stdout=subprocess.PIPE, text=True) as dev:
        killer = threading.Timer(120, dev.kill)
        killer.start()
        assert dev.stdout is not None
        told = list(itertools.takewhile(lambda line: "op@host.example" not in line, iter(dev.stdout.readline, "")))
        token = told[-1].split()[-1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
            assert http.get("/docs").status_code == 200 and f"{http.base_url}/docs" in told[-2]
            taken = http.post("/v1/auth/accept", json={"token": token, "password": PASSWORD})
            shown = http.post("/v1/auth/login", json={"email": "ana@oficina.example", "password": PASSWORD})
        dev.terminate()
        dev.communicate()
        killer.cancel()
    assert (taken.status_code, shown.json()["role"], dev.returncode) == (204, "owner", 0)


def test_a_reply_that_the_flow_did_not_promise_is_status_1(source: Path) -> None:
    flow = source / "atendeja/flow/examples/oficina_atendimento.yaml"
    change(flow, 'text: "Qual serviço você precisa?"', 'text: "Qual carro você tem?"')
    done = run_dev(source)
    assert done.returncode == 1
    assert "FAILED" in done.stderr and "Qual serviço" in done.stderr


def test_a_reply_that_never_comes_or_comes_twice_is_status_1(source: Path) -> None:
    """The engine on paper is right, the server is not: a turn that forgets its first reply in every conversation."""
    change(source / "atendeja/turn/take.py", "enumerate(d.says)", "enumerate(d.says[(d.turn_no == 1) :])")
    change(source / "atendeja/dev/play.py", "REPLY_S = 10.0", "REPLY_S = 0.4")
    done = run_dev(source)
    assert done.returncode == 1
    assert "! never came:" in done.stdout


def test_a_taken_port_is_one_clear_line(source: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "-c", START, "dev", "--exit", "--port", str(taken.getsockname()[1])],
            cwd=source,
            env={"PATH": os.defpath, "PYTHONPATH": str(source)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "cannot listen on" in done.stderr and "Traceback" not in done.stderr
