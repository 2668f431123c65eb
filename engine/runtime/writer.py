"""Gathers what one target gets into writes, and accounts for every record of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.pipeline import TargetPlan
from engine.record import Failure, Outgoing
from engine.runtime.delivery import Delivered, Delivery, Refusal
from engine.runtime.prepare import Lost, Portion
from engine.runtime.settler import Settler
from engine.store.base import DeadLetter, NewEntry

_PARKED = Refusal("parked", "", 0)
AHEAD = 1
"""Chunks in the queue while a write is under way; the reader holds one more. Further ones only leave the cache."""


@dataclass(slots=True)
class _Span:
    """The part of a portion that is still in the buffer."""

    portion: Portion
    at: int = 0

    @property
    def left(self) -> int:
        return len(self.portion.keys) - self.at


@dataclass(slots=True)
class Writer:
    """One target's end of a run: one write in flight, in order."""

    plan: TargetPlan
    delivery: Delivery
    settler: Settler
    refuse: Callable[[Sequence[Lost]], list[tuple[int, DeadLetter | None]]]
    """Counts rejected records and gives the ledger their dead letters."""
    sent: Callable[[str, int, Delivered, float], None]
    stopping: asyncio.Event
    clock: Callable[[], float]
    wait: float | None = None
    """Seconds that records may wait for company; None: until there are enough, or no more come."""
    queue: asyncio.Queue[Portion | None] = field(default_factory=lambda: asyncio.Queue(AHEAD))
    _buffer: deque[_Span] = field(default_factory=deque)
    _held: int = 0
    _since: float = 0.0
    """When the oldest record of the buffer came."""
    _last: bool = False
    _giving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def give(self, portion: Portion) -> None:
        """Take a portion, or wait for room. Raises what a write raises where there is no need to wait for company."""
        target = self.delivery.target
        if not (target.rewinds or target.at_end):
            await self.queue.put(portion)
        elif portion.keys:
            # a file: reading ahead would only leave the cache, and no write may reach over a place to cut back to
            self._buffer.append(_Span(portion))
            self._held = len(portion.keys)
            async with self._giving:
                await self._write(self._held, portion.sequence)

    async def uncut(self) -> None:
        """Return when no write is under way that whoever gives makes itself: only then may the giver be cancelled."""
        async with self._giving:
            return

    async def work(self) -> None:
        """Write until the queue ends; once *stopping* is set, only empty it."""
        ended = False
        while not ended:
            portion = await self._next()
            if self.stopping.is_set():
                ended = portion is None and self._last
                continue
            if portion is not None and portion.keys:
                if not self._held:
                    self._since = self.clock()
                self._buffer.append(_Span(portion))
                self._held += len(portion.keys)
            due = portion is None
            ended = due and self._last
            while self._held >= self.plan.batch or (due and self._held):
                await self._write(min(self._held, self.plan.batch))
                if self.stopping.is_set():
                    break

    async def _next(self) -> Portion | None:
        """Return the next portion, or None when the queue ended (``_last``) or the wait for company is over."""
        if self.wait is None or not self._held:
            portion = await self.queue.get()
        else:
            try:
                async with asyncio.timeout(max(0.0, self._since + self.wait - self.clock())):
                    portion = await self.queue.get()
            except TimeoutError:
                return None
        self._last = portion is None
        return portion

    async def _write(self, size: int, sequence: int | None = None) -> None:
        await self.settler.room()
        if self.stopping.is_set():
            return
        parts = self._take(size)
        load = _load(parts)
        started = self.clock()
        ended = await self.delivery.deliver(load)
        self._account(parts, load, ended)
        self.sent(self.plan.id, size, ended, self.clock() - started)
        self.settler.wrote(self.plan.id, parts[-1][0].sequence if sequence is None else sequence)

    def _take(self, size: int) -> list[tuple[Portion, int, int]]:
        """Take *size* records from the buffer as (portion, start, stop)."""
        parts = []
        self._held -= size
        while size:
            span = self._buffer[0]
            count = min(size, span.left)
            parts.append((span.portion, span.at, span.at + count))
            span.at += count
            size -= count
            if not span.left:
                self._buffer.popleft()
        return parts

    def _account(self, parts: list[tuple[Portion, int, int]], load: Outgoing, ended: Delivered) -> None:
        lost: dict[int, list[Lost]] = {}
        parked: dict[int, list[NewEntry]] = {}
        offset = 0
        for portion, start, stop in parts:
            for index in range(start, stop) if ended.refused or ended.parked else ():
                at = offset + index - start
                refusal = ended.refused.get(at)
                if refusal is not None:
                    lost.setdefault(portion.sequence, []).append(self._lost(portion, index, refusal))
                elif at in ended.parked and self.delivery.parking is not None:
                    entry = self.delivery.parking.park(self._lost(portion, index, _PARKED))
                    parked.setdefault(portion.sequence, []).append(entry)
            offset += stop - start
            refused, kept = self.refuse(lost.get(portion.sequence, ())), parked.get(portion.sequence, ())
            self.settler.ledger.done(portion.sequence, stop - start, refused, kept)

    def _lost(self, portion: Portion, index: int, refusal: Refusal) -> Lost:
        flow = portion.flow
        return Lost(
            flow.origin[index],
            Failure(refusal.code, refusal.reason, self.plan.id),
            flow.entered[index],
            flow.enter,
            flow.metas[index],
            flow.inputs[index],
            self.plan.id,
            flow.records[index],
            portion.keys[index],
            refusal.attempts,
        )


def _load(parts: list[tuple[Portion, int, int]]) -> Outgoing:
    if len(parts) == 1:
        portion, start, stop = parts[0]
        flow = portion.flow
        if not start and stop == len(portion.keys):
            return Outgoing(flow.records, portion.keys, flow.metas, flow.inputs)
        return Outgoing(
            flow.records[start:stop], portion.keys[start:stop], flow.metas[start:stop], flow.inputs[start:stop]
        )
    load = Outgoing([], [], [], [])
    for portion, start, stop in parts:
        flow = portion.flow
        for column, values in zip(load, (flow.records, portion.keys, flow.metas, flow.inputs), strict=True):
            column += values[start:stop]  # type: ignore[operator]
    return load
