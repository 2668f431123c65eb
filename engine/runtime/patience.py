"""How accepted work waits for a target that cannot take it: in order, told once, for as long as it may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.errors import CircuitOpen
from engine.events import Emit, LaneFreed, LaneHeld
from engine.record import Meta
from engine.runtime.connections import Line
from engine.runtime.decide import LONGEST_WAIT, hold

TOO_OLD = "too-old"


@dataclass(slots=True)
class Patience:
    """Holds one lane for one target."""

    lane: str
    line: Line
    emit: Emit
    now: Callable[[], datetime]
    random: Callable[[], float]
    survived: Callable[[], Awaitable[None]]
    """Says in the store that the process lives: what waits at the head of the lane is not what kills it."""
    max_age: float | None = None
    held: dict[str, str] = field(default_factory=dict)
    """By lane, for the whole process: why it is held."""
    _told: tuple[str, str] | None = None

    @property
    def waiting(self) -> bool:
        """Tell whether the lane is held."""
        return self._told is not None

    async def wait(self, error: Exception, attempt: int) -> None:
        """Wait before the next try. Raises Stopped."""
        await self._tell(error)
        line = self.line
        asked = getattr(error, "retry_after", None)
        if asked:
            # a triggered run on the same connection does not wait longer than it would of itself
            line.shared.paused = max(line.shared.paused, line.clock() + min(asked, LONGEST_WAIT))
        await line.sleep(hold(error, attempt, line.policy.retry, self.random(), line.clock()))

    async def _tell(self, error: Exception) -> None:
        code = "circuit-open" if isinstance(error, CircuitOpen) else str(getattr(error, "code", "error"))
        # an open breaker only follows from what was told before
        if self._told is None or (code != "circuit-open" and self._told[0] != code):
            first, self._told = self._told is None, (code, str(error))
            self.held[self.lane] = code
            line = self.line
            self.emit(LaneHeld(line.pipeline, line.run, self.lane, code, str(error), line.shared.name))
            if first:
                await self.survived()

    def over(self) -> None:
        """The target takes work again."""
        if self._told is not None:
            self._told = None
            self.held.pop(self.lane, None)
            self.emit(LaneFreed(self.line.pipeline, self.line.run, self.lane))

    def expired(self, metas: Sequence[Meta]) -> dict[int, tuple[str, str]]:
        """Give the records that waited longer than ``max_age`` since they were received: index → (code, reason)."""
        if self.max_age is None:
            return {}
        reason = f"not delivered within max_age ({self.max_age:g} s) of its arrival"
        return {index: (TOO_OLD, reason) for index, meta in enumerate(metas) if self._age(meta) > self.max_age}

    def _age(self, meta: Meta) -> float:
        received = meta.get("received")
        if not isinstance(received, str):
            return 0.0
        return (self.now().astimezone(UTC) - datetime.fromisoformat(received)).total_seconds()
