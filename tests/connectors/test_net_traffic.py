"""What goes out and what comes back, against real servers."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
from contextlib import AsyncExitStack

from aiohttp import web

from engine.errors import Misconfigured, Uncertain
from engine.net.auth import credentials
from engine.net.request import Request
from tests.connectors.http_peer import head, ok, raw, serving
from tests.connectors.net_session import READ, WRITE, client, outcome


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
