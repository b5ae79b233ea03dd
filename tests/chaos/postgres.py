"""A PostgreSQL that one test owns: on a real disk with real fsync, to be stopped, restarted, filled up, copied and promoted."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest

from atendeja import migrate
from atendeja.dev import process
from atendeja.dev.postgres import SUPERUSER, Cluster, Running
from tests import server

NAME = "atendeja"
"""The database in it."""
STANDBY = "standby"
"""By which name a primary waits for it."""


class Own(Cluster):
    """A cluster with what faults need. As with Cluster, every method waits: in an event loop by `asyncio.to_thread`."""

    def running(self) -> Running | None:
        """As Cluster's; a standby that answers questions is ready too."""
        now = super().running()
        with contextlib.suppress(OSError, IndexError):
            if now is not None and (self.pgdata / "postmaster.pid").read_text().splitlines()[7].strip() == "standby":
                return Running(now.pid, now.port, now.socket_dir, ready=True)
        return now

    def ask(self, question: str, *given: object) -> list[tuple[object, ...]]:
        """Run this as the superuser; the rows, if it has any."""
        with psycopg.connect(self.dsn(NAME, SUPERUSER), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(question.encode(), given or None)
            return cursor.fetchall() if cursor.description else []

    def settle(self) -> None:
        """Flush what is written, from the next start on."""
        self._settings["fsync"] = "on"

    @property
    def ended(self) -> bool:
        """Whether the server has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def terminate_backends(self) -> int:
        """End every connection of the application's, as an administrator does: how many there were."""
        who = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'atendeja%'"
        return len(self.ask(who))

    def replicate_to(self, names: str) -> None:
        """A COMMIT waits for this standby (`synchronous_standby_names`); "" for none."""
        self.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.ask("SELECT pg_reload_conf()")

    def backup(self, settings: Mapping[str, str] | None = None) -> "Own":
        """A standby of this one, made by a base backup and not started yet. `promote` makes it a primary."""
        url = urlsplit(self.dsn(NAME, SUPERUSER))
        twin = Own(
            Path(tempfile.mkdtemp(prefix="atd-", dir="/var/tmp")),
            bin_dir=self._program("postgres").parent,
            settings={**self._settings, **(settings or {})},
        )
        twin._make_home()
        shutil.copy(self.home / "passwords.json", twin.home / "passwords.json")
        target = f"host=127.0.0.1 port={url.port} user={SUPERUSER} application_name={STANDBY}"
        arguments = ["-D", str(twin.pgdata), "-d", target, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        command = process.command(self._program("pg_basebackup"), arguments, self._user)
        environ = {"PATH": os.defpath, "LC_ALL": "C", "PGPASSWORD": url.password or "", "HOME": "/"}
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", env=environ, check=False)
        assert made.returncode == 0, made.stderr[-1000:]
        return twin

    def promote(self) -> None:
        """End being a standby: writes are taken from now on."""
        assert self.ask("SELECT pg_promote(true, 30)") == [(True,)]

    def clear_away(self) -> None:
        """Kill it if it runs, and delete it."""
        self.kill()
        for place in (self.home, self.data_dir):
            shutil.rmtree(place, ignore_errors=True)


@contextlib.asynccontextmanager
async def own(folder: Path | None = None, **settings: str) -> AsyncIterator[Own]:
    """A running, migrated server in a directory of its own, on the disk of /var/tmp or in `folder`; it flushes what is written from
    then on."""
    place = Path(tempfile.mkdtemp(prefix="atd-", dir=folder or "/var/tmp"))
    made = Own(place, bin_dir=server.bin_dir(), settings={**settings, "fsync": "off"})
    try:
        await asyncio.to_thread(made.start)
        await asyncio.to_thread(made.create_database, NAME)
        await migrate.run(made.dsn(NAME, SUPERUSER), login=urlsplit(made.dsn(NAME)).username)
        made.settle()
        await asyncio.to_thread(made.restart)
        yield made
    finally:
        await asyncio.to_thread(made.clear_away)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of this size."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    place = Path(tempfile.mkdtemp(prefix="atd-disk-", dir="/var/tmp"))
    place.chmod(0o755)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        place.rmdir()
        pytest.skip("may not mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


@contextlib.asynccontextmanager
async def locked(dsn: str, table: str) -> AsyncIterator[asyncpg.Connection]:
    """Nobody reads or writes this table meanwhile, as during a migration that takes its time."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield connection
    finally:
        await connection.close()
