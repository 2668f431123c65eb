"""How much one caller may ask of us: calls in a time, and connections at once; the memory of it is bounded."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable

from engine.policy import Limiter, RateLimit

REMEMBERED = 10_000


class Rates:
    """A limiter for each caller; the one not heard of for the longest time is forgotten first."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._limiters: OrderedDict[tuple[RateLimit, Hashable], Limiter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._limiters)

    def wait(self, limit: RateLimit | None, who: Hashable, now: float) -> float:
        """Take one call of *who* and return 0, or return the seconds to wait; *now* in monotonic seconds."""
        if limit is None:
            return 0.0
        known = (limit, who)
        limiter = self._limiters.get(known)
        if limiter is None:
            limiter = self._limiters[known] = Limiter(limit)
            if len(self._limiters) > self._most:
                self._limiters.popitem(last=False)
        else:
            self._limiters.move_to_end(known)
        return limiter.permit(now)


class Crowd:
    """Open connections by where they come from."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def enter(self, who: str) -> bool:
        """Count a connection; false where there are too many."""
        self._open[who] += 1
        return self._open[who] <= self._most

    def leave(self, who: str) -> None:
        """Count it no more."""
        self._open[who] -= 1
        if self._open[who] <= 0:
            del self._open[who]

    def count(self, who: str) -> int:
        """Return how many are open."""
        return self._open[who]


class Load:
    """Calls accepted and not yet on disk: beyond the bounds nothing more is read."""

    def __init__(self, calls: int = 2000, size: int = 64 * 1024 * 1024) -> None:
        self._calls, self._size = calls, size
        self._now, self._bytes = 0, 0

    @property
    def full(self) -> bool:
        """Whether another call would have to wait for the disk."""
        return self._now >= self._calls or self._bytes >= self._size

    def begin(self, size: int) -> None:
        """Count a call of *size* bytes."""
        self._now += 1
        self._bytes += size

    def end(self, size: int) -> None:
        """Count it no more."""
        self._now -= 1
        self._bytes -= size
