"""What a cron text means: whether it can ever fire, and when it does on the wall clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_BY_CHANCE = re.compile(r"(^|[\s,])[hHrR]($|[\s,(/])")
"""Jenkins' H and croniter's R: times by chance, other ones in each process."""
_OPEN = re.compile(r"[*/?-]")


def cron_problem(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a cron text and what to do, or None."""
    from croniter import CroniterError, croniter

    fields = len(text.split())
    if fields not in (5, 6) and not text.startswith("@"):
        remedy = "write minute, hour, day, month, weekday; with 6 fields, seconds come first"
        return f"'{text}' has {fields} fields", remedy
    if _BY_CHANCE.search(text):
        return f"'{text}' leaves the time to chance", "write the time; jitter spreads firings"
    try:
        ticks = croniter(text, datetime(2026, 1, 1, tzinfo=UTC), second_at_beginning=True, implement_cron_bug=True)
    except (CroniterError, ValueError) as error:
        remedy = "5 fields are minute, hour, day, month, weekday; with 6 fields, seconds come first"
        return f"'{text}' is not a cron text: {error}", remedy
    try:
        ticks.get_next(datetime)
    except (CroniterError, ValueError):
        return f"'{text}' never fires", "no such day exists"
    return None


class Cron:
    """A cron text on the wall clock, without zones: those are the slots' affair.

    A minute and an hour written as numbers are a fixed time. Where a star, a range or a step stands in one of them, it
    is an interval. Day and weekday together: either one suffices, both are needed where one begins with a star
    (crontab's own rule).
    """

    def __init__(self, text: str) -> None:
        from croniter import croniter

        # fixup of clock changes is ours: croniter only ever sees a clock that runs evenly
        self._ticks: Any = croniter(text, datetime(2026, 1, 1), second_at_beginning=True, implement_cron_bug=True)
        minute, hour = text.split()[-5:-3]
        self.repeats = bool(_OPEN.search(minute) or _OPEN.search(hour))
        self.makes_up = not self.repeats

    def next(self, after: datetime) -> datetime | None:
        """Return the first time after *after*; None when there is none in 50 years."""
        from croniter import CroniterError

        try:
            found: datetime = self._ticks.get_next(datetime, start_time=after)
        except (CroniterError, OverflowError):
            return None
        return found


@lru_cache(maxsize=16384)
def cron(text: str) -> Cron:
    """Return the rule of a cron text; many triggers have the same."""
    return Cron(text)
