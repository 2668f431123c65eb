"""Output put aside for one target that is down, so that the other targets of its pipeline need not wait."""

from __future__ import annotations

from dataclasses import dataclass

from engine.runtime.prepare import Lost
from engine.runtime.storable import storable
from engine.store.base import NewEntry

MOST = 10_000
"""Records that may wait for one target; then all its pipeline's work is held."""


@dataclass(slots=True)
class Parking:
    """Counts what waits in ``<pipeline>/out/<target>``; while anything does, what comes after it waits behind it.

    One process writes a store, so the count is shared by the session that parks and the one that works the lane.
    """

    lane: str
    stored: int = 0
    pending: int = 0
    """Given out by ``park`` and not settled yet."""

    @property
    def waiting(self) -> int:
        """Count what waits."""
        return self.stored + self.pending

    def room(self, count: int) -> bool:
        """Tell whether so many more may be put aside.

        While nothing is stored there is: what is pending is stored only when all that came with it is put aside, too.
        """
        return not self.stored or self.waiting + count <= MOST

    def park(self, lost: Lost) -> NewEntry:
        """Write a record as an entry that enters again where it stood, for its target alone."""
        self.pending += 1
        body = {
            "entry": lost.enter,
            "target": lost.target,
            "record": storable(lost.record),
            "meta": storable(dict(lost.meta)),
        }
        return NewEntry(self.lane, body)

    def kept(self, count: int) -> None:
        """So many are settled."""
        self.pending -= count
        self.stored += count

    def left(self, count: int) -> None:
        """So many were delivered, or became dead letters, and that is settled."""
        self.stored = max(0, self.stored - count)
