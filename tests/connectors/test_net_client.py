"""The guarded session against real servers: what was lost, what was sent, what is refused."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.errors import ConnectorError, Disconnected, Misconfigured, Uncertain
from engine.net.auth import credentials
from engine.net.client import Access, Client
from engine.net.egress import Egress, Guard
from engine.net.request import Request
from engine.net.tls import context as tls_context
from tests.connectors.http_peer import Call, head, ok, raw, serving

READ = Request("GET", "/x", reads=True, timeout=5)
WRITE = Request("POST", "/x", body=b"{}", timeout=5)


@asynccontextmanager
async def client(base: str, *, resolver: Any = None, guarded: bool = True, **access: Any) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        made = Client(Access("hub", base, **access), resolver=resolver, guarded=guarded)
        await made.open(stack)
        yield made


async def outcome(base: str, request: Request, **access: Any) -> ConnectorError:
    async with client(base, **access) as made:
        with pytest.raises(ConnectorError) as caught:
            await made.send(request)
    inner = caught.value.__context__
    assert not isinstance(inner, aiohttp.ClientError | OSError), "it would carry headers and addresses along"
    return caught.value


# ---- lost or not sent


@pytest.mark.parametrize("request_", [READ, WRITE])
async def test_nobody_listens(request_: Request) -> None:
    """Refused: nothing was sent, whatever it was."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = await outcome(f"http://127.0.0.1:{taken.getsockname()[1]}", request_)
    assert isinstance(error, Disconnected)
    assert "connection refused" in str(error)


async def test_a_name_nobody_knows() -> None:
    """DNS: nothing was sent."""
    error = await outcome("http://nobody.invalid", WRITE, resolver=Names({}))
    assert isinstance(error, Disconnected)
    assert "nobody.invalid is not known" in str(error)


Manners = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)


async def _cuts_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":')
    await writer.drain()


async def _cuts_a_chunk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n")
    await writer.drain()


async def _cuts_the_package(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    packed = gzip.compress(b"[1,2,3]" * 100)[:-9]
    size = str(len(packed)).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + size + b"\r\n\r\n" + packed)
    await writer.drain()


async def _resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


