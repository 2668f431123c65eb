"""Sees to it that every lane with work in it has somebody who works it, with the revision of now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engine.errors import EngineError, StoreFailed, Unavailable
from engine.events import LaneFreed, LaneHeld, Noted, RunStatus
from engine.runtime.position import Busy
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.service.chains import Ended, followers
from engine.service.firing import LANE
from engine.service.firings import Firings
from engine.service.generation import Generation
from engine.service.sessions import Session
from engine.service.turns import Turns
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
    _turns: Turns = field(init=False)
    _stopping: bool = False

    def __post_init__(self) -> None:
        self._turns = Turns(self.runtime.clock)

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
        self._turns.keep(waiting)
        for lane in waiting:
            if lane not in self._workers:
                await self._begin(lane)
        for lane in self.orphaned.keys() - set(waiting):
            del self.orphaned[lane]

    async def _begin(self, lane: str) -> None:
        name, _, rest = lane.partition("/")
        if name == "*" or self._rests(lane):
            return
        try:
            if name not in self.generation.cards:
                await self._orphan(lane, name, rest)
            elif not self.paused(name) and self._turns.free(name, lane, self._beside(lane)):
                self._work(lane, name, rest)
        except StoreFailed:
            raise
        except EngineError as error:
            self._failed(lane, error)

    def _beside(self, lane: str) -> list[str]:
        """Return the lanes of the same pipeline whose work can be interrupted at a batch boundary, and begun again."""
        name = lane.partition("/")[0]
        return [
            other
            for other, worker in self._workers.items()
            if other != lane and worker.fingerprint and other.partition("/")[0] == name
        ]

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
            self._turns.over(lane.partition("/")[0], lane)
            if worker.task.cancelled():
                continue
            error = worker.task.exception()
            if isinstance(error, StoreFailed):
                raise error
            if isinstance(error, Busy) and worker.fingerprint and self._beside(lane):
                self._make_way(lane)
            elif error is not None:
                self._failed(lane, error)
            else:
                self._later.pop(lane, None)
                if lane.endswith((f"/{LANE}", f"/{REPLAY}")):  # a session tells it itself, when its lane moves on
                    self._free(lane)

    def _make_way(self, lane: str) -> None:
        """Give a worker its turn that cannot begin beside the others of its pipeline."""
        self._turns.ask(lane.partition("/")[0], lane)
        for other in self._beside(lane):
            self._end(self._workers[other], "success")

    def _free(self, lane: str) -> None:
        if self.runtime.held.pop(lane, None) is not None:
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
        self.runtime.held[lane] = code
        self.runtime.emit(LaneHeld(lane.partition("/")[0], "", lane, code, self.runtime.redact(reason)))

    async def _orphan(self, lane: str, name: str, rest: str) -> None:
        heir = self.generation.renamed.get(name)
        if heir is not None:
            to = f"{heir}/{rest}"
            while count := await self.runtime.store.clear(lane, to, 1000):
                if to in self.runtime.parkings:
                    self.runtime.parkings[to].stored += count
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
        self._turns.clear()
        for lane in [one for one in self.runtime.held if one.partition("/")[0] not in generation.cards]:
            del self.runtime.held[lane]
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
        self._bury()
        return not left

    def _bury(self) -> None:
        """Tell of workers that failed while they ended: nobody looks after them any more."""
        for lane, worker in self._workers.items():
            error = worker.task.exception() if not worker.task.cancelled() else None
            if error is not None and not isinstance(error, Busy):
                self._failed(lane, error)
        self._workers.clear()

    @property
    def work_under_way(self) -> Mapping[str, str]:
        """Return the lanes that are worked, with the revision."""
        return {lane: worker.fingerprint for lane, worker in self._workers.items()}
