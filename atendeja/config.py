"""The settings: one frozen `Config`, read once from the environment and an optional `.env` file.

A field is the variable of the same name in lower case. Everything missing or wrong is said at once, a line each. There is no
default secret. To add a setting, add a field with its docstring (unit, default, effect) and a line in README.md.
"""

import hmac
import io
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from dotenv import dotenv_values
from msgspec import Meta, Struct
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from atendeja.errors import Refused

MASK = "***"
KEY_BYTES = 32
VERIFY_TOKEN_CHARS = 16
APP_SECRET_CHARS = 32
JWT_SECRET_BYTES = 32
METRICS_TOKEN_CHARS = 16


class Secret:
    """A text that shows itself to nobody who does not ask: `repr`, `str` and formatting are masked, `reveal` is not."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret itself. Never log it, never put it into an error."""
        return self._text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


class Dsn(Secret):
    """The address of a database: shown without its password."""

    __slots__ = ()

    def __str__(self) -> str:
        scheme, separator, rest = self.reveal().partition("://")
        login, at, place = rest.rpartition("@")
        if "password" in place.lower():
            place = place.partition("?")[0] + "?" + MASK
        user, colon, _ = login.partition(":")
        return scheme + separator + user + (f":{MASK}" if colon else "") + at + place


Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Port = Annotated[int, Meta(ge=1, le=65_535)]


PRIVATE = ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Networks from which no stranger of the internet connects."""


class Config(Struct, frozen=True, kw_only=True, dict=True):
    """Every setting of a process. Made by `load`; a field's docstring gives unit, default and effect."""

    database_url: Dsn
    """PostgreSQL to serve from, `postgresql://login:password@host/database`; several hosts may be named. Required.
    The login must be allowed to become `atendeja_app`, and need not be more."""
    database_admin_url: Dsn | None = None
    """Login that may create roles and tables: migrate, backup and restore use it. Default: DATABASE_URL."""
    database_listen_url: Dsn | None = None
    """Direct connection (no pooler in between) on which notifications arrive. Default: DATABASE_URL."""
    database_wait_s: Seconds = 60
    """Seconds to wait for the database at start before giving up. Default 60."""
    migrate: Literal["auto", "off"] = "auto"
    """`auto` (default) brings the database to this release at start; `off` leaves it to `atendeja migrate`."""

    wa_verify_token: Secret
    """Text of yours, at least 16 characters, that Meta repeats when it verifies the webhook address. Required."""
    wa_app_secret: tuple[Secret, ...]
    """App secrets with which Meta signs webhooks, comma-separated; any of them is accepted. Required."""
    wa_api_base: str = "https://graph.facebook.com"
    """Where the Cloud API is. Default Meta's Graph host; plain http is taken for this machine only (the simulator)."""
    wa_api_version: Annotated[str, Meta(pattern=r"^v\d{1,3}\.\d{1,2}$")] = "v24.0"
    """Version of the Cloud API in every path. Default v24.0."""
    public_url: str | None = None
    """Address under which the world reaches this process, as in links we send. Default: none."""

    jwt_secret: tuple[Secret, ...] = ()
    """Keys of sign-in tokens as `kid:secret`, comma-separated, 32 bytes or more each; the first signs. Default: none,
    and then the API under `/v1` answers 503."""
    secret_key: tuple[Secret, ...]
    """Keys (32 bytes in base64, comma-separated) under which tenants' secrets are sealed: the first seals, all open. Required.
    Losing them loses the WhatsApp tokens."""
    metrics_token: Secret | None = None
    """Bearer token for `/metrics`, at least 16 characters. Default: none, `/metrics` then answers this machine only."""

    trusted_proxies: tuple[str, ...] = PRIVATE
    """Addresses and networks, comma-separated, of reverse proxies whose X-Forwarded-For is believed. Default: this machine and
    private networks; where strangers connect from such a one, name the proxy alone."""

    api_rate: Annotated[int, Meta(ge=1, le=100_000)] = 100
    """Requests a second that one person, API key or stranger's address may make of the API; twice as many at once, and a business
    four times as many. Default 100."""

    outside_trusted: tuple[str, ...] = ()
    """`host:port`, comma-separated, of this installation's own network that tenants' webhooks may call, over http too. Default:
    none, they reach public https addresses only."""

    state_dir: Path = Path("state")
    """Directory of what a process remembers over a restart: its id, and how far it has seen the database (`guard`: keep it over a
    restore). Default ./state."""
    media_dir: Path | None = None
    """Directory of media files. Default: `media` in STATE_DIR; `media_path` says which."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least severe line that is written. Default INFO."""
    log_format: Literal["json", "console"] = "json"
    """`json` (default), one object a line, or `console`, for people."""
    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Address to listen on. Default 127.0.0.1; a container wants 0.0.0.0."""
    port: Port = 8000
    """TCP port to listen on. Default 8000."""
    shutdown_grace_s: Seconds = 25
    """Seconds that requests and sends in flight get together after SIGTERM. Default 25; keep it 5 under the supervisor's limit."""

    in_doubt_s: Annotated[float, Meta(ge=1, le=86_400)] = 120
    """Seconds, while our intake is healthy, until a send whose answer was lost stops waiting for a status. Default 120."""
    inbox_max_requests: Annotated[int, Meta(ge=1, le=1_000_000)] = 2_000
    """Webhooks that may wait for their commit; beyond it they are answered 503 and Meta repeats them. Default 2000."""
    inbox_max_bytes: Annotated[int, Meta(ge=4_194_304)] = 67_108_864
    """Bytes of webhooks that may wait for their commit, with the same effect. Default 64 MiB, at least one body (4 MiB)."""

    @cached_property
    def app_secrets(self) -> list[bytes]:
        """Keys that may have signed a webhook."""
        return [secret.reveal().encode() for secret in self.wa_app_secret]

    @cached_property
    def jwt_keys(self) -> dict[str, str]:
        """Keys of sign-in tokens, by their kid: the first signs."""
        return {kid: key for kid, _, key in (secret.reveal().partition(":") for secret in self.jwt_secret)}

    @cached_property
    def proxies(self) -> list[IPv4Network | IPv6Network]:
        """Whose X-Forwarded-For is believed."""
        return [ip_network(text) for text in self.trusted_proxies]

    @cached_property
    def secret_keys(self) -> list[bytes]:
        """Key-encryption keys of 32 bytes: the first seals, all open."""
        return [key_bytes(secret.reveal()) for secret in self.secret_key]

    @property
    def admin_url(self) -> Dsn:
        """Where migrations, backup and restore connect."""
        return self.database_admin_url or self.database_url

    @property
    def listen_url(self) -> Dsn:
        """Where notifications arrive."""
        return self.database_listen_url or self.database_url

    @property
    def media_path(self) -> Path:
        """Where media files lie."""
        return self.media_dir or self.state_dir / "media"


