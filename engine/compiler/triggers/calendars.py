"""When something is open: hours, weekdays and days of a calendar, read on a wall clock."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from engine.compiler.triggers.zones import Zone, zone

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_LEAP = 2024
_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})")
Span = tuple[timedelta, timedelta]


class Days(NamedTuple):
    """A day or days in a row; without years they come every year."""

    first: tuple[int, int, int]
    last: tuple[int, int, int]
    """Year (0: every one), month, day; included."""

    def has(self, day: date) -> bool:
        """Tell whether *day* is one of them."""
        here = (day.year if self.first[0] else 0, day.month, day.day)
        if self.first <= self.last:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last  # over New Year, every year


class Opening:
    """Open on some days, for some hours of them. A span over midnight belongs to the day on which it begins."""

    def __init__(self, clock: Zone, hours: Iterable[Span] = (), rule: DayRule | None = None) -> None:
        self._clock = clock
        self._hours = tuple(sorted(hours)) or ((timedelta(), _DAY),)
        self._rule = rule or DayRule()
        self._days = lru_cache(maxsize=4)(self._look)

    def state(self, utc: datetime) -> tuple[bool, datetime]:
        """Say whether it is open at *utc*, and until when that is certain (naive UTC both)."""
        stretch = self._clock.stretch(utc)
        wall = utc + stretch.offset
        until = datetime(wall.year, wall.month, wall.day) + _DAY
        is_open = False
        for start, end in self._days(wall.date()):
            if start <= wall < end:
                until = end if not is_open else max(until, end)
                is_open = True
            elif wall < start and not is_open:
                until = min(until, start)
        return is_open, min(until - stretch.offset, stretch.end)

    def _look(self, day: date) -> list[tuple[datetime, datetime]]:
        """Return the spans that begin on *day* or the day before it."""
        found = []
        for one in (day - _DAY, day):
            if self._rule.opens(one):
                midnight = datetime(one.year, one.month, one.day)
                found += [(midnight + start, midnight + end) for start, end in self._hours]
        return found


class DayRule(NamedTuple):
    """Which days are open: those of the week and those listed, all when neither is written; never a holiday."""

    weekdays: frozenset[int] | None = None
    listed: tuple[Days, ...] = ()
    holidays: tuple[Days, ...] = ()

    def opens(self, day: date) -> bool:
        """Tell whether *day* is open; a listed day is open though it be a holiday."""
        if any(days.has(day) for days in self.listed):
            return True
        if any(days.has(day) for days in self.holidays):
            return False
        if self.weekdays is not None:
            return day.weekday() in self.weekdays
        return not self.listed


def calendar(value: Mapping[str, Any], timezone: str) -> Opening:
    """Make one of ``calendars:``; without a zone of its own it is read in *timezone*."""
    hours = value.get("hours", ())
    spans = [*([hours] if isinstance(hours, str) else hours), *value.get("shifts", {}).values()]
    return Opening(
        zone(value.get("timezone", timezone)),
        [span(text) for text in spans],
        DayRule(
            weekdays(value["weekdays"]) if "weekdays" in value else None,
            tuple(days(text) for text in value.get("open", ())),
            tuple(days(text) for text in value.get("holidays", ())),
        ),
    )


def span(text: str) -> Span:
    """Read ``09:00-19:00``; where the end is not after the beginning it is on the next day."""
    start, end = (_time(part) for part in text.split("-"))
    return start, end if end > start else end + _DAY


def _time(text: str) -> timedelta:
    hour, minute = text.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))


def weekdays(text: str) -> frozenset[int]:
    """Read ``mon-fri`` or ``mon,wed-fri``; Monday is 0, and ``sat-mon`` goes over Sunday."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        found.update(number % 7 for number in range(start, (end if end >= start else end + 7) + 1))
    return frozenset(found)


def days(text: str) -> Days:
    """Read ``2026-12-25``, ``12-25`` or two of a kind with ``..`` between. Raises ValueError for what is no date."""
    first, _, last = text.partition("..")
    one, two = _day(first), _day(last or first)
    if bool(one[0]) != bool(two[0]) or (one[0] and two < one):
        raise ValueError(f"'{text}' ends before it begins, or has one year only")
    return Days(one, two)


def _day(text: str) -> tuple[int, int, int]:
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError(f"'{text}' is not a date")
    year, month, day = (int(part or 0) for part in found.groups())
    try:
        date(year or _LEAP, month, day)
    except ValueError as error:
        raise ValueError(f"there is no day {text}") from error
    return year, month, day
