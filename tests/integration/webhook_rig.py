"""A project in a folder, its webhooks compiled, behind a real listener on a free port, over a real store."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from engine.compiler.webhooks import check_webhooks, compile_clients, compile_webhooks
from engine.definition.loader import load
from engine.errors import Problem
from engine.events import WebhookAnswered
from engine.http.listener import Listener, ListenSettings
from engine.http.routes import Bound, Routes
from engine.http.webhooks import GiveReply, Ports
from engine.store.base import Store, Where
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore

NOW = 1_800_000_000.0


@dataclass
class Clock:
    """A wall clock that only moves when told."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Ticks:
    """A monotonic clock that only moves when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def write_project(
    folder: Path, webhook: str, *, settings: str = "", pipelines: Mapping[str, str] | None = None
) -> None:
    (folder / "pipelines").mkdir(parents=True, exist_ok=True)
    if settings:
        (folder / "engine.yaml").write_text(f"engine: 1\n{settings}")
    written = pipelines or {"sales": f"triggers:\n  - webhook: {webhook}\ntarget: {{console: {{}}}}\n"}
    for name, text in written.items():
        (folder / "pipelines" / f"{name}.yaml").write_text(f"pipeline: {name}\n{text}")


def loaded(folder: Path, environ: Mapping[str, str] | None = None) -> tuple[Routes, list[Problem]]:
    """Load the project's webhooks as ``engine serve`` does."""
    project, problems = load(folder, environ=environ or {})
    for definition in project.pipelines.values():
        problems += check_webhooks(project, definition)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        return Routes(), errors
    bounds = [
        Bound(name, plan)
        for name, definition in project.pipelines.items()
        for plan in compile_webhooks(project, definition)
    ]
    return Routes(bounds, compile_clients(project)), []


@dataclass
class Rig:
    """What a test needs of a running listener."""

    listener: Listener
    store: Store
    client: aiohttp.ClientSession
    clock: Clock
    ticks: Ticks
    told: list[WebhookAnswered] = field(default_factory=list)
    broken: list[Exception] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.listener.address

    async def call(self, path: str, body: bytes | str = b"{}", method: str = "POST", **headers: str) -> Answered:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send(path, body, named, method)

    async def send(self, path: str, body: bytes | str, headers: Mapping[str, str], method: str = "POST") -> Answered:
        sent = {"Content-Type": "application/json", **headers}
        data = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.client.request(method, self.url + path, data=data if body else None, headers=sent) as answer:
            return Answered(answer.status, dict(answer.headers), await answer.read())

    async def entries(self, pipeline: str = "sales") -> list[Any]:
        found, _ = await self.store.find("entries", Where(pipeline=pipeline))
        return list(found)


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@asynccontextmanager
async def listening(
    routes: Routes,
    store: Store,
    *,
    settings: ListenSettings | None = None,
    reply: GiveReply | None = None,
    real_ticks: bool = False,
) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        await store.open(stack, "test")
        clock, ticks = Clock(), Ticks()
        told: list[WebhookAnswered] = []
        broken: list[Exception] = []
        monotonic = asyncio.get_running_loop().time if real_ticks else ticks
        ports = Ports(store, told.append, reply, broken.append, clock, monotonic)
        listener = Listener(ports, routes, settings or ListenSettings(port=0))
        await listener.open(stack)
        client = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False)
        )
        yield Rig(listener, store, client, clock, ticks, told, broken)


def stores(folder: Path) -> dict[str, Store]:
    return {
        "memory": MemoryStore(),
        "sqlite": SqliteStore(folder / "data" / "engine.db", min_free=0, reserve=0),
    }
