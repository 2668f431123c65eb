"""What a cron text means: whether it can ever fire, and when it does on the wall clock."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from engine.compiler.triggers.zones import TICK

_BY_CHANCE = re.compile(r"(^|[\s,])[hHrR]($|[\s,(/])")
"""Jenkins' H and croniter's R: times by chance, other ones in each process."""
_OPEN = re.compile(r"[*/?-]")
_ONE = re.compile(r"\b(\w+)-\1(/\d+)?\b", re.IGNORECASE)
"""``9-9``: one value, which croniter takes for all of them."""
_DAY = timedelta(days=1)
_MOST = 1440
"""Times of day that are listed: every minute."""


def cron_problem(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a cron text and what to do, or None."""
    from croniter import CroniterError

    fields = len(text.split())
    if fields not in (5, 6):
        remedy = "write minute, hour, day, month, weekday; with 6 fields, seconds come first"
        return f"'{text}' has {fields} fields", remedy
    if _BY_CHANCE.search(text):
        return f"'{text}' leaves the time to chance", "write the time; jitter spreads firings"
    try:
        ticks = _croniter(text)
    except (CroniterError, ValueError) as error:
        remedy = "5 fields are minute, hour, day, month, weekday; with 6 fields, seconds come first"
        return f"'{text}' is not a cron text: {error}", remedy
    try:
        ticks.get_next(datetime)
    except (CroniterError, ValueError):
        return f"'{text}' never fires", "no such day exists"
    return None


def _croniter(text: str) -> Any:
    from croniter import croniter

    text = _ONE.sub(r"\1", text)
    return croniter(text, datetime(2026, 1, 1), second_at_beginning=True, implement_cron_bug=True)


class Cron:
    """A cron text on the wall clock, without zones: those are the slots' affair.

    A minute and an hour written as numbers are a fixed time. Where a star, a range or a step stands in one of them, it
    is an interval. Day and weekday together: either one suffices, both are needed where one begins with a star
    (crontab's own rule).
    """

    def __init__(self, text: str) -> None:
        # croniter sees a clock that runs evenly, and only to find days: the times of a day are always the same
        self._ticks = _croniter(text)
        minute, hour = text.split()[-5:-3]
        self.repeats = bool(_OPEN.search(minute) or _OPEN.search(hour))
        self.makes_up = not self.repeats
        self._times = _times(self._ticks.expanded)
        self._first = lru_cache(maxsize=4)(self._ask)

    def next(self, after: datetime) -> datetime | None:
        """Return the first time after *after*; None when there is none in 50 years."""
        if self._times is None:
            return self._ask(after)
        midnight = datetime(after.year, after.month, after.day)
        first = self._first(midnight - TICK)
        if first is None or first > after:
            return first
        at = bisect_right(self._times, after - midnight)
        return midnight + self._times[at] if at < len(self._times) else self._first(midnight + _DAY - TICK)

    def _ask(self, after: datetime) -> datetime | None:
        from croniter import CroniterError

        try:
            found: datetime = self._ticks.get_next(datetime, start_time=after)
        except (CroniterError, OverflowError):
            return None
        return found


def _times(expanded: list[list[Any]]) -> tuple[timedelta, ...] | None:
    """Return the times of day, in order; None where they are too many to list."""
    minutes, hours = _numbers(expanded[0], 60), _numbers(expanded[1], 24)
    seconds = _numbers(expanded[5], 60) if len(expanded) > 5 else [0]
    if len(minutes) * len(hours) * len(seconds) > _MOST:
        return None
    return tuple(timedelta(hours=h, minutes=m, seconds=s) for h in hours for m in minutes for s in seconds)


def _numbers(field: list[Any], count: int) -> list[int]:
    return list(range(count)) if "*" in field else sorted(field)


@lru_cache(maxsize=16384)
def cron(text: str) -> Cron:
    """Return the rule of a cron text; many triggers have the same."""
    return Cron(text)
