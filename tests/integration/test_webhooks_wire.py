"""What goes over the wire: the short way most answers take says the same as the long one, and nothing gets stuck."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from engine.http.guard import Guarded
from engine.store.base import NewEntry
from engine.store.memory import MemoryStore
from tests.integration.test_webhooks_limits import OPEN, head, raw, routes_of
from tests.integration.webhook_rig import NOW, listening


def parts(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    """Take one answer apart: its first line, its headers, what follows."""
    top, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = top.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("line", ["X-Usual: 1", "Connection: close"])
async def test_both_ways_of_answering_say_the_same(tmp_path: Path, line: str) -> None:
    """The usual call is answered with ready bytes, one that closes by aiohttp: but for the closing they are alike."""
    async with listening(routes_of(tmp_path, OPEN), MemoryStore()) as rig:
        closing = head("Content-Length: 2", "Connection: close") + b"{}"
        answer = await raw(rig, head("Content-Length: 2", line) + b"{}", *([] if "close" in line else [closing]))
        first, headers, body = parts(answer)
        assert first == "HTTP/1.1 202 Accepted"
        length = int(headers.pop("Content-Length"))
        assert json.loads(body[:length])["accepted"] == 1
        date = parsedate_to_datetime(headers.pop("Date"))
        assert ("close" in line) or date.timestamp() == NOW
        assert headers.pop("Connection", "") == ("close" if "close" in line else "")
        assert headers == {
            "Content-Type": "application/json",
            "Server": "engine",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }


async def test_an_old_client_is_answered_as_it_asks(tmp_path: Path) -> None:
    """HTTP/1.0 closes after the answer unless the client asked to keep the connection, and is told so."""
    async with listening(routes_of(tmp_path, OPEN), MemoryStore()) as rig:
        old = head("Content-Length: 2").replace(b"HTTP/1.1", b"HTTP/1.0") + b"{}"
        first, headers, _ = parts(await raw(rig, old))
        assert first == "HTTP/1.0 202 Accepted"
        assert headers.get("Connection", "close") == "close"


async def test_calls_sent_in_one_go_are_all_answered_in_order(tmp_path: Path) -> None:
    """300 calls without waiting for any answer, each its own entry: none is stuck behind another."""
    async with listening(
        routes_of(tmp_path, "{path: /sales, auth: none, event_id: {value: id}}"), MemoryStore()
    ) as rig:
        bodies = [json.dumps({"id": number}).encode() for number in range(300)]
        calls = [head(f"Content-Length: {len(body)}") + body for body in bodies]
        last = head("Content-Length: 8", "Connection: close") + b'{"id":0}'
        async with asyncio.timeout(20):
            answer = await raw(rig, b"".join([*calls, last]))
        assert answer.count(b"HTTP/1.1 202 Accepted") == 300
        ids = re.findall(rb'"id": "([0-9a-f]{16})"', answer)
        assert ids == [*sorted(ids[:300]), ids[0]]


class Held(MemoryStore):
    """Keeps the first append waiting until reading was paused: what comes behind it piles up."""

    paused = asyncio.Event()

    async def append(self, entries: Sequence[NewEntry]) -> Sequence[tuple[str, bool]]:
        await self.paused.wait()
        return await super().append(entries)


async def three_calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, list[int]]:
    """Send a small call, a large one that has to wait with its body half read, and a small one."""
    Held.paused, pause = asyncio.Event(), Guarded.pause_reading

    def told(self: Guarded) -> None:
        Held.paused.set()
        pause(self)

    monkeypatch.setattr(Guarded, "pause_reading", told)
    async with listening(routes_of(folder, OPEN), Held()) as rig:
        body = json.dumps({"text": "x" * 1_000_000}).encode()
        small, end = head("Content-Length: 2") + b"{}", head("Content-Length: 2", "Connection: close") + b"{}"
        async with asyncio.timeout(5):
            answer = await raw(rig, small + head(f"Content-Length: {len(body)}") + body + end)
        return answer, [len(entry.body["raw"]) for entry in await rig.entries()]


async def test_a_large_body_behind_a_slow_call_arrives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading pauses, goes on, and the call behind it is answered too."""
    answer, sizes = await three_calls(tmp_path, monkeypatch)
    assert answer.count(b"HTTP/1.1 202 Accepted") == 3
    assert sizes == [2, 1_000_012, 2]


async def test_reading_that_never_goes_on_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with resuming taken out altogether the large body is stuck."""
    monkeypatch.setattr(Guarded, "resume_reading", lambda self, resume_parser=True: None)
    with pytest.raises(TimeoutError):
        await three_calls(tmp_path, monkeypatch)
