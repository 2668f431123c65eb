"""The composition root: store, connections and pipelines, put together and taken apart in reverse."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.compiler.compile import compile_remote
from engine.compiler.compiled import Compiled
from engine.definition.model import Project
from engine.errors import StoreError, Unavailable
from engine.events import Emit, Noted
from engine.ids import new_id
from engine.pipeline import Pipeline
from engine.runtime.housekeeping import limits, tidy
from engine.runtime.memory import settle_down
from engine.runtime.request import Preview, Request, RunResult
from engine.runtime.runner import Runtime
from engine.service.surroundings import make_store, retention, store_path, surroundings
from engine.store.base import Store
from engine.store.sqlite import SqliteStore

__all__ = ["App", "Preview", "Request", "RunResult", "open_app", "open_reader", "store_path"]


@dataclass(slots=True)
class App:
    """A project that can run."""

    project: Project
    store: Store
    runtime: Runtime
    compiled: Compiled = field(init=False)

    def __post_init__(self) -> None:
        self.compiled = Compiled(self.project)

    def pipeline(self, name: str) -> Pipeline:
        """Return a compiled pipeline. Raises Unavailable when there is none, or a driver is missing."""
        return self.compiled.pipeline(name)

    async def run(self, name: str, request: Request, stop: asyncio.Event) -> RunResult:
        """Run a pipeline once. Raises DefinitionError for wrong params, Unavailable, StoreError."""
        pipeline = self.pipeline(name)
        params = pipeline.check_params(request.params)
        settle_down()
        return await self.runtime.run(pipeline, request.with_params(params), stop)

    async def check(self, name: str) -> str:
        """Try a connection; return one line for people. Raises ConnectorError, CircuitOpen, Unavailable."""
        connection = self.project.connections.get(name)
        if connection is None:
            raise Unavailable(f"no connection '{name}'; `engine list` shows those there are")
        return await self.runtime.check(compile_remote(self.project, connection))


@asynccontextmanager
async def open_app(project: Project, *, emit: Emit, wait: float = 10.0) -> AsyncIterator[App]:
    """Open the store for writing. Raises Unavailable when another process still writes after *wait* seconds."""
    async with AsyncExitStack() as stack:
        store = make_store(project, wait)
        await store.open(stack, f"{os.getpid()}-{new_id()}")
        yield App(project, store, _runtime(project, store, emit))
        try:
            await tidy(store, limits(retention(project), datetime.now(UTC)))
        except StoreError as error:  # what was to be done is done; old history can wait for the next time
            emit(Noted("", "", "warning", "retention", f"old history was not removed: {error}"))


@asynccontextmanager
async def open_reader(project: Project) -> AsyncIterator[Store]:
    """Open the store for looking only; always possible."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(store_path(project))
        await store.open_readonly(stack)
        yield store


def _runtime(project: Project, store: Store, emit: Emit) -> Runtime:
    around = surroundings(project)
    return Runtime(store, emit, project.root, around.roots, around.redact, around.log, around.egress)
