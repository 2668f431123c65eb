"""Proxies and certificates, against real ones."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from engine.errors import ConnectorError, Disconnected, Misconfigured
from engine.net.egress import Egress
from engine.net.request import Request
from engine.net.tls import context as tls_context
from tests.connectors.http_peer import head, ok, raw, serving
from tests.connectors.net_session import READ, WRITE, Names, Tls, client, outcome


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


async def _proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, seen: list[str]) -> None:
    """A small real proxy: CONNECT and plain requests; every name leads to *port* here."""
    first = await head(reader)
    line = first.split(b"\r\n")[0].decode()
    seen.append(line)
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    if line.startswith("CONNECT"):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        method, url, version = line.split(" ")
        path = "/" + url.split("/", 3)[3]
        far_writer.write(first.replace(line.encode(), f"{method} {path} {version}".encode(), 1))
    both = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
    await asyncio.gather(*both)


@asynccontextmanager
async def proxied(seen: list[str], tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A proxy, and the one server all its names lead to."""
    async with serving(lambda call: ok({"a": 1}), tls) as peer, raw(lambda r, w: _proxy(r, w, peer.port, seen)) as url:
        yield url


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_a_proxy_of_the_environment_and_of_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain requests go through it; NO_PROXY and names from answers do not."""
    seen: list[str] = []
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    next_page = Request(url="http://elsewhere.example/next", reads=True)
    async with proxied(seen) as address:
        monkeypatch.setenv("http_proxy", address)
        async with client("http://hub.example") as made:
            assert (await made.send(READ)).status == 200
            with pytest.raises(Misconfigured, match="through a proxy"):
                await made.send(next_page)
        async with client("http://hub.example", egress=Egress(allow=("elsewhere.example",))) as made:
            assert (await made.send(next_page)).status == 200
        assert seen == ["GET http://hub.example/x HTTP/1.1", "GET http://elsewhere.example/next HTTP/1.1"]
        monkeypatch.setenv("no_proxy", "hub.example")
        assert "not known" in str(await outcome("http://hub.example", READ, resolver=Names({})))
        async with client("http://hub.example", proxy=address) as made:
            assert (await made.send(WRITE)).status == 200


async def test_a_proxy_that_is_down() -> None:
    """It is named, not the system behind it."""
    error = await outcome("http://hub.example", WRITE, proxy="http://me:hush@127.0.0.1:1")
    assert type(error) is Disconnected
    assert "the proxy 127.0.0.1:1 could not be reached: connection refused" in str(error)
    assert "hush" not in str(error)


async def test_a_proxy_that_wants_credentials() -> None:
    """407 on CONNECT is a mistake for people, and the proxy's password does not show."""

    async def wants(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw(wants) as address:
        proxy = address.replace("http://", "http://me:hush@")
        error = await outcome("https://hub.example", READ, proxy=proxy)
    assert type(error) is Misconfigured
    assert "407" in str(error)
    assert "hush" not in str(error)


async def test_tls_through_a_proxy(tls: Tls) -> None:
    """CONNECT, and the certificate is that of the far side."""
    seen: list[str] = []
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(proxied(seen, tls.server))
        far = client("https://localhost", proxy=address, tls=tls.client())
        assert (await (await stack.enter_async_context(far)).send(READ)).status == 200
    assert seen == ["CONNECT localhost:443 HTTP/1.1"]


async def test_the_authority_decides(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is trusted, by option or SSL_CERT_FILE; another or none is misconfigured; verify false trusts all."""
    async with serving(lambda call: ok(), tls.server) as peer:
        async with client(peer.url, tls=tls.client()) as made:
            assert (await made.send(WRITE)).status == 200
        for bad in (tls.client(ca="other.pem"), tls_context("hub", None, tls.folder)):
            error = await outcome(peer.url, WRITE, tls=bad)
            assert type(error) is Misconfigured
            assert "certificate of localhost is not trusted" in str(error)
        async with client(peer.url, tls=tls_context("hub", {"verify": False}, tls.folder)) as made:
            assert (await made.send(WRITE)).status == 200
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.folder / "ca.pem"))
        async with client(peer.url, tls=tls_context("hub", None, tls.folder)) as made:
            assert (await made.send(WRITE)).status == 200


async def test_the_name_must_be_in_the_certificate(tls: Tls) -> None:
    """A certificate of another name is refused."""
    async with serving(lambda call: ok(), tls.server) as peer:
        error = await outcome(peer.url.replace("localhost", "127.0.0.1"), READ, tls=tls.client())
    assert type(error) is Misconfigured


async def test_a_client_certificate(tls: Tls) -> None:
    """A server that asks for one gets it."""
    tls.server.verify_mode = ssl.CERT_REQUIRED
    tls.authority.configure_trust(tls.server)
    async with serving(lambda call: ok(), tls.server) as peer:
        async with client(peer.url, tls=tls.client(cert="client.pem", key="client.key")) as made:
            assert (await made.send(WRITE)).status == 200
        async with client(peer.url, tls=tls.client()) as made:
            with pytest.raises(ConnectorError):
                await made.send(WRITE)


@pytest.mark.parametrize(
    "options", [{"ca": "none.pem"}, {"cert": "none.pem"}, {"key": "client.key"}, {"ca": "client.key"}]
)
def test_bad_files_are_said_at_once(tls: Tls, options: dict[str, str]) -> None:
    """Which option, which file."""
    with pytest.raises(Misconfigured, match=r"tls\."):
        tls_context("hub", options, tls.folder)


async def test_tls_to_a_plain_server() -> None:
    """https towards http says so."""
    async with serving(lambda call: ok()) as peer:
        error = await outcome(peer.url.replace("http:", "https:"), READ)
    assert type(error) is Disconnected
    assert "TLS could not be agreed on" in str(error)
