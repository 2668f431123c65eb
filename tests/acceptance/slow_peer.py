"""A web server that takes its time for every call and knows how many were there at once, path by path."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web


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
    loop = asyncio.new_event_loop()

    async def begin() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(peer.serve, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        peer.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    runner = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield peer
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        pending = asyncio.all_tasks(loop)  # callers that hang hold their handlers
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.wait(pending))
        loop.close()
