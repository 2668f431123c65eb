"""A guarded session, names and certificates for tests of engine.net."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.errors import ConnectorError
from engine.net.client import Access, Client
from engine.net.request import Request
from engine.net.tls import context as tls_context

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
