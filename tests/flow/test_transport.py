"""What is asked goes to the configured exchange alone, encrypted: no proxy, no redirect, no certificate of its own."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.flow.night import EVENING, Night, exchange, small_world
from tests.flow.processes import configured, run

REAL_NOW = datetime.now(EVENING.tzinfo)


@asynccontextmanager
async def listening(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that takes down what it is asked, CONNECT included: its URL, and the requests."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(f"{request.method} {request.raw_path}")
        return web.json_response({"result": "true", "error_code": 0, "data": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, scheme="https" if context else "http") as server:
        yield str(server.make_url("")).rstrip("/"), asked


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate for 127.0.0.1 that nobody but itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(1)
        .not_valid_before(REAL_NOW - timedelta(days=1))
        .not_valid_after(REAL_NOW + timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def environ_of(proxy: str, folder: Path) -> dict[str, str]:
    """What makes other programs go through a proxy, log in, or believe any certificate."""
    netrc = folder / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    proxies = {name: proxy for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())}
    return {**proxies, "NETRC": str(netrc), "PYTHONHTTPSVERIFY": "0", "CURL_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": ""}


async def test_a_certificate_that_nobody_vouches_for_is_refused_whatever_the_environment_says(
    warehouse_dsn: str, tmp_path: Path
) -> None:
    context = self_signed(tmp_path)
    async with exchange(small_world(members=2, days=2)) as sandbox, listening() as (proxy, passed):
        asked: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            asked.append(request.raw_path)
            return web.Response()

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(app, scheme="https")
        await server.start_server(ssl=context)
        config = configured(tmp_path, Night(sandbox, warehouse_dsn))
        config.write_text(config.read_text().replace(sandbox.url, str(server.make_url("")).rstrip("/")))
        ended = await run(config, "check", environ=environ_of(proxy, tmp_path))
        await server.close()
    assert ended.code == 1, ended.out
    assert "its certificate is not trusted (self-signed certificate), nothing was sent" in ended.out
    assert (asked, passed) == ([], [])


async def test_no_proxy_and_no_login_of_the_environment_is_used(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world(members=2, days=2)) as sandbox, listening() as (proxy, passed):
        headers: list[str] = []

        def look(request: web.Request) -> None:
            headers.extend(request.headers)

        sandbox.faults.append(look)
        config = configured(tmp_path, Night(sandbox, warehouse_dsn))
        ended = await run(config, "sync", environ=environ_of(proxy, tmp_path))
    assert ended.code == 0, ended.err
    assert passed == []
    assert headers
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_told_and_never_followed(warehouse_dsn: str, tmp_path: Path, status: int) -> None:
    async with exchange(small_world(members=2, days=2)) as sandbox, listening() as (elsewhere, asked):

        def redirect(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{elsewhere}{request.raw_path}"})

        sandbox.faults.append(redirect)
        ended = await run(configured(tmp_path, Night(sandbox, warehouse_dsn)), "sync")
    assert ended.code == 1
    assert f"LBank answered HTTP {status}, a redirect to http://127.0.0.1, which is not followed" in ended.err
    assert "check base_url" in ended.err
    assert asked == []
