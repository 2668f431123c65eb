"""Works the firings of one pipeline: each becomes a run, as its overlap policy says, and is done with its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from engine.errors import DefinitionError, EngineError, LeaseLost, RecordError, StoreError, StoreFull, Unavailable
from engine.events import Noted, RunStatus, Skipped
from engine.ids import new_id
from engine.pipeline import Pipeline
from engine.runtime.position import TTL
from engine.runtime.request import Request, Stop
from engine.runtime.runner import Run, Runtime
from engine.runtime.settler import Aftermath
from engine.service.drops import note
from engine.service.firing import LANE, Firing
from engine.service.overlap import choose, replaced
from engine.store.base import Entry, Lease, NewEntry, RunRow, Settlement

AT_ONCE = 100
"""Firings in memory: those that run, side by side where that is allowed, and those that wait; the rest is on disk."""
MOST_BYTES = 1 << 20
POLL = 1.0
GIVEN_UP = 5
"""So often in a row a process died with these firings before any ended: the first of them is done for."""

Follow = Callable[[RunRow], Sequence[NewEntry]]
"""The row of a run that ended → what comes after it."""


@dataclass(slots=True, eq=False)
class _Job:
    """A firing on its way."""

    entry: Entry
    firing: Firing
    slot: int = 0
    stop: Stop = field(default_factory=Stop)


@dataclass(slots=True)
class Firings:
    """The lane ``<pipeline>/fire``, until it is empty."""

    runtime: Runtime
    name: str
    pipeline: Callable[[], Pipeline]
    """Gives the revision of now. Raises Unavailable."""
    follow: Follow
    running: dict[str, Stop]
    """Runs of the whole process by id, so that people can cancel one."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Begin nothing more."""
    _lease: Lease | None = None
    _waiting: deque[_Job] = field(default_factory=deque)
    _runs: dict[asyncio.Task[None], _Job] = field(default_factory=dict)

    async def work(self) -> None:
        """Work until the lane is empty or ``stop``, and all runs have ended. Raises StoreError, CancelledError."""
        store, lane = self.runtime.store, f"{self.name}/{LANE}"
        leases = await store.acquire(lane, 1, TTL)
        if [lease.lane for lease in leases] != [lane]:
            await store.release(leases)
            return
        self._lease = leases[0]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(store.release, leases)
            beat = asyncio.create_task(self._beat(self._lease))
            stack.callback(beat.cancel)
            if (await store.load(self._lease)).restarts >= GIVEN_UP:
                await self._give_up()
            try:
                await self._to_the_end(beat)
            except asyncio.CancelledError:
                for task in self._runs:
                    task.cancel()
                await asyncio.gather(*self._runs, return_exceptions=True)
                raise

    async def _to_the_end(self, beat: asyncio.Task[None]) -> None:
        try:
            await self._loop(beat)
        except asyncio.CancelledError:
            raise
        except Exception:
            await self._end()
            raise
        await self._end()

    async def _loop(self, beat: asyncio.Task[None]) -> None:
        while not self.stop.is_set():
            if beat.done():
                beat.result()
            room = AT_ONCE - len(self._runs) - len(self._waiting)
            found = await self.runtime.store.fetch(self._held, room, MOST_BYTES) if room > 0 else ()
            for entry in found:
                await self._judge(_Job(entry, Firing.read(entry)))
            self._begin()
            if not found and not self._runs and not self._waiting:
                return
            if not found:
                await self._rest()
            await self._reap()

    async def _rest(self) -> None:
        """Wait until a run ends, something new comes, or it is time to look."""
        news = asyncio.create_task(self.runtime.store.wait(self._held.lane, POLL))
        halt = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({news, halt, *self._runs}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            halt.cancel()

    async def _end(self) -> None:
        if self._runs:
            await asyncio.wait(self._runs)
        await self._reap()

    @property
    def _held(self) -> Lease:
        assert self._lease is not None
        return self._lease

    async def _beat(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(TTL / 3)
            try:
                held = await self.runtime.store.renew([lease], TTL)
            except StoreFull:
                continue  # as for a run's lane
            if not held:
                raise LeaseLost(f"{lease.lane} was taken over by another process")

    # what becomes of a firing

    async def _judge(self, job: _Job) -> None:
        pipeline = self.pipeline()
        running = [one.firing for one in self._runs.values()]
        chosen = choose(pipeline.overlap, job.firing, running, [one.firing for one in self._waiting])
        if chosen == "drop":
            await self._done(job, "a run with the same params is under way or waits already")
            return
        if chosen == "start":
            self._start(job, pipeline)
            return
        if chosen == "cancel":
            for one in self._runs.values():
                one.stop.halt("cancelled")
        waiting = list(self._waiting)
        gone = replaced(pipeline.overlap, job.firing, [one.firing for one in waiting])
        for index in gone:
            await self._done(waiting[index], "a newer one took its place")
        self._waiting = deque([one for index, one in enumerate(waiting) if index not in gone] + [job])

    def _begin(self) -> None:
        """Start what waited, if its turn has come."""
        if self._waiting and not self._runs and not self.stop.is_set():
            self._start(self._waiting.popleft(), self.pipeline())

    def _start(self, job: _Job, pipeline: Pipeline) -> None:
        used = {one.slot for one in self._runs.values()}
        job.slot = next(number for number in range(len(used) + 1) if number not in used)
        task = asyncio.create_task(self._run(job, pipeline), name=f"run {self.name}")
        self._runs[task] = job

    async def _reap(self) -> None:
        for task in [one for one in self._runs if one.done()]:
            del self._runs[task]
            task.result()

    async def _run(self, job: _Job, pipeline: Pipeline) -> None:
        """Run one firing to its end. Raises StoreError."""
        firing = job.firing
        try:
            params = pipeline.check_params(firing.params)
        except (DefinitionError, RecordError) as error:
            await self._done(job, f"its params are wrong: {error}", level="error")
            return
        around = {**firing.around, "type": firing.kind, "slot": firing.slot}
        apart = job.slot if pipeline.overlap == "allow" else None
        request = Request(
            params, trigger=firing.trigger, rerun_of=firing.rerun_of, group=firing.group, around=around, apart=apart
        )

        ended: list[str] = []

        def ending(row: RunRow) -> Aftermath:
            ended.append(row.status)
            if row.status == "interrupted":  # it goes on with the next start
                return Aftermath()
            after = [*self.follow(row), *note(self.name, firing, row.status)]
            return Aftermath([(self._held, [job.entry.id])], after)

        while not self.stop.is_set():
            try:
                await self._execute(Run(self.runtime, pipeline, request, job.stop, ending))
                return
            except Unavailable:
                await self._pause()  # a run by hand has the lane: this one comes after it
            except StoreError:
                raise
            except Exception as error:  # a mistake in the engine or a connector; the run's row tells, if it has one
                name = "" if isinstance(error, EngineError) else f"{type(error).__name__}: "
                self.runtime.emit(Noted(self.name, "", "error", "internal", f"{firing.trigger}: {name}{error}"))
                if not ended:
                    await self._done(job, "no run could begin")
                return

    async def _execute(self, run: Run) -> None:
        self.running[run.id] = run.stop if isinstance(run.stop, Stop) else Stop()
        try:
            await run.execute()
        finally:
            del self.running[run.id]

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(POLL / 2):
                await self.stop.wait()
        except TimeoutError:
            return

    async def _done(self, job: _Job, reason: str, level: str = "") -> None:
        """Finish a firing that starts no run."""
        after = note(self.name, job.firing, "failed")
        await self.runtime.store.settle(Settlement(new_id(), self._held, done=[job.entry.id], append=after))
        if level:
            self.runtime.emit(Noted(self.name, "", "error", "firing", f"{job.firing.trigger}: {reason}"))
        else:
            self.runtime.emit(Skipped(self.name, "", job.firing.trigger, reason))

    async def _give_up(self) -> None:
        """Finish the first firing: it, or what stood beside it, kills the process.

        What somebody was promised is not lost: it goes behind the others, and is tried again after them.
        """
        for entry in await self.runtime.store.fetch(self._held, 1, MOST_BYTES):
            job, died = _Job(entry, Firing.read(entry)), f"the process died {GIVEN_UP} times while this run was"
            if not job.firing.accepted:
                await self._done(job, f"{died} the first in line", "error")
                return
            behind = NewEntry(entry.lane, entry.body)
            await self.runtime.store.settle(Settlement(new_id(), self._held, done=[entry.id], append=[behind]))
            reason = f"{job.firing.trigger}: {died} the first in line; it was accepted, so it is tried after the others"
            self.runtime.emit(Noted(self.name, "", "error", "firing", reason))

    def rest(self) -> None:
        """Begin nothing more; what runs comes to its end."""
        self.stop.set()

    def halt(self, status: RunStatus) -> None:
        """Begin nothing more, and end what runs at its next batch boundary."""
        self.stop.set()
        for job in self._runs.values():
            job.stop.halt(status)
