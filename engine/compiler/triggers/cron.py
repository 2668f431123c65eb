"""What a cron text means: whether it can ever fire, and when it does on the wall clock."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache
from threading import Lock
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
_ONE_AT_A_TIME = Lock()
"""A croniter remembers where it looked last, and a check may run beside the schedule."""


_RANGES = {
    "second": "0 to 59",
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day": "1 to 31",
    "month": "1 to 12, or JAN to DEC",
    "weekday": "0 to 7 (0 and 7 are Sunday), or SUN to SAT",
}
_REMEDY = "5 fields are minute, hour, day, month, weekday; with 6 fields, seconds come first"


def _wrong_field(text: str) -> tuple[str, str] | None:
    """Return which field alone cannot be read, and what it takes."""
    fields = text.split()
    names = list(_RANGES)[6 - len(fields) :]
    for at, (name, field) in enumerate(zip(names, fields, strict=True)):
        try:
            _croniter(" ".join([*["*"] * at, field, *["*"] * (len(fields) - at - 1)]))
        except ValueError:  # croniter's own errors are such
            rule = "a step is 1 or more" if re.search(r"/0+$", field) else f"the {name} is {_RANGES[name]}"
            return f"'{field}' is no {name} in '{text}'", f"{rule}; {_REMEDY}"
    return None


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
        return _wrong_field(text) or (f"'{text}' is not a cron text: {error}", _REMEDY)
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
        # croniter sees a clock that runs evenly, and one field at a time: of ten thousand texts most fields are alike
        *second, minute, hour, day, month, weekday = text.split()
        self.repeats = bool(_OPEN.search(minute) or _OPEN.search(hour))
        self.makes_up = not self.repeats
        self._times = _times(second[0] if second else "0", minute, hour)
        self._days = f"0 0 {day} {month} {weekday}"
        self._text = text

    def next(self, after: datetime) -> datetime | None:
        """Return the first time after *after*; None when there is none in 50 years."""
        if self._times is None:
            return _ask(self._text, after)
        midnight = datetime(after.year, after.month, after.day)
        day = _day_from(self._days, midnight)
        if day == midnight:
            at = bisect_right(self._times, after - midnight)
            if at < len(self._times):
                return midnight + self._times[at]
            day = _day_from(self._days, midnight + _DAY)
        return None if day is None else day + self._times[0]


@lru_cache(maxsize=4096)
def _day_from(days: str, midnight: datetime) -> datetime | None:
    return _ask(days, midnight - TICK)


def _ask(text: str, after: datetime) -> datetime | None:
    from croniter import CroniterError

    try:
        with _ONE_AT_A_TIME:
            found: datetime = _ticks(text).get_next(datetime, start_time=after)
    except (CroniterError, OverflowError):
        return None
    return found


@lru_cache(maxsize=4096)
def _ticks(text: str) -> Any:
    return _croniter(text)


@lru_cache(maxsize=4096)
def _times(second: str, minute: str, hour: str) -> tuple[timedelta, ...] | None:
    """Return the times of day, in order; None where they are too many to list."""
    seconds, minutes, hours = _numbers(second, 60), _numbers(minute, 60), _numbers(hour, 24)
    if len(minutes) * len(hours) * len(seconds) > _MOST:
        return None
    return tuple(timedelta(hours=h, minutes=m, seconds=s) for h in hours for m in minutes for s in seconds)


@lru_cache(maxsize=4096)
def _numbers(field: str, count: int) -> tuple[int, ...]:
    """Return what a field of minutes or seconds (of 60) or hours (of 24) means."""
    at = 0 if count == 60 else 1
    found = _croniter(" ".join([*["*"] * at, field, *["*"] * (4 - at)])).expanded[at]
    return tuple(range(count)) if "*" in found else tuple(sorted(found))


@lru_cache(maxsize=16384)
def cron(text: str) -> Cron:
    """Return the rule of a cron text; many triggers have the same."""
    return Cron(text)
