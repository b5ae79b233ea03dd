"""What must be nowhere in the source: SQL that is no named statement (S54), a package without its hash (S52)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import atendeja

ROOT = Path(atendeja.__file__).parent
CALLS = {"execute", "executemany", "fetch", "fetchval", "fetchrow", "prepare", "cursor", "copy_from_query", "copy_records_to_table"}
SQL = re.compile(
    r"\s*(SELECT|INSERT INTO|UPDATE \S+ SET|DELETE FROM|WITH \w+ AS|CREATE|ALTER|DROP|GRANT|TRUNCATE|SET (LOCAL|ROLE)|BEGIN)\b"
)
PLACES = {
    "migrate.py": "asks the catalogue, runs the migrations; names of roles are constants or quoted by the database",
    "dev/postgres.py": "makes the database of a developer; names are composed by psycopg",
}
"""Where SQL is written in Python, and why."""
KNOWN = {
    ("db/database.py", "execute", "begin"),
    ("db/database.py", "execute", "'COMMIT'"),
    ("db/database.py", "execute", "'ROLLBACK'"),
    ("db/pool.py", "execute", "'ROLLBACK'"),
    ("db/session.py", "fetch", "statement.text"),
    ("db/session.py", "execute", "statement.text"),
}
"""The only other calls that run a statement: `text` is that of a named one."""
FORMATTED = {
    ("db/database.py", "text", "f'BEGIN; SET LOCAL app.tenant_id = {tenant_id:d}{relaxed}'"),
    *(
        ("db/session.py", how, f"f'SET LOCAL app.tenant_id = {{{tenant}:d}}'")
        for how in ("execute", "text")
        for tenant in ("tenant_id", "self.tenant_id")
    ),
}
"""The statements that are formatted: of an integer, and of a constant."""


def find_sql(place: str, tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """What runs a statement, binds one whose name is no constant, or is one."""
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = ast.unparse(node.args[0]) if node.args else ""
            if isinstance(node.func, ast.Attribute) and called in CALLS:
                yield place, called, first
            if called == "query" and not re.fullmatch(r"'\w+\.\w+'", first):
                yield place, called, first
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts and SQL.match(node.value)
        is_formatted = isinstance(node, ast.JoinedStr) and SQL.match(ast.unparse(node)[2:])
        if is_text or is_formatted:
            yield place, "text", ast.unparse(node)


def test_sql_comes_from_named_statements_only() -> None:
    """S54: no text is ever put together into a statement."""
    found = set()
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        if place not in PLACES:
            found |= set(find_sql(place, ast.parse(path.read_text(encoding="utf-8"))))
    begins = {("db/database.py", "text", "'BEGIN'")}
    assert found == KNOWN | FORMATTED | begins | {("turn/take.py", "prepare", "[m for d in taken for m in _messages(d)]")}


@pytest.mark.parametrize(
    "code",
    [
        "await connection.fetch(f'SELECT {x}')",
        "await tx._connection.execute(text)",
        "X = query(f'contacts.{name}', Nothing)",
        "text = 'DELETE FROM contact WHERE id = ' + given",
        "text = f'UPDATE contact SET name = {given!r}'",
        "text = 'INSERT INTO contact VALUES (%s)' % given",
    ],
)
def test_sql_that_is_put_together_is_found(code: str) -> None:
    assert list(find_sql("x.py", ast.parse(code)))


def test_every_package_is_installed_by_its_hash_only() -> None:
    """S52: pip refuses what is not one of these bytes, and what is not listed."""
    for lock in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT.parent / lock).read_text(encoding="utf-8").replace("\\\n", " ")
        packages = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
        assert len(packages) > 20
        assert [
            p for p in packages if not re.match(r"[a-z0-9_.-]+(\[\w+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", p, re.IGNORECASE)
        ] == []
    for path in [p for p in (ROOT.parent / "scripts").iterdir() if p.is_file()]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"\bpip install\b", line) and "-r " in line:
                assert "--require-hashes" in line, path.name
