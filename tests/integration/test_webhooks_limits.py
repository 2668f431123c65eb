"""Limits over real sockets: what is too much, too slow or not HTTP costs the caller, and nobody else."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from engine.http.arrival import Pace
from engine.http.limits import Load
from engine.http.listener import ListenSettings
from engine.store.base import NewEntry
from engine.store.memory import MemoryStore
from tests.integration.webhook_rig import Rig, listening, loaded, write_project

CLIENTS = "clients: {one: {api_keys: [key-1], rate_limit: {limit: 2, per: 1s}}, two: {api_keys: [key-2]}}\n"


def routes_of(folder: Path, webhook: str, **more: Any) -> Any:
    write_project(folder, webhook, **more)
    routes, problems = loaded(folder)
    assert problems == []
    return routes


async def raw(rig: Rig, *parts: bytes, wait: bool = True) -> bytes:
    """Send bytes as they are; give all that comes until the other side closes."""
    host, _, port = rig.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await reader.read() if wait else await reader.read(100_000)
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110  (what is waited for has no event of its own)
            await asyncio.sleep(0)


def head(*lines: str, path: str = "/sales") -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


OPEN = "{path: /sales, auth: none}"


async def test_a_rate_is_by_address_and_says_when_to_come_again(tmp_path: Path) -> None:
    webhook = "{path: /sales, auth: none, rate_limit: {limit: 100, per: 1s, burst: 200}}"
    async with listening(routes_of(tmp_path, webhook), MemoryStore()) as rig:
        answers = [await rig.send("/sales", "{}", {}) for _ in range(205)]
        assert [answer.status for answer in answers] == [202] * 200 + [429] * 5
        assert answers[-1].headers["Retry-After"] == "1"
        assert answers[-1].json()["title"] == "Too Many Requests"
        rig.ticks.now += 0.05
        assert [(await rig.send("/sales", "{}", {})).status for _ in range(6)] == [202] * 5 + [429]


async def test_behind_a_proxy_each_caller_has_its_own_rate(tmp_path: Path) -> None:
    webhook = "{path: /sales, auth: none, rate_limit: {limit: 1, per: 1m}}"
    settings = ListenSettings.of({"port": 0, "trusted_proxies": ["127.0.0.1"]})
    async with listening(routes_of(tmp_path, webhook), MemoryStore(), settings=settings) as rig:
        for name, status in (("192.0.2.1", 202), ("192.0.2.1", 429), ("192.0.2.2", 202)):
            assert (await rig.send("/sales", "{}", {"X-Forwarded-For": name})).status == status
        assert (await rig.send("/sales", "{}", {"X-Forwarded-For": "192.0.2.9, 192.0.2.2"})).status == 429


async def test_a_client_has_its_rate_from_wherever_and_costs_another_nothing(tmp_path: Path) -> None:
    routes = routes_of(tmp_path, "{path: /sales, clients: [one, two]}", settings=CLIENTS)
    async with listening(routes, MemoryStore()) as rig:
        one = [(await rig.send("/sales", "{}", {"X-API-Key": "key-1"})).status for _ in range(4)]
        two = [(await rig.send("/sales", "{}", {"X-API-Key": "key-2"})).status for _ in range(4)]
        assert (one, two) == ([202, 202, 429, 429], [202] * 4)
        assert {told.client for told in rig.told if told.outcome == "limited"} == {"one"}


@pytest.mark.parametrize("trusts", ["nobody", "its proxy", "everybody"])
async def test_an_address_cannot_be_claimed(tmp_path: Path, trusts: str) -> None:
    """S15 over the wire; the control trusts everybody, and is bypassed."""
    trusted = {"nobody": [], "its proxy": ["127.0.0.1"], "everybody": ["0.0.0.0/0", "::/0"]}[trusts]
    settings = ListenSettings.of({"port": 0, "trusted_proxies": trusted})
    routes = routes_of(tmp_path, "{path: /sales, auth: [{allow_ips: [10.0.0.0/8]}]}")
    # what a caller from outside wrote, and, with a proxy, what it appended
    real = "" if trusts == "nobody" else ", 203.0.113.9"
    forged = [
        {"X-Forwarded-For": f"10.1.2.3{real}"},
        {"X-Forwarded-For": f"::ffff:10.1.2.3{real}"},
        {"X-Forwarded-For": f"10.1.2.3:80{real}"},
        {"X-Forwarded-For": f"10.1.2.3, 10.1.2.4{real}"},
        {"X-Real-IP": "10.1.2.3", "X-Forwarded-For": real[2:] or "x"},
        {"Forwarded": "for=10.1.2.3", "X-Forwarded-For": real[2:] or "x"},
        {"Forwarded": 'for="10.1.2.3"' + (", for=203.0.113.9" if real else "")},
        {"X-Forwarded-For": f"unknown{real}", "Client-IP": "10.1.2.3", "True-Client-IP": "10.1.2.3"},
    ]
    async with listening(routes, MemoryStore(), settings=settings) as rig:
        statuses = [(await rig.send("/sales", "{}", headers)).status for headers in forged]
        if trusts == "everybody":
            assert 202 in statuses
        else:
            assert statuses == [401] * len(forged)
        if trusts == "its proxy":
            assert (await rig.send("/sales", "{}", {"X-Forwarded-For": "203.0.113.9, 10.1.2.3"})).status == 202


async def test_a_length_is_refused_before_it_is_read(tmp_path: Path) -> None:
    async with listening(routes_of(tmp_path, OPEN), MemoryStore()) as rig:
        for length in ((1 << 20) + 1, 10 * 2**30):
            answer = await raw(rig, head(f"Content-Length: {length}", "Content-Type: application/json"))
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"\r\nConnection: close\r\n" in answer
        assert [told.outcome for told in rig.told] == ["too_large"] * 2
        assert b" 400 " in await raw(rig, head("Content-Length: " + "9" * 30))


async def test_a_stream_is_cut_at_the_limit(tmp_path: Path) -> None:
    """Chunked, without end: memory is bounded by the limit."""
    import tracemalloc

    async with listening(routes_of(tmp_path, "{path: /sales, auth: none, max_body: 64KiB}"), MemoryStore()) as rig:
        chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        tracemalloc.start()
        try:
            answer = await raw(rig, head("Transfer-Encoding: chunked"), *[chunk] * 200)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert answer == b"reset" or b" 413 " in answer.split(b"\r\n")[0] + b" "
        assert rig.told[-1].outcome == "too_large"
        assert peak < 4 << 20


async def test_whoever_waits_to_be_told_is_told_to_go_on(tmp_path: Path) -> None:
    async with listening(routes_of(tmp_path, OPEN), MemoryStore()) as rig:
        expects = head("Expect: 100-continue", "Content-Length: 2", "Connection: close")
        answer = await raw(rig, expects, b"{}")
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 ")
        large = await raw(rig, head("Expect: 100-continue", f"Content-Length: {2 << 20}"))
        assert large.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_trickles_is_given_up(tmp_path: Path) -> None:
    settings = ListenSettings(port=0, pace=Pace(grace=0.05))
    routes = routes_of(tmp_path, OPEN)
    async with listening(routes, MemoryStore(), settings=settings, real_ticks=True) as rig:
        answer = await raw(rig, head("Content-Length: 100"), b"{")
        assert answer.split()[1] == b"408"
        assert rig.told[-1].outcome == "slow"


@pytest.mark.parametrize("sent", [b"", b"POST /sa", b"POST /sales HTTP/1.1\r\nHost: x\r\nX-A: ", b"\r\n\r\n"])
async def test_a_head_that_trickles_is_given_up(tmp_path: Path, sent: bytes) -> None:
    settings = ListenSettings(port=0, head=0.05)
    async with listening(routes_of(tmp_path, OPEN), MemoryStore(), settings=settings) as rig:
        assert await raw(rig, sent) == b""
        assert [told.outcome for told in rig.told] == ["slow"]


async def test_a_second_head_on_one_connection_is_watched_too(tmp_path: Path) -> None:
    settings = ListenSettings(port=0, head=0.05)
    async with listening(routes_of(tmp_path, OPEN), MemoryStore(), settings=settings) as rig:
        host, _, port = rig.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head("Content-Length: 2") + b"{}")
        assert b" 202 " in await reader.readline()
        writer.write(b"POST /sales HT")
        rest = await reader.read()
        assert rest.endswith(b"}")
        assert [told.outcome for told in rig.told] == ["accepted", "slow"]
        writer.close()


async def test_connections_of_one_address_are_counted_and_a_proxys_are_not(tmp_path: Path) -> None:
    for trusted, refused in (((), True), (("127.0.0.1",), False)):
        settings = ListenSettings.of({"port": 0, "trusted_proxies": trusted, "limits": {"connections_per_ip": 3}})
        async with listening(routes_of(tmp_path, OPEN), MemoryStore(), settings=settings) as rig:
            host, _, port = rig.url.removeprefix("http://").partition(":")
            held = [await asyncio.open_connection(host, int(port)) for _ in range(3)]
            await asyncio.gather(*(asyncio.sleep(0) for _ in range(5)))
            answer = await raw(rig, head("Content-Length: 2", "Connection: close") + b"{}")
            assert (answer in (b"", b"reset")) is refused
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
            await until(lambda: not rig.listener.connections)
            answer = await raw(rig, head("Content-Length: 2", "Connection: close") + b"{}")
            assert b" 202 " in answer


class Stuck(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.waiting = 0

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        self.waiting += 1
        await self.go.wait()
        return await super().append(entries)


async def test_while_the_disk_is_behind_nothing_more_is_read(tmp_path: Path) -> None:
    store = Stuck()
    async with listening(routes_of(tmp_path, OPEN), store) as rig:
        rig.listener._webhooks.load = Load(calls=5)
        calls = [asyncio.create_task(rig.send("/sales", "{}", {})) for _ in range(5)]
        await until(lambda: store.waiting == 5)
        more = await rig.send("/sales", "{}", {})
        assert (more.status, more.headers["Retry-After"]) == (503, "1")
        nowhere = await rig.send("/nowhere", "{}", {})
        assert nowhere.status == 503, "said to everybody alike"
        store.go.set()
        assert [(await call).status for call in calls] == [202] * 5
        assert (await rig.send("/sales", "{}", {})).status == 202


KNOWN = (
    "{path: /known, auth: [{hmac: {preset: github, secret: s3}}, {api_key: {value: k}},"
    " {basic: {username: u, password: p}}, {allow_ips: [192.0.2.0/24]}]}"
)
NOBODY: list[tuple[str, str, dict[str, str]]] = [
    ("/unknown", "POST", {}),
    ("/known", "PUT", {}),
    ("/known/", "POST", {}),
    ("/KNOWN", "POST", {}),
    ("/known", "POST", {}),
    ("/known", "POST", {"X-API-Key": "wrong"}),
    ("/known", "POST", {"X-Hub-Signature-256": "sha256=" + "0" * 64}),
    ("/known", "POST", {"Authorization": "Basic dTp4"}),
    ("/known", "POST", {"Authorization": "Bearer x"}),
    ("/unknown", "POST", {"X-Hub-Signature-256": "sha256=" + "0" * 64}),
    ("/known", "DELETE", {"X-API-Key": "k"}),
    ("/known", "HEAD", {}),
    ("/unknown", "OPTIONS", {"Origin": "https://x"}),
]


async def test_nobody_learns_what_there_is(tmp_path: Path) -> None:
    """S20: unknown path, wrong method and bad credentials are one answer, byte for byte."""
    async with listening(routes_of(tmp_path, KNOWN), MemoryStore()) as rig:
        seen = set()
        for path, method, headers in NOBODY:
            answer = await rig.send(path, b'{"a": 1}', headers, method)
            shown = {name: value for name, value in answer.headers.items() if name != "Date"}
            seen.add((answer.status, answer.body if method != "HEAD" else seen and next(iter(seen))[1], str(shown)))
        assert len(seen) == 1
        assert {status for status, _, _ in seen} == {401}
        assert len({told.reason for told in rig.told}) > 5, "the log knows the difference"


async def test_nobody_learns_it_from_the_time_it_takes(tmp_path: Path) -> None:
    """S20: the same latency class: medians of calls in turn within a factor of two."""
    async with listening(routes_of(tmp_path, KNOWN), MemoryStore()) as rig:
        body = b"x" * 20_000
        kinds = [("/unknown", {}), ("/known", {"X-Hub-Signature-256": "sha256=" + "0" * 64})]
        taken: list[list[float]] = [[], []]
        for _ in range(150):
            for kind, (path, headers) in enumerate(kinds):
                began = time.perf_counter()
                await rig.send(path, body, headers)
                taken[kind].append(time.perf_counter() - began)
        unknown, known = (statistics.median(times) for times in taken)
    assert 0.5 < unknown / known < 2


SMUGGLED = [
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: 2,2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nX-A\x00: b\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\n : b\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc: d\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n{}",
    b"POST /sales HTTP/9.9\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"PO ST /sales HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales\x00 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /sales HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 65536 + b"\r\n\r\n",
    b"POST /sales HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]
"""S19: framing that two readers would read differently, and what is not HTTP at all."""


@pytest.mark.parametrize("sent", SMUGGLED, ids=range(len(SMUGGLED)))
async def test_ambiguous_framing_is_refused_and_closed(tmp_path: Path, sent: bytes) -> None:
    settings = ListenSettings(port=0, head=0.2)
    async with listening(routes_of(tmp_path, OPEN), MemoryStore(), settings=settings) as rig:
        answer = await raw(rig, sent)
        assert answer in (b"", b"reset") or answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
        assert answer.count(b"HTTP/1.") <= 1, "nothing behind it is read as another request"
        assert await rig.entries() == []


async def test_what_is_not_http_is_told_without_repeating_it(tmp_path: Path) -> None:
    async with listening(routes_of(tmp_path, OPEN), MemoryStore()) as rig:
        answer = await raw(rig, b"<script>alert(1)</script>\r\n\r\n")
        assert b"script" not in answer
        assert b"problem+json" in answer
        assert [(told.outcome, told.status) for told in rig.told] == [("unreadable", 400)]


async def test_the_absolute_form_is_no_path(tmp_path: Path) -> None:
    async with listening(routes_of(tmp_path, OPEN), MemoryStore()) as rig:
        sent = b"POST http://x/sales HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        assert b" 401 " in await raw(rig, sent)
