"""A stand-in for the real automation hub: GraphQL over HTTP, with switches for everything that goes wrong in life.

As a process of its own (prints one JSON line with its addresses, ends with SIGTERM):

    python -m tests.peers.automation_hub --port 4000 --db hub.db --control

or inside a test's loop:

    async with AutomationHub() as hub:
        hub.fail(Fault("status", status=503, times=2))
        … hub.url …
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web
from graphql import DocumentNode

from tests.peers.hub_control import control_app
from tests.peers.hub_faults import Fault, Plan, spoil
from tests.peers.hub_schema import Refused, answer, document, root_field
from tests.peers.hub_store import HubStore

LOCALHOST = "127.0.0.1"
UNAUTHENTICATED = {"errors": [{"message": "who are you?", "extensions": {"code": "UNAUTHENTICATED"}}]}
LOG_LENGTH = 5_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the hub remembers it."""

    operation: str
    items: int
    status: int
    """0: nothing was answered."""
    fault: str | None


@dataclass(slots=True)
class AutomationHub:
    """The server, its data and its switches."""

    database: str = ":memory:"
    port: int = 0
    api_key: str | None = None
    store: HubStore = field(init=False)
    asked: list[Asked] = field(default_factory=list)
    requests: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with every request it remembers; a test clears it and waits for the next."""
    _plan: Plan = field(default_factory=Plan)
    _reserved: socket.socket | None = None
    _runner: web.AppRunner | None = None
    _release: asyncio.Event = field(default_factory=asyncio.Event)
    _returning: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens; the same before, during and after ``down``."""
        return f"http://{LOCALHOST}:{self.port}"

    async def __aenter__(self) -> Self:
        self.store = HubStore(self.database)
        self._reserved = _bound(self.port)
        self.port = self._reserved.getsockname()[1]
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._returning:
            self._returning.cancel()
        await self._hush()
        if self._reserved:
            self._reserved.close()
        self.store.close()

    def fail(self, *faults: Fault) -> None:
        """Have these faults, in order, instead of those planned before; requests that hang are cut."""
        self._plan = Plan(faults)
        self._release.set()
        self._release = asyncio.Event()

    async def down(self, seconds: float | None = None) -> None:
        """Close the listener and every connection; come back after *seconds*, or with ``up``."""
        await self._hush()
        if seconds is not None:
            self._returning = asyncio.create_task(self._return(seconds), name="hub comes back")

    async def up(self) -> None:
        """Listen again."""
        if self._returning:
            self._returning.cancel()
            self._returning = None
        if not self._runner:
            await self._listen()

    async def reset(self) -> None:
        """Be as new: no rows, no counts, no faults, no key, listening."""
        self.fail()
        self.api_key = None
        self.asked.clear()
        self.requests = 0
        self.store.reset()
        await self.up()

    def counts(self) -> dict[str, Any]:
        """Give requests, rows by table, deliveries, extra deliveries and refusals."""
        return {"requests": self.requests, **self.store.counts()}

    async def _return(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._listen()
        self._returning = None

    async def _listen(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/graphql", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.SockSite(self._runner, _bound(self.port)).start()

    async def _hush(self) -> None:
        self._release.set()
        self._release = asyncio.Event()
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.api_key and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return self._reply(request, UNAUTHENTICATED, 401)
        try:
            sent = orjson.loads(await request.read())
            parsed = document(sent["query"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return self._reply(request, {"errors": [{"message": "the body must be JSON with a query"}]}, 400)
        except Refused as refused:
            return self._reply(request, refused.body, 400)
        variables = sent.get("variables") or {}
        operation = root_field(parsed)
        fault = self._plan.next(operation)
        if fault is None:
            return self._reply(request, answer(self.store, parsed, variables), asked=(operation, variables))
        return await self._misbehave(request, fault, parsed, variables)

    async def _misbehave(
        self, request: web.Request, fault: Fault, parsed: DocumentNode, variables: dict[str, Any]
    ) -> web.StreamResponse:
        body = answer(self.store, parsed, variables) if fault.writes else {"data": {}}
        asked = (root_field(parsed), variables)
        match fault.kind:
            case "errors":
                return self._reply(request, fault.errors_body(), asked=asked, fault=fault)
            case "status":
                return self._reply(request, {"message": fault.message}, fault.status, asked, fault)
            case "not_json":
                self._remember(asked, 200, fault)
                return web.Response(text="<html><h1>Bem-vindo</h1></html>", content_type="text/html")
            case "no_data":
                return self._reply(request, {"data": None}, asked=asked, fault=fault)
            case "hang":
                self._remember(asked, 0, fault)
                await self._release.wait()
                return _cut(request)
            case "cut":
                self._remember(asked, 0, fault)
                return await _half(request, orjson.dumps(body)) if fault.at == "middle" else _cut(request)
            case "slow":
                await asyncio.sleep(fault.seconds)
        return self._reply(request, body if fault.kind == "slow" else spoil(fault, body), asked=asked, fault=fault)

    def _reply(
        self,
        request: web.Request,
        body: dict[str, Any],
        status: int = 200,
        asked: tuple[str, dict[str, Any]] = ("", {}),
        fault: Fault | None = None,
    ) -> web.Response:
        self._remember(asked, status, fault)
        wait = {"Retry-After": f"{fault.retry_after:g}"} if fault and fault.retry_after is not None else {}
        return web.Response(body=orjson.dumps(body), status=status, content_type="application/json", headers=wait)

    def _remember(self, asked: tuple[str, dict[str, Any]], status: int, fault: Fault | None) -> None:
        operation, variables = asked
        items = sum(len(value) if isinstance(value, list) else 1 for value in variables.values())
        if len(self.asked) >= LOG_LENGTH:
            del self.asked[: LOG_LENGTH // 2]
        self.asked.append(Asked(operation, items, status, fault.kind if fault else None))
        self.heard.set()


def _bound(port: int) -> socket.socket:
    """Bind a port. One such socket that never listens keeps the port ours while the hub is down."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((LOCALHOST, port))
    return bound


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body) + 1)})
    await response.prepare(request)
    await response.write(body[: len(body) // 2 + 1])
    if request.transport:
        # close, not abort: what was written shall arrive before the end
        request.transport.close()
    return response


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.with_parent:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(AutomationHub(options.db, options.port, options.api_key))
        addresses = {"url": hub.url}
        if options.control:
            runner = web.AppRunner(control_app(hub), access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            bound = _bound(0)
            await web.SockSite(runner, bound).start()
            addresses["control"] = f"http://{LOCALHOST}:{bound.getsockname()[1]}"
        print(json.dumps(addresses), flush=True)
        await stop.wait()


def main(arguments: Iterable[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Stand in for the automation hub.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--db", default=":memory:", help="its SQLite file")
    parser.add_argument("--api-key", help="ask for Authorization: Bearer KEY")
    parser.add_argument("--control", action="store_true", help="open the control API on a free port")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    asyncio.run(_run(parser.parse_args(None if arguments is None else list(arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
