"""What there is to do, what goes wrong, and what must come of it: the plan of one play of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Out:
    """One target of a scenario."""

    name: str
    kind: str = "plain"
    """plain, at_end or rewinds."""
    batch: int = 5
    keyed: bool = True
    atomic: bool = False
    share: int = 0
    """0: takes every record; n: those whose row is no multiple of n."""
    refuses: frozenset[int] = frozenset()
    """Rows whose records it refuses, for ever."""
    drops: bool = False
    """``on_rejected: drop``."""


@dataclass(frozen=True)
class Life:
    """What goes wrong while one process lives."""

    writes: Mapping[int, str] = field(default_factory=dict)
    """By number of the write call in this life, over all targets."""
    settles: Mapping[int, str] = field(default_factory=dict)
    limit: int | None = None
    full: bool = False


@dataclass(frozen=True)
class Scenario:
    """What there is to do, and what goes wrong."""

    cursor: str = "unique"
    """unique, ties, or none: the source gives checkpoints."""
    rows: int = 30
    tie: int = 1
    """Neighbouring rows with one cursor value."""
    read: int = 10
    """Records of a batch of the source."""
    dropped: frozenset[int] = frozenset()
    failing: frozenset[int] = frozenset()
    children: int = 1
    """Into how many every third row is split."""
    unrouted: str = "reject"
    lookback: int = 0
    outs: tuple[Out, ...] = (Out("out"),)
    lives: tuple[Life, ...] = ()
    slow: int = 0
    """Turns of the loop that a settlement takes."""
    bounded: bool = False
    """No life may repeat more than the write in flight and those not yet settled."""

    @cached_property
    def data(self) -> list[dict[str, Any]]:
        return [{"id": row, "at": row // self.tie} for row in range(self.rows)]

    def items(self, row: int) -> list[str]:
        """The names of what a row becomes."""
        if row in self.dropped or row in self.failing:
            return []
        return [f"{row}.{n}" for n in range(self.children if row % 3 == 0 else 1)]

    def takes(self, out: Out, row: int) -> bool:
        return not out.share or row % out.share != 0

    def wanted(self, out: Out, rows: Sequence[int]) -> list[str]:
        """What *out* must get of *rows*, in order."""
        return [item for row in rows if self.takes(out, row) and row not in out.refuses for item in self.items(row)]

    def letters(self, rows: Sequence[int]) -> Counter[tuple[str | None, int]]:
        """The dead letters there must be of *rows*: (target, row)."""
        found: Counter[tuple[str | None, int]] = Counter()
        forgotten = len(self.outs) == 1 and self.outs[0].drops
        for row in rows:
            if row in self.failing and not forgotten:
                found[None, row] += 1
            items = len(self.items(row))
            takers = [out for out in self.outs if self.takes(out, row)]
            for out in takers:
                if row in out.refuses and not out.drops:
                    found[out.name, row] += items
            if not takers and self.unrouted == "reject" and not forgotten:
                found[None, row] += items
        return +found
