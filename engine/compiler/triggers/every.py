"""``every``: slots at equal distances on the wall clock, counted from local midnight."""

from __future__ import annotations

from datetime import datetime, timedelta

_DAY = timedelta(days=1)
_FIRST = datetime.min
"""A Monday: what is longer than a day is counted from here, so that 7d begins on Mondays."""


class Every:
    """The times of day that are a multiple of the interval; every midnight begins anew.

    When the clocks change it stays on the wall clock, as an interval: what the clock shows twice fires twice, and a
    time that is left out is made up for at the end of the gap. From one day on it is a fixed time: once.
    """

    makes_up = True

    def __init__(self, seconds: float) -> None:
        self._span = timedelta(microseconds=round(seconds * 1_000_000))
        self.repeats = self._span < _DAY

    def next(self, after: datetime) -> datetime:
        """Return the first time after *after*."""
        if not self.repeats:
            return _FIRST + ((after - _FIRST) // self._span + 1) * self._span
        midnight = datetime(after.year, after.month, after.day)
        found = midnight + ((after - midnight) // self._span + 1) * self._span
        return min(found, midnight + _DAY)
