"""Takes turns at what only one worker of a pipeline can have: the files that its targets append to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from math import inf

LONG = 5.0
"""Seconds that a turn lasts at least, where there is so much to do."""


@dataclass(slots=True)
class Turns:
    """Who of each pipeline has the turn; the others do not begin meanwhile."""

    clock: Callable[[], float]
    """Monotonic seconds."""
    _of: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Pipeline → the lane whose turn it is, and until when; for ever until it has begun."""

    def ask(self, pipeline: str, lane: str) -> None:
        """Give *lane* the next turn: it could not begin beside the others."""
        self._of[pipeline] = (lane, inf)

    def free(self, pipeline: str, lane: str, others: Collection[str]) -> bool:
        """Tell whether *lane* may begin; *others*: the pipeline's lanes that are worked now."""
        turn = self._of.get(pipeline)
        if turn is None:
            return True
        if turn[0] != lane:
            return self.clock() >= turn[1]
        if others:
            return False  # they were told to make way
        self._of[pipeline] = (lane, self.clock() + LONG)
        return True

    def over(self, pipeline: str, lane: str) -> None:
        """The worker of *lane* has ended, or nothing waits there: others may go on."""
        if self._of.get(pipeline, ("", 0.0))[0] == lane:
            del self._of[pipeline]

    def keep(self, lanes: Collection[str]) -> None:
        """Forget the turns of all but these *lanes*: the others have nothing to do."""
        self._of = {name: turn for name, turn in self._of.items() if turn[0] in lanes}

    def clear(self) -> None:
        """Begin anew."""
        self._of.clear()
