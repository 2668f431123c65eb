"""The composition root: store, connections and pipelines, put together and taken apart in reverse."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from engine.compiler.compile import compile_pipeline, compile_remote
from engine.definition.model import Project
from engine.errors import StoreError, Unavailable
from engine.events import BatchDelivered, BatchRead, Emit, Event, Noted, Settled
from engine.ids import new_id
from engine.net.egress import Egress
from engine.pipeline import Pipeline
from engine.redact import Redactor
from engine.runtime.housekeeping import limits, tidy
from engine.runtime.memory import settle_down
from engine.runtime.request import Preview, Request, RunResult
from engine.runtime.runner import Runtime
from engine.store.base import LogLine, Store
from engine.store.memory import MemoryStore
from engine.store.sqlite import SqliteStore
from engine.telemetry.runlog import log_line

__all__ = ["App", "Preview", "Request", "RunResult", "open_app", "open_reader", "store_path"]


@dataclass(slots=True)
class App:
    """A project that can run."""

    project: Project
    store: Store
    runtime: Runtime
    _compiled: dict[str, Pipeline] = field(default_factory=dict)

    def pipeline(self, name: str) -> Pipeline:
        """Return a compiled pipeline. Raises Unavailable when there is none, or a driver is missing."""
        if name not in self._compiled:
            definition = self.project.pipelines.get(name)
            if definition is None:
                raise Unavailable(f"no pipeline '{name}'; `engine list` shows those there are")
            self._compiled[name] = compile_pipeline(self.project, definition)
        return self._compiled[name]

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
        store = _store(project, wait)
        await store.open(stack, f"{os.getpid()}-{new_id()}")
        yield App(project, store, _runtime(project, store, emit))
        try:
            await tidy(store, limits(_retention(project), datetime.now(UTC)))
        except StoreError as error:  # what was to be done is done; old history can wait for the next time
            emit(Noted("", "", "warning", "retention", f"old history was not removed: {error}"))


@asynccontextmanager
async def open_reader(project: Project) -> AsyncIterator[Store]:
    """Open the store for looking only; always possible."""
    async with AsyncExitStack() as stack:
        store = SqliteStore(store_path(project))
        await store.open_readonly(stack)
        yield store


def store_path(project: Project) -> Path:
    """Where the store of *project* lies."""
    settings = (project.settings.get("store") or {}).get("sqlite") or {}
    return project.root / str(settings.get("path", "data/engine.db"))


def _store(project: Project, wait: float) -> Store:
    settings = project.settings.get("store") or {}
    if "memory" in settings:
        return MemoryStore()
    sqlite = settings.get("sqlite") or {}
    return SqliteStore(store_path(project), wait=wait, min_free=sqlite.get("min_free"), reserve=sqlite.get("reserve"))


def _retention(project: Project) -> dict[str, float]:
    kinds = {"runs": "runs", "logs": "logs", "dead_letters": "dead"}
    written = project.settings.get("retention") or {}
    return {kind: float(written[key]) for key, kind in kinds.items() if key in written}


def _runtime(project: Project, store: Store, emit: Emit) -> Runtime:
    redactor = Redactor(project.secrets)
    roots = tuple(project.root / folder for folder in project.settings.get("files") or ())
    return Runtime(store, emit, project.root, roots, redactor.text, _logger(redactor), _egress(project))


def _logger(redactor: Redactor) -> Callable[[Event], LogLine | None]:
    """Return what makes the lines of a run's log, without secrets."""

    def log(event: Event) -> LogLine | None:
        # what happens with every batch is for the progress bar, not for the store
        if isinstance(event, BatchRead | BatchDelivered | Settled):
            return None
        line = log_line(event, datetime.now(UTC))
        return LogLine(*line)._replace(message=redactor.text(line.message)) if line is not None else None

    return log


def _egress(project: Project) -> Egress:
    settings = project.settings.get("egress") or {}
    return Egress(private=settings.get("private", "deny"), allow=tuple(settings.get("allow") or ()))
