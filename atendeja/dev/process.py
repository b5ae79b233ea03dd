"""Running a server's programs as a user without rights, in such a way that they end with us."""

import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from atendeja.errors import Refused, Unavailable

START_S = 10.0
_LAUNCH = Path(__file__).with_name("launch.py")


class User(Struct, frozen=True):
    """Whom a program runs as; uid 0 stands for us, who are nobody special."""

    uid: int = 0
    gid: int = 0

    def owns(self, path: Path) -> bool:
        """Whether the file is this user's."""
        return path.stat().st_uid == (self.uid or os.geteuid())

    def take(self, path: Path) -> None:
        """Give a file, or a directory with all in it, to this user and to nobody else."""
        path.chmod(0o700 if path.is_dir() else 0o600)
        if self.uid:
            for item in [path, *path.rglob("*")] if path.is_dir() else [path]:
                os.chown(item, self.uid, self.gid, follow_symlinks=False)

    def reaches(self, path: Path) -> bool:
        """Whether the way to `path` (links followed) is open to this user; root's own directories often are not."""
        return not self.uid or all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def server_user() -> User:
    """Whom PostgreSQL can run as: us, or `nobody` when we are root. Raises Refused without such a user."""
    if os.geteuid() != 0:
        return User()
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        fault = "PostgreSQL does not run as root, and there is no user `nobody`"
        raise Refused("postgres_user", fault, hint="run as an ordinary user, or set DATABASE_URL") from None
    return User(entry.pw_uid, entry.pw_gid)


def command(program: Path, arguments: Sequence[str], user: User, end_with_us: signal.Signals | None = None) -> list[str]:
    """The command line that runs a program as `user` and, if wanted, sends it a signal when we end, however we end (Linux)."""
    launch = [sys.executable, "-I", "-S", _LAUNCH, os.getpid(), user.uid, user.gid, int(end_with_us or 0), program]
    return [*map(str, launch), *arguments]


def spawn(command: Sequence[str], log_file: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process, in a session of its own, from a thread that lives as long as it does.

    Linux sends the death signal when the *thread* that started the process ends, and ours may be anybody's.
    """
    started: list[subprocess.Popen[bytes]] = []
    ready = threading.Event()

    def keep() -> None:
        with log_file.open("ab") as log:
            null = subprocess.DEVNULL
            process = subprocess.Popen(command, stdin=null, stdout=log, stderr=log, cwd="/", env=environ, start_new_session=True)  # noqa: S603
        started.append(process)
        ready.set()
        process.wait()

    threading.Thread(target=keep, name="postgres-keeper", daemon=True).start()
    if not ready.wait(START_S):
        raise Unavailable(f"could not start {command[0]}")
    return started[0]


def children(pid: int) -> list[int]:
    """The direct children of a process, where /proc tells."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
