"""What every test shares: the database server, the log files that are searched for the canary, the rule about skips.

With `pytest -n` the tests run in workers, each with a server of its own. One folder takes what all of them log; what a worker noted
comes to the process that directs them, which judges the run: the status that a worker ends with is heard by nobody.

cluster      the server (session): `dsn`, `create_database`, `drop_database`
office       the API over HTTP in this process, with the two tenants and time that a test puts where it wants it
log_dir      a directory (session) for the output of child processes, searched at the end
update       True when golden files are to be rewritten
no_blocking  inside it a blocking call of ours in an event loop is an error
"""

import gc
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO
from urllib.parse import urlsplit

import pytest
from blockbuster import blockbuster_ctx
from msgspec.structs import replace
from xdist.workermanage import WorkerController

from atendeja import app, log, migrate
from atendeja.config import Config, Secret
from atendeja.runtime import Runtime
from tests import canary, server, world
from tests.office import JWT, Office, open_office

ALLOWED_SKIPS = ("chromium is not installed", "needs root", "needs Linux", "may not mount", "libfaketime is not installed")
"""The only reasons for which a test may be skipped; any other fails the run."""

MAY_BLOCK = {
    "asyncpg/connect_utils.py": {"_parse_connect_arguments"},  # looks for the user's certificates and password file
    "atendeja/log.py": {"write"},  # a line, as every logger
    "atendeja/failpoints.py": {"_pass"},  # blocks on purpose
}
"""Where a blocking call inside an event loop is known and taken: file and functions."""

LOG_DIR = pytest.StashKey[Path]()
SKIPS = pytest.StashKey[list[str]]()
FAULTS = pytest.StashKey[list[str]]()


class Both:
    """A stream into the log file and, for the report of a test that fails, into what is standard error at the moment."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write to both."""
        sys.stderr.write(text)
        return self._file.write(text)

    def flush(self) -> None:
        """The file, so that it holds all when it is searched."""
        self._file.flush()


@pytest.fixture(scope="session", autouse=True)
def last_errors() -> Iterator[None]:
    """What goes wrong while garbage is collected fails the last test: after that a worker's errors are heard by nobody."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def cluster() -> Iterator[server.Server]:
    """The server of this run: DATABASE_URL when set, else an embedded one (TEST_PG_BIN names other programs for it)."""
    if url := os.environ.get("DATABASE_URL"):
        yield server.Given(url, os.environ.get("DATABASE_ADMIN_URL"))
        return
    embedded = server.embedded(fsync=False)
    try:
        embedded.start()
        yield embedded
    finally:
        embedded.destroy()


@pytest.fixture(scope="session")
async def template(cluster: server.Server) -> AsyncIterator[str]:
    """A migrated database that those of the tests are copies of."""
    name = f"atd_template_{os.getpid()}"
    cluster.create_database(name)
    await migrate.run(cluster.dsn(name, "postgres"), login=urlsplit(cluster.dsn(name)).username)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def database(cluster: server.Server, template: str) -> Iterator[str]:
    """The name of a database of this test's own."""
    name = f"atd_{secrets.token_hex(6)}"
    cluster.create_database(name, template)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def config(cluster: server.Server, database: str, tmp_path: Path) -> Config:
    """Settings of a process on this test's database; the Cloud API is a port where nobody listens."""
    return world.make_config(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path)


@pytest.fixture
async def rt(config: Config) -> AsyncIterator[Runtime]:
    """A Runtime on this test's database, as the application role."""
    async with app.open_runtime(config) as runtime:
        yield runtime


@pytest.fixture
async def office(rt: Runtime) -> AsyncIterator[Office]:
    """The API over HTTP on this test's database, with the two tenants."""
    rt.config = replace(rt.config, jwt_secret=(Secret(JWT),))
    async with open_office(rt, await world.found(rt.db, rt.config.secret_keys)) as opened:
        yield opened


