"""What may settle: which chunks are done, how far, and whether a streak of refusals forbids it. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from engine.record import Checkpoint

D = TypeVar("D")

FIRST = 100
"""So many refusals in a row, at the start or later, are a mistake in the pipeline, not in the data."""
FEWEST = 20
"""When a run has fewer records than FIRST: all refused, but at least so many."""


@dataclass(slots=True)
class _Chunk(Generic[D]):
    sequence: int
    checkpoint: Checkpoint | None
    entries: Sequence[str]
    open: int
    """Deliveries not accounted for yet."""
    positions: Sequence[int]
    """The source indexes that were not dropped, ascending."""
    refused: set[int] = field(default_factory=set)
    dead: list[D] = field(default_factory=list)

    @property
    def safe(self) -> bool:
        """Tell whether a settlement may end here: the source can resume after it, or it came from the store."""
        return self.checkpoint is not None or bool(self.entries)


@dataclass(slots=True)
class _Heap(Generic[D]):
    """What many chunks come to; it does not grow with their number."""

    checkpoint: Checkpoint | None = None
    sequence: int = -1
    entries: list[str] = field(default_factory=list)
    dead: list[D] = field(default_factory=list)


class Frontier(NamedTuple, Generic[D]):
    """What a settlement may hold."""

    checkpoint: Checkpoint | None
    sequence: int
    """Everything up to this chunk is covered by *checkpoint*; -1: nothing."""
    entries: Sequence[str]
    dead: Sequence[D]

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return self.checkpoint is None and not self.entries and not self.dead

    def joined(self, later: Frontier[D]) -> Frontier[D]:
        """Add what became certain after this."""
        last = later if later.sequence >= 0 else self
        entries, dead = [*self.entries, *later.entries], [*self.dead, *later.dead]
        return Frontier(last.checkpoint, last.sequence, entries, dead)


@dataclass(slots=True)
class Ledger(Generic[D]):
    """Accounts for chunks of records between reading and settling, in the order they were read."""

    patience: int = 1000
    """Dead letters kept back for a safe checkpoint before they are given out without one."""
    lenient: bool = False
    """Streaks do not matter: what is replayed was refused before."""
    streak: int = 0
    taken: int = 0
    refused: int = 0
    _open: deque[_Chunk[D]] = field(default_factory=deque)
    _by_sequence: dict[int, _Chunk[D]] = field(default_factory=dict)
    _held: list[_Chunk[D]] = field(default_factory=list)
    """Complete, but in the current streak."""
    _covered: _Heap[D] = field(default_factory=lambda: _Heap())
    """Complete and free to settle, up to a place where the source can resume."""
    _beyond: list[D] = field(default_factory=list)
    """Dead letters of what is complete after that place."""

    def take(
        self, sequence: int, safe: Checkpoint | None, entries: Sequence[str], positions: Sequence[int], open: int
    ) -> None:
        """Begin chunk *sequence* (ascending), which waits for *open* deliveries and then is *safe* to resume after."""
        chunk: _Chunk[D] = _Chunk(sequence, safe, entries, open, positions)
        self._open.append(chunk)
        self._by_sequence[sequence] = chunk

    def done(
        self, sequence: int, count: int, refused: Iterable[tuple[int, D | None]] = (), kept: Iterable[D] = ()
    ) -> None:
        """Account for *count* deliveries of a chunk; *refused*: source index, and the dead letter if one is kept.

        *kept* settles with the chunk, too, and says nothing about the target.
        """
        chunk = self._by_sequence[sequence]
        chunk.open -= count
        chunk.dead += kept
        for index, letter in refused:
            chunk.refused.add(index)
            if letter is not None:
                chunk.dead.append(letter)
        self.advance()

    def advance(self) -> None:
        """Move complete chunks on, in order, and count the streak of refusals through them."""
        while self._open and self._open[0].open <= 0 and not self.mistaken:
            chunk = self._open.popleft()
            del self._by_sequence[chunk.sequence]
            self._count(chunk)
            if len(chunk.positions) > len(chunk.refused):
                self._release()
            self._held.append(chunk)
            if not self.streak:
                self._release()

    def _release(self) -> None:
        for chunk in self._held:
            self._beyond += chunk.dead
            if chunk.safe:
                covered = self._covered
                covered.checkpoint, covered.sequence = chunk.checkpoint, chunk.sequence
                covered.entries += chunk.entries
                covered.dead += self._beyond
                self._beyond = []
        self._held.clear()

    def _count(self, chunk: _Chunk[D]) -> None:
        refused = len(chunk.refused)
        self.refused += refused
        if self.lenient:
            return
        self.taken += len(chunk.positions) - refused
        if not refused:
            self.streak = 0 if chunk.positions else self.streak
            return
        for index in chunk.positions:
            if index not in chunk.refused:
                self.streak = 0
            else:
                self.streak += 1
                if self.streak >= FIRST:
                    return

    @property
    def settled(self) -> bool:
        """Tell whether all that was taken has been given out."""
        return not (self._open or self._held or self._beyond or self._covered.sequence >= 0)

    def rest(self) -> bool:
        """Nothing more came for now: end the streak as ``close`` does, unless something is under way."""
        return not self._open and bool(self._held) and self.close()

    @property
    def mistaken(self) -> bool:
        """Tell whether so many records in a row were refused that the pipeline itself must be wrong."""
        return self.streak >= FIRST

    def close(self) -> bool:
        """The read is over: free the last streak, unless all of at least FEWEST records were refused (then True)."""
        if self.mistaken or (not self.lenient and not self.taken and self.refused >= FEWEST):
            return True
        self._release()
        self.streak = 0
        return False

    def frontier(self, final: bool = False) -> Frontier[D]:
        """Give out, once, what may settle now; *final* gives out dead letters that no checkpoint covers, too."""
        covered, self._covered = self._covered, _Heap()
        if final or len(self._beyond) > self.patience:
            covered.dead += self._beyond
            self._beyond = []
        return Frontier(covered.checkpoint, covered.sequence, covered.entries, covered.dead)
