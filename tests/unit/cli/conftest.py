"""A command line over a project made in code and a store in memory, seen through a terminal or a pipe."""

from __future__ import annotations

import asyncio
import importlib
import io
import os
import re
import sys
import types
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from engine.definition.model import (
    BatchSize,
    ConnectionDefinition,
    Cursor,
    Origin,
    PipelineDefinition,
    Project,
    Source,
    Step,
    Target,
    Use,
)
from engine.errors import Place, Problem
from engine.ids import new_id
from engine.runtime.request import Request, RunResult
from engine.store.base import DeadLetter, LogLine, RunRow, Settlement
from engine.store.memory import MemoryStore

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Stream(io.StringIO):
    """A text stream that may say it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def fileno(self) -> int:
        raise OSError


@dataclass
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def seen(self) -> str:
        """stdout without colours."""
        return ANSI.sub("", self.out)

    @property
    def told(self) -> str:
        """stderr without colours."""
        return ANSI.sub("", self.err)


@dataclass
class FakeApp:
    """Runs nothing: gives back what the test prepared."""

    world: World
    store: MemoryStore

    def pipeline(self, name: str) -> Any:
        raise NotImplementedError

    async def check(self, name: str) -> str:
        said = self.world.checks[name]
        if isinstance(said, Exception):
            raise said
        return said

    async def run(self, name: str, request: Request, stop: asyncio.Event) -> RunResult:
        self.world.requests.append((name, request))
        script = self.world.runs[name]
        if isinstance(script, Exception):
            raise script
        if callable(script):
            return await script(self, request, stop)
        return script if isinstance(script, RunResult) else RunResult(script)


@dataclass
class World:
    """A project, its store, and what will happen in it."""

    root: Path
    project: Project
    problems: list[Problem] = field(default_factory=list)
    expression_problems: list[Problem] = field(default_factory=list)
    runs: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, Request]] = field(default_factory=list)
    emit: Callable[[Any], None] | None = None
    locked: Exception | None = None
    writers: int = 0
    loads: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = MemoryStore()

    def keep(self, letters: Sequence[DeadLetter] = (), runs: Sequence[RunRow] = (), logs: Sequence[LogLine] = (),
             lanes: Mapping[str, Mapping[str, Any]] | None = None) -> None:  # fmt: skip
        """Put rows into the store."""

        async def write() -> None:
            async with AsyncExitStack() as stack:
                await self.state.open(stack, "test")
                for row in runs:
                    lease = (await self.state.acquire("seed", 1, 30))[0]
                    await self.state.settle(Settlement(new_id(), lease, run=row, dead=(), logs=()))
                    await self.state.release([lease])
                lease = (await self.state.acquire("seed", 1, 30))[0]
                await self.state.settle(Settlement(new_id(), lease, dead=letters, logs=logs))
                await self.state.release([lease])
                for lane, checkpoint in (lanes or {}).items():
                    lease = (await self.state.acquire(lane, 1, 30))[0]
                    await self.state.settle(Settlement(new_id(), lease, checkpoint))
                    await self.state.release([lease])

        asyncio.run(write())

    @staticmethod
    def summary(**changes: Any) -> dict[str, Any]:
        """See ``summary``."""
        return summary(**changes)

    def find(self, what: Any, **where: Any) -> list[Any]:
        """Read rows of the store."""
        from engine.store.base import Where

        async def read() -> list[Any]:
            async with AsyncExitStack() as stack:
                await self.state.open(stack, "test")
                rows, _ = await self.state.find(what, Where(**where))
                return list(rows)

        return asyncio.run(read())


def origin(file: str) -> Origin:
    """Say that a definition stands in *file*."""
    return Origin(file, {(): Place(file, 1, 1)}, "rev0123456789abcdef")


def bank_hub() -> Project:
    """The pipeline of the language's first page, as the loader gives it."""
    transactions = PipelineDefinition(
        name="bank-transactions",
        origin=origin("pipelines/bank-hub/transactions.yaml"),
        description="Send changed transactions to the automation hub",
        timezone="America/Sao_Paulo",
        source=Source(
            Use(
                "sql", "bank-db", {"query": "select * from transactions\norder by updated_at, id\n"}, ("source", "sql")
            ),
            Cursor(("updated_at", "id"), {"updated_at": "1970-01-01 00:00:00", "id": 0}),
        ),
        steps=(
            Step("filter", "amount != `0`", ("filters", 0)),
            Step(
                "map",
                {
                    "$copy": ["description"],
                    "external_id": {"$value": "id", "$type": "string"},
                    "category": {"$value": "category", "$default": "OUTROS"},
                    "label": "{{ record.description | trim | title }}",
                    "metadata": {"source": {"$const": "bank-hub"}, "currency": "currency || 'BRL'"},
                },
                ("mapping",),
            ),
        ),
        targets=(
            Target(
                "target",
                Use("graphql", "automation-hub", {"mutation": "mutation { x }"}, ("target", "graphql")),
                ("target",),
                batch=BatchSize(100, 2.0, True),
                key="external_id",
            ),
        ),
        params={
            "full": {"type": "boolean", "default": False, "description": "Ignore the cursor and send everything"},
            "day": {"type": "string"},
            "most": {"type": ["integer", "null"]},
        },
        triggers=({"id": "incremental", "cron": "0 */2 * * *"}, {"after": "bank-banks"}),
        promises=({"fresh": "3h"},),
    )
    banks = PipelineDefinition(
        name="bank-banks",
        origin=origin("pipelines/bank-hub/banks.yaml"),
        source=Source(Use("sql", "bank-db", {"table": "banks"}, ("source", "sql"))),
        targets=(Target("target", Use("console", None, {}, ("target", "console")), ("target",)),),
    )
    hub = {"base_url": "http://localhost:4000", "auth": {"bearer": "hub-secret-canary"}}
    return Project(
        root=Path(),
        pipelines={one.name: one for one in (transactions, banks)},
        connections={
            "automation-hub": ConnectionDefinition(
                "automation-hub", origin("connections/hub.yaml"), Use("http", None, hub, ("connections",))
            ),
            "bank-db": ConnectionDefinition(
                "bank-db",
                origin("connections/db.yaml"),
                Use("sql", None, {"url": "sqlite:///bank.db"}, ("connections",)),
            ),
        },
        settings={},
        secrets=frozenset({"hub-secret-canary"}),
        files=4,
    )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The bank hub, with the loader, the checker and the app replaced."""
    made = World(tmp_path, bank_hub())

    def load(root: Path, **how: Any) -> tuple[Project, list[Problem]]:
        made.loads.append({"root": root, **how})
        return made.project, list(made.problems)

    @asynccontextmanager
    async def open_app(project: Project, *, emit: Any, wait: float = 10.0) -> AsyncIterator[FakeApp]:
        if made.locked:
            raise made.locked
        made.emit = emit
        made.writers += 1
        async with AsyncExitStack() as stack:
            await made.state.open(stack, "app")
            yield FakeApp(made, made.state)

    @asynccontextmanager
    async def open_reader(project: Project) -> AsyncIterator[MemoryStore]:
        async with AsyncExitStack() as stack:
            await made.state.open(stack, "reader")
            yield made.state

    app = types.ModuleType("engine.app")
    app.open_app, app.open_reader, app.Request = open_app, open_reader, Request  # type: ignore[attr-defined]
    app.store_path = lambda project: tmp_path / "data" / "engine.db"  # type: ignore[attr-defined]
    loader = types.ModuleType("engine.definition.loader")
    loader.load = load  # type: ignore[attr-defined]
    check = types.ModuleType("engine.compiler.check")
    check.check = lambda project: [  # type: ignore[attr-defined]
        problem
        for problem in made.expression_problems
        if any(one.origin.file == problem.file for one in project.pipelines.values())
    ]
    for module in (app, loader, check):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        package, _, name = module.__name__.rpartition(".")
        monkeypatch.setattr(importlib.import_module(package), name, module, raising=False)
    return made


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in the project; ``terminal=True`` looks through a terminal of 100 columns."""
    monkeypatch.setenv("TZ", "UTC")
    for name in ("NO_COLOR", "LC_ALL", "COLUMNS", "TERM"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str, terminal: bool = False, stdin: str | None = None, **environ: str) -> Outcome:
        out, err = Stream(terminal), Stream(terminal)
        with monkeypatch.context() as patch:
            for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", **environ}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.chdir(tmp_path)
            if stdin is not None:
                patch.setattr(sys, "stdin", io.StringIO(stdin))
            code = main(list(arguments))
        return Outcome(code, out.getvalue(), err.getvalue())

    return call