async def _babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await head(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("manners", [_hangs_up, _cuts_the_body, _cuts_a_chunk, _cuts_the_package, _resets, _babbles])
async def test_an_answer_that_does_not_come_whole(manners: Manners) -> None:
    """A read may be asked again; of a write nobody knows what became."""
    async with raw(manners) as base:
        assert type(await outcome(base, READ)) is Disconnected
        error = await outcome(base, WRITE)
    assert type(error) is Uncertain
    assert "was sent POST /x, and the answer was lost" in str(error)


async def test_silence_after_sending() -> None:
    """Timeout after it was sent: uncertain for a write, to be asked again for a read."""
    stay = asyncio.Event()

    async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        await stay.wait()

    async with raw(hangs) as base:
        read = await outcome(base, Request("GET", "/x", reads=True, timeout=0.1))
        write = await outcome(base, Request("POST", "/x", body=b"{}", timeout=0.1))
        stay.set()
    assert type(read) is Disconnected
    assert type(write) is Uncertain
    assert "no answer within 0.1 s" in str(write)


async def test_a_body_that_drips_is_in_time_as_a_whole() -> None:
    """The timeout of a whole answer holds for all of it, not for each drop."""
    stay = asyncio.Event()

    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        for _ in range(50):
            writer.write(b"x")
            await writer.drain()
            try:
                await asyncio.wait_for(stay.wait(), 0.02)
            except TimeoutError:
                continue
            return

    async with raw(drips) as base:
        error = await outcome(base, Request("GET", "/x", reads=True, timeout=0.2))
        stay.set()
    assert type(error) is Disconnected


async def test_silence_before_sending() -> None:
    """A server that accepts no connection: nothing was sent, not even for a write."""

    class Slow(Names):
        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            await asyncio.Event().wait()
            return []

    error = await outcome("http://slow.example", Request("POST", "/x", timeout=0.1), resolver=Slow({}))
    assert type(error) is Disconnected


# ---- what goes out, what comes back


async def test_requests_arrive_as_they_were_meant() -> None:
    """Base path, query, credentials and headers."""
    async with serving(lambda call: ok({"n": 1})) as peer:
        secret = credentials(
            {"bearer": "t", "api_key": {"query": "key", "value": "k y"}}, {"X-Fixed": "1", "X-Both": "1"}
        )
        async with client(peer.url + "/api/v1/?v=2", credentials=secret) as made:
            answer = await made.send(Request("GET", "/a%2Fb", [("q", "á&="), ("q", "2")], {"x-both": "2"}, reads=True))
    call = peer.calls[0]
    assert (answer.status, answer.body) == (200, b'{"n": 1}')
    assert call.path == "/api/v1/a%2Fb"
    assert call.query == {"v": "2", "q": "á&=", "key": "k y"}
    assert call.headers["authorization"] == "Bearer t"
    assert (call.headers["x-fixed"], call.headers["x-both"]) == ("1", "2")
    assert "accept-encoding" in call.headers


async def test_one_connection_serves_many_requests() -> None:
    """The session keeps it open."""
    ports = set()

    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports.add(writer.get_extra_info("peername"))
        while True:
            await head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with raw(answers) as base, client(base) as made:
        for _ in range(5):
            await made.send(WRITE)
    assert len(ports) == 1


async def test_an_error_shows_the_begin_of_the_answer_without_secrets() -> None:
    """The system may repeat a token; people never see it."""
    secret = credentials({"bearer": "sesame-street"})
    async with AsyncExitStack() as stack:
        repeats = serving(lambda call: ok({"error": f"bad {call.headers['authorization']}"}, 422))
        peer = await stack.enter_async_context(repeats)
        made = await stack.enter_async_context(client(peer.url, credentials=secret))
        answer = await made.send(Request("POST", "/orders"))
    assert answer.what.startswith("hub answered 422 to POST /orders: {")
    assert "sesame" not in answer.what
    assert "sesame" not in repr(answer)


async def test_an_answer_may_be_packed() -> None:
    """gzip and deflate are unpacked."""
    packed = gzip.compress(b'{"a": 1}')
    answer = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    async with serving(lambda call: answer) as peer, client(peer.url) as made:
        assert (await made.send(READ)).body == b'{"a": 1}'


async def test_a_packing_nobody_asked_for_is_refused() -> None:
    """br is not understood here."""
    async with serving(lambda call: web.Response(body=b"x", headers={"Content-Encoding": "br"})) as peer:
        assert type(await outcome(peer.url, READ)) is Misconfigured
        assert type(await outcome(peer.url, WRITE)) is Uncertain


async def test_an_answer_too_large_is_not_kept() -> None:
    """By declared and by undeclared length; a write is uncertain then."""
    async with serving(lambda call: web.Response(body=b"x" * 3000)) as peer:
        error = await outcome(peer.url, READ, max_response=1000)
        assert type(error) is Misconfigured
        assert "larger than 1000 bytes" in str(error)
        assert type(await outcome(peer.url, WRITE, max_response=1000)) is Uncertain
        async with client(peer.url, max_response=3000) as made:
            assert len((await made.send(READ)).body) == 3000  # control


async def test_a_bomb_does_not_fill_the_memory() -> None:
    """200 MB of zeros in 200 kB are refused within little memory."""
    packed = gzip.compress(bytes(200_000_000))
    answer = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    async with serving(lambda call: answer) as peer:
        tracemalloc.start()
        try:
            error = await outcome(peer.url, READ, max_response=1_000_000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert type(error) is Misconfigured
    assert peak < 6_000_000, peak


async def test_an_endless_answer_ends() -> None:
    """Chunks without end stop at the cap."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    async with raw(endless) as base:
        assert type(await outcome(base, READ, max_response=100_000)) is Misconfigured


# ---- where it may go


class Names(AbstractResolver):
    """Names as the test says; each look-up takes the next answer."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        if host not in self.names:
            raise OSError(-2, "Name or service not known")
        answers = self.names[host]
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


def _sends_to(url: str) -> Callable[[Call], web.Response]:
    return lambda call: web.Response(status=302, headers={"Location": url}) if call.path == "/x" else ok({"in": "side"})


FOLLOW = Request("GET", "/x", reads=True, redirects=3)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/secret",
        "http://[::ffff:127.0.0.1]:{port}/secret",
        "http://2130706433:{port}/secret",
        "http://inside.example:{port}/secret",
        "file:///etc/passwd",
        "http://user@inside.example:{port}/secret",
    ],
)
async def test_a_redirect_does_not_lead_inside(url: str) -> None:
    """By address, disguise or name; with the guard off it does (control)."""
    names = {"inside.example": ["127.0.0.1"], "own.example": ["127.0.0.1"]}
    async with serving(lambda call: ok()) as peer:
        peer.answer = _sends_to(url.format(port=peer.port))
        base = f"http://own.example:{peer.port}"
        async with client(base, resolver=Names(names)) as made:
            with pytest.raises(Misconfigured):
                await made.send(FOLLOW)
        assert [call.path for call in peer.calls] == ["/x"]
        if url.startswith(("http://127", "http://inside")):
            async with client(base, resolver=Names(names), guarded=False) as made:
                assert (await made.send(FOLLOW)).body == b'{"in": "side"}'
            async with client(base, resolver=Names(names), egress=Egress(allow=("127.0.0.0/8",))) as made:
                assert (await made.send(FOLLOW)).status == 200


