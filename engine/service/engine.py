"""The serving engine: put together in one order, taken apart in the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from engine.definition.model import Project
from engine.errors import StoreError, StoreFailed, StoreFull, Unavailable
from engine.events import CircuitChanged, Emit, Noted, StoreChanged, Tell, Told
from engine.http.listener import Listener
from engine.runtime.housekeeping import STEP, limits, tidy
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.service.control import Control
from engine.service.difference import Difference, difference
from engine.service.drops import Drops
from engine.service.firing import Firing
from engine.service.generation import Generation, generation
from engine.service.keys import Keys
from engine.service.pauses import pause, paused, resume
from engine.service.promises import Promises
from engine.service.reload import Reloader
from engine.service.replies import Replies
from engine.service.scheduler import Scheduler
from engine.service.supervisor import BREATH, Supervisor
from engine.service.surroundings import surroundings
from engine.store.base import FIRST, RunRow, Where

PROBE = 2.0
"""Seconds between looks whether the store still takes something new."""
TIDY = 600.0
GULP = 5
"""Steps of removing old history at one go; between two others write."""


@dataclass(slots=True)
class Engine:
    """What serves one project; answers ``Commands``."""

    runtime: Runtime
    generation: Generation
    tell: Tell
    changed: Callable[[Project, Collection[str]], None] = lambda project, paused: None
    """Hears which pipelines there are, and which of them are paused."""
    keys: Keys | None = None
    """Fetches the key sets of webhooks."""
    listener: Listener | None = None
    reloader: Reloader | None = None
    control: Control | None = None
    pauses: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    supervisor: Supervisor = field(init=False)
    scheduler: Scheduler = field(init=False)
    drops: Drops = field(init=False)
    promises: Promises = field(init=False)
    replies: Replies = field(init=False)
    failed: asyncio.Future[StoreFailed] = field(init=False)
    _watchers: dict[str, Emit] = field(default_factory=dict)
    _store_state: Literal["ok", "full", "failed"] = "ok"

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.runtime, self.generation, self.resting)
        self.scheduler = Scheduler(self.runtime.store, self.told, paused=self.silent)
        self.drops = Drops(self.runtime.store, self.told, self.runtime.project, silent=self.silent)
        self.promises = Promises(self.runtime.store, self.told, silent=self.silent)
        self.promises.replace(self.generation.cards.values())
        self.replies = Replies(self.runtime, lambda name: self.generation.pipeline(name), self.resting)
        self.failed = asyncio.get_running_loop().create_future()
        self.runtime.emit = self.told

    def resting(self, pipeline: str) -> bool:
        """Tell whether a pipeline's triggers and sessions rest: somebody paused it."""
        return pipeline in self.pauses

    def silent(self, pipeline: str) -> bool:
        """Tell whether time does not fire a pipeline now."""
        card = self.generation.cards.get(pipeline)
        return self.resting(pipeline) or card is None or not card.enabled

    def told(self, event: Told) -> None:
        """Pass on what happened, also to who watches that run."""
        self.tell(event)
        self.promises(event)
        watch = self._watchers.get(getattr(event, "run", ""))
        if watch is not None:
            watch(event)  # type: ignore[arg-type]

    # what it is asked (Commands)

    async def run(self, pipeline: str, request: Request, watch: Emit, stop: Stop | None = None) -> Mapping[str, Any]:
        """See ``Commands.run``."""
        compiled = self.generation.pipeline(pipeline)
        params = compiled.check_params(request.params)
        stop = stop or Stop()
        run = Run(self.runtime, compiled, request.with_params(params), stop)
        self._watchers[run.id] = watch
        self.supervisor.running[run.id] = stop
        try:
            result = await (run.preview() if request.dry_run else run.execute())
        finally:
            self._watchers.pop(run.id, None)
            self.supervisor.running.pop(run.id, None)
        return {
            **result.summary,
            **({"previews": [one._asdict() for one in result.previews]} if request.dry_run else {}),
        }

    async def cancel(self, run: str) -> bool:
        """See ``Commands.cancel``."""
        return self.supervisor.cancel(run)

    async def rerun(self, run: str) -> str:
        """See ``Commands.rerun``."""
        rows, _ = await self.runtime.store.find("runs", Where(id=run), FIRST)
        if not rows:
            raise Unavailable(f"no run '{run}'; `engine runs` shows those there are")
        row: RunRow = rows[0]
        self.generation.pipeline(row.pipeline)
        firing = Firing("rerun", "rerun", row.params, rerun_of=row.id)
        ((entry, _),) = await self.runtime.store.append([firing.entry(row.pipeline)])
        return entry

    async def amend(self, where: Where, do: Literal["replay", "edit", "drop"], body: Any = None, limit: int = 0) -> int:
        """See ``Commands.amend``."""
        return await self.runtime.store.amend(where, do, body, limit)

    async def pause(self, pipeline: str, by: str) -> None:
        """See ``Commands.pause``."""
        if pipeline not in self.generation.cards:
            raise Unavailable(f"no pipeline '{pipeline}'; `engine list` shows those there are")
        await pause(self.runtime.store, pipeline, by, _now())
        await self.look_at_pauses()
        self.supervisor.rest(pipeline)
        self.told(Noted(pipeline, "", "info", "paused", f"paused by {by}"))

    async def resume(self, pipeline: str, by: str) -> None:
        """See ``Commands.resume``."""
        await resume(self.runtime.store, pipeline, by)
        await self.look_at_pauses()
        self.told(Noted(pipeline, "", "info", "resumed", f"resumed by {by}"))

    async def look_at_pauses(self) -> None:
        """Learn from the store what is paused."""
        self.pauses = dict(await paused(self.runtime.store))
        self.changed(self.generation.project, self.pauses)

    @property
    def listening(self) -> bool:
        """Tell whether calls are taken."""
        return self.listener is not None and self.listener.open_now

    async def backup(self, path: Path) -> None:
        """See ``Commands.backup``."""
        await self.runtime.store.backup(path)

    async def reload(self) -> bool:
        """See ``Commands.reload``."""
        return self.reloader is not None and await self.reloader.reload()

    async def orphans(self, lane: str, do: Literal["drop", "move"], to: str = "") -> int:
        """See ``Commands.orphans``."""
        name, _, rest = lane.partition("/")
        if name in self.generation.cards:
            raise Unavailable(
                f"{lane} belongs to the pipeline {name}, which works it; only orphaned lanes can be changed"
            )
        if do == "move" and to not in self.generation.cards:
            raise Unavailable(f"no pipeline '{to}'; `engine list` shows those there are")
        gone = 0
        while count := await self.runtime.store.clear(lane, f"{to}/{rest}" if do == "move" else None, 1000):
            gone += count
        return gone

    # change

    async def apply(self, project: Project) -> Difference:
        """Go on with *project*, which has no problems; nothing changes when it cannot be served.

        Raises DefinitionError, Unavailable.
        """
        sets = None if self.keys is None else self.keys.sets
        try:
            made = await asyncio.to_thread(generation, project, self.generation, sets)
        except ValueError as error:
            raise Unavailable(f"the webhooks cannot be served: {error}") from None
        changed = difference(self.generation.fingerprints, made.fingerprints)
        self.generation = made
        configure(self.runtime, project)
        if self.listener is not None:
            self.listener.routes = made.routes
        if self.keys is not None:
            self.keys.sets.retain(made.routes.key_addresses)
        self.scheduler.replace(made.timers)
        self.drops.replace(made.files, self.runtime.roots)
        self.promises.replace(made.cards.values())
        self.changed(project, self.pauses)
        await self.supervisor.apply(made)
        if self.runtime.connections is not None:
            for name in await self.runtime.connections.retain(made.remotes()):
                self.told(CircuitChanged("", "", name, "closed"))
        return changed

    async def stop(self, seconds: float) -> None:
        """Take nothing more, and finish within *seconds* what is under way, or give it back."""
        ending: list[Awaitable[object]] = [self.supervisor.stop(seconds)]
        if self.listener is not None:
            ending.append(self.listener.close(seconds))
        if self.control is not None:
            ending.append(self.control.finish(seconds))
        await asyncio.gather(*ending)

    # what goes on by itself

    async def probe(self) -> None:
        """Ask the store, again and again, whether it still takes something new."""
        while True:
            try:
                await self.runtime.store.append(())
                self._store("ok")
            except StoreFull as error:
                self._store("full", str(error))
            except StoreFailed as error:
                self.broken(error)
            except StoreError as error:
                self._store("full", str(error))
            await asyncio.sleep(PROBE)

    async def keep_house(self, retention: Callable[[], Mapping[str, float]]) -> None:
        """Remove old history in small steps, now and then."""
        while True:
            gone = 0
            try:
                gone = await tidy(self.runtime.store, limits(retention(), datetime.now(UTC)), GULP)
            except StoreError as error:
                self.told(Noted("", "", "warning", "retention", f"old history was not removed: {error}"))
            # a busy engine makes as much history in ten minutes as it then has to remove
            await asyncio.sleep(BREATH if gone >= GULP * STEP else TIDY)

    def broken(self, error: StoreFailed) -> None:
        """The disk or the file failed: the process must end."""
        self._store("failed", str(error))
        if not self.failed.done():
            self.failed.set_result(error)

    def _store(self, state: Literal["ok", "full", "failed"], reason: str = "") -> None:
        if state != self._store_state:
            self._store_state = state
            self.told(StoreChanged(state, reason))


@dataclass(frozen=True, slots=True)
class Shown:
    """A pipeline as the opening screen shows it."""

    name: str
    enabled: bool
    paused: bool
    next: datetime | None


@dataclass(frozen=True, slots=True)
class Serving:
    """What there is, now that everything has started."""

    webhooks: str | None
    admin: str | None
    cards: Mapping[str, Shown]
    paths: int


def configure(runtime: Runtime, project: Project) -> None:
    """Give the runtime what depends on the project's settings and secrets."""
    around = surroundings(project)
    runtime.project, runtime.roots = project.root, around.roots
    runtime.redact, runtime.log, runtime.egress = around.redact, around.log, around.egress


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