FIELDS = {field.encode_name.upper(): field for field in msgspec.structs.fields(Config)}
"""Variable → field, in the order in which they are shown."""

MISSING = {
    "DATABASE_URL": "set it to postgresql://login:password@host/database",
    "WA_VERIFY_TOKEN": f"set it to a text of your own of {VERIFY_TOKEN_CHARS} characters or more, and give Meta the same",
    "WA_APP_SECRET": "set it to the app secret of your app (Meta for Developers, App settings, Basic)",
    "SECRET_KEY": "make one with `openssl rand -base64 32` and keep a copy in a safe place",
}
"""What to do about each required setting that is not there."""


def load(environ: Mapping[str, str], dotenv: Path | None = None) -> Config:
    """The settings of `environ`, completed from the file `dotenv` when it exists. An empty value counts as not set.

    Raises Refused with one line for each setting that is missing or wrong, all at once, none showing a secret; or when the file
    is there and cannot be read.
    """
    given = {
        name: text.strip() for name, text in (_read_dotenv(dotenv) | dict(environ)).items() if name in FIELDS and text.strip(" ,")
    }
    values: dict[str, Any] = {}  # Any: each field has a type of its own, and Config is built from them below
    faults = []
    for name, field in FIELDS.items():
        if name not in given:
            if field.required:
                faults.append(f"{name} is missing: {MISSING[name]}")
            continue
        try:
            values[field.name] = _read(name, given[name])
        except ValueError as error:
            faults.append(f"{name} is wrong: {error}")
    if faults:
        raise Refused("settings", "\n".join(faults))
    return Config(**values)


def masked(config: Config) -> dict[str, str]:
    """Variable → value as a person may see it; what is not set shows as an empty text."""
    shown = {name: getattr(config, field.name) for name, field in FIELDS.items()}
    return {name: _show(value) for name, value in shown.items()}


def key_bytes(text: str) -> bytes:
    """The 32 bytes of a key in base64, of either alphabet. Raises ValueError when it is not that."""
    try:
        key = b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"each key must be {KEY_BYTES} bytes in base64; make one with `openssl rand -base64 32`")
    return key