async def test_a_name_that_changes_its_address_inside_is_refused() -> None:
    """DNS rebinding: the second look-up leads inside."""

    def rebinding() -> Names:
        return Names({"api.example": ["8.8.8.8", "127.0.0.1"]})

    async with serving(lambda call: ok({"in": "side"})) as peer:
        base = f"http://api.example:{peer.port}"
        async with client(base, resolver=rebinding()) as made:
            await made._resolver.resolve("api.example")
            with pytest.raises(Misconfigured, match="changed"):
                await made.send(READ)
        assert peer.calls == []
        async with client(base, resolver=rebinding(), guarded=False) as made:
            await made._resolver.resolve("api.example")
            assert (await made.send(READ)).status == 200  # control


async def test_the_socket_itself_takes_only_approved_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the check before were passed by, the connection is not made."""
    monkeypatch.setattr(Guard, "check_url", lambda guard, url: None)
    async with serving(lambda call: ok()) as peer:
        base = peer.url.replace("localhost", "127.0.0.1")
        async with client(base) as made:
            with pytest.raises(Disconnected):
                await made.send(READ)
        assert peer.calls == []
        async with client(base, guarded=False) as made:
            assert (await made.send(READ)).status == 200  # control


async def test_credentials_stay_at_home() -> None:
    """Another host gets neither token nor key nor the author's headers."""
    async with serving(lambda call: ok({"you": "there"})) as other, serving(lambda call: ok()) as peer:
        peer.answer = _sends_to(f"http://127.0.0.1:{other.port}/there")
        secret = credentials({"bearer": "t", "api_key": {"query": "key", "value": "k"}})
        async with client(peer.url, credentials=secret, egress=Egress("allow")) as made:
            await made.send(Request("GET", "/x", headers={"X-Token": "t"}, reads=True, redirects=1))
            await made.send(Request("GET", url=f"http://127.0.0.1:{other.port}/next", reads=True))
            await made.send(Request("GET", url=f"{peer.url}/next", reads=True))
    for call in other.calls:
        assert "authorization" not in call.headers
        assert "x-token" not in call.headers
        assert call.query == {}
    assert len(other.calls) == 2
    assert peer.calls[-1].headers["authorization"] == "Bearer t"


async def test_redirects_are_not_followed_unless_asked() -> None:
    """A 302 is an answer; a POST is never sent on."""
    async with serving(_sends_to("/there")) as peer, client(peer.url) as made:
        assert (await made.send(READ)).status == 302
        assert (await made.send(Request("POST", "/x", body=b"", redirects=3))).status == 302
        assert [call.path for call in peer.calls] == ["/x", "/x"]
        assert (await made.send(FOLLOW)).status == 200


@pytest.mark.parametrize("base", ["ftp://a.example", "api.example", "http://", "", "http://u:p@api.example"])
async def test_a_base_address_must_be_usable(base: str) -> None:
    """A wrong one is said at once, without the password in it."""
    with pytest.raises(Misconfigured) as caught:
        Client(Access("hub", base))
    assert "u:p" not in str(caught.value)


# ---- proxy


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


# ---- TLS


class Tls:
    """An authority of the test's own, a server and a client it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        trustme.CA().cert_pem.write_to_path(str(folder / "other.pem"))
        mine = self.authority.issue_cert("client@example.com")
        mine.private_key_pem.write_to_path(str(folder / "client.key"))
        mine.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert("localhost").configure_cert(self.server)

    def client(self, **options: Any) -> ssl.SSLContext:
        return tls_context("hub", {"ca": "ca.pem", **options}, self.folder)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


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
