"""Begins and ends a run: takes the lane, opens what the pipeline names, executes, settles the end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.connector import Context
from engine.errors import EngineError, StoreError
from engine.events import Emit, Event, Noted, RunFinished, RunStarted, RunStatus
from engine.ids import new_id
from engine.pipeline import Frame, Pipeline, Remote
from engine.policy import Resilience
from engine.record import Checkpoint
from engine.runtime import position as positions
from engine.runtime.assembly import assemble, opener
from engine.runtime.connections import Borrower, Connections, Line, Sleep, Stopped
from engine.runtime.letters import Letters
from engine.runtime.parking import Parking
from engine.runtime.position import Busy, Position
from engine.runtime.preview import Glass, preview
from engine.runtime.request import Preview, Request, RunResult, Stop
from engine.runtime.run import Execution
from engine.runtime.settler import Aftermath, Settler
from engine.runtime.tally import Tally, TimeLimit, explain
from engine.store.base import Lease, LogLine, RunRow, Settlement, Store, Where

ENDED = ("success", "partial", "empty")


@dataclass(slots=True)
class Runtime:
    """What all runs of a process share."""

    store: Store
    emit: Emit
    project: Path
    roots: Sequence[Path] = ()
    redact: Callable[[str], str] = str
    log: Callable[[Event], LogLine | None] = lambda event: None
    """Makes the line an event leaves in its run's log."""
    egress: Any = None
    exchange: Any = None
    """Stands between connectors and what they reach; see ``engine.connector.Exchange``."""
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Sleep = asyncio.sleep
    """How the settler waits while the store is full."""
    settling: bool = True
    """False only in the control of the kill test: nothing is settled, so an interrupted run repeats everything."""

    connections: Connections | None = None
    """Shared by all runs, where a process stays; None: each run opens its own."""
    parkings: dict[str, Parking] = field(default_factory=dict)
    """By lane: output that waits for a target."""
    held: dict[str, str] = field(default_factory=dict)
    """By lane: the code of why it is held, as it was told; until it is told to be free."""

    async def run(self, pipeline: Pipeline, request: Request, stop: asyncio.Event) -> RunResult:
        """Execute *pipeline* once. Raises Busy when it is running already, StoreError, CancelledError.

        Whatever else goes wrong ends the run in a status and stands in the summary. *stop* ends it at a batch boundary.
        """
        run = Run(self, pipeline, request, stop)
        return await (run.preview() if request.dry_run else run.execute())

    async def check(self, remote: Remote) -> str:
        """Try a connection; return one line for people. Raises ConnectorError, CircuitOpen."""
        async with AsyncExitStack() as stack:
            shared = await self.connect(stack).get(remote)
            line = Line(shared, Resilience(), "", "", self.emit, self.random, self.clock)
            answer: str = await line.once(shared.client.check)
            return answer

    def connect(self, stack: AsyncExitStack) -> Borrower:
        """Return where a run gets its connections; what is opened for it alone is closed with *stack*."""
        return (self.connections or Connections(stack, self.context)).lent(stack)

    async def entries(self, lane: str) -> int:
        """Count what waits in a lane."""
        rows, _ = await self.store.find("lanes", Where(lane=lane))
        return sum(row.entries for row in rows)

    def parking(self, lane: str) -> Parking:
        """Return the counter of a lane of parked output."""
        return self.parkings.setdefault(lane, Parking(lane))

    def context(self, remote: Remote) -> Context:
        """Make what a connection is built with."""
        return Context(remote.name, self.project, self.roots, egress=self.egress, exchange=self.exchange)


