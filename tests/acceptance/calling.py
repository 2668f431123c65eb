"""Callers of webhooks that never stop, and count everything that is not the answer they expect."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

PAUSE = 0.01
"""Seconds between two calls of one caller: a steady load, not a test of speed."""


@dataclass
class Calls:
    """What became of all calls to one path."""

    port: int
    path: str
    good: int
    """The status that is expected."""
    answers: Counter[str] = field(default_factory=Counter)
    """By status, or by what broke instead of an answer."""
    sent: set[int] = field(default_factory=set)
    """What was answered as expected."""
    last: Any = None
    """The newest answer."""
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def strange(self) -> dict[str, int]:
        """Everything that is not the expected answer."""
        return {kind: count for kind, count in self.answers.items() if kind != str(self.good)}

    async def call(self) -> None:
        """Call again and again over one connection, and over a new one where it breaks."""
        while True:
            try:
                await self._converse()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.answers[type(error).__name__] += 1
                await asyncio.sleep(PAUSE)

    async def _converse(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while True:
                number = next(self.numbers)
                writer.write(request(self.path, number))
                status, body = await answer(reader)
                self.answers[str(status)] += 1
                if status == self.good:
                    self.sent.add(number)
                    self.last = json.loads(body)
                await asyncio.sleep(PAUSE)
        finally:
            writer.close()


def request(path: str, number: int) -> bytes:
    """Write one call."""
    body = b'{"id": %d}' % number
    head = f"POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return int(head.split(b" ", 2)[1]), await reader.readexactly(lengths[0] if lengths else 0)


@asynccontextmanager
async def calling(*calls: Calls, connections: int = 4) -> AsyncIterator[None]:
    """Let callers call, so many on each path; the call in hand is cut off at the end and not counted."""
    tasks = [asyncio.create_task(one.call()) for one in calls for _ in range(connections)]
    try:
        yield
        assert not any(task.done() for task in tasks), "the callers call until the end"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
