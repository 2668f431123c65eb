"""What became of a request whose answer did not come, against real servers."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp.abc import ResolveResult

from engine.errors import Disconnected, Uncertain
from engine.net.request import Request
from tests.connectors.http_peer import head, raw
from tests.connectors.net_session import READ, WRITE, Names, outcome


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
