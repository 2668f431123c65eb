"""Works one call in memory and gives what came of it: nothing is stored, the caller is the one who tries again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.connector import Context
from engine.errors import Misconfigured
from engine.events import BatchDelivered, BatchRead, Noted
from engine.pipeline import Frame, Pipeline
from engine.policy import Resilience
from engine.record import Outgoing, Record
from engine.runtime.asking import Asked
from engine.runtime.connections import Line, Shared
from engine.runtime.delivery import Delivery
from engine.runtime.letters import Letters
from engine.runtime.opening import Opener
from engine.runtime.position import Position
from engine.runtime.prepare import Lost, Portion, prepare
from engine.runtime.reader import Chunk
from engine.runtime.runner import Runtime

SIDE_BY_SIDE = 8
"""Calls of one pipeline that are worked at once, each with targets of its own."""


class Refused(NamedTuple):
    """Why a record was not taken."""

    code: str
    message: str
    where: str


class Outcome(NamedTuple):
    """What came of one call."""

    records: Sequence[Record]
    """As mapped; of several targets one after the other."""
    results: Mapping[str, Mapping[str, int]]
    """Target → ``sent`` and ``rejected``."""
    refused: Sequence[Refused]


@dataclass(slots=True)
class _Ends:
    """The opened targets and asking steps of one call at a time."""

    stack: AsyncExitStack
    names: dict[str, Any]
    """What the ends see of the call that has them now."""
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    asked: Mapping[str, Asked] = field(default_factory=dict)

    def turn(self, frame: Frame) -> None:
        """Show them the next call: nothing of the one before may go with it."""
        self.names.clear()
        self.names.update(_names(frame))
        for delivery in self.deliveries.values():
            delivery.line.run = str(frame.run["id"])


@dataclass(slots=True)
class Answering:
    """Works calls for one revision of a pipeline; opens its targets when first called."""

    runtime: Runtime
    pipeline: Pipeline
    _idle: list[_Ends] = field(default_factory=list)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SIDE_BY_SIDE))
    _closed: bool = False

    async def answer(self, records: Sequence[Record], meta: Mapping[str, Any], frame: Frame) -> Outcome:
        """Take *records* through the pipeline. Raises ConnectorError, CircuitOpen.

        Cancelled, what was being written is uncertain.
        """
        async with self._turns, self._ends(frame) as ends:
            chunk = Chunk(0, records, [meta] * len(records), None)
            done = await prepare(self.pipeline, chunk, frame, ends.asked)
            name, run = self.pipeline.name, frame.run["id"]
            self.runtime.emit(BatchRead(name, run, len(records), done.dropped, len(done.lost)))
            letters = Letters(self.pipeline, run, lambda: "", self.runtime.redact)
            if done.lost:
                # nothing was sent yet: a caller who mends it and comes again does nothing twice
                return Outcome((), {}, [_refused(letters, lost) for lost in done.lost])
            if not self.pipeline.targets:
                return Outcome(done.rest, {}, ())
            mapped: list[Record] = []
            results: dict[str, Mapping[str, int]] = {}
            refused: list[Refused] = []
            for target, portion in done.portions.items():
                mapped += portion.flow.records
                wrong = await self._deliver(ends.deliveries[target], target, portion, letters, run)
                results[target] = {"sent": len(portion.keys) - len(wrong), "rejected": len(wrong)}
                refused += wrong
            return Outcome(mapped, results, refused)

    async def _deliver(
        self, delivery: Delivery, target: str, portion: Portion, letters: Letters, run: str
    ) -> list[Refused]:
        flow, size = portion.flow, len(portion.keys)
        if not size:
            return []
        started, load = self.runtime.clock(), Outgoing(flow.records, portion.keys, flow.metas, flow.inputs)
        ended = await delivery.deliver(load)
        await delivery.target.flush()
        wrong = [Refused(one.code, delivery.cover(one.reason, load), target) for one in ended.refused.values()]
        seconds, sent = self.runtime.clock() - started, size - len(wrong)
        event = BatchDelivered(self.pipeline.name, run, target, sent, len(wrong), ended.attempts, seconds)
        self.runtime.emit(event)
        return wrong

    @asynccontextmanager
    async def _ends(self, frame: Frame) -> AsyncIterator[_Ends]:
        ends = self._idle.pop() if self._idle else await self._open(frame)
        ends.turn(frame)
        try:
            yield ends
        except BaseException:
            await ends.stack.aclose()  # what a cut-off write left of a connection is not known
            raise
        if self._closed:
            await ends.stack.aclose()
        else:
            self._idle.append(ends)

    async def _open(self, frame: Frame) -> _Ends:
        runtime, name, run = self.runtime, self.pipeline.name, str(frame.run["id"])
        stack = AsyncExitStack()
        line = Line(
            Shared(name, None, None, None), Resilience(), name, run, runtime.emit, runtime.random, runtime.clock,
            runtime.sleep,
        )  # fmt: skip

        ends = _Ends(stack, _names(frame))

        def note(level: Any, code: str, message: str) -> None:
            now = str(ends.names["run"]["id"])
            runtime.emit(Noted(name, now, level, code, runtime.redact(message)))

        context = Context(
            name, runtime.project, runtime.roots, ends.names, note=note, egress=runtime.egress,
            exchange=runtime.exchange,
        )  # fmt: skip
        opener = Opener(self.pipeline, Position(""), None, runtime.connect(stack), line, context, stack)
        letters = Letters(self.pipeline, run, lambda: "", runtime.redact)
        deliveries = {}
        try:
            for plan in self.pipeline.targets:
                target, own = await opener.target(plan)
                if target.at_end or target.rewinds:
                    raise Misconfigured(f"{plan.id} is a file: what is written to it cannot be answered for at once")
                deliveries[plan.id] = Delivery(
                    target, own, bool(plan.key), runtime.random, note, letters.covering(plan.id)
                )
            ends.deliveries, ends.asked = deliveries, await opener.asked()
            return ends
        except BaseException:
            await stack.aclose()
            raise

    async def close(self) -> None:
        """Close what is open and idle; what is under way closes by itself."""
        self._closed = True
        for ends in self._idle:
            await ends.stack.aclose()
        self._idle.clear()


def _refused(letters: Letters, lost: Lost) -> Refused:
    return Refused(lost.failure.code, letters.reason(lost), lost.failure.where or lost.target or "")


def _names(frame: Frame) -> dict[str, Any]:
    return {"params": frame.params, "trigger": frame.trigger, "run": frame.run, "vars": frame.vars}
