"""The admin listener, on a real socket: what it shows, to whom, and what it refuses."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from engine.errors import Unavailable
from engine.events import Noted
from engine.http.admin import AdminListener, AdminPorts, AdminSettings, Page, as_page

FREE = {"port": 0}


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Rig:
    """Ports that say what a test wants, behind a listener on a free port."""

    def __init__(self, settings: AdminSettings | None = None) -> None:
        self.told: list[Noted] = []
        self.status = 200
        self.error: Exception | None = None
        self.metric_reads = 0
        self.names: list[str] = []
        ports = AdminPorts(self.live, self.ready, self.metrics, self.group, self.told.append)
        self.listener = AdminListener(ports, settings or AdminSettings.of(FREE))

    def live(self) -> Page:
        return as_page((200, {"status": "ok"}))

    def ready(self) -> Page:
        if self.error:
            raise self.error
        return as_page((self.status, {"status": "ready", "reason": "não"}))

    async def metrics(self) -> Page:
        self.metric_reads += 1
        return 200, b"engine_x 1\n", "text/plain; version=0.0.4; charset=utf-8"

    def group(self, name: str) -> Page | None:
        self.names.append(name)
        return as_page((200, {"status": "healthy"})) if name == "banban" else None

    @property
    def port(self) -> int:
        return int(self.listener.address.rpartition(":")[2])

    async def raw(self, text: str, tls: ssl.SSLContext | None = None) -> bytes:
        """Send exactly *text*; give all that comes until the end."""
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name)
        writer.write(text.encode("latin-1"))
        await writer.drain()
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        return answer

    async def ask(self, path: str, method: str = "GET", host: str = "localhost", more: str = "") -> Answered:
        answer = await self.raw(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return Answered(int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        made = Rig()
        await made.listener.open(stack)
        yield made


async def test_every_page_is_what_its_port_says(rig: Rig) -> None:
    live, ready = await rig.ask("/healthz"), await rig.ask("/readyz")
    assert (live.status, json.loads(live.body)) == (200, {"status": "ok"})
    assert json.loads(ready.body) == {"status": "ready", "reason": "não"}
    assert ready.headers["Content-Type"] == "application/json"
    metrics = await rig.ask("/metrics")
    assert (metrics.status, metrics.body) == (200, b"engine_x 1\n")
    assert metrics.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    group = await rig.ask("/health/groups/banban?pretty=1")
    assert (group.status, json.loads(group.body)) == (200, {"status": "healthy"})


async def test_not_ready_is_said_with_the_status(rig: Rig) -> None:
    rig.status = 503
    assert (await rig.ask("/readyz")).status == 503


async def test_head_is_get_without_the_body(rig: Rig) -> None:
    got, head = await rig.ask("/readyz"), await rig.ask("/readyz", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(got.body)) == got.headers["Content-Length"]


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics/", "/healthz/x", "/api/v1/runs", "/health/groups/", "/health/groups/none", "/health/groups/a/b",
     "/health/groups/BANBAN", "/health/groups/..%2f", "/health/groups/" + "a" * 101, "//healthz", "http://localhost/x"],
)  # fmt: skip
async def test_any_other_path_is_404(rig: Rig, path: str) -> None:
    answer = await rig.ask(path)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert json.loads(answer.body) == {"type": "about:blank", "title": "Not Found", "status": 404}
    assert rig.names in ([], ["none"]), "a name that cannot be one is not asked for"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_it_changes_nothing(rig: Rig, method: str) -> None:
    answer = await rig.ask("/metrics", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert rig.metric_reads == 0


async def test_every_answer_carries_the_headers_that_protect_people(rig: Rig) -> None:
    for path in ("/healthz", "/metrics", "/nothing"):
        headers = (await rig.ask(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "engine"
        assert not any(name.lower().startswith("access-control") for name in headers)


# by which name it is asked


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.1:8081"])
async def test_its_own_names_are_answered(rig: Rig, host: str) -> None:
    assert (await rig.ask("/metrics", host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::1]", "127.0.0.2", "0.0.0.0",
     "hub.internal", "", "127.1", "2130706433", "localhost, evil.example"],
)  # fmt: skip
async def test_a_page_of_somebody_else_cannot_read_it(rig: Rig, host: str) -> None:
    """DNS rebinding: the browser gives the name it knows, and that is not ours."""
    answer = await rig.ask("/metrics", host=host)
    assert (answer.status, rig.metric_reads) == (421, 0)
    assert b"allowed_hosts" in answer.body


async def test_two_hosts_or_none_are_not_answered(rig: Rig) -> None:
    two = await rig.ask("/metrics", more="Host: evil.example\r\n")
    none = await rig.raw("GET /metrics HTTP/1.0\r\n\r\n")
    assert (two.status in (400, 421), none.split()[1] in (b"400", b"421"), rig.metric_reads) == (True, True, 0)


async def test_a_name_that_is_written_down_is_answered() -> None:
    """The control of both: the same name, allowed."""
    async with AsyncExitStack() as stack:
        rig = Rig(AdminSettings.of({"port": 0, "allowed_hosts": ["Hub.Internal"]}))
        await rig.listener.open(stack)
        assert (await rig.ask("/metrics", host="hub.internal:8081")).status == 200
        assert (await rig.ask("/metrics", host="evil.example")).status == 421


# where it listens


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "10.0.0.5", "192.168.1.1", "hub.internal", "169.254.1.1", "::ffff:10.0.0.1", ""]
)
def test_an_address_others_can_reach_is_refused(address: str) -> None:
    with pytest.raises(Unavailable, match=r"admin\.address.*no auth.*write 127\.0\.0\.1"):
        AdminSettings.of({"address": address})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_an_address_of_this_machine_alone_is_taken(address: str) -> None:
    assert AdminSettings.of({"address": address}).address == address


async def test_a_name_that_leads_elsewhere_is_refused_before_anybody_can_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """``localhost`` may mean anything in a hosts file: what counts is where it was bound."""
    loop = asyncio.get_running_loop()

    async def elsewhere(*args: Any, **named: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("0.0.0.0", 0))]

    monkeypatch.setattr(loop, "getaddrinfo", elsewhere)
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match="not this machine alone"):
            await Rig(AdminSettings.of({"address": "localhost", "port": 0})).listener.open(stack)


async def test_a_port_that_is_taken_is_said_with_what_to_do(rig: Rig) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Unavailable, match=rf"cannot listen for admin on 127\.0\.0\.1:{rig.port}.*change admin in"):
            await Rig(AdminSettings.of({"port": rig.port})).listener.open(stack)


async def test_the_path_of_the_figures_may_be_another() -> None:
    async with AsyncExitStack() as stack:
        rig = Rig(AdminSettings.of(FREE, {"path": "/internal/metrics"}))
        await rig.listener.open(stack)
        assert (await rig.ask("/internal/metrics")).status == 200
        assert (await rig.ask("/metrics")).status == 404


async def test_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with AsyncExitStack() as stack:
        rig = Rig(AdminSettings.of({"port": 0, "tls": {"cert": str(cert), "key": str(key)}}))
        await rig.listener.open(stack)
        assert rig.listener.address.startswith("https://")
        answer = await rig.raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", trusting)
    assert answer.startswith(b"HTTP/1.1 200 OK")


async def test_tls_files_that_are_not_there_are_said(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        files = {"cert": str(tmp_path / "no.pem"), "key": str(tmp_path / "no.key")}
        rig = Rig(AdminSettings.of({"port": 0, "tls": files}))
        with pytest.raises(Unavailable, match="cannot listen for admin"):
            await rig.listener.open(stack)


# what goes wrong


async def test_a_page_that_fails_tells_the_log_and_not_the_caller(rig: Rig) -> None:
    rig.error = KeyError("inside")
    answer = await rig.ask("/readyz")
    assert (answer.status, b"inside" in answer.body) == (500, False)
    assert [(one.level, one.code, one.message) for one in rig.told] == [
        ("error", "admin", "/readyz could not be made: KeyError: 'inside'")
    ]
    rig.error = None
    assert (await rig.ask("/readyz")).status == 200


async def test_a_page_that_takes_too_long_is_given_up(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.http.admin._WITHIN", 0.01)

    async def never() -> Page:
        await asyncio.Event().wait()
        raise AssertionError

    rig.listener._ports.metrics = never
    assert (await rig.ask("/metrics")).status == 503
    assert (await rig.ask("/healthz")).status == 200


async def test_bodies_are_not_read(rig: Rig) -> None:
    """Ten gigabytes are announced and none of them waited for."""
    answer = await rig.ask("/healthz", "POST", more="Content-Length: 10000000000\r\n")
    assert answer.status == 405
    answer = await rig.ask("/healthz", "GET", more="Content-Length: 10000000000\r\n")
    assert (answer.status, answer.headers["Connection"]) == (200, "close")


@pytest.mark.parametrize(
    "more", ["X-Long: " + "a" * 9000 + "\r\n", "".join(f"X-{n}: 1\r\n" for n in range(200))], ids=["long", "many"]
)
async def test_heads_are_small(rig: Rig, more: str) -> None:
    assert (await rig.ask("/healthz", more=more)).status == 400


async def test_an_ordinary_head_fits(rig: Rig) -> None:
    """The control of the limits."""
    more = "".join(f"X-{n}: {'a' * 50}\r\n" for n in range(30))
    assert (await rig.ask("/healthz", more=more)).status == 200


async def test_closing_twice_is_harmless_and_ends_the_listening(rig: Rig) -> None:
    port = rig.port
    await rig.listener.close()
    await rig.listener.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(Unavailable):
        assert rig.listener.address
