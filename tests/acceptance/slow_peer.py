"""A web server that takes its time for every call and knows how many were there at once, path by path."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from .web_peer import answering


@dataclass
class SlowPeer:
    """Answers 200 after *seconds*."""

    seconds: float
    url: str = ""
    now: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        self.calls[path] += 1
        self.now[path] += 1
        self.most[path] = max(self.most[path], self.now[path])
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.now[path] -= 1
        return web.json_response({})


@contextmanager
def serving_slowly(seconds: float) -> Iterator[SlowPeer]:
    """Serve on a free port from a thread of its own."""
    peer = SlowPeer(seconds)
    with answering(peer.serve) as peer.url:
        yield peer
