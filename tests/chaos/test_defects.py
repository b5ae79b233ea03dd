"""Each planted defect is seen: by the checker after a story with real processes of the mutated tree, or by a test that is named.

The same story and the same test pass on the tree as it is, at the same time: what fails, fails because of the defect.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atendeja import migrate
from tests import server, world
from tests.chaos.checker import check
from tests.chaos.defects import DEFECTS, Defect, copy
from tests.chaos.scenarios import FLOW, STORIES, Story
from tests.journeys import process, tables
from tests.journeys.town import COMMAND, town

SOUND_S, BROKEN_S = 60.0, 5.0
"""How long a story waits for what should come: on the sound tree it does come, on a broken one perhaps never."""
DOUBT_S = 120.0
"""IN_DOUBT_S as these processes have it: no story lasts so long, so that none of them may send anything again."""
TOLD = [defect for defect in DEFECTS if defect.scenario]
TESTED = [defect for defect in DEFECTS if defect.test]


@contextmanager
def fresh(cluster: server.Server, template: str | None) -> Iterator[str]:
    name = f"atd_{secrets.token_hex(6)}"
    cluster.create_database(name, template)
    try:
        yield name
    finally:
        cluster.drop_database(name)


async def take_for(tree: Path, dsn: str) -> None:
    """Let this database pass for one that this tree has migrated."""
    async with tables.looking(dsn) as admin:
        known = [(migration.version, migration.checksum) for migration in migrate.read(tree / "sql" / "migrations")]
        await admin.executemany("UPDATE migration SET checksum = $2 WHERE version = $1", known)


async def judge(
    name: str, tree: Path, patience_s: float, cluster: server.Server, template: str | None, state_dir: Path, log_dir: Path
) -> set[str]:
    """What the checker finds after this story, told by processes of this tree; without a template it migrates, too."""
    state_dir.mkdir()
    with fresh(cluster, template) as database:
        if template is None:
            environ = world.environ(cluster.dsn(database), cluster.dsn(database, "postgres"), state_dir, PYTHONPATH=str(tree))
            migrating = await process.start([*COMMAND, "migrate"], environ, log_dir / f"migrate-{database}.log", "")
            assert await asyncio.wait_for(migrating.process.wait(), 60) == 0, migrating.output.read_text()
            await take_for(process.ROOT, cluster.dsn(database, "postgres"))  # it is founded by the code that runs this test
        async with town(cluster, database, state_dir, log_dir, FLOW) as made:
            await take_for(tree, made.admin_dsn)
            await made.sim("settings", {"window": False})
            story = Story(made, tree, patience_s)
            await STORIES[name](story)
            findings = await check(made.admin_dsn, await story.evidence(), doubt_s=DOUBT_S)
    for finding in findings:
        print(f"{name} in {tree.name}: {finding.invariant}: {finding.detail}")
    return {finding.invariant for finding in findings}


def test_there_are_at_least_ten_and_each_is_seen_by_somebody() -> None:
    assert len(DEFECTS) >= 10
    assert all(bool(defect.scenario) != bool(defect.test) for defect in DEFECTS)
    assert {defect.scenario for defect in TOLD} == set(STORIES)


@pytest.mark.parametrize("name", STORIES)
async def test_on_the_sound_tree_nothing_is_found(
    name: str, cluster: server.Server, template: str, tmp_path: Path, log_dir: Path
) -> None:
    assert await judge(name, process.ROOT, SOUND_S, cluster, template, tmp_path / "state", log_dir) == set()


@pytest.mark.parametrize("defect", TOLD, ids=[defect.name for defect in TOLD])
async def test_the_checker_finds(defect: Defect, cluster: server.Server, template: str, tmp_path: Path, log_dir: Path) -> None:
    tree = copy(tmp_path / "tree", *defect.edits)
    migrated = None if defect.migrates else template
    found = await judge(defect.scenario, tree, BROKEN_S, cluster, migrated, tmp_path / "state", log_dir)
    assert set(defect.finds.split()) <= found


async def run_tests(tree: Path, tests: list[str], cluster: server.Server, log_dir: Path) -> tuple[int, str]:
    """pytest in this tree, on databases of its own of the same server: its exit status and what it said."""
    environ = {"DATABASE_URL": cluster.dsn(), "DATABASE_ADMIN_URL": cluster.dsn(user="postgres"), "PYTHONPATH": str(tree)}
    output = log_dir / f"pytest-{os.getpid()}-{secrets.token_hex(4)}.log"
    with output.open("wb") as file:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *tests,
            stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file, cwd=tree, env={**os.environ, **environ},
        )  # fmt: skip
        try:
            status = await asyncio.wait_for(child.wait(), 120)
        finally:
            if child.returncode is None:
                child.kill()
    return status, output.read_text()


async def test_on_the_sound_tree_the_named_tests_pass(cluster: server.Server, tmp_path: Path, log_dir: Path) -> None:
    status, said = await run_tests(copy(tmp_path / "tree"), sorted({defect.test for defect in TESTED}), cluster, log_dir)
    assert status == 0, said
    assert f"{len(TESTED)} passed" in said


@pytest.mark.parametrize("defect", TESTED, ids=[defect.name for defect in TESTED])
async def test_a_named_test_fails_for(defect: Defect, cluster: server.Server, tmp_path: Path, log_dir: Path) -> None:
    status, said = await run_tests(copy(tmp_path / "tree", *defect.edits), [defect.test], cluster, log_dir)
    assert status == pytest.ExitCode.TESTS_FAILED and "1 failed" in said, said


def test_a_defect_that_cannot_be_planted_any_more_is_said(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="planted anew"):
        copy(tmp_path / "tree", *(DEFECTS[0].edits * 2))
