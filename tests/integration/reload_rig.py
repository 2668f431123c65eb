"""A project in a folder that is followed as ``engine serve`` follows it, and what came of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from engine.compiler.check import check
from engine.compiler.compile import fingerprint
from engine.definition.loader import load
from engine.definition.model import Project
from engine.errors import Problem
from engine.events import Reloaded, ReloadFailed, Told
from engine.service.difference import Difference, difference
from engine.service.footprint import look
from engine.service.reload import Pace, Reloader

DEADLINE = 20.0
QUICK = Pace(debounce=0.05, longest=0.5, poll=60.0, confirm=0.2, again=(0.05, 0.1, 0.2), retry=60.0)
"""Without a look for a minute: what is seen within the deadline, an event told."""
SILENT = Pace(debounce=0.02, longest=0.5, poll=0.1, confirm=0.2, again=(0.05, 0.1, 0.2), events=False)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def renamed_into(path: Path, text: str) -> None:
    """Write as careful editors do: beside it, then in its place."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


def pipeline(name: str, label: str = "first") -> str:
    return f"pipeline: {name}\ndescription: {label}\nsource: {{inline: {{rows: []}}}}\ntarget: {{console: {{}}}}\n"


@dataclass
class Followed:
    """What a test needs of a reloader at work."""

    root: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    applied: list[Project] = field(default_factory=list)
    loads: int = 0
    before_load: Callable[[], None] = lambda: None
    after_load: Callable[[], None] = lambda: None
    refuse: Exception | None = None
    reloader: Reloader = field(init=False)

    def start(self, pace: Pace) -> None:
        seen = look(self.root)
        project, problems = load(self.root.resolve(), environ=self.environ)
        assert [str(one) for one in problems if one.severity == "error"] == []
        self.reloader = Reloader(self.load, project, self.apply, self.told.append, pace=pace, seen=seen, root=self.root)

    def load(self) -> tuple[Project, list[Problem]]:
        self.loads += 1
        self.before_load()
        project, problems = load(self.root.resolve(), environ=self.environ)
        problems = [*problems, *check(project)]
        self.after_load()
        return project, problems

    async def apply(self, project: Project) -> Difference:
        if self.refuse is not None:
            raise self.refuse
        found = difference(prints(self.project), prints(project))
        self.applied.append(project)
        return found

    @property
    def project(self) -> Project:
        return self.reloader.project

    @property
    def descriptions(self) -> dict[str, str]:
        return {name: one.description for name, one in self.project.pipelines.items()}

    @property
    def reloads(self) -> list[Reloaded]:
        return [one for one in self.told if isinstance(one, Reloaded)]

    @property
    def failures(self) -> list[ReloadFailed]:
        return [one for one in self.told if isinstance(one, ReloadFailed)]

    def codes(self) -> set[str]:
        return {problem.code for problem in self.reloader.problems}


def prints(project: Project) -> dict[str, str]:
    return {name: fingerprint(project, one) for name, one in project.pipelines.items()}


async def until(condition: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Wait for a condition; fail with its source when it does not come about."""
    async with asyncio.timeout(deadline):
        while not condition():  # noqa: ASYNC110  (what is waited for is in files, threads and processes)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def following(followed: Followed, pace: Pace = QUICK) -> AsyncIterator[Followed]:
    stop = asyncio.Event()
    followed.start(pace)
    task = asyncio.create_task(followed.reloader.follow(stop))
    try:
        yield followed
        assert not task.done(), "it follows until it is told to stop"
    finally:
        stop.set()
        async with asyncio.timeout(DEADLINE):
            await task
