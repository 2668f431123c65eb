"""Real HTTP peers for tests: a small web server that remembers what came, and a raw one for bad manners."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jmespath
from aiohttp import web

from connectors.http import HttpConnection
from engine.connector import Context
from engine.record import Outgoing


@dataclass
class Call:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Call], Awaitable[web.StreamResponse] | web.StreamResponse]


@dataclass
class Peer:
    """A server on a free port; *answer* may be changed between requests."""

    answer: Answer
    url: str = ""
    port: int = 0
    calls: list[Call] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, request.raw_path.partition("?")[0], dict(request.query), headers, body)
        self.calls.append(call)
        made = self.answer(call)
        return made if isinstance(made, web.StreamResponse) else await made


def ok(data: Any = None, status: int = 200, **headers: str) -> web.Response:
    """A JSON answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(data, status=status, headers=named)


@asynccontextmanager
async def serving(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serve on a free port of this machine."""
    peer = Peer(answer)
    runner = web.ServerRunner(web.Server(peer.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    peer.port = runner.addresses[0][1]
    peer.url = f"{'https' if tls else 'http'}://localhost:{peer.port}"
    try:
        yield peer
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw(say: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve raw bytes; gives the base address. Each connection is closed when *say* returns."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await say(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def head(reader: asyncio.StreamReader) -> bytes:
    """Read a request's head and body as far as Content-Length says."""
    text = await reader.readuntil(b"\r\n\r\n")
    for line in text.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            text += await reader.readexactly(int(line.split(b":")[1]))
    return text


def expression(text: str) -> Callable[[Any], Any]:
    """A compiled JMESPath option."""
    return jmespath.compile(text).search


def fixed(value: Any) -> Callable[[Any], Any]:
    """A compiled template option without templates."""
    return lambda names: value


def load(*records: Any, key: str | None = None) -> Outgoing:
    """A load of *records*, with keys from their field *key*."""
    keys = [str(record[key]) if key else None for record in records]
    return Outgoing(list(records), keys, [{}] * len(records), list(records))


async def connect(stack: AsyncExitStack, url: str, name: str = "hub", **options: Any) -> HttpConnection:
    """Open an http connection."""
    connection = HttpConnection(Context(name, timeout=options.pop("timeout", 5.0)), base_url=url, **options)
    await connection.open(stack)
    return connection
