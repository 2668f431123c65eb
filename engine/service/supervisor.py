"""Sees to it that every lane with work in it has somebody who works it, with the revision of now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError, StoreFailed, Unavailable
from engine.events import LaneFreed, LaneHeld, Noted, RunStatus
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.service.chains import Ended, followers
from engine.service.firing import LANE
from engine.service.firings import Firings
from engine.service.generation import Generation
from engine.service.sessions import Session
from engine.store.base import NewEntry, RunRow

LOOK = 1.0
"""Seconds between looks, though nobody said that anything came."""
BREATH = 0.02
"""Seconds between looks however much comes: those at work look after their own lanes."""
REPLAY = "in/replay"


@dataclass(slots=True, eq=False)
class _Worker:
    """A task that works one lane."""

    lane: str
    fingerprint: str
    task: asyncio.Task[None]
    halt: Callable[[RunStatus], None]
    rest: Callable[[], None] | None = None
    """Begin nothing more; None: it is one piece of work, and halted."""
    ends: bool = False
    """It was told to end."""


@dataclass(slots=True)
class Supervisor:
    """Starts and ends workers; one task for each lane that has work."""

    runtime: Runtime
    generation: Generation
    paused: Callable[[str], bool]
    running: dict[str, Stop] = field(default_factory=dict)
    """Runs under way by id."""
    orphaned: dict[str, int] = field(default_factory=dict)
    """Lanes with work of pipelines that are gone, and how much waited when it was first seen."""
    _workers: dict[str, _Worker] = field(default_factory=dict)
    _later: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Lane → when it may be tried again after a failure, in monotonic seconds, and how often it failed in a row."""
    _stopping: bool = False

    async def work(self) -> None:
        """Look after the lanes until cancelled. Raises StoreFailed."""
        while True:
            await self.look()
            await self.runtime.store.wait("", LOOK)
            await asyncio.sleep(BREATH)

    async def look(self) -> None:
        """Give every lane that waits a worker, and take note of workers that ended."""
        self._reap()
        if self._stopping:
            return
        waiting = await self.runtime.store.waiting()
        for lane in waiting:
            if lane not in self._workers:
                await self._begin(lane)
        for lane in self.orphaned.keys() - set(waiting):
            del self.orphaned[lane]

    async def _begin(self, lane: str) -> None:
        name, _, rest = lane.partition("/")
        if name == "*" or self._rests(lane):
            return
        card = self.generation.cards.get(name)
        if card is None:
            await self._orphan(lane, name, rest)
            return
        if self.paused(name):
            return
        try:
            self._work(lane, name, rest)
        except EngineError as error:
            self._failed(lane, error)

    def _rests(self, lane: str) -> bool:
        later = self._later.get(lane)
        return later is not None and self.runtime.clock() < later[0]

    def _work(self, lane: str, name: str, rest: str) -> None:
        generation = self.generation
        fingerprint = generation.cards[name].fingerprint
        if rest == LANE:
            firings = Firings(self.runtime, name, lambda: self.generation.pipeline(name), self._followers, self.running)
            self._add(lane, "", firings.work(), firings.halt, firings.rest)
        elif rest == REPLAY:
            stop = Stop()
            self._add(lane, fingerprint, self._replay(name, stop), stop.halt)
        elif rest.startswith(("in/", "out/")):
            session = Session(self.runtime, generation.pipeline(name), rest)
            self._add(lane, fingerprint, session.work(), session.stop.halt)

    def _add(
        self,
        lane: str,
        fingerprint: str,
        work: Coroutine[Any, Any, None],
        halt: Callable[[RunStatus], None],
        rest: Callable[[], None] | None = None,
    ) -> None:
        task = asyncio.create_task(work, name=f"lane {lane}")
        self._workers[lane] = _Worker(lane, fingerprint, task, halt, rest)

    async def _replay(self, name: str, stop: Stop) -> None:
        """Send dead letters in again that were set to be replayed; what cannot be now waits."""
        run = Run(self.runtime, self.generation.pipeline(name), Request(trigger="replay", replay=True), stop)
        self.running[run.id] = stop
        try:
            await run.execute()
        finally:
            del self.running[run.id]
        if run.status == "failed" and run.error is not None:
            raise run.error

    def _reap(self) -> None:
        for lane, worker in list(self._workers.items()):
            if not worker.task.done():
                continue
            del self._workers[lane]
            if worker.task.cancelled():
                continue
            error = worker.task.exception()
            if isinstance(error, StoreFailed):
                raise error
            if error is not None:
                self._failed(lane, error)
            elif self._later.pop(lane, None) is not None:
                self.runtime.emit(LaneFreed(lane.partition("/")[0], "", lane))

    def _failed(self, lane: str, error: BaseException) -> None:
        _, times = self._later.get(lane, (0.0, 0))
        self._later[lane] = (self.runtime.clock() + min(LOOK * 2.0**times, 60.0), min(times + 1, 10))
        if isinstance(error, Unavailable) and times < 3:
            return  # a run by hand has what it needs: that passes
        if not isinstance(error, EngineError | OSError):
            reason = f"a mistake in the engine or a connector: {type(error).__name__}: {error}"
        else:
            reason = str(error)
        code = str(getattr(error, "code", "") or "error")
        self.runtime.emit(LaneHeld(lane.partition("/")[0], "", lane, code, self.runtime.redact(reason)))

    async def _orphan(self, lane: str, name: str, rest: str) -> None:
        heir = self.generation.renamed.get(name)
        if heir is not None:
            while await self.runtime.store.clear(lane, f"{heir}/{rest}", 1000):
                pass
            return
        if lane not in self.orphaned:
            self.orphaned[lane] = await self.runtime.entries(lane)
            fact = f"{lane} has work, and the project has no pipeline '{name}' any more; it is kept"
            remedy = "bring the pipeline back, write renamed_from in its successor, or `engine lanes drop` it"
            self.runtime.emit(Noted(name, "", "error", "orphaned-lane", f"{fact}: {remedy}"))

    def _followers(self, row: RunRow) -> list[NewEntry]:
        ended = Ended(row.pipeline, row.id, row.status, row.summary, row.params, row.group or row.id)
        return followers(self.generation.afters, ended, self.runtime.emit)  # type: ignore[arg-type]

    # change

    async def apply(self, generation: Generation) -> None:
        """Go on with *generation*: what works a revision that is gone ends at its next batch boundary.

        Runs end on the revision they began with.
        """
        self.generation = generation
        self._later.clear()
        for lane, worker in self._workers.items():
            card = generation.cards.get(lane.partition("/")[0])
            if worker.fingerprint and (card is None or card.fingerprint != worker.fingerprint):
                self._end(worker, "success")

    def rest(self, pipeline: str) -> None:
        """End what works a pipeline that was paused; a run that goes on comes to its end."""
        for lane, worker in self._workers.items():
            if lane.partition("/")[0] != pipeline:
                continue
            if worker.rest is not None:
                worker.rest()
            else:
                self._end(worker, "success")

    def _end(self, worker: _Worker, status: RunStatus) -> None:
        if not worker.ends:
            worker.ends = True
            worker.halt(status)

    def cancel(self, run: str) -> bool:
        """Cancel a run at its next batch boundary; False when it is not under way."""
        stop = self.running.get(run)
        if stop is not None:
            stop.halt("cancelled")
        return stop is not None

    async def stop(self, seconds: float) -> bool:
        """End everything: at batch boundaries, and what is not done after *seconds* at once; tell whether all was."""
        self._stopping = True
        for worker in self._workers.values():
            worker.halt("interrupted")
        for stop in self.running.values():
            stop.halt("interrupted")
        tasks = {worker.task for worker in self._workers.values()}
        if not tasks:
            return True
        _, left = await asyncio.wait(tasks, timeout=seconds)
        for task in left:
            task.cancel()
        for task in left:
            with suppress(asyncio.CancelledError, Exception):
                await task
        return not left

    @property
    def work_under_way(self) -> Mapping[str, str]:
        """Return the lanes that are worked, with the revision."""
        return {lane: worker.fingerprint for lane, worker in self._workers.items()}
