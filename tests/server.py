"""The PostgreSQL that tests use: an embedded one, or the one of DATABASE_URL."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from atendeja.dev.postgres import LOGIN, SUPERUSER, Cluster

ROOM_BYTES = 2 * 1024**3


class Server(Protocol):
    """What tests need of a server. `dsn` of the user `atendeja` serves, that of `postgres` administers."""

    def dsn(self, database: str = "postgres", user: str = LOGIN) -> str: ...
    def create_database(self, name: str, template: str | None = None) -> None: ...
    def drop_database(self, name: str) -> None: ...


class Given:
    """A server that somebody else runs: DATABASE_URL serves, DATABASE_ADMIN_URL (default: the same) makes databases."""

    def __init__(self, url: str, admin_url: str | None) -> None:
        self._urls = {LOGIN: url, SUPERUSER: admin_url or url}

    def dsn(self, database: str = "", user: str = LOGIN) -> str:
        """The given address, on another database when one is named."""
        url = urlsplit(self._urls[user])
        return url._replace(path=f"/{database}").geturl() if database else url.geturl()

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, as a copy of `template` when one is given."""
        source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + source)

    def drop_database(self, name: str) -> None:
        """Drop a database if it exists, ending the connections to it."""
        self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, command: sql.Composable) -> None:
        with psycopg.connect(self.dsn(user=SUPERUSER), autocommit=True) as connection:
            connection.execute(sql.Composed([command]))


def bin_dir() -> Path | None:
    """The PostgreSQL programs to test with: TEST_PG_BIN, or None for the embedded ones."""
    return Path(given) if (given := os.environ.get("TEST_PG_BIN")) else None


def embedded(*, fsync: bool = True) -> Cluster:
    """A new cluster in a directory of its own, not started; `destroy` removes it. One that need not last lies in memory where there
    is room: each test's database is a thousand files, and ext4 looks through all that were deleted lately before it makes one."""
    folder = None if fsync else _memory()
    return Cluster(Path(tempfile.mkdtemp(prefix="atd-", dir=folder)), bin_dir=bin_dir(), fsync=fsync)


def _memory() -> Path | None:
    """A file system in memory with room enough, if there is one."""
    folder = Path("/dev/shm")
    try:
        enough = shutil.disk_usage(folder).free >= ROOM_BYTES
    except OSError:
        return None
    return folder if enough and os.access(folder, os.W_OK) else None
