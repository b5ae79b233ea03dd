"""S49: what goes to the Cloud API goes to nobody in the middle: certificate and protocol are checked before a byte of it leaves."""

import ast
import asyncio
import datetime as dt
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Struct

from atendeja.cloud import Cloud, Outcome
from atendeja.wa import reply
from tests.test_cloud import OK, Graph, respond

ROOT = Path(__file__).parents[1] / "atendeja"
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


class Authority(Struct):
    """Who signs certificates: `path` is its own, for whoever trusts it."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    path: Path


def name(of: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, of)])


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def certify(by: Authority | None, host: str, key: ec.EllipticCurvePrivateKey, ends: dt.datetime) -> x509.Certificate:
    """Without an authority it signs itself, as one."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(host))
        .issuer_name(name(host) if by is None else by.name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key if by is None else by.key, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """One that this machine trusts."""
    key, path = ec.generate_private_key(ec.SECP256R1()), tmp_path / "authority.pem"
    path.write_bytes(pem(certify(None, "authority", key, NOW + DAY)))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return Authority(key, name("authority"), path)


def serving(folder: Path, by: Authority | None, host: str = "localhost", ends: dt.datetime = NOW + DAY) -> ssl.SSLContext:
    key, path = ec.generate_private_key(ec.SECP256R1()), folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    path.write_bytes(private + pem(certify(by, host, key, ends)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def post(context: ssl.SSLContext) -> tuple[reply.Verdict, int]:
    """(verdict of a send to a server with this context, how many requests it read)."""
    graph = Graph()
    graph.behave = respond(OK)
    server = await asyncio.start_server(graph.serve, "127.0.0.1", 0, ssl=context)
    cloud = Cloud(f"https://localhost:{server.sockets[0].getsockname()[1]}", "v24.0")
    outcome = await cloud.call_messages("100", "segredo", b"{}")
    await cloud.close()
    server.close()
    assert isinstance(outcome, Outcome)
    assert (outcome.first_byte_at is None) == (not graph.requests)
    return outcome.verdict, len(graph.requests)


async def test_the_right_host_with_a_good_certificate_is_spoken_to(authority: Authority, tmp_path: Path) -> None:
    assert await post(serving(tmp_path, authority)) == (reply.Accepted("wamid.A", "55"), 1)


@pytest.mark.parametrize("case", ["signed by nobody we know", "of another host", "expired"])
async def test_a_man_in_the_middle_reads_nothing(case: str, authority: Authority, tmp_path: Path) -> None:
    """Not a byte left us: the message stays queued and is tried again."""
    match case:
        case "signed by nobody we know":
            context = serving(tmp_path, None)
        case "of another host":
            context = serving(tmp_path, authority, host="graph.example")
        case _:
            context = serving(tmp_path, authority, ends=NOW - DAY)
    assert await post(context) == (reply.Unavailable("ClientConnectorCertificateError"), 0)


async def test_nothing_older_than_tls_1_2_is_spoken(authority: Authority, tmp_path: Path) -> None:
    context = serving(tmp_path, authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    assert await would_take(context, authority), "somebody who is less careful would have spoken to it"
    verdict, requests = await post(context)
    assert isinstance(verdict, reply.Unavailable) and requests == 0


async def would_take(context: ssl.SSLContext, authority: Authority) -> bool:
    careless = ssl.create_default_context(cafile=authority.path)
    careless.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        careless.minimum_version = ssl.TLSVersion.TLSv1
    server = await asyncio.start_server(Graph().serve, "127.0.0.1", 0, ssl=context)
    _, writer = await asyncio.open_connection("localhost", server.sockets[0].getsockname()[1], ssl=careless)
    said = writer.get_extra_info("ssl_object").version()
    writer.close()
    server.close()
    return bool(said == "TLSv1.1")


FORBIDDEN = {"CERT_NONE", "CERT_OPTIONAL", "_create_unverified_context", "check_hostname", "verify_mode", "verify_ssl"}


def unsafe(tree: ast.AST) -> Iterator[int]:
    """Lines on which the checking of certificates could be switched off."""
    for node in ast.walk(tree):
        named = getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "arg", None)
        off = isinstance(node, ast.keyword) and node.arg in ("ssl", "verify") and isinstance(node.value, ast.Constant)
        if (isinstance(named, str) and named in FORBIDDEN) or off:
            yield getattr(node, "lineno", 0)


def test_nothing_in_the_code_switches_it_off() -> None:
    for path in sorted(ROOT.rglob("*.py")):
        assert list(unsafe(ast.parse(path.read_text()))) == [], path


@pytest.mark.parametrize(
    "code",
    ["get(url, ssl=False)", "context.check_hostname = False", "context.verify_mode = ssl.CERT_NONE", "get(url, verify=False)"],
)
def test_what_would_switch_it_off_is_found(code: str) -> None:
    assert list(unsafe(ast.parse(code)))
