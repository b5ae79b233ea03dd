"""The commands as their users meet them: a real process each, its status, and the line it says when it refuses."""

import base64
import hashlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from atendeja.dev.run import load_examples
from atendeja.flow import document
from tests import files, server, world
from tests.journeys import process

GOOD = {"WA_VERIFY_TOKEN": world.VERIFY_TOKEN, "WA_APP_SECRET": world.APP_SECRET, "SECRET_KEY": world.SECRET_KEY}
TENANT = ("tenant", "add", "--slug", "loja", "--name", "Loja")
NUMBER = (
    "--phone-number-id",
    "1001",
    "--waba-id",
    "2001",
    "--portfolio-id",
    "3001",
    "--display-number",
    "+5511999990000",
    "--no-verify",
)
FLOW = """
spec: 1
key: eco
language: pt-BR
start: oi
defaults: {after_tries: humano}
nodes:
  oi: {do: [{say: {text: Oi!}}], wait: {reply: [text]}, route: [{any_word: [gente], to: humano}], else: {retry: "Diga gente."}}
  humano: {do: [{handoff: {queue: loja}}]}
tests:
  - {name: chama gente, steps: [{in: {text: oi}}, {out: {equals: Oi!}}, {in: {text: gente}}, {state: {queue: loja}}]}
"""


ROOT = Path(__file__).parents[2]
NOBODY = "01980000-0000-7000-8000-000000000000"