@pytest.fixture(scope="session")
def log_dir(pytestconfig: pytest.Config) -> Path:
    """Where tests put the standard error of the processes they start; every file in it is searched for the canary."""
    return pytestconfig.stash[LOG_DIR]


@pytest.fixture
def update(pytestconfig: pytest.Config) -> bool:
    """Whether to rewrite golden files instead of comparing with them."""
    return bool(pytestconfig.getoption("--update"))


@pytest.fixture
def no_blocking() -> Iterator[None]:
    """Make a blocking call (sleep, file, socket, lock) of our code inside an event loop an error."""
    with blockbuster_ctx("atendeja") as watched:
        for function in watched.functions.values():
            for file, names in MAY_BLOCK.items():
                function.can_block_in(file, names)
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update` rewrites the golden files instead of comparing with them; git diff reviews."""
    parser.addoption("--update", action="store_true", help="rewrite golden files instead of comparing")


def pytest_configure(config: pytest.Config) -> None:
    """Have everything that this process logs written where it will be searched."""
    given = _worker(config, "input")
    folder = config.stash[LOG_DIR] = Path(given["log_dir"] if given else tempfile.mkdtemp(prefix="atendeja-logs-"))
    config.stash[SKIPS], config.stash[FAULTS] = [], []
    file = (folder / f"{given['workerid'] if given else 'pytest'}.log").open("w", encoding="utf-8")
    config.add_cleanup(file.close)
    log.configure("DEBUG", "json", Both(file))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Keep the logs only when they are evidence."""
    if not config.stash[FAULTS] and not _worker(config, "input"):
        shutil.rmtree(config.stash[LOG_DIR], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a worker where to log."""
    node.workerinput["log_dir"] = str(node.config.stash[LOG_DIR])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController, error: object | None) -> None:
    """Take over what a worker noted."""
    stash, noted = node.config.stash, _worker(node, "output")
    stash[SKIPS].extend(noted.get("skips", ()))
    stash[FAULTS].extend(noted.get("faults", (f"the worker {node.gateway.id} ended without a word: {error}",)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what talks to PostgreSQL, so that `pytest -m database` can run it on another version."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("database")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note a skip, and what a test printed that shows the canary."""
    report = yield
    if report.skipped:
        item.config.stash[SKIPS].append(_reason(report))
    shown = [title for title, text in report.sections if canary.find(text.encode())]
    item.config.stash[FAULTS].extend(f"{item.nodeid} shows the canary in {title}" for title in shown)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Note a file that is skipped as a whole."""
    report = yield
    if report.skipped:
        collector.config.stash[SKIPS].append(_reason(report))
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run whose output shows the canary, or which skipped what it may not; a worker only says what it noted."""
    stash = session.config.stash
    if _worker(session.config, "input"):
        _worker(session.config, "output").update(skips=stash[SKIPS], faults=stash[FAULTS])
        return
    faults = [f"the canary is in {stash[LOG_DIR]}/{line}" for line in canary.search(stash[LOG_DIR])]
    faults += [f"this skip is not allowed: {reason}" for reason in sorted({*stash[SKIPS]} - {*ALLOWED_SKIPS})]
    stash[FAULTS].extend(faults)
    if stash[FAULTS]:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what made the run fail although its tests did not, and which skips are allowed."""
    skips = config.stash[SKIPS]
    if skips:
        terminalreporter.line(f"skipped {len(skips)}; allowed reasons: {', '.join(ALLOWED_SKIPS)}")
    for fault in dict.fromkeys([*config.stash[FAULTS]]):
        terminalreporter.line(f"RUN FAILED: {fault}", red=True)


def _worker(of: object, way: Literal["input", "output"]) -> dict[str, Any]:
    """What a worker was given or gives back; nothing in the process that directs them, or that needs none."""
    found: dict[str, Any] = getattr(of, f"worker{way}", {})
    return found


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why it was skipped; an expected failure is no reason."""
    if hasattr(report, "wasxfail"):
        return f"expected failure: {report.wasxfail}"
    return report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else str(report.longrepr)
