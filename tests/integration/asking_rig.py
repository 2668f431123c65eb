"""A small project in a folder of its own, with a shop's database, run in this process against real systems."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.compiler.check import check
from engine.compiler.compile import compile_pipeline
from engine.definition.loader import load
from engine.pipeline import Pipeline
from engine.runtime.request import Request, RunResult
from engine.runtime.runner import Runtime
from engine.store.base import DeadLetter, Where
from engine.store.sqlite import SqliteStore

SALES = """
create table sales (sale_id text primary key, branch int, total real);
create table currencies (code text, name text);
create table counters (name text primary key, value int);
insert into sales values ('s1', 1, 10.5), ('s2', 1, 20.25), ('s3', 2, 30);
insert into currencies values ('BRL', 'Real'), ('EUR', 'Euro'), ('USD', 'Dollar');
insert into counters values ('invoice', 100);
"""


@dataclass
class Shop:
    """The project; ``run`` runs the one pipeline that the test wrote."""

    folder: Path
    store: SqliteStore
    web: str = "http://127.0.0.1:9"
    hub: str = "http://127.0.0.1:9"
    auth: dict[str, Any] = field(default_factory=dict)
    """``auth`` of the connection ``web``."""
    limits: dict[str, Any] = field(default_factory=dict)
    """``resilience`` of the connection ``web``."""
    events: list[Any] = field(default_factory=list)

    def pipeline(self, rows: list[Any], steps: str, more: str = "") -> Pipeline:
        """Compile a pipeline over *rows* with *steps* that writes to ``out.jsonl``."""
        text = "pipeline: p\nsource:\n  inline:\n    rows: " + json.dumps(rows) + "\nsteps:\n"
        text += textwrap.indent(textwrap.dedent(steps).strip(), "  ") + "\n" + textwrap.dedent(more)
        text += "\ntarget:\n  file: {path: out.jsonl, format: jsonl, mode: append}\n"
        self.write("pipelines/p.yaml", text)
        web = {"http": {"base_url": self.web, **self.auth}, **({"resilience": self.limits} if self.limits else {})}
        shop, hub = {"sql": {"url": "sqlite:///shop.db"}}, {"http": {"base_url": self.hub}}
        self.write("connections/all.yaml", json.dumps({"connections": {"shop": shop, "web": web, "hub": hub}}))
        project, problems = load(self.folder, environ={})
        problems = [one for one in [*problems, *check(project)] if one.severity == "error"]
        assert problems == [], [str(one) for one in problems]
        return compile_pipeline(project, project.pipelines["p"])

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def runtime(self) -> Runtime:
        return Runtime(self.store, self.events.append, self.folder, random=lambda: 0.0)

    async def run(self, pipeline: Pipeline, stop: asyncio.Event | None = None, **request: Any) -> RunResult:
        return await self.runtime().run(pipeline, Request(**request), stop or asyncio.Event())

    async def letters(self) -> list[DeadLetter]:
        found, _ = await self.store.find("dead", Where(status="open"))
        return list(found)

    async def replay(self, pipeline: Pipeline) -> RunResult:
        await self.store.amend(Where(pipeline="p"), "replay")
        return await self.run(pipeline, replay=True)

    @property
    def sent(self) -> list[Any]:
        """What arrived at the target."""
        path = self.folder / "out.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def sql(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as database, database:
            return database.execute(statement).fetchall()


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    """Make the database and open the store."""
    from contextlib import AsyncExitStack

    with closing(sqlite3.connect(folder / "shop.db")) as database:
        database.execute("pragma journal_mode=wal")
        database.executescript(SALES)
    async with AsyncExitStack() as stack:
        store = SqliteStore(folder / "engine.db", reserve=0)
        await store.open(stack, "test")
        yield Shop(folder, store)