class Shell:
    """Runs commands of this tree in a folder of its own, with nothing in the environment but what is given."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder, self.environ = folder, environ

    def __call__(self, *arguments: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).with_name("atendeja")), *arguments],
            cwd=self.folder,
            env={"PATH": os.defpath, "COLUMNS": "120", "PYTHONPATH": str(ROOT), **self.environ, **more},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def refused(self, *arguments: str, stdin: str = "", **more: str) -> str:
        """What a command says that must be refused with status 1."""
        done = self(*arguments, stdin=stdin, **more)
        assert done.returncode == 1, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr

    def done(self, *arguments: str, stdin: str = "", **more: str) -> str:
        """What a command prints that must succeed."""
        done = self(*arguments, stdin=stdin, **more)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def bare(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def shell(cluster: server.Server, database: str, tmp_path: Path) -> Shell:
    return Shell(tmp_path, **world.environ(cluster.dsn(database), cluster.dsn(database, "postgres"), tmp_path / "state"))


@pytest.fixture
def flow_file(tmp_path: Path) -> Path:
    path = tmp_path / "eco.yaml"
    path.write_text(FLOW, encoding="utf-8")
    return path


def test_missing_settings_are_all_named_at_once(bare: Shell) -> None:
    said = bare.refused("serve")
    for name in ("DATABASE_URL", "WA_VERIFY_TOKEN", "WA_APP_SECRET", "SECRET_KEY"):
        assert f"{name} is missing: " in said


def test_a_malformed_setting_is_named_and_its_secret_is_not_shown(bare: Shell) -> None:
    wrong = {**GOOD, "DATABASE_URL": "mysql://x", "PORT": "99999", "SECRET_KEY": base64.b64encode(b"curto-e-secreto").decode()}
    said = bare.refused("config", **wrong)
    assert "DATABASE_URL is wrong" in said and "PORT is wrong" in said and "SECRET_KEY is wrong" in said
    assert wrong["SECRET_KEY"] not in said


def test_an_option_is_checked_as_its_setting_is(bare: Shell) -> None:
    for option, value in (("--port", "70000"), ("--port", "-1"), ("--port", "0"), ("--host", "a..b")):
        said = bare.refused("serve", option, value, **GOOD, DATABASE_URL="postgresql://a:b@127.0.0.1:9/x")
        assert said.startswith(f"{option[2:].upper()} is wrong: ") and said.count("\n") == 1


def test_wrong_usage_is_status_2(bare: Shell) -> None:
    for arguments in (
        ["frobnicate"],
        ["serve", "--role", "king"],
        ["dev", "--port", "65535"],
        ["simulator", "--port", "70000"],
        ["flow", "publish"],
        ["conversation", "release", "not-an-id"],
        ["resume-sending", "--no-send-queued"],
        ["resume-sending", "everything"],
    ):
        assert bare(*arguments).returncode == 2, arguments


def test_help_names_every_command(bare: Shell) -> None:
    said = bare.done("--help")
    for name in (
        "serve",
        "dev",
        "simulator",
        "migrate",
        "init",
        "config",
        "tenant",
        "number",
        "admin",
        "flow",
        "media",
        "conversation",
        "explain",
    ):
        assert name in said
    assert "resume-sending" in said


def test_the_database_away_is_awaited_then_given_up(bare: Shell) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = str(closed.getsockname()[1])
    said = bare.refused("serve", "--port", port, **GOOD, DATABASE_URL="postgresql://a:b@127.0.0.1:9/x", DATABASE_WAIT_S="1")
    assert said.count("database_awaited") >= 2
    assert "at the address of DATABASE_ADMIN_URL (without it DATABASE_URL); gave up after DATABASE_WAIT_S = 1 s" in said


def test_a_taken_port_is_refused_before_anything_is_opened(bare: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = bare.refused("serve", "--port", str(port), **GOOD, DATABASE_URL="postgresql://a:b@127.0.0.1:1/x")
    assert f"cannot listen on 127.0.0.1:{port}" in said and "--port" in said


def test_a_login_that_may_not_create_roles_is_told_the_sql(cluster: server.Server, bare: Shell) -> None:
    name = f"atd_bare_{os.getpid()}"
    cluster.create_database(name)
    try:
        said = bare.refused("migrate", **GOOD, DATABASE_URL=cluster.dsn(name))
    finally:
        cluster.drop_database(name)
    assert "GRANT atendeja_owner, atendeja_app, atendeja_sweep TO" in said and "DATABASE_ADMIN_URL" in said


def test_a_login_that_is_still_to_be_made_is_told_the_sql(shell: Shell) -> None:
    place = shell.environ["DATABASE_URL"].rpartition("@")[2]
    for command in ("migrate", "serve"):
        said = shell.refused(command, DATABASE_URL=f"postgresql://new-login:x@{place}", PORT=str(process.free_port()))
        assert "the login new-login of DATABASE_URL does not exist" in said
        assert "CREATE ROLE \"new-login\" LOGIN PASSWORD '…';" in said


def test_a_dotenv_that_is_not_text_is_refused(bare: Shell) -> None:
    (bare.folder / ".env").write_bytes(b"WA_VERIFY_TOKEN=ma\xe7\xe3\n")
    assert bare.refused("config", **GOOD) == ".env is not UTF-8: save it as UTF-8\n"


def test_init_writes_secrets_once(bare: Shell) -> None:
    bare.done("init")
    path = bare.folder / ".env"
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    assert "SECRET_KEY=" in before and "JWT_SECRET=first:" in before
    assert "exists already" in bare.refused("init")
    assert "nowhere/.env cannot be written: No such file" in bare.refused("init", "--path", "nowhere/.env")
    assert path.read_text() == before


def test_migrate_says_what_it_would_do_and_then_that_nothing_is_left(shell: Shell) -> None:
    assert shell.done("migrate", "--plan") == "nothing to do\n"
    assert shell.done("migrate") == "nothing to do\n"


def test_config_masks_secrets(shell: Shell) -> None:
    said = shell.done("config")
    assert "WA_API_VERSION=v24.0" in said and "SECRET_KEY=***" in said
    assert world.SECRET_KEY not in said and world.APP_SECRET not in said


def test_tenants_and_numbers(shell: Shell) -> None:
    assert "no tenant yet" in shell.done("tenant", "list")
    shell.done(*TENANT)
    assert "exists already" in shell.refused(*TENANT)
    assert "time zone" in shell.refused("tenant", "add", "--slug", "x", "--name", "X", "--timezone", "Mars/Olympus")
    assert "America/Sao_Paulo" in shell.done("tenant", "list")
    assert "there is no tenant 'nope'" in shell.refused("number", "add", "--tenant", "nope", *NUMBER, "--token", "t")
    assert "one of the two" in shell.refused("number", "add", "--tenant", "loja", *NUMBER)
    shell.done("number", "add", "--tenant", "loja", *NUMBER, "--token-stdin", stdin="segredo\n")
    assert "+5511999990000" in shell.done("number", "list", "--tenant", "loja")


def test_dead_letters_are_shown_tried_again_and_discarded(shell: Shell) -> None:
    shell.done(*TENANT)
    which = ("--tenant", "loja")
    assert "no dead letter" in shell.done("dead-letter", "list", *which)
    assert "there is no tenant 'nope'" in shell.refused("dead-letter", "list", "--tenant", "nope")
    assert "--most must be 1" in shell.refused("dead-letter", "list", *which, "--most", "0")
    assert "by their ids, or say --all-of-them" in shell.refused("dead-letter", "replay", *which)
    assert "by their ids, or say --all-of-them" in shell.refused("dead-letter", "discard", NOBODY, *which, "--all-of-them")
    assert f"no dead letter of loja that this may be done with: {NOBODY}" in shell.refused("dead-letter", "replay", NOBODY, *which)
    assert "0 are tried again" in shell.done("dead-letter", "replay", *which, "--all-of-them")
    assert "0 are discarded" in shell.done("dead-letter", "discard", *which, "--all-of-them")


def add_file(file: Path, *more: str) -> tuple[str, ...]:
    return ("media", "add", str(file), "--tenant", "loja", *more)


def test_files_are_kept_shown_and_the_same_one_only_once(shell: Shell, tmp_path: Path) -> None:
    shell.done(*TENANT)
    assert "no file yet" in shell.done("media", "list", "--tenant", "loja")
    picture, note = tmp_path / "cardápio.PNG", tmp_path / "nota"
    picture.write_bytes(files.PNG)
    note.write_bytes(files.PDF)
    said = shell.done(*add_file(picture))
    assert said.startswith("file cardápio.PNG is ") and said.endswith(
        f": {len(files.PNG)} bytes of image/png, to be sent as image\n"
    )
    assert shell.done(*add_file(picture)) == said
    shell.done(*add_file(note, "--type", "Application/PDF", "--name", "Nota fiscal.pdf"))
    first, second = shell.done("media", "list", "--tenant", "loja").splitlines()
    assert said.split()[3].rstrip(":") in first and first.endswith(f"image/png  {len(files.PNG)} bytes  cardápio.PNG")
    assert second.endswith(f"application/pdf  {len(files.PDF)} bytes  Nota fiscal.pdf")
    assert shell.done("media", "list", "--tenant", "loja", "--most", "1") == f"{second}\n"
    assert "--most must be 1" in shell.refused("media", "list", "--tenant", "loja", "--most", "0")
    kept = [path for path in (tmp_path / "state" / "media").rglob("*") if path.is_file()]
    assert sorted(path.stat().st_size for path in kept) == sorted([len(files.PNG), len(files.PDF)])
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


def test_a_file_that_cannot_be_sent_is_refused_and_not_kept(shell: Shell, tmp_path: Path) -> None:
    shell.done(*TENANT)
    for name, data in (
        ("a.png", files.PNG),
        ("empty.png", b""),
        ("big.webp", b"x" * 512_001),
        ("a.gif", b"GIF89a"),
        ("nota", b"x"),
    ):
        (tmp_path / name).write_bytes(data)
    assert "gone.png cannot be read: No such file or directory" in shell.refused(*add_file(tmp_path / "gone.png"))
    assert "cannot be read: Is a directory" in shell.refused(*add_file(tmp_path))
    assert "the file is empty" in shell.refused(*add_file(tmp_path / "empty.png"))
    assert "more than 512000 bytes" in shell.refused(*add_file(tmp_path / "big.webp"))
    for name in ("a.gif", "nota"):
        said = shell.refused(*add_file(tmp_path / name))
        assert "does not say its type" in said and "--type: image/jpeg, image/png, video/mp4" in said
    said = shell.refused(*add_file(tmp_path / "a.gif", "--type", "image/gif"))
    assert "image/gif cannot be sent on WhatsApp; what can: image/jpeg, image/png" in said
    assert "1 to 240 characters" in shell.refused(*add_file(tmp_path / "a.png", "--name", ""))
    assert "there is no tenant 'nope'" in shell.refused("media", "add", str(tmp_path / "a.png"), "--tenant", "nope")
    (tmp_path / "closed").write_text("a file where a directory should be")
    said = shell.refused(*add_file(tmp_path / "a.png"), MEDIA_DIR=str(tmp_path / "closed"))
    assert f"the file cannot be kept under {tmp_path / 'closed'}: " in said and "is MEDIA_DIR ours" in said
    assert "no file yet" in shell.done("media", "list", "--tenant", "loja")
    assert not [path for path in (tmp_path / "state").rglob("media/**/*") if path.is_file()]


def test_a_kill_between_the_bytes_and_their_row_leaves_nothing_that_is_missed(shell: Shell, tmp_path: Path) -> None:
    shell.done(*TENANT)
    (tmp_path / "a.png").write_bytes(files.PNG)
    assert shell(*add_file(tmp_path / "a.png"), ATENDEJA_FAILPOINTS="commit.before=kill?_record").returncode == -signal.SIGKILL
    assert "no file yet" in shell.done("media", "list", "--tenant", "loja")
    assert [p.stat().st_size for p in (tmp_path / "state" / "media").rglob("*") if p.is_file()] == [len(files.PNG)]
    shell.done(*add_file(tmp_path / "a.png"))
    assert "a.png" in shell.done("media", "list", "--tenant", "loja")
    assert len([p for p in (tmp_path / "state" / "media").rglob("*") if p.is_file()]) == 1


def test_a_number_in_coexistence_sends_twenty_a_second_at_most(shell: Shell) -> None:
    shell.done(*TENANT)
    add = ("number", "add", "--tenant", "loja", *NUMBER, "--token", "t", "--coexistence")
    assert "20 messages a second at most" in shell.refused(*add, "--rate", "21")
    shell.done(*add)
    shell.done(*add[:-1])  # with a new token; the rate stays
    assert "20/s" in shell.done("number", "list", "--tenant", "loja")


def test_a_number_an_account_or_a_portfolio_of_another_tenant_is_refused_and_nothing_is_written(shell: Shell) -> None:
    shell.done(*TENANT)
    shell.done("tenant", "add", "--slug", "outra", "--name", "Outra")
    shell.done("number", "add", "--tenant", "loja", *NUMBER, "--token", "t")
    given = dict(zip(NUMBER[0:8:2], NUMBER[1:8:2], strict=True))
    for kept, kind in (("--phone-number-id", "number"), ("--waba-id", "waba"), ("--portfolio-id", "portfolio")):
        fresh = {key: value if key in (kept, "--display-number") else value + "9" for key, value in given.items()}
        arguments = [part for pair in fresh.items() for part in pair]
        said = shell.refused("number", "add", "--tenant", "outra", *arguments, "--no-verify", "--token", "t")
        assert f"the {kind} {given[kept]} belongs to another tenant" in said
    assert "no number yet" in shell.done("number", "list", "--tenant", "outra")


def test_a_number_that_meta_cannot_be_asked_about_is_not_written(shell: Shell) -> None:
    shell.done(*TENANT)
    said = shell.refused("number", "add", "--tenant", "loja", *NUMBER[:-1], "--token", "t")
    assert "cannot be reached" in said
    assert "no number yet" in shell.done("number", "list", "--tenant", "loja")


def test_flows_are_checked_tested_and_published_once(shell: Shell, flow_file: Path) -> None:
    shell.done(*TENANT)
    assert "0 error(s)" in shell.done("flow", "check", str(flow_file))
    assert "all conversations pass" in shell.done("flow", "test", str(flow_file))
    assert "Oi!" in shell.done("flow", "simulate", str(flow_file), stdin="oi\n\n")
    assert "version 1 answers now" in shell.done("flow", "publish", str(flow_file), "--tenant", "loja")
    assert "nothing changed" in shell.done("flow", "publish", str(flow_file), "--tenant", "loja")
    assert "no number with phone_number_id 9" in shell.refused(
        "flow", "publish", str(flow_file), "--tenant", "loja", "--number", "9"
    )
    assert "eco  version 1" in shell.done("flow", "list", "--tenant", "loja")


def test_a_flow_that_does_not_check_is_refused_with_path_node_and_suggestion(shell: Shell, flow_file: Path) -> None:
    shell.done(*TENANT)
    flow_file.write_text(FLOW.replace("to: humano}], else", "to: humanoo}], else"), encoding="utf-8")
    said = shell("flow", "check", str(flow_file))
    assert said.returncode == 1
    assert "nodes.oi" in said.stdout and "humanoo" in said.stdout and "`humano`" in said.stdout
    assert "humanoo" in shell.refused("flow", "publish", str(flow_file), "--tenant", "loja")
    assert "no flow yet" in shell.done("flow", "list", "--tenant", "loja")


def test_a_flow_whose_conversation_breaks_is_not_published(shell: Shell, flow_file: Path) -> None:
    shell.done(*TENANT)
    flow_file.write_text(FLOW.replace("{out: {equals: Oi!}}", "{out: {equals: Olá!}}"), encoding="utf-8")
    assert shell("flow", "test", str(flow_file)).returncode == 1
    assert "chama gente" in shell.refused("flow", "publish", str(flow_file), "--tenant", "loja")


def test_resume_sending_says_what_is_the_matter_and_ends_it(shell: Shell, cluster: server.Server, database: str) -> None:
    """F57; and `number list` shows it, where somebody looks who wonders why nothing goes out."""
    shell.done(*TENANT)
    assert shell.done("resume-sending") == "sending is not held: nothing to do\n"
    with psycopg.connect(cluster.dsn(database, "postgres")) as admin:
        admin.execute(
            "UPDATE guard SET mark = 90, held_at = '2026-01-02 03:04:05Z', held_reason = 'lost_commits', held_mark = 90,"
            " held_arrival = 0, seen_mark = 100"
        )
    what = "sending is held since 2026-01-02 03:04:05 UTC: the database has lost commits (its mark was 90, 100 had been seen)"
    assert what in shell.done("number", "list", "--tenant", "loja")
    said = shell.done("resume-sending", "--send-queued")
    assert what in said and "loja: nothing that may have gone out already" in said and "sending goes on" in said
    assert shell.done("resume-sending") == "sending is not held: nothing to do\n"
    assert "held" not in shell.done("number", "list", "--tenant", "loja")


def test_people_are_let_in_put_out_and_let_in_again(shell: Shell, cluster: server.Server, database: str) -> None:
    shell.done(*TENANT)
    who = ("--email", "Ana@Loja.example")
    assert "--tenant and --role together" in shell.refused("admin", "create", *who, "--tenant", "loja")
    assert "is not an e-mail address" in shell.refused("admin", "create", "--email", "ana", "--operator")
    assert "there is no tenant 'nope'" in shell.refused("admin", "create", *who, "--tenant", "nope", "--role", "owner")
    for command in ("create", "disable", "enable", "demote", "reset-totp"):
        assert "there is no account Ana@Loja.example" in shell.refused("admin", command, *who)
    ways = ("--tenant", "loja", "--role", "owner"), ("--operator",), ()
    tokens = [shell.done("admin", "create", *who, *more).split()[5] for more in ways]
    with psycopg.connect(cluster.dsn(database, "postgres")) as admin:
        assert admin.execute("SELECT email, is_operator FROM account").fetchall() == [("ana@loja.example", False)]
        kept = [row[0] for row in admin.execute("SELECT sha256 FROM one_time_token").fetchall()]
        digests = [hashlib.sha256(token.encode()).digest() for token in tokens]
        assert sorted(kept) == sorted([digests[0], digests[2]]), "for the business, and the newest for herself"
        assert admin.execute("SELECT role, joined_at FROM membership").fetchall() == [("owner", None)]
        told = admin.execute("SELECT tenant_id = 0, action, account_id FROM audit ORDER BY tenant_id DESC").fetchall()
        assert told == [(False, "user_appointed", None), *[(True, "user_appointed", None)] * 2]
        assert "is out" in shell.done("admin", "disable", *who)
        assert admin.execute("SELECT disabled_at IS NULL FROM account").fetchall() == [(False,)]
        admin.rollback()
        assert "may sign in again" in shell.done("admin", "enable", *who)
        admin.execute("UPDATE account SET is_operator = true")
        admin.commit()
        shell.done("admin", "create", *who, "--operator")
        assert "has no second factor" in shell.refused("admin", "reset-totp", *who)
        admin.execute("INSERT INTO totp (account_id, seed, created_at) SELECT id, '', now() FROM account")
        admin.commit()
        assert "signs in without a code" in shell.done("admin", "reset-totp", *who)
        assert "is no operator" in shell.done("admin", "demote", *who)
        assert admin.execute("SELECT is_operator FROM account").fetchall() == [(False,)]
        assert admin.execute("SELECT count(*) FROM one_time_token WHERE grants_operator").fetchall() == [(0,)]
        assert admin.execute("SELECT disabled_at IS NULL FROM account").fetchall() == [(True,)]


def test_a_log_that_was_tampered_with_is_told_from_one_that_was_not(shell: Shell, cluster: server.Server, database: str) -> None:
    """S26."""
    shell.done(*TENANT)
    for _ in range(2):
        shell.done("admin", "create", "--email", "ana@loja.example", "--tenant", "loja", "--role", "owner")
    shell.done("admin", "disable", "--email", "ana@loja.example")
    sound = shell.done("audit", "verify").splitlines()
    head = sound[0].removeprefix("loja: 2 line(s) fit; the last is ")
    assert sound[1].startswith("installation: 1 line(s) fit; the last is 1:")
    assert shell.done("audit", "verify", "--tenant", "loja", "--expect", head).splitlines() == sound[:1]
    assert shell.done("audit", "verify", "--tenant", "installation").splitlines() == sound[1:]
    assert "is not NUMBER:HASH" in shell.refused("audit", "verify", "--tenant", "loja", "--expect", "2")
    assert "say whose" in shell.refused("audit", "verify", "--expect", head)
    with psycopg.connect(cluster.dsn(database, "postgres")) as admin:
        admin.execute("UPDATE audit SET after = '{}' WHERE tenant_id <> 0 AND number = 1")
    found = shell("audit", "verify")
    assert (found.returncode, found.stderr) == (1, "")
    assert "loja: line 1 (" in found.stdout and "user_appointed) does not fit: it is not what was written" in found.stdout
    assert found.stdout.splitlines()[-1] == sound[1]


def test_unknown_ids_are_refused(shell: Shell) -> None:
    assert "nothing is known as" in shell.refused("explain", "wamid.nada")
    assert "no conversation" in shell.refused("conversation", "release", "01a20a4a-5861-7842-95ea-1af888a9e0f6")


def test_the_shipped_flows_read_back_from_their_canonical_form() -> None:
    for key, flow in load_examples().items():
        assert document.load(document.canonical(flow).decode(), key) == flow


def test_spend(shell: Shell) -> None:
    shell.done(*TENANT)
    which = ("--tenant", "loja")
    assert "WhatsApp has priced no message from " in shell.done("spend", *which)
    assert "from 2026-11-01 to 2026-11-02" in shell.done("spend", *which, "--since", "2026-11-01", "--until", "2026-11-02")
    assert "2026-11-03 is after 2026-11-02" in shell.refused("spend", *which, "--since", "2026-11-03", "--until", "2026-11-02")
    assert "there is no tenant 'nope'" in shell.refused("spend", "--tenant", "nope")
