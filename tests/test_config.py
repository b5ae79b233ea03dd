"""Settings: read, refused all at once in clear lines, and never shown."""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from atendeja import config
from atendeja.config import Config, Dsn, Secret, load, masked
from atendeja.errors import Refused

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.urlsafe_b64encode(b"\xfb" * 32).decode()
GOOD = {
    "DATABASE_URL": "postgresql://atendeja:hush-hush-1@db.example:5432/atendeja",
    "WA_VERIFY_TOKEN": "verify-me-hush-hush-2",
    "WA_APP_SECRET": "0123456789abcdef-hush-hush-3-012",
    "SECRET_KEY": KEY,
}


def refusal(**changes: str | None) -> str:
    environ = {name: text for name, text in (GOOD | changes).items() if text is not None}
    with pytest.raises(Refused) as caught:
        load(environ)
    return str(caught.value)


def test_required_settings_and_defaults() -> None:
    got = load(GOOD)
    assert got.database_url.reveal() == GOOD["DATABASE_URL"]
    assert got.app_secrets == [GOOD["WA_APP_SECRET"].encode()]
    assert got.secret_keys == [bytes(range(32))]
    assert (got.admin_url, got.listen_url) == (got.database_url, got.database_url)
    assert (got.wa_api_base, got.wa_api_version, got.host, got.port) == ("https://graph.facebook.com", "v24.0", "127.0.0.1", 8000)
    assert (got.database_wait_s, got.in_doubt_s, got.shutdown_grace_s) == (60, 120, 25)
    assert (got.migrate, got.log_format, got.log_level) == ("auto", "json", "INFO")
    assert got.media_path == Path("state/media")
    assert (got.metrics_token, got.public_url, got.jwt_secret) == (None, None, ())


def test_several_secrets_the_first_first() -> None:
    secrets = ["a" * 32, "b" * 32]
    got = load(GOOD | {"WA_APP_SECRET": " , ".join(secrets), "SECRET_KEY": f"{OTHER_KEY},{KEY}", "JWT_SECRET": f"k1:{'x' * 32}"})
    assert got.app_secrets == [b"a" * 32, b"b" * 32]
    assert got.secret_keys == [b"\xfb" * 32, bytes(range(32))]
    assert [secret.reveal() for secret in got.jwt_secret] == [f"k1:{'x' * 32}"]


def test_everything_that_is_set_is_read() -> None:
    got = load(
        GOOD
        | {
            "DATABASE_ADMIN_URL": "postgres://root@/atendeja?host=/run",
            "DATABASE_LISTEN_URL": "postgresql://a:b@one:1,two:2/db",
            "DATABASE_WAIT_S": "1.5",
            "MIGRATE": "off",
            "WA_API_BASE": "http://127.0.0.1:8001/",
            "PUBLIC_URL": "https://zap.example/",
            "STATE_DIR": "/var/lib/atendeja",
            "MEDIA_DIR": "/srv/media",
            "LOG_LEVEL": "debug",
            "LOG_FORMAT": "console",
            "PORT": "9000",
            "METRICS_TOKEN": "m" * 16,
        }
    )
    assert (got.admin_url.reveal(), got.listen_url.reveal()) == (
        "postgres://root@/atendeja?host=/run",
        "postgresql://a:b@one:1,two:2/db",
    )
    assert (got.database_wait_s, got.migrate, got.port, got.log_level, got.log_format) == (1.5, "off", 9000, "DEBUG", "console")
    assert (got.wa_api_base, got.public_url) == ("http://127.0.0.1:8001", "https://zap.example")
    assert (got.state_dir, got.media_path) == (Path("/var/lib/atendeja"), Path("/srv/media"))


