"""One run: wires reader, stages, writers and settler, and sees it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Misconfigured, RecordError
from engine.events import BatchDelivered, BatchRead, Emit, RunStatus
from engine.pipeline import Frame, Pipeline
from engine.runtime.asking import NOBODY, Asked
from engine.runtime.connections import Stopped
from engine.runtime.delivery import Delivered
from engine.runtime.ledger import Ledger
from engine.runtime.letters import Letters
from engine.runtime.prepare import Lost, Prepared, prepare
from engine.runtime.reader import Chunk
from engine.runtime.request import Stop
from engine.runtime.settler import Kept, Settler
from engine.runtime.tally import Tally
from engine.runtime.writer import Writer
from engine.store.base import DeadLetter


@dataclass(slots=True)
class Execution:
    """The moving parts of one run; ``run`` returns how it ended."""

    pipeline: Pipeline
    id: str
    frame: Callable[[], Frame]
    chunks: AsyncGenerator[Chunk, None]
    settler: Settler
    ledger: Ledger[Kept]
    letters: Letters
    emit: Emit
    stop: asyncio.Event
    """Set from outside: end at the next batch boundary."""
    stopping: asyncio.Event
    """Set inside, for whatever reason: read and write no more."""
    tally: Tally
    accepted: bool = False
    """What is read was promised to be worked: only what a target refuses counts as a mistake of the pipeline."""
    writers: dict[str, Writer] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=lambda: NOBODY)
    """The pipeline's steps that ask a remote system, opened, by label."""
    error: Exception | None = None
    status: RunStatus = "running"

    async def run(self) -> None:
        """Run to the end; sets ``status`` and ``error``. Raises only CancelledError."""
        await self._flow()
        self.status = self._outcome()
        if self.error is None and not self.stop.is_set():
            await self._guard(self._finish())
            if self.error is not None:
                self.status = "failed"

    async def _flow(self) -> None:
        """Read and write side by side until all is delivered or something forbids to go on."""
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(self._guard(self._read()), name="read")
            writing = [tasks.create_task(self._guard(w.work()), name=f"write {t}") for t, w in self.writers.items()]
            settling = tasks.create_task(self._guard(self.settler.work()), name="settle")
            watching = tasks.create_task(self._watch(), name="watch")
            halt = tasks.create_task(self.stopping.wait(), name="halt")
            await asyncio.wait({reading, halt}, return_when=asyncio.FIRST_COMPLETED)
            for writer in self.writers.values():
                await writer.uncut()
            reading.cancel()
            for writer in self.writers.values():
                await self._end(writer, halt)
            if writing:
                await asyncio.wait(writing)
            self.settler.stop()
            await asyncio.wait({settling})
            for task in (watching, halt):
                task.cancel()

    async def _end(self, writer: Writer, halt: asyncio.Task[Any]) -> None:
        """Tell a writer that nothing more comes; one that stopped no longer empties its queue."""
        putting = asyncio.ensure_future(writer.queue.put(None))
        try:
            await asyncio.wait({putting, halt}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done = putting.done()
            putting.cancel()
        if not done:
            while not writer.queue.empty():
                writer.queue.get_nowait()
            writer.queue.put_nowait(None)

    async def _watch(self) -> None:
        await self.stop.wait()
        self._halt()

    async def _guard(self, work: Awaitable[None]) -> None:
        """End the run on a failure of one part, and let the others come to their batch boundary."""
        try:
            await work
        except Stopped:
            self._halt()
        except Exception as error:  # also a mistake in a connector: the others must not be cut off in a write
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """End the run with *error* at the next batch boundary; the first one counts."""
        if self.error is None:
            self.error = error
        self._halt()

    def _halt(self) -> None:
        self.stopping.set()
        self.settler.close()

    async def _read(self) -> None:
        async with aclosing(self.chunks) as chunks:
            async for chunk in chunks:
                prepared = await prepare(self.pipeline, chunk, self.frame(), self.asked)
                self._take(chunk, prepared)
                for target, portion in prepared.portions.items():
                    await self.writers[target].give(portion)
                if self.ledger.mistaken:
                    raise self._mistake()

    def _take(self, chunk: Chunk, prepared: Prepared) -> None:
        self.tally.read += len(chunk.records)
        self.tally.dropped.update(prepared.dropped)
        deliveries = sum(len(portion.keys) for portion in prepared.portions.values())
        refused, positions = self.refuse(prepared.lost), prepared.positions
        if self.accepted:
            lost = {index for index, _ in refused}
            positions = [index for index in positions if index not in lost] if lost else positions
            self.ledger.take(chunk.sequence, chunk.safe, chunk.entries, positions, deliveries)
            self.ledger.done(chunk.sequence, 0, (), [letter for _, letter in refused if letter is not None])
            if not deliveries:
                self.settler.wake()
        else:
            self.ledger.take(chunk.sequence, chunk.safe, chunk.entries, positions, deliveries)
            self.ledger.done(chunk.sequence, 0, refused)
        self.emit(BatchRead(self.pipeline.name, self.id, len(chunk.records), prepared.dropped, len(prepared.lost)))

    @property
    def waiting(self) -> bool:
        """Tell whether accepted work is held for a target."""
        return any(one.delivery.patience is not None and one.delivery.patience.waiting for one in self.writers.values())

    def idle(self) -> bool:
        """Nothing more waits in the lane: settle what there is; tell whether all is. Raises Misconfigured."""
        if self.ledger.rest():
            raise self._mistake()
        if not self.settler.clean:
            self.settler.wake()
        return self.settler.clean

    def refuse(self, lost: Sequence[Lost]) -> list[tuple[int, DeadLetter | None]]:
        """Count rejected records; give the ledger their dead letters with the source index."""
        refused: list[tuple[int, DeadLetter | None]] = []
        for one in lost:
            policy = self._on_rejected(one.target)
            reason = self.letters.reason(one)
            if policy == "fail" and self.accepted:
                raise Misconfigured(f"{one.failure.code}: {reason} (on_rejected: fail; accepted work waits)")
            if policy == "fail":
                told = f"{one.failure.code}: {reason} (on_rejected: fail)"
                raise RecordError(one.failure.code, told, one.failure.where)
            self.tally.refuse(one.failure.code, reason, kept=policy == "dead_letter")
            refused.append((one.origin, self.letters.write(one, reason) if policy == "dead_letter" else None))
        return refused

    def _on_rejected(self, target: str | None) -> str:
        plans = {plan.id: plan.on_rejected for plan in self.pipeline.targets}
        if target is None:
            return next(iter(plans.values())) if len(plans) == 1 else "dead_letter"
        return plans.get(target, "dead_letter")  # a replay may be for one that this revision has not

    def sent(self, target: str, size: int, ended: Delivered, seconds: float) -> None:
        """Count one write; end the run when all that is read is refused."""
        refused = len(ended.refused)
        sent = size - refused - len(ended.parked)
        self.tally.sent[target] += sent
        self.emit(BatchDelivered(self.pipeline.name, self.id, target, sent, refused, ended.attempts, seconds))
        if self.ledger.mistaken:
            raise self._mistake()

    def _mistake(self) -> Misconfigured:
        count = self.ledger.streak or self.tally.rejected
        return Misconfigured(
            f"{count} records in a row were refused, none is kept: this is a mistake in the pipeline or the target; "
            f"most often {self.tally.worst()}"
        )

    @property
    def _holds(self) -> bool:
        """Tell whether accepted work waits for a target."""
        patiences = [writer.delivery.patience for writer in self.writers.values()]
        return any(patience is not None and patience.waiting for patience in patiences)

    def _outcome(self) -> RunStatus:
        if self.error is None and not self.stop.is_set() and self.ledger.close():
            self.error = self._mistake()
        if self.error is not None:
            return "failed"
        if not self.stop.is_set():
            return self.tally.outcome
        if self.accepted:  # what it held goes on with the next session
            return "interrupted" if self._holds else self.tally.outcome
        return self.stop.status if isinstance(self.stop, Stop) else "cancelled"

    async def _finish(self) -> None:
        """Make visible what becomes so only at the end. A failure here fails the run."""
        for name, writer in self.writers.items():
            target = self.settler.targets[name]
            try:
                await writer.delivery.line.once(target.finish)
            except BaseException:
                # what a file holds now is not known
                self.settler.enabled = self.settler.enabled and not target.rewinds
                raise
