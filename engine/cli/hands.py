"""Who does what changes the store: the server that works with it, or this command by itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from engine.store.base import Where

if TYPE_CHECKING:
    from engine.app import App
    from engine.definition.model import Project
    from engine.events import Emit
    from engine.runtime.request import Request, RunResult
    from engine.service.client import Client

_LOOK = 0.2
"""Seconds between looks at what the server works."""
_FRESH = 5.0
"""Seconds after which a changed file has been followed."""


class Hands(Protocol):
    """What runs pipelines and changes dead letters."""

    @property
    def served(self) -> bool:
        """Tell whether a server does it."""
        ...

    async def run(self, name: str, request: Request, stop: asyncio.Event) -> RunResult:
        """Run a pipeline once; *stop* ends it at a batch boundary."""
        ...

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """Change dead letters; see ``Store.amend``."""
        ...


@dataclass(frozen=True, slots=True)
class Served:
    """The server does it, and this command watches."""

    client: Client
    project: Project
    emit: Emit
    served: bool = True
    _since: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="microseconds"))

    async def run(self, name: str, request: Request, stop: asyncio.Event) -> RunResult:
        """See ``Hands.run``. What is set to be replayed the server works by itself; then this only looks on."""
        from engine.runtime.request import Preview, RunResult

        if request.replay:
            return RunResult(await self._replayed(name, stop))
        await self._caught_up(name)
        summary = dict(await self.client.run(name, request, self.emit, stop))
        return RunResult(summary, [Preview(**one) for one in summary.pop("previews", ())])

    async def _caught_up(self, name: str) -> None:
        """Have files read that were written a moment ago: the server would follow, but who runs now means these."""
        from engine.events import Noted

        if _youngest(self.project, name) < time.time() - _FRESH or await self.client.reload():
            return
        fact = "the server does not follow the files as they are now, and runs what it loaded before"
        self.emit(Noted(name, "", "warning", "not-followed", f"{fact}; see: engine validate"))

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """See ``Hands.amend``."""
        return await self.client.amend(where, do, body, limit)

    async def _replayed(self, name: str, stop: asyncio.Event) -> Mapping[str, Any]:
        """Wait for the end of the run that sends again, and give its summary; *stop* ends the waiting only."""
        from engine.app import open_reader

        summary: Mapping[str, Any]
        async with open_reader(self.project) as store:
            while not stop.is_set():
                found, _ = await store.find("runs", Where(pipeline=name, since=self._since))
                runs = [row for row in found if row.trigger == "replay"]
                left, _ = await store.find("lanes", Where(lane=f"{name}/in/replay"))
                if runs and runs[0].finished and (runs[0].status == "failed" or not any(row.entries for row in left)):
                    summary = runs[0].summary
                    return summary
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _LOOK)
        raise asyncio.CancelledError


@dataclass(frozen=True, slots=True)
class Alone:
    """No server is there: this command does it."""

    app: App
    served: bool = False

    async def run(self, name: str, request: Request, stop: asyncio.Event) -> RunResult:
        """See ``Hands.run``."""
        return await self.app.run(name, request, stop)

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """See ``Hands.amend``."""
        return await self.app.store.amend(where, do, body, limit)


def _youngest(project: Project, name: str) -> float:
    """Return when the files of a pipeline and the connections were last written."""
    files = {one.origin.file for one in project.connections.values()}
    if name in project.pipelines:
        files.add(project.pipelines[name].origin.file)
    times = [0.0]
    for file in files:
        with suppress(OSError):
            times.append((project.root / file).stat().st_mtime)
    return max(times)


async def server(project: Project) -> Client | None:
    """Find the server that works with the project's store. Raises Unavailable when it may not be asked."""
    from engine.app import store_path
    from engine.service.client import connect

    return await connect(store_path(project))


@asynccontextmanager
async def hands(project: Project, emit: Emit = lambda event: None) -> AsyncIterator[Hands]:
    """Give the server's hands where there is one, else this command's own, with the store open for writing."""
    client = await server(project)
    if client is not None:
        yield Served(client, project, emit)
        return
    from engine.app import open_app

    async with open_app(project, emit=emit) as app:
        yield Alone(app)


def user() -> str:
    """Name who gives the command, for the history."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number that has no name
        return f"user {os.getuid()}"