def test_every_fault_at_once_a_line_each() -> None:
    lines = refusal(DATABASE_URL=None, SECRET_KEY="", WA_VERIFY_TOKEN="short", PORT="http", MIGRATE="yes").splitlines()
    assert [line.split()[0] for line in lines] == ["DATABASE_URL", "MIGRATE", "WA_VERIFY_TOKEN", "SECRET_KEY", "PORT"]
    assert lines[0] == "DATABASE_URL is missing: set it to postgresql://login:password@host/database"
    assert lines[2] == "WA_VERIFY_TOKEN is wrong: it has 5 characters, 16 are the least"
    assert "openssl rand -base64 32" in lines[3]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("DATABASE_URL", "mysql://root:hush-hush-1@x/y", "it must start with postgresql://"),
        ("DATABASE_ADMIN_URL", "hush-hush-1", "it must start with postgresql://"),
        ("DATABASE_URL", "postgresql:hush-hush-1", "it must start with postgresql://"),
        ("DATABASE_URL", "postgresql://", "it names no host"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@/x", "it names no host"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@:5432/x", "it names no host"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@one,,two/x", "it names no host"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@h..x/x", "it names no host"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@h:port/x", "its port must be a number"),
        ("DATABASE_ADMIN_URL", "postgresql://a:hush-hush-1@h:99999/x", "its port must be a number from 1 to 65535"),
        ("DATABASE_LISTEN_URL", "postgresql://a:hush-hush-1@one:1,two:0/x", "its port must be a number"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@/x?host=/run&port=1,2", "one for all hosts or one for each"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@[::1/x", "it cannot be read"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1%zz@h/x", "a % is written %25"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@h/x?host", "it cannot be read"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@h/x?colour=red", "an option is one of libpq's"),
        ("DATABASE_URL", "postgresql://a:hush hush-hush-1@h/x", "must be written %40"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1@hush-hush-2@h/x", "must be written %40"),
        ("DATABASE_URL", "postgresql://a:hush-hush-1/2@h/x", "must be written %40"),
        ("DATABASE_URL", "postgresql://a:1?hush-hush-1@h/x", "must be written %40"),
        ("DATABASE_URL", "postgresql://a:1#hush-hush-1@h/x", "must be written %40"),
        ("WA_VERIFY_TOKEN", "hush-hush-1-\udcff-and-more", "cannot be printed"),
        ("WA_APP_SECRET", "hush-hush-1," + "a" * 32, "it has 11 characters, 32 are the least"),
        ("SECRET_KEY", "hush-hush-1", "each key must be 32 bytes in base64"),
        ("SECRET_KEY", f"{KEY},{KEY[:-8]}", "each key must be 32 bytes in base64"),
        ("SECRET_KEY", "hush-hush-ção" * 4, "each key must be 32 bytes in base64"),
        ("JWT_SECRET", "hush-hush-1", "each must be kid:secret"),
        ("TRUSTED_PROXIES", "127.0.0.1,proxy", "an address or a network like 10.0.0.0/8, not 'proxy'"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "an address or a network"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "is everybody"),
        ("JWT_SECRET", f"k1:{'x' * 32},k1:{'y' * 32}", "a kid is given twice"),
        ("METRICS_TOKEN", "hush-hush-1", "16 are the least"),
        ("WA_API_VERSION", "24", "not '24'"),
        ("WA_API_BASE", "http://graph.facebook.com", "https://"),
        ("WA_API_BASE", "graph.facebook.com", "https://"),
        ("WA_API_BASE", "https://graph.facebook.com:99999", "https://"),
        ("WA_API_BASE", "https://graph.facebook.com:port", "https://"),
        ("WA_API_BASE", "https://graph facebook.com", "https://"),
        ("WA_API_BASE", "https://[::1", "https://"),
        ("PUBLIC_URL", "zap.example", "https://"),
        ("HOST", "a..b", "a name or an address of this machine"),
        ("HOST", "a\0b", "cannot be printed"),
        ("STATE_DIR", "state\0", "cannot be printed"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, not 'loud'"),
        ("LOG_FORMAT", "xml", "one of json, console, not 'xml'"),
        ("PORT", "0", "Expected int >= 1, not '0'"),
        ("PORT", "70000", "Expected int <= 65535, not '70000'"),
        ("SHUTDOWN_GRACE_S", "-1", "Expected float >= 0"),
        ("IN_DOUBT_S", "soon", "Expected float, got str, not 'soon'"),
        ("INBOX_MAX_BYTES", "1000", "4194304"),
    ],
)
def test_a_wrong_setting_is_one_line_that_quotes_no_secret(name: str, text: str, said: str) -> None:
    line = refusal(**{name: text})
    assert line.startswith(f"{name} is wrong: ")
    assert said in line
    assert "\n" not in line
    assert "hush-hush" not in line


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://a:b@one:1,two:2/db",
        "postgresql://a:b@one:1,two/db",
        "postgresql://a:b@[::1]:5433/db",
        "postgresql://a:p%40ss%2F@h/db?sslmode=require",
        "postgresql:///db?host=/run/postgresql",
        "postgresql://user:pass@/db?host=/path&port=5433",
        "postgresql://a:b@/db?host=one,two&port=5433",
        "postgresql://a:b@%2Frun%2Fpostgresql/db",
    ],
)
def test_every_form_of_a_database_address_is_taken(text: str) -> None:
    assert load(GOOD | {"DATABASE_URL": text, "DATABASE_LISTEN_URL": text}).database_url.reveal() == text