def _read_dotenv(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        lines = io.StringIO(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Refused("dotenv", f"{path} cannot be read: {error.strerror}", hint="make it a file of NAME=value lines") from error
    except UnicodeDecodeError as error:
        raise Refused("dotenv", f"{path} is not UTF-8: save it as UTF-8") from error
    return {name: text for name, text in dotenv_values(stream=lines, interpolate=False).items() if text is not None}


def _read(name: str, text: str) -> object:
    """The value of one setting; raises ValueError with the end of the line that will be shown."""
    if not text.isprintable():
        raise ValueError("it holds a character that cannot be printed")
    field = FIELDS[name]
    several = get_origin(field.type) is tuple
    value: object = (
        [part.strip() for part in text.split(",") if part.strip()] if several else text.upper() if name == "LOG_LEVEL" else text
    )
    if check := CHECKS.get(name):
        for part in value if isinstance(value, list) else [text]:
            check(part)
    if name == "JWT_SECRET" and len({kid for kid, _, _ in (part.partition(":") for part in text.split(","))}) < text.count(",") + 1:
        raise ValueError("a kid is given twice")
    if get_origin(field.type) is Literal and value not in (choices := get_args(field.type)):
        raise ValueError(f"it must be one of {', '.join(choices)}, not {text!r}")
    if name in ("WA_API_BASE", "PUBLIC_URL"):
        value = text.rstrip("/")
    try:
        return msgspec.convert(value, field.type, strict=False, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise ValueError(f"{str(error).replace('`', '')}, not {text!r}") from None


def _convert(kind: type, value: object) -> object:
    """msgspec's way to types it does not know: ours and Path, all made from a text."""
    return kind(value)


def _at_least(chars: int) -> Callable[[str], None]:
    def check(text: str) -> None:
        if len(text) < chars:
            raise ValueError(f"it has {len(text)} characters, {chars} are the least")

    return check


def _check_dsn(text: str) -> None:
    """Refuse what one of the two drivers cannot read or would read otherwise. Quotes nothing: any part may be the password."""
    scheme, _, rest = text.partition("://")
    if scheme not in ("postgresql", "postgres"):
        raise ValueError("it must start with postgresql://")
    login, _, place = rest.rpartition("@")
    if set(login) & set("@/?# ") or set(place) & set("# "):
        raise ValueError("in its login and password @ / ? # and a space must be written %40 %2F %3F %23 %20")
    try:
        parts = conninfo_to_dict(text)
    except ProgrammingError:
        form = "postgresql://login:password@host:port/database?option=value"
        raise ValueError(f"it cannot be read: write {form}, where an option is one of libpq's and a % is written %25") from None
    hosts, ports = str(parts.get("host", "")).split(","), str(parts.get("port", "")).split(",")
    if not all(map(_is_host, hosts)) and "service" not in parts:
        raise ValueError(
            "it names no host, or one that cannot be: write …@host/database, or …@/database?host=/run/postgresql for a socket"
        )
    if not all(map(_is_port, ports)) or len(ports) not in (1, len(hosts)):
        raise ValueError("its port must be a number from 1 to 65535, one for all hosts or one for each")


def _is_host(text: str) -> bool:
    """Whether it may be a name or an address, or is the directory of a socket."""
    try:
        return text.startswith("/") or bool(text.encode("idna"))
    except UnicodeError:
        return False


def _is_port(text: str) -> bool:
    """Whether it is a port; none at all is the usual one."""
    return not text or (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535)


def _check_host(text: str) -> None:
    if not _is_host(text):
        raise ValueError(f"it must be a name or an address of this machine, not {text!r}")


def _check_web(text: str) -> None:
    if not _is_web(text):
        raise ValueError(f"it must be an https:// address (http:// on this machine only), not {text!r}")


def _is_web(text: str) -> bool:
    try:
        url = urlsplit(text)
        named = bool(url.hostname) and url.port != 0 and " " not in text
    except ValueError:  # of urlsplit and of `port`: brackets that do not close, a port that is no number
        return False
    local = url.hostname in ("127.0.0.1", "localhost", "::1")
    return named and (url.scheme == "https" or (url.scheme == "http" and local)) and not (url.query or url.fragment)


def _check_place(text: str) -> None:
    host, colon, port = text.rpartition(":")
    if not (colon and host and _is_host(host) and port and _is_port(port)) or "/" in text:
        raise ValueError(f"each must be host:port, like n8n:5678, not {text!r}")


def _check_network(text: str) -> None:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(f"each must be an address or a network like 10.0.0.0/8, not {text!r}") from None
    if not network.prefixlen:
        raise ValueError(f"{text} is everybody: anybody could say from where he comes")


def _check_jwt(text: str) -> None:
    kid, _, secret = text.partition(":")
    if not kid or len(secret.encode()) < JWT_SECRET_BYTES:
        raise ValueError(f"each must be kid:secret with a secret of {JWT_SECRET_BYTES} bytes or more")


CHECKS: dict[str, Callable[[str], object]] = {
    "DATABASE_URL": _check_dsn,
    "DATABASE_ADMIN_URL": _check_dsn,
    "DATABASE_LISTEN_URL": _check_dsn,
    "WA_VERIFY_TOKEN": _at_least(VERIFY_TOKEN_CHARS),
    "WA_APP_SECRET": _at_least(APP_SECRET_CHARS),
    "WA_API_BASE": _check_web,
    "PUBLIC_URL": _check_web,
    "JWT_SECRET": _check_jwt,
    "SECRET_KEY": key_bytes,
    "METRICS_TOKEN": _at_least(METRICS_TOKEN_CHARS),
    "TRUSTED_PROXIES": _check_network,
    "OUTSIDE_TRUSTED": _check_place,
    "HOST": _check_host,
}
"""What msgspec's types do not say about a setting; each raises ValueError, and those of secrets never quote the value."""


def _show(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
