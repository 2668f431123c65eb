"""Settles: one transaction for all that became certain, beside the writes, never after them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.connector import Source, Target
from engine.errors import StoreFull
from engine.events import Emit, Noted, Settled
from engine.ids import new_id
from engine.record import Checkpoint
from engine.runtime.ledger import Frontier, Ledger
from engine.store.base import DeadLetter, Lease, LogLine, RunRow, Settlement, Store

Close = Callable[[Checkpoint | None], Awaitable[Sequence[tuple[Lease, Checkpoint | None]]]]
"""Given the lane's last checkpoint, gives the lanes that change with the end of the run."""

LAG = 2
"""Writes that may be taken and not yet settled while the next is under way."""
PAUSE = 1.0
"""Seconds between settlements where all targets rewind, and between tries when the store is full."""
TRIES = 30


@dataclass(slots=True)
class Settler:
    """The only one who calls ``store.settle`` for a run."""

    store: Store
    lease: Lease
    ledger: Ledger[DeadLetter]
    run_row: Callable[[], RunRow]
    targets: Mapping[str, Target]
    source: Source | None
    emit: Emit
    clock: Callable[[], float]
    logs: deque[LogLine] = field(default_factory=deque)
    base: Mapping[str, Any] = field(default_factory=dict)
    """The lane's checkpoint so far, by part: ``cursor`` or ``source``, and ``targets``."""
    part: str = "source"
    enabled: bool = True
    at_end: bool = field(init=False)
    """Nothing settles before the end."""
    lazy: bool = field(init=False)
    """What was not settled leaves no trace, so settling may lag."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _closed: bool = False
    _written: int = 0
    _settled: int = 0
    _last: float = 0.0
    _progress: deque[tuple[int, str, Checkpoint | None]] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.at_end = any(target.at_end for target in self.targets.values())
        self.lazy = bool(self.targets) and all(target.rewinds for target in self.targets.values())

    async def room(self) -> None:
        """Return when the next write may begin: the settlements are not too far behind."""
        if self.at_end or self.lazy:
            return
        while self._written - self._settled >= LAG and not self._closed:
            self._moved.clear()
            await self._moved.wait()

    def wrote(self, target: str, sequence: int) -> None:
        """Note a write that ended; remember where a rewinding target stands after chunk *sequence*."""
        self._written += 1
        if self.targets[target].rewinds:
            self._progress.append((sequence, target, self.targets[target].progress()))
        if not self.at_end and (not self.lazy or self.clock() - self._last >= PAUSE):
            self._wake.set()

    async def work(self) -> None:
        """Settle whenever there is something, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.settle()

    async def settle(self, close: Close | None = None) -> None:
        """Write what may settle now. With *close* it is the end: all dead letters, and what else *close* gives."""
        written = self._written
        self._last = self.clock()
        frontier = self.ledger.frontier(close is not None)
        if self.enabled and (close is not None or not frontier.empty):
            await self._write(frontier, close)
        self._settled = max(self._settled, written)
        self._moved.set()

    async def _write(self, frontier: Frontier[DeadLetter], close: Close | None) -> None:
        progress = self._advance(frontier)
        also = await close(self.base) if close is not None else ()
        if progress is not None:
            for target in self.targets.values():
                await target.flush()
        row = self.run_row()
        settlement = Settlement(
            id=new_id(),
            lease=self.lease,
            checkpoint=None if self.lease in [lease for lease, _ in also] else progress,
            done=frontier.entries,
            dead=frontier.dead,
            run=row,
            logs=[self.logs.popleft() for _ in range(len(self.logs))],
            also=also,
        )
        await self._settle(settlement)
        self.emit(Settled(row.pipeline, row.id, progress, len(frontier.dead)))
        if self.source is not None and frontier.checkpoint is not None:
            await self.source.settled(frontier.checkpoint)

    async def _settle(self, settlement: Settlement) -> None:
        """Settle; a full disk is waited for, with nothing written meanwhile, and then fails the run."""
        for _ in range(TRIES):
            try:
                return await self.store.settle(settlement)
            except StoreFull as error:
                row = self.run_row()
                self.emit(Noted(row.pipeline, row.id, "error", "store-full", str(error)))
                await self.sleep(PAUSE)
        return await self.store.settle(settlement)

    def close(self) -> None:
        """Hold no writer back any longer: the run stops."""
        self._closed = True
        self._moved.set()

    def _advance(self, frontier: Frontier[DeadLetter]) -> Checkpoint | None:
        if frontier.checkpoint is None:
            return None
        targets = dict(self.base.get("targets", {}))
        while self._progress and self._progress[0][0] <= frontier.sequence:
            _, target, progress = self._progress.popleft()
            targets[target] = progress
        self.base = {self.part: frontier.checkpoint, **({"targets": targets} if targets else {})}
        return self.base