def test_an_empty_list_of_secrets_is_missing() -> None:
    assert refusal(WA_APP_SECRET=" ").startswith("WA_APP_SECRET is missing")
    assert refusal(WA_APP_SECRET=",").startswith("WA_APP_SECRET is missing")


def test_dotenv_completes_and_the_environment_wins(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(
        "\n".join([*(f"{name}='{text}'" for name, text in GOOD.items()), "PORT=9000", "HOST=${HOME}", "# PORT=1", "OTHER=1"])
    )
    got = load({"PORT": "9001", "PATH": "/bin"}, dotenv)
    assert (got.port, got.host) == (9001, "${HOME}")
    assert load(GOOD, tmp_path / "missing").port == 8000


def test_a_dotenv_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder, latin = tmp_path / "folder", tmp_path / "latin"
    folder.mkdir()
    latin.write_bytes("WA_VERIFY_TOKEN=maçã-maçã-maçã-maçã".encode("latin-1"))
    for path, said in ((folder, "cannot be read: Is a directory"), (latin, "is not UTF-8")):
        with pytest.raises(Refused, match=said):
            load(GOOD, path)


def test_nothing_shows_a_secret() -> None:
    got = load(GOOD | {"METRICS_TOKEN": "hush-hush-4-and-more", "JWT_SECRET": "kid:hush-hush-5-0123456789-0123456789"})
    shown = [
        repr(got),
        str(got),
        f"{got.wa_verify_token}",
        f"{got.wa_verify_token!r:>40}",
        str(got.database_url),
        json.dumps(masked(got)),
    ]
    assert all("hush-hush" not in text and KEY not in text for text in shown)
    with pytest.raises((TypeError, msgspec.MsgspecError)):
        msgspec.json.encode(got)


def test_masked_shows_every_setting() -> None:
    shown = masked(load(GOOD | {"SECRET_KEY": f"{KEY},{OTHER_KEY}"}))
    assert list(shown) == list(config.FIELDS)
    assert shown["DATABASE_URL"] == "postgresql://atendeja:***@db.example:5432/atendeja"
    assert (shown["SECRET_KEY"], shown["PORT"], shown["METRICS_TOKEN"]) == ("***,***", "8000", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://a:p@ss@h/db", "postgresql://a:***@h/db"),
        ("postgresql://a@h/db", "postgresql://a@h/db"),
        ("postgresql:///db?user=a&password=hush", "postgresql:///db?***"),
        ("postgresql://a:x@one:1,two:2/db", "postgresql://a:***@one:1,two:2/db"),
    ],
)
def test_a_database_address_hides_its_password_only(text: str, shown: str) -> None:
    assert str(Dsn(text)) == shown


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Dsn("b")}) == 2


def test_every_field_says_what_it_is_and_every_required_one_what_to_do() -> None:
    source = Path(config.__file__).read_text()
    for name, field in config.FIELDS.items():
        declaration = source.index(f"\n    {field.name}: ")
        assert source[declaration:].split("\n")[2].startswith('    """'), name
    assert set(config.MISSING) == {name for name, field in config.FIELDS.items() if field.required}
    assert set(config.CHECKS) <= set(config.FIELDS)


def test_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        load(GOOD).port = 1  # type: ignore[misc]  # that it is refused is the point
    assert Config.__struct_config__.frozen
