"""Settles: one transaction for all that became certain, beside the writes, never after them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.connector import Source, Target
from engine.errors import StoreFull
from engine.events import Emit, Noted, Settled
from engine.ids import new_id
from engine.record import Checkpoint
from engine.runtime.cursor import later
from engine.runtime.ledger import Frontier, Ledger
from engine.store.base import DeadLetter, Lease, LogLine, NewEntry, RunRow, Settlement, Store

Kept = DeadLetter | NewEntry
"""What remains of a record that was not delivered: a dead letter, or an entry where its target's output is parked."""


class Aftermath(NamedTuple):
    """What becomes true together with the end of a run."""

    finished: Sequence[tuple[Lease, Sequence[str]]] = ()
    append: Sequence[NewEntry] = ()


Close = Callable[[Checkpoint], Awaitable[Mapping[Lease, Checkpoint | None]]]
"""Given the lane's last checkpoint, gives the lanes that change with the end of the run."""

LAG = 2
"""Writes that may be taken and not yet settled while the next is under way."""
PAUSE = 1.0
"""Seconds between settlements where all targets rewind, and between tries when the store is full."""
TRIES = 30


NOTHING: Frontier[Kept] = Frontier(None, -1, (), ())


@dataclass(slots=True)
class Settler:
    """The only one who calls ``store.settle`` for a run."""

    store: Store
    lease: Lease
    ledger: Ledger[Kept]
    run_row: Callable[[], RunRow]
    targets: Mapping[str, Target]
    source: Source | None
    emit: Emit
    clock: Callable[[], float]
    logs: deque[LogLine] = field(default_factory=deque)
    base: Mapping[str, Any] = field(default_factory=dict)
    """The lane's checkpoint so far: ``cursor`` or ``source``, and what marks it."""
    marks: Mapping[str, Any] = field(default_factory=dict)
    beside: Lease | None = None
    """The lane of ``places``."""
    places: Mapping[str, Checkpoint | None] = field(default_factory=dict)
    """Where the rewinding targets stood at the last settlement."""
    part: str = "source"
    fields: Sequence[str] = ()
    """The cursor's: it only moves forward, also where a lookback reads again what lies before it."""
    enabled: bool = True
    at_end: bool = field(init=False)
    """Nothing settles before the end."""
    lazy: bool = field(init=False)
    """What was not settled leaves no trace, so settling may lag."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ending: Callable[[RunRow], Aftermath] = lambda row: Aftermath()
    """Given the row of the run that ends."""
    settled: Callable[[Settlement], None] = lambda settlement: None
    """Hears of every settlement that is on disk."""
    _closed: bool = False
    _stopped: bool = False
    _owed: Frontier[Kept] = NOTHING
    """Given out by the ledger and not settled yet."""
    _begun: Settlement | None = None
    """A settlement whose end is not known."""
    _written: int = 0
    _settled: int = 0
    _last: float = 0.0
    _progress: dict[str, deque[tuple[int, Checkpoint | None]]] = field(default_factory=dict)
    """By target: where it stood after which chunk."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

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
            self._progress.setdefault(target, deque()).append((sequence, self.targets[target].progress()))
        if not self.at_end and (not self.lazy or self.clock() - self._last >= PAUSE):
            self._wake.set()

    async def work(self) -> None:
        """Settle whenever there is something, until ``stop``."""
        while not self._stopped:
            await self._wake.wait()
            self._wake.clear()
            if not self._stopped:
                await self.settle()

    def stop(self) -> None:
        """Let ``work`` end after the settlement under way."""
        self._stopped = True
        self._wake.set()

    async def settle(self, close: Close | None = None, *, complete: bool = False) -> None:
        """Write what may settle now. With *close* it is the end, and what *close* gives settles with it.

        What a cancelled or failed call did not settle is settled by the next one. *complete*: nothing is read again, so
        the dead letters that no checkpoint covers are written, too.
        """
        async with self._turn:
            written = self._written
            self._last = self.clock()
            if self._begun is not None:
                await self._finish(self._begun)
            self._owed = self._owed.joined(self.ledger.frontier(complete))
            if self.enabled and (close is not None or not self._owed.empty):
                await self._write(close)
            self._settled = max(self._settled, written)
            self._moved.set()

    async def start(self) -> None:
        """Write the run's row, and where rewinding targets stand before anything is written to them."""
        self.places = {name: target.progress() for name, target in self.targets.items() if target.rewinds}
        also = [(self.beside, self.places)] if self.beside is not None and self.enabled else []
        await self._finish(self._settlement(None)._replace(also=also))

    async def tell(self) -> None:
        """Write the run's row and its log, and what follows from its end.

        An end that was cut off stands: it may be on disk already, and nothing may say otherwise.
        """
        if self._begun is not None and self._begun.run is not None and self._begun.run.status != "running":
            await self._finish(self._begun)
            return
        settlement = self._settlement(None)
        await self._finish(self._with_aftermath(settlement))

    async def survive(self) -> None:
        """Write that the process lives, though nothing is done: the store no longer counts its deaths."""
        async with self._turn:
            if self._begun is None:  # else a settlement that moves on is under way as it is
                await self._finish(self._settlement(None)._replace(state={"survived": b"1"}))

    @property
    def clean(self) -> bool:
        """Tell whether all that was read is settled."""
        return self._begun is None and self._owed.empty and self.ledger.settled

    def wake(self) -> None:
        """Settle what there is, though no write has ended."""
        self._wake.set()

    async def moved(self, seconds: float) -> None:
        """Return after the next settlement, or after *seconds*."""
        self._moved.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        except TimeoutError:
            return

    def _with_aftermath(self, settlement: Settlement) -> Settlement:
        row = settlement.run
        if row is None or row.status == "running":
            return settlement
        after = self.ending(row)
        return settlement._replace(finished=after.finished, append=[*settlement.append, *after.append])

    async def _write(self, close: Close | None) -> None:
        owed = self._owed
        also = self._advance(owed)
        if close is not None:
            also |= await close(self.base)
        if owed.sequence >= 0:
            await self._flush()
        checkpoint = None if owed.checkpoint is None or self.lease in also else self.base
        settlement = self._settlement(checkpoint)
        settlement = settlement._replace(
            done=owed.entries,
            dead=[one for one in owed.dead if isinstance(one, DeadLetter)],
            append=[one for one in owed.dead if isinstance(one, NewEntry)],
            also=list(also.items()),
        )
        if close is not None:
            settlement = self._with_aftermath(settlement)
        self._owed = NOTHING
        await self._finish(settlement)
        if self.source is not None and owed.checkpoint is not None:
            await self.source.settled(owed.checkpoint)

    async def _flush(self) -> None:
        try:
            for target in self.targets.values():
                await target.flush()
        except Exception:
            # nobody knows what is on the disk now, and a second flush may say that all is well: settle no more
            self.enabled = False
            raise

    def _settlement(self, checkpoint: Checkpoint | None) -> Settlement:
        logs = [self.logs.popleft() for _ in range(len(self.logs))]
        return Settlement(new_id(), self.lease, checkpoint, run=self.run_row(), logs=logs)

    async def _finish(self, settlement: Settlement) -> None:
        """See a settlement to its end; cut off, it is begun again with the same id, which settles it once."""
        self._begun = settlement
        await self._settle(settlement)
        self._begun = None
        self.settled(settlement)
        row = settlement.run
        if row is not None:
            self.emit(Settled(row.pipeline, row.id, settlement.checkpoint, len(settlement.dead)))

    async def _settle(self, settlement: Settlement) -> None:
        """Settle; a full disk is waited for, with nothing written meanwhile, and then fails the run."""
        for attempt in range(TRIES):
            try:
                return await self.store.settle(settlement)
            except StoreFull as error:
                if not attempt:
                    row = self.run_row()
                    self.emit(Noted(row.pipeline, row.id, "error", "store-full", str(error)))
                await self.sleep(PAUSE)
        return await self.store.settle(settlement)

    def close(self) -> None:
        """Hold no writer back any longer: the run stops."""
        self._closed = True
        self._moved.set()

    def _advance(self, frontier: Frontier[Kept]) -> dict[Lease, Checkpoint | None]:
        """Move the checkpoint and the places to where *frontier* ends; give the lane of the places."""
        if frontier.checkpoint is not None:
            reached = frontier.checkpoint
            if self.fields and not later(reached, self.base.get(self.part), self.fields):
                reached = self.base[self.part]
            self.base = {self.part: reached, **self.marks}
        places = dict(self.places)
        for target, progress in self._progress.items():
            while progress and progress[0][0] <= frontier.sequence:
                places[target] = progress.popleft()[1]
        self.places = places
        return {} if self.beside is None or frontier.sequence < 0 else {self.beside: places}
