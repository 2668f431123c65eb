"""A real web server beside the test: it answers what it is told to, and remembers what came."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from aiohttp import web


class Reply(NamedTuple):
    """What to answer; status 0 cuts the connection, -1 never answers."""

    status: int = 200
    body: str = "{}"
    headers: Mapping[str, str] = {}


class Call(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class WebPeer:
    """Gives *replies* in order, the last one for ever; or what *decide* says."""

    url: str = ""
    replies: list[Reply] = field(default_factory=lambda: [Reply()])
    decide: Callable[[Call], Reply] | None = None
    calls: list[Call] = field(default_factory=list)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        text = await request.text()
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        call = Call(request.method, request.path_qs, dict(request.headers), body)
        self.calls.append(call)
        if self.decide:
            reply = self.decide(call)
        else:
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply.status > 0:
            return web.Response(
                status=reply.status, text=reply.body, content_type="application/json", headers=reply.headers
            )
        if reply.status < 0:
            await asyncio.sleep(30)  # the client hangs up long before
        if request.transport:
            request.transport.abort()
        return web.Response(status=500)


@contextmanager
def serving() -> Iterator[WebPeer]:
    """Serve on a free port from a thread of its own."""
    peer = WebPeer()
    with answering(peer.serve) as peer.url:
        yield peer


@contextmanager
def answering(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> Iterator[str]:
    """Let *handle* answer on a free port, in a loop and a thread of its own; give the address."""
    loop = asyncio.new_event_loop()

    async def begin() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
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