def letter(number: int = 1, **changes: Any) -> DeadLetter:
    """A dead letter of the bank hub."""
    made = DeadLetter(
        id=f"01JD5X0000000000000000000{number:X}",
        pipeline="bank-transactions",
        run="01JD5X0000000000000000RUN1",
        code="refused",
        message="unknown bank",
        where="target",
        record={"id": number, "description": " padaria ", "document": "11144477735"},
        entry="",
        target="target",
        mapped={"external_id": str(number), "label": "Padaria"},
        key=str(number),
        meta={},
        attempts=1,
    )
    return made._replace(**changes)


def run_row(number: int = 1, **changes: Any) -> RunRow:
    """A run of the bank hub."""
    made = RunRow(
        id=f"01JD5X0000000000000000RUN{number:X}",
        pipeline="bank-transactions",
        status="partial",
        trigger="manual",
        params={"full": True},
        revision="rev0123456789abcdef",
        started="2026-11-21T21:01:00.000000+00:00",
        finished="2026-11-21T21:01:41.200000+00:00",
        summary=summary(run=f"01JD5X0000000000000000RUN{number:X}"),
    )
    return made._replace(**changes)


def summary(**changes: Any) -> dict[str, Any]:
    """The mapping of ``run --json`` that looks.md draws."""
    return {
        "run": "01JD5X0000000000000000RUN1",
        "pipeline": "bank-transactions",
        "status": "partial",
        "started": "2026-11-21T21:01:00.000000+00:00",
        "seconds": 41.2,
        "read": 50000,
        "dropped": {"filters[0]": 1204},
        "sent": {"target": 48761},
        "rejected": 35,
        "discarded": 0,
        "reasons": [
            {"code": "refused", "message": "unknown bank", "count": 22},
            {"code": "missing-field", "message": "description", "count": 8},
            {"code": "type", "message": "'R$ 12' is not a decimal", "count": 5},
        ],
        "cursor": {"updated_at": "2026-11-21 18:02:11", "id": 50000},
        "error": None,
        **changes,
    }


@pytest.fixture
def make() -> types.SimpleNamespace:
    """What tests put into the store."""
    now = datetime.now(UTC)
    return types.SimpleNamespace(letter=letter, run_row=run_row, summary=summary, now=now, environ=os.environ)