@dataclass(slots=True)
class Run:
    """One run, from its lane to its row."""

    shared: Runtime
    pipeline: Pipeline
    request: Request
    stop: asyncio.Event
    ending: Callable[[RunRow], Aftermath] = lambda row: Aftermath()
    """What becomes true together with its end."""
    id: str = field(default_factory=new_id)
    started: datetime = field(init=False)
    position: Position = field(init=False)
    tally: Tally = field(default_factory=Tally)
    status: RunStatus = "running"
    error: Exception | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _began: float = 0.0
    _settler: Settler | None = None
    logs: list[LogLine] = field(default_factory=list)
    names: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.shared.now()
        self._began = self.shared.clock()
        self.names = self._make_names()
        self.position = positions.choose(self.pipeline, self.request, self.names)

    async def execute(self) -> RunResult:
        """Take the lane, run, settle the end."""
        store = self.shared.store
        await positions.take(store, self.position)
        try:
            if self.request.fresh and (self.position.reset or self.position.source):
                self.position.checkpoint = None
            await self._work()
        finally:
            finished = self._finished()
            if not self.unbegun:
                self.shared.emit(finished)  # its line in the log was written with the end of the run
            await store.release(self.position.leases)
        return RunResult(finished.summary)

    async def preview(self) -> RunResult:
        """Read and map, and show; nothing is settled."""
        shown: list[Preview] = []
        await positions.peek(self.shared.store, self.position)
        async with AsyncExitStack() as stack:
            try:
                opens = opener(self, stack)
                chunks = opens.reader(await opens.source()).chunks(self.position.source)
                reason = Letters(self.pipeline, self.id, new_id, self.shared.redact).reason
                glass = Glass(self.pipeline, self.frame, reason, await opens.asked(dry=True))
                shown = await preview(glass, chunks, self.tally)
                self.status = self.tally.outcome
            except (EngineError, OSError) as error:
                self.error, self.status = error, "failed"
        return RunResult(self.summary(), shown)

    async def _work(self) -> None:
        async with AsyncExitStack() as stack:
            try:
                await self._try(stack)
            finally:
                try:
                    if not self.unbegun:
                        await self._end()
                except asyncio.CancelledError:
                    self.status = self._cut_off()
                    await self._row_alone()
                    raise
        if self.error is not None and (self.unbegun or not isinstance(self.error, EngineError | OSError)):
            raise self.error  # a mistake in the engine or a connector; the row tells how the run ended all the same

    @property
    def unbegun(self) -> bool:
        """Tell whether it did not get what only one can have: it leaves no trace, and may be tried again."""
        return isinstance(self.error, Busy) and self._settler is None

    async def _try(self, stack: AsyncExitStack) -> None:
        """Open and execute; whatever goes wrong becomes ``status`` and ``error``. Raises only CancelledError."""
        try:
            async with asyncio.timeout(None if self.position.follows else self.pipeline.time_limit) as limit:
                execution, self._settler = await assemble(self, stack)
                self._settler.logs.extend(self.logs)
                await self._begin()
                await self._execute(execution)
        except asyncio.CancelledError:
            self.status = self._cut_off()
            raise
        except Exception as error:
            self.error, self.status = error, "failed"
            if isinstance(error, TimeoutError) and limit.expired():
                self.error, self.status = TimeLimit(self.pipeline.time_limit or 0.0), "timed_out"

    def _cut_off(self) -> RunStatus:
        """Return how a run ends that was not even left to its batch boundary."""
        return self.stop.status if isinstance(self.stop, Stop) and self.stop.is_set() else "cancelled"

    async def _execute(self, execution: Execution) -> None:
        beat = asyncio.create_task(self._beat(execution))
        try:
            await execution.run()
        finally:
            beat.cancel()
            self.status, self.error = execution.status, execution.error

    async def _beat(self, execution: Execution) -> None:
        try:
            await positions.renew(self.shared.store, self.position)
        except Exception as error:
            execution.fail(error)

    # what expressions see

    def _make_names(self) -> dict[str, Any]:
        return {
            "params": self.request.params,
            "trigger": {**self.request.around, "id": self.request.trigger, "params": self.request.params},
            "run": {"id": self.id, "pipeline": self.pipeline.name, "started": self.started.isoformat()},
            "vars": self.pipeline.vars,
        }

    def frame(self) -> Frame:
        """Return what expressions see of the run, now."""
        names, zone = self.names, self.pipeline.timezone
        now = self.shared.now().astimezone(zone)
        return Frame(names["params"], names["trigger"], names["run"], names["vars"], now, zone)

    # what it tells

    def emit(self, event: Event) -> None:
        """Pass an event on, and keep the line it leaves in the run's log."""
        self._keep(event)
        self.shared.emit(event)

    def _keep(self, event: Event) -> None:
        line = self.shared.log(event)
        if line is not None:
            (self._settler.logs if self._settler else self.logs).append(line)

    def _finished(self) -> RunFinished:
        summary = self.summary()
        return RunFinished(self.pipeline.name, self.id, self.status, summary["seconds"], summary)

    def note(self, level: Any, code: str, message: str) -> None:
        """Say something in the run's log."""
        self.emit(Noted(self.pipeline.name, self.id, level, code, self.shared.redact(message)))

    def row(self) -> RunRow:
        """The run's row as it stands."""
        finished = None if self.status == "running" else _utc(self.shared.now())
        return RunRow(
            self.id, self.pipeline.name, self.status, self.request.trigger, self.request.params,
            self.pipeline.fingerprint, _utc(self.started), finished, self.summary(), self.request.group or self.id,
            self.request.rerun_of,
        )  # fmt: skip

    def summary(self) -> dict[str, Any]:
        """One line of ``engine run --json``."""
        cursor = self._settler.base.get("cursor") if self._settler else self.position.cursor
        return {
            "run": self.id,
            "pipeline": self.pipeline.name,
            "status": self.status,
            "started": _utc(self.started),
            "seconds": round(self.shared.clock() - self._began, 3),
            **self.tally.summary(),
            "cursor": cursor,
            "error": explain(self.error, self.shared.redact) if self.error else None,
        }

    async def sleep(self, seconds: float) -> None:
        """Sleep, unless the run is told to stop meanwhile. Raises Stopped."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise Stopped("stopped while waiting for another try")

    # how it begins and ends in the store

    async def _begin(self) -> None:
        source, resumed = self.pipeline.source, self.position.checkpoint is not None
        kind = "session" if self.position.follows else "replay" if self.position.replay else ""
        kind = "reset" if self.position.reset else kind
        name = "webhook" if self.position.follows else source.remote.name if source.remote else source.connector
        targets = tuple(plan.remote.name if plan.remote else plan.id for plan in self.pipeline.targets)
        self.emit(RunStarted(self.pipeline.name, self.id, self.request.trigger, name, targets, resumed, kind))
        assert self._settler is not None
        await self._settler.start()

    async def _end(self) -> None:
        """Write the end of the run, whatever it was; after a failure only what is certain."""
        settler, ended = self._settler, self.status in ENDED
        self._keep(self._finished())
        if settler is None or not settler.enabled or (settler.at_end and not ended):
            await self._row_alone()
            return
        closing: dict[Lease, Checkpoint | None] = {}

        async def close(checkpoint: Checkpoint) -> Mapping[Lease, Checkpoint | None]:
            # a lane that is left in the middle: what was written of it and not settled is undone by whoever goes on
            if ended and (settler.ledger.settled or not self.position.lane_only):
                whole, store = self.request.limit is None, self.shared.store
                closing.update(await positions.leave(store, self.pipeline, self.position, checkpoint, whole))
            return closing

        try:
            # what a limit cut off inside a group of equal cursor values is read again
            cut = self.request.limit is not None and settler.part == "cursor"
            await settler.settle(close, complete=ended and not cut)
        except StoreError as error:
            self.error, self.status = error, "failed"
            raise
        except Exception as error:  # a target could not make it durable, a source could not be told
            self.error, self.status = self.error or error, "failed"
            await self._row_alone()
        finally:
            await self.shared.store.release([lease for lease in closing if lease not in self.position.leases])

    async def _row_alone(self) -> None:
        if self._settler is not None:
            await self._settler.tell()
            return
        row = self.row()
        after = self.ending(row)
        alone = Settlement(new_id(), self.position.held, run=row, logs=self.logs)
        await self.shared.store.settle(alone._replace(finished=after.finished, append=after.append))


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
